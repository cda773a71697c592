//! What PID 1 does about what happens: events in, actions out, no system calls.

use crate::options::{Isolation, Options, Signal, Target};
use arrayvec::ArrayVec;
use std::time::{Duration, Instant};

/// A signal that arrived at epitaph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// which
    pub signal: Signal,
    /// the process that sent it; 0 when it is outside of our PID namespace, or the kernel
    pub sender: i32,
    /// when
    pub at: Instant,
}

/// What is to be done, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// send the signal to the program, or to its process group
    Send {
        /// which
        signal: Signal,
        /// to whom
        target: Target,
    },
    /// write a stop record
    RecordStop(Arrival),
    /// write of the processes that keep the program from stopping
    RecordStuck,
    /// suspend ourselves, as the program is
    Suspend,
    /// end, there being no program to wait for
    EndPause,
}

/// The actions for one event: at most a stop record, the signal, and our own suspension.
pub type Actions = ArrayVec<Action, 3>;

/// The stop signal that was forwarded first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop {
    /// which
    pub signal: Signal,
    /// when
    pub at: Instant,
}

/// The state of the supervision.
#[derive(Debug)]
pub struct Core {
    target: Target,
    rewrites: Vec<(Signal, Option<Signal>)>,
    suspends_itself: bool,
    has_own_session: bool,
    has_program: bool,
    kill_after: Option<Duration>,
    kill_at: Option<Instant>,
    stuck_after: Option<Duration>,
    stuck_at: Option<Instant>,
    stop: Option<Stop>,
    /// bit n-1 is set when a stop record of signal n was written
    recorded: u64,
    killed: bool,
    own_pid: i32,
}

impl Core {
    /// The state at the start. `own_pid` is epitaph's.
    pub fn new(options: &Options, has_program: bool, own_pid: i32) -> Core {
        Core {
            target: options.target,
            rewrites: options.rewrites.clone(),
            suspends_itself: options.suspends_itself || options.isolation == Isolation::None,
            has_own_session: options.isolation == Isolation::Session,
            has_program,
            kill_after: options.kill_after,
            kill_at: None,
            stuck_after: stuck_after(options),
            stuck_at: None,
            stop: None,
            recorded: 0,
            killed: false,
            own_pid,
        }
    }

    /// The stop signal that was forwarded first, if one was.
    pub fn stop(&self) -> Option<Stop> {
        self.stop
    }

    /// How long after the stop signal epitaph itself sent SIGKILL, if it did.
    pub fn killed_after(&self) -> Option<Duration> {
        self.kill_after.filter(|_| self.killed)
    }

    /// When [`Core::on_time`] wants to be called next.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.kill_at.into_iter().chain(self.stuck_at).min()
    }

    /// Whether what takes `time` would use up too much of the grace that a stop signal has started.
    ///
    /// The grace itself is known to whoever sent the signal alone; half of it is what `stuck_after` stands for.
    pub fn is_in_a_hurry(&self, now: Instant, time: Duration) -> bool {
        let grace = self.stuck_after.unwrap_or(Duration::ZERO);
        self.stop.is_some_and(|stop| now.saturating_duration_since(stop.at) + time > grace)
    }

    /// What to do about a signal.
    pub fn on_signal(&mut self, arrival: Arrival) -> Actions {
        let signal = arrival.signal;
        // SIGCHLD is about our own children. A fault signal is about its sender's own instructions, and a
        // program that got it would be reported as crashed.
        if signal.number() == libc::SIGCHLD || signal.is_fault() {
            return Actions::new();
        }
        if self.is_of_our_writing(&arrival) {
            return Actions::new();
        }
        if !self.has_program {
            let ends = matches!(signal.number(), libc::SIGTERM | libc::SIGINT);
            return only(ends.then_some(Action::EndPause));
        }
        let is_rewritten = self.rewrites.iter().any(|(from, _)| *from == signal);
        let Some(sent) = self.rewritten(signal) else { return only(self.suspend(signal)) };
        let mut actions = Actions::new();
        // A session of its own has no parent that could continue it, so the kernel would discard the terminal's
        // own stop signals there; SIGSTOP is not discarded. A rewriting, even to itself, is somebody's choice.
        let is_discarded = self.suspends_itself && self.has_own_session && signal.is_terminal_stop();
        let signal_sent = if is_discarded && !is_rewritten { Signal::STOP } else { sent };
        put(&mut actions, Some(Action::Send { signal: signal_sent, target: self.target }));
        if signal.asks_to_stop() || sent.asks_to_stop() {
            put(&mut actions, self.stop_forwarded(Arrival { signal: sent, ..arrival }));
        }
        put(&mut actions, self.suspend(signal));
        actions
    }

    /// Whether it is the kernel's answer to our own write, to a stderr that is gone or to a file that may not grow. Whoever
    /// wrote about it would bring the next one about.
    pub fn is_of_our_writing(&self, arrival: &Arrival) -> bool {
        matches!(arrival.signal.number(), libc::SIGPIPE | libc::SIGXFSZ) && arrival.sender == self.own_pid
    }

    /// What is sent in place of a signal; `None` when it is dropped.
    pub fn rewritten(&self, signal: Signal) -> Option<Signal> {
        match self.rewrites.iter().rev().find(|(from, _)| *from == signal) {
            Some((_, to)) => *to,
            None => Some(signal),
        }
    }

    /// The shell that started us waits for us to stop, not for the program: after a stop signal from the
    /// terminal we stop as well, unless the terminal has the program's group in the foreground and not ours.
    fn suspend(&self, signal: Signal) -> Option<Action> {
        (self.suspends_itself && signal.is_terminal_stop()).then_some(Action::Suspend)
    }

    fn stop_forwarded(&mut self, arrival: Arrival) -> Option<Action> {
        if self.stop.is_none() {
            self.stop = Some(Stop { signal: arrival.signal, at: arrival.at });
            self.kill_at = self.kill_after.and_then(|after| arrival.at.checked_add(after));
            self.stuck_at = self.stuck_after.and_then(|after| arrival.at.checked_add(after));
        }
        let bit = 1_u64 << ((arrival.signal.number() - 1) & 63);
        let is_first = self.recorded & bit == 0;
        self.recorded |= bit;
        is_first.then_some(Action::RecordStop(arrival))
    }

    /// What to do now that it is `now`.
    pub fn on_time(&mut self, now: Instant) -> Actions {
        let mut actions = Actions::new();
        if self.stuck_at.is_some_and(|at| at <= now) {
            self.stuck_at = None;
            put(&mut actions, Some(Action::RecordStuck));
        }
        if self.kill_at.is_some_and(|at| at <= now) {
            self.kill_at = None;
            self.killed = true;
            put(&mut actions, Some(Action::Send { signal: Signal::KILL, target: self.target }));
        }
        actions
    }
}

/// There is room for all that one event can ask for.
fn put(actions: &mut Actions, action: Option<Action>) {
    if let Some(action) = action {
        let _ = actions.try_push(action);
    }
}

fn only(action: Option<Action>) -> Actions {
    let mut actions = Actions::new();
    put(&mut actions, action);
    actions
}

/// The grace that Docker gives: 10 s from the stop signal to SIGKILL. ECS gives 30.
const GRACE: Duration = Duration::from_secs(10);

fn stuck_after(options: &Options) -> Option<Duration> {
    let half = GRACE.min(options.kill_after.unwrap_or(GRACE)) / 2;
    Some(options.stuck_after.unwrap_or(half)).filter(|after| !after.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Command, parse};

    fn core(line: &str) -> Core {
        let Command::Run(options) = parse(line.split(' ').map(Into::into).collect(), &|_| None) else {
            unreachable!("{line}")
        };
        Core::new(&options, options.mode != crate::options::Mode::Pause, 1)
    }

    fn arrival(number: i32) -> Arrival {
        Arrival { signal: Signal::new(number).expect("a signal"), sender: 0, at: Instant::now() }
    }

    fn sent(core: &mut Core, number: i32) -> Vec<i32> {
        let actions = core.on_signal(arrival(number)).into_iter();
        actions
            .filter_map(
                |action| if let Action::Send { signal, .. } = action { Some(signal.number()) } else { None },
            )
            .collect()
    }

    #[test]
    fn every_signal_is_forwarded_but_for_our_own_and_the_faults() {
        let mut core = core("epitaph true");
        for number in (1..=64).filter(|number| Signal::new(*number).is_some()) {
            let held = [libc::SIGCHLD, 4, 5, 6, 7, 8, 11, 31].contains(&number);
            let expected: &[i32] = if held { &[] } else { &[number] };
            assert_eq!(sent(&mut core, number), expected, "{number}");
        }
    }

    #[test]
    fn what_our_own_writing_brings_is_not_the_programs() {
        let mut core = core("epitaph true");
        let ours = Arrival { sender: 1, ..arrival(libc::SIGPIPE) };
        assert_eq!(core.on_signal(ours).to_vec(), []);
        assert_eq!(sent(&mut core, libc::SIGPIPE), [libc::SIGPIPE]);
        let ours = Arrival { sender: 1, ..arrival(libc::SIGXFSZ) };
        assert_eq!(core.on_signal(ours).to_vec(), []);
        assert_eq!(sent(&mut core, libc::SIGXFSZ), [libc::SIGXFSZ]);
    }

    #[test]
    fn rewriting() {
        let mut core = core("epitaph -r TERM:QUIT -r HUP:0 -r USR1:TERM true");
        assert!(sent(&mut core, 1).is_empty());
        assert_eq!(core.stop(), None);
        assert_eq!(sent(&mut core, 15), [3]);
        assert_eq!(core.stop().map(|stop| stop.signal.number()), Some(3));
        assert_eq!(sent(&mut core, libc::SIGUSR1), [15]);
    }

    #[test]
    fn a_stop_signal_that_is_dropped_stops_nothing() {
        let mut core = core("epitaph -r TERM:0 --kill-after 1s true");
        assert_eq!(core.on_signal(arrival(15)).to_vec(), []);
        assert_eq!((core.stop(), core.next_deadline()), (None, None));
    }

    #[test]
    fn a_stop_record_for_each_stop_signal_however_often_it_comes() {
        let mut core = core("epitaph true");
        let mut count = |number| {
            let actions = core.on_signal(arrival(number)).into_iter();
            actions.filter(|action| matches!(action, Action::RecordStop(_))).count()
        };
        assert_eq!([count(15), count(15), count(2), count(2), count(1)], [1, 0, 1, 0, 0]);
        assert_eq!(core.stop().map(|stop| stop.signal), Some(Signal::TERM));
    }

    #[test]
    fn kill_after_the_first_stop_signal() {
        let mut core = core("epitaph -g --kill-after 10s true");
        let first = arrival(15);
        core.on_signal(first);
        core.on_signal(Arrival { at: first.at + Duration::from_secs(5), ..arrival(15) });
        let (stuck, due) = (first.at + Duration::from_secs(5), first.at + Duration::from_secs(10));
        assert_eq!(core.next_deadline(), Some(stuck));
        assert_eq!(core.on_time(stuck).to_vec(), [Action::RecordStuck]);
        assert_eq!(core.next_deadline(), Some(due));
        assert_eq!(core.on_time(due - Duration::from_millis(1)).to_vec(), []);
        assert_eq!(core.killed_after(), None);
        assert_eq!(
            core.on_time(due).to_vec(),
            [Action::Send { signal: Signal::KILL, target: Target::Group }]
        );
        assert_eq!(core.killed_after(), Some(Duration::from_secs(10)));
        assert_eq!(core.next_deadline(), None);
    }

    #[test]
    fn stuck_is_half_of_the_grace_unless_it_is_set() {
        let after = |line: &str, variable: Option<&str>| {
            let env = |name: &str| (name == "EPITAPH_STUCK_AFTER").then_some(variable?.into());
            let Command::Run(options) = parse(line.split(' ').map(Into::into).collect(), &env) else {
                unreachable!("{line}")
            };
            stuck_after(&options).map(|after| after.as_millis())
        };
        assert_eq!(after("epitaph true", None), Some(5000));
        assert_eq!(after("epitaph --kill-after 60s true", None), Some(5000));
        assert_eq!(after("epitaph --kill-after 3s true", None), Some(1500));
        assert_eq!(after("epitaph --kill-after 3s true", Some("2s")), Some(2000));
        assert_eq!(after("epitaph true", Some("0")), None);
    }

    #[test]
    fn a_terminal_stop_suspends_whoever_has_no_group_of_its_own_for_the_program() {
        let arrives = |line: &str| core(line).on_signal(arrival(libc::SIGTSTP)).to_vec();
        let send = |number, target| Action::Send { signal: Signal::new(number).expect("a signal"), target };
        let (program, group) = (Target::Program, Target::Group);
        assert_eq!(arrives("dumb-init true"), [send(libc::SIGSTOP, group), Action::Suspend]);
        assert_eq!(arrives("dumb-init -c true"), [send(libc::SIGTSTP, program), Action::Suspend]);
        assert_eq!(arrives("epitaph -c true"), [send(libc::SIGTSTP, program), Action::Suspend]);
        assert_eq!(arrives("epitaph true"), [send(libc::SIGTSTP, program)]);
        assert_eq!(arrives("dumb-init -r TSTP:0 true"), [Action::Suspend]);
        assert_eq!(arrives("dumb-init -r TSTP:TERM true").last(), Some(&Action::Suspend));
        let own = arrives("dumb-init -r TSTP:TSTP true");
        assert_eq!(own, [send(libc::SIGTSTP, group), Action::Suspend]);
    }

    #[test]
    fn pause_ends_on_sigterm_and_sigint_alone() {
        let mut core = core("epitaph -P");
        for other in [libc::SIGUSR1, libc::SIGHUP, libc::SIGQUIT] {
            assert_eq!(core.on_signal(arrival(other)).to_vec(), []);
        }
        assert_eq!(core.on_signal(arrival(15)).to_vec(), [Action::EndPause]);
        assert_eq!(core.on_signal(arrival(2)).to_vec(), [Action::EndPause]);
    }
}
