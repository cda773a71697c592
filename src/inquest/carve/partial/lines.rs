//! Lines of text, of which the rest of a record is on a later one: CRI's, syslog's, those with a time before
//! them, and such with nothing before the text.

use super::parts::{ENTRIES, begun, go_on};
use crate::inquest::column::column;
use crate::inquest::context;
use crate::inquest::time;

/// The object that begins at `brace`, and where its last part ends.
pub fn join(bytes: &[u8], brace: usize) -> Option<(Vec<u8>, usize)> {
    let begin = memchr::memrchr(b'\n', bytes.get(..brace)?).map_or(0, |at| at + 1);
    let end = end_of_line(bytes, brace);
    let (writer, _) = before(bytes.get(begin..end)?);
    let mut reader = begun(bytes.get(brace..end)?)?;
    let mut at = end + 1;
    // Where nothing tells whose line it is, only the next one may be the rest.
    let most = if writer.iter().any(|word| !word.is_empty()) { ENTRIES } else { 1 };
    for _ in 0..most {
        let line = bytes.get(at..end_of_line(bytes, at))?;
        let here = at;
        at += line.len() + 1;
        let (other, text) = before(line);
        if other != writer {
            continue;
        }
        match go_on(reader, line.get(text..)?)? {
            Ok((whole, used)) => return Some((whole, here + text + used)),
            Err(next) => reader = next,
        }
    }
    None
}

/// What stands before the text of a line: whose it is, and where the text begins. With a time alone it is one
/// empty word, with nothing it is none.
fn before(line: &[u8]) -> (Vec<&[u8]>, usize) {
    if let Some(column) = column(line) {
        return (column.words, column.text);
    }
    let mut words = line.get(..line.len().min(512)).unwrap_or(line).splitn(3, |byte| *byte == b' ');
    let mut next = || std::str::from_utf8(words.next()?).ok();
    let Some(first) = next().filter(|word| time::rfc3339(word).is_some()) else { return (Vec::new(), 0) };
    // `aws logs tail` prints the log stream behind the time.
    let stream = next().filter(|word| context::task_of(word).is_some());
    let length = first.len() + 1 + stream.map_or(0, |stream| stream.len() + 1);
    (vec![stream.unwrap_or_default().as_bytes()], length)
}

fn end_of_line(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    memchr::memchr(b'\n', rest).map_or(bytes.len(), |length| from + length)
}
