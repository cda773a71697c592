//! Picks what is wanted from a JSON document, and passes over the rest while it reads.
//!
//! A [`Want`] is a table of what a document may hold. A value of another type than the wanted one loses
//! itself and nothing else. No tree of the document is built, and what is kept is bounded, since a hostile
//! answer chooses what it holds. One table-driven reader is also a third of the code of a type for each
//! object.

use super::Field;
use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Values that are kept of one document. The metadata of a task of 32 containers have some 600, its
/// statistics some 3,000.
const MOST_VALUES: usize = 4096;

/// Elements of an array, or members of a map, that are looked at. ECS allows 10 containers in a task
/// definition, and adds few.
const MOST_ELEMENTS: usize = 32;

/// Bytes that are kept of a string: more than any field takes, so that one which is too long is seen to be.
const LONGEST: usize = 1100;

/// What is wanted of a JSON value.
pub(crate) enum Want {
    /// a string, or a whole number as its digits
    Text(Key),
    /// `true`, kept as that word; `false` says no more than nothing
    Flag(Key),
    /// these members of an object
    Object(&'static [(&'static str, Want)]),
    /// the first element of an array
    First(&'static Want),
    /// every element of an array, up to [`MOST_ELEMENTS`], numbered from 1; within an element see [`nested`]
    Each(&'static Want),
    /// every member of an object whose names are data, numbered as of [`Want::Each`]; the name is a
    /// [`Key::Name`]
    Map(&'static Want),
    /// a number that may have a fraction, in thousandths
    Milli(Key),
}

/// The number of an element that is within another: of an array, or a map, in an element of one.
pub(crate) const fn nested(element: usize, number: usize) -> usize {
    element * (MOST_ELEMENTS + 1) + number
}

/// The element that a nested one is within.
pub(crate) const fn outer(element: usize) -> usize {
    element / (MOST_ELEMENTS + 1)
}

/// What a value is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
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
    /// the name of a member of a map
    Name,
    /// something else, by a name of the reader's own
    Named(&'static str),
}

/// A field of the identity.
pub(crate) const fn field(field: Field) -> Want {
    Want::Text(Key::Field(field))
}

/// A value that was wanted and found.
#[derive(Debug)]
pub(crate) struct Found {
    /// 0, or the number of the element of [`Want::Each`] or [`Want::Map`] that it is part of
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
pub(crate) fn read(body: &[u8], want: &'static Want) -> Result<Vec<Found>, NotMetadata> {
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

/// The name of a member of a map.
const NAME: Want = Want::Text(Key::Name);

struct Walk<'a> {
    want: &'static Want,
    element: usize,
    found: &'a mut Vec<Found>,
}

impl Walk<'_> {
    fn keep(self, text: &str) {
        if let Want::Text(key) | Want::Flag(key) = *self.want {
            self.keep_as(key, text);
        }
    }

    fn keep_milli(self, number: f64) {
        if let Want::Milli(key) = *self.want {
            // As a number of at most 15 digits it is exact enough, and what is none is not told.
            let milli = (number * 1000.0).round();
            if (0.0..1e15).contains(&milli) {
                #[allow(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "in the range of u64"
                )]
                self.keep_as(key, &(milli as u64).to_string());
            }
        }
    }

    fn keep_as(self, key: Key, text: &str) {
        if self.found.len() < MOST_VALUES {
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

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        self.keep_milli(number);
        Ok(())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        if let Want::Milli(_) = self.want {
            #[allow(clippy::cast_precision_loss, reason = "beyond what is taken anyway")]
            self.keep_milli(number as f64);
        } else if let Want::Text(_) = self.want {
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
            Want::Text(_) | Want::Flag(_) | Want::Milli(_) | Want::Object(_) | Want::Map(_) => (self.want, 0),
        };
        for number in 1..=most {
            let is_each = matches!(self.want, Want::Each(_));
            let element = if is_each { nested(self.element, number) } else { self.element };
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
            Want::Map(want) => {
                for number in 1..=MOST_ELEMENTS {
                    let element = nested(self.element, number);
                    let Some(()) = object.next_key_seed(self.inner(&NAME, element))? else { return Ok(()) };
                    object.next_value_seed(self.inner(want, element))?;
                }
                while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                return Ok(());
            }
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
    fn names_that_are_data_and_what_is_within_elements() {
        const MAP: Want = Want::Map(&Want::Object(&[
            ("n", Want::Each(&Want::Text(Key::Kind))),
            ("m", Want::Map(&Want::Text(Key::Status))),
            ("c", Want::Milli(Key::Memory)),
        ]));
        let body =
            r#"{"one":null,"two":{"n":["x",7],"m":{"eth0":1,"eth1":2},"c":0.25},"three":{"c":3,"n":["z"]}}"#;
        let found = read(body.as_bytes(), &MAP).expect("an object");
        let found: Vec<_> = found.iter().map(|one| (one.element, one.key, one.text.as_str())).collect();
        let expected = [
            (1, Key::Name, "one"),
            (2, Key::Name, "two"),
            (nested(2, 1), Key::Kind, "x"),
            (nested(2, 2), Key::Kind, "7"),
            (nested(2, 1), Key::Name, "eth0"),
            (nested(2, 1), Key::Status, "1"),
            (nested(2, 2), Key::Name, "eth1"),
            (nested(2, 2), Key::Status, "2"),
            (2, Key::Memory, "250"),
            (3, Key::Name, "three"),
            (3, Key::Memory, "3000"),
            (nested(3, 1), Key::Kind, "z"),
        ];
        assert_eq!(found, expected);
        assert_eq!((outer(nested(2, 1)), outer(nested(32, 32)), outer(2)), (2, 32, 0));
        for wrong in ["-1", "1e300", "\"1\"", "true", "null", "[1]"] {
            let body = format!(r#"{{"a":{{"c":{wrong}}}}}"#);
            assert_eq!(read(body.as_bytes(), &MAP).expect("an object").len(), 1, "{wrong}");
        }
        let many: Vec<String> = (0..1000).map(|number| format!(r#""{number}":{{"c":1}}"#)).collect();
        let body = format!("{{{}}}", many.join(","));
        assert_eq!(read(body.as_bytes(), &MAP).expect("an object").len(), 2 * MOST_ELEMENTS);
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
