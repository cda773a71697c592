//! What a sentence is made of: a text that has an end, and how figures and foreign words look in it.

use crate::forensics::facts::Facts;
use std::fmt::{self, Write};
use std::time::Duration;

/// The longest sentence, in bytes.
pub(super) const LONGEST: usize = 300;

/// The longest foreign word in it, in bytes: a signal's name and a victim's.
const LONGEST_WORD: usize = 64;

/// A sentence that grows to [`LONGEST`] bytes and no further. What is too long loses its last clauses as a
/// whole: half of one could read as another.
pub(super) struct Sentence {
    text: String,
    is_cut: bool,
}

impl Sentence {
    pub(super) fn new() -> Sentence {
        Sentence { text: String::with_capacity(LONGEST), is_cut: false }
    }

    /// Room for the full stop is always left.
    pub(super) fn end(mut self) -> String {
        if let Some(last) = self.text.rfind("; ").filter(|_| self.is_cut) {
            self.text.truncate(last);
        }
        self.text.push('.');
        self.text
    }
}

impl Write for Sentence {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = LONGEST - 1 - self.text.len().min(LONGEST - 1);
        let taken = if self.is_cut { "" } else { cut(text, room) };
        self.is_cut |= taken.len() < text.len();
        self.text.push_str(taken);
        Ok(())
    }
}

/// The start of a text, at most `room` bytes, without half a character.
pub(super) fn cut(text: &str, room: usize) -> &str {
    (0..=room.min(text.len())).rev().find_map(|end| text.get(..end)).unwrap_or_default()
}

/// A foreign word: cut, and without control characters.
pub(super) struct Word<'a>(pub(super) &'a str);

impl fmt::Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let cut = cut(self.0, LONGEST_WORD);
        for character in cut.chars() {
            f.write_char(if character.is_control() { char::REPLACEMENT_CHARACTER } else { character })?;
        }
        if cut.len() < self.0.len() { f.write_char('…') } else { Ok(()) }
    }
}

/// The file and the line that a reader can look the counter up in.
pub(super) struct Counter<'a>(pub(super) &'a Facts<'a>);

impl fmt::Display for Counter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self.0.after.or(self.0.before).map(|memory| memory.cgroup) {
            Some(1) => "oom_kill in memory.oom_control",
            Some(2) => "oom_kill in memory.events",
            _ => "the OOM kill counter",
        })
    }
}

/// Bytes in MiB with one decimal, rounded down, so that a use just below a limit does not read as the limit;
/// below 1 MiB in KiB. (Whole numbers only: formatting floats would cost the binary several KB.)
pub(super) struct Size(pub(super) u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let kib = self.0 / 1024;
        match kib {
            0..1024 => write!(f, "{kib} KiB"),
            _ => write!(f, "{}.{} MiB", kib / 1024, kib % 1024 * 10 / 1024),
        }
    }
}

/// A time with the precision that a reader needs: `250 ms`, `3.2 s`, `35 min`, `5 h`, `3 d`.
pub(super) struct Span(pub(super) Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let seconds = self.0.as_secs();
        match seconds {
            0 => write!(f, "{} ms", self.0.as_millis()),
            1..120 => write!(f, "{seconds}.{} s", self.0.subsec_millis() / 100),
            120..7200 => write!(f, "{} min", seconds / 60),
            7200..172_800 => write!(f, "{} h", seconds / 3600),
            _ => write!(f, "{} d", seconds / 86_400),
        }
    }
}

/// What the stop began with.
pub(super) struct Begun<'a>(pub(super) &'a Facts<'a>);

impl fmt::Display for Begun<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self.0.expiry {
            Some(expiry) => write!(f, "--max-lifetime ({}) was over", Long(expiry.lifetime)),
            None => f.write_str("the stop signal"),
        }
    }
}

/// A long time, to the minute: `6h 12m`, `30m`; below a minute as [`Span`].
pub(super) struct Long(pub(super) Duration);

impl fmt::Display for Long {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let minutes = self.0.as_secs() / 60;
        match (minutes / 60, minutes % 60) {
            (0, 0) => Span(self.0).fmt(f),
            (0, minutes) => write!(f, "{minutes}m"),
            (hours, 0) => write!(f, "{hours}h"),
            (hours, minutes) => write!(f, "{hours}h {minutes}m"),
        }
    }
}
