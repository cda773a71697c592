//! What makes an object a record, and one form for it, however a collector has rearranged it.

use super::flat::{below, nested, whole};
use super::keys::{is_collectors, is_known, render};
use crate::inquest::json::Object;
use crate::inquest::time;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The newest description of records that is known here: `schema`.
pub const SCHEMA: u64 = 1;

/// A record, with nothing in it that is not its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Record<'a> {
    /// the value of `epitaph`: letters, digits and `_`
    pub kind: String,
    /// the value of `schema`
    pub schema: u64,
    /// milliseconds since 1970
    pub time: i64,
    /// all of its keys, nested as in docs/records.md
    pub object: Object<'a>,
    /// of all keys and values
    pub hash: u64,
    /// of what it is about: the verdict, the code, the program. Equal in copies from which a store has
    /// dropped keys
    pub core: u64,
    /// whether it is as epitaph wrote it, so that nothing was added or dropped
    pub clean: bool,
    /// the line, as epitaph wrote it, or made anew with the keys in its order
    pub line: Cow<'a, str>,
}

impl Record<'_> {
    /// The same with all texts its own.
    pub fn into_owned(self) -> Record<'static> {
        Record { object: self.object.into_owned(), line: self.line.into_owned().into(), ..self }
    }
}

/// How epitaph begins a record.
const BEGIN: &str = "{\"epitaph\":\"";

/// The record that the JSON `text` is; none where it is no record.
pub fn of_text(text: &[u8]) -> Option<Record<'_>> {
    match std::str::from_utf8(text).map_or_else(|_| String::from_utf8_lossy(text), Cow::Borrowed) {
        Cow::Borrowed(text) if text.starts_with(BEGIN) => {
            let object: Object<'_> = serde_json::from_str(text).ok()?;
            // A line end in it is from a cut between two words: within a text it would be no JSON.
            let line = if text.contains('\n') { text.replace('\n', "").into() } else { text.into() };
            if object.keys().any(|key| key.contains('.')) {
                return of_nested(nested(Map::from(&object)).into(), Some(line));
            }
            of_nested(object, Some(line))
        }
        text => {
            let Value::Object(object) = serde_json::from_str(&text).ok()? else { return None };
            let line = text.starts_with(BEGIN).then(|| text.replace('\n', "").into());
            of_nested(nested(object).into(), line)
        }
    }
}

/// The record that `object` is.
pub fn of_object(object: Map<String, Value>) -> Option<Record<'static>> {
    of_nested(nested(object).into(), None)
}

/// The same of one in which nothing is flat; `written` is its text where that is still epitaph's own.
fn of_nested<'a>(mut object: Object<'a>, written: Option<Cow<'a, str>>) -> Option<Record<'a>> {
    let kind = object.get("epitaph")?.as_str()?.to_owned();
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if kind.is_empty() || kind.len() > 32 || !kind.bytes().all(is_word) {
        return None;
    }
    let schema = whole(object.get("schema")?).filter(|schema| *schema > 0)?;
    let time = time::rfc3339(object.get("time")?.as_str()?)?;
    let before = object.len();
    object.retain(|key, value| !is_collectors(key, value));
    let clean = written.is_some() && object.len() == before && object.keys().all(is_known);
    let (mut hash, mut core) = (DefaultHasher::new(), DefaultHasher::new());
    let mut path = String::with_capacity(64);
    // The keys of an object are in the order of their names.
    for (key, value) in object.iter() {
        below(&mut path, key, value, &mut |path, text| {
            (path, text).hash(&mut hash);
            if is_core(path) {
                (path, text).hash(&mut core);
            }
        });
    }
    let (hash, core) = (hash.finish(), core.finish());
    let line = match written {
        Some(line) if object.len() == before => line,
        _ => render(&object).into(),
    };
    Some(Record { kind, schema, time, object, hash, core, clean, line })
}

fn is_core(key: &str) -> bool {
    ["exit.code", "exit.signal", "exit.verdict", "program", "signal", "victim.pid", "pid"].contains(&key)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"epitaph":"exit","schema":1,"time":"2026-11-23T17:02:10.691Z","container_id":"c","pid":6,"exit":{"code":3,"verdict":"failed"},"revision":"26"}"#;

    #[test]
    fn the_same_in_each_form() {
        let written = of_text(LINE.as_bytes()).expect("a record");
        assert!(written.clean);
        assert_eq!((written.kind.as_str(), written.time, &*written.line), ("exit", 1_795_453_330_691, LINE));
        let others = [
            r#"{"container_id":"c","container_name":"/ecs-x","ecs_cluster":"d","epitaph":"exit","exit":{"code":3,"verdict":"failed"},"pid":6,"revision":"26","schema":1,"source":"stderr","time":"2026-11-23T17:02:10.691Z"}"#,
            r#"{"epitaph":"exit","schema":1.0,"time":"2026-11-23T17:02:10.691Z","container_id":"c","pid":6,"exit.code":3,"exit.verdict":"failed","revision":26}"#,
        ];
        for other in others {
            let other = of_text(other.as_bytes()).expect("a record");
            assert_eq!((other.hash, other.core, other.clean), (written.hash, written.core, other.clean));
        }
        let sorted = of_text(others[0].as_bytes()).expect("a record");
        assert!(!sorted.clean);
        assert_eq!(sorted.line, LINE);
        let forged = LINE.replace("\"code\":3", "\"code\":0");
        let forged = of_text(forged.as_bytes()).expect("a record");
        assert_ne!(forged.hash, written.hash);
        assert_ne!(forged.core, written.core);
    }

    #[test]
    fn lists_come_back() {
        let text = r#"{"epitaph":"stuck","schema":1,"time":"2026-11-23T17:02:10.691Z","processes.0.pid":1,"processes.1.pid":2}"#;
        let record = of_text(text.as_bytes()).expect("a record");
        let object = Map::from(&record.object);
        assert_eq!(object["processes"][1]["pid"], 2);
    }

    #[test]
    fn no_records() {
        let no_records = [
            r#"{"epitaph":"exit","time":5}"#,
            r#"{"epitaph":"exit","time":"2026-11-23T17:02:10.691Z"}"#,
            r#"{"epitaph":"\u001b]0;","schema":1,"time":"2026-11-23T17:02:10.691Z"}"#,
            r#"{"epitaph":"exit","schema":1,"time":"yesterday"}"#,
            r#"["epitaph"]"#,
            "{",
        ];
        for text in no_records {
            assert_eq!(of_text(text.as_bytes()), None, "{text}");
        }
    }
}
