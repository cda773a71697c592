//! What a program wrote on one line of a log: a line of its own, or a part of one.

use super::shape::{Shape, TEXTS};
use super::text::{is_bound, is_record};
use crate::inquest::column::column;
use crate::inquest::context;
use crate::inquest::export::Entry;
use crate::inquest::json::{Json, Object};
use crate::inquest::time;

/// How long the parts are, in bytes, into which Docker cuts a line (`defaultBufSize` in
/// daemon/logger/copier.go of moby). Where nothing marks a part, this length tells it.
const PART: usize = 16 * 1024;

/// The most of a line of text that is read, in bytes.
const LONGEST: usize = 64 * 1024;

/// The longest object that is read, in bytes: a part with all its bytes escaped.
const LONGEST_OBJECT: usize = 128 * 1024;

/// What stands on one line.
#[derive(Debug)]
pub struct Piece {
    /// when it was taken, in milliseconds since 1970
    pub time: Option<i64>,
    /// the text
    pub text: String,
    /// the stream of the container that it is of, as far as the log tells
    pub stream: String,
    /// whether the text goes on in the next piece of the stream
    pub open: Open,
}

/// Whether a piece goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// it does
    Yes,
    /// it does not
    No,
    /// it does, if line ends are kept in this log: it has none
    WithoutLineEnd,
}

impl Piece {
    /// A line that is whole.
    pub fn new(text: impl Into<String>, time: Option<i64>) -> Piece {
        Piece { time, text: text.into(), stream: String::new(), open: Open::No }
    }

    /// Of this text as it stands in the log, which nothing marks as a part.
    fn of_bytes(text: &[u8], time: Option<i64>) -> Piece {
        let open = if text.len() == PART { Open::Yes } else { Open::No };
        Piece { open, ..Piece::new(String::from_utf8_lossy(text), time) }
    }

    /// Whether it is a record, or has one in it.
    pub fn is_record(&self) -> bool {
        is_record(&self.text)
    }

    /// Whether a run begins or ends with it.
    pub fn is_bound(&self) -> bool {
        is_bound(&self.text)
    }

    /// What stands on this line, if it is one of a log of this shape.
    pub fn of_line(shape: &Shape, line: &[u8]) -> Option<Piece> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if let Shape::Objects(key, own) = shape {
            let object: Object<'_> =
                serde_json::from_slice(line.get(..LONGEST_OBJECT).unwrap_or(line)).ok()?;
            let wrapper = context::of_object(&object);
            let same = wrapper.container == own.container && wrapper.task == own.task;
            return Piece::of_object(&object, key, wrapper.time).filter(|_| same);
        }
        let line = line.get(..LONGEST).unwrap_or(line);
        if memchr::memchr(0, line).is_some() {
            return None;
        }
        let text = String::from_utf8_lossy(line);
        match shape {
            Shape::Bare => {
                // Where a collector has put the keys of the record among its own, its other lines are
                // objects.
                let object = text.starts_with('{').then(|| serde_json::from_slice::<Object<'_>>(line).ok());
                let wrapped = object.flatten().and_then(|object| {
                    let wrapper = context::of_object(&object);
                    (wrapper.container.is_some() || wrapper.task.is_some()).then_some(())?;
                    TEXTS.iter().find_map(|key| Piece::of_object(&object, key, wrapper.time))
                });
                Some(wrapped.unwrap_or_else(|| Piece::of_bytes(line, None)))
            }
            Shape::Raw(writer) => {
                let behind = column(line).and_then(|column| line.get(column.text..)).unwrap_or(line);
                let same = context::writer_of_line(line) == *writer;
                same.then(|| Piece::of_bytes(behind, context::time_of_line(line)))
            }
            Shape::Behind(before) => Some(Piece::of_bytes(line.strip_prefix(before.as_bytes())?, None)),
            Shape::Timed(before) => {
                let (word, rest) = text.split_once(' ')?;
                Some(Piece::new(rest.strip_prefix(before.as_str())?, Some(time::rfc3339(word)?)))
            }
            Shape::Cri => {
                let mut parts = text.splitn(4, ' ');
                let time = time::rfc3339(parts.next()?)?;
                let (stream, mark) = (parts.next()?.to_owned(), parts.next()?);
                let open = if mark == "P" { Open::Yes } else { Open::No };
                Some(Piece { stream, open, ..Piece::new(parts.next()?, Some(time)) })
            }
            Shape::Objects(..) | Shape::Spread(_) | Shape::Export(_) => None,
        }
    }

    /// The text under a key of an object, with what log drivers and collectors say beside it:
    /// `partial_message` and `partial_last` (Docker's fluentd driver), `CONTAINER_PARTIAL_MESSAGE` and
    /// `CONTAINER_PARTIAL_LAST` (journald, of Docker and Podman), `_p` and `logtag` (parsers of CRI).
    fn of_object(object: &Object<'_>, key: &str, time: Option<i64>) -> Option<Piece> {
        let value = |key: &str| object.get(key).and_then(Json::as_str);
        let text = value(key)?;
        let is = |key: &str, expected: &str| value(key) == Some(expected);
        let marked = is("partial_message", "true") || is("CONTAINER_PARTIAL_MESSAGE", "true");
        let last = is("partial_last", "true") || is("CONTAINER_PARTIAL_LAST", "true");
        let of_json_file = object.keys().all(|key| ["log", "stream", "time", "attrs"].contains(&key));
        let cut_record = is_record(text) && !text.trim_end().ends_with('}');
        let open = if marked && !last || is("_p", "P") || is("logtag", "P") || cut_record {
            Open::Yes
        } else if marked || text.ends_with('\n') {
            Open::No
        } else if text.len() == PART {
            Open::Yes
        } else if of_json_file {
            Open::WithoutLineEnd
        } else {
            Open::No
        };
        let stream = ["stream", "source", "PRIORITY"].iter().filter_map(|key| value(key)).collect();
        Some(Piece { stream, open, ..Piece::new(text, time) })
    }

    /// What an entry of the journal says, if it is of this container.
    pub fn of_entry(entry: &Entry<'_>, container: Option<&str>) -> Option<Piece> {
        let value = |name: &str| entry.get(name).map(String::from_utf8_lossy);
        if value("CONTAINER_ID_FULL").as_deref() != container {
            return None;
        }
        let microseconds = value("__REALTIME_TIMESTAMP").and_then(|text| text.parse::<i64>().ok());
        let is = |name: &str| value(name).as_deref() == Some("true");
        let open = is("CONTAINER_PARTIAL_MESSAGE") && !is("CONTAINER_PARTIAL_LAST");
        Some(Piece {
            stream: value("PRIORITY").unwrap_or_default().into_owned(),
            open: if open { Open::Yes } else { Open::No },
            ..Piece::new(value("MESSAGE")?, microseconds.map(|microseconds| microseconds / 1000))
        })
    }
}
