//! The lines before and behind a place.

use super::parts::joined;
use super::piece::{Open, Piece};
use super::shape::{Shape, line_around};
use super::spread::Spread;
use super::text::kept;
use crate::inquest::case::LastLine;
use crate::inquest::export::Entry;
use crate::inquest::heap;

/// How many lines are kept.
pub const LINES: usize = 10;

/// How many lines are looked at for them: others may write into the same log.
const LOOKED_AT: usize = 400;

/// The lines before `at`, the last few, from the start of the run on.
pub fn before(shape: &Shape, bytes: &[u8], at: usize) -> Vec<LastLine> {
    let mut lines = joined(&pieces_before(shape, bytes, at));
    lines.drain(..lines.len().saturating_sub(LINES));
    lines
}

/// The last lines before and behind the record at `at`, up to the start of the next run: the streams of a
/// program are two, and what it wrote last may come behind the record.
///
/// In the order of their times, where all have one: some stores give the newest first.
pub fn around(shape: &Shape, bytes: &[u8], at: usize) -> Vec<LastLine> {
    // The record may stand between two parts of a line.
    let mut pieces = pieces_before(shape, bytes, at);
    pieces.extend(pieces_behind(shape, bytes, at));
    let mut lines = joined(&pieces);
    if lines.iter().all(|line| line.time.is_some()) {
        lines.sort_by_key(|line| line.time);
    }
    lines.drain(..lines.len().saturating_sub(LINES));
    lines
}

fn pieces_before(shape: &Shape, bytes: &[u8], at: usize) -> Vec<Piece> {
    let mut pieces = match shape {
        Shape::Export(container) => entries_before(bytes, at, container.as_deref()),
        _ => lines_before(shape, bytes, at),
    };
    pieces.reverse();
    pieces
}

/// The pieces on the lines before `at`, the last one first; the one with which the run begins is the last of
/// them.
fn lines_before(shape: &Shape, bytes: &[u8], at: usize) -> Vec<Piece> {
    let mut enough = Enough::default();
    let mut end = line_around(bytes, at.min(bytes.len())).0;
    let mut spread = Spread::default();
    for _ in 0..LOOKED_AT {
        // What stands before the first line end may be the rest of a line.
        let Some(newline) = end.checked_sub(1) else { break };
        let line = match memchr::memrchr(b'\n', bytes.get(..newline).unwrap_or_default()) {
            Some(before) => {
                end = before + 1;
                bytes.get(end..newline)
            }
            None if bytes.len() < heap::BACK => {
                end = 0;
                bytes.get(..newline)
            }
            None => break,
        };
        let Some(line) = line else { break };
        let piece = match shape {
            Shape::Spread(stream) => spread.take(line, stream.as_deref()),
            _ => Piece::of_line(shape, line),
        };
        if piece.is_some_and(|piece| enough.with(piece)) {
            break;
        }
    }
    enough.pieces
}

/// The same of the entries of the journal.
fn entries_before(bytes: &[u8], at: usize, container: Option<&str>) -> Vec<Piece> {
    // How long an entry is stands at its beginning, so they are read from the first one that is whole.
    let mut entries: Vec<Entry<'_>> = Entry::all(bytes).take_while(|entry| entry.begin < at).collect();
    if entries.last().is_some_and(|entry| entry.end > at) {
        entries.pop();
    }
    let mut enough = Enough::default();
    for entry in entries.iter().rev().take(LOOKED_AT) {
        if Piece::of_entry(entry, container).is_some_and(|piece| enough.with(piece)) {
            break;
        }
    }
    enough.pieces
}

/// Pieces, until they are enough for [`LINES`] lines with one more before them.
#[derive(Default)]
struct Enough {
    pieces: Vec<Piece>,
    lines: usize,
}

impl Enough {
    /// Takes a piece; whether no more are needed.
    fn with(&mut self, piece: Piece) -> bool {
        let is_bound = piece.is_bound();
        if piece.open != Open::Yes {
            self.lines += piece.text.lines().filter_map(|text| kept(text, None)).count();
        }
        self.pieces.push(piece);
        is_bound || self.lines > LINES
    }
}

/// The piece of the record itself, whose rest is nobody's word, and those behind it.
fn pieces_behind(shape: &Shape, bytes: &[u8], at: usize) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut take = |piece: Option<Piece>| {
        let Some(piece) = piece else { return true };
        let goes_on = pieces.is_empty() || !piece.is_bound();
        if goes_on {
            pieces.push(piece);
        }
        goes_on
    };
    match shape {
        Shape::Spread(_) => {}
        Shape::Export(container) => {
            let entries = Entry::all(bytes).skip_while(|entry| entry.end <= at).take(LOOKED_AT);
            let mut pieces = entries.map(|entry| Piece::of_entry(&entry, container.as_deref()));
            while pieces.next().is_some_and(&mut take) {}
        }
        _ => {
            let mut begin = line_around(bytes, at).0;
            for _ in 0..LOOKED_AT {
                let rest = bytes.get(begin..).unwrap_or_default();
                let Some(length) = memchr::memchr(b'\n', rest) else { break };
                begin += length + 1;
                if !take(rest.get(..length).and_then(|line| Piece::of_line(shape, line))) {
                    break;
                }
            }
        }
    }
    pieces
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
        around(&shape, log.as_bytes(), at).into_iter().map(|line| line.text).collect()
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
