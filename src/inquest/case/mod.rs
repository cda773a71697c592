//! From records and statements to lives: each record once, put together by container and start, and a
//! conclusion on each end. Pure: nothing here reads a file, a clock or the environment.

mod claims;
mod clocks;
mod conclude;
mod conclusion;
mod disputes;
mod event;
mod filter;
mod identity;
mod last_lines;
mod life;
mod lives;
mod lost;
mod maybe;
mod once;
mod packed;
mod placing;
mod remark;
mod remarks;
mod sighting;
mod testify;
mod word;

pub use clocks::{Ahead, ahead, all_ahead};
pub use conclusion::{Conclusion, Sure};
pub use event::{Cpu, Event, Exit, Kind, Memory};
pub use filter::{Filter, Glob, is_good, verdicts};
pub use identity::{Identity, Interner};
pub use last_lines::{Tail, attach};
pub use life::{Life, tasks};
pub use once::Once;
pub use packed::Packed;
pub use remark::Remark;
pub use sighting::{Around, LastLine, Place, Said, Sighting, Stream};

use super::witness::WitnessKind;
use std::collections::BTreeSet;

/// Everything that was found, put together.
#[derive(Debug, Default)]
pub struct Case {
    /// in order of time
    pub lives: Vec<Life>,
    /// records that are about no life here: statistics of whole tasks, and of containers without epitaph
    pub loose: Vec<Once>,
    /// what was said about tasks and containers of which no record was found
    pub strangers: Vec<Said>,
    /// what was said about no task and no container: services, instances
    pub general: Vec<Said>,
    /// the newest time in the heap, in milliseconds since 1970
    pub newest: Option<i64>,
    /// records of a schema that is newer than ours
    pub newer: usize,
    /// the files in which one container alone writes
    pub own_files: BTreeSet<u32>,
}

/// Puts together what was found. The outcome does not depend on the order.
pub fn assemble(
    sightings: Vec<Packed>,
    said: Vec<Said>,
    streams: &[Stream],
    witnesses: &[WitnessKind],
) -> Case {
    let newer = sightings.iter().filter(|sighting| sighting.is_newer()).count();
    let times = sightings.iter().map(|sighting| sighting.time());
    let newest = times.chain(streams.iter().filter_map(|stream| stream.last)).max();
    let (mut lives, loose) = lives::of(sightings);
    let own_files = testify::last_signs(&mut lives, streams);
    let said = said.into_iter().filter(|said| witnesses.contains(&said.statement.kind)).collect();
    let (strangers, general) = testify::join(&mut lives, said);
    conclude::conclude(&mut lives, newest);
    remarks::remark(&mut lives);
    // By numbers that need little room; those without a time are the first.
    let at = |life: &Life| life.at().unwrap_or(i64::MIN);
    lives.sort_by_cached_key(at);
    for of_moment in lives.chunk_by_mut(|one, other| at(one) == at(other)) {
        // Without a buffer: no two have the same first place.
        of_moment.sort_unstable_by(|one, other| one.order().cmp(&other.order()));
    }
    Case { lives, loose, strangers, general, newest, newer, own_files }
}
