//! Entries of JSON, a part of the line in each: `{"log":"…","stream":"stderr"}`, `{"event":{"line":"…"}}`.

use super::parts::ENTRIES;
use crate::inquest::carve::object::{Around, Object, Reader, around};
use crate::inquest::carve::unescape::Level;
use serde_json::Value;

/// The object that `cut` is the beginning of, which `reader` has had, behind `levels` in the entry's string;
/// and where its last part ends.
pub fn join(bytes: &[u8], cut: &Around, mut reader: Reader, levels: &[Level]) -> Option<(Vec<u8>, usize)> {
    let key = key_of_string(bytes, cut.begin)?;
    let mut effort = 256 * 1024;
    // The innermost, since many entries may stand in one list: what the AWS CLI prints.
    let entry = around(bytes, cut.begin, &[], &mut effort).find(|entry| entry.cut.is_none())?;
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

/// Whether what is said of the first part's stream is said of the other entry, too.
fn same_stream(one: &Value, other: &Value) -> bool {
    const TELLS: [&str; 11] = [
        "stream",
        "source",
        "container_id",
        "_container_id",
        "partial_id",
        "CONTAINER_ID",
        "CONTAINER_PARTIAL_ID",
        "PRIORITY",
        "logStreamName",
        "@logStream",
        "tag",
    ];
    // Of the other entry more may be told: it is looked at with what stands around it.
    TELLS.iter().all(|key| text_at(one, key, 0).is_none_or(|told| text_at(other, key, 0) == Some(told)))
}
