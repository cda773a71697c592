//! The second reading: the lines of records, and what stands before them, for those that are asked about.

use super::carve::Needles;
use super::case::{Kind, Life, Once, Packed, Place, Tail, attach};
use super::gather::{Keep, State, gather};
use super::heap::{self, Entry};
use super::session::{Heard, Session};
use super::text::Text;

/// Of so many lives the last lines are looked for in a second reading.
const SECOND_LOOKS: usize = 64;

/// Reads again what a certificate needs and was not kept. `tails`: also what stands before their ends,
/// since the first reading could not know that they are asked about.
pub fn complete_lines(session: &Session<'_>, heard: &Heard, lives: &mut [Life], tails: bool) {
    let entries = &heard.entries;
    let mut missing: std::collections::HashSet<Place> = lives
        .iter()
        .flat_map(|life| &life.records)
        .filter(|record| record.line().is_none())
        .map(Once::first_place)
        .collect();
    let unknown = || lives.iter().filter(|life| life.last_lines.is_none());
    if tails && unknown().count() <= SECOND_LOOKS {
        let bounds = |record: &&Once| matches!(record.kind(), Kind::Start | Kind::Exit);
        let records =
            unknown().flat_map(|life| life.records.iter().filter(bounds).chain(life.records.last()));
        missing.extend(records.flat_map(Once::places));
    }
    if missing.is_empty() {
        return;
    }
    let files: std::collections::BTreeSet<u32> = missing.iter().map(|place| place.file).collect();
    // The standard input cannot be read a second time.
    let wanted: Vec<(u32, Entry)> = files
        .into_iter()
        .filter_map(|file| Some((file, entries.get(file as usize)?.clone())))
        .filter(|(_, entry)| entry.input != heap::Input::Stdin)
        .collect();
    let only: Vec<Entry> = wanted.iter().map(|(_, entry)| entry.clone()).collect();
    let here = |place: &Place| {
        let file = wanted.iter().position(|(file, _)| *file == place.file)?;
        Some(Place { file: u32::try_from(file).ok()?, offset: place.offset })
    };
    let all: Vec<usize> = (0..only.len()).collect();
    let keep = Keep::Exactly(missing.iter().filter_map(here).collect());
    let again = gather(
        &only,
        &all,
        &Needles::new(false),
        &keep,
        session.threads(),
        &State::default(),
        &session.interner,
    );
    let mut lines: std::collections::HashMap<Place, Text> = again
        .sightings
        .into_iter()
        .map(Packed::sighting)
        .filter_map(|sighting| Some((sighting.place, sighting.event.line?)))
        .collect();
    let there = |mut tail: Tail| {
        tail.place.file = wanted.get(tail.place.file as usize)?.0;
        Some(tail)
    };
    attach(lives, again.tails.into_iter().filter_map(there).collect(), &heard.case.own_files);
    for record in lives.iter_mut().flat_map(|life| &mut life.records) {
        if record.line().is_none()
            && let Some(place) = here(&record.first_place())
        {
            record.set_line(lines.remove(&place));
        }
    }
}
