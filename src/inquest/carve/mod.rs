//! Finds records, and what other witnesses say, in any bytes: text or binary, whatever a log driver or a
//! store has put around them.
//!
//! A record is found by its own name, `epitaph`, at any depth of escaping. Formats of logs are known only
//! where they tell something about a record ([`Wrapper`]) or have cut one in parts.

mod flat;
mod keys;
mod line;
mod logfmt;
mod needle;
mod object;
mod packed;
mod partial;
mod quote;
mod record;
mod statement;
mod unescape;

pub use needle::Needles;
pub use record::{Record, SCHEMA, of_text};

use super::context::{self, Wrapper};
use super::heap::Window;
use super::json;
use super::witness::{KernelPair, Statement};
use line::wrapper_of_line;
use needle::Needle;
use object::Around;
use quote::Key;
use unescape::Level;

/// What was found.
#[derive(Debug)]
pub enum Found<'a> {
    /// a record, what is said around it, and whether it stands on a line of its own with nothing around it
    Record(Box<Record<'a>>, Wrapper, bool),
    /// what another witness says, and whether it is in the output of a container
    Statement(Box<Statement>, bool),
    /// the beginning of a record whose rest is not there
    Broken,
    /// a line that looks like the kernel's, in the output of a container
    Disbelieved,
}

/// What is unescaped in vain for one place, in bytes.
const EFFORT: usize = 512 * 1024;

/// Looks through the windows of one stream.
pub struct Carver<'a> {
    needles: &'a Needles,
    found: &'a mut dyn FnMut(Found<'_>, u64),
    /// places below this one belong to what was found
    done: u64,
    /// the same for documents of other witnesses
    witnessed: u64,
    /// how much may still be unescaped in vain; grows with the stream, so that no stream costs more than its
    /// length
    credit: usize,
    /// whether it is the output of one container: the kernel writes no line there
    of_container: bool,
    /// lines of the kernel that belong together
    pair: KernelPair,
    /// the text of a gzip member in base64 that goes on in the next window, and where it began
    base64: Option<(Vec<u8>, u64)>,
    /// how many texts within texts this one is in
    depth: usize,
    /// where all that is found is said to be, in a text that is no part of the stream itself
    at: Option<u64>,
}

impl<'a> Carver<'a> {
    /// Tells `found` what there is, and the place in the stream.
    pub fn new(needles: &'a Needles, found: &'a mut dyn FnMut(Found<'_>, u64)) -> Carver<'a> {
        Carver {
            needles,
            found,
            done: 0,
            witnessed: 0,
            credit: 16 << 20,
            of_container: false,
            pair: KernelPair::default(),
            base64: None,
            depth: 0,
            at: None,
        }
    }

    /// The stream is the output of one container, by its path.
    pub fn of_container(self, of_container: bool) -> Carver<'a> {
        Carver { of_container, ..self }
    }

    /// Looks at the next window.
    pub fn look(&mut self, window: &Window<'_>) {
        self.credit = self.credit.saturating_add(4 * (window.to - window.from)).min(64 << 20);
        self.go_on_with_base64(window);
        let mut from = window.from.max(window.first);
        while let Some((needle, begin, end)) = self.needles.find(window.bytes, from, window.to) {
            from = begin + 1;
            let place = window.offset + begin as u64;
            let behind = match needle {
                _ if place < self.done => 0,
                Needle::Epitaph => self.record(window, begin, end),
                Needle::Numbers => self.numbers(window, begin),
                Needle::Base64 => self.begin_base64(window, begin),
                Needle::Witness if place < self.witnessed => 0,
                Needle::Witness => {
                    self.witness(window, begin);
                    0
                }
            };
            if behind > 0 {
                self.done = window.offset + behind as u64;
            }
            from = from.max(
                usize::try_from(self.done.saturating_sub(window.offset)).unwrap_or(usize::MAX).min(window.to),
            );
        }
        if window.last {
            self.end_base64();
            self.end_witness();
        }
    }

    fn tell(&mut self, found: Found<'_>, place: u64) {
        let place = self.at.unwrap_or(place);
        (self.found)(found, place);
    }

    /// A record at `epitaph`; returns where it ends in the window, or 0.
    fn record(&mut self, window: &Window<'_>, begin: usize, end: usize) -> usize {
        let (bytes, at) = window.around(begin);
        let start = begin - at;
        let name = at + (end - begin);
        match quote::key(bytes, at, name) {
            Some(Key::Json(levels)) => {
                self.json(bytes, at, window.offset + start as u64, &levels).map_or(0, |end| start + end)
            }
            Some(Key::Logfmt) => {
                let found = bytes.get(at..).and_then(logfmt::record);
                let Some((object, used)) = found else { return 0 };
                let Some(record) = record::of_object(object) else { return 0 };
                let wrapper = wrapper_of_line(bytes, at);
                let bare = is_line_begin(bytes, at);
                self.tell(Found::Record(Box::new(record), wrapper, bare), window.offset + begin as u64);
                start + at + used
            }
            None => 0,
        }
    }

    fn json(&mut self, bytes: &[u8], at: usize, start: u64, levels: &[Level]) -> Option<usize> {
        let allowed = EFFORT.min(self.credit);
        let mut effort = allowed;
        let mut cut: Option<Around> = None;
        let mut told = None;
        for mut around in object::around(bytes, at, levels, &mut effort) {
            if levels.is_empty()
                && let Some(text) = partial::without_stamps(bytes, around.begin, around.end)
            {
                around.text = text;
            }
            if around.cut.is_some() {
                cut = Some(around);
            } else if let Some(record) = record::of_text(&around.text) {
                told = Some(self.tell_record(record, bytes, around.begin, around.end, start, levels));
                break;
            } else if has_name(&around.text) {
                // It has the name, and is none of ours.
                break;
            }
        }
        self.credit = self.credit.saturating_sub(allowed - effort.min(allowed));
        if told.is_some() {
            return told;
        }
        match joined(bytes, at, levels, cut.as_ref()) {
            Joined::Record(record, begin, end) => {
                Some(self.tell_record(*record, bytes, begin, end, start, levels))
            }
            Joined::Broken(begin, end) => {
                self.tell(Found::Broken, start + begin as u64);
                Some(end)
            }
            Joined::Nothing => None,
        }
    }

    /// Tells a record from `begin` to `end`; returns `end`.
    fn tell_record(
        &mut self,
        record: Record<'_>,
        bytes: &[u8],
        begin: usize,
        end: usize,
        start: u64,
        levels: &[Level],
    ) -> usize {
        let wrapper = self.wrapper(bytes, begin, levels);
        let bare = levels.is_empty() && self.at.is_none() && is_line_begin(bytes, begin);
        self.tell(Found::Record(Box::new(record), wrapper, bare), start + begin as u64);
        end
    }

    /// What the objects around the string say in which the record stands.
    fn wrapper(&mut self, bytes: &[u8], begin: usize, levels: &[Level]) -> Wrapper {
        let Some((_, outer)) = levels.split_last() else { return wrapper_of_line(bytes, begin) };
        // Most often it is the object of a line with the record as one of its texts.
        if outer.is_empty()
            && let Some((wrapper, brace, end)) = context::around(bytes, begin)
            && !object::may_be_within(bytes, brace, end)
        {
            return wrapper;
        }
        let mut effort = EFFORT.min(self.credit);
        let mut wrapper = Wrapper::default();
        for around in
            object::around(bytes, begin, outer, &mut effort).filter(|around| around.cut.is_none()).take(3)
        {
            if let Some(outer) = context::of_text(&around.text) {
                wrapper = wrapper.or(outer);
            }
            // Of a log with a document on each line, all braces before would be tried in vain.
            if outer.is_empty() && !object::may_be_within(bytes, around.begin, around.end) {
                break;
            }
        }
        wrapper
    }
}

/// What became of the beginning of a record.
enum Joined {
    /// the record, and where it begins and ends
    Record(Box<Record<'static>>, usize, usize),
    /// its rest is not there; where it begins, and where what there is of it ends
    Broken(usize, usize),
    /// it is no beginning of a record
    Nothing,
}

/// Puts a record together that was cut; its name is at `at`, or in `cut`.
fn joined(bytes: &[u8], at: usize, levels: &[Level], cut: Option<&Around>) -> Joined {
    let (text, begin, end, whole) = if levels.is_empty() {
        // The name is first, as epitaph writes it.
        let Some(brace) = at.checked_sub(2).filter(|brace| bytes.get(*brace) == Some(&b'{')) else {
            return Joined::Nothing;
        };
        let rest = bytes.get(brace..).unwrap_or_default();
        let length = rest.iter().position(|byte| *byte == b'\n' || *byte == 0).unwrap_or(rest.len());
        let text = rest.get(..length).unwrap_or_default();
        // Where the line has an end of the object, it was no cut that has broken it.
        if is_whole(text) {
            return Joined::Nothing;
        }
        (text, brace, brace + length, partial::join_bare(bytes, brace))
    } else {
        let Some(cut) = cut.filter(|cut| quote::is_first(&cut.text)) else { return Joined::Nothing };
        (cut.text.as_slice(), cut.begin, cut.end, partial::join(bytes, cut, levels))
    };
    match whole {
        Some((whole, end)) => match record::of_text(&whole) {
            Some(record) => Joined::Record(Box::new(record.into_owned()), begin, end),
            None => Joined::Nothing,
        },
        None if quote::names_kind(text) => Joined::Broken(begin, end),
        None => Joined::Nothing,
    }
}

/// Whether the text begins with a whole object, or with none.
fn is_whole(text: &[u8]) -> bool {
    !matches!(object::Reader::default().go_on(text, &[]), object::Object::Cut(..))
}

fn is_line_begin(bytes: &[u8], at: usize) -> bool {
    bytes.get(..at).is_some_and(|before| before.is_empty() || before.ends_with(b"\n"))
}

/// Whether the object itself, not one within it, has the key `epitaph`.
fn has_name(text: &[u8]) -> bool {
    json::only(text, |key| key == "epitaph").is_some_and(|object| !object.is_empty())
}
