//! The files of Docker's log driver `local`: its length in 4 bytes, big-endian, a message of protobuf
//! (`LogEntry` in api/types/plugins/logdriver/entry.proto of moby), and the length again.

use super::parts::{ENTRIES, begun, go_on};

/// How far before a place the entry may begin that it is in, in bytes: a line of 16 KiB, and what is before
/// it.
const FARTHEST: usize = 17 * 1024;

/// The object that begins at `brace`, and where its last part ends.
pub fn join(bytes: &[u8], brace: usize) -> Option<(Vec<u8>, usize)> {
    let first = around(bytes, brace)?;
    let mut reader = begun(bytes.get(brace..first.line.1)?)?;
    let mut at = first.end;
    for _ in 0..ENTRIES {
        let entry = Entry::at(bytes, at)?;
        at = entry.end;
        if (entry.source, entry.part) != (first.source, first.part) {
            continue;
        }
        match go_on(reader, bytes.get(entry.line.0..entry.line.1)?)? {
            Ok((text, used)) => return Some((text, entry.line.0 + used)),
            Err(next) => reader = next,
        }
    }
    None
}

/// The entry whose line holds the place.
fn around(bytes: &[u8], place: usize) -> Option<Entry<'_>> {
    let begin = place.saturating_sub(FARTHEST);
    let mut before = bytes.get(begin..place)?;
    // The first field is the stream, `stdout` or `stderr`.
    while let Some(at) = memchr::memmem::rfind(before, b"\x0a\x06std") {
        let entry = (begin + at).checked_sub(4).and_then(|header| Entry::at(bytes, header));
        if let Some(entry) = entry.filter(|entry| (entry.line.0..entry.line.1).contains(&place)) {
            return Some(entry);
        }
        before = before.get(..at)?;
    }
    None
}

/// What of an entry is needed here.
struct Entry<'a> {
    source: &'a [u8],
    /// where its line begins and ends
    line: (usize, usize),
    /// the ID of the line that it is a part of, where the driver gives one
    part: Option<&'a [u8]>,
    end: usize,
}

impl<'a> Entry<'a> {
    /// The entry whose length is at `at`; none where there is no whole one.
    fn at(bytes: &'a [u8], at: usize) -> Option<Entry<'a>> {
        let length = length_at(bytes, at)?;
        let end = at + 4 + length;
        if length_at(bytes, end)? != length {
            return None;
        }
        let mut entry = Entry { source: b"", line: (0, 0), part: None, end: end + 4 };
        for field in Fields::new(bytes.get(..end)?, at + 4) {
            let (number, begin, length) = field?;
            let value = bytes.get(begin..begin + length)?;
            match number {
                1 => entry.source = value,
                3 => entry.line = (begin, begin + length),
                5 => {
                    let inner = Fields::new(value, 0).flatten().find(|(number, ..)| *number == 2);
                    entry.part = inner.and_then(|(_, begin, length)| value.get(begin..begin + length));
                }
                _ => {}
            }
        }
        Some(entry)
    }
}

fn length_at(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes: [u8; 4] = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
    usize::try_from(u32::from_be_bytes(bytes)).ok().filter(|length| *length < 64 * 1024)
}

/// The fields of a message: the number, where the value begins, and how long it is; a number has no length.
struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    fn new(bytes: &'a [u8], at: usize) -> Fields<'a> {
        Fields { bytes, at }
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.bytes.get(self.at)?;
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn field(&mut self) -> Option<(u64, usize, usize)> {
        let tag = self.varint()?;
        match tag & 7 {
            0 => {
                self.varint()?;
                Some((tag >> 3, self.at, 0))
            }
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                let begin = self.at;
                self.at = begin.checked_add(length).filter(|end| *end <= self.bytes.len())?;
                Some((tag >> 3, begin, length))
            }
            _ => None,
        }
    }
}

impl Iterator for Fields<'_> {
    type Item = Option<(u64, usize, usize)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.bytes.len() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.at = self.bytes.len();
        }
        Some(field)
    }
}
