//! How the lines of a log look.

use super::text::is_record;
use crate::inquest::column::column;
use crate::inquest::context::{self, Wrapper};
use crate::inquest::export::Entry;
use crate::inquest::json::{Json, Object};
use crate::inquest::time;
use std::num::NonZeroU64;

/// Where log drivers, agents and stores keep the text of a line.
pub const TEXTS: [&str; 6] = ["log", "MESSAGE", "message", "@message", "line", "msg"];

/// How the lines of a log look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// the program's own words, nothing around them
    Bare,
    /// an object on each line, with the text under this key, and whose it is
    Objects(&'static str, Box<Wrapper>),
    /// a time, this text, and what the program wrote: `docker logs -t`, `aws logs tail`, an export to S3
    Timed(String),
    /// the same of CRI: a time, the stream, and whether the line ends here
    Cri,
    /// this text before what the program wrote: `docker compose logs`
    Behind(String),
    /// something else stands before it; where the lines tell who wrote them, this one: syslog, half a line
    Raw(Option<NonZeroU64>),
    /// what `journalctl -o export` prints, of this container
    Export(Option<String>),
    /// objects over several lines, each with `message`, of this log stream: what the AWS CLI prints
    Spread(Option<String>),
}

impl Shape {
    /// The shape of the log in which a record stands at `at`.
    pub fn at(bytes: &[u8], at: usize) -> Option<Shape> {
        let (begin, end) = line_around(bytes, at);
        let line = bytes.get(begin..end)?;
        let before = std::str::from_utf8(bytes.get(begin..at)?).ok()?;
        if before.is_empty() {
            return Some(Shape::Bare);
        }
        // What the journal prints with a time first, which is also a time and a text.
        if column(line).is_some_and(|column| !column.of_runtime && column.text == before.len()) {
            return Some(Shape::Raw(context::writer_of_line(line)));
        }
        if before.starts_with('{') {
            let object: Object<'_> = serde_json::from_slice(line).ok()?;
            let holds = |key: &&&str| object.get(key).and_then(Json::as_str).is_some_and(is_record);
            let key = TEXTS.iter().find(holds)?;
            return Some(Shape::Objects(key, Box::new(context::of_object(&object))));
        }
        if before.trim_start().starts_with("\"message\":") {
            return Some(Shape::Spread(stream_above(bytes.get(..begin)?)));
        }
        if before.starts_with("MESSAGE=") {
            let container = Entry::around(bytes, at).and_then(|entry| entry.get("CONTAINER_ID_FULL"));
            return Some(Shape::Export(container.map(|id| String::from_utf8_lossy(id).into_owned())));
        }
        if let Some((word, rest)) = before.split_once(' ')
            && time::rfc3339(word).is_some()
        {
            if ["stdout F ", "stderr F ", "stdout P ", "stderr P "]
                .iter()
                .any(|column| rest.starts_with(column))
            {
                return Some(Shape::Cri);
            }
            // A log stream is one word; others are what the program left open before the record.
            let stream = rest.split_once(' ').filter(|(word, _)| context::task_of(word).is_some());
            return Some(Shape::Timed(stream.map_or(String::new(), |(word, _)| format!("{word} "))));
        }
        if let Some((name, _)) = before.split_once("| ")
            && !name.trim_end().contains(' ')
        {
            return Some(Shape::Behind(format!("{name}| ")));
        }
        // What a spreadsheet reads has its quotes doubled, and what is binary has no lines.
        let is_text = before.chars().all(|letter| !letter.is_control() || letter == '\u{1b}');
        let of_table =
            before.trim_start().starts_with(['[', '{']) || before.contains('"') || before.trim().is_empty();
        (is_text && !of_table).then(|| Shape::Raw(context::writer_of_line(line)))
    }

    /// Whether each line tells whose it is.
    pub fn is_certain(&self) -> bool {
        match self {
            Shape::Bare | Shape::Cri | Shape::Raw(_) => false,
            Shape::Objects(_, wrapper) => wrapper.container.is_some() || wrapper.task.is_some(),
            Shape::Timed(rest) => !rest.trim().is_empty(),
            Shape::Behind(_) => true,
            Shape::Spread(whose) | Shape::Export(whose) => whose.is_some(),
        }
    }
}

/// Where the line around a place begins and ends.
pub fn line_around(bytes: &[u8], at: usize) -> (usize, usize) {
    let begin = memchr::memrchr(b'\n', bytes.get(..at).unwrap_or_default()).map_or(0, |at| at + 1);
    let rest = bytes.get(at..).unwrap_or_default();
    (begin, memchr::memchr(b'\n', rest).map_or(bytes.len(), |length| at + length))
}

/// The log stream that stands above `message` in the same object.
fn stream_above(before: &[u8]) -> Option<String> {
    let lines = before.rsplit(|byte| *byte == b'\n').take(8);
    for line in lines {
        let line = std::str::from_utf8(line).ok()?.trim().trim_end_matches(',');
        if let Some(value) = line.strip_prefix("\"logStreamName\": ") {
            return serde_json::from_str(value).ok();
        }
        if line == "{" {
            return None;
        }
    }
    None
}
