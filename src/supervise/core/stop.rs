//! What a stop is: which signals ask for it, when it begins, goes on and lapses, and what is due in it.
//!
//! | what | rule |
//! | --- | --- |
//! | which | the signals of `--stop-signal`, as they arrive or as they are sent after rewriting |
//! | begins | with the first one that the kernel accepted for the program |
//! | goes on | with each that comes within the time of `stuck`; a later one begins a new stop |
//! | lapses | when the program outlives it by the grace, but never before `--kill-after` has acted |
//! | kills | `--kill-after` from the first one, refused or not; nothing puts it off |
//! | held | with `--stop-delay`, before it begins: until the delay is over, or another signal hurries it |
//! | expires | `--max-lifetime` begins one by itself, with the first of the signals of `--stop-signal` |
//! | others | are told where they came from outside, and never arm anything |
//!
//! What is done about each event in each phase is the table in `phase`.

mod budget;
mod phase;
mod told;

pub use self::phase::{Deed, Moment, Phase, deed};
pub use self::told::{Expiry, Kill, Other, Refused, Stop};

use self::budget::Budget;

use super::event::{Action, Actions, Arrival, Ending, LATE, Order, Sender, put};
pub use super::event::{Delivery, Held, Told};
use crate::options::{Signal, Supervision, Target};
use std::time::{Duration, Instant};

/// The grace that Docker gives: 10 s from the stop signal to SIGKILL. ECS gives 30.
const GRACE: Duration = Duration::from_secs(10);

/// The most that ECS gives: a program that outlives a stop by that was not stopped by it.
const LONGEST_GRACE: Duration = Duration::from_secs(120);

/// From the signal of `--max-lifetime` to SIGKILL where `--kill-after` says nothing, since nobody else will
/// send one: what ECS gives.
const EXPIRY_GRACE: Duration = Duration::from_secs(30);

/// What a program that stood still gets before SIGKILL, so that it can see the stop signal at all.
const AFTER_FREEZE: Duration = Duration::from_secs(1);

/// How often that happens. A machine that is too slow to do anything in time looks like one that stood still.
const FREEZES: u32 = 5;

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
    /// how long a stop signal is held back
    pub delay: Duration,
    /// how long a stop lasts that the program outlives
    pub lapse: Duration,
}

impl Settings {
    /// The part of the options that is about stops.
    pub fn of(options: &Supervision) -> Settings {
        let grace = options.stop.grace.unwrap_or(GRACE);
        let half = grace.min(options.kill_after.unwrap_or(grace)) / 2;
        Settings {
            signals: options.stop_signals.clone(),
            kill_after: options.kill_after,
            stuck_after: Some(options.stuck_after.unwrap_or(half)).filter(|after| !after.is_zero()),
            delay: options.stop.delay,
            lapse: options.stop.grace.unwrap_or(LONGEST_GRACE),
        }
    }
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
    /// from the stop signal to that
    kill_after: Duration,
    held: Option<Held>,
    /// when what is held is let go
    release_at: Option<Instant>,
    /// the life time, and when it is over
    lifetime: Option<(Duration, Instant)>,
    expiry: Option<Expiry>,
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
            kill_after: Duration::ZERO,
            held: None,
            release_at: None,
            lifetime: None,
            expiry: None,
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

    /// The stop signal that was held back before the stop, or up to the program's end.
    pub fn held(&self) -> Option<Held> {
        self.held
    }

    /// `--stop-delay`.
    pub fn delay(&self) -> Duration {
        self.settings.delay
    }

    /// The end of the life time, where it is why the program was stopped.
    pub fn expiry(&self) -> Option<Expiry> {
        self.expiry
    }

    /// The container may become this old, which it is in `left`.
    pub(super) fn on_lifetime(&mut self, now: Instant, lifetime: Duration, left: Duration) {
        self.lifetime = now.checked_add(left).map(|at| (lifetime, at));
    }

    /// Where the stop stands, while the program runs.
    pub(super) fn phase(&self, now: Instant) -> Phase {
        let lasts = |stop: &Stop| now.saturating_duration_since(stop.at) <= self.settings.lapse;
        if self.release_at.is_some() {
            Phase::Held
        } else if self.kill_at.is_some() || self.current.is_some_and(|stop| lasts(&stop)) {
            Phase::Stopping
        } else {
            Phase::Running
        }
    }

    /// What happens when a signal arrives.
    pub(super) fn moment(&self, arrival: &Arrival, sent: Signal) -> Moment {
        match (self.is_stop(arrival, sent), arrival.sender) {
            (false, _) => Moment::OtherSignal,
            (true, Sender::Terminal) => Moment::TerminalStop,
            (true, _) => Moment::Stop,
        }
    }

    /// Holds a stop signal back.
    pub(super) fn hold(&mut self, arrival: Arrival, sent: Signal) -> Option<Action> {
        self.held = Some(Held { arrival, sent, released: None });
        self.release_at = arrival.at.checked_add(self.settings.delay);
        self.stop_records = Budget::default();
        self.tell(arrival, sent, Delivery::Held(self.settings.delay))
    }

    /// A record of a stop signal, unless there were too many.
    pub(super) fn tell(&mut self, arrival: Arrival, sent: Signal, delivery: Delivery) -> Option<Action> {
        let told = Told { is_stop: true, arrival, sent, delivery };
        self.stop_records.take(arrival.at).then_some(Action::RecordSignal(told))
    }

    /// Lets go of what is held.
    pub(super) fn release(&mut self, now: Instant) -> Option<Held> {
        self.release_at.take()?;
        let held = self.held.as_mut()?;
        held.released = Some(now);
        Some(*held)
    }

    /// Whether the delay of what is held is over.
    pub(super) fn is_release_due(&self, now: Instant) -> bool {
        self.release_at.is_some_and(|at| at <= now)
            && deed(self.phase(now), Moment::DelayOver) == Deed::Release
    }

    /// What was held was sent to the program, or the kernel refused to. All times count from here.
    pub(super) fn on_released(&mut self, now: Instant, held: Held, refused: Option<i32>) -> Option<Action> {
        self.arm_kill(now, self.settings.kill_after);
        match refused {
            Some(errno) => {
                self.refused = Some(Refused { signal: held.sent, at: now, errno });
                self.tell(held.arrival, held.sent, Delivery::Refused(errno))
            }
            None => {
                let told = std::mem::take(&mut self.stop_records);
                self.begin(Stop { signal: held.sent, at: now, forwarded: true });
                self.stop_records = told;
                None
            }
        }
    }

    /// The signal of `--max-lifetime` was sent, or the kernel refused to, or `-r` drops it.
    pub(super) fn on_expired(&mut self, now: Instant, sent: Option<Signal>, refused: Option<i32>) {
        self.arm_kill(now, Some(self.settings.kill_after.unwrap_or(EXPIRY_GRACE)));
        match (sent, refused) {
            (Some(signal), Some(errno)) => self.refused = Some(Refused { signal, at: now, errno }),
            (Some(signal), None) => self.begin(Stop { signal, at: now, forwarded: true }),
            (None, _) => {}
        }
    }

    /// Whether the life time is over. In a stop it is looked at again when the program has outlived that.
    pub(super) fn expires(&mut self, now: Instant) -> Option<Expiry> {
        let (lifetime, _) = self.lifetime.filter(|(_, at)| *at <= now)?;
        if deed(self.phase(now), Moment::LifetimeOver) != Deed::Expire {
            // When it has lapsed; after a freeze that may be in the past.
            let stop = self.current.map(|stop| stop.at);
            let last = [stop, self.kill_at, self.release_at].into_iter().flatten().max().unwrap_or(now);
            let lapsed = last.checked_add(self.settings.lapse + Duration::from_millis(1));
            let again = lapsed.map(|at| at.max(now + Duration::from_secs(1)));
            self.lifetime = again.map(|at| (lifetime, at));
            return None;
        }
        self.lifetime = None;
        self.expiry = Some(Expiry { lifetime, at: now });
        self.expiry
    }

    /// The signal that stops the program where nobody has chosen one.
    pub(super) fn signal(&self) -> Signal {
        self.settings.signals.first().copied().unwrap_or(Signal::TERM)
    }

    /// The program has ended, and nothing is due any more. A stop that it has outlived does not count, unless
    /// `--kill-after` was still to act.
    pub(super) fn on_program_ended(&mut self, end: Instant, ending: Ending) {
        let is_recent = |at: Instant| end.saturating_duration_since(at) <= self.settings.lapse;
        let lasts = self.kill.is_some() || self.kill_at.is_some();
        // The program died of the very signal of the stop, so its age does not matter.
        let is_by = |stop: &Stop| ending == Ending::Signaled(stop.signal.number());
        self.current = self.current.filter(|stop| lasts || is_recent(stop.at) || is_by(stop));
        self.refused = self.refused.filter(|refused| lasts || is_recent(refused.at));
        self.expiry = self.expiry.filter(|expiry| lasts || is_recent(expiry.at));
        self.stuck_at = None;
        self.kill_at = None;
        self.lifetime = None;
        let Some(held) = self.held else { return };
        let number = held.sent.number();
        if self.release_at.take().is_none() {
            self.held = self.held.filter(|_| self.current.is_some() || self.refused.is_some());
        } else if ending == Ending::Signaled(number) {
            // The program died of the signal while we still held it back: the sender had sent it to the
            // program too. (An exit code would not prove that.)
            self.held = None;
            self.current = Some(Stop { signal: held.sent, at: held.arrival.at, forwarded: false });
        }
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
        self.kill_at
            .into_iter()
            .chain(self.stuck_at)
            .chain(self.release_at)
            .chain(self.lifetime.map(|(_, at)| at))
            .min()
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
        self.arm_kill(arrival.at, self.settings.kill_after);
        match refused {
            Some(errno) => self.refused = Some(Refused { signal: sent, at: arrival.at, errno }),
            None if self.goes_on(arrival.at) => self.refused = None,
            None => self.begin(Stop { signal: sent, at: arrival.at, forwarded: true }),
        }
        self.stop_records.take(arrival.at).then_some(Action::RecordSignal(told))
    }

    /// A signal arrived in the moment in which the program ended, or was still pending then. A stop signal
    /// counts if it explains the end: whoever sent it had sent it to the program as well.
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
            // What was held then was not sent, and this one is why.
            self.held = None;
            self.begin(Stop { signal: sent, at: arrival.at, forwarded: false });
            self.stuck_at = None;
        }
        self.tell(arrival, sent, Delivery::AfterEnd)
    }

    /// What is due. The process table is looked at before SIGKILL, and a program that stood still gets time
    /// in between.
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
        self.kill = Some(Kill { after: self.kill_after, refused });
    }

    /// No helper could be started for the `stuck` record.
    pub(super) fn stuck_alone(&self) -> Action {
        Action::RecordStuckAlone { late: self.stuck_late }
    }

    fn on_other(&mut self, told: Told) -> Option<Action> {
        let Told { arrival, sent, delivery, .. } = told;
        // SIGWINCH and the signals of job control: a terminal sends them all the time, and they ask for
        // nothing.
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

    fn arm_kill(&mut self, at: Instant, after: Option<Duration>) {
        if let Some(after) = after.filter(|_| self.kill_at.is_none() && self.kill.is_none()) {
            self.kill_at = at.checked_add(after);
            self.kill_after = after;
        }
    }
}

#[cfg(test)]
mod steps;
#[cfg(test)]
mod tests;
