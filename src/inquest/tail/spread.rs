//! Lines in what the AWS CLI prints: objects over several lines.

use super::piece::Piece;
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
    pub fn take(&mut self, line: &[u8], stream: Option<&str>) -> Option<Piece> {
        let line = std::str::from_utf8(line).ok()?.trim().trim_end_matches(',');
        if line == "{" {
            let read = std::mem::take(self);
            let same = read.stream.as_deref() == stream;
            return read.text.filter(|_| same).map(|text| Piece::new(text, read.time));
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
