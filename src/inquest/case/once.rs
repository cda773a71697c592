//! Each record once, in however many logs it stands.

use super::event::{Event, Kind};
use super::identity::Whose;
use super::packed::Packed;
use super::sighting::{Place, Sighting};
use crate::inquest::text::Text;
use std::cmp::Ordering;
use std::num::NonZeroU64;

/// A record, and all places where it was found.
#[derive(Debug, Clone)]
pub struct Once {
    first: Packed,
    /// of most records there is only one copy, and nothing is to be said of it
    copies: Option<Box<Copies>>,
}

/// What further copies of a record tell.
#[derive(Debug, Clone)]
struct Copies {
    /// all places, in order
    places: Vec<Place>,
    /// a place says that it is the container's own
    confirmed: bool,
    /// the files whose other lines tell who wrote them, and who wrote this one
    writers: Vec<(u32, NonZeroU64)>,
    ahead: Option<i64>,
    /// the record itself, where the first copy does not have it
    line: Option<Text>,
}

/// How many places of one record are kept: a heap may have the same log many times over.
const PLACES: usize = 16;

/// Puts what was found in order: by container, time and kind, and copies of one record together.
pub fn sort(sightings: &mut [Packed]) {
    // By the beginnings of the containers' IDs, which are not looked for at each step; of almost all, these
    // tell one container from another.
    let beginning = |sighting: &Packed| sighting.container().map_or(0, |id| beginning(&id));
    sightings.sort_by_cached_key(beginning);
    // Without a buffer: no two have the same place.
    for same in sightings.chunk_by_mut(|one, other| beginning(one) == beginning(other)) {
        same.sort_unstable_by(|one, other| order(*one, *other).then_with(|| one.place().cmp(&other.place())));
    }
}

/// The first eight bytes, as a number that is in the same order.
fn beginning(text: &str) -> u64 {
    let mut bytes = [0; 8];
    for (to, from) in bytes.iter_mut().zip(text.bytes()) {
        *to = from;
    }
    u64::from_be_bytes(bytes)
}

/// The records, in the same order.
pub fn once(sightings: &[Packed]) -> Vec<Once> {
    let mut records: Vec<Once> = Vec::with_capacity(sightings.len());
    let mut begin = 0;
    for sighting in sightings {
        if !records.last().is_some_and(|other| has_same_key(other.first, *sighting)) {
            begin = records.len();
        }
        let known = records.iter_mut().skip(begin).find(|known| is_copy(known.first, *sighting));
        match known {
            Some(known) => known.add(&sighting.sighting()),
            None => records.push(Once { first: *sighting, copies: None }),
        }
    }
    records
}

/// Whether what is the same in copies of one record is the same.
fn has_same_key(one: Packed, other: Packed) -> bool {
    one.time() == other.time()
        && one.container() == other.container()
        && one.kind() == other.kind()
        && one.sighting().event.pid == other.sighting().event.pid
}

fn order(one: Packed, other: Packed) -> Ordering {
    let by_time = (one.container(), one.time()).cmp(&(other.container(), other.time()));
    let by_kind = || one.kind().cmp(&other.kind());
    let by_pid = || one.sighting().event.pid.cmp(&other.sighting().event.pid);
    // What is as it was written comes before what a collector made of it.
    let by_hash = || (!one.is_clean(), one.hash()).cmp(&(!other.is_clean(), other.hash()));
    by_time.then_with(by_kind).then_with(by_pid).then_with(by_hash)
}

fn is_copy(one: Packed, other: Packed) -> bool {
    one.hash() == other.hash() || (!(one.is_clean() && other.is_clean()) && one.core() == other.core())
}

impl Once {
    /// What the first copy says.
    pub fn event(&self) -> Event {
        let event = self.first.sighting().event;
        Event { line: event.line.or_else(|| self.copies.as_ref()?.line), ..event }
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.first.kind()
    }

    /// When it was made, in milliseconds since 1970.
    pub fn time(&self) -> i64 {
        self.first.time()
    }

    /// The container's ID.
    pub fn container(&self) -> Option<Text> {
        self.first.container()
    }

    /// Who the container was.
    pub fn whose(&self) -> Whose {
        self.first.identity()
    }

    /// The record itself, where it is kept.
    pub fn line(&self) -> Option<Text> {
        self.event().line
    }

    /// Keeps the record itself, where it was not.
    pub fn set_line(&mut self, line: Option<Text>) {
        if line.is_some() {
            self.copies().line = line;
        }
    }

    /// The first of its places.
    pub fn first_place(&self) -> Place {
        let first = self.copies.as_ref().and_then(|copies| copies.places.first());
        first.copied().unwrap_or_else(|| self.first.place())
    }

    /// Where it stands, in order.
    pub fn places(&self) -> impl Iterator<Item = Place> {
        let only = self.copies.is_none().then(|| self.first.place());
        only.into_iter().chain(self.copies.iter().flat_map(|copies| copies.places.iter().copied()))
    }

    /// What is around it says that it is another container's line: that container.
    pub fn foreign(&self) -> Option<&'static str> {
        let confirmed = self.copies.as_ref().is_some_and(|copies| copies.confirmed);
        if confirmed { None } else { foreign(&self.first.sighting()) }
    }

    /// The files whose lines tell who wrote them, and who wrote this one.
    pub fn writers(&self) -> impl Iterator<Item = (u32, NonZeroU64)> {
        let first = self.first.sighting();
        let own = first.around.writer.map(|writer| (first.place.file, writer));
        own.into_iter().chain(self.copies.iter().flat_map(|copies| copies.writers.iter().copied()))
    }

    /// How long before its own time a store had it, in milliseconds: its machine's clock is ahead by that at
    /// least.
    pub fn ahead(&self) -> Option<i64> {
        ahead(&self.first.sighting()).max(self.copies.as_ref().and_then(|copies| copies.ahead))
    }

    fn copies(&mut self) -> &mut Copies {
        let place = self.first.place();
        self.copies.get_or_insert_with(|| {
            Box::new(Copies {
                places: vec![place],
                confirmed: false,
                writers: Vec::new(),
                ahead: None,
                line: None,
            })
        })
    }

    fn add(&mut self, sighting: &Sighting) {
        // One place that says that it is the container's own is enough.
        let confirms = sighting.around.container.is_some() && foreign(sighting).is_none();
        let copies = self.copies();
        copies.confirmed |= confirms;
        if let Some(writer) = sighting.around.writer.filter(|_| copies.writers.len() < PLACES) {
            copies.writers.push((sighting.place.file, writer));
        }
        copies.ahead = copies.ahead.max(ahead(sighting));
        if let Err(at) = copies.places.binary_search(&sighting.place) {
            copies.places.insert(at, sighting.place);
            copies.places.truncate(PLACES);
        }
        copies.line = copies.line.or(sighting.event.line);
    }
}

/// By how much the record's time is later than when a store had it.
fn ahead(sighting: &Sighting) -> Option<i64> {
    sighting.event.time.checked_sub(sighting.around.stored?).filter(|ahead| *ahead > 0)
}

/// The container that is named around it, where the record names another one.
fn foreign(sighting: &Sighting) -> Option<&'static str> {
    let wrapper = sighting.around.container?.as_str();
    let own = sighting.event.container.filter(|_| !sighting.event.is_hearsay())?.as_str();
    let agree = own.starts_with(wrapper) || wrapper.starts_with(own);
    (!agree).then_some(wrapper)
}
