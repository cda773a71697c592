//! How long stops took, and starts that have no end.

use super::numbers::{median, percentile};
use super::outcome::{Kinds, tally};
use crate::inquest::case::{Kind, Life};

/// A stop that takes this long is slow, in milliseconds: half of the grace that Docker gives where nobody
/// sets one.
pub const SLOW: i64 = 5_000;

/// From so many stops on, a hundredth of them is told of.
const FOR_P99: usize = 100;

/// How many slow ones are named.
const NAMED: usize = 5;

/// The stops of a kind of container.
#[derive(Debug, Clone, PartialEq)]
pub struct Stops {
    /// `family:revision/container`
    pub kind: String,
    /// how many stops have an end, so that it is known how long they took
    pub ended: usize,
    /// the median of these, in milliseconds
    pub median: Option<i64>,
    /// what 99 of 100 do not exceed; only of 100 or more
    pub p99: Option<i64>,
    /// the longest
    pub longest: Option<i64>,
    /// how many took [`SLOW`] or longer
    pub slow: usize,
    /// how many epitaph ended with SIGKILL: `--kill-after`
    pub kill_after: usize,
    /// how many have a `stuck` record
    pub stuck: usize,
    /// how many have no exit record: most likely PID 1 was killed when the grace was over
    pub without_end: usize,
    /// the slowest
    pub slowest: Vec<Slow>,
}

/// A slow stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slow {
    /// the task's ID, or the container's
    pub id: String,
    /// when it ended, in milliseconds since 1970
    pub at: Option<i64>,
    /// how long it took, in milliseconds; none where it has no end
    pub took: Option<i64>,
}

/// The stops of each kind that was stopped.
pub fn of(kinds: &Kinds<'_>) -> Vec<Stops> {
    kinds.iter().filter_map(|(kind, lives)| of_kind(kind, lives)).collect()
}

fn of_kind(kind: &str, lives: &[&Life]) -> Option<Stops> {
    let took = |life: &Life| life.exit().and_then(|exit| exit.stop());
    let was_stopped = |life: &&&Life| took(life).is_some() || life.has(&Kind::Stop);
    let stopped: Vec<&Life> = lives.iter().filter(was_stopped).copied().collect();
    if stopped.is_empty() {
        return None;
    }
    let times: Vec<i64> = stopped.iter().filter_map(|life| took(life)).collect();
    let open = |life: &&&Life| life.exit().is_none();
    let mut slow: Vec<&Life> =
        stopped.iter().filter(|life| open(life) || took(life) >= Some(SLOW)).copied().collect();
    slow.sort_by_cached_key(|life| (std::cmp::Reverse(took(life).unwrap_or(i64::MAX)), life.at()));
    let slowest = slow.iter().take(NAMED).map(|life| Slow {
        id: life.task.as_deref().or(life.container.as_deref()).unwrap_or("?").to_owned(),
        at: life.at(),
        took: took(life),
    });
    Some(Stops {
        kind: kind.to_owned(),
        ended: times.len(),
        median: median(&times),
        p99: percentile(&times, 99).filter(|_| times.len() >= FOR_P99),
        longest: times.iter().max().copied(),
        slow: times.iter().filter(|took| **took >= SLOW).count(),
        kill_after: stopped.iter().filter(|life| life.verdict() == Some("kill_after")).count(),
        stuck: stopped.iter().filter(|life| life.has(&Kind::Stuck)).count(),
        without_end: stopped.iter().filter(open).count(),
        slowest: slowest.collect(),
    })
}

/// Starts of a kind of container that have no end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// `family:revision/container`
    pub kind: String,
    /// how many
    pub lives: usize,
    /// of how many lives of this kind
    pub of: usize,
    /// what is concluded on them, and how many of them
    pub conclusions: Vec<(String, usize)>,
}

/// The starts without an end of each kind that has some.
pub fn open(kinds: &Kinds<'_>) -> Vec<Open> {
    let of_kind = |(kind, lives): (&String, &Vec<&Life>)| {
        let open = || lives.iter().filter(|life| life.exit().is_none());
        (open().count() > 0).then(|| Open {
            kind: kind.clone(),
            lives: open().count(),
            of: lives.len(),
            conclusions: tally(open().map(|life| life.conclusion.word.as_str().into())),
        })
    };
    kinds.iter().filter_map(of_kind).collect()
}
