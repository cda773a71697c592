//! Joins a record that a log driver has cut in two: Docker cuts a line at 16 KiB, through a record where the program
//! left a line open before it.

use super::object::{Around, Object, Reader};
use super::unescape::Level;
use crate::inquest::column::{Column, column};
use serde_json::Value;

/// How many entries behind the cut are looked at: those of other streams may stand between.
const ENTRIES: usize = 64;

/// The text of the object that `cut` is the beginning of, and where its last part ends.
pub fn join(bytes: &[u8], cut: &Around, levels: &[Level]) -> Option<(Vec<u8>, usize)> {
    let reader = Reader::resumed(&cut.text)?;
    match levels {
        [] => join_lines(bytes, cut, reader),
        [Level::Json, rest @ ..] if cut.cut.is_some_and(|how| how.closed) => {
            join_entries(bytes, cut, reader, rest)
        }
        _ => None,
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
    let entry = super::object::around(bytes, cut.begin, &[], &mut effort)
        .filter(|entry| entry.cut.is_none())
        .last()?;
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

/// The key of the string that the place is in: the nearest quotation mark before it that is not escaped opens it.
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

/// Lines with a column of text: CRI's, and syslog's.
fn join_lines(bytes: &[u8], cut: &Around, mut reader: Reader) -> Option<(Vec<u8>, usize)> {
    let begin = memchr::memrchr(b'\n', bytes.get(..cut.begin)?).map_or(0, |at| at + 1);
    let stream = column(bytes.get(begin..cut.end)?)?.words;
    let mut at = cut.end + 1;
    for _ in 0..ENTRIES {
        let rest = bytes.get(at..)?;
        let length = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let line = rest.get(..length)?;
        let here = at;
        at += length + 1;
        let Some(Column { words: other, text, .. }) = column(line) else { continue };
        if other != stream {
            continue;
        }
        match reader.go_on(line.get(text..)?, &[]) {
            Object::Whole(whole, used) => return Some((whole, here + text + used)),
            Object::Cut(text, _) => reader = Reader::resumed(&text)?,
            Object::None => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::object::around;
    use super::*;

    fn joined(bytes: &str, levels: &[Level]) -> Option<String> {
        let at = bytes.find("needle").expect("the needle");
        let cut = around(bytes.as_bytes(), at, levels, &mut (1 << 20)).next().expect("an object");
        assert!(cut.cut.is_some());
        let (text, _) = join(bytes.as_bytes(), &cut, levels)?;
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
}
