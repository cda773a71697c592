//! Crash loops: the same kind of container, started again and again.

use super::numbers::median;
use super::outcome::{Kinds, is_bad, outcome, tally};
use crate::inquest::case::Life;

/// So many lives are a loop.
const FEWEST: usize = 3;

/// A life this long is none of a loop, in milliseconds.
const LONGEST: i64 = 2 * 60_000;

/// The next one begins within this time after an end, in milliseconds.
const NEXT: i64 = 10 * 60_000;

/// At least three lives of one kind, each under two minutes, each begun within ten minutes after another's
/// end.
#[derive(Debug, Clone, PartialEq)]
pub struct CrashLoop {
    /// `family:revision/container`
    pub kind: String,
    /// how many starts
    pub starts: usize,
    /// of how many tasks
    pub tasks: usize,
    /// the first start, in milliseconds since 1970
    pub first: i64,
    /// the last end
    pub last: i64,
    /// the median of the lives' length, in milliseconds
    pub median: i64,
    /// how they ended, and how many of them
    pub outcomes: Vec<(String, usize)>,
    /// what is known of their memory
    pub peaks: Option<Peaks>,
}

/// The memory of several lives; amounts in bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Peaks {
    /// the smallest limit and the largest, where all have one
    pub limit: Option<(u64, u64)>,
    /// the lowest peak
    pub lowest: u64,
    /// the highest peak
    pub highest: u64,
    /// of how many lives the peak is known
    pub lives: usize,
}

impl Peaks {
    /// Of lives.
    pub fn of(lives: &[&Life]) -> Option<Peaks> {
        let known: Vec<(u64, Option<u64>)> = lives
            .iter()
            .filter_map(|life| life.memory())
            .filter_map(|memory| Some((memory.peak?, memory.limit)))
            .collect();
        let limits: Option<Vec<u64>> = known.iter().map(|(_, limit)| *limit).collect();
        let limit = limits.and_then(|limits| Some((*limits.iter().min()?, *limits.iter().max()?)));
        Some(Peaks {
            limit,
            lowest: known.iter().map(|(peak, _)| *peak).min()?,
            highest: known.iter().map(|(peak, _)| *peak).max()?,
            lives: known.len(),
        })
    }
}

/// What a life has to do with a loop: its beginning and its end.
fn crash(life: &Life) -> Option<(i64, i64)> {
    // A service's container is not supposed to end by itself, not even well.
    let ended = is_bad(life) || (life.verdict() == Some("ok") && life.get("service").is_some());
    let (begun, end) = (life.begun()?, life.ended().or(life.last_sign())?);
    (ended && life.conclusion.word != "lost" && (0..LONGEST).contains(&(end - begun))).then_some((begun, end))
}

/// The loops in lives of each kind, in order of time.
pub fn of(kinds: &Kinds<'_>) -> Vec<CrashLoop> {
    let mut loops = Vec::new();
    for (kind, lives) in kinds {
        let mut run: Vec<(&Life, i64, i64)> = Vec::new();
        let mut end = i64::MIN;
        for (life, crash) in lives.iter().map(|life| (*life, crash(life))) {
            // One that runs longer, or that was asked to stop, is beside it, and ends none.
            let Some((from, to)) = crash else { continue };
            if !run.is_empty() && from > end.saturating_add(NEXT) {
                loops.extend(told(kind, &run));
                run.clear();
            }
            end = if run.is_empty() { to } else { end.max(to) };
            run.push((life, from, to));
        }
        loops.extend(told(kind, &run));
    }
    loops.sort_by(|one, other| (one.first, &one.kind).cmp(&(other.first, &other.kind)));
    loops
}

fn told(kind: &str, run: &[(&Life, i64, i64)]) -> Option<CrashLoop> {
    let (_, first, _) = run.first().filter(|_| run.len() >= FEWEST)?;
    let lives: Vec<&Life> = run.iter().map(|(life, ..)| *life).collect();
    let lengths: Vec<i64> = run.iter().map(|(life, from, to)| life.ran().unwrap_or(to - from)).collect();
    let tasks: std::collections::BTreeSet<_> =
        lives.iter().map(|life| life.task.as_deref().or(life.container.as_deref())).collect();
    Some(CrashLoop {
        kind: kind.to_owned(),
        starts: run.len(),
        tasks: tasks.len(),
        first: *first,
        last: run.iter().map(|(.., to)| *to).max()?,
        median: median(&lengths)?,
        outcomes: tally(lives.iter().map(|life| outcome(life))),
        peaks: Peaks::of(&lives),
    })
}
