//! Whose OOM kills they were.
//!
//! The kernel counts the kills of a cgroup and tells nobody who was killed. A program that was ended by SIGKILL may
//! have been the victim, or the counter rose for one of its workers yesterday and the program was now killed by
//! somebody else. Two facts tell them apart: PID 1 reaped another process that had died of SIGKILL as the counter
//! rose, or the program lived on after the rise. Where neither is known, the time in which the rise can have been says
//! how much the rest is worth.

use std::time::Duration;

/// A program that is not being killed this long after the counter rose was not the victim.
///
/// The kernel sends SIGKILL right after it has raised the counter (`__oom_kill_process` in mm/oom_kill.c), but the
/// thread that does it may be kept from the processor in between: a CPU quota stops it for a period of 100 ms, or some.
pub const SPARED: Duration = Duration::from_secs(1);

/// A program that lives on for this long after the counter rose was not the victim, unless it is seen being killed.
///
/// Within some three seconds after the kill the kernel's OOM reaper has taken a victim's memory or given up on it
/// (mm/oom_kill.c).
pub const OUTLIVED: Duration = Duration::from_secs(5);

/// Keeps count while the program runs. Times are those since the program's start, from a clock that does not jump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KillTally {
    baseline: u64,
    seen: u64,
    risen_at: Option<Duration>,
    /// the last moment at which the counter is known to have had the value that it was seen with
    known_at: Duration,
    /// the same, before the first of the kills above `outlived`
    known_before: Duration,
    /// up to this value of the counter, every kill was that of another process
    outlived: u64,
    /// processes reaped for kills above `outlived`
    reaped: u64,
    /// whether the program was seen being killed after a rise
    doomed: bool,
}

impl KillTally {
    /// Counts from the counter's value before the program started ([`Memory::oom_kills`](super::Memory)).
    pub fn new(baseline: u64) -> KillTally {
        KillTally {
            baseline,
            seen: baseline,
            risen_at: None,
            known_at: Duration::ZERO,
            known_before: Duration::ZERO,
            outlived: baseline,
            reaped: 0,
            doomed: false,
        }
    }

    /// Takes note that the counter has not risen since the last look, since the kernel would have told.
    pub fn known(&mut self, now: Duration) {
        self.known_at = now;
    }

    /// Takes note of the counter, and returns how many kills are new since the last look.
    pub fn observe(&mut self, now: Duration, counter: u64) -> u64 {
        self.settle(now);
        let new = counter.saturating_sub(self.seen);
        if new > 0 {
            if self.seen == self.outlived {
                self.known_before = self.known_at;
            }
            self.seen = counter;
            self.risen_at = Some(now);
        }
        self.known_at = now;
        new
    }

    /// Takes note that another process than the program was reaped, dead of SIGKILL; returns whether a kill is left
    /// that it can have been the victim of.
    ///
    /// Read the counter and [`observe`](Self::observe) it just before: the kernel raises it before it sends the
    /// signal, so at the reap of a victim it has risen.
    pub fn reaped(&mut self) -> bool {
        let is_victim = self.reaped < self.seen.saturating_sub(self.outlived);
        if is_victim {
            self.reaped += 1;
        }
        is_victim
    }

    /// Takes note that the program, at least [`SPARED`] after the last rise, is not being killed: all kills up to now
    /// were of others.
    pub fn spared(&mut self) {
        self.outlived = self.seen;
        self.reaped = 0;
    }

    /// Takes note that the program is being killed, however long it takes to die.
    pub fn doomed(&mut self) {
        self.doomed = true;
    }

    /// The result, with the last reading of the counter as the program was reaped.
    ///
    /// `None` where that reading failed and no rise was seen before: then nobody knows.
    pub fn at_end(mut self, end: Duration, counter: Option<u64>) -> Option<Kills> {
        match counter {
            Some(counter) => {
                self.observe(end, counter);
            }
            None if self.seen > self.baseline => self.settle(end),
            None => return None,
        }
        let others = self.outlived.saturating_sub(self.baseline).saturating_add(self.reaped);
        Some(Kills {
            before: self.baseline,
            after: self.seen,
            others,
            last: self.risen_at.map(|risen| end.saturating_sub(risen)),
            earliest: self.risen_at.map(|_| end.saturating_sub(self.known_before)),
        })
    }

    fn settle(&mut self, now: Duration) {
        if !self.doomed && self.risen_at.is_some_and(|risen| now.saturating_sub(risen) >= OUTLIVED) {
            self.spared();
        }
    }
}

/// The OOM kills of a container during the program's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kills {
    /// the counter before the program's start
    pub before: u64,
    /// the counter at the program's end, at least `before`
    pub after: u64,
    /// how many of the kills in between were certainly not that of the program, at most all
    pub others: u64,
    /// how long before the end the last rise was noticed; `None` without a rise
    pub last: Option<Duration>,
    /// how long before the end the first of the kills can have been that may be the program's, at least `last`; of no
    /// meaning where all were of others, `None` without a rise
    pub earliest: Option<Duration>,
}

impl Kills {
    /// All kills since the program's start.
    pub fn total(&self) -> u64 {
        self.after.saturating_sub(self.before)
    }

    /// Those that may have been the program's.
    pub fn unexplained(&self) -> u64 {
        self.total().saturating_sub(self.others)
    }
}

#[cfg(test)]
mod tests;
