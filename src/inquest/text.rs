//! Texts of which there may be very many, most of them several times: each is kept once.

use super::registry::Registry;
use foldhash::quality::RandomState;
use std::borrow::Borrow;
use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::num::NonZeroU32;
use std::ops::Deref;
use std::sync::{LazyLock, Mutex, PoisonError};

/// A text that stays until the program ends: as large as a number, and it costs nothing to copy.
#[derive(Clone, Copy)]
pub struct Text(NonZeroU32);

/// All texts there are.
static ALL: Registry<&'static str> = Registry::new();

impl Text {
    /// A text of its own. Where the same may come again, [`Texts::text`] keeps it once.
    pub fn new(text: &str) -> Text {
        Text::kept(String::from(text).leak())
    }

    /// A text of which there is one, by whomever it is told: what is concluded is much the same of many
    /// lives.
    pub fn shared(text: &str) -> Text {
        static SHARED: LazyLock<Texts> = LazyLock::new(Texts::default);
        SHARED.text(text)
    }

    fn kept(text: &'static str) -> Text {
        // There is no memory for so many that numbers run out.
        ALL.add(text).map_or_else(Text::default, Text)
    }

    /// The text.
    pub fn as_str(&self) -> &'static str {
        ALL.get(self.0).copied().unwrap_or_default()
    }

    /// Its number, by which it can be had again.
    pub fn number(self) -> NonZeroU32 {
        self.0
    }

    /// The text of a number that a text has told.
    pub fn of_number(number: NonZeroU32) -> Text {
        Text(number)
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl Default for Text {
    fn default() -> Text {
        // It is no text's number, so that it is the empty one.
        Text(NonZeroU32::MAX)
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
        self.0 == other.0 || self.as_str() == other.as_str()
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
        if self.0 == other.0 {
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
    texts: HashSet<Text, RandomState>,
    room: Room,
}

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
        self.0.lock().unwrap_or_else(PoisonError::into_inner).texts = HashSet::default();
    }
}

impl Known {
    fn add(&mut self, text: &str) -> Text {
        match std::str::from_utf8(self.room.keep(text.as_bytes())) {
            Ok(kept) => Text::kept(kept),
            Err(_) => Text::new(text),
        }
    }
}

/// How much room is made at a time, in bytes.
const ROOM: usize = 64 * 1024;

/// Room for bytes that stay until the program ends: an allocation for each few of them would cost as much as
/// they do.
#[derive(Debug, Default)]
pub struct Room(&'static mut [u8]);

impl Room {
    /// Keeps the bytes.
    pub fn keep(&mut self, bytes: &[u8]) -> &'static [u8] {
        if self.0.len() < bytes.len() {
            // Not of zeros: musl looks whether memory has any other, and each page that was only read costs a
            // second fault when it is written to.
            self.0 = vec![b' '; bytes.len().max(ROOM)].leak();
        }
        let room = std::mem::take(&mut self.0);
        let Some((own, rest)) = room.split_at_mut_checked(bytes.len()) else { return bytes.to_vec().leak() };
        self.0 = rest;
        own.copy_from_slice(bytes);
        own
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
            assert!(kept.0 == texts.text(text).0, "{text}");
        }
        assert_eq!((texts.text(""), Text::default()), (Text::new(""), Text::new("")));
        assert_eq!(std::mem::size_of::<Option<Text>>(), 4);
    }
}
