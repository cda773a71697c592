//! Which files cannot hold anything of the lives that `--since` leaves, by when they were last written.
//!
//! A log that was rotated before that time may still have the beginning of a life that ended after it. So
//! what was written lately is read first, and then the older files as far back as those lives go.

use super::case::{Kind, Packed};
use super::heap::Entry;
use super::text::Text;
use std::collections::HashMap;

/// A file may have lines that are later than when it was written last: by the clock of another machine, or
/// because a file system or an archive keeps times of another zone. In milliseconds; a day.
const SLACK: i64 = 86_400_000;

/// The numbers of the entries that may hold a line of `since` or later, and of the others.
pub fn apart(entries: &[Entry], since: Option<i64>) -> (Vec<usize>, Vec<usize>) {
    (0..entries.len()).partition(|place| entries.get(*place).is_none_or(|entry| may_hold(entry, since)))
}

/// Of the entries at `older`, those that may hold something of the lives in `sightings`.
pub fn needed(entries: &[Entry], older: &[usize], sightings: &[Packed]) -> Vec<usize> {
    let Some(first) = first_begin(sightings) else { return Vec::new() };
    let is_needed = |place: &usize| entries.get(*place).is_none_or(|entry| may_hold(entry, first));
    older.iter().copied().filter(is_needed).collect()
}

/// Whether a line of this time or later may be in it. Only of files the time is known: a pipe that has a name
/// may have been made long ago, and has no size.
fn may_hold(entry: &Entry, time: Option<i64>) -> bool {
    let (Some(time), Some(modified)) = (time, entry.modified) else { return true };
    entry.size == 0 || modified >= time.saturating_sub(SLACK)
}

/// When the first of the lives began; `Some(None)` where one of them does not tell, and none of no life.
fn first_begin(sightings: &[Packed]) -> Option<Option<i64>> {
    let mut begins: HashMap<(Option<Text>, Option<Text>), Option<i64>> = HashMap::new();
    for sighting in sightings {
        let sighting = sighting.sighting();
        let event = &sighting.event;
        // What is told of others may be about nobody who is here.
        if event.is_hearsay() {
            continue;
        }
        let container = event.container.or(sighting.around.container);
        let known = begins.entry((container, event.run)).or_default();
        let begun = match event.kind {
            Kind::Start => Some(event.time),
            Kind::Exit => event.exit.and_then(|exit| event.time.checked_sub(exit.runtime()?)),
            _ => None,
        };
        *known = match (*known, begun) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }
    // None is less than any time.
    begins.into_values().min()
}
