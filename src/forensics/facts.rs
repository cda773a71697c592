//! What is known about an end, before it is judged.

use super::{Kills, Memory};
use std::time::Duration;

/// A signal by number and name: `Signal { number: 15, name: "SIGTERM" }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal<'a> {
    /// 1 to 64
    pub number: i32,
    /// for the sentence only
    pub name: &'a str,
}

/// What wait(2) told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// the program ended itself with this exit code, 0 to 255
    Exited(i32),
    /// this signal ended it
    Signaled(Signal<'a>),
}

/// The first stop signal that was forwarded to the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop<'a> {
    /// which
    pub signal: Signal<'a>,
    /// how long before the end
    pub before_end: Duration,
}

/// A process other than the program that was the OOM killer's victim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Victim<'a> {
    /// its process ID as PID 1 sees it
    pub pid: i32,
    /// its name or command, where that is known
    pub command: Option<&'a str>,
}

/// All that is known about an end.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// whether the program was executed; if not, it was our child that ended, before it became the program
    pub executed: bool,
    /// how it ended
    pub outcome: Outcome<'a>,
    /// from its start to its end
    pub runtime: Duration,
    /// absent when no stop signal was forwarded before the end
    pub stop: Option<Stop<'a>>,
    /// `--kill-after`, when epitaph has sent SIGKILL for it
    pub kill_after: Option<Duration>,
    /// the memory cgroup before the program's start, raw
    pub before: Option<Memory>,
    /// the memory cgroup at the program's end, raw; absent where nothing was readable
    pub after: Option<Memory>,
    /// absent where no kill counter was readable
    pub kills: Option<Kills>,
    /// a victim that PID 1 reaped before the program's end, the last one of several
    pub victim: Option<Victim<'a>>,
}
