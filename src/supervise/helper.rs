//! Short-lived processes for what PID 1 must not do itself: what is slow, large or may hang.
//!
//! A helper is a fork of PID 1. It dies with PID 1, is ended when its time is up, and is not the program's
//! child nor counted among the orphans.

use crate::record::stderr;
use crate::sys::{self, Ended, Fork};
use nix::unistd::{Pid, getpid, getppid};
use std::time::{Duration, Instant};

/// The helpers that run.
#[derive(Debug, Default)]
pub struct Helpers(Vec<Helper>);

#[derive(Debug)]
struct Helper {
    pid: Pid,
    /// when it is ended, `None` once it was
    deadline: Option<Instant>,
}

impl Helpers {
    /// Runs `work` in a helper for at most `time`. Its result is the number of records that it has lost.
    pub fn spawn(&mut self, time: Duration, work: impl FnOnce() -> u8) {
        let parent = getpid();
        match sys::fork() {
            Ok(Fork::Child) => {
                // Between the fork and this line the parent may have gone without a signal.
                let dies = sys::set_parent_death_signal(libc::SIGKILL);
                if dies.is_err() || getppid() != parent {
                    sys::exit_now(0);
                }
                // What PID 1 has still to write is PID 1's to write.
                stderr().wait_for_room();
                sys::exit_now(i32::from(work()));
            }
            Ok(Fork::Parent(pid)) => {
                self.0.push(Helper { pid, deadline: Instant::now().checked_add(time) });
            }
            Err(error) => log::warn!("cannot start a helper process: {error}"),
        }
    }

    /// Whether `pid` is one of them.
    pub fn has(&self, pid: Pid) -> bool {
        self.0.iter().any(|helper| helper.pid == pid)
    }

    /// Takes note of a child that has ended; `true` when it was a helper.
    pub fn ended(&mut self, ended: &Ended) -> bool {
        let Some(place) = self.0.iter().position(|helper| helper.pid == ended.pid) else { return false };
        self.0.swap_remove(place);
        // Ended in time or not, what it was to write and did not is lost.
        stderr().count_lost(ended.status.code().and_then(|code| u64::try_from(code).ok()).unwrap_or(1));
        true
    }

    /// When [`Helpers::on_time`] wants to be called next.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.0.iter().filter_map(|helper| helper.deadline).min()
    }

    /// Ends those whose time is up.
    pub fn on_time(&mut self, now: Instant) {
        for helper in &mut self.0 {
            if helper.deadline.is_some_and(|deadline| deadline <= now) {
                helper.deadline = None;
                let _ = sys::kill(helper.pid, libc::SIGKILL);
            }
        }
    }
}
