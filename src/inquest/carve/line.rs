//! What stands around a place where that is no JSON: the line, and the entry of journald.

use crate::inquest::context::{self, Wrapper};

/// What the line around a record says, where that is no JSON: CRI's and the export of a log group have a time, the
/// export of journald has its fields on lines beside it.
pub fn wrapper_of_line(bytes: &[u8], at: usize) -> Wrapper {
    let before = bytes.get(..at).unwrap_or_default();
    let begin = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
    let line = before.get(begin..).unwrap_or_default();
    let (time, writer) = (context::time_of_line(line), context::writer_of_line(line));
    let mut wrapper = Wrapper { time, writer, ..Wrapper::default() };
    if line.starts_with(b"MESSAGE") || before.ends_with(b"\n") {
        wrapper.container = journald_field(bytes, at, b"CONTAINER_ID_FULL=");
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

/// Where the entry of `journalctl -o export` around a place begins and ends.
pub fn journald_entry(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let (before, after) = bytes.split_at_checked(at)?;
    let begin = after_empty_line(before);
    let end = memchr::memmem::find(after, b"\n\n").map_or(bytes.len(), |end| at + end);
    bytes.get(begin..end).filter(|entry| entry.starts_with(b"__CURSOR=")).map(|_| (begin, end))
}

/// How the journal got the entry around a place: `kernel`, `stdout`, `syslog`, `journal`.
pub fn journald_transport(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let entry = journald_text(bytes, at)?;
    entry.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"_TRANSPORT="))
}

/// Where the text behind the last empty line begins. From line end to line end, which is faster than a search for two of
/// them from behind: it is asked for each record.
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
