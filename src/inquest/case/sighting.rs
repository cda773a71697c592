//! What was found at one place: a record, or a statement of another witness.

use super::event::Event;
use crate::inquest::text::Text;
use crate::inquest::witness::Statement;
use std::num::NonZeroU64;

/// Where something was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// which of the inputs, in the order of their names
    pub file: u32,
    /// the byte in it, inflated
    pub offset: u64,
}

/// A line that a program wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastLine {
    /// when a log driver or a store took it, in milliseconds since 1970
    pub time: Option<i64>,
    /// the line. Raw: to be escaped before it is shown
    pub text: String,
}

/// A record at one place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sighting {
    /// what it says
    pub event: Event,
    /// where it stands
    pub place: Place,
    /// what is around it
    pub around: Around,
    /// whether nothing is around it: it stands on a line of its own, as epitaph wrote it
    pub bare: bool,
}

/// What is around a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Around {
    /// whose line it is: the ID of a container, whole or its beginning
    pub container: Option<Text>,
    /// when a store had it, where it says so, in milliseconds since 1970
    pub stored: Option<i64>,
    /// who wrote the line; see [`crate::inquest::context::Wrapper::writer`]
    pub writer: Option<NonZeroU64>,
}

/// A statement at one place.
#[derive(Debug, Clone)]
pub struct Said {
    /// what is said
    pub statement: Statement,
    /// where
    pub place: Place,
    /// when it was, in milliseconds since 1970, where the witness's own clock tells that only beside a life
    pub placed: Option<i64>,
    /// it stands where a container writes, so that its program may have written it
    pub unconfirmed: bool,
}

impl Said {
    /// When it was, in milliseconds since 1970.
    pub fn at(&self) -> Option<i64> {
        self.statement.time.map(|time| time.as_millisecond()).or(self.placed)
    }

    /// What a person is told behind it, where it is not the witness's word for certain.
    pub fn mark(&self) -> &'static str {
        if self.unconfirmed { "  (unconfirmed)" } else { "" }
    }
}

/// What is known of one input as a whole.
#[derive(Debug, Clone, Default)]
pub struct Stream {
    /// which input
    pub file: u32,
    /// the time of its first line, in milliseconds since 1970
    pub first: Option<i64>,
    /// the time of its last one
    pub last: Option<i64>,
    /// where its last line begins
    pub last_at: u64,
    /// who wrote the last one, where that is told; see [`crate::inquest::context::Wrapper::writer`]
    pub writer: Option<NonZeroU64>,
    /// others speak here too, so that its last line may be theirs
    pub mixed: bool,
}
