//! Short-lived processes for what PID 1 must not do itself: what is slow, large or may hang.
//!
//! A helper is a fork of PID 1. It dies with PID 1, is ended when its time is up, and is not the program's
//! child nor counted among the orphans.

use crate::record::stderr;
use crate::sys::{self, Ended, Fork};
use nix::unistd::{Pid, getpid, getppid};
use std::time::{Duration, Instant};

/// What a helper is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// writes a record; ends with the number of records that it has lost
    Record,
    /// appends to the journal; ends with 1 when that failed
    Journal,
    /// goes on looking for the identity
    Identity,
}

/// The helpers that run.
#[derive(Debug, Default)]
pub struct Helpers(Vec<Helper>);

#[derive(Debug)]
struct Helper {
    pid: Pid,
    purpose: Purpose,
    /// when it is ended, `None` once it was
    deadline: Option<Instant>,
}

impl Helpers {
    /// Runs `work` in a helper for at most `time`; its result is the helper's exit code. Returns whether it runs.
    pub fn spawn(&mut self, purpose: Purpose, time: Duration, work: impl FnOnce() -> u8) -> bool {
        let parent = getpid();
        match sys::fork() {
            Ok(Fork::Child) => {
                // Between the fork and this line the parent may have gone, which no signal tells then.
                let dies = sys::set_parent_death_signal(libc::SIGKILL);
                if dies.is_err() || getppid() != parent {
                    sys::exit_now(0);
                }
                // What PID 1 has still to write is PID 1's to write.
                stderr().wait_for_room();
                sys::exit_now(i32::from(work()));
            }
            Ok(Fork::Parent(pid)) => {
                self.0.push(Helper { pid, purpose, deadline: Instant::now().checked_add(time) });
                true
            }
            Err(error) => {
                log::warn!("cannot start a helper process: {error}");
                false
            }
        }
    }

    /// The process IDs of all.
    pub fn pids(&self) -> Vec<i32> {
        self.0.iter().map(|helper| helper.pid.as_raw()).collect()
    }

    /// Whether one of `purpose` runs.
    pub fn any(&self, purpose: Purpose) -> bool {
        self.0.iter().any(|helper| helper.purpose == purpose)
    }

    /// Takes note of a child that has ended. Returns what it was for, when it was a helper, and its exit code: 0 when
    /// it did it, `None` when it was ended before.
    pub fn ended(&mut self, ended: &Ended) -> Option<(Purpose, Option<i32>)> {
        let place = self.0.iter().position(|helper| helper.pid == ended.pid)?;
        let helper = self.0.swap_remove(place);
        let code = ended.status.code();
        if helper.purpose == Purpose::Record {
            // Ended before its time, it has written nothing.
            stderr().count_lost(code.map_or(1, |code| u64::try_from(code).unwrap_or(1)));
        }
        Some((helper.purpose, code))
    }

    /// When [`Helpers::on_time`] wants to be called next.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.0.iter().filter_map(|helper| helper.deadline).min()
    }

    /// Ends those whose time is up.
    pub fn on_time(&mut self, now: Instant) {
        for helper in
            self.0.iter_mut().filter(|helper| helper.deadline.is_some_and(|deadline| deadline <= now))
        {
            helper.deadline = None;
            let _ = sys::kill(helper.pid, libc::SIGKILL);
        }
    }

    /// Ends those of `purpose`.
    pub fn end(&mut self, purpose: Purpose) {
        for helper in self.0.iter_mut().filter(|helper| helper.purpose == purpose) {
            helper.deadline = None;
            let _ = sys::kill(helper.pid, libc::SIGKILL);
        }
    }
}
