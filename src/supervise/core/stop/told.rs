//! What is known of a stop, for its records and for the verdict.

use crate::options::Signal;
use crate::supervise::core::event::Sender;
use std::time::{Duration, Instant};

/// A stop: its first signal that the kernel accepted for the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop {
    /// as it was sent
    pub signal: Signal,
    /// when
    pub at: Instant,
    /// whether it was forwarded; if not, the program had ended as it arrived, and had had it from elsewhere
    pub forwarded: bool,
}

/// A stop signal that the kernel refused to send to the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// as it was to be sent
    pub signal: Signal,
    /// when
    pub at: Instant,
    /// why
    pub errno: i32,
}

/// The end of the life time, at which epitaph stopped the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// `--max-lifetime`, as it was drawn
    pub lifetime: Duration,
    /// when it was over
    pub at: Instant,
}

/// A signal that was forwarded and is no stop signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Other {
    /// as it was sent
    pub signal: Signal,
    /// from whom
    pub sender: Sender,
    /// when
    pub at: Instant,
}

/// SIGKILL of `--kill-after`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kill {
    /// how long after the stop signal it was due
    pub after: Duration,
    /// the errno, where the kernel refused it
    pub refused: Option<i32>,
}
