//! The time after the program's end in which those that are left may come to theirs: `--drain`.

use std::time::{Duration, Instant};

/// A drain that has begun.
#[derive(Debug, Clone, Copy)]
pub struct Drain {
    began: Instant,
    until: Option<Instant>,
    over: Option<Instant>,
    /// how many had been reaped before
    reaped: u64,
    /// stop signals since
    stops: u32,
    is_complete: bool,
}

impl Drain {
    pub(super) fn new(now: Instant, time: Duration, reaped: u64) -> Drain {
        let until = now.checked_add(time);
        Drain { began: now, until, over: None, reaped, stops: 0, is_complete: false }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.until.filter(|_| self.over.is_none())
    }

    /// Whether nobody is waited for any more.
    pub fn is_over(&self) -> bool {
        self.over.is_some()
    }

    /// Whether all have ended.
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// How many have ended in it, of the `reaped` by now.
    pub fn ended(&self, reaped: u64) -> u64 {
        reaped.saturating_sub(self.reaped)
    }

    /// How long it took.
    pub fn took(&self) -> Duration {
        self.over.map(|over| over.saturating_duration_since(self.began)).unwrap_or_default()
    }

    /// A stop signal came. The second one is from somebody who does not want to wait.
    pub(super) fn on_stop(&mut self, at: Instant) {
        self.stops = self.stops.saturating_add(1);
        if self.stops > 1 {
            self.end(at);
        }
    }

    pub(super) fn on_time(&mut self, now: Instant) {
        if self.until.is_some_and(|until| until <= now) {
            self.end(now);
        }
    }

    pub(super) fn on_nobody_left(&mut self, now: Instant) {
        self.is_complete |= self.over.is_none();
        self.end(now);
    }

    fn end(&mut self, now: Instant) {
        self.over = self.over.or(Some(now));
    }
}
