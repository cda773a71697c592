//! A value and an object.

use serde_json::{Map, Number, Value};
use std::borrow::Cow;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Json<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// a number
    Number(Number),
    /// a text
    Text(Cow<'a, str>),
    /// a list
    List(Vec<Json<'a>>),
    /// an object
    Object(Object<'a>),
}

/// An object: each key once, in the order of their names. Of a key that is there twice, the last value
/// counts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Object<'a>(Vec<(Cow<'a, str>, Json<'a>)>);

impl<'a> Json<'a> {
    /// The text, where it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Json::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The object, where it is one.
    pub fn as_object(&self) -> Option<&Object<'a>> {
        match self {
            Json::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The whole number, where it is one of 64 bits with a sign.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Json::Number(number) => number.as_i64(),
            _ => None,
        }
    }

    /// The whole number, where it is one of 64 bits without a sign.
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Json::Number(number) => number.as_u64(),
            _ => None,
        }
    }

    /// The same with all texts its own.
    pub fn into_owned(self) -> Json<'static> {
        match self {
            Json::Null => Json::Null,
            Json::Bool(value) => Json::Bool(value),
            Json::Number(number) => Json::Number(number),
            Json::Text(text) => Json::Text(text.into_owned().into()),
            Json::List(values) => Json::List(values.into_iter().map(Json::into_owned).collect()),
            Json::Object(object) => Json::Object(object.into_owned()),
        }
    }
}

impl<'a> Object<'a> {
    /// Of pairs in any order.
    pub(super) fn new(mut pairs: Vec<(Cow<'a, str>, Json<'a>)>) -> Object<'a> {
        pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
        pairs.dedup_by(|later, before| {
            let same = later.0 == before.0;
            if same {
                std::mem::swap(later, before);
            }
            same
        });
        Object(pairs)
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Json<'a>> {
        let at = self.0.binary_search_by(|(name, _)| (**name).cmp(key)).ok()?;
        self.0.get(at).map(|(_, value)| value)
    }

    /// Whether there is such a key.
    pub fn contains_key(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(key, _)| &**key)
    }

    /// Keys and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Json<'a>)> {
        self.0.iter().map(|(key, value)| (&**key, value))
    }

    /// Leaves out what is not to stay.
    pub fn retain(&mut self, stays: impl Fn(&str, &Json<'a>) -> bool) {
        self.0.retain(|(key, value)| stays(key, value));
    }

    /// The same with all texts its own.
    pub fn into_owned(self) -> Object<'static> {
        Object(self.0.into_iter().map(|(key, value)| (key.into_owned().into(), value.into_owned())).collect())
    }
}

impl From<Value> for Json<'static> {
    fn from(value: Value) -> Json<'static> {
        match value {
            Value::Null => Json::Null,
            Value::Bool(value) => Json::Bool(value),
            Value::Number(number) => Json::Number(number),
            Value::String(text) => Json::Text(text.into()),
            Value::Array(values) => Json::List(values.into_iter().map(Json::from).collect()),
            Value::Object(object) => Json::Object(object.into()),
        }
    }
}

impl From<Map<String, Value>> for Object<'static> {
    fn from(object: Map<String, Value>) -> Object<'static> {
        Object::new(object.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}

impl From<&Json<'_>> for Value {
    fn from(value: &Json<'_>) -> Value {
        match value {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(number) => Value::Number(number.clone()),
            Json::Text(text) => Value::String(text.to_string()),
            Json::List(values) => values.iter().map(Value::from).collect(),
            Json::Object(object) => Value::Object(object.into()),
        }
    }
}

impl From<&Object<'_>> for Map<String, Value> {
    fn from(object: &Object<'_>) -> Map<String, Value> {
        object.iter().map(|(key, value)| (key.to_owned(), value.into())).collect()
    }
}
