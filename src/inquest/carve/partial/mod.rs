//! Joins a record that a log driver has cut in two: Docker cuts a line at 16 KiB, through a record where the
//! program left a line open before it.

mod export;
mod lines;
mod local;

use super::object::{Around, Object, Reader, around};
use super::unescape::Level;
use serde_json::Value;

/// How many entries behind the cut are looked at: those of other streams may stand between.
const ENTRIES: usize = 64;

/// The text of the object that `cut` is the beginning of, in a string of JSON, and where its last part ends.
pub fn join(bytes: &[u8], cut: &Around, levels: &[Level]) -> Option<(Vec<u8>, usize)> {
    match levels {
        [Level::Json, rest @ ..] if cut.cut.is_some_and(|how| how.closed) => {
            join_entries(bytes, cut, Reader::resumed(&cut.text)?, rest)
        }
        _ => None,
    }
}

/// The same of an object with nothing around it, whose brace is at `brace`: in lines of text, in the export
/// of journald, and in the files of Docker's driver `local`.
pub fn join_bare(bytes: &[u8], brace: usize) -> Option<(Vec<u8>, usize)> {
    if export::is_entry(bytes, brace) {
        return export::join(bytes, brace);
    }
    local::join(bytes, brace).or_else(|| lines::join(bytes, brace))
}

/// What the part of an object is that a line or an entry ends with.
fn begun(part: &[u8]) -> Option<Reader> {
    match Reader::default().go_on(part, &[]) {
        Object::Cut(text, _) => Reader::resumed(&text),
        _ => None,
    }
}

/// One part more: the whole text and how much of the part it took, or the reader for the next one.
fn go_on(mut reader: Reader, part: &[u8]) -> Option<Result<(Vec<u8>, usize), Reader>> {
    match reader.go_on(part, &[]) {
        Object::Whole(text, used) => Some(Ok((text, used))),
        Object::Cut(text, _) => Some(Err(Reader::resumed(&text)?)),
        Object::None => None,
    }
}

/// Entries of JSON: `{"log":"…","stream":"stderr"}`, `{"event":{"line":"…"}}`.
fn join_entries(
    bytes: &[u8],
    cut: &Around,
    mut reader: Reader,
    levels: &[Level],
) -> Option<(Vec<u8>, usize)> {
    let key = key_of_string(bytes, cut.begin)?;
    let mut effort = 256 * 1024;
    let entry = around(bytes, cut.begin, &[], &mut effort).filter(|entry| entry.cut.is_none()).last()?;
    let first: Value = serde_json::from_slice(&entry.text).ok()?;
    let mut at = entry.end;
    for _ in 0..ENTRIES {
        let rest = bytes.get(at..)?;
        let brace = memchr::memchr(b'{', rest)?;
        let Object::Whole(text, used) = Reader::default().go_on(rest.get(brace..)?, &[]) else { return None };
        at += brace + used;
        let Ok(next) = serde_json::from_slice::<Value>(&text) else { continue };
        if !same_stream(&first, &next) {
            continue;
        }
        let Some(line) = text_at(&next, &key, 0) else { continue };
        // The text stands for itself now: the level that the entry was is undone.
        match reader.go_on(line.as_bytes(), levels) {
            Object::Whole(text, _) => return Some((text, at)),
            Object::Cut(text, _) => reader = Reader::resumed(&text)?,
            Object::None => return None,
        }
    }
    None
}

/// The key of the string that the place is in: the nearest quotation mark before it that is not escaped opens
/// it.
fn key_of_string(bytes: &[u8], at: usize) -> Option<String> {
    let before = bytes.get(..at)?;
    let open = memchr::memrchr_iter(b'"', before).find(|at| {
        let escapes =
            before.get(..*at).unwrap_or_default().iter().rev().take_while(|byte| **byte == b'\\').count();
        escapes % 2 == 0
    })?;
    let head =
        before.get(..open)?.trim_ascii_end().strip_suffix(b":")?.trim_ascii_end().strip_suffix(b"\"")?;
    let begin = memchr::memrchr(b'"', head)?;
    String::from_utf8(head.get(begin + 1..)?.to_vec()).ok()
}

fn text_at<'a>(value: &'a Value, key: &str, depth: usize) -> Option<&'a str> {
    let object = value.as_object().filter(|_| depth < 4)?;
    match object.get(key) {
        Some(Value::String(text)) => Some(text),
        _ => object.values().find_map(|value| text_at(value, key, depth + 1)),
    }
}

/// Whether two entries are of the same container's same stream, as far as they tell.
fn same_stream(one: &Value, other: &Value) -> bool {
    const TELLS: [&str; 7] =
        ["stream", "source", "container_id", "partial_id", "CONTAINER_ID", "CONTAINER_PARTIAL_ID", "tag"];
    TELLS.iter().all(|key| match (text_at(one, key, 0), text_at(other, key, 0)) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    })
}

#[cfg(test)]
mod tests {
    use super::around;
    use super::*;

    fn joined(bytes: &str, levels: &[Level]) -> Option<String> {
        let at = bytes.find("needle").expect("the needle");
        let (text, _) = if levels.is_empty() {
            join_bare(bytes.as_bytes(), at - 2)?
        } else {
            let cut = around(bytes.as_bytes(), at, levels, &mut (1 << 20)).next().expect("an object");
            assert!(cut.cut.is_some());
            join(bytes.as_bytes(), &cut, levels)?
        };
        Some(String::from_utf8(text).expect("UTF-8"))
    }

    #[test]
    fn parts_of_a_line() {
        let docker = [
            r#"{"log":"yyy{\"needle\":\"a","stream":"stderr","time":"1"}"#,
            r#"{"log":"{\"of another\n","stream":"stdout","time":"2"}"#,
            r#"{"log":"b c","stream":"stderr","time":"3"}"#,
            r#"{"log":"d\"}\n","stream":"stderr","time":"3"}"#,
        ];
        let expected = Some(r#"{"needle":"ab cd"}"#.to_owned());
        assert_eq!(joined(&docker.join("\n"), &[Level::Json]), expected);
        let splunk = r#"{"event":{"line":"yyy{\"needle\":\"ab","source":"stderr"}}{"event":{"line":" cd\"}","source":"stderr"}}"#;
        assert_eq!(joined(splunk, &[Level::Json]), expected);
        let cri = "2026-11-26T21:06:01.1Z stderr P {\"needle\":\"a\n2026-11-26T21:06:01.1Z stdout F x\n\
                   2026-11-26T21:06:01.1Z stderr P b \n2026-11-26T21:06:01.1Z stderr F cd\"}\n";
        assert_eq!(joined(cri, &[]), expected);
        let syslog = "<27>1 2026-11-26T21:04:23Z vm t 1 m - {\"needle\":\"ab\n<27>1 2026-11-26T21:04:23Z vm t 1 m -  cd\"}";
        assert_eq!(joined(syslog, &[]), expected);
        assert_eq!(joined(docker[..2].join("\n").as_str(), &[Level::Json]), None);
    }

    #[test]
    fn a_cut_between_two_words() {
        // The line end is no blank of the object.
        let cri = "2026-11-26T21:06:01.1Z stderr P yy{\"needle\":\n2026-11-26T21:06:01.1Z stdout F {}\n\
                   2026-11-26T21:06:01.1Z stderr F 1}\n";
        assert_eq!(joined(cri, &[]).as_deref(), Some(r#"{"needle":1}"#));
        let plain = "yyy{\"needle\":\n1}\n";
        assert_eq!(joined(plain, &[]).as_deref(), Some(r#"{"needle":1}"#));
        // Lines of something else are no part of a text, although a later one closes it.
        assert_eq!(joined("yyy{\"needle\":\"a\nof something else\nb\"}\n", &[]), None);
    }

    #[test]
    fn the_export_of_the_journal() {
        let entry = |message: &str, id: &str| {
            format!(
                "__CURSOR=s=1\n__REALTIME_TIMESTAMP=1\nPRIORITY=3\nMESSAGE={message}\nCONTAINER_PARTIAL_ID={id}\n\n"
            )
        };
        let binary = |message: &str| {
            let length = String::from_utf8((message.len() as u64).to_le_bytes().to_vec()).expect("ASCII");
            format!("__CURSOR=s=1\nMESSAGE\n{length}{message}\nCONTAINER_PARTIAL_ID=7\n\n")
        };
        let whole = Some(r#"{"needle":"ab cd"}"#.to_owned());
        for first in [entry("yyy{\"needle\":\"a", "7"), binary("\u{1b}[1myyy{\"needle\":\"a")] {
            for last in [entry(" cd\"}", "7"), binary(" cd\"}")] {
                let text = first.clone() + &entry("{\"of another", "8") + &entry("b", "7") + &last;
                assert_eq!(joined(&text, &[]), whole, "{text}");
            }
        }
        assert_eq!(joined(&(entry("yyy{\"needle\":\"a", "7") + &entry("b cd\"}", "8")), &[]), None);
    }

    #[test]
    fn the_local_driver() {
        let entry = |source: &str, line: &str, id: &str| {
            let field = |tag: u8, value: &[u8]| {
                // Of less than 16,384 bytes.
                [&[tag, (value.len() % 128) as u8 | 128, (value.len() / 128) as u8][..], value].concat()
            };
            let part = [&[0x12, id.len() as u8][..], id.as_bytes(), &[0x18, 1]].concat();
            let message = [
                &[0x0a, 6][..],
                source.as_bytes(),
                &[0x10, 0x80, 0x80, 1],
                &field(0x1a, line.as_bytes()),
                &[0x20, 1],
                &field(0x2a, &part),
            ]
            .concat();
            let length = (message.len() as u32).to_be_bytes();
            [&length[..], &message, &length].concat()
        };
        let entries = [
            entry("stdout", "x", "9"),
            entry("stderr", &("y".repeat(300) + "{\"needle\":\"a"), "7"),
            entry("stdout", "{\"of another\n", "9"),
            entry("stderr", "b", "7"),
            entry("stderr", " cd\"}\n", "7"),
        ];
        let bytes = entries.concat();
        let at = memchr::memmem::find(&bytes, b"needle").expect("the needle") - 2;
        assert_eq!(join_bare(&bytes, at).expect("a record").0, br#"{"needle":"ab cd"}"#);
        assert_eq!(join_bare(&entries[..4].concat(), at), None);
    }
}
