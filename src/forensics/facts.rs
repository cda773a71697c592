//! What is known about an end, before it is judged.

use super::figures::Memory;
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
    /// it still runs: epitaph may not signal it, and its own end as PID 1 is what ends it
    StillRuns,
}

/// The first signal of the stop that the end belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop<'a> {
    /// which
    pub signal: Signal<'a>,
    /// how long before the end
    pub before_end: Duration,
    /// whether it was forwarded; if not, it arrived as the program ended, which had had it from elsewhere
    pub forwarded: bool,
}

/// A stop signal that the kernel refused to send to the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused<'a> {
    /// which
    pub signal: Signal<'a>,
    /// how long before the end
    pub before_end: Duration,
    /// the text of the error
    pub reason: &'a str,
}

/// A stop signal that was held back before it was forwarded: `--stop-delay`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held<'a> {
    /// which
    pub signal: Signal<'a>,
    /// for how long
    pub time: Duration,
    /// whether it was sent at all before the program ended
    pub released: bool,
}

/// `--max-lifetime`, when it was over and epitaph stopped the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// how old the container could become
    pub lifetime: Duration,
    /// how long before the end that was
    pub before_end: Duration,
}

/// What became of those that were left after the program's end: `--drain`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// how many have ended
    pub ended: u64,
    /// how long they were waited for
    pub took: Duration,
    /// whether nobody was left then
    pub complete: bool,
}

/// SIGKILL that epitaph has sent, or was to send, for `--kill-after`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KillAfter<'a> {
    /// from the stop signal on
    pub after: Duration,
    /// the text of the error, where the kernel refused it
    pub refused: Option<&'a str>,
}

/// The last signal that was forwarded and is no stop signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Other<'a> {
    /// which
    pub signal: Signal<'a>,
    /// how long before the end
    pub before_end: Duration,
    /// ` from outside`, or empty where that is not known
    pub from: &'a str,
}

/// A process other than the program that was the OOM killer's victim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Victim<'a> {
    /// its process ID as PID 1 sees it
    pub pid: i32,
    /// its name or command, where that is known
    pub command: Option<&'a str>,
}

/// Living processes that the program has left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeftBehind<'a> {
    /// how many
    pub count: usize,
    /// the process ID and the name of the largest
    pub largest: (i32, &'a str),
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
    /// absent when there was no stop, or the program has outlived it
    pub stop: Option<Stop<'a>>,
    /// a stop signal that could not be sent, with none after it that could
    pub refused: Option<Refused<'a>>,
    /// `--kill-after`, when its time was over
    pub kill_after: Option<KillAfter<'a>>,
    /// a stop signal that was held back
    pub held: Option<Held<'a>>,
    /// `--max-lifetime`, when it was over
    pub expiry: Option<Expiry>,
    /// `--drain`, when there was anybody to wait for
    pub drained: Option<Drained>,
    /// another signal shortly before the end
    pub other: Option<Other<'a>>,
    /// the memory cgroup before the program's start, raw
    pub before: Option<Memory>,
    /// the memory cgroup at the program's end, raw; absent where nothing was readable
    pub after: Option<Memory>,
    /// the limit of processes, where it was hit
    pub pids: Option<super::Pids>,
    /// absent where no kill counter was readable
    pub kills: Option<Kills>,
    /// a victim that PID 1 reaped before the program's end, the last one of several
    pub victim: Option<Victim<'a>>,
    /// whether nobody but the program can have been a victim, as far as can be seen: it had waited for no
    /// child, no orphan was reaped, and nobody is left
    pub is_alone: bool,
    /// whether epitaph is PID 1, to which an engine sends its SIGKILL
    pub is_pid_1: bool,
    /// who lives on without the program; absent where nobody does, and where that is not known
    pub left: Option<LeftBehind<'a>>,
}

/// A kill of another process is a cause of an end for this long. The time from a kill to the end that it
/// leads to is that of a restart or a time-out in the program, and those are seconds.
pub const CAUSES: Duration = Duration::from_secs(10);

/// A program that is not being killed this long after the counter rose was not the victim.
///
/// The kernel sends SIGKILL right after it has raised the counter (`__oom_kill_process` in mm/oom_kill.c),
/// but the thread that does it may be kept from the processor in between: a CPU quota stops it for a period
/// of 100 ms, or some.
pub const SPARED: Duration = Duration::from_secs(1);

/// The OOM kills of a container during the program's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kills {
    /// the counter before the program's start
    pub before: u64,
    /// the counter at the program's end, at least `before`
    pub after: u64,
    /// how many of the kills in between were certainly not that of the program, at most all
    pub others: u64,
    /// how many of these took a helper of epitaph
    pub helpers: u64,
    /// how long before the end the last rise was noticed; `None` without a rise. One that was for helpers of
    /// epitaph alone counts only where there was no other
    pub last: Option<Duration>,
    /// how long before the end the first of the kills can have been that may be the program's, at least
    /// `last`; of no meaning where all were of others, `None` without a rise
    pub earliest: Option<Duration>,
}

impl Kills {
    /// All kills since the program's start.
    pub fn total(&self) -> u64 {
        self.after.saturating_sub(self.before)
    }

    /// Those that took neither a helper of epitaph nor, as far as is known, the program.
    pub fn of_children(&self) -> u64 {
        self.total().saturating_sub(self.helpers)
    }

    /// Those that may have been the program's.
    pub fn unexplained(&self) -> u64 {
        self.total().saturating_sub(self.others)
    }
}
