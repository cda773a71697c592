//! `journalctl -o export`.

use super::parts::{ENTRIES, begun, go_on};
use crate::inquest::carve::line::journald_entry;
use crate::inquest::export::Entry;

/// What is the same in all parts of a line. Podman gives no ID, and the priority tells the stream.
const SAME: [&str; 3] = ["CONTAINER_PARTIAL_ID", "CONTAINER_ID_FULL", "PRIORITY"];

/// The object that begins at `brace`, and where its last part ends.
pub fn join(bytes: &[u8], brace: usize) -> Option<(Vec<u8>, usize)> {
    let (begin, _) = journald_entry(bytes, brace)?;
    let first = Entry::at(bytes, begin)?;
    let (message, length) = first.place_of("MESSAGE")?;
    let mut reader = begun(bytes.get(brace..message + length)?)?;
    let mut at = first.end;
    for _ in 0..ENTRIES {
        let entry = Entry::at(bytes, at)?;
        at = entry.end;
        if SAME.iter().any(|name| entry.get(name) != first.get(name)) {
            continue;
        }
        let Some((message, length)) = entry.place_of("MESSAGE") else { continue };
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
