//! Values of a document by their keys.

use super::time;
use serde_json::{Map, Value};

/// A value by its key, or by the same with a capital: state machines write `TaskArn`.
pub fn get<'a>(object: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    object.get(key).or_else(|| {
        let mut letters = key.chars();
        let first = letters.next()?.to_ascii_uppercase();
        object.get(&format!("{first}{}", letters.as_str()))
    })
}

/// A text that is not empty, by its key.
pub fn text<'a>(object: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    get(object, key)?.as_str().filter(|text| !text.is_empty())
}

/// The same, as a value of its own, at most 512 bytes of it.
pub fn owned(object: &Map<String, Value>, key: &str) -> Option<String> {
    text(object, key).map(limited)
}

/// A moment by its key.
pub fn time(object: &Map<String, Value>, key: &str) -> Option<jiff::Timestamp> {
    time::of_json(get(object, key)?)
}

/// At most 512 bytes of a text.
pub fn limited(text: &str) -> String {
    let mut end = text.len().min(512);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}
