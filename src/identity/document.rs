//! Picks what is wanted from a JSON document, and passes over the rest while it reads.
//!
//! A [`Want`] is a table of what a document may hold. A value of another type than the wanted one loses itself and
//! nothing else. No tree of the document is built, and what is kept is bounded, since a hostile answer
//! chooses what it holds. One table-driven reader is also a third of the code of a type for each object.

use super::Field;
use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Values that are kept of one document. A task of 32 containers with everything has some 600.
const MOST_VALUES: usize = 1024;

/// Elements of an array that are looked at. ECS allows 10 containers in a task definition, and adds few.
const MOST_ELEMENTS: usize = 32;

/// Bytes that are kept of a string: more than any field takes, so that one which is too long is seen to be.
const LONGEST: usize = 1100;

/// What is wanted of a JSON value.
pub(super) enum Want {
    /// a string, or a whole number as its digits
    Text(Key),
    /// `true`, kept as that word; `false` says no more than nothing
    Flag(Key),
    /// these members of an object
    Object(&'static [(&'static str, Want)]),
    /// the first element of an array
    First(&'static Want),
    /// every element of an array, up to [`MOST_ELEMENTS`], numbered from 1
    Each(&'static Want),
}

/// What a value is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// a field of the identity
    Field(Field),
    /// a cluster, by its name or its ARN
    Cluster,
    /// what kind of container it is
    Kind,
    /// whether a file is complete
    Status,
    /// a limit in MiB
    Memory,
    /// something else, by a name of the reader's own
    Named(&'static str),
}

/// A field of the identity.
pub(super) const fn field(field: Field) -> Want {
    Want::Text(Key::Field(field))
}

/// A value that was wanted and found.
#[derive(Debug)]
pub(super) struct Found {
    /// 0, or the number of the element of [`Want::Each`] that it is part of
    pub element: usize,
    pub key: Key,
    pub text: String,
}

/// The answer is not JSON, or no JSON object.
#[derive(Debug)]
pub struct NotMetadata {
    line: usize,
    column: usize,
    is_json: bool,
}

impl fmt::Display for NotMetadata {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let what = if self.is_json { "not a JSON object" } else { "not JSON" };
        write!(f, "its answer is {what} (line {}, column {})", self.line, self.column)
    }
}

impl std::error::Error for NotMetadata {}

/// Everything in `body` that is wanted, in its order.
pub(super) fn read(body: &[u8], want: &'static Want) -> Result<Vec<Found>, NotMetadata> {
    let mut found = Vec::new();
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let walk = Walk { want, element: 0, found: &mut found };
    // The error's own text quotes the answer, at any length.
    walk.deserialize(&mut deserializer).and_then(|()| deserializer.end()).map_err(|error| NotMetadata {
        line: error.line(),
        column: error.column(),
        is_json: false,
    })?;
    if body.trim_ascii_start().starts_with(b"{") {
        Ok(found)
    } else {
        Err(NotMetadata { line: 1, column: 1, is_json: true })
    }
}

struct Walk<'a> {
    want: &'static Want,
    element: usize,
    found: &'a mut Vec<Found>,
}

impl Walk<'_> {
    fn keep(self, text: &str) {
        if let Want::Text(key) | Want::Flag(key) = *self.want
            && self.found.len() < MOST_VALUES
        {
            let end = (0..=text.len().min(LONGEST)).rfind(|&end| text.is_char_boundary(end));
            let text = text.get(..end.unwrap_or(0)).unwrap_or_default().to_owned();
            self.found.push(Found { element: self.element, key, text });
        }
    }

    fn inner(&mut self, want: &'static Want, element: usize) -> Walk<'_> {
        Walk { want, element, found: self.found }
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<(), E> {
        if flag && matches!(self.want, Want::Flag(_)) {
            self.keep("true");
        }
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        if matches!(self.want, Want::Text(_)) {
            self.keep(&number.to_string());
        }
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        if matches!(self.want, Want::Text(_)) {
            self.keep(text);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut array: A) -> Result<(), A::Error> {
        let (want, most) = match self.want {
            Want::First(want) => (*want, 1),
            Want::Each(want) => (*want, MOST_ELEMENTS),
            Want::Text(_) | Want::Flag(_) | Want::Object(_) => (self.want, 0),
        };
        for number in 1..=most {
            let element = if matches!(self.want, Want::Each(_)) { number } else { self.element };
            if array.next_element_seed(self.inner(want, element))?.is_none() {
                return Ok(());
            }
        }
        while array.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut object: A) -> Result<(), A::Error> {
        let members = match self.want {
            Want::Object(members) => *members,
            _ => &[],
        };
        while let Some(want) = object.next_key_seed(Name(members))? {
            match want {
                Some(want) => object.next_value_seed(self.inner(want, self.element))?,
                None => drop(object.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// Looks up the name of a member.
struct Name(&'static [(&'static str, Want)]);

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Option<&'static Want>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Option<&'static Want>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().find(|(one, _)| *one == name).map(|(_, want)| want))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANT: Want = Want::Object(&[
        ("a", Want::Text(Key::Kind)),
        ("b", Want::Each(&Want::Object(&[("a", Want::Text(Key::Kind))]))),
        ("c", Want::First(&Want::Text(Key::Status))),
        ("d", Want::Flag(Key::Named("d"))),
    ]);

    fn found(body: &str) -> Vec<(usize, Key, String)> {
        let found = read(body.as_bytes(), &WANT).expect("an object");
        found.into_iter().map(|one| (one.element, one.key, one.text)).collect()
    }

    #[test]
    fn what_is_wanted_with_its_element() {
        let body = r#" {"x":{"a":"no"},"b":[{"a":"1"},7,{"a":3}],"c":["f","g"],"a":"top"}"#;
        let expected =
            [(1, Key::Kind, "1"), (3, Key::Kind, "3"), (0, Key::Status, "f"), (0, Key::Kind, "top")];
        assert_eq!(found(body), expected.map(|(element, key, text)| (element, key, text.to_owned())));
    }

    #[test]
    fn another_type_than_the_wanted_one_is_passed_over() {
        for value in ["null", "true", "-1", "1.5", "[]", "[[{}]]", "{}", r#"{"a":{"a":[]}}"#] {
            let body = format!(r#"{{"a":{value},"b":{value},"c":{value},"a":"last"}}"#);
            let found = found(&body);
            assert_eq!(found, [(0, Key::Kind, "last".to_owned())], "{value}");
        }
    }

    #[test]
    fn a_flag_is_kept_when_it_is_set() {
        assert_eq!(found(r#"{"d":true}"#), [(0, Key::Named("d"), "true".to_owned())]);
        for other in ["false", "null", "1", r#""true""#, "[true]", r#"{"d":true}"#] {
            assert_eq!(found(&format!(r#"{{"d":{other}}}"#)), [], "{other}");
        }
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let many = format!("{{{}}}", vec![r#""a":"x""#; 20_000].join(","));
        assert_eq!(found(&many).len(), MOST_VALUES);
        let long = format!(r#"{{"a":"{}"}}"#, "é".repeat(100_000));
        let found = found(&long);
        assert!(found.iter().all(|(_, _, text)| (LONGEST - 1..=LONGEST).contains(&text.len())));
        let elements = format!(r#"{{"b":[{}]}}"#, vec![r#"{"a":"x"}"#; 1000].join(","));
        assert_eq!(read(elements.as_bytes(), &WANT).expect("an object").len(), MOST_ELEMENTS);
    }
}
