//! What stands around a place where that is no JSON: the line, and the entry of journald.

use crate::inquest::context::{self, Wrapper};

/// What the line around a record says, where that is no JSON: CRI's and the export of a log group have a
/// time, the export of journald has its fields on lines beside it.
pub fn wrapper_of_line(bytes: &[u8], at: usize) -> Wrapper {
    let before = bytes.get(..at).unwrap_or_default();
    let begin = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
    let line = before.get(begin..).unwrap_or_default();
    let (time, writer) = (context::time_of_line(line), context::writer_of_line(line));
    let mut wrapper = Wrapper { time, writer, ..Wrapper::default() };
    if line.starts_with(b"MESSAGE") || before.ends_with(b"\n") {
        wrapper.container = journald_field(bytes, at, b"CONTAINER_ID_FULL=").map(Into::into);
    }
    wrapper
}

/// A field of the entry of `journalctl -o export` around a place; entries have an empty line between them.
fn journald_field(bytes: &[u8], at: usize, name: &[u8]) -> Option<String> {
    let entry = journald_text(bytes, at)?;
    let line = entry.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(name))?;
    String::from_utf8(line.to_vec()).ok().filter(|id| context::is_container_id(id))
}

fn journald_text(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let (begin, end) = journald_entry(bytes, at)?;
    bytes.get(begin..end)
}

/// How many fields of an entry are looked at before a place.
const FIELDS: usize = 128;

/// Where the entry of `journalctl -o export` around a place begins and ends.
pub fn journald_entry(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let before = bytes.get(..at)?;
    // From line to line, so that other logs cost no more than a look at the line before.
    let mut begin = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
    for _ in 0..FIELDS {
        if before.get(begin..)?.starts_with(b"__CURSOR=") {
            let end = memchr::memmem::find(bytes.get(at..)?, b"\n\n").map_or(bytes.len(), |end| at + end);
            return Some((begin, end));
        }
        let previous = before.get(..begin.checked_sub(1)?)?;
        begin = memchr::memrchr(b'\n', previous).map_or(0, |at| at + 1);
        if !previous.get(begin..)?.first().is_some_and(|byte| byte.is_ascii_uppercase() || *byte == b'_') {
            return None;
        }
    }
    None
}

/// How the journal got the entry around a place: `kernel`, `stdout`, `syslog`, `journal`.
pub fn journald_transport(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let entry = journald_text(bytes, at)?;
    entry.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"_TRANSPORT="))
}
