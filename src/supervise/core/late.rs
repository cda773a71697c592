//! An identity that comes after the start: who looks for it, and when it is told.

use super::event::{Action, Actions, put};
use super::helpers::Finished;
use std::time::{Duration, Instant};

/// When a helper is tried again that could not be started, or that was killed before its time.
const RETRY: Duration = Duration::from_secs(30);

/// What is known of the search.
#[derive(Debug, Default)]
pub struct Late {
    /// whether nothing more can be learned of the identity
    pub resolved: bool,
    /// whether the child was about to execute the program
    pub executed: bool,
    /// whether it could not
    pub not_started: bool,
    /// whether a task metadata endpoint has answered
    pub heard_endpoint: bool,
    is_searching: bool,
    /// when the agent is asked for what it could not know at the start
    look_at: Option<Instant>,
    retry_at: Option<Instant>,
}

impl Late {
    /// Whether it is worth while to look for the identity once more.
    pub fn is_wanted(&self) -> bool {
        !self.resolved && self.executed && !self.not_started
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        [self.retry_at, self.look_at].into_iter().flatten().min()
    }

    /// A task metadata endpoint has answered; `after` is how long it is to be left alone before it is asked
    /// once more.
    pub(super) fn on_endpoint(&mut self, now: Instant, after: Option<Duration>) {
        self.heard_endpoint = true;
        self.look_at = after.and_then(|after| now.checked_add(after));
    }

    pub(super) fn on_report_closed(&mut self, runs: bool) -> Option<Action> {
        (self.is_wanted() && runs).then_some(Action::SearchIdentity)
    }

    /// Found by the child before the exec, it is in the start record; later it has a record of its own.
    pub(super) fn on_resolved(&mut self) -> Option<Action> {
        let is_late = self.is_searching && !self.resolved;
        self.resolved = true;
        is_late.then_some(Action::RecordIdentity)
    }

    pub(super) fn on_started(&mut self) {
        self.is_searching = true;
        self.retry_at = None;
    }

    pub(super) fn on_missing(&mut self, now: Instant) {
        self.retry_at = now.checked_add(RETRY);
    }

    pub(super) fn on_ended(&mut self, now: Instant, finished: Finished) {
        // One that gave up by itself has said so.
        if finished.was_killed_by_another() && self.is_wanted() {
            self.retry_at = now.checked_add(RETRY);
        }
    }

    pub(super) fn on_time(&mut self, now: Instant, runs: bool, to: &mut Actions) {
        let is_due = |at: &mut Option<Instant>| at.take_if(|at| *at <= now).is_some();
        if is_due(&mut self.look_at) {
            put(to, runs.then_some(Action::LookAgain));
        }
        if is_due(&mut self.retry_at) && self.is_wanted() {
            put(to, runs.then_some(Action::SearchIdentity));
        }
    }
}
