//! A JSON value that borrows its texts from where it was read, and an object as a sorted list: most of what
//! is read is looked at once, and a map of owned texts takes longer to make than to read.

use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::{Map, Number, Value};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

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
    fn new(mut pairs: Vec<(Cow<'a, str>, Json<'a>)>) -> Object<'a> {
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

    /// The object that `text` is, with those of its keys that are `wanted`: the others are passed over.
    pub fn only(text: &'a [u8], wanted: fn(&str) -> bool) -> Option<Object<'a>> {
        let mut reader = serde_json::Deserializer::from_slice(text);
        let object = Some(Only(wanted).deserialize(&mut reader).ok()?);
        object.filter(|_| reader.end().is_ok())
    }

    /// The same of the object with which `text` begins, and where that ends.
    pub fn first<W: Wanted>(text: &'a [u8]) -> Option<(Object<'a>, usize)> {
        let mut values = serde_json::Deserializer::from_slice(text).into_iter::<Chosen<'a, W>>();
        let Chosen(object, _) = values.next()?.ok()?;
        Some((object, values.byte_offset()))
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

/// A text, borrowed where nothing in it is escaped.
struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a text")
            }
            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

impl<'de> Deserialize<'de> for Json<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Json<'de>, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Json<'de>, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Json<'de>, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Json<'de>, E> {
        Ok(Number::from_f64(value).map_or(Json::Null, Json::Number))
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Json<'de>, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = access.next_element()? {
            values.push(value);
        }
        Ok(Json::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<Json<'de>, A::Error> {
        Only(|_| true).visit_map(access).map(Json::Object)
    }
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Only(|_| true).deserialize(deserializer)
    }
}

/// Chooses keys.
pub trait Wanted {
    /// Whether this one is to be read.
    fn is_wanted(key: &str) -> bool;
}

/// An object with the keys that are wanted.
struct Chosen<'a, W>(Object<'a>, PhantomData<W>);

impl<'de, W: Wanted> Deserialize<'de> for Chosen<'de, W> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Chosen(Only(W::is_wanted).deserialize(deserializer)?, PhantomData))
    }
}

/// An object with the keys for which this is true.
struct Only(fn(&str) -> bool);

impl<'de> DeserializeSeed<'de> for Only {
    type Value = Object<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Object<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Only {
    type Value = Object<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Object<'de>, A::Error> {
        // A record has some thirty.
        let mut pairs = Vec::new();
        while let Some(Text(key)) = access.next_key()? {
            if (self.0)(&key) {
                if pairs.is_empty() {
                    pairs.reserve(32);
                }
                pairs.push((key, access.next_value()?));
            } else {
                access.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Object::new(pairs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_as_a_map() {
        for text in [
            r#"{"b":1,"a":{"c":[1,-2,3.5,null,true,"x\ny"]},"é":"ü"}"#,
            r#"{"a":1,"b":2,"a":"last","a":3}"#,
            "{}",
        ] {
            let map: Map<String, Value> = serde_json::from_str(text).expect("a map");
            let object: Object<'_> = serde_json::from_str(text).expect("an object");
            assert_eq!(Map::from(&object), map, "{text}");
            assert_eq!(Object::from(map), object.into_owned(), "{text}");
        }
        for text in ["[]", "{", "{\"a\":1}}", "1", "{\"a\"}"] {
            assert!(serde_json::from_str::<Object<'_>>(text).is_err(), "{text}");
            assert_eq!(Object::only(text.as_bytes(), |_| true), None, "{text}");
        }
    }

    #[test]
    fn only_what_is_wanted() {
        let text = br#"{"log":"a\"b","time":"t","x":{"time":1}}"#;
        let object = Object::only(text, |key| key == "time").expect("an object");
        assert_eq!(object.keys().collect::<Vec<_>>(), ["time"]);
        assert_eq!(object.get("time").and_then(Json::as_str), Some("t"));
        struct Time;
        impl Wanted for Time {
            fn is_wanted(key: &str) -> bool {
                key == "time"
            }
        }
        let more = [&text[..], b"\n{"].concat();
        assert_eq!(Object::first::<Time>(&more), Some((object, text.len())));
        assert_eq!(Object::first::<Time>(b"{\"time\":"), None);
    }
}
