//! Finds records, and what other witnesses say, in any bytes: text or binary, whatever a log driver or a store has put
//! around them.
//!
//! A record is found by its own name, `epitaph`, at any depth of escaping. Formats of logs are known only where they
//! tell something about a record ([`Wrapper`](super::context::Wrapper)) or have cut one in parts.

mod logfmt;
mod needle;
mod object;
mod partial;
mod quote;
mod record;
mod statement;
mod unescape;

pub use needle::Needles;
pub use record::{Record, SCHEMA, of_text};

use super::context::{self, Wrapper};
use super::heap::{Window, gunzip_bounded};
use super::witness::{KernelPair, Statement};
use needle::Needle;
use object::Around;
use quote::Key;
use unescape::Level;

/// What was found.
#[derive(Debug)]
pub enum Found {
    /// a record, what is said around it, and whether it stands on a line of its own with nothing around it
    Record(Box<Record>, Wrapper, bool),
    /// what another witness says
    Statement(Box<Statement>),
    /// the beginning of a record whose rest is not there
    Broken,
    /// a line that looks like the kernel's, in the output of a container
    Disbelieved,
}

/// A gzip member in base64 inflates to this at most: 6 MB is the most that Lambda gets.
const LARGEST_EVENT: u64 = 64 << 20;

/// The longest base64 text that is collected over windows.
const LONGEST_BASE64: usize = 16 << 20;

/// What is unescaped in vain for one place, in bytes.
const EFFORT: usize = 512 * 1024;

/// Looks through the windows of one stream.
pub struct Carver<'a> {
    needles: &'a Needles,
    found: &'a mut dyn FnMut(Found, u64),
    /// places below this one belong to what was found
    done: u64,
    /// the same for documents of other witnesses
    witnessed: u64,
    /// how much may still be unescaped in vain; grows with the stream, so that no stream costs more than its length
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
    pub fn new(needles: &'a Needles, found: &'a mut dyn FnMut(Found, u64)) -> Carver<'a> {
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
        let mut from = window.from;
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

    fn tell(&mut self, found: Found, place: u64) {
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
                let Some(record) = record::of_object(object, None) else { return 0 };
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
        let mut whole = None;
        for around in object::around(bytes, at, levels, &mut effort) {
            if around.cut.is_some() {
                cut = Some(around);
            } else if let Some(record) = record::of_text(&around.text) {
                whole = Some((record, around.begin, around.end));
                break;
            } else if has_name(&around.text) {
                // It has the name, and is none of ours.
                break;
            }
        }
        self.credit = self.credit.saturating_sub(allowed - effort.min(allowed));
        if whole.is_none()
            && let Some(cut) = &cut
            && quote::is_first(&cut.text)
        {
            match partial::join(bytes, cut, levels) {
                Some((text, end)) => whole = record::of_text(&text).map(|record| (record, cut.begin, end)),
                None if quote::names_kind(&cut.text) => {
                    self.tell(Found::Broken, start + cut.begin as u64);
                    return Some(cut.end);
                }
                None => {}
            }
        }
        let (record, begin, end) = whole?;
        let wrapper = self.wrapper(bytes, begin, levels);
        let bare = levels.is_empty() && self.at.is_none() && is_line_begin(bytes, begin);
        self.tell(Found::Record(Box::new(record), wrapper, bare), start + begin as u64);
        Some(end)
    }

    /// What the objects around the string say in which the record stands.
    fn wrapper(&mut self, bytes: &[u8], begin: usize, levels: &[Level]) -> Wrapper {
        let Some((_, outer)) = levels.split_last() else { return wrapper_of_line(bytes, begin) };
        let mut effort = EFFORT.min(self.credit);
        let mut wrapper = Wrapper::default();
        for around in
            object::around(bytes, begin, outer, &mut effort).filter(|around| around.cut.is_none()).take(3)
        {
            if let Ok(serde_json::Value::Object(object)) = serde_json::from_slice(&around.text) {
                wrapper = wrapper.or(context::of_object(&object));
            }
        }
        wrapper
    }

    /// A text within a text.
    fn within(&mut self, text: &[u8], place: u64) {
        if self.depth >= 3 {
            return;
        }
        let place = self.at.unwrap_or(place);
        let mut inner = Carver::new(self.needles, &mut *self.found);
        inner.depth = self.depth + 1;
        inner.of_container = self.of_container;
        inner.at = Some(place);
        inner.look(&Window { bytes: text, offset: 0, from: 0, to: text.len(), last: true });
    }

    /// A line as a list of numbers.
    fn numbers(&mut self, window: &Window<'_>, begin: usize) -> usize {
        let (bytes, at) = window.around(begin);
        let is_part = |byte: &u8| byte.is_ascii_digit() || byte.is_ascii_whitespace() || *byte == b',';
        let before =
            bytes.get(..at).unwrap_or_default().iter().rev().take_while(|byte| is_part(byte)).count();
        let open = at - before;
        let after = bytes.get(at..).unwrap_or_default().iter().take_while(|byte| is_part(byte)).count();
        let list = bytes.get(open..at + after).unwrap_or_default();
        let numbers = list.split(|byte| *byte == b',').map(|number| number.trim_ascii());
        let text: Vec<u8> =
            numbers.filter_map(|number| std::str::from_utf8(number).ok()?.parse::<u8>().ok()).collect();
        self.within(&text, window.offset + begin as u64);
        begin + after
    }

    fn begin_base64(&mut self, window: &Window<'_>, begin: usize) -> usize {
        self.base64 = Some((Vec::new(), window.offset + begin as u64));
        self.collect_base64(window, begin + 1)
    }

    fn go_on_with_base64(&mut self, window: &Window<'_>) {
        if self.base64.is_some() {
            let from = usize::try_from(self.done.saturating_sub(window.offset)).unwrap_or(usize::MAX);
            let behind = self.collect_base64(window, from.max(window.from));
            self.done = self.done.max(window.offset + behind as u64);
        }
    }

    /// Takes what is base64 from `from` on, and returns where that ends.
    fn collect_base64(&mut self, window: &Window<'_>, from: usize) -> usize {
        let Some((text, _)) = &mut self.base64 else { return 0 };
        let part = window.bytes.get(from..window.to.max(from)).unwrap_or_default();
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
        let length = part.iter().take_while(|byte| is_part(byte)).count();
        text.extend_from_slice(part.get(..length).unwrap_or_default());
        let goes_on = length == part.len() && !window.last && text.len() < LONGEST_BASE64;
        if !goes_on {
            self.end_base64();
        }
        from + length
    }

    fn end_base64(&mut self) {
        use base64::Engine;
        use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
        let Some((mut text, place)) = self.base64.take() else { return };
        // What is cut decodes up to there.
        text.truncate(text.len() - text.len() % 4);
        let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        let engine = GeneralPurpose::new(&base64::alphabet::STANDARD, config);
        if let Ok(packed) = engine.decode(&text) {
            let inflated = gunzip_bounded(&packed, LARGEST_EVENT);
            self.within(&inflated, place);
        }
    }
}

fn is_line_begin(bytes: &[u8], at: usize) -> bool {
    bytes.get(..at).is_some_and(|before| before.is_empty() || before.ends_with(b"\n"))
}

/// Whether the object itself, not one within it, has the key `epitaph`.
fn has_name(text: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(text)
        .is_ok_and(|object| object.contains_key("epitaph"))
}

/// What the line around a record says, where that is no JSON: CRI's and the export of a log group have a time, the
/// export of journald has its fields on lines beside it.
fn wrapper_of_line(bytes: &[u8], at: usize) -> Wrapper {
    let before = bytes.get(..at).unwrap_or_default();
    let begin = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
    let line = before.get(begin..).unwrap_or_default();
    let mut wrapper = Wrapper { time: context::time_of_line(line), ..Wrapper::default() };
    if line.starts_with(b"MESSAGE") || before.ends_with(b"\n") {
        wrapper.container = journald_field(bytes, at, b"CONTAINER_ID_FULL=");
    }
    wrapper
}

/// A field of the entry of `journalctl -o export` around a place; entries have an empty line between them.
fn journald_field(bytes: &[u8], at: usize, name: &[u8]) -> Option<String> {
    let entry = journald_entry(bytes, at)?;
    let line = entry.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(name))?;
    String::from_utf8(line.to_vec()).ok().filter(|id| context::is_container_id(id))
}

fn journald_entry(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let (before, after) = bytes.split_at_checked(at)?;
    let begin = after_empty_line(before);
    let end = memchr::memmem::find(after, b"\n\n").map_or(bytes.len(), |end| at + end);
    bytes.get(begin..end).filter(|entry| entry.starts_with(b"__CURSOR="))
}

/// Where the text behind the last empty line begins. From line end to line end, which is many times as fast as a search for two
/// of them from behind: it is asked for each record.
fn after_empty_line(bytes: &[u8]) -> usize {
    let mut end = bytes.len();
    while let Some(at) = memchr::memrchr(b'\n', bytes.get(..end).unwrap_or_default()) {
        if at > 0 && bytes.get(at - 1) == Some(&b'\n') {
            return at + 1;
        }
        end = at;
    }
    0
}

/// How the journal got the entry around a place: `kernel`, `stdout`, `syslog`, `journal`.
fn journald_transport(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let entry = journald_entry(bytes, at)?;
    entry.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"_TRANSPORT="))
}
