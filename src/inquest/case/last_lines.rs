//! Which of the lines in a log a program wrote last.

use super::event::Kind;
use super::life::Life;
use super::sighting::{LastLine, Place};
use std::collections::{BTreeSet, HashMap};

/// The lines before a record, or at the end of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// the record's place; the end of the log
    pub place: Place,
    /// it is the end of the log
    pub end: bool,
    /// each line tells whose it is
    pub certain: bool,
    /// the lines, in the order of the log
    pub lines: Vec<LastLine>,
}

/// Gives each life the lines that stand before its end. `own` are the files in which one container alone
/// writes.
pub fn attach(lives: &mut [Life], tails: Vec<Tail>, own: &BTreeSet<u32>) {
    if tails.is_empty() {
        return;
    }
    let mut at: HashMap<Place, Vec<LastLine>> = HashMap::new();
    let mut ends: HashMap<u32, Vec<LastLine>> = HashMap::new();
    for tail in tails.into_iter().filter(|tail| tail.certain || own.contains(&tail.place.file)) {
        if tail.end {
            ends.insert(tail.place.file, tail.lines);
        } else {
            at.insert(tail.place, tail.lines);
        }
    }
    // Where a life has no exit record, its lines stand before the start of the next one.
    let starts: HashMap<(String, i64), Vec<Place>> = lives
        .iter()
        .filter_map(|life| {
            let start = life.records.iter().find(|record| record.kind() == Kind::Start)?;
            Some(((life.container.as_deref()?.to_owned(), life.begun()?), start.places().collect()))
        })
        .collect();
    for life in lives.iter_mut().filter(|life| life.last_lines.is_none()) {
        let files: BTreeSet<u32> =
            life.records.iter().flat_map(|record| record.places()).map(|place| place.file).collect();
        let before = |places: &mut dyn Iterator<Item = Place>| -> Vec<Vec<LastLine>> {
            let here = places.filter(|place| files.contains(&place.file));
            here.filter_map(|place| at.get(&place).cloned()).collect()
        };
        let next = life.container.as_deref().zip(life.next_begun());
        let candidates = match (life.exit_record(), next) {
            (Some(exit), _) => before(&mut exit.places()),
            (None, Some((id, next))) => starts
                .get(&(id.to_owned(), next))
                .map(|places| before(&mut places.iter().copied()))
                .unwrap_or_default(),
            (None, None) => files.iter().filter_map(|file| ends.get(file).cloned()).collect(),
        };
        // The journal has records alone; of two logs the one that goes on for longer tells the last.
        let lines = candidates
            .into_iter()
            .max_by_key(|lines| (!lines.is_empty(), lines.iter().filter_map(|line| line.time).max()));
        if let Some(lines) = lines {
            life.rare().last_lines = Some(lines.into_boxed_slice());
        }
    }
}
