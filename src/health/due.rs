//! When an outcome is worth a record: pure.

use std::time::{Duration, SystemTime};

/// How a health check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// it ended with 0 in time
    Passed,
    /// it ended otherwise
    Failed,
    /// it had not ended in time
    TimedOut,
    /// it could not be started
    NotStarted,
    /// the container is older than `--max-lifetime`
    Expired,
}

impl Outcome {
    const ALL: [Outcome; 5] =
        [Outcome::Passed, Outcome::Failed, Outcome::TimedOut, Outcome::NotStarted, Outcome::Expired];

    /// The name in the record.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Passed => "passed",
            Outcome::Failed => "failed",
            Outcome::TimedOut => "timed_out",
            Outcome::NotStarted => "not_started",
            Outcome::Expired => "expired",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Outcome> {
        Outcome::ALL.into_iter().find(|outcome| outcome.name() == name)
    }
}

/// How it has gone lately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Streak {
    pub(super) outcome: Outcome,
    /// runs in a row that passed, or that did not
    pub(super) length: u64,
    /// when the first of them was
    pub(super) since: SystemTime,
}

/// The streak with a further run, and whether that run gets a record: the first one, each change, and of
/// those that do not pass the second, the fourth, the eighth and so on. What fails every 5 s for an hour is
/// 10 records.
pub(super) fn after(before: Option<Streak>, outcome: Outcome, now: SystemTime) -> (Streak, bool) {
    let passed = |outcome| outcome == Outcome::Passed;
    let Some(before) = before else {
        return (Streak { outcome, length: 1, since: now }, true);
    };
    if passed(before.outcome) != passed(outcome) {
        return (Streak { outcome, length: 1, since: now }, true);
    }
    let length = before.length.saturating_add(1);
    let changed = before.outcome != outcome;
    let is_due = changed || (!passed(outcome) && length.is_power_of_two());
    (Streak { outcome, length, since: before.since }, is_due)
}

/// How old the container may become: drawn from its ID, so that every run says the same.
pub(super) fn drawn_from(id: &str) -> u64 {
    // FNV-1a, 64 bits: http://www.isthe.com/chongo/tech/comp/fnv/
    id.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// Whole milliseconds.
pub(super) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(runs: impl IntoIterator<Item = Outcome>) -> Vec<(u64, Outcome)> {
        let (mut streak, mut records) = (None, Vec::new());
        for outcome in runs {
            let (next, is_due) = after(streak, outcome, SystemTime::UNIX_EPOCH);
            streak = Some(next);
            if is_due {
                records.push((next.length, outcome));
            }
        }
        records
    }

    #[test]
    fn what_passes_is_told_once() {
        assert_eq!(recorded([Outcome::Passed; 1000]), [(1, Outcome::Passed)]);
    }

    #[test]
    fn an_hour_of_failures_every_5_s_is_10_records() {
        let records = recorded([Outcome::Failed; 720]);
        assert_eq!(records.len(), 10);
        assert_eq!(records.last(), Some(&(512, Outcome::Failed)));
    }

    #[test]
    fn each_change_is_told() {
        use Outcome::{Failed, Passed, TimedOut};
        let records = recorded([Passed, Passed, Failed, TimedOut, TimedOut, Passed, Failed]);
        assert_eq!(records, [(1, Passed), (1, Failed), (2, TimedOut), (1, Passed), (1, Failed)]);
    }

    #[test]
    fn names_are_read_back() {
        for outcome in Outcome::ALL {
            assert_eq!(Outcome::from_name(outcome.name()), Some(outcome));
        }
        assert_eq!(Outcome::from_name("x"), None);
    }

    #[test]
    fn ids_draw_different_numbers() {
        assert_eq!(drawn_from(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(drawn_from("a"), 0xaf63_dc4c_8601_ec8c);
        let drawn: std::collections::HashSet<u64> =
            (0..1000).map(|number| drawn_from(&format!("{number:064x}")) % 60_000).collect();
        assert!(drawn.len() > 950, "{}", drawn.len());
    }
}
