//! What PID 1 decides. Events in, actions out: no system call, no clock, no file, no log.
//!
//! [`Core::step`] takes what has happened and returns what is to be done. Some actions ask a question; the
//! answer comes back as the next event. So every decision is a line in a table that a test can play, and
//! `tests/histories` plays random lives against it.
//!
//! - [`stop`]: what a stop is, from the first stop signal to SIGKILL;
//! - [`drain`]: how long those that are left are waited for;
//! - [`kills`]: whose kill an OOM kill was, and when it is told;
//! - [`helpers`]: the short-lived processes that work for PID 1, and until when;
//! - [`journal`]: when lines are appended to the journal, and which are lost;
//! - [`late`]: an identity that comes after the start.

pub mod drain;
mod event;
pub mod helpers;
pub mod journal;
pub mod kills;
pub mod late;
pub mod stop;

#[cfg(test)]
mod tests;

pub use self::event::{Action, Actions, Arrival, Child, Ending, Event, Order, Over, Sender};

use self::drain::Drain;
use self::event::{Delivery, Purpose, put};
use self::helpers::Helpers;
use self::journal::Journal;
use self::kills::Kills;
use self::late::Late;
use self::stop::{Deed, Moment, Phase, Stops, deed};
use crate::options::{Isolation, Signal, Supervision, Target};
use std::time::{Duration, Instant};

/// All that is decided, and what the decisions rest on.
#[derive(Debug)]
pub struct Core {
    forwarding: Forwarding,
    has_program: bool,
    is_pid_1: bool,
    program: Option<i32>,
    over: Option<(Over, Instant)>,
    /// what a stop is
    pub stops: Stops,
    /// those that are left after the program's end
    pub drain: Option<Drain>,
    /// whose kills
    pub kills: Option<Kills>,
    /// the identity after the start
    pub late: Late,
    /// the helpers that run
    pub helpers: Helpers,
    /// the lines for the journal
    pub journal: Journal,
    oom_poll: Option<Duration>,
    /// how often a `stats` record is written, and when the next one is due
    stats: (Option<Duration>, Option<Instant>),
    late_look: Option<Duration>,
    stop_look: bool,
    /// orphans reaped
    reaped: u64,
}

/// What becomes of a signal.
#[derive(Debug)]
struct Forwarding {
    target: Target,
    rewrites: Vec<(Signal, Option<Signal>)>,
    suspends_itself: bool,
    has_own_session: bool,
    own_pid: i32,
}

impl Core {
    /// The state at the start. `stats` is how often statistics are written, `own_pid` is epitaph's.
    pub fn new(options: &Supervision, stats: Option<Duration>, has_program: bool, own_pid: i32) -> Core {
        Core {
            forwarding: Forwarding {
                target: options.target,
                rewrites: options.rewrites.clone(),
                suspends_itself: options.suspends_itself || options.isolation == Isolation::None,
                has_own_session: options.isolation == Isolation::Session,
                own_pid,
            },
            has_program,
            is_pid_1: own_pid == 1,
            program: None,
            over: None,
            stops: Stops::new(stop::Settings::of(options)),
            drain: None,
            kills: None,
            late: Late::default(),
            helpers: Helpers::default(),
            journal: Journal::default(),
            // A look for statistics serves for kills too.
            oom_poll: options.oom_poll.filter(|poll| stats.is_none_or(|every| every > *poll)),
            stats: (stats, None),
            late_look: options.late_look,
            stop_look: options.stop_look,
            reaped: 0,
        }
    }

    /// The program's process ID, until it is reaped.
    pub fn program(&self) -> Option<i32> {
        self.program
    }

    /// Orphans reaped so far.
    pub fn reaped(&self) -> u64 {
        self.reaped
    }

    /// Why and when the loop was over.
    pub fn over(&self) -> Option<(Over, Instant)> {
        self.over
    }

    /// When [`Event::Time`] is wanted next. There is no other timer.
    pub fn next_deadline(&self) -> Option<Instant> {
        [
            self.stops.next_deadline(),
            self.kills.as_ref().and_then(Kills::next_deadline),
            self.late.next_deadline(),
            self.helpers.next_deadline(),
            self.journal.next_deadline(),
            self.drain.and_then(|drain| drain.next_deadline()),
            self.stats.1,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// What to do about an event at `now`.
    pub fn step(&mut self, now: Instant, event: Event) -> Actions {
        let mut actions = Actions::new();
        let to = &mut actions;
        match event {
            Event::Started { pid } => self.program = Some(pid),
            Event::Signal(arrival) => self.on_signal(arrival, to),
            Event::Sent { order, refused } => self.on_sent(now, order, refused, to),
            Event::Reaped(child) => self.on_reaped(now, child, to),
            Event::MemoryFound(baseline) => match &mut self.kills {
                Some(kills) if kills.counts_from(&baseline) => kills.confirm(baseline),
                _ => self.kills = Some(Kills::new(now, baseline, self.oom_poll)),
            },
            Event::MemoryChanged => put(to, self.kills.is_some().then_some(Action::CountKills)),
            Event::Counted(counted) => {
                if let Some(kills) = &mut self.kills {
                    kills.on_counted(now, counted, to);
                }
            }
            Event::ProgramSeen(is_ending) => {
                if let Some(kills) = &mut self.kills {
                    kills.on_program_seen(now, is_ending, to);
                }
            }
            Event::Executing => {
                self.late.executed = true;
                self.stats.1 = self.stats.0.and_then(|every| now.checked_add(every));
            }
            Event::NotStarted => self.late.not_started = true,
            Event::Endpoint { look_again } => {
                self.late.on_endpoint(now, self.late_look.filter(|_| look_again));
            }
            Event::Resolved => put(to, self.late.on_resolved()),
            Event::ReportClosed => put(to, self.late.on_report_closed(self.program.is_some())),
            Event::HelperStarted { purpose, pid, deadline } => {
                self.helpers.add(pid, purpose, deadline);
                match purpose {
                    Purpose::Journal => self.journal.on_started(),
                    Purpose::Identity => self.late.on_started(),
                    Purpose::Record | Purpose::Look | Purpose::Writer => {}
                }
            }
            Event::HelperMissing(purpose) => match purpose {
                Purpose::Journal => self.journal.on_missing(now),
                Purpose::Identity => self.late.on_missing(now),
                Purpose::Record => put(to, Some(self.stops.stuck_alone())),
                Purpose::Look | Purpose::Writer => {}
            },
            Event::HelperWasEnding { pid } => self.helpers.on_was_ending(pid),
            Event::Lifetime { lifetime, left } => self.stops.on_lifetime(now, lifetime, left),
            Event::Drain { time } => {
                self.drain = Some(Drain::new(now, time, self.reaped));
                put(to, self.rewritten(Signal::TERM).map(|signal| Action::SendToAll { signal }));
            }
            Event::NobodyLeft => {
                if let Some(drain) = &mut self.drain {
                    drain.on_nobody_left(now);
                }
            }
            Event::LineQueued => self.journal.on_queued(),
            Event::Time => self.on_time(now, to),
        }
        // Lines that wait are tried again with each event: it may have made room for a process.
        if !matches!(event, Event::HelperMissing(Purpose::Journal)) {
            put(to, self.journal.append(now));
        }
        actions
    }

    fn on_signal(&mut self, arrival: Arrival, to: &mut Actions) {
        let signal = arrival.signal;
        if signal.number() == libc::SIGCHLD || self.is_of_our_writing(&arrival) {
            // About our own children, or about our own write.
            return;
        }
        if !self.has_program {
            if matches!(signal.number(), libc::SIGTERM | libc::SIGINT) && self.over.is_none() {
                self.over = Some((Over::PauseEnded, arrival.at));
            }
            return;
        }
        let is_rewritten = self.forwarding.rewrites.iter().any(|(from, _)| *from == signal);
        // A fault signal is about its sender's own instructions, and a program that got it would be reported
        // as crashed. A rewriting is somebody's choice.
        if signal.is_fault() && !is_rewritten {
            return;
        }
        let Some(sent) = self.rewritten(signal) else { return put(to, self.suspend(signal)) };
        if self.drain.is_some() {
            return self.on_signal_in_drain(arrival, sent, to);
        }
        if let Some((Over::Ended(child), _)) = self.over {
            return put(to, self.stops.on_arrival_after_end(arrival, sent, child.ending));
        }
        if self.over.is_some() {
            return;
        }
        // A session of its own has no parent that could continue it, so the kernel would discard the
        // terminal's own stop signals there. It does not discard SIGSTOP.
        let is_discarded = self.forwarding.suspends_itself
            && self.forwarding.has_own_session
            && signal.is_terminal_stop()
            && !is_rewritten;
        let sent = if is_discarded { Signal::STOP } else { sent };
        // Before the program runs, it serves nobody.
        let holds = !self.stops.delay().is_zero() && self.late.executed;
        match deed(self.stops.phase(arrival.at), self.stops.moment(&arrival, sent)) {
            Deed::Hold if holds => {
                put(to, self.stops.hold(arrival, sent));
                let asks = self.stop_look && self.late.heard_endpoint;
                return put(to, asks.then_some(Action::LookAtStop));
            }
            Deed::Hurry => {
                let held = self.stops.release(arrival.at);
                put(to, held.map(|held| self.send(held.sent, Order::Release(held))));
                if held.is_some_and(|held| held.sent == sent) {
                    return put(to, self.stops.tell(arrival, sent, Delivery::Forwarded));
                }
            }
            _ => {}
        }
        let order = Order::Forward(arrival, sent);
        put(to, Some(self.send(sent, order)));
        put(to, self.suspend(signal));
    }

    fn send(&self, signal: Signal, order: Order) -> Action {
        Action::Send { signal, target: self.forwarding.target, order }
    }

    /// The program has ended: what arrives is for those that are left.
    fn on_signal_in_drain(&mut self, arrival: Arrival, sent: Signal, to: &mut Actions) {
        let Some(drain) = self.drain.as_mut().filter(|drain| !drain.is_over()) else { return };
        let moment = self.stops.moment(&arrival, sent);
        if deed(Phase::Draining, moment) != Deed::ToAll {
            return;
        }
        put(to, Some(Action::SendToAll { signal: sent }));
        if moment != Moment::OtherSignal {
            drain.on_stop(arrival.at);
            put(to, self.stops.tell(arrival, sent, Delivery::ToAll));
        }
    }

    fn on_sent(&mut self, now: Instant, order: Order, refused: Option<i32>, to: &mut Actions) {
        match order {
            Order::Forward(arrival, sent) => {
                let before = self.stops.begun();
                put(to, self.stops.on_forwarded(arrival, sent, refused));
                let asks = self.stop_look && self.late.heard_endpoint && self.stops.begun() > before;
                put(to, asks.then_some(Action::LookAtStop));
            }
            Order::Release(held) => put(to, self.stops.on_released(now, held, refused)),
            Order::Expire(signal) => self.stops.on_expired(now, Some(signal), refused),
            Order::Kill => {
                self.stops.on_kill_sent(refused);
                let Some(errno) = refused else { return };
                if self.is_pid_1 {
                    self.over = self.over.or(Some((Over::KillRefused { errno }, now)));
                } else {
                    put(to, Some(Action::WarnKillRefused { errno }));
                }
            }
        }
    }

    fn on_reaped(&mut self, now: Instant, child: Child, to: &mut Actions) {
        if Some(child.pid) == self.program {
            self.program = None;
            self.stats.1 = None;
            self.over = self.over.or(Some((Over::Ended(child), now)));
            self.stops.on_program_ended(now, child.ending);
            if let Some(kills) = &mut self.kills {
                kills.on_program_reaped(now, child, to);
            }
            return;
        }
        let finished = self.helpers.on_reaped(&child);
        if let Some(finished) = finished {
            match finished.purpose {
                Purpose::Journal => put(to, Some(self.journal.on_ended(finished))),
                Purpose::Identity => self.late.on_ended(now, finished),
                Purpose::Record | Purpose::Look | Purpose::Writer => {}
            }
        } else {
            self.reaped += 1;
        }
        // After the program's end only a helper proves anything: all others may have died with it.
        if let Some(kills) = &mut self.kills
            && (self.over.is_none() || finished.is_some())
        {
            kills.on_other_reaped(now, child, finished, to);
        }
    }

    fn on_time(&mut self, now: Instant, to: &mut Actions) {
        self.on_time_of_stop(now, to);
        self.stops.on_time(now, self.forwarding.target, self.program.is_some(), to);
        if let Some(kills) = &mut self.kills {
            kills.on_time(now, self.program.is_some(), to);
        }
        self.late.on_time(now, self.program.is_some(), to);
        self.helpers.on_time(now, to);
        if let (Some(every), Some(at)) = self.stats
            && at <= now
        {
            // In step, unless one was missed.
            let next = at.checked_add(every).filter(|next| *next > now);
            self.stats.1 = next.or_else(|| now.checked_add(every));
            put(to, Some(Action::RecordStats));
            let looks = self.kills.as_ref().is_some_and(Kills::is_blind);
            put(to, looks.then_some(Action::CountSampledKills));
        }
    }

    /// What is held is let go, the life time ends, and the wait for those that are left.
    fn on_time_of_stop(&mut self, now: Instant, to: &mut Actions) {
        if let Some(drain) = &mut self.drain {
            drain.on_time(now);
        }
        // Before anything is let go, so that a stop that begins in this moment is seen.
        let expiry = self.stops.expires(now);
        if self.stops.is_release_due(now)
            && let Some(held) = self.stops.release(now)
        {
            put(to, Some(self.send(held.sent, Order::Release(held))));
        }
        let Some(expiry) = expiry else { return };
        put(to, Some(Action::RecordLifetime { lifetime: expiry.lifetime }));
        match self.rewritten(self.stops.signal()) {
            _ if !self.has_program => self.over = self.over.or(Some((Over::PauseEnded, now))),
            Some(signal) => put(to, Some(self.send(signal, Order::Expire(signal)))),
            None => self.stops.on_expired(now, None, None),
        }
    }

    /// Whether a signal is the kernel's answer to our own write, to a stderr that is gone or to a file that
    /// may not grow. Whoever wrote about it would bring the next one about.
    pub fn is_of_our_writing(&self, arrival: &Arrival) -> bool {
        matches!(arrival.signal.number(), libc::SIGPIPE | libc::SIGXFSZ)
            && arrival.sender == Sender::Inside(self.forwarding.own_pid)
    }

    /// What is sent in place of a signal; `None` when it is dropped.
    pub fn rewritten(&self, signal: Signal) -> Option<Signal> {
        match self.forwarding.rewrites.iter().rev().find(|(from, _)| *from == signal) {
            Some((_, to)) => *to,
            None => Some(signal),
        }
    }

    /// The shell that started us waits for us to stop, not for the program: after a stop signal from the
    /// terminal we stop as well, unless the terminal has the program's group in the foreground and not ours.
    fn suspend(&self, signal: Signal) -> Option<Action> {
        (self.forwarding.suspends_itself && signal.is_terminal_stop()).then_some(Action::Suspend)
    }
}
