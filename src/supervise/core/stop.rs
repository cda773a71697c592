//! What a stop is: which signals ask for it, when it begins, goes on and lapses, and what is due in it.
//!
//! | what | rule |
//! | --- | --- |
//! | which | the signals of `--stop-signal`, as they arrive or as they are sent after rewriting |
//! | begins | with the first one that the kernel accepted for the program |
//! | goes on | with each that comes within the time of `stuck`; a later one begins a new stop |
//! | lapses | when the program outlives it by the grace, but never before `--kill-after` has acted |
//! | kills | `--kill-after` from the first one, refused or not; nothing puts it off |
//! | others | are told where they came from outside, and never arm anything |

use super::{Action, Actions, Arrival, Ending, LATE, Order, Sender, put};
use crate::options::{Options, Signal, Target};
use std::time::{Duration, Instant};

/// The grace that Docker gives: 10 s from the stop signal to SIGKILL. ECS gives 30.
const GRACE: Duration = Duration::from_secs(10);

/// The most that ECS gives: a program that outlives a stop by that was not stopped by it.
const LONGEST_GRACE: Duration = Duration::from_secs(120);

/// What a program that stood still gets before SIGKILL, so that it can see the stop signal at all.
const AFTER_FREEZE: Duration = Duration::from_secs(1);

/// How often that happens. A machine that is too slow to do anything in time looks like one that stood still.
const FREEZES: u32 = 5;

/// How many records one stop may have, and how many the other signals, before they come once a minute.
const RECORDS: u32 = 8;

/// How often a record comes after that.
const PAUSE: Duration = Duration::from_secs(60);

/// How long before the end a signal may have come to be told with it.
const RECENT: Duration = Duration::from_secs(120);

/// What the options say of stops.
#[derive(Debug, Clone)]
pub struct Settings {
    /// the signals that stop the program
    pub signals: Vec<Signal>,
    /// from the first stop signal to SIGKILL
    pub kill_after: Option<Duration>,
    /// from the stop signal to the `stuck` record; `None` is never
    pub stuck_after: Option<Duration>,
}

impl Settings {
    /// The part of the options that is about stops.
    pub fn of(options: &Options) -> Settings {
        let half = GRACE.min(options.kill_after.unwrap_or(GRACE)) / 2;
        Settings {
            signals: options.stop_signals.clone(),
            kill_after: options.kill_after,
            stuck_after: Some(options.stuck_after.unwrap_or(half)).filter(|after| !after.is_zero()),
        }
    }
}

/// A stop: its first signal that the kernel accepted for the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop {
    /// as it was sent
    pub signal: Signal,
    /// when
    pub at: Instant,
    /// whether it was forwarded; if not, the program had ended as it arrived, and had had it from elsewhere
    pub forwarded: bool,
}

/// A stop signal that the kernel refused to send to the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// as it was to be sent
    pub signal: Signal,
    /// when
    pub at: Instant,
    /// why
    pub errno: i32,
}

/// A signal that was forwarded and is no stop signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Other {
    /// as it was sent
    pub signal: Signal,
    /// from whom
    pub sender: Sender,
    /// when
    pub at: Instant,
}

/// What became of a signal that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// the kernel accepted it for the program
    Forwarded,
    /// the kernel refused it, with this errno
    Refused(i32),
    /// the program had ended as it arrived
    AfterEnd,
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

/// SIGKILL of `--kill-after`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kill {
    /// how long after the stop signal it was due
    pub after: Duration,
    /// the errno, where the kernel refused it
    pub refused: Option<i32>,
}

/// The stops of a life.
#[derive(Debug)]
pub struct Stops {
    settings: Settings,
    current: Option<Stop>,
    refused: Option<Refused>,
    /// how many stops there were
    begun: u32,
    stuck_at: Option<Instant>,
    kill_at: Option<Instant>,
    /// how often the kill was put off after a freeze
    freezes: u32,
    /// how late the last `stuck` was
    stuck_late: Option<Duration>,
    kill: Option<Kill>,
    last_other: Option<Other>,
    stop_records: Budget,
    other_records: Budget,
}

impl Stops {
    /// None yet.
    pub fn new(settings: Settings) -> Stops {
        Stops {
            settings,
            current: None,
            refused: None,
            begun: 0,
            stuck_at: None,
            kill_at: None,
            freezes: 0,
            stuck_late: None,
            kill: None,
            last_other: None,
            stop_records: Budget::default(),
            other_records: Budget::default(),
        }
    }

    /// The stop that is under way, or that the program's end belongs to.
    pub fn current(&self) -> Option<Stop> {
        self.current
    }

    /// How many stops have begun.
    pub(super) fn begun(&self) -> u32 {
        self.begun
    }

    /// The last stop signal that the kernel refused to send, where none was accepted after it.
    pub fn refused(&self) -> Option<Refused> {
        self.refused
    }

    /// The program has ended, and nothing is due any more. A stop that it has outlived does not count, unless
    /// `--kill-after` was still to act.
    pub(super) fn on_program_ended(&mut self, end: Instant, ending: Ending) {
        let is_recent = |at: Instant| end.saturating_duration_since(at) <= LONGEST_GRACE;
        let lasts = self.kill.is_some() || self.kill_at.is_some();
        // Whatever time has passed: it was that signal.
        let is_by = |stop: &Stop| ending == Ending::Signaled(stop.signal.number());
        self.current = self.current.filter(|stop| lasts || is_recent(stop.at) || is_by(stop));
        self.refused = self.refused.filter(|refused| lasts || is_recent(refused.at));
        self.stuck_at = None;
        self.kill_at = None;
    }

    /// SIGKILL of `--kill-after`, if it was sent or refused.
    pub fn kill(&self) -> Option<Kill> {
        self.kill
    }

    /// The last other signal that was forwarded, if it may have to do with an end at `end`.
    pub fn last_other(&self, end: Instant) -> Option<Other> {
        self.last_other.filter(|other| end.saturating_duration_since(other.at) <= RECENT)
    }

    /// Whether what takes `time` would use up too much of the grace that a stop signal has started.
    ///
    /// The grace itself is known to whoever sent the signal alone; the time of `stuck` stands for half of it.
    pub fn is_in_a_hurry(&self, now: Instant, time: Duration) -> bool {
        let half = self.settings.stuck_after.unwrap_or(Duration::ZERO);
        self.current.is_some_and(|stop| now.saturating_duration_since(stop.at) + time > half)
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.kill_at.into_iter().chain(self.stuck_at).min()
    }

    /// A signal was sent to the program, or the kernel refused to.
    pub(super) fn on_forwarded(
        &mut self,
        arrival: Arrival,
        sent: Signal,
        refused: Option<i32>,
    ) -> Option<Action> {
        let delivery = refused.map_or(Delivery::Forwarded, Delivery::Refused);
        let is_stop = self.is_stop(&arrival, sent);
        let told = Told { is_stop, arrival, sent, delivery };
        if !is_stop {
            return self.on_other(told);
        }
        self.arm_kill(arrival.at);
        match refused {
            Some(errno) => self.refused = Some(Refused { signal: sent, at: arrival.at, errno }),
            None if self.goes_on(arrival.at) => self.refused = None,
            None => self.begin(Stop { signal: sent, at: arrival.at, forwarded: true }),
        }
        self.stop_records.take(arrival.at).then_some(Action::RecordSignal(told))
    }

    /// A signal arrived in the moment in which the program ended, or was still pending then. A stop signal counts if it
    /// explains the end: whoever sent it had sent it to the program as well.
    pub(super) fn on_arrival_after_end(
        &mut self,
        arrival: Arrival,
        sent: Signal,
        ending: Ending,
    ) -> Option<Action> {
        let explains = match ending {
            Ending::Signaled(number) => [arrival.signal.number(), sent.number()].contains(&number),
            Ending::Exited(0) => true,
            Ending::Exited(code) => [128 + arrival.signal.number(), 128 + sent.number()].contains(&code),
        };
        if !self.is_stop(&arrival, sent) || !explains {
            return None;
        }
        if self.current.is_none() {
            self.begin(Stop { signal: sent, at: arrival.at, forwarded: false });
            self.stuck_at = None;
        }
        let told = Told { is_stop: true, arrival, sent, delivery: Delivery::AfterEnd };
        self.stop_records.take(arrival.at).then_some(Action::RecordSignal(told))
    }

    /// What is due. The process table is looked at before SIGKILL, and a program that stood still gets time in between.
    pub(super) fn on_time(&mut self, now: Instant, target: Target, runs: bool, to: &mut Actions) {
        let late = |at: Instant| Some(now.saturating_duration_since(at)).filter(|late| *late >= LATE);
        let mut was_frozen = false;
        if let Some(at) = self.stuck_at.filter(|at| *at <= now) {
            self.stuck_at = None;
            self.stuck_late = late(at);
            was_frozen = self.stuck_late.is_some();
            put(to, runs.then_some(Action::RecordStuck { late: self.stuck_late }));
        }
        let Some(at) = self.kill_at else { return };
        was_frozen |= late(at).is_some();
        if was_frozen && self.freezes < FREEZES {
            self.freezes += 1;
            self.kill_at = now.checked_add(AFTER_FREEZE).map(|later| later.max(at));
        } else if at <= now {
            self.kill_at = None;
            let kill = Action::Send { signal: Signal::KILL, target, order: Order::Kill };
            put(to, runs.then_some(kill));
        }
    }

    pub(super) fn on_kill_sent(&mut self, refused: Option<i32>) {
        self.kill = Some(Kill { after: self.settings.kill_after.unwrap_or_default(), refused });
    }

    /// No helper could be started for the `stuck` record.
    pub(super) fn stuck_alone(&self) -> Action {
        Action::RecordStuckAlone { late: self.stuck_late }
    }

    fn on_other(&mut self, told: Told) -> Option<Action> {
        let Told { arrival, sent, delivery, .. } = told;
        // The kernel tells of windows and of jobs all the time, and a terminal has not asked for anything by that.
        let is_of_terminal = arrival.sender == Sender::Terminal
            && (sent.is_terminal_stop() || matches!(sent.number(), libc::SIGWINCH | libc::SIGCONT));
        if delivery == Delivery::Forwarded && !is_of_terminal {
            self.last_other = Some(Other { signal: sent, sender: arrival.sender, at: arrival.at });
        }
        let is_told = arrival.sender == Sender::Outside && self.other_records.take(arrival.at);
        is_told.then_some(Action::RecordSignal(told))
    }

    fn is_stop(&self, arrival: &Arrival, sent: Signal) -> bool {
        self.settings.signals.iter().any(|signal| *signal == arrival.signal || *signal == sent)
    }

    /// Whether a stop signal at `at` belongs to the stop that is under way.
    fn goes_on(&self, at: Instant) -> bool {
        let within = self.settings.stuck_after.unwrap_or(GRACE / 2);
        self.current.is_some_and(|stop| at.saturating_duration_since(stop.at) <= within)
    }

    fn begin(&mut self, stop: Stop) {
        self.current = Some(stop);
        self.begun = self.begun.saturating_add(1);
        self.refused = None;
        self.stuck_at = self.settings.stuck_after.and_then(|after| stop.at.checked_add(after));
        self.stop_records = Budget::default();
    }

    fn arm_kill(&mut self, at: Instant) {
        if self.kill_at.is_none() && self.kill.is_none() {
            self.kill_at = self.settings.kill_after.and_then(|after| at.checked_add(after));
        }
    }
}

/// So many records, and then one a minute: a signal can come a thousand times a second.
#[derive(Debug, Default)]
struct Budget {
    taken: u32,
    last: Option<Instant>,
}

impl Budget {
    fn take(&mut self, now: Instant) -> bool {
        let is_free =
            self.taken < RECORDS || self.last.is_none_or(|last| now.saturating_duration_since(last) >= PAUSE);
        if is_free {
            self.taken = self.taken.saturating_add(1);
            self.last = Some(now);
        }
        is_free
    }
}

#[cfg(test)]
mod tests;
