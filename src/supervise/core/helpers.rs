//! The helpers that run: short-lived processes for what PID 1 must not do itself.

pub use super::event::Purpose;

use super::event::{Action, Actions, Child, Ending, put};
use std::time::Instant;

#[derive(Debug, Clone, Copy)]
struct Helper {
    pid: i32,
    purpose: Purpose,
    /// when to kill it; `None` once killed
    deadline: Option<Instant>,
    ended_by_us: bool,
}

/// A helper that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finished {
    /// what it was for
    pub purpose: Purpose,
    /// how it ended
    pub ending: Ending,
    /// whether we killed it
    pub ended_by_us: bool,
}

impl Finished {
    /// Whether somebody else than we ended it with SIGKILL: the OOM killer, most likely.
    pub(super) fn was_killed_by_another(&self) -> bool {
        self.ending == Ending::Signaled(libc::SIGKILL) && !self.ended_by_us
    }
}

/// The helpers that run.
#[derive(Debug, Default)]
pub struct Helpers {
    running: Vec<Helper>,
    /// records that were to be made by a helper that did not come to it
    lost: u64,
}

impl Helpers {
    /// The process IDs of all.
    pub fn pids(&self) -> impl Iterator<Item = i32> + '_ {
        self.running.iter().map(|helper| helper.pid)
    }

    /// Whether one of `purpose` runs.
    pub fn any(&self, purpose: Purpose) -> bool {
        self.running.iter().any(|helper| helper.purpose == purpose)
    }

    /// Whether it is a helper for `purpose`.
    pub fn is(&self, pid: i32, purpose: Purpose) -> bool {
        self.running.iter().any(|helper| (helper.pid, helper.purpose) == (pid, purpose))
    }

    /// Records that helpers were to make and did not.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    pub(super) fn add(&mut self, pid: i32, purpose: Purpose, deadline: Option<Instant>) {
        self.running.push(Helper { pid, purpose, deadline, ended_by_us: false });
    }

    /// It was not us who killed it.
    pub(super) fn on_was_ending(&mut self, pid: i32) {
        if let Some(helper) = self.running.iter_mut().find(|helper| helper.pid == pid) {
            helper.ended_by_us = false;
        }
    }

    pub(super) fn on_reaped(&mut self, child: &Child) -> Option<Finished> {
        let place = self.running.iter().position(|helper| helper.pid == child.pid)?;
        let helper = self.running.swap_remove(place);
        if helper.purpose == Purpose::Record && child.ending != Ending::Exited(0) {
            self.lost += 1;
        }
        Some(Finished { purpose: helper.purpose, ending: child.ending, ended_by_us: helper.ended_by_us })
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.running.iter().filter_map(|helper| helper.deadline).min()
    }

    pub(super) fn on_time(&mut self, now: Instant, to: &mut Actions) {
        let is_due = |helper: &&mut Helper| helper.deadline.is_some_and(|deadline| deadline <= now);
        // One at a time: there are few, and the next one's deadline is in the past as well then.
        if let Some(helper) = self.running.iter_mut().find(is_due) {
            put(to, Some(helper.end()));
        }
    }

    /// Kills those of `purpose`. A record that one of them was to make is lost with it.
    pub fn end(&mut self, purpose: Purpose) -> Actions {
        let mut actions = Actions::new();
        let runs = |helper: &&mut Helper| helper.purpose == purpose && !helper.ended_by_us;
        for helper in self.running.iter_mut().filter(runs) {
            put(&mut actions, Some(helper.end()));
        }
        actions
    }

    /// Counts the records of helpers that will not be waited for any more.
    pub fn give_up(&mut self, purpose: Purpose) {
        let still = self.running.iter().filter(|helper| helper.purpose == purpose).count();
        if purpose == Purpose::Record {
            self.lost += still as u64;
        }
        self.running.retain(|helper| helper.purpose != purpose);
    }
}

impl Helper {
    fn end(&mut self) -> Action {
        self.deadline = None;
        self.ended_by_us = true;
        Action::EndHelper { pid: self.pid }
    }
}
