//! The words of the core: what happens, and what is to be done about it.

use crate::forensics::{Counters, ShortName};
use crate::options::{Signal, Target};
use arrayvec::ArrayVec;
use std::time::{Duration, Instant};

/// A deadline that is noticed later than this was missed: the container or the machine stood still.
pub(super) const LATE: Duration = Duration::from_millis(250);

/// Who sent a signal, as far as the kernel vouches for it: `si_code` and `si_pid`, sigaction(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// a process outside of our PID namespace, such as the container engine
    Outside,
    /// the kernel, for a terminal
    Terminal,
    /// a process with this ID
    Inside(i32),
    /// a process that filled these fields in itself (rt_sigqueueinfo(2)), so they say nothing
    Unknown,
}

/// A signal that arrived at epitaph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// which
    pub signal: Signal,
    /// from whom
    pub sender: Sender,
    /// when
    pub at: Instant,
}

/// How a child ended: wait(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// by itself, with this exit code, 0 to 255
    Exited(i32),
    /// by this signal
    Signaled(i32),
}

/// A child that was reaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Child {
    /// its process ID, which may be another process's from now on
    pub pid: i32,
    /// how it ended
    pub ending: Ending,
    /// what it called itself, where that was asked before it was reaped
    pub name: Option<ShortName>,
}

/// What has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// the child that is to become the program was started
    Started {
        /// its process ID
        pid: i32,
    },
    /// a signal arrived
    Signal(Arrival),
    /// the answer to [`Action::Send`]
    Sent {
        /// what was sent
        order: Order,
        /// the errno, where the kernel refused it
        refused: Option<i32>,
    },
    /// a child was reaped
    Reaped(Child),
    /// the memory cgroup was found, or found anew, or is certain now
    MemoryFound(Baseline),
    /// the kernel tells that a counter of the memory cgroup has changed
    MemoryChanged,
    /// the answer to [`Action::CountKills`] and [`Action::CountSampledKills`]
    Counted(Counted),
    /// the answer to [`Action::LookAtProgram`]: whether the program is being killed or ends; `None` where
    /// that cannot be seen
    ProgramSeen(Option<bool>),
    /// the child is about to execute the program
    Executing,
    /// the child could not execute the program
    NotStarted,
    /// nothing more can be learned of the identity
    Resolved,
    /// a task metadata endpoint has answered
    Endpoint {
        /// whether it will know more in a moment
        look_again: bool,
    },
    /// the child's pipe was closed: by the exec, or by its end
    ReportClosed,
    /// a helper runs
    HelperStarted {
        /// what for
        purpose: Purpose,
        /// its process ID
        pid: i32,
        /// when it is to be killed
        deadline: Option<Instant>,
    },
    /// a helper could not be started
    HelperMissing(Purpose),
    /// a helper that we have just killed was being killed already
    HelperWasEnding {
        /// its process ID
        pid: i32,
    },
    /// the container may become this old, which it is in `left`
    Lifetime {
        /// `--max-lifetime`, as it was drawn
        lifetime: Duration,
        /// until then
        left: Duration,
    },
    /// the program has ended, and others are left
    Drain {
        /// how long they are waited for
        time: Duration,
    },
    /// nobody is left
    NobodyLeft,
    /// a line waits for the journal
    LineQueued,
    /// time has passed
    Time,
}

/// Why a signal is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// it is forwarded: what arrived, and what it was rewritten to
    Forward(Arrival, Signal),
    /// it was held back, and is let go
    Release(Held),
    /// `--max-lifetime` is over
    Expire(Signal),
    /// SIGKILL of `--kill-after`
    Kill,
}

/// What is to be done, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// send a signal to the program, or to its process group
    Send {
        /// which
        signal: Signal,
        /// to whom
        target: Target,
        /// why; comes back with the answer
        order: Order,
    },
    /// send a signal to all that are left after the program's end
    SendToAll {
        /// which
        signal: Signal,
    },
    /// write a `lifetime` record
    RecordLifetime {
        /// `--max-lifetime`, as it was drawn
        lifetime: Duration,
    },
    /// write a `stop` or a `signal` record
    RecordSignal(Told),
    /// write a `stuck` record, with the help of a helper
    RecordStuck {
        /// how much later than it was due, where that is worth telling
        late: Option<Duration>,
    },
    /// write a `stuck` record without a helper
    RecordStuckAlone {
        /// as above
        late: Option<Duration>,
    },
    /// write an `oom_kill` record
    RecordKill {
        /// how many kills it tells of
        new: u64,
        /// one of the victims, where one is known
        victim: Option<Victim>,
    },
    /// write a `memory_pressure` record
    RecordPressure,
    /// write an `identity` record
    RecordIdentity,
    /// write a `stats` record
    RecordStats,
    /// read the counters of the memory cgroup
    CountKills,
    /// take the counters of the memory cgroup from the sample of the `stats` record
    CountSampledKills,
    /// look whether the program is being killed
    LookAtProgram,
    /// start a helper that goes on looking for the identity
    SearchIdentity,
    /// start a helper that asks the agent for what it could not know at the start
    LookAgain,
    /// start a helper that asks the agent who stopped the task
    LookAtStop,
    /// start a helper that appends the lines that wait to the journal
    Append,
    /// put the lines of the last append back: it did not happen
    TakeLinesBack,
    /// forget the lines of the last append
    AppendEnded {
        /// whether they were written
        is_done: bool,
        /// whether it ended by itself
        in_time: bool,
    },
    /// kill a helper: its time is up, or it is of no use any more
    EndHelper {
        /// its process ID
        pid: i32,
    },
    /// warn that SIGKILL was refused
    WarnKillRefused {
        /// the errno
        errno: i32,
    },
    /// suspend ourselves, as the program is
    Suspend,
}

/// The actions for one event.
pub type Actions = ArrayVec<Action, 8>;

/// Why the loop is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// the program has ended
    Ended(Child),
    /// epitaph had no program to wait for and was asked to end
    PauseEnded,
    /// the program cannot be killed by us: PID 1's own end is what kills it
    KillRefused {
        /// the errno
        errno: i32,
    },
}

/// What a helper is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// makes a record that takes time to make
    Record,
    /// appends to the journal
    Journal,
    /// goes on looking for the identity
    Identity,
    /// writes to stderr where that is a file
    Writer,
    /// asks the endpoint once
    Look,
}

/// The state before the program's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Baseline {
    /// the counters then
    pub counters: Counters,
    /// whether the kernel tells of each change (cgroup v2)
    pub watched: bool,
    /// whether there is a limit; without one nothing is likely to be killed, and nobody looks by the clock
    pub limited: bool,
}

/// A reading of the counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// as they are now; `None` in them where they cannot be read
    pub counters: Counters,
    /// the kernel does not tell of changes any more: the cgroup is out of sight
    pub watch_is_gone: bool,
}

/// A process that the OOM killer took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Victim {
    /// its process ID
    pub pid: i32,
    /// what it called itself, where that was known before it was reaped
    pub name: Option<ShortName>,
    /// whether it was a helper of ours
    pub is_helper: bool,
}

/// The counters as they stand in an event.
impl From<Counters> for Counted {
    fn from(counters: Counters) -> Counted {
        Counted { counters, watch_is_gone: false }
    }
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

/// There is room for all that one event can ask for; the tests and the histories would see it overflow.
pub(super) fn put(actions: &mut Actions, action: Option<Action>) {
    if let Some(action) = action {
        let result = actions.try_push(action);
        debug_assert!(result.is_ok(), "too many actions for one event");
    }
}
