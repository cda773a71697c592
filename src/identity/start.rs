//! When this start of the container began, and how long its network took.
//!
//! The agent learns that a container has started only after Docker's start call has returned, and epitaph
//! asks before that. So the kernel's word for PID 1 stands in until the agent's is known. After a restart by
//! a restart policy the agent goes on telling the first start of all, and `RestartCount` rises.

use super::run;
use super::{Field, Identity, Source};
use std::time::{Duration, SystemTime};

/// How much earlier than PID 1 a container may have been started by the engine's clock. Real ones begin a few
/// milliseconds apart; the clock may be corrected in between.
const SLACK: Duration = Duration::from_secs(2);

/// When epitaph itself began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnStart {
    /// by the clock
    pub at: SystemTime,
    /// whether as PID 1, so that it is the container's start too
    pub is_containers: bool,
}

impl OwnStart {
    /// That of this process, if it was taken down; see [`run::begin`].
    pub fn of_process() -> Option<OwnStart> {
        let run = run::current()?;
        Some(OwnStart { at: run.started()?, is_containers: run.is_pid_1() })
    }
}

/// Makes `started_at` that of this start, and computes `network_wait_ms`. Tells whether the agent will know a
/// better `started_at` in a moment.
pub fn settle(identity: &mut Identity, own: Option<OwnStart>) -> bool {
    let agents = identity.get(Field::StartedAt).and_then(|time| humantime::parse_rfc3339(time).ok());
    let restarts =
        identity.get(Field::RestartCount).is_some_and(|count| count.bytes().any(|digit| digit != b'0'));
    let own_of_container = own.filter(|own| own.is_containers).map(|own| own.at);
    // The engine restarts a container without counting too (`docker restart`).
    let is_of_earlier_start = match (own_of_container, agents) {
        (Some(own), Some(agents)) => agents.checked_add(SLACK).is_some_and(|latest| latest < own),
        _ => false,
    };
    let is_restart = restarts || is_of_earlier_start;
    if is_restart || agents.is_none() {
        identity.forget(Field::StartedAt);
        if let Some(own) = own {
            let own = humantime::format_rfc3339_millis(own.at).to_string();
            identity.replace(Field::StartedAt, &own, Source::Computed);
        }
    }
    let began = own_of_container.or(agents).or(own.map(|own| own.at));
    // After a restart it would be the time since the first start of all.
    if !is_restart
        && let (Some(network), Some(began)) = (identity.network_started, began)
        && let Ok(wait) = began.duration_since(network)
    {
        let _ = identity.derive(Field::NetworkWaitMs, &wait.as_millis().to_string(), Source::Computed);
    }
    agents.is_none() && !is_restart
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "2026-01-02T03:04:07.120Z";

    fn time(text: &str) -> SystemTime {
        humantime::parse_rfc3339(text).expect("a time")
    }

    /// `started_at`, its source, `network_wait_ms`, and whether the agent knows more in a moment.
    fn settled(agents: &str, restarts: &str, own: Option<bool>) -> (String, Option<Source>, String, bool) {
        let mut identity = Identity::default();
        identity.offer(Field::StartedAt, agents, Source::MetadataV4).expect("a time");
        identity.offer(Field::RestartCount, restarts, Source::MetadataV4).expect("a number");
        identity.network_started = Some(time("2026-01-02T03:04:05Z"));
        let own = own.map(|is_containers| OwnStart { at: time(OWN), is_containers });
        let more = settle(&mut identity, own);
        let get = |field| identity.get(field).unwrap_or_default().to_owned();
        (get(Field::StartedAt), identity.source(Field::StartedAt), get(Field::NetworkWaitMs), more)
    }

    #[test]
    fn each_start() {
        let (v4, computed) = (Some(Source::MetadataV4), Some(Source::Computed));
        let agents = "2026-01-02T03:04:07.25Z";
        let earlier = "2026-01-02T03:00:00Z";
        let expected =
            |text: &str, source, wait: &str, more| (text.to_owned(), source, wait.to_owned(), more);
        // As on nearly every start: the agent does not know yet.
        assert_eq!(settled("", "", Some(true)), expected(OWN, computed, "2120", true));
        assert_eq!(settled(agents, "0", Some(true)), expected(agents, v4, "2120", false));
        // Restarts, counted and not.
        assert_eq!(settled(earlier, "2", Some(true)), expected(OWN, computed, "", false));
        assert_eq!(settled(earlier, "", Some(true)), expected(OWN, computed, "", false));
        // Not PID 1: it may have begun long after the container.
        assert_eq!(settled(earlier, "", Some(false)), expected(earlier, v4, "", false));
        assert_eq!(settled("", "", Some(false)), expected(OWN, computed, "2120", true));
        // No /proc.
        assert_eq!(settled("", "", None), expected("", None, "", true));
        assert_eq!(settled(agents, "", None), expected(agents, v4, "2250", false));
    }
}
