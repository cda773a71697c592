//! `journalctl -o export`: fields on lines of their own, an empty line between two entries, and fields with
//! control characters in a binary form (systemd's "Journal Export Formats").

use super::parts::{ENTRIES, begun, go_on};
use crate::inquest::carve::line::journald_entry;

/// The object that begins at `brace`, and where its last part ends.
pub fn join(bytes: &[u8], brace: usize) -> Option<(Vec<u8>, usize)> {
    let (begin, _) = journald_entry(bytes, brace)?;
    let first = Entry::at(bytes, begin)?;
    let (message, length) = first.message?;
    let mut reader = begun(bytes.get(brace..message + length)?)?;
    let mut at = first.end;
    for _ in 0..ENTRIES {
        let entry = Entry::at(bytes, at)?;
        at = entry.end;
        let Some((message, length)) = entry.message.filter(|_| entry.of == first.of) else { continue };
        match go_on(reader, bytes.get(message..message + length)?)? {
            Ok((text, used)) => return Some((text, message + used)),
            Err(next) => reader = next,
        }
    }
    None
}

/// Whether the place is in an entry.
pub fn is_entry(bytes: &[u8], place: usize) -> bool {
    journald_entry(bytes, place).is_some()
}

/// What of an entry is needed here.
struct Entry<'a> {
    /// where its message is, and how long
    message: Option<(usize, usize)>,
    /// what is the same in all parts of a line
    of: [Option<&'a [u8]>; 2],
    /// where the next one begins
    end: usize,
}

impl<'a> Entry<'a> {
    /// The entry whose first field is at `at`.
    fn at(bytes: &'a [u8], mut at: usize) -> Option<Entry<'a>> {
        let mut entry = Entry { message: None, of: [None; 2], end: 0 };
        let begin = at;
        loop {
            let rest = bytes.get(at..)?;
            let length = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            let line = rest.get(..length)?;
            if line.is_empty() {
                entry.end = at + 1;
                return (at > begin).then_some(entry);
            }
            let (name, value, next) = match memchr::memchr(b'=', line) {
                Some(equals) => {
                    (line.get(..equals)?, (at + equals + 1, length - equals - 1), at + length + 1)
                }
                None => {
                    // A name alone: the length of the value in 8 bytes, the value, a line end.
                    let bytes: [u8; 8] = rest.get(length + 1..length + 9)?.try_into().ok()?;
                    let value = usize::try_from(u64::from_le_bytes(bytes)).ok()?;
                    let begin = at + length + 9;
                    (line, (begin, value), begin.checked_add(value)?.checked_add(1)?)
                }
            };
            let text = bytes.get(value.0..value.0.checked_add(value.1)?)?;
            match name {
                b"MESSAGE" => entry.message = Some(value),
                b"CONTAINER_PARTIAL_ID" => entry.of[0] = Some(text),
                b"CONTAINER_ID_FULL" => entry.of[1] = Some(text),
                _ => {}
            }
            at = next;
        }
    }
}
