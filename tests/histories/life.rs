//! One life: the script is played in the simulated kernel, and epitaph's core is driven as the shell drives
//! it.

use crate::random::Random;
use crate::script::{Act, Habit, Script, Whom, script};
use crate::world::{Cause, INIT, KILL, PROGRAM, State, World};
use epitaph::forensics::{
    Counters, Expiry, Facts, Held, KillAfter, Kills, Outcome, Signal as Named, Stop, Verdict, judge,
};
use epitaph::options::{Command, Signal, parse};
use epitaph::supervise::core::helpers::Purpose;
use epitaph::supervise::core::kills::{Baseline, Kills as Counting};
use epitaph::supervise::core::{Action, Arrival, Core, Ending, Event, Order, Over, Sender};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long a helper may run, in milliseconds, as in the shell.
const HELPER_TIME: u64 = 1000;

/// What was told of a life, beside what was true.
pub struct Life {
    pub script: Script,
    pub world: World,
    pub core: Core,
    begin: Instant,
    random: Random,
    verbose: bool,
    signals: VecDeque<Arrival>,
    wake_at: Option<u64>,
    no_forks_until: u64,
    /// lines for the journal, in truth
    pub lines: Lines,
    /// kills that records have told of
    pub kills_told: u64,
    /// when epitaph sent signals to the program: (time, signal, accepted)
    pub sent: Vec<(u64, i32, bool)>,
    /// when the stuck record came, and how late
    pub stuck: Vec<(u64, bool)>,
    /// when the machine stood still
    pub frozen: Vec<(u64, u64)>,
    /// when signals arrived at epitaph, and whether at the program too
    pub arrived: Vec<(u64, i32, bool)>,
    /// when the life time was over
    pub expired: Option<u64>,
    pub wrong: Vec<String>,
    pub end: Option<End>,
}

#[derive(Default)]
pub struct Lines {
    pub queued: u64,
    pub waiting: u64,
    pub writing: u64,
    pub written: u64,
}

/// What the exit record says.
pub struct End {
    pub at: u64,
    pub verdict: Verdict,
    pub why: String,
    pub kills: Option<Kills>,
    pub lost: u64,
    /// lines that were neither written nor on their way then
    pub truly_lost: u64,
}

impl Life {
    pub fn play(seed: u64, verbose: bool) -> Life {
        let mut random = Random::new(seed);
        let script = script(&mut random);
        let mut line = vec!["epitaph".to_owned()];
        if let Some(after) = script.kill_after {
            line.extend(["--kill-after".to_owned(), format!("{after}ms")]);
        }
        for (name, time) in [
            ("--stop-delay", script.delay),
            ("--grace", script.grace),
            ("--drain", script.drain),
            ("--max-lifetime", script.lifetime),
        ] {
            line.extend(time.into_iter().flat_map(|time| [name.to_owned(), format!("{time}ms")]));
        }
        line.push("program".to_owned());
        let Command::Run(options) = parse(line.into_iter().map(Into::into).collect(), &|_| None) else {
            unreachable!()
        };
        let mut life = Life {
            core: Core::new(
                &options.supervision,
                options.records.stats.every,
                true,
                if script.is_pid_1 { INIT } else { 40 },
            ),
            script,
            world: World::new(),
            begin: Instant::now(),
            random,
            verbose,
            signals: VecDeque::new(),
            wake_at: None,
            no_forks_until: 0,
            lines: Lines::default(),
            kills_told: 0,
            sent: Vec::new(),
            stuck: Vec::new(),
            frozen: Vec::new(),
            arrived: Vec::new(),
            expired: None,
            wrong: Vec::new(),
            end: None,
        };
        life.run();
        life
    }

    pub fn verdict(&self) -> &'static str {
        self.end.as_ref().map_or("none", |end| end.verdict.name())
    }

    fn at(&self, ms: u64) -> Instant {
        self.begin + Duration::from_millis(ms)
    }

    fn ms(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.begin).as_millis()).unwrap()
    }

    fn tell(&self, what: impl std::fmt::Display) {
        if self.verbose {
            println!("{:>9} {what}", self.world.now);
        }
    }

    fn run(&mut self) {
        if self.verbose {
            println!("{:#?}", self.script);
        }
        self.handle(Event::Started { pid: PROGRAM });
        let counters = self.counters();
        let watched = self.script.watched;
        self.handle(Event::MemoryFound(Baseline { counters, watched, limited: true }));
        if self.random.chance(50) {
            let look_again = self.random.chance(50);
            self.handle(Event::Endpoint { look_again });
        }
        self.handle(Event::Executing);
        self.handle(Event::ReportClosed);
        if let Some(lifetime) = self.script.lifetime.map(Duration::from_millis) {
            self.handle(Event::Lifetime { lifetime, left: lifetime });
        }
        let mut acts: VecDeque<(u64, Act)> = std::mem::take(&mut self.script.acts).into();
        let last = acts.back().map_or(0, |(at, _)| *at);
        acts.push_back((last + 200_000, Act::Exits { whom: Whom::Program, code: 0 }));
        // One that ignores everything and waits in the kernel is killed at last.
        acts.push_back((last + 200_001, Act::Kill(Whom::Program)));
        while self.core.over().is_none() {
            let wake = self.next_wake();
            let act = acts.front().map_or(u64::MAX, |(at, _)| *at);
            let end = self.world.next_end().unwrap_or(u64::MAX);
            let now = wake.min(act).min(end).max(self.world.now);
            if now == u64::MAX {
                self.wrong.push("nothing happens any more".to_owned());
                return;
            }
            self.world.advance(now, &mut self.random);
            if now == act {
                let (_, act) = acts.pop_front().unwrap();
                self.act(act, &mut acts);
            } else if now >= wake {
                self.round();
            }
        }
        self.finish();
    }

    /// When epitaph runs next: some time after something has happened, or a deadline is over.
    fn next_wake(&mut self) -> u64 {
        let heard = self.world.has_sigchld
            || !self.signals.is_empty()
            || self.world.memory_changed && self.script.watched;
        if heard && self.wake_at.is_none() {
            let latency = self.random.one(&[0, 0, 0, 1, 2, 30]);
            self.wake_at = Some(self.world.now + latency);
        }
        // A deadline may lie between two milliseconds, and the clock here has whole ones.
        let whole = |at: Instant| self.ms(at + Duration::from_micros(999)).max(self.world.now);
        let deadline = self.core.next_deadline().map(whole);
        self.wake_at.into_iter().chain(deadline).min().unwrap_or(u64::MAX)
    }

    fn counters(&self) -> Counters {
        Counters { oom_kills: Some(self.world.counter), limit_hits: Some(0), high_hits: None }
    }

    fn act(&mut self, act: Act, acts: &mut VecDeque<(u64, Act)>) {
        self.tell(format_args!("{act:?}"));
        let now = self.world.now;
        match act {
            Act::Spawn { orphan, dies_with_parent } => {
                if self.world.get(PROGRAM).state == State::Runs {
                    let parent = if orphan { INIT } else { PROGRAM };
                    self.world.spawn(parent, dies_with_parent && !orphan, false);
                }
            }
            Act::Exits { whom, code } => {
                if let Some(pid) = self.find(whom) {
                    self.world.strike(pid, Ending::Exited(code), Cause::Itself, 0);
                }
            }
            Act::OomKill(whom) => {
                if let Some(pid) = self.find(whom) {
                    let after = self.time_to_die(pid);
                    self.world.oom_kill(pid, after);
                }
            }
            Act::OomGroup => {
                let all: Vec<i32> =
                    self.world.processes.iter().filter(|one| !one.is_helper).map(|one| one.pid).collect();
                for pid in all {
                    let after = self.time_to_die(pid);
                    self.world.oom_kill(pid, after);
                }
            }
            Act::Kill(whom) => {
                if let Some(pid) = self.find(whom) {
                    let after = self.time_to_die(pid);
                    self.world.strike(pid, Ending::Signaled(KILL), Cause::Another, after);
                }
            }
            Act::Signal { number, group } => {
                let signal = Signal::new(number).unwrap();
                self.signals.push_back(Arrival { signal, sender: Sender::Outside, at: self.at(now) });
                self.arrived.push((now, number, group));
                if group {
                    self.program_takes(number, true);
                }
            }
            Act::NoForks(time) => self.no_forks_until = now + time,
            Act::Freeze(time) => {
                // Nobody runs: all that is to come comes later.
                self.frozen.push((now, now + time));
                for (at, _) in acts.iter_mut() {
                    *at += time;
                }
                for process in &mut self.world.processes {
                    if let State::Dies { at, .. } = &mut process.state {
                        *at += time;
                    }
                }
                self.wake_at = Some(now + time);
                self.world.now = now + time;
            }
            Act::Storm(count) => {
                for _ in 0..count {
                    let pid = self.world.spawn(INIT, false, false);
                    self.world.strike(pid, Ending::Exited(0), Cause::Itself, 0);
                }
            }
            Act::Resolved => {
                if self.core.helpers.any(Purpose::Identity) {
                    self.handle(Event::Resolved);
                }
            }
        }
    }

    fn find(&mut self, whom: Whom) -> Option<i32> {
        match whom {
            Whom::Program => (self.world.get(PROGRAM).reaped_at.is_none()).then_some(PROGRAM),
            Whom::Worker => self.world.find(&mut self.random, |one| one.parent == PROGRAM),
            Whom::Orphan => self
                .world
                .find(&mut self.random, |one| one.parent == INIT && one.pid != PROGRAM && !one.is_helper),
            Whom::Helper => self.world.find(&mut self.random, |one| one.is_helper),
        }
    }

    fn time_to_die(&mut self, pid: i32) -> u64 {
        if pid == PROGRAM && self.script.slow { 8000 } else { self.random.one(&[0, 0, 1, 5, 40]) }
    }

    /// The program gets a signal that is not SIGKILL.
    fn program_takes(&mut self, number: i32, together: bool) {
        let cause = Cause::Signal { number, together };
        match self.script.habit {
            Habit::Ignores => {}
            Habit::Dies => self.world.strike(PROGRAM, Ending::Signaled(number), cause, 0),
            Habit::Exits { code, after } => self.world.strike(PROGRAM, Ending::Exited(code), cause, after),
        }
        let now = self.world.now;
        self.world.advance(now, &mut self.random);
    }

    /// One round of the loop, in the shell's order.
    fn round(&mut self) {
        self.wake_at = None;
        self.reap();
        for _ in 0..8 {
            let Some(arrival) = self.signals.pop_front() else { break };
            self.handle(Event::Signal(arrival));
        }
        if std::mem::take(&mut self.world.memory_changed) && self.script.watched {
            self.handle(Event::MemoryChanged);
        }
        self.handle(Event::Time);
        let now = self.at(self.world.now);
        if self.core.over().is_none()
            && let Some(due) = self.core.next_deadline().filter(|due| *due <= now)
        {
            // More than one helper may be due; each round ends one.
            let helpers = self.core.helpers.pids().count();
            if helpers < 2 {
                self.wrong.push(format!("a deadline of {} is still in the past", self.ms(due)));
            }
        }
    }

    fn reap(&mut self) {
        if std::mem::take(&mut self.world.has_sigchld) {
            for count in 0.. {
                let Some(child) = self.world.reap() else { break };
                self.tell(format_args!("reaped {child:?}"));
                self.handle(Event::Reaped(child));
                if child.pid == PROGRAM || count == 255 {
                    self.world.has_sigchld = true;
                    break;
                }
            }
        }
    }

    fn handle(&mut self, event: Event) {
        let now = self.at(self.world.now);
        for action in self.core.step(now, event) {
            if let Some(result) = self.carry_out(action) {
                self.handle(result);
            }
        }
    }

    fn carry_out(&mut self, action: Action) -> Option<Event> {
        self.tell(format_args!("    {action:?}"));
        let now = self.world.now;
        match action {
            Action::Send { signal, order, .. } => {
                if self.world.get(PROGRAM).reaped_at.is_some() {
                    self.wrong.push(format!("{signal} was sent to a process that was reaped"));
                }
                let refused = self.script.refuses.then_some(libc::EPERM);
                self.sent.push((now, signal.number(), refused.is_none()));
                if refused.is_none() && order == Order::Kill {
                    let after = self.time_to_die(PROGRAM);
                    self.world.strike(PROGRAM, Ending::Signaled(KILL), Cause::Epitaph, after);
                } else if refused.is_none() {
                    self.program_takes(signal.number(), false);
                }
                Some(Event::Sent { order, refused })
            }
            Action::RecordStuck { late } => {
                self.stuck.push((now, late.is_some()));
                let time = self.random.one(&[1, 20]);
                Some(self.start(Purpose::Record, 3000, Some((time, 0))))
            }
            Action::RecordKill { new, .. } => {
                self.kills_told += new;
                self.line()
            }
            Action::SendToAll { signal } => {
                if self.end_of_program().is_none() {
                    self.wrong.push(format!("{signal} was sent to all while the program ran"));
                }
                let all: Vec<i32> = self.rest().collect();
                for pid in all {
                    if self.random.chance(70) {
                        let after = self.random.one(&[0, 5, 800]);
                        self.world.strike(pid, Ending::Exited(0), Cause::Itself, after);
                    }
                }
                None
            }
            Action::RecordLifetime { .. } => {
                if self.expired.replace(now).is_some() {
                    self.wrong.push("the life time was over twice".to_owned());
                }
                self.line()
            }
            Action::RecordSignal(_)
            | Action::RecordStuckAlone { .. }
            | Action::RecordPressure
            | Action::RecordStats
            | Action::RecordIdentity => self.line(),
            Action::CountKills | Action::CountSampledKills => Some(Event::Counted(self.counters().into())),
            Action::LookAtProgram => Some(Event::ProgramSeen(self.is_dying(PROGRAM))),
            Action::SearchIdentity => Some(self.start(Purpose::Identity, 310_000, None)),
            Action::Append => {
                let ends = match self.random.below(20) {
                    0 => None,
                    1 => Some((5, 1)),
                    _ => Some((self.random.below(20), 0)),
                };
                let event = self.start(Purpose::Journal, HELPER_TIME, ends);
                if matches!(event, Event::HelperStarted { .. }) {
                    self.lines.writing = std::mem::take(&mut self.lines.waiting);
                }
                Some(event)
            }
            Action::TakeLinesBack => {
                self.lines.waiting += std::mem::take(&mut self.lines.writing);
                None
            }
            Action::AppendEnded { is_done, .. } => {
                let lines = std::mem::take(&mut self.lines.writing);
                self.lines.written += if is_done { lines } else { 0 };
                None
            }
            Action::EndHelper { pid } => {
                if self.world.get(pid).reaped_at.is_some() {
                    self.wrong.push(format!("helper {pid} was killed after it was reaped"));
                }
                let was_ending = self.is_dying(pid) == Some(true);
                self.world.strike(pid, Ending::Signaled(KILL), Cause::Epitaph, 0);
                was_ending.then_some(Event::HelperWasEnding { pid })
            }
            Action::LookAgain | Action::LookAtStop => {
                let ends = self.random.chance(80).then(|| (self.random.below(1500), 0));
                Some(self.start(Purpose::Look, 1500, ends))
            }
            Action::WarnKillRefused { .. } | Action::Suspend => None,
        }
    }

    /// What /proc tells of a process.
    fn is_dying(&self, pid: i32) -> Option<bool> {
        match self.world.get(pid).state {
            _ if !self.script.proc => None,
            State::Runs => Some(false),
            State::Dies { ending, .. } => Some(ending == Ending::Signaled(KILL)),
            State::Zombie(_) | State::Gone => None,
        }
    }

    fn line(&mut self) -> Option<Event> {
        if !self.script.journal {
            return None;
        }
        self.lines.queued += 1;
        self.lines.waiting += 1;
        Some(Event::LineQueued)
    }

    /// A helper that ends after so many milliseconds with a code, or hangs.
    fn start(&mut self, purpose: Purpose, time: u64, ends: Option<(u64, i32)>) -> Event {
        if self.world.now < self.no_forks_until {
            return Event::HelperMissing(purpose);
        }
        let pid = self.world.spawn(INIT, true, true);
        if let Some((after, code)) = ends {
            // It can still be killed until then.
            self.world.strike(pid, Ending::Exited(code), Cause::Itself, after);
        }
        Event::HelperStarted { purpose, pid, deadline: Some(self.at(self.world.now + time)) }
    }

    /// The end, in the order of `end.rs`.
    fn finish(&mut self) {
        let Some((over, end)) = self.core.over() else { return };
        self.tell(format_args!("over: {over:?}"));
        self.world.has_sigchld = true;
        self.reap();
        for purpose in [Purpose::Identity, Purpose::Look] {
            for action in self.core.helpers.end(purpose) {
                if let Some(event) = self.carry_out(action) {
                    self.handle(event);
                }
            }
        }
        while let Some(arrival) = self.signals.pop_front() {
            self.handle(Event::Signal(arrival));
        }
        self.go_on(100, |life| !life.core.helpers.any(Purpose::Record));
        for action in self.core.helpers.end(Purpose::Record) {
            self.carry_out(action);
        }
        self.core.helpers.give_up(Purpose::Record);
        let counters = self.counters();
        for action in self.core.step(end, Event::Counted(counters.into())) {
            self.carry_out(action);
        }
        if let Some(action) = self.core.kills.as_mut().and_then(Counting::record_now)
            && let Some(event) = self.carry_out(action)
        {
            self.handle(event);
        }
        let kills = self.core.kills.as_ref().and_then(|kills| kills.at_end(end));
        self.drain(over);
        let mut gave_up = 0;
        if self.core.journal.is_stalled() {
            self.go_on(1000, |life| !life.core.journal.is_stalled());
            if self.core.journal.is_stalled() {
                self.core.journal.give_up();
                gave_up = 1;
            }
        }
        let judgement = judge(&self.facts(over, end, kills));
        let on_the_way = if gave_up > 0 { 0 } else { self.lines.waiting + self.lines.writing };
        self.end = Some(End {
            at: self.ms(end),
            verdict: judgement.verdict,
            why: judgement.why,
            kills,
            lost: self.core.journal.lost() + gave_up,
            truly_lost: self.lines.queued - self.lines.written - on_the_way,
        });
    }

    /// `--drain`, as in `drain.rs`. Meanwhile the kernel may kill, and others may signal.
    fn drain(&mut self, over: Over) {
        let Some(time) = self.script.drain.filter(|_| matches!(over, Over::Ended(_))) else { return };
        if self.rest().next().is_none() {
            return;
        }
        self.handle(Event::Drain { time: Duration::from_millis(time) });
        // After the program's end.
        let begun = self.world.now + 1;
        self.world.advance(begun, &mut self.random);
        if self.random.chance(20)
            && let Some(pid) = self.find(Whom::Orphan)
        {
            self.world.oom_kill(pid, 0);
        }
        for _ in 0..self.random.one(&[0, 0, 1, 2]) {
            let signal = Signal::new(self.random.one(&[15, 2, 1])).unwrap();
            self.signals.push_back(Arrival { signal, sender: Sender::Outside, at: self.at(begun) });
        }
        let is_over = |life: &Life| life.core.drain.is_none_or(|drain| drain.is_over());
        self.go_on(time, |life| is_over(life) || life.rest().next().is_none());
        let is_cut = is_over(self) || self.rest().next().is_some();
        self.handle(if is_cut { Event::Time } else { Event::NobodyLeft });
        if !is_over(self) {
            self.wrong.push("the drain has no end".to_owned());
        }
        if self.world.now > begun + time + 30 {
            self.wrong.push(format!("the drain took {} ms", self.world.now - begun));
        }
        self.handle(Event::MemoryChanged);
        if let Some(action) = self.core.kills.as_mut().and_then(Counting::record_now)
            && let Some(event) = self.carry_out(action)
        {
            self.handle(event);
        }
    }

    fn end_of_program(&self) -> Option<Instant> {
        self.core.over().map(|(_, at)| at)
    }

    /// Those that are left, as far as epitaph can wait for them.
    fn rest(&self) -> impl Iterator<Item = i32> + '_ {
        let is_rest = |pid: &&i32| **pid != PROGRAM && !self.world.get(**pid).is_helper;
        self.world.children.iter().filter(is_rest).copied()
    }

    fn go_on(&mut self, time: u64, is_done: impl Fn(&Life) -> bool) {
        let deadline = self.world.now + time;
        while !is_done(self) && self.world.now < deadline {
            let now = self.world.now + 5;
            self.world.advance(now, &mut self.random);
            self.world.has_sigchld = true;
            self.round();
        }
    }

    fn facts(&self, over: Over, end: Instant, kills: Option<Kills>) -> Facts<'static> {
        let since = |at: Instant| end.saturating_duration_since(at);
        let named = |number| Named { number, name: "SIGNAL" };
        let outcome = match over {
            Over::Ended(child) => match child.ending {
                Ending::Exited(code) => Outcome::Exited(code),
                Ending::Signaled(number) => Outcome::Signaled(named(number)),
            },
            Over::KillRefused { .. } | Over::PauseEnded => Outcome::StillRuns,
        };
        Facts {
            executed: true,
            outcome,
            runtime: since(self.begin),
            stop: self.core.stops.current().map(|stop| Stop {
                signal: named(stop.signal.number()),
                before_end: since(stop.at),
                forwarded: stop.forwarded,
            }),
            refused: None,
            kill_after: self
                .core
                .stops
                .kill()
                .map(|kill| KillAfter { after: kill.after, refused: kill.refused.map(|_| "refused") }),
            other: None,
            before: None,
            after: None,
            kills,
            pids: None,
            is_alone: false,
            is_pid_1: true,
            left: None,
            held: self.core.stops.held().map(|held| Held {
                signal: named(held.sent.number()),
                time: since(held.arrival.at),
                released: held.released.is_some(),
            }),
            expiry: self
                .core
                .stops
                .expiry()
                .map(|expiry| Expiry { lifetime: expiry.lifetime, before_end: since(expiry.at) }),
            drained: None,
            victim: None,
        }
    }
}
