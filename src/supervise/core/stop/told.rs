//! What is known of a stop, for its records and for the verdict.

use crate::options::Signal;
use crate::supervise::core::{Arrival, Sender};
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

/// A stop signal that was held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// as it arrived
    pub arrival: Arrival,
    /// as it is to be sent
    pub sent: Signal,
    /// when it was let go; `None` where the program ended before that
    pub released: Option<Instant>,
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

/// What became of a signal that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// the kernel accepted it for the program
    Forwarded,
    /// the kernel refused it, with this errno
    Refused(i32),
    /// it is held back for this long
    Held(Duration),
    /// the program had ended as it arrived
    AfterEnd,
    /// the program has ended, and it went to all that are left
    ToAll,
}

/// What a `stop` or a `signal` record tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// whether it is a stop signal
    pub is_stop: bool,
    /// what arrived
    pub arrival: Arrival,
    /// what was sent, after rewriting
    pub sent: Signal,
    /// what became of it
    pub delivery: Delivery,
}

/// SIGKILL of `--kill-after`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kill {
    /// how long after the stop signal it was due
    pub after: Duration,
    /// the errno, where the kernel refused it
    pub refused: Option<i32>,
}
