//! Each record once, in however many logs it stands.

use super::event::Event;
use super::sighting::{Place, Sighting};
use crate::inquest::context::is_container_id;
use std::cmp::Ordering;

/// A record, and all places where it was found.
#[derive(Debug, Clone)]
pub struct Once {
    /// what it says
    pub event: Box<Event>,
    /// where, in order
    pub places: Vec<Place>,
    /// a wrapper says that it is another container's line: that container
    pub foreign: Option<String>,
    /// when a log driver took it, in milliseconds since 1970
    pub taken: Option<i64>,
    /// the files whose lines tell who wrote them, and who wrote this one
    pub writers: Vec<(u32, u64)>,
    /// how long before its own time a store had it, in milliseconds: its machine's clock is ahead by that at
    /// least
    pub ahead: Option<i64>,
}

/// How many places of one record are kept: a heap may have the same log many times over.
const PLACES: usize = 16;

/// The records, in order of container, time and kind.
pub fn once(mut sightings: Vec<Sighting>) -> Vec<Once> {
    for sighting in &mut sightings {
        if sighting.event.container.is_none()
            && !sighting.event.is_hearsay()
            && let Some(id) = sighting.wrapper.container.as_deref().filter(|id| is_container_id(id))
        {
            sighting.event.container = Some(id.into());
        }
        if sighting.event.task.is_none()
            && let Some(id) = sighting.wrapper.task.as_deref()
        {
            sighting.event.task = Some(id.into());
        }
    }
    // Without a buffer: no two have the same place.
    sightings.sort_unstable_by(|one, other| order(one, other).then_with(|| one.place.cmp(&other.place)));
    let mut records: Vec<Once> = Vec::new();
    let mut begin = 0;
    for sighting in sightings {
        let same_key = |other: &Once| key(&other.event) == key(&sighting.event);
        if !records.last().is_some_and(same_key) {
            begin = records.len();
        }
        let known = records.iter_mut().skip(begin).find(|known| is_copy(&known.event, &sighting.event));
        match known {
            Some(known) => known.add(sighting),
            None => records.push(Once::new(sighting)),
        }
    }
    records.shrink_to_fit();
    records
}

/// What is the same in copies of one record.
fn key(event: &Event) -> (Option<&str>, i64, &str, Option<i64>) {
    (event.container.as_deref(), event.time, event.kind.name(), event.pid)
}

fn order(one: &Sighting, other: &Sighting) -> Ordering {
    let (one, other) = (&one.event, &other.event);
    let by_time = (one.container.as_deref(), one.time).cmp(&(other.container.as_deref(), other.time));
    let by_kind = || (&one.kind, one.pid).cmp(&(&other.kind, other.pid));
    // What is as it was written comes before what a collector made of it.
    by_time.then_with(by_kind).then_with(|| (!one.clean, one.hash).cmp(&(!other.clean, other.hash)))
}

fn is_copy(one: &Event, other: &Event) -> bool {
    one.hash == other.hash || (!(one.clean && other.clean) && one.core == other.core)
}

impl Once {
    fn new(sighting: Sighting) -> Once {
        let foreign = foreign(&sighting);
        let ahead = ahead(&sighting);
        let Sighting { event, place, wrapper, .. } = sighting;
        let writers = wrapper.writer.map(|writer| (place.file, writer)).into_iter().collect();
        Once { event, places: vec![place], foreign, taken: wrapper.time, writers, ahead }
    }

    fn add(&mut self, sighting: Sighting) {
        // One place that says that it is the container's own is enough.
        let confirms = sighting.wrapper.container.is_some() && foreign(&sighting).is_none();
        if confirms {
            self.foreign = None;
        }
        self.taken = self.taken.or(sighting.wrapper.time);
        if let Some(writer) = sighting.wrapper.writer.filter(|_| self.writers.len() < PLACES) {
            self.writers.push((sighting.place.file, writer));
        }
        self.ahead = self.ahead.max(ahead(&sighting));
        if self.event.line.is_none() {
            self.event.line = sighting.event.line;
        }
        if let Err(at) = self.places.binary_search(&sighting.place) {
            self.places.insert(at, sighting.place);
            self.places.truncate(PLACES);
        }
    }
}

/// By how much the record's time is later than when a store had it.
fn ahead(sighting: &Sighting) -> Option<i64> {
    sighting.event.time.checked_sub(sighting.wrapper.stored?).filter(|ahead| *ahead > 0)
}

/// The container that the wrapper names, where the record names another one.
fn foreign(sighting: &Sighting) -> Option<String> {
    let wrapper = sighting.wrapper.container.as_deref()?;
    let own = sighting.event.container.as_deref().filter(|_| !sighting.event.is_hearsay())?;
    let agree = own.starts_with(wrapper) || wrapper.starts_with(own);
    (!agree).then(|| wrapper.to_owned())
}
