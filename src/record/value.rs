//! Values in a record, as JSON and as logfmt.

use crate::options::RecordFormat;
use crate::shown::{LONGEST as LONG_TEXT, cut_with_mark, is_forbidden};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::ser::Formatter;
use std::io;

/// A value in a record. Keys of objects keep their order.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// a string
    Text(String),
    /// a count, bytes or milliseconds
    Number(u64),
    /// a number that may be negative
    Signed(i64),
    /// true or false
    Flag(bool),
    /// keys with their values
    Object(Vec<(&'static str, Value)>),
    /// values, the most important first
    List(Vec<Value>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Value {
        Value::Number(number)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Value {
        Value::Signed(number)
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Text(text) => serializer.serialize_str(text),
            Value::Number(number) => serializer.serialize_u64(*number),
            Value::Signed(number) => serializer.serialize_i64(*number),
            Value::Flag(flag) => serializer.serialize_bool(*flag),
            Value::Object(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (key, value) in fields {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
            Value::List(values) => serializer.collect_seq(values),
        }
    }
}

impl Value {
    /// Drops the last entry of the longest list in the value; `false` when there is none.
    pub(super) fn shorten(&mut self) -> bool {
        match self {
            Value::List(values) => values.pop().is_some(),
            Value::Object(fields) => fields.iter_mut().any(|(_, value)| value.shorten()),
            _ => false,
        }
    }

    /// Cuts one text that is longer than 256 bytes, and ends it in `…`; `false` when there is none.
    pub(super) fn cut(&mut self) -> bool {
        match self {
            Value::Text(text) if text.len() > LONG_TEXT => {
                cut_with_mark(text, LONG_TEXT);
                true
            }
            Value::Object(fields) => fields.iter_mut().any(|(_, value)| value.cut()),
            Value::List(values) => values.iter_mut().any(Value::cut),
            _ => false,
        }
    }
}

/// The pairs without anything around them.
pub(super) fn render(format: RecordFormat, fields: &[(&'static str, Value)]) -> Vec<u8> {
    match format {
        RecordFormat::Json | RecordFormat::JsonApart => {
            // As much as most have, so that it is not moved from one size of block to the next.
            let mut line = Vec::with_capacity(512);
            for (key, value) in fields {
                if !line.is_empty() {
                    line.push(b',');
                }
                json(&mut line, key);
                line.push(b':');
                json(&mut line, value);
            }
            line
        }
        RecordFormat::Text | RecordFormat::Off => {
            let mut line = String::new();
            for (key, value) in fields {
                logfmt(&mut line, key, value);
            }
            line.into_bytes()
        }
    }
}

/// A value alone, as JSON.
pub(super) fn render_value(value: &Value) -> Vec<u8> {
    let mut text = Vec::new();
    json(&mut text, value);
    text
}

fn json(line: &mut Vec<u8>, value: impl Serialize) {
    // Neither a Vec nor a Value can fail to be written to or serialized.
    let _ = value.serialize(&mut serde_json::Serializer::with_formatter(line, Escaping));
}

/// JSON in which everything that [`is_forbidden`] is escaped, not only the control characters below U+0020,
/// as JSON asks (RFC 8259, 7): a record is also a line on a terminal.
struct Escaping;

impl Formatter for Escaping {
    fn write_string_fragment<W: io::Write + ?Sized>(&mut self, to: &mut W, text: &str) -> io::Result<()> {
        // Nearly all texts. To look at letters is slower.
        if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return to.write_all(text.as_bytes());
        }
        let mut plain = 0;
        for (place, letter) in text.char_indices().filter(|(_, letter)| is_forbidden(*letter)) {
            to.write_all(text.get(plain..place).unwrap_or_default().as_bytes())?;
            // None of them is beyond U+FFFF, so one escape is enough.
            write!(to, "\\u{:04x}", u32::from(letter))?;
            plain = place + letter.len_utf8();
        }
        to.write_all(text.get(plain..).unwrap_or_default().as_bytes())
    }
}

fn logfmt(line: &mut String, key: &str, value: &Value) {
    let text = match value {
        Value::Object(fields) => {
            for (inner, value) in fields {
                logfmt(line, &format!("{key}.{inner}"), value);
            }
            return;
        }
        Value::List(values) => {
            for (place, value) in values.iter().enumerate() {
                logfmt(line, &format!("{key}.{place}"), value);
            }
            return;
        }
        Value::Text(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Signed(number) => number.to_string(),
        Value::Flag(flag) => flag.to_string(),
    };
    if !line.is_empty() {
        line.push(' ');
    }
    line.push_str(key);
    line.push('=');
    let is_plain = |letter: char| letter.is_ascii_graphic() && !"\"=\\".contains(letter);
    if !text.is_empty() && text.chars().all(is_plain) {
        line.push_str(&text);
    } else {
        let mut quoted = Vec::new();
        json(&mut quoted, &text);
        line.push_str(&String::from_utf8_lossy(&quoted));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_turned_against_a_line_is_escaped_in_both_formats() {
        let text = "a\u{7f}\u{85}\u{9b}1m\u{2028}\u{2029}\u{202e}\u{2066}\u{61c}\n\u{1b}é";
        let escaped = r#""a\u007f\u0085\u009b1m\u2028\u2029\u202e\u2066\u061c\n\u001bé""#;
        let fields = [("why", Value::from(text))];
        let json = String::from_utf8(render(RecordFormat::Json, &fields)).expect("UTF-8");
        assert_eq!(json, format!("\"why\":{escaped}"));
        assert_eq!(serde_json::from_str::<String>(&json[6..]).expect("JSON"), text);
        let text = String::from_utf8(render(RecordFormat::Text, &fields)).expect("UTF-8");
        assert_eq!(text, format!("why={escaped}"));
    }
}
