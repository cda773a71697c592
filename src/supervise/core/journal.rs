//! When lines are appended to the journal, and which are lost. The lines themselves are in the shell's queue.

use super::event::{Action, Ending};
use super::helpers::Finished;
use std::time::{Duration, Instant};

/// When a helper is tried again that could not be started: with the next event, but not with each of
/// thousands; and where nothing happens.
const RETRY: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// The lines that wait, and those that a helper is writing.
#[derive(Debug, Default)]
pub struct Journal {
    waiting: u64,
    writing: u64,
    /// whether a helper was asked for, and whether it runs is not known yet
    is_asked: bool,
    /// when the last try failed
    missing_at: Option<Instant>,
    lost: u64,
}

impl Journal {
    /// Lines that were lost by now.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Whether lines wait or are being written.
    pub fn is_busy(&self) -> bool {
        self.waiting + self.writing > 0
    }

    /// Whether lines wait for a helper that could not be started.
    pub fn is_stalled(&self) -> bool {
        self.missing_at.is_some() && self.waiting > 0
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.missing_at?.checked_add(RETRY.1)
    }

    pub(super) fn on_queued(&mut self) {
        self.waiting += 1;
    }

    /// Only one helper appends at a time, so the lines keep their order.
    pub(super) fn append(&mut self, now: Instant) -> Option<Action> {
        let may_try = self.missing_at.is_none_or(|at| now.saturating_duration_since(at) >= RETRY.0);
        if self.waiting == 0 || self.writing > 0 || self.is_asked || !may_try {
            return None;
        }
        self.is_asked = true;
        Some(Action::Append)
    }

    pub(super) fn on_started(&mut self) {
        self.writing = std::mem::take(&mut self.waiting);
        self.is_asked = false;
        self.missing_at = None;
    }

    pub(super) fn on_missing(&mut self, now: Instant) {
        self.is_asked = false;
        self.missing_at = Some(now);
    }

    pub(super) fn on_ended(&mut self, finished: Finished) -> Action {
        let lines = std::mem::take(&mut self.writing);
        if finished.was_killed_by_another() {
            self.waiting += lines;
            return Action::TakeLinesBack;
        }
        let is_done = finished.ending == Ending::Exited(0);
        if !is_done {
            self.lost += lines;
        }
        Action::AppendEnded { is_done, in_time: !finished.ended_by_us }
    }

    /// Counts all that has not been written as lost, once it will not be any more.
    pub fn give_up(&mut self) {
        self.lost += std::mem::take(&mut self.waiting) + std::mem::take(&mut self.writing);
        self.missing_at = None;
    }
}
