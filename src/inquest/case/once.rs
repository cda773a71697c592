//! Each record once, in however many logs it stands.

use super::event::Event;
use super::sighting::{Place, Sighting};
use std::cmp::Ordering;
use std::num::NonZeroU64;
use std::ops::{Deref, DerefMut};

/// A record, and all places where it was found.
#[derive(Debug, Clone)]
pub struct Once {
    first: Box<Sighting>,
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
}

/// How many places of one record are kept: a heap may have the same log many times over.
const PLACES: usize = 16;

/// The records, in order of container, time and kind.
#[allow(clippy::vec_box, reason = "they are put in order, and then stay where they are")]
pub fn once(mut sightings: Vec<Box<Sighting>>) -> Vec<Once> {
    // Without a buffer: no two have the same place.
    sightings.sort_unstable_by(|one, other| order(one, other).then_with(|| one.place.cmp(&other.place)));
    let mut records: Vec<Once> = Vec::with_capacity(sightings.len());
    let mut begin = 0;
    for sighting in sightings {
        let same_key = |other: &Once| key(&other.event) == key(&sighting.event);
        if !records.last().is_some_and(same_key) {
            begin = records.len();
        }
        let known = records.iter_mut().skip(begin).find(|known| is_copy(&known.event, &sighting.event));
        match known {
            Some(known) => known.add(*sighting),
            None => records.push(Once { first: sighting, copies: None }),
        }
    }
    records.shrink_to_fit();
    records
}

/// What is the same in copies of one record.
fn key(event: &Event) -> (Option<&str>, i64, &str, Option<i64>) {
    (event.container.as_deref(), event.time, event.kind.name(), event.pid())
}

fn order(one: &Sighting, other: &Sighting) -> Ordering {
    let (one, other) = (&one.event, &other.event);
    let by_time = (one.container, one.time).cmp(&(other.container, other.time));
    let by_kind = || (&one.kind, one.pid()).cmp(&(&other.kind, other.pid()));
    // What is as it was written comes before what a collector made of it.
    by_time.then_with(by_kind).then_with(|| (!one.clean, one.hash).cmp(&(!other.clean, other.hash)))
}

fn is_copy(one: &Event, other: &Event) -> bool {
    one.hash == other.hash || (!(one.clean && other.clean) && one.core == other.core)
}

/// What the first copy says.
impl Deref for Once {
    type Target = Sighting;

    fn deref(&self) -> &Sighting {
        &self.first
    }
}

impl DerefMut for Once {
    fn deref_mut(&mut self) -> &mut Sighting {
        &mut self.first
    }
}

impl Once {
    /// Where it stands, in order.
    pub fn places(&self) -> &[Place] {
        match &self.copies {
            Some(copies) => &copies.places,
            None => std::slice::from_ref(&self.first.place),
        }
    }

    /// What is around it says that it is another container's line: that container.
    pub fn foreign(&self) -> Option<&str> {
        foreign(&self.first).filter(|_| !self.copies.as_ref().is_some_and(|copies| copies.confirmed))
    }

    /// The files whose lines tell who wrote them, and who wrote this one.
    pub fn writers(&self) -> impl Iterator<Item = (u32, NonZeroU64)> {
        let own = self.first.around().writer.map(|writer| (self.first.place.file, writer));
        own.into_iter().chain(self.copies.iter().flat_map(|copies| copies.writers.iter().copied()))
    }

    /// How long before its own time a store had it, in milliseconds: its machine's clock is ahead by that at
    /// least.
    pub fn ahead(&self) -> Option<i64> {
        ahead(&self.first).max(self.copies.as_ref().and_then(|copies| copies.ahead))
    }

    fn add(&mut self, sighting: Sighting) {
        // One place that says that it is the container's own is enough.
        let confirms = sighting.around().container.is_some() && foreign(&sighting).is_none();
        let place = self.first.place;
        let copies = self.copies.get_or_insert_with(|| {
            Box::new(Copies { places: vec![place], confirmed: false, writers: Vec::new(), ahead: None })
        });
        copies.confirmed |= confirms;
        if let Some(writer) = sighting.around().writer.filter(|_| copies.writers.len() < PLACES) {
            copies.writers.push((sighting.place.file, writer));
        }
        copies.ahead = copies.ahead.max(ahead(&sighting));
        if let Err(at) = copies.places.binary_search(&sighting.place) {
            copies.places.insert(at, sighting.place);
            copies.places.truncate(PLACES);
        }
        if self.first.event.line.is_none() {
            self.first.event.line = sighting.event.line;
        }
    }
}

/// By how much the record's time is later than when a store had it.
fn ahead(sighting: &Sighting) -> Option<i64> {
    sighting.event.time.checked_sub(sighting.around().stored.get()?).filter(|ahead| *ahead > 0)
}

/// The container that is named around it, where the record names another one.
fn foreign(sighting: &Sighting) -> Option<&str> {
    let wrapper = sighting.around.as_deref()?.container.as_deref()?;
    let own = sighting.event.container.as_deref().filter(|_| !sighting.event.is_hearsay())?;
    let agree = own.starts_with(wrapper) || wrapper.starts_with(own);
    (!agree).then_some(wrapper)
}
