//! Objects that a store has flattened, and the values in an object with the paths to them.

use crate::inquest::json::Json;
use serde_json::{Map, Value};

/// A number that some stores write as `1.0` or `"1"`.
pub fn whole(value: &Json<'_>) -> Option<u64> {
    match value {
        Json::Number(number) => number.as_u64().or_else(|| {
            let number = number.as_f64()?;
            (number.fract() == 0.0 && (0.0..1e15).contains(&number)).then_some(number as u64)
        }),
        Json::Text(text) => text.parse().ok(),
        _ => None,
    }
}

/// Puts `exit.code` back into `exit`, and `processes.0.pid` into a list.
pub fn nested(object: Map<String, Value>) -> Map<String, Value> {
    if !object.keys().any(|key| key.contains('.')) {
        return object;
    }
    let mut result = Map::new();
    for (key, value) in object {
        insert(&mut result, &key, value, 0);
    }
    result.into_iter().map(|(key, value)| (key, lists(value))).collect()
}

fn insert(object: &mut Map<String, Value>, key: &str, value: Value, depth: usize) {
    match key.split_once('.').filter(|(first, _)| !first.is_empty() && depth < 8) {
        Some((first, rest)) => {
            let inner = object.entry(first).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                insert(inner, rest, value, depth + 1);
            }
        }
        None => {
            object.insert(key.to_owned(), value);
        }
    }
}

/// An object with the keys 0, 1, … is a list.
fn lists(value: Value) -> Value {
    let Value::Object(object) = value else { return value };
    let length = object.len();
    let is_list = length > 0 && (0..length).all(|place| object.contains_key(&place.to_string()));
    if is_list {
        let mut object = object;
        return (0..length).filter_map(|place| object.remove(&place.to_string())).map(lists).collect();
    }
    Value::Object(object.into_iter().map(|(key, value)| (key, lists(value))).collect())
}

/// Tells `leaf` the values with the paths to them, in an order that does not depend on how they were written;
/// `26` and `"26"` are the same, since stores change the one into the other.
///
/// `path` is what all paths begin with; it is left as it was.
pub fn leaves(path: &mut String, value: &Json<'_>, leaf: &mut impl FnMut(&str, &str)) {
    match value {
        Json::Object(object) => {
            for (key, value) in object.iter() {
                below(path, key, value, leaf);
            }
        }
        Json::List(values) => {
            for (place, value) in values.iter().enumerate() {
                below(path, itoa::Buffer::new().format(place), value, leaf);
            }
        }
        Json::Text(text) => leaf(path, text),
        Json::Number(number) => {
            let mut digits = itoa::Buffer::new();
            match (whole(value), number.as_i64()) {
                (Some(number), _) => leaf(path, digits.format(number)),
                (None, Some(number)) => leaf(path, digits.format(number)),
                (None, None) => leaf(path, &number.to_string()),
            }
        }
        Json::Null => {}
        Json::Bool(value) => leaf(path, if *value { "true" } else { "false" }),
    }
}

/// The same of the value at `key`.
pub fn below(path: &mut String, key: &str, value: &Json<'_>, leaf: &mut impl FnMut(&str, &str)) {
    let length = path.len();
    if length > 0 {
        path.push('.');
    }
    path.push_str(key);
    leaves(path, value, leaf);
    path.truncate(length);
}
