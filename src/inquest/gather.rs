//! Reads the heap on all processors, and takes what is found in it.
//!
//! One thread a file, the largest first; what they find is put in order at the end, so that the outcome does
//! not depend on how many there are.

use super::carve::{Carver, Found, Needles};
use super::case::{Around, Event, Interner, Kind, Packed, Place, Said, Sighting, Stream, Tail};
use super::context::{self, Wrapper};
use super::heap::{self, Entry, Opened, Problem, Search, Window};
use super::show::count;
use super::tail::Tails;
use super::text::{Room, Text};
use super::who::Who;
use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Which records are kept whole.
#[derive(Debug, Clone)]
pub enum Keep {
    /// all of them, as long as there is room
    All,
    /// those of whom is asked about; of others, what a certificate needs to set beside
    Of(Who),
    /// those of these containers and files: a second reading, when the first has told which they are
    Exactly(HashSet<Place>),
    /// what a page of all lives shows: all but `stats` records, as long as there is room
    Shown,
    /// none
    Nothing,
}

/// How many bytes of records are kept that nobody may ask for.
const ROOM: usize = 4 << 20;

/// The same for a page: of more its certificates tell less.
const PAGE_ROOM: usize = 64 << 20;

/// The same of those that are asked for: more is an error, and the person narrows the question.
const MOST: usize = 512 << 20;

/// How many records there may be in all: about 100 bytes each.
const MOST_RECORDS: usize = 4_000_000;

/// How much may be read at a time by one thread, in bytes.
const WINDOW: usize = 512 * 1024;

/// What is going on, for the progress, and for who wants to end it.
#[derive(Debug, Default)]
pub struct State {
    /// bytes read, packed
    pub read: Arc<AtomicU64>,
    /// bytes looked through, inflated
    pub inflated: AtomicU64,
    /// records found
    pub records: AtomicUsize,
    /// files done
    pub files: AtomicUsize,
    /// set to end it
    pub stop: Arc<AtomicBool>,
    kept: AtomicUsize,
    tails: AtomicUsize,
}

/// What the heap holds.
#[derive(Debug, Default)]
pub struct Gathered {
    /// all records, at all of their places
    pub sightings: Vec<Packed>,
    /// what others say
    pub said: Vec<Said>,
    /// what is known of each input that was read
    pub streams: Vec<Stream>,
    /// what stands before the starts and ends of those who are asked about
    pub tails: Vec<Tail>,
    /// what could not be read
    pub problems: Vec<Problem>,
    /// for each input, what was done with it
    pub told: Vec<Told>,
    /// there were more records than are counted
    pub overflow: bool,
}

/// What was done with one input.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Told {
    /// which
    pub file: u32,
    /// bytes, inflated
    pub bytes: u64,
    /// records found
    pub records: usize,
    /// statements found
    pub statements: usize,
    /// of which the rest is missing
    pub broken: usize,
}

/// Reads those of `entries` whose numbers are `chosen`, with this many threads.
pub fn gather(
    entries: &[Entry],
    chosen: &[usize],
    needles: &Needles,
    keep: &Keep,
    threads: usize,
    state: &State,
    interner: &Interner,
) -> Gathered {
    let mut order = chosen.to_vec();
    order.sort_by_key(|place| std::cmp::Reverse(entries.get(*place).map_or(0, |entry| entry.size)));
    let next = AtomicUsize::new(0);
    let all = Mutex::new(Gathered::default());
    let work = || {
        let mut own = Gathered::default();
        let mut room = Room::default();
        while let Some(place) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
            if state.stop.load(Ordering::Relaxed) {
                break;
            }
            if let Some(entry) = entries.get(*place) {
                let file = u32::try_from(*place).unwrap_or(u32::MAX);
                Reading { needles, keep, state, interner, file, entry }.read(&mut own, &mut room);
            }
            state.files.fetch_add(1, Ordering::Relaxed);
        }
        all.lock().unwrap_or_else(PoisonError::into_inner).add(own);
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.min(chosen.len()).max(1) {
            scope.spawn(work);
        }
        work();
    });
    let mut all = all.into_inner().unwrap_or_else(PoisonError::into_inner);
    all.sort();
    all
}

impl Gathered {
    fn sort(&mut self) {
        self.problems.sort();
        self.told.sort();
        self.streams.sort_by_key(|stream| stream.file);
        self.tails.sort_by_key(|tail| (tail.place, tail.end));
    }

    /// What was found in other files, too.
    pub fn with(mut self, other: Gathered) -> Gathered {
        self.add(other);
        self.sort();
        self
    }

    fn add(&mut self, other: Gathered) {
        if self.sightings.is_empty() {
            self.sightings = other.sightings;
        } else {
            self.sightings.extend(other.sightings);
        }
        self.said.extend(other.said);
        self.streams.extend(other.streams);
        self.tails.extend(other.tails);
        self.problems.extend(other.problems);
        self.told.extend(other.told);
        self.overflow |= other.overflow;
    }
}

/// One input.
struct Reading<'a> {
    needles: &'a Needles,
    keep: &'a Keep,
    state: &'a State,
    interner: &'a Interner,
    file: u32,
    entry: &'a Entry,
}

impl Reading<'_> {
    fn read(&self, gathered: &mut Gathered, room: &mut Room) {
        let path = self.entry.input.path();
        let source = match heap::open(&self.entry.input, &self.state.read, &self.state.stop) {
            Ok(Opened::Bytes(source)) => source,
            Ok(Opened::Foreign(how)) => {
                gathered
                    .problems
                    .push(Problem::new(path, format!("it is packed in a way that is not read here: {how}")));
                return;
            }
            Err(error) => {
                gathered.problems.push(Problem::of_io(path, &error));
                return;
            }
        };
        let of_path = context::of_path(path);
        let mut told = Told { file: self.file, bytes: 0, records: 0, statements: 0, broken: 0 };
        let mut stream = Stream { file: self.file, ..Stream::default() };
        let mut sightings = Vec::new();
        let mut said = Vec::new();
        let mut overflow = false;
        let mut disbelieved = 0;
        let mut tails = Tails::new(self.file, &self.state.tails);
        // Records of those who are asked about, until the window has been looked through.
        let asked = RefCell::new(Vec::new());
        let of_container = (of_path.container.is_some() || of_path.task.is_some()) && !is_state(path);
        let result = {
            let mut found = |found: Found, offset: u64| {
                let place = Place { file: self.file, offset };
                match found {
                    Found::Record(record, wrapper, bare) => {
                        told.records += 1;
                        if self.state.records.fetch_add(1, Ordering::Relaxed) >= MOST_RECORDS {
                            overflow = true;
                            return;
                        }
                        let mut event = Event::of(&record, self.interner);
                        event.line = self.line(&event, place, &record.line, &mut overflow);
                        if self.is_asked(&event, place) {
                            asked.borrow_mut().push((offset, event.kind));
                        }
                        let sighting = self.sighting(event, place, wrapper.or(of_path.clone()), bare);
                        sightings.push(Packed::new(&sighting, room));
                    }
                    Found::Statement(statement, unconfirmed) => {
                        told.statements += 1;
                        said.push(Said { statement: *statement, place, placed: None, unconfirmed });
                    }
                    Found::Broken => told.broken += 1,
                    Found::Disbelieved => disbelieved += 1,
                }
            };
            let mut carver = Carver::new(self.needles, &mut found).of_container(of_container);
            let find = |bytes: &[u8], from: usize| {
                self.needles.find(bytes, from, bytes.len()).map(|(_, begin, _)| begin)
            };
            let search = Search { find: &find, longest: self.needles.longest() };
            heap::scan_for(Interruptible { source, state: self.state }, WINDOW, &search, |window| {
                carver.look(window);
                tails.take(window, asked.take());
                self.state.inflated.fetch_add((window.to - window.from) as u64, Ordering::Relaxed);
                ends(window, &mut stream);
            })
        };
        match result {
            Ok(bytes) => told.bytes = bytes,
            Err(error) if self.state.stop.load(Ordering::Relaxed) => drop(error),
            Err(error) => gathered.problems.push(Problem::new(path, format!("read up to a damage: {error}"))),
        }
        if told.broken > 0 {
            let s = if told.broken == 1 { "record is" } else { "records are" };
            gathered
                .problems
                .push(Problem::new(path, format!("{} {s} cut off, and the rest is not there", told.broken)));
        }
        // Records that stand bare are what epitaph wrote on its stderr, so the rest may be of its program; or
        // several files were put together to one, and the rest is what it says.
        if sightings.iter().any(|sighting: &Packed| sighting.is_bare()) {
            said.iter_mut().for_each(|said| said.unconfirmed = true);
        }
        // The last line is a sign of the container whose records are here, if nobody else speaks here.
        stream.mixed = !of_container && !said.is_empty();
        let unconfirmed = said.iter().filter(|said| said.unconfirmed).count();
        if unconfirmed > 0 {
            let (stands, it) = if unconfirmed == 1 { ("stands", "it") } else { ("stand", "them") };
            let text = format!(
                "{} of other witnesses {stands} among the lines of a container, whose program may have written {it}: give \
                 their logs in files of their own",
                count(unconfirmed, "statement")
            );
            gathered.problems.push(Problem::note(path, text));
        }
        if disbelieved > 0 {
            let look = if disbelieved == 1 { "looks" } else { "look" };
            let text = format!(
                "{} that {look} like the kernel's cannot be believed: a container wrote here. Give the kernel's own log in \
                 another file",
                count(disbelieved, "line")
            );
            gathered.problems.push(Problem::note(path, text));
        }
        gathered.sightings.append(&mut sightings);
        gathered.said.append(&mut said);
        gathered.streams.push(stream);
        gathered.tails.append(&mut tails.found);
        gathered.told.push(told);
        gathered.overflow |= overflow;
    }

    /// A record, with what its place says of it.
    fn sighting(&self, mut event: Event, place: Place, wrapper: Wrapper, bare: bool) -> Sighting {
        let text = |text: &str| self.interner.text(text);
        if event.container.is_none() && !event.is_hearsay() {
            let whole = wrapper.container.as_deref().filter(|id| context::is_container_id(id));
            event.container = whole.map(text);
        }
        if event.task.is_none() {
            event.task = wrapper.task.as_deref().map(text);
        }
        let container = wrapper.container.as_deref().map(text);
        let around = Around { container, stored: wrapper.stored, writer: wrapper.writer };
        Sighting { event, place, around, bare }
    }

    /// Whether it is a record of somebody who is asked about.
    fn is_asked(&self, event: &Event, place: Place) -> bool {
        match self.keep {
            Keep::Exactly(places) => places.contains(&place),
            Keep::Of(who) => {
                let of = |key: &str| event.identity.get(key);
                let names: Vec<&str> =
                    ["docker_name", "container_name", "log_stream"].into_iter().filter_map(of).collect();
                who.matches(event.container.as_deref(), event.task.as_deref(), &names)
            }
            Keep::All | Keep::Shown | Keep::Nothing => false,
        }
    }

    /// The record itself, if it is to be kept.
    fn line(&self, event: &Event, place: Place, line: &str, overflow: &mut bool) -> Option<Text> {
        let asked = match self.keep {
            Keep::All => true,
            Keep::Nothing => return None,
            Keep::Shown if event.kind == Kind::Stats => return None,
            Keep::Shown => false,
            Keep::Exactly(_) => return self.is_asked(event, place).then(|| Text::new(line)),
            Keep::Of(_) => self.is_asked(event, place),
        };
        let kept = self.state.kept.load(Ordering::Relaxed);
        let room = match self.keep {
            _ if asked => MOST,
            Keep::Shown => PAGE_ROOM,
            _ => ROOM,
        };
        if kept.saturating_add(line.len()) > room {
            *overflow |= asked;
            return None;
        }
        self.state.kept.fetch_add(line.len(), Ordering::Relaxed);
        Some(Text::new(line))
    }
}

/// Whether it is the engine's own word on a container, beside its log: no program writes there.
fn is_state(path: &std::path::Path) -> bool {
    path.file_name().is_some_and(|name| name == "config.v2.json")
}

/// Notes the times of the first and the last line.
fn ends(window: &Window<'_>, stream: &mut Stream) {
    let bytes = window.bytes;
    if window.offset == 0 && window.from == 0 {
        let length = memchr::memchr(b'\n', bytes.get(..bytes.len().min(heap::BACK)).unwrap_or_default());
        stream.first = length.and_then(|length| context::time_of_line(bytes.get(..length)?));
    }
    if window.last {
        let text = bytes.trim_ascii_end();
        let begin = memchr::memrchr(b'\n', text).map_or(0, |at| at + 1);
        let line = text.get(begin..).unwrap_or_default();
        stream.last = context::time_of_line(line);
        stream.last_at = window.offset + begin as u64;
        stream.writer = context::writer_of_line(line);
    }
}

/// Fails when it is to end.
struct Interruptible<'a, R> {
    source: R,
    state: &'a State,
}

impl<R: std::io::Read> std::io::Read for Interruptible<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.state.stop.load(Ordering::Relaxed) {
            return Err(std::io::Error::other("stopped"));
        }
        self.source.read(buffer)
    }
}
