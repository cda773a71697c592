//! What stands in a log before a place: the lines that a program wrote last. Only shapes whose lines can be
//! told apart for certain are read; of others nothing is shown.

mod spread;
mod take;
mod text;

pub use take::Tails;

use super::case::LastLine;
use super::column::column;
use super::context::{self, Wrapper};
use super::json::{Json, Object};
use super::time;
use spread::{Entry, Spread, stream_above};
use std::num::NonZeroU64;
use text::{is_bound, is_record, kept};

/// How many lines are kept.
pub const LINES: usize = 10;

/// How many lines are looked at for them: others may write into the same log.
const LOOKED_AT: usize = 400;

/// Where log drivers, agents and stores keep the text of a line.
const TEXTS: [&str; 6] = ["log", "MESSAGE", "message", "@message", "line", "msg"];

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
            return Some(Shape::Export(spread::container_of_entry(bytes, at)));
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

    /// The lines before `at`, the last few, from the start of the run on.
    pub fn before(&self, bytes: &[u8], at: usize) -> Vec<LastLine> {
        let mut found: Vec<LastLine> = Vec::new();
        let mut end = line_around(bytes, at.min(bytes.len())).0;
        let mut spread = Spread::default();
        let mut entry = Entry::default();
        // How many of what was found stood on the line behind this one.
        let mut behind = 0;
        for _ in 0..LOOKED_AT {
            // What stands before the first line end may be the rest of a line.
            let Some(newline) = end.checked_sub(1) else { break };
            let line = match memchr::memrchr(b'\n', bytes.get(..newline).unwrap_or_default()) {
                Some(before) => {
                    end = before + 1;
                    bytes.get(end..newline)
                }
                None if bytes.len() < super::heap::BACK => {
                    end = 0;
                    bytes.get(..newline)
                }
                None => break,
            };
            let Some(line) = line else { break };
            let read = match self {
                Shape::Spread(stream) => spread.take(line, stream.as_deref()),
                Shape::Export(container) => entry.take(line, container.as_deref()),
                _ => self.read(line),
            };
            let Some(read) = read else { continue };
            if is_record(&read.text) && self.goes_on(line, &read.text) {
                // The line behind is the rest of the record.
                found.truncate(found.len().saturating_sub(behind));
            }
            if is_bound(&read.text) {
                break;
            }
            let before = found.len();
            for text in read.text.lines().rev() {
                found.extend(kept(text, read.time));
            }
            behind = found.len() - before;
            if found.len() >= LINES {
                break;
            }
        }
        found.truncate(LINES);
        found.reverse();
        found
    }

    /// The lines behind the one of `at`, up to the start of the next run: the streams of a program are two,
    /// and what it wrote last may come behind the record.
    pub fn behind(&self, bytes: &[u8], at: usize) -> Vec<LastLine> {
        let mut found = Vec::new();
        if matches!(self, Shape::Spread(_) | Shape::Export(_)) {
            return found;
        }
        let (own, end) = line_around(bytes, at);
        let mut begin = end + 1;
        let own = bytes.get(own..end).unwrap_or_default();
        let mut rest_of_record = self.read(own).is_some_and(|read| self.goes_on(own, &read.text));
        for _ in 0..LOOKED_AT {
            let Some(length) = bytes.get(begin..).and_then(|rest| memchr::memchr(b'\n', rest)) else { break };
            let Some(line) = bytes.get(begin..begin + length) else { break };
            begin += length + 1;
            let Some(read) = self.read(line) else { continue };
            if rest_of_record {
                rest_of_record = self.goes_on(line, &read.text);
                continue;
            }
            if is_bound(&read.text) {
                break;
            }
            for text in read.text.lines() {
                found.extend(kept(text, read.time));
            }
        }
        found
    }

    /// Whether the text of a line goes on in the next one: Docker and CRI cut what is longer than 16 KiB.
    fn goes_on(&self, line: &[u8], text: &str) -> bool {
        match self {
            // Collectors take the line end away, so that only a text without its last brace is cut.
            Shape::Objects("log", _) => !text.ends_with('\n') && !text.trim_end().ends_with('}'),
            Shape::Cri => line.split(|byte| *byte == b' ').nth(2) == Some(b"P".as_slice()),
            _ => false,
        }
    }

    /// What the program wrote on this line, if it is one of this log.
    fn read(&self, line: &[u8]) -> Option<LastLine> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > 64 * 1024 || memchr::memchr(0, line).is_some() {
            return None;
        }
        let words = |text: &str, time: Option<i64>| Some(LastLine { time, text: text.to_owned() });
        if let Shape::Objects(key, own) = self {
            let object: Object<'_> = serde_json::from_slice(line).ok()?;
            let wrapper = context::of_object(&object);
            let same = wrapper.container == own.container && wrapper.task == own.task;
            return words(object.get(key)?.as_str()?, wrapper.time).filter(|_| same);
        }
        let text = String::from_utf8_lossy(line);
        match self {
            Shape::Bare => {
                // Where a collector has put the keys of the record among its own, its other lines are
                // objects.
                let object = text.starts_with('{').then(|| serde_json::from_slice::<Object<'_>>(line).ok());
                let wrapped = object.flatten().and_then(|object| {
                    let wrapper = context::of_object(&object);
                    (wrapper.container.is_some() || wrapper.task.is_some()).then_some(())?;
                    let inner = TEXTS.iter().find_map(|key| object.get(key)?.as_str())?;
                    words(inner, wrapper.time)
                });
                wrapped.or_else(|| words(&text, None))
            }
            Shape::Raw(writer) => {
                let behind =
                    column(line).and_then(|column| line.get(column.text..)).map(String::from_utf8_lossy);
                let time = context::time_of_line(line);
                words(behind.as_ref().unwrap_or(&text), time)
                    .filter(|_| context::writer_of_line(line) == *writer)
            }
            Shape::Behind(before) => words(text.strip_prefix(before.as_str())?, None),
            Shape::Timed(before) => {
                let (word, rest) = text.split_once(' ')?;
                words(rest.strip_prefix(before.as_str())?, Some(time::rfc3339(word)?))
            }
            Shape::Cri => {
                let mut parts = text.splitn(4, ' ');
                let time = time::rfc3339(parts.next()?)?;
                let (_, _) = (parts.next()?, parts.next()?);
                words(parts.next()?, Some(time))
            }
            Shape::Objects(..) | Shape::Spread(_) | Shape::Export(_) => None,
        }
    }
}

/// The last of lines, in the order of their times where all have one: some stores give the newest first.
pub fn last(mut lines: Vec<LastLine>) -> Vec<LastLine> {
    if lines.iter().all(|line| line.time.is_some()) {
        lines.sort_by_key(|line| line.time);
    }
    lines.drain(..lines.len().saturating_sub(LINES));
    lines
}

/// Where the line around a place begins and ends.
fn line_around(bytes: &[u8], at: usize) -> (usize, usize) {
    let begin = memchr::memrchr(b'\n', bytes.get(..at).unwrap_or_default()).map_or(0, |at| at + 1);
    let rest = bytes.get(at..).unwrap_or_default();
    (begin, memchr::memchr(b'\n', rest).map_or(bytes.len(), |length| at + length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    const RECORD: &str = r#"{"epitaph":"exit","schema":1,"time":"2026-11-23T17:02:10.691Z"}"#;

    fn texts(log: &str) -> Vec<String> {
        let at =
            log.rfind("{\"epitaph\":\"exit\"").or_else(|| log.rfind("{\\\"epitaph\\\"")).expect("a record");
        let shape = Shape::at(log.as_bytes(), at).expect("a shape");
        let mut lines = shape.before(log.as_bytes(), at);
        lines.extend(shape.behind(log.as_bytes(), at));
        last(lines).into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn lines_of_each_shape() {
        let wrapped = |key: &str, more: &str| {
            let line = |text: &str| format!("{{{more}\"{key}\":{}}}\n", Value::from(text));
            line("one\n") + &line("two\n") + &line(&format!("{RECORD}\n")) + &line("three\n")
        };
        let time = "2026-11-23T17:02:10.691Z";
        let logs = [
            format!("one\r\n\ntwo\n\n{RECORD}\nthree\n"),
            wrapped("log", &format!("\"time\":\"{time}\",\"stream\":\"stderr\",")),
            wrapped("message", "\"logStream\":\"web/server/9d4f1c7ab2e84c0f8a35d6e17b20c493\","),
            format!(
                "{time} stdout F one\n{time} stderr F two\n{time} stderr F {RECORD}\n{time} stdout F three\n"
            ),
            format!(
                "{time} TASK one\n{time} OTHER not\n{time} TASK two\n{time} TASK half {RECORD}\n{time} TASK three\n"
            )
            .replace("TASK", "a/b/9d4f1c7ab2e84c0f8a35d6e17b20c493")
            .replace("OTHER", "a/b/77aa01b2c3d44c0f8a35d6e17b20c493"),
            format!("web-1  | one\ndb-1   | not\nweb-1  | two\nweb-1  | half {RECORD}\nweb-1  | three\n"),
            format!("one\ntwo\n\u{1b}[33mhalf {RECORD}\nthree\n"),
        ];
        for log in logs {
            assert_eq!(texts(&log), ["one", "two", "three"], "{log}");
        }
    }

    #[test]
    fn the_rest_of_a_record_is_nobodys_word() {
        let line = |text: &str| format!("{{\"log\":{}}}\n", Value::from(text));
        let stop = RECORD.replace("exit", "stop");
        let (head, tail) = RECORD.split_at(40);
        let (stop_head, stop_tail) = stop.split_at(40);
        let log = line("one\n")
            + &line(stop_head)
            + &line(stop_tail)
            + &line(head)
            + &line(&format!("{tail}\n"))
            + &line("two\n");
        assert_eq!(texts(&log), ["one", "two"]);
        let line = |mark: &str, text: &str| format!("2026-11-23T17:02:10.691Z stderr {mark} {text}\n");
        let log = line("F", "one") + &line("P", head) + &line("F", tail) + &line("F", "two");
        assert_eq!(texts(&log), ["one", "two"]);
    }

    #[test]
    fn the_export_of_the_journal() {
        let entry = |container: &str, text: &str| {
            format!(
                "__CURSOR=s=1\n__REALTIME_TIMESTAMP=1795453330000000\nMESSAGE={text}\nCONTAINER_ID_FULL={}\n_COMM=dockerd\n\n",
                container.repeat(64)
            )
        };
        let log = entry("a", "one") + &entry("b", "not") + &entry("a", "two") + &entry("a", RECORD);
        assert_eq!(texts(&log), ["one", "two"]);
        // What is not plain text stands in a binary form: its length, then the bytes.
        let binary = entry("a", "two").replace("MESSAGE=two", "MESSAGE\n\u{8}\0\0\0\0\0\0\0\u{1b}[1mtwo!");
        assert_eq!(texts(&(binary + &entry("a", RECORD))), ["\u{1b}[1mtwo!"]);
    }

    #[test]
    fn what_the_aws_cli_prints() {
        let event = |stream: &str, text: &str| {
            format!(
                "        {{\n            \"logStreamName\": \"{stream}\",\n            \"timestamp\": 1795453330000,\n            \"message\": {},\n            \"eventId\": \"1\"\n        }},\n",
                Value::from(text)
            )
        };
        let log = event("a", "one") + &event("b", "not") + &event("a", "two") + &event("a", RECORD);
        assert_eq!(texts(&log), ["one", "two"]);
    }

    #[test]
    fn only_what_is_the_programs() {
        let start = RECORD.replace("exit", "start");
        let log = format!(
            "old\n{start}\nnew\n[WARN epitaph (1)] reaped\n[WARN  mine] x\n{}\n\n{RECORD}\n{start}\nnext\n",
            RECORD.replace("exit", "stop")
        );
        assert_eq!(texts(&log), ["new", "[WARN  mine] x"]);
        let many: String = (0..30).map(|number| format!("line {number}\n")).collect();
        let lines = texts(&format!("{many}{RECORD}\n"));
        assert_eq!((lines.len(), lines[0].as_str()), (10, "line 20"));
        assert_eq!(Shape::at(b"17:02,\"{\"\"epitaph\"\":\"\"exit\"\"", 7), None);
        assert_eq!(Shape::at(b"\"17:02\",\"{\"\"epitaph\"\":\"\"exit\"\"", 9), None);
        assert_eq!(Shape::at(b"\x0a\x12\x01{\"epitaph\":\"exit\"", 3), None);
        // In syslog, others write too.
        let line = |tag: &str, text: &str| format!("<27>1 2026-11-23T17:02:10Z vm {tag} 1 - - {text}\n");
        let log = line("web", "one") + &line("db", "not") + &line("web", RECORD);
        assert_eq!(texts(&log), ["one"]);
        // Newest first, as Loki answers.
        let line = |second: u32, text: &str| {
            let text = Value::from(text);
            format!("{{\"timestamp\":\"2026-11-23T17:02:{second}Z\",\"line\":{text}}}\n")
        };
        let log = line(14, "late") + &line(13, RECORD) + &line(12, "two") + &line(11, "one");
        assert_eq!(texts(&log), ["one", "two", "late"]);
    }
}
