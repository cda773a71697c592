//! Values in a record, as JSON and as logfmt.

use crate::options::RecordFormat;
use serde::ser::{Serialize, SerializeMap, Serializer};

/// The longest text, in bytes, that stays whole in a record that is too long. A program's name may have 128 KiB.
const LONG_TEXT: usize = 256;

/// A value in a record. Keys of objects keep their order.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// a string
    Text(String),
    /// a count, bytes or milliseconds
    Number(u64),
    /// a number that may be negative
    Signed(i64),
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

    /// Cuts one text that is longer than [`LONG_TEXT`], and ends it in `…`; `false` when there is none.
    pub(super) fn cut(&mut self) -> bool {
        match self {
            Value::Text(text) if text.len() > LONG_TEXT => {
                const MARK: char = '…';
                let room = LONG_TEXT - MARK.len_utf8();
                text.truncate((0..=room).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0));
                text.push(MARK);
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
        RecordFormat::Json => {
            let mut line = Vec::new();
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
    let _ = serde_json::to_writer(line, &value);
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
