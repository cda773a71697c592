//! Reads values, and objects of which only some keys are wanted.

use super::value::{Json, Object};
use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::Number;
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// The object that `text` is, with those of its keys that are `wanted`: the others are passed over.
pub fn only<'a>(text: &'a [u8], wanted: fn(&str) -> bool) -> Option<Object<'a>> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let object = Only { wanted, room: FEW }.deserialize(&mut reader).ok();
    object.filter(|_| reader.end().is_ok())
}

/// The same of the object with which `text` begins, and where that ends.
pub fn first<'a, W: Wanted>(text: &'a [u8]) -> Option<(Object<'a>, usize)> {
    let mut values = serde_json::Deserializer::from_slice(text).into_iter::<Chosen<'a, W>>();
    let Chosen(object, _) = values.next()?.ok()?;
    Some((object, values.byte_offset()))
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
        Only { wanted: |_| true, room: FEW }.visit_map(access).map(Json::Object)
    }
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A record has some thirty.
        Only { wanted: |_| true, room: 32 }.deserialize(deserializer)
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
        Ok(Chosen(Only { wanted: W::is_wanted, room: FEW }.deserialize(deserializer)?, PhantomData))
    }
}

/// An object with the keys that are wanted, and with room for so many from the first on.
struct Only {
    wanted: fn(&str) -> bool,
    room: usize,
}

/// How many keys are in an object within a record, or are wanted of another.
const FEW: usize = 4;

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
        let mut pairs = Vec::new();
        while let Some(Text(key)) = access.next_key()? {
            if (self.wanted)(&key) {
                if pairs.is_empty() {
                    pairs.reserve(self.room);
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
    use serde_json::{Map, Value};

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
            assert_eq!(only(text.as_bytes(), |_| true), None, "{text}");
        }
    }

    #[test]
    fn only_what_is_wanted() {
        let text = br#"{"log":"a\"b","time":"t","x":{"time":1}}"#;
        let object = only(text, |key| key == "time").expect("an object");
        assert_eq!(object.keys().collect::<Vec<_>>(), ["time"]);
        assert_eq!(object.get("time").and_then(Json::as_str), Some("t"));
        struct Time;
        impl Wanted for Time {
            fn is_wanted(key: &str) -> bool {
                key == "time"
            }
        }
        let more = [&text[..], b"\n{"].concat();
        assert_eq!(first::<Time>(&more), Some((object, text.len())));
        assert_eq!(first::<Time>(b"{\"time\":"), None);
    }
}
