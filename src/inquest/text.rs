//! Texts of which there may be very many, most of them several times: each is kept once.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::{Mutex, PoisonError};

/// A text that stays until the program ends: as large as a number, and it costs nothing to copy.
#[derive(Clone, Copy)]
pub struct Text(&'static &'static str);

impl Text {
    /// A text of its own. Where the same may come again, [`Texts::text`] keeps it once.
    pub fn new(text: &str) -> Text {
        Text(Box::leak(Box::new(&*String::from(text).leak())))
    }

    /// The text.
    pub fn as_str(&self) -> &'static str {
        self.0
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.0
    }
}

impl Default for Text {
    fn default() -> Text {
        Text(&"")
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Text {
        Text::new(text)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), formatter)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self)
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Text) -> bool {
        std::ptr::eq(self.0, other.0) || self.as_str() == other.as_str()
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl Eq for Text {}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Text) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Text) -> std::cmp::Ordering {
        if std::ptr::eq(self.0, other.0) {
            return std::cmp::Ordering::Equal;
        }
        self.as_str().cmp(other.as_str())
    }
}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self
    }
}

/// Keeps each text once.
#[derive(Debug, Default)]
pub struct Texts(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    texts: HashSet<Text>,
    /// room for further texts, and for where they are: an allocation for each would cost as much as most
    /// texts
    room: &'static mut [u8],
    places: &'static mut [&'static str],
}

/// How much room is made at a time, in bytes.
const ROOM: usize = 64 * 1024;

/// The same for places of texts.
const PLACES: usize = 4096;

impl Texts {
    /// The text, kept once.
    pub fn text(&self, text: &str) -> Text {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(same) = known.texts.get(text) {
            return *same;
        }
        let new = known.add(text);
        known.texts.insert(new);
        new
    }

    /// Forgets which texts there are, so that the same may be kept twice. Those that somebody has stay.
    pub fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).texts = HashSet::new();
    }
}

impl Known {
    fn add(&mut self, text: &str) -> Text {
        if self.room.len() < text.len() {
            self.room = vec![0; text.len().max(ROOM)].leak();
        }
        if self.places.is_empty() {
            self.places = vec![""; PLACES].leak();
        }
        let taken = std::mem::take(&mut self.room).split_at_mut_checked(text.len());
        let place = std::mem::take(&mut self.places).split_first_mut();
        let (Some((own, room)), Some((place, places))) = (taken, place) else { return Text::new(text) };
        (self.room, self.places) = (room, places);
        own.copy_from_slice(text.as_bytes());
        *place = std::str::from_utf8(own).unwrap_or_default();
        Text(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_once() {
        let texts = Texts::default();
        let long = "x".repeat(3 * ROOM);
        let all: Vec<String> = (0..10_000).map(|number| format!("text {number}")).collect();
        let kept: Vec<Text> = all.iter().map(|text| texts.text(text)).collect();
        assert_eq!(texts.text(&long), long.as_str());
        for (text, kept) in all.iter().zip(kept) {
            assert_eq!(kept, text.as_str());
            assert!(std::ptr::eq(kept.0, texts.text(text).0), "{text}");
        }
        assert_eq!((texts.text(""), Text::default()), (Text::new(""), Text::new("")));
        assert_eq!(std::mem::size_of::<Option<Text>>(), 8);
    }
}
