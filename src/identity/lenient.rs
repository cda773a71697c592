//! Deserialisation that loses a field of the wrong type, and only that field.
//!
//! serde's own way to this, an untagged enum, first copies the value into a tree; that costs memory which a
//! hostile answer chooses. These visitors skip what they do not want while they read it.

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::marker::PhantomData;

/// A string; empty when it was absent or something else. A whole number is taken as its digits.
#[derive(Debug, Default)]
pub(super) struct Text(String);

impl Text {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A number; absent when it was something else.
#[derive(Debug, Default)]
pub(super) struct Number(Option<f64>);

impl Number {
    /// The number, if it is a whole one from 1 up to what a double holds exactly.
    pub(super) fn whole(&self) -> Option<u64> {
        let number = self.0.filter(|number| number.fract() == 0.0 && (1.0..9e15).contains(number))?;
        Some(number as u64)
    }
}

/// An object; absent when it was something else.
#[derive(Debug)]
pub(super) struct Object<T>(pub Option<T>);

impl<T> Default for Object<T> {
    fn default() -> Self {
        Object(None)
    }
}

/// The first element of an array; the default when it is empty or something else.
#[derive(Debug, Default)]
pub(super) struct First<T>(pub T);

/// The first `N` objects of an array, however long it is.
#[derive(Debug)]
pub(super) struct Few<T, const N: usize>(Vec<T>);

impl<T, const N: usize> Few<T, N> {
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter()
    }
}

impl<T, const N: usize> Default for Few<T, N> {
    fn default() -> Self {
        Few(Vec::new())
    }
}

/// What one of the types above takes of a JSON value; all else is skipped.
trait Take<'de>: Default {
    fn string(&mut self, _: &str) {}
    fn number(&mut self, _: f64) {}
    fn array<A: SeqAccess<'de>>(&mut self, mut array: A) -> Result<(), A::Error> {
        while array.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }
    fn object<A: MapAccess<'de>>(&mut self, mut object: A) -> Result<(), A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

struct Taker<T>(PhantomData<T>);

impl<'de, T: Take<'de>> Visitor<'de> for Taker<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        self.visit_f64(number as f64)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        self.visit_f64(number as f64)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        let mut taken = T::default();
        taken.number(number);
        Ok(taken)
    }

    fn visit_str<E>(self, text: &str) -> Result<T, E> {
        let mut taken = T::default();
        taken.string(text);
        Ok(taken)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, array: A) -> Result<T, A::Error> {
        let mut taken = T::default();
        taken.array(array)?;
        Ok(taken)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<T, A::Error> {
        let mut taken = T::default();
        taken.object(object)?;
        Ok(taken)
    }
}

impl<'de> Take<'de> for Text {
    fn string(&mut self, text: &str) {
        self.0 = text.to_owned();
    }

    fn number(&mut self, number: f64) {
        self.0 = Number(Some(number)).whole().map(|number| number.to_string()).unwrap_or_default();
    }
}

impl Take<'_> for Number {
    fn number(&mut self, number: f64) {
        self.0 = Some(number);
    }
}

impl<'de, T: Deserialize<'de>> Take<'de> for Object<T> {
    fn object<A: MapAccess<'de>>(&mut self, object: A) -> Result<(), A::Error> {
        self.0 = Some(T::deserialize(MapAccessDeserializer::new(object))?);
        Ok(())
    }
}

impl<'de, T: Deserialize<'de> + Default> Take<'de> for First<T> {
    fn array<A: SeqAccess<'de>>(&mut self, mut array: A) -> Result<(), A::Error> {
        if let Some(first) = array.next_element()? {
            self.0 = first;
            while array.next_element::<IgnoredAny>()?.is_some() {}
        }
        Ok(())
    }
}

impl<'de, T: Deserialize<'de>, const N: usize> Take<'de> for Few<T, N> {
    fn array<A: SeqAccess<'de>>(&mut self, mut array: A) -> Result<(), A::Error> {
        while self.0.len() < N {
            let Some(element) = array.next_element::<Object<T>>()? else { return Ok(()) };
            self.0.extend(element.0);
        }
        while array.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

macro_rules! deserialize {
    ([$($generic:tt)*] $kind:ty) => {
        impl<'de, $($generic)*> Deserialize<'de> for $kind {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(Taker(PhantomData))
            }
        }
    };
}

deserialize!([] Text);
deserialize!([] Number);
deserialize!([T: Deserialize<'de>] Object<T>);
deserialize!([T: Deserialize<'de> + Default] First<T>);
deserialize!([T: Deserialize<'de>, const N: usize] Few<T, N>);
