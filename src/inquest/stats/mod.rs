//! What many lives tell together: verdicts by group, crash loops, how much memory would be enough, stops,
//! starts without an end, and which image brought what. Pure; each statement knows of how many lives it is.

mod groups;
mod images;
mod loops;
mod memory;
mod numbers;
mod outcome;
mod stops;

pub use groups::{Group, KEYS, keys};
pub use images::Image;
pub use loops::{CrashLoop, Peaks};
pub use memory::{Enough, Trend};
pub use outcome::{is_bad, outcome, tally};
pub use stops::{Open, SLOW, Slow, Stops};

use super::case::{Life, tasks};
use super::time::Clock;
use outcome::Kinds;

/// Everything that is told.
#[derive(Debug, Default)]
pub struct Stats {
    /// how many lives it is about
    pub lives: usize,
    /// of how many tasks, or containers where there is no task
    pub tasks: usize,
    /// by what the groups are
    pub by: Vec<&'static str>,
    /// how many lives ended how, by group; most lives first
    pub groups: Vec<Group>,
    /// the same program started again and again
    pub loops: Vec<CrashLoop>,
    /// the memory of each kind of container
    pub memory: Vec<Enough>,
    /// the stops of each kind of container
    pub stops: Vec<Stops>,
    /// starts that have no end
    pub open: Vec<Open>,
    /// each image of a container, in order of time
    pub images: Vec<Image>,
}

impl Stats {
    /// What `lives` tell, in groups of these keys. Hours and days are those of `clock`.
    pub fn of(lives: &[&Life], by: &[&'static str], clock: &Clock) -> Stats {
        let (tasks, by) = (tasks(lives), by.to_vec());
        let mut stats = Stats { lives: lives.len(), tasks, by, ..Stats::default() };
        // One list of all lives after the other: there may be very many.
        stats.groups = groups::of(lives, &stats.by, clock);
        stats.images = images::of(lives);
        let kinds = kinds(lives);
        stats.loops = loops::of(&kinds);
        stats.memory = memory::of(&kinds);
        stats.stops = stops::of(&kinds);
        stats.open = stops::open(&kinds);
        stats
    }
}

fn kinds<'a>(lives: &[&'a Life]) -> Kinds<'a> {
    let mut kinds = Kinds::new();
    for life in lives {
        kinds.entry(life.label().unwrap_or_else(|| "?".to_owned())).or_default().push(life);
    }
    for lives in kinds.values_mut() {
        // Those of one moment stay in order of their ends.
        lives.sort_by_key(|life| life.begun().or(life.at()));
    }
    kinds
}
