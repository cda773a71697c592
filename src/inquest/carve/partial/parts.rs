//! Puts the text of an object together, a part at a time.

use crate::inquest::carve::object::{Object, Reader};

/// How many entries behind the cut are looked at: those of other streams may stand between.
pub const ENTRIES: usize = 64;

/// What the part of an object is that a line or an entry ends with.
pub fn begun(part: &[u8]) -> Option<Reader> {
    match Reader::default().go_on(part, &[]) {
        Object::Cut(text, _) => Reader::resumed(&text),
        _ => None,
    }
}

/// One part more: the whole text and how much of the part it took, or the reader for the next one.
pub fn go_on(mut reader: Reader, part: &[u8]) -> Option<Result<(Vec<u8>, usize), Reader>> {
    match reader.go_on(part, &[]) {
        Object::Whole(text, used) => Some(Ok((text, used))),
        Object::Cut(text, _) => Some(Err(Reader::resumed(&text)?)),
        Object::None => None,
    }
}
