//! Lines of text, of which the rest of a record is on a later one: CRI's, syslog's, and such with nothing
//! before the text.

use super::parts::{ENTRIES, begun, go_on};
use crate::inquest::column::column;

/// The object that begins at `brace`, and where its last part ends.
pub fn join(bytes: &[u8], brace: usize) -> Option<(Vec<u8>, usize)> {
    let begin = memchr::memrchr(b'\n', bytes.get(..brace)?).map_or(0, |at| at + 1);
    let end = end_of_line(bytes, brace);
    let writer = column(bytes.get(begin..end)?).map(|column| column.words);
    let mut reader = begun(bytes.get(brace..end)?)?;
    let mut at = end + 1;
    // Where nothing tells whose line it is, only the next one may be the rest.
    let most = if writer.is_some() { ENTRIES } else { 1 };
    for _ in 0..most {
        let line = bytes.get(at..end_of_line(bytes, at))?;
        let here = at;
        at += line.len() + 1;
        let other = column(line);
        let text = other.as_ref().map_or(0, |column| column.text);
        if other.map(|column| column.words) != writer {
            continue;
        }
        match go_on(reader, line.get(text..)?)? {
            Ok((whole, used)) => return Some((whole, here + text + used)),
            Err(next) => reader = next,
        }
    }
    None
}

fn end_of_line(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    memchr::memchr(b'\n', rest).map_or(bytes.len(), |length| from + length)
}
