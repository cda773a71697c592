//! Lines in what the AWS CLI prints, objects over several lines, and in the export of the journal, entries
//! over several lines.

use crate::inquest::case::LastLine;
use crate::inquest::context;

/// The parts of an object over several lines, read from its end.
#[derive(Default)]
pub struct Spread {
    text: Option<String>,
    time: Option<i64>,
    stream: Option<String>,
}

impl Spread {
    /// Reads the line above; returns what the program wrote when the object is whole, if it is of this
    /// stream.
    pub fn take(&mut self, line: &[u8], stream: Option<&str>) -> Option<LastLine> {
        let line = std::str::from_utf8(line).ok()?.trim().trim_end_matches(',');
        if line == "{" {
            let read = std::mem::take(self);
            let same = read.stream.as_deref() == stream;
            return read.text.filter(|_| same).map(|text| LastLine { time: read.time, text });
        }
        let (key, value) = line.split_once(": ")?;
        match key {
            "\"message\"" => self.text = serde_json::from_str(value).ok(),
            "\"logStreamName\"" => self.stream = serde_json::from_str(value).ok(),
            "\"timestamp\"" => self.time = context::time_of(&serde_json::from_str(value).ok()?),
            _ => {}
        }
        None
    }
}

/// The log stream that stands above `message` in the same object.
pub fn stream_above(before: &[u8]) -> Option<String> {
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

/// The fields of an entry of the journal, read from its end.
#[derive(Default)]
pub struct Entry {
    text: Option<String>,
    time: Option<i64>,
    container: Option<String>,
    /// the line below
    below: Vec<u8>,
}

impl Entry {
    /// Reads the line above; returns what the program wrote when the entry is whole, if it is of this
    /// container.
    pub fn take(&mut self, line: &[u8], container: Option<&str>) -> Option<LastLine> {
        let below = std::mem::replace(&mut self.below, line.to_vec());
        let line = std::str::from_utf8(line).ok()?;
        if line == "MESSAGE" {
            // Eight bytes of length stand before what is not plain text.
            self.text = below.get(8..).map(|text| String::from_utf8_lossy(text).into_owned());
            return None;
        }
        if line.is_empty() {
            *self = Entry::default();
            return None;
        }
        let (key, value) = line.split_once('=')?;
        match key {
            "MESSAGE" => self.text = Some(value.to_owned()),
            "CONTAINER_ID_FULL" => self.container = Some(value.to_owned()),
            "__REALTIME_TIMESTAMP" => {
                self.time = value.parse::<i64>().ok().map(|microseconds| microseconds / 1000);
            }
            // It is the first of each entry.
            "__CURSOR" => {
                let read = std::mem::take(self);
                let same = read.container.as_deref() == container;
                return read.text.filter(|_| same).map(|text| LastLine { time: read.time, text });
            }
            _ => {}
        }
        None
    }
}

/// The container of the entry around a place.
pub fn container_of_entry(bytes: &[u8], at: usize) -> Option<String> {
    let begin = memchr::memmem::rfind(bytes.get(..at)?, b"\n\n").map_or(0, |at| at + 2);
    let end = memchr::memmem::find(bytes.get(at..)?, b"\n\n").map_or(bytes.len(), |length| at + length);
    let mut lines = bytes.get(begin..end)?.split(|byte| *byte == b'\n');
    let value = lines.find_map(|line| line.strip_prefix(b"CONTAINER_ID_FULL="))?;
    String::from_utf8(value.to_vec()).ok()
}
