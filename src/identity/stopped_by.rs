//! Who stopped this task: one look at the endpoint after a stop signal.
//!
//! ECS stops a container with the same SIGTERM whether somebody deployed, a health check failed or another
//! container of the task ended. The endpoint tells what the task is wanted to be, and which of its containers
//! have ended.

use super::document::{Found, Key, Want, read};
use super::http::Client;
use super::metadata::text_of;
use super::resolve::endpoint;
use super::{Deadline, System, ask, value};
use std::fmt::Write;
use std::time::{Duration, SystemTime};

const DESIRED: Key = Key::Named("DesiredStatus");
const KNOWN: Key = Key::Named("KnownStatus");
const ID: Key = Key::Named("DockerId");
const NAME: Key = Key::Named("Name");
const EXIT_CODE: Key = Key::Named("ExitCode");
const FINISHED: Key = Key::Named("FinishedAt");
const HEALTH: Key = Key::Named("Health.status");
const HEALTH_SINCE: Key = Key::Named("Health.statusSince");
const HEALTH_CODE: Key = Key::Named("Health.exitCode");
const HEALTH_OUTPUT: Key = Key::Named("Health.output");

/// Format: "Amazon ECS task metadata endpoint version 4" in the Amazon ECS Developer Guide.
const TASK: Want = Want::Object(&[
    ("DesiredStatus", Want::Text(DESIRED)),
    ("KnownStatus", Want::Text(KNOWN)),
    (
        "Containers",
        Want::Each(&Want::Object(&[
            ("DockerId", Want::Text(ID)),
            ("Name", Want::Text(NAME)),
            ("Type", Want::Text(Key::Kind)),
            ("KnownStatus", Want::Text(KNOWN)),
            ("ExitCode", Want::Text(EXIT_CODE)),
            ("FinishedAt", Want::Text(FINISHED)),
            (
                "Health",
                Want::Object(&[
                    ("status", Want::Text(HEALTH)),
                    ("statusSince", Want::Text(HEALTH_SINCE)),
                    ("exitCode", Want::Text(HEALTH_CODE)),
                    ("output", Want::Text(HEALTH_OUTPUT)),
                ]),
            ),
        ])),
    ),
]);

/// How many of the containers that have ended are told.
const MOST_ENDED: usize = 5;

/// The longest output of a health check that is kept, in bytes.
const LONGEST_OUTPUT: usize = 256;

/// How long before the stop signal another container's end can have been what it is about. ECS stops a task
/// as soon as an essential container has ended; what ended earlier is one that the task goes on without.
const RECENT: Duration = Duration::from_secs(60);

/// Exit codes that follow a stop signal. Where a task is stopped in the order of its dependencies, the
/// container that ends first with one of these was itself told to.
const CODES_OF_A_STOP: [u64; 6] = [0, 129, 130, 131, 137, 143];

/// Who stopped the task, where it is certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoppedBy {
    /// ECS wants it stopped, and no container of it had ended before: a deployment, a scale-in, StopTask
    Ecs,
    /// another container ended first, with an exit code that no stop leads to
    Sibling,
    /// ECS wants it stopped, and this container was unhealthy
    Health,
}

impl StoppedBy {
    /// All of them.
    pub const ALL: [StoppedBy; 3] = [StoppedBy::Ecs, StoppedBy::Sibling, StoppedBy::Health];

    /// The word in a record.
    pub fn name(self) -> &'static str {
        match self {
            StoppedBy::Ecs => "ecs",
            StoppedBy::Sibling => "sibling",
            StoppedBy::Health => "health",
        }
    }
}

/// Another container of the task, which has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedContainer {
    /// in the task definition
    pub name: String,
    /// when the agent knows it
    pub exit_code: Option<u64>,
    /// RFC 3339, when the agent knows it
    pub ended_at: Option<String>,
    at: Option<SystemTime>,
}

/// The state of this container's health check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// `HEALTHY`, `UNHEALTHY` or `UNKNOWN`
    pub status: String,
    /// since when: RFC 3339
    pub since: Option<String>,
    /// of the last probe
    pub exit_code: Option<u64>,
    /// the beginning of what the last probe wrote, at most 256 bytes. Any text
    pub output: Option<String>,
}

/// What the endpoint told after a stop signal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopLook {
    /// `RUNNING` or `STOPPED`: what ECS wants the task to be
    pub desired_status: Option<String>,
    /// what the agent knows it to be
    pub known_status: Option<String>,
    /// up to five, the earliest first
    pub ended: Vec<EndedContainer>,
    /// absent where the container has no health check
    pub health: Option<Health>,
    /// absent where it is not certain
    pub stopped_by: Option<StoppedBy>,
    /// one sentence
    pub why: String,
}

/// Asks for the task once: one request, not repeated. `id` is this container's ID, `stopped` when the first
/// stop signal came.
///
/// Returns nothing when there is no endpoint, or no answer of a task that holds this container by `deadline`.
pub fn stopped_by(system: &System, id: &str, stopped: SystemTime, deadline: Deadline) -> Option<StopLook> {
    let (base, _) = endpoint(system)?;
    let body = ask::body(&Client::new(), &base.join("/task"), deadline).ok()?;
    judge(&body, id, stopped)
}

/// What an answer to `/task` tells, whatever it holds.
pub fn judge(body: &[u8], id: &str, stopped: SystemTime) -> Option<StopLook> {
    let found = read(body, &TASK).ok()?;
    let own = found.iter().find(|one| one.key == ID && one.text == id && !id.is_empty())?.element;
    let get = |element, key| text_of(&found, element, key);
    let desired_status = get(0, DESIRED).and_then(word);
    let known_status = get(0, KNOWN).and_then(word);
    let health = get(own, HEALTH).and_then(word).map(|status| Health {
        status,
        since: get(own, HEALTH_SINCE).and_then(time).map(|(text, _)| text),
        exit_code: get(own, HEALTH_CODE).and_then(|code| code.parse().ok()),
        output: get(own, HEALTH_OUTPUT).filter(|output| !output.is_empty()).map(beginning),
    });
    let mut ended: Vec<EndedContainer> = (1..=last_element(&found))
        .filter(|&element| element != own && get(element, Key::Kind) != Some("CNI_PAUSE"))
        .filter_map(|element| {
            let finished = get(element, FINISHED).and_then(time);
            let has_ended = get(element, KNOWN) == Some("STOPPED") || finished.is_some();
            let name = get(element, NAME).filter(|name| value::is_name(name) && name.len() <= 255)?;
            has_ended.then(|| EndedContainer {
                name: name.to_owned(),
                exit_code: get(element, EXIT_CODE).and_then(|code| code.parse().ok()),
                ended_at: finished.as_ref().map(|(text, _)| text.clone()),
                at: finished.map(|(_, at)| at),
            })
        })
        .collect();
    let mut look = StopLook {
        desired_status,
        known_status,
        ended: Vec::new(),
        health,
        stopped_by: None,
        why: String::new(),
    };
    look.explain(&ended, stopped);
    while look.ended.len() < MOST_ENDED
        // Those whose time is not known come last.
        && let Some(place) = (0..ended.len()).min_by_key(|&place| ended.get(place).map(|one| (one.at.is_none(), one.at)))
    {
        look.ended.push(ended.remove(place));
    }
    Some(look)
}

impl StopLook {
    fn explain(&mut self, ended: &[EndedContainer], stopped: SystemTime) {
        let recent = |one: &&EndedContainer| {
            let before = one.at.and_then(|at| stopped.duration_since(at).ok());
            before.is_some_and(|before| before <= RECENT)
        };
        let sibling = ended.iter().filter(recent).min_by_key(|one| one.at);
        let unhealthy = self.health.as_ref().filter(|health| health.status == "UNHEALTHY");
        let wants_stop = match self.desired_status.as_deref() {
            Some("STOPPED") => true,
            Some(_) => {
                self.why = "ECS does not want the task stopped: the signal came from elsewhere.".to_owned();
                return;
            }
            None => false,
        };
        if let Some(sibling) = sibling {
            self.why = format!("Container {} of this task ended", sibling.name);
            if let Some(code) = sibling.exit_code {
                let _ = write!(self.why, " with {code}");
            }
            let before = sibling.at.and_then(|at| stopped.duration_since(at).ok()).unwrap_or_default();
            // Tenths, without the code that prints fractions, which is larger than this file.
            let _ = write!(self.why, ", {}.{} s before.", before.as_secs(), before.subsec_millis() / 100);
            let is_own_end = sibling.exit_code.is_some_and(|code| !CODES_OF_A_STOP.contains(&code));
            if wants_stop && is_own_end && unhealthy.is_none() {
                self.stopped_by = Some(StoppedBy::Sibling);
            }
        } else if wants_stop && let Some(health) = unhealthy {
            self.why = "ECS wants the task stopped; this container was unhealthy".to_owned();
            if let Some(since) = &health.since {
                let _ = write!(self.why, " since {since}");
            }
            self.why.push('.');
            self.stopped_by = Some(StoppedBy::Health);
        } else if wants_stop {
            self.why = "ECS wants the task stopped; no other container of it had ended before.".to_owned();
            self.stopped_by = Some(StoppedBy::Ecs);
        } else {
            self.why = "The endpoint does not tell whether ECS wants the task stopped.".to_owned();
        }
    }
}

fn last_element(found: &[Found]) -> usize {
    found.iter().map(|one| one.element).max().unwrap_or(0)
}

/// A status: one word of capital letters.
fn word(text: &str) -> Option<String> {
    let is_word =
        (1..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    is_word.then(|| text.to_owned())
}

/// A time and its text. Go's zero time, of year 1, is none.
fn time(text: &str) -> Option<(String, SystemTime)> {
    let at = humantime::parse_rfc3339(text).ok()?;
    Some((text.to_owned(), at))
}

fn beginning(text: &str) -> String {
    let end = (0..=text.len().min(LONGEST_OUTPUT)).rfind(|&end| text.is_char_boundary(end)).unwrap_or(0);
    text.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn stopped() -> SystemTime {
        humantime::parse_rfc3339("2026-01-02T03:04:05.5Z").expect("a time")
    }

    /// The task in this state, with this health of our container and these others.
    fn look(desired: &str, health: &str, others: &str) -> StopLook {
        let health = if health.is_empty() { String::new() } else { format!(r#","Health":{health}"#) };
        let others = if others.is_empty() { String::new() } else { format!(",{others}") };
        let body = format!(
            r#"{{"DesiredStatus":"{desired}","KnownStatus":"RUNNING","Containers":[
            {{"DockerId":"9","Name":"~internal~ecs~pause","Type":"CNI_PAUSE","KnownStatus":"STOPPED","FinishedAt":"2026-01-02T03:04:05Z"}},
            {{"DockerId":"{OWN}","Name":"server","Type":"NORMAL","KnownStatus":"RUNNING"{health}}}{others}]}}"#
        );
        judge(body.as_bytes(), OWN, stopped()).expect("a look")
    }

    fn other(name: &str, code: &str, at: &str) -> String {
        format!(
            r#"{{"DockerId":"1","Name":"{name}","Type":"NORMAL","KnownStatus":"STOPPED","ExitCode":{code},"FinishedAt":"{at}"}}"#
        )
    }

    #[test]
    fn who_it_was() {
        let recent = "2026-01-02T03:04:03.4Z";
        let sick =
            r#"{"status":"UNHEALTHY","statusSince":"2026-01-02T03:03:00Z","exitCode":1,"output":"no"}"#;
        let init = other("init", "0", "2026-01-02T02:00:00Z");
        for (desired, health, others, by, why) in [
            ("STOPPED", "", String::new(), Some(StoppedBy::Ecs), "no other container of it had ended"),
            ("STOPPED", "", init.clone(), Some(StoppedBy::Ecs), "no other container of it had ended"),
            (
                "STOPPED",
                sick,
                String::new(),
                Some(StoppedBy::Health),
                "unhealthy since 2026-01-02T03:03:00Z.",
            ),
            (
                "STOPPED",
                "",
                other("worker", "1", recent),
                Some(StoppedBy::Sibling),
                "worker of this task ended with 1, 2.1 s before.",
            ),
            // It may itself have been told to stop first, or be killed for not doing so.
            (
                "STOPPED",
                "",
                other("worker", "143", recent),
                None,
                "worker of this task ended with 143, 2.1 s",
            ),
            (
                "STOPPED",
                "",
                other("worker", "137", recent),
                None,
                "worker of this task ended with 137, 2.1 s",
            ),
            ("STOPPED", sick, other("worker", "1", recent), None, "worker of this task ended with 1, 2.1 s"),
            // After the signal: it was stopped too.
            (
                "STOPPED",
                "",
                other("worker", "1", "2026-01-02T03:04:06Z"),
                Some(StoppedBy::Ecs),
                "no other container",
            ),
            ("RUNNING", "", other("worker", "1", recent), None, "the signal came from elsewhere"),
            ("RUNNING", sick, String::new(), None, "the signal came from elsewhere"),
            ("", "", String::new(), None, "does not tell"),
        ] {
            let look = look(desired, health, &others);
            assert_eq!(look.stopped_by, by, "{desired} {health} {others}");
            assert!(look.why.contains(why), "{}: {why}", look.why);
        }
    }

    #[test]
    fn the_earliest_five_and_the_health() {
        let others: Vec<String> =
            (1..=7).rev().map(|n| other(&format!("c{n}"), "0", &format!("2026-01-02T03:03:0{n}Z"))).collect();
        let output = "é".repeat(300);
        let health = format!(r#"{{"status":"HEALTHY","exitCode":0,"output":"{output}"}}"#);
        let look = look("STOPPED", &health, &others.join(","));
        let names: Vec<&str> = look.ended.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["c1", "c2", "c3", "c4", "c5"]);
        let health = look.health.expect("a health check");
        assert_eq!((health.status.as_str(), health.exit_code, health.since), ("HEALTHY", Some(0), None));
        assert_eq!(health.output, Some("é".repeat(128)));
    }

    #[test]
    fn hostile_answers() {
        assert_eq!(judge(b"[]", OWN, stopped()), None);
        assert_eq!(
            judge(br#"{"DesiredStatus":"STOPPED"}"#, OWN, stopped()),
            None,
            "not a task with this container"
        );
        let look = look("STOPPED\\nX", r#"{"status":"a b"}"#, &other("evil name", "1", "yesterday"));
        assert_eq!((look.desired_status, look.health, look.ended), (None, None, vec![]));
    }
}
