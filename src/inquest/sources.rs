//! The names of places: `kern.log:10412` in a plain file, `app.log.gz@18133` in a packed one.

use crate::inquest::case::Place;
use crate::inquest::heap::{Entry, Input};
use std::cell::RefCell;
use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

/// How far into a file its lines are counted, in bytes.
const FAR: u64 = 1 << 30;

/// Tells where a place is.
pub struct Sources<'a> {
    entries: &'a [Entry],
    lines: RefCell<HashMap<Place, Option<u64>>>,
}

impl<'a> Sources<'a> {
    /// `entries` in the order in which places name them.
    pub fn new(entries: &'a [Entry]) -> Sources<'a> {
        Sources { entries, lines: RefCell::default() }
    }

    fn entry(&self, place: Place) -> Option<&'a Entry> {
        self.entries.get(place.file as usize)
    }

    /// The path of a file.
    pub fn path(&self, place: Place) -> &'a Path {
        self.entry(place).map_or(Path::new("?"), |entry| entry.input.path())
    }

    /// `path:line` or `path@byte`.
    pub fn name(&self, place: Place) -> String {
        let path = self.path(place).display();
        match self.line(place) {
            Some(line) => format!("{path}:{line}"),
            None => format!("{path}@{}", place.offset),
        }
    }

    /// `path@byte`, which needs no reading.
    pub fn byte(&self, place: Place) -> String {
        format!("{}@{}", self.path(place).display(), place.offset)
    }

    /// The line of a place in a plain file, from 1.
    fn line(&self, place: Place) -> Option<u64> {
        if let Some(known) = self.lines.borrow().get(&place) {
            return *known;
        }
        let line = self.entry(place).and_then(|entry| count_lines(entry, place.offset));
        self.lines.borrow_mut().insert(place, line);
        line
    }
}

fn count_lines(entry: &Entry, offset: u64) -> Option<u64> {
    let Input::File(path) = &entry.input else { return None };
    if offset > FAR || entry.size == 0 {
        return None;
    }
    let mut file = std::fs::File::open(path).ok()?;
    let mut buffer = vec![0; 64 * 1024];
    let mut left = offset;
    let mut lines = 1;
    let mut first = true;
    while left > 0 || first {
        let most = usize::try_from(left).unwrap_or(usize::MAX).clamp(8, buffer.len());
        let count = file.read(buffer.get_mut(..most)?).ok()?;
        let part = buffer.get(..count)?;
        // What is packed or binary has no lines.
        let is_packed = part.starts_with(&[0x1f, 0x8b])
            || part.starts_with(&[0x28, 0xb5, 0x2f, 0xfd])
            || part.starts_with(&[0xff, 0xfe]);
        if first && (is_packed || memchr::memchr(0, part.get(..part.len().min(512))?).is_some()) {
            return None;
        }
        first = false;
        if count == 0 {
            return (left == 0).then_some(lines);
        }
        let here = usize::try_from(left).unwrap_or(usize::MAX).min(count);
        lines += memchr::memchr_iter(b'\n', part.get(..here)?).count() as u64;
        left = left.saturating_sub(count as u64);
    }
    Some(lines)
}
