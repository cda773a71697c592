//! Everything after the program's end, in order.

use super::act::milliseconds;
use super::core::helpers::Purpose;
use super::core::kills::{Counted, Kills};
use super::core::stop::Other;
use super::core::{Child, Core, Ending, Event, Over, Sender};
use super::drain::Evidence;
use super::memory::{MemoryReader, counters_of, memory_value, pids_value};
use super::supervisor::Supervisor;
use super::table::Left;
use super::wait::Ears;
use super::{isolate, late, table};
use crate::forensics::{self, Facts, Judgement, Memory, Outcome, Pids, Verdict, judge};
use crate::identity::{System, local};
use crate::launch::NotStarted;
use crate::options::Signal;
use crate::record::{Kind, RenderedIdentity, Value, stats, stderr};
use crate::sys::{self, reason};
use nix::errno::Errno;
use nix::unistd::Pid;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long the end may wait for a stderr that is full.
const LAST_WORDS: Duration = Duration::from_millis(250);

/// How long the end may wait for a helper that makes a record.
const LAST_TABLE: Duration = Duration::from_millis(100);

/// How long the end may take to bring the journal to the disk.
const LAST_LINES: Duration = Duration::from_secs(1);

/// How often it tries to start a helper then.
const TRY_EVERY: Duration = Duration::from_millis(25);

/// How long the end may take to look for processes that are still there.
const LOOK_AROUND: Duration = Duration::from_millis(50);

/// How many readings of signals that were pending as the program ended are looked at, 8 signals each.
const PENDING_ROUNDS: usize = 8;

/// Does what is left to do, and returns the exit code.
///
/// Not inlined: the stack that it needs would be PID 1's for life.
#[inline(never)]
pub(super) fn end(supervisor: &mut Supervisor) -> u8 {
    let Some((over, at)) = supervisor.core.over() else { return 0 };
    let child = match over {
        Over::PauseEnded => {
            // The record of the life time, where that was why.
            try_journal(supervisor);
            drain(supervisor);
            finish_journal(supervisor);
            return 0;
        }
        Over::Ended(child) => Some(child),
        Over::KillRefused { .. } => None,
    };
    // What was under way, and can explain the end. A helper that the OOM killer took has to be reaped before
    // we kill it.
    supervisor.reap(None, at);
    end_helpers(supervisor, Purpose::Identity);
    end_helpers(supervisor, Purpose::Look);
    supervisor.read_uplinks(at);
    supervisor.read_report(at);
    look_at_pending_signals(supervisor);
    // What the program leaves behind in its session and on its terminal.
    if let Some(child) = child {
        release_session(supervisor, child.pid);
    }
    // What can still be learned.
    try_identity_once_more(supervisor, at);
    wait_for_record(supervisor);
    let memory = read_memory(supervisor, at);
    if let Some(action) = supervisor.core.kills.as_mut().and_then(Kills::record_now)
        && let Some(result) = supervisor.hands.act(action, &supervisor.core)
    {
        supervisor.handle(at, result);
    }
    let evidence = Evidence::take(supervisor, at, memory);
    if child.is_some() && supervisor.hands.not_started.is_none() {
        super::drain::drain(supervisor);
    }
    // What is written down.
    if let Some(event) = supervisor.hands.record_stats() {
        supervisor.handle(at, event);
    }
    try_journal(supervisor);
    drain(supervisor);
    let code = exit_code(child.as_ref(), supervisor.hands.not_started.as_ref());
    let fields = exit_fields(supervisor, over, at, code, &evidence);
    if let Some(event) = supervisor.hands.write(Kind::Exit, fields) {
        supervisor.handle(Instant::now(), event);
    }
    drain(supervisor);
    finish_journal(supervisor);
    super::drain::end_rest(supervisor);
    if supervisor.success_codes.contains(&code) { 0 } else { code }
}

/// No process could be started at all: tells so, as far as it goes without one, and returns the exit code.
#[inline(never)]
pub(super) fn without_program(supervisor: &mut Supervisor, error: &io::Error) -> u8 {
    const CODE: u8 = 1;
    supervisor.enter_supervision();
    let why = format!("cannot start a process: {}; is the process limit reached?", reason(error));
    log::error!("{why}");
    let system = System::of_process();
    let hands = &mut supervisor.hands;
    hands.identity = RenderedIdentity::of(&local(&system).identity, hands.formats());
    let exit = Value::Object(vec![
        ("code", Value::from(u64::from(CODE))),
        ("verdict", Verdict::NotStarted.name().into()),
        ("why", why.into()),
    ]);
    let _ = hands.write(Kind::Exit, vec![("exit", exit)]);
    stderr().write_alone();
    if let Some(queue) = &mut hands.journal {
        // There is nobody whom a slow disk could keep waiting.
        queue.append_alone(hands.identity.container_id());
    }
    CODE
}

fn end_helpers(supervisor: &mut Supervisor, purpose: Purpose) {
    for action in supervisor.core.helpers.end(purpose) {
        if let Some(event) = supervisor.hands.act(action, &supervisor.core) {
            supervisor.handle(Instant::now(), event);
        }
    }
}

/// Signals that were pending as the program was reaped may explain its end.
fn look_at_pending_signals(supervisor: &mut Supervisor) {
    for _ in 0..PENDING_ROUNDS {
        let Some(pending) = supervisor.ears.as_ref().map(Ears::pending) else { return };
        if pending.arrivals.is_empty() {
            return;
        }
        supervisor.act_on(&pending);
    }
}

fn release_session(supervisor: &Supervisor, program: i32) {
    if supervisor.terminates_rest
        // Nobody waits for them: this is a request to those that will outlive us. It is rewritten as one to
        // the program would have been.
        && let Some(signal) = supervisor.core.rewritten(Signal::TERM)
    {
        let _ = sys::kill(Pid::from_raw(-program), signal.number());
    }
    isolate::take_terminal_back(Pid::from_raw(program));
}

/// One last try before the exit record, unless somebody waits for our end.
fn try_identity_once_more(supervisor: &mut Supervisor, now: Instant) {
    if !supervisor.core.late.is_wanted() || supervisor.core.stops.is_in_a_hurry(now, late::LAST_TRY) {
        return;
    }
    let event = supervisor.hands.search_identity_once();
    supervisor.handle(now, event);
    supervisor.go_on_until(now + late::LAST_TRY, late::LAST_TRY, |supervisor| {
        supervisor.core.late.resolved || !supervisor.core.helpers.any(Purpose::Identity)
    });
    end_helpers(supervisor, Purpose::Identity);
}

/// What is being written of the time just before the end explains it best, and would end with us.
fn wait_for_record(supervisor: &mut Supervisor) {
    supervisor.go_on_until(Instant::now() + LAST_TABLE, LAST_TABLE, |supervisor| {
        !supervisor.core.helpers.any(Purpose::Record)
    });
    end_helpers(supervisor, Purpose::Record);
    supervisor.core.helpers.give_up(Purpose::Record);
}

/// The last reading, of which the core takes note too.
fn read_memory(supervisor: &mut Supervisor, at: Instant) -> Option<Memory> {
    // If the child has ended before it became the program, that has not been done yet.
    supervisor.confirm_memory(at);
    let memory = supervisor.hands.memory.as_ref().map(MemoryReader::read)?;
    let counters = counters_of(&memory);
    supervisor.handle(at, Event::Counted(Counted { counters, watch_is_gone: false }));
    Some(memory)
}

/// Lines that wait for a helper get one, now that the program's own processes have made room. What still
/// waits after that is lost, and the exit record has to say so.
fn try_journal(supervisor: &mut Supervisor) {
    if !supervisor.core.journal.is_stalled() {
        return;
    }
    let deadline = Instant::now() + LAST_LINES;
    supervisor.go_on_until(deadline, TRY_EVERY, |supervisor| !supervisor.core.journal.is_stalled());
    if supervisor.core.journal.is_stalled() {
        // The exit record's own line is lost there too.
        supervisor.core.journal.give_up();
        stderr().count_lost(1);
    }
}

/// Writes what waits for stderr, for a moment. A file is written to by a process of its own, one at a time.
fn drain(supervisor: &mut Supervisor) {
    let deadline = Instant::now() + LAST_LINES;
    let has_ended = |supervisor: &Supervisor| !supervisor.core.helpers.any(Purpose::Writer);
    supervisor.go_on_until(deadline, TRY_EVERY, has_ended);
    supervisor.write_to_file();
    // Where none can be started: tried again, as the program's own processes make room, and then done by PID
    // 1 itself.
    let is_missing = |supervisor: &Supervisor| stderr().wants_writer() && has_ended(supervisor);
    while is_missing(supervisor) && Instant::now() < deadline {
        let next = deadline.min(Instant::now() + TRY_EVERY);
        supervisor.go_on_until(next, TRY_EVERY, |_| false);
        supervisor.write_to_file();
    }
    if is_missing(supervisor) {
        stderr().write_alone();
    }
    stderr().drain(LAST_WORDS);
    supervisor.go_on_until(deadline, TRY_EVERY, has_ended);
}

fn finish_journal(supervisor: &mut Supervisor) {
    let deadline = Instant::now() + LAST_LINES;
    supervisor.go_on_until(deadline, TRY_EVERY, |supervisor| !supervisor.core.journal.is_busy());
    if supervisor.core.journal.is_busy() {
        end_helpers(supervisor, Purpose::Journal);
        if let Some(queue) = &mut supervisor.hands.journal {
            queue.ended(false, false);
        }
    }
}

/// The exit code of the container: the program's own, or 128 + n when signal n ended it.
fn exit_code(child: Option<&Child>, not_started: Option<&NotStarted>) -> u8 {
    let code = match (not_started, child.map(|child| child.ending)) {
        (Some(failure), _) => i32::from(failure.code),
        (None, Some(Ending::Exited(code))) => code,
        (None, Some(Ending::Signaled(signal))) => 128 + signal,
        (None, None) => 128 + libc::SIGKILL,
    };
    u8::try_from(code).unwrap_or(u8::MAX)
}

/// `exit` and `memory` of the exit record.
fn exit_fields(
    supervisor: &Supervisor,
    over: Over,
    at: Instant,
    code: u8,
    evidence: &Evidence,
) -> Vec<(&'static str, Value)> {
    let (core, hands) = (&supervisor.core, &supervisor.hands);
    let left = look_around(supervisor);
    let pids = hands.memory.as_ref().map(MemoryReader::pids);
    let judgement = match &hands.not_started {
        Some(failure) => Judgement { verdict: Verdict::NotStarted, why: failure.why.clone() },
        None => judge_end(supervisor, over, at, evidence, pids, &left),
    };
    let since = |moment: Instant| milliseconds(at.saturating_duration_since(moment));
    let mut exit = vec![("code", Value::from(u64::from(code)))];
    if let Over::Ended(Child { ending: Ending::Signaled(number), .. }) = over
        && let Some(signal) = Signal::new(number)
    {
        exit.push(("signal", Value::from(signal.to_string())));
    }
    if hands.core_dumped {
        exit.push(("core_dumped", Value::Flag(true)));
    }
    let is_oom = judgement.verdict == Verdict::OomKilled;
    let trend = hands.stats.as_ref().filter(|_| is_oom).and_then(|stats| stats::trend(stats.trend()));
    exit.push(("verdict", Value::from(judgement.verdict.name())));
    exit.push(("why", Value::from(judgement.why)));
    exit.push(("runtime_ms", since(hands.started)));
    if let Some(stop) = core.stops.current() {
        exit.push(("stop_signal", Value::from(stop.signal.to_string())));
        exit.push(("stop_ms", since(stop.at)));
    }
    if let Some(held) = core.stops.held() {
        let until = held.released.unwrap_or(at);
        exit.push(("held_ms", milliseconds(until.saturating_duration_since(held.arrival.at))));
    }
    if let Some(by) = hands.stopped_by.filter(|_| core.stops.current().is_some()) {
        exit.push(("stopped_by", Value::from(by.name())));
    }
    if let Some(other) = core.stops.last_other(at) {
        exit.push(("last_signal", Value::from(other.signal.to_string())));
        exit.push(("last_signal_ms", since(other.at)));
    }
    if let Some(usage) = hands.usage {
        exit.push(("user_ms", Value::from(usage.user_ms)));
        exit.push(("system_ms", Value::from(usage.system_ms)));
        exit.push(("max_rss", Value::from(usage.max_rss)));
    }
    exit.push(("reaped", Value::from(core.reaped())));
    if let Some(drain) = core.drain {
        exit.push(("drained", Value::from(drain.ended(core.reaped()))));
        exit.push(("drain_ms", milliseconds(drain.took())));
    }
    exit.extend(trend.map(|trend| ("memory_trend", trend)));
    add_left(supervisor, &left, &mut exit);
    let mut fields = vec![("exit", Value::Object(exit))];
    if let Some((memory, reader)) = evidence.memory.zip(hands.memory.as_ref()) {
        let memory = memory.since(&reader.before()).limited_to(hands.identity.task_memory_limit());
        fields.push(("memory", memory_value(&memory)));
    }
    fields.extend(pids.filter(|pids| *pids != Pids::default()).map(|pids| ("pids", pids_value(&pids))));
    fields
}

/// Who is still there.
///
/// Where nobody is left the process table need not be read. As PID 1 that is who ends with us, those too that
/// came into the namespace from outside; as a subreaper our children, among whom all orphans are by now.
fn look_around(supervisor: &Supervisor) -> Left {
    let own = table::own_pid();
    let is_anybody = if own == 1 { sys::is_anybody_else_here() } else { sys::has_children() };
    if !is_anybody {
        return Left::nobody();
    }
    let helpers: Vec<i32> = supervisor.core.helpers.pids().collect();
    Left::of(table::of_container(Path::new("/"), own, &helpers, LOOK_AROUND, false))
}

/// Who is still there, and what was lost.
fn add_left(supervisor: &Supervisor, left: &Left, exit: &mut Vec<(&'static str, Value)>) {
    let counts = [("left", left.living), ("left_zombies", left.others.filter(|others| *others > 0))];
    for (key, count) in counts {
        if let Some(count) = count.filter(|_| supervisor.setup.adopts) {
            exit.push((key, Value::from(count as u64)));
        }
    }
    let lost = stderr().lost_so_far() + supervisor.core.helpers.lost() + supervisor.core.journal.lost();
    exit.push(("records_lost", Value::from(lost)));
    if !left.processes.is_empty() {
        exit.push(("left_processes", table::value_with_age(&left.processes)));
    }
}

fn judge_end(
    supervisor: &Supervisor,
    over: Over,
    at: Instant,
    evidence: &Evidence,
    pids: Option<Pids>,
    left: &Left,
) -> Judgement {
    let (core, hands) = (&supervisor.core, &supervisor.hands);
    let task_limit = hands.identity.task_memory_limit();
    let victim = evidence.victim.as_ref();
    let names = Names::of(core, over, at);
    judge(&Facts {
        executed: core.late.executed,
        outcome: names.outcome(over),
        runtime: at.saturating_duration_since(hands.started),
        stop: names.stop(core, at),
        refused: names.refused(core, at),
        kill_after: core.stops.kill().map(|kill| forensics::KillAfter {
            after: kill.after,
            refused: kill.refused.map(|errno| Errno::from_raw(errno).desc()),
        }),
        other: names.other(core, at),
        before: hands.memory.as_ref().map(|memory| memory.before().limited_to(task_limit)),
        after: evidence.memory.map(|memory| memory.limited_to(task_limit)),
        held: names.held(core, at),
        expiry: core.stops.expiry().map(|expiry| forensics::Expiry {
            lifetime: expiry.lifetime,
            before_end: at.saturating_duration_since(expiry.at),
        }),
        drained: core.drain.map(|drain| forensics::Drained {
            ended: drain.ended(core.reaped()),
            took: drain.took(),
            complete: drain.is_complete(),
        }),
        pids,
        kills: evidence.kills,
        victim: victim.map(|victim| forensics::Victim {
            pid: victim.pid,
            command: if victim.is_helper {
                Some("epitaph")
            } else {
                victim.name.as_ref().map(|name| name.as_str())
            },
        }),
        is_alone: hands.has_waited == Some(false)
            && !hands.ignores_children
            && core.reaped() == 0
            && (left.living, left.others) == (Some(0), Some(0)),
        is_pid_1: table::own_pid() == 1,
        left: left.behind().map(|(count, largest)| forensics::LeftBehind {
            count,
            largest: (largest.pid, largest.name.as_str()),
        }),
    })
}

/// The names of the signals in the facts, which only point to them.
struct Names {
    outcome: Option<String>,
    stop: Option<String>,
    refused: Option<String>,
    other: Option<String>,
    held: Option<String>,
}

impl Names {
    fn of(core: &Core, over: Over, at: Instant) -> Names {
        let outcome = match over {
            Over::Ended(Child { ending: Ending::Signaled(number), .. }) => Signal::new(number),
            _ => None,
        };
        Names {
            outcome: outcome.map(|signal| signal.to_string()),
            stop: core.stops.current().map(|stop| stop.signal.to_string()),
            refused: core.stops.refused().map(|refused| refused.signal.to_string()),
            other: core.stops.last_other(at).map(|other| other.signal.to_string()),
            held: core.stops.held().map(|held| held.sent.to_string()),
        }
    }

    fn outcome(&self, over: Over) -> Outcome<'_> {
        match over {
            Over::Ended(Child { ending: Ending::Exited(code), .. }) => Outcome::Exited(code),
            Over::Ended(Child { ending: Ending::Signaled(number), .. }) => {
                let name = self.outcome.as_deref().unwrap_or("a signal");
                Outcome::Signaled(forensics::Signal { number, name })
            }
            Over::KillRefused { .. } | Over::PauseEnded => Outcome::StillRuns,
        }
    }

    fn stop(&self, core: &Core, at: Instant) -> Option<forensics::Stop<'_>> {
        let (stop, name) = core.stops.current().zip(self.stop.as_deref())?;
        Some(forensics::Stop {
            signal: forensics::Signal { number: stop.signal.number(), name },
            before_end: at.saturating_duration_since(stop.at),
            forwarded: stop.forwarded,
        })
    }

    fn refused(&self, core: &Core, at: Instant) -> Option<forensics::Refused<'_>> {
        let (refused, name) = core.stops.refused().zip(self.refused.as_deref())?;
        Some(forensics::Refused {
            signal: forensics::Signal { number: refused.signal.number(), name },
            before_end: at.saturating_duration_since(refused.at),
            reason: Errno::from_raw(refused.errno).desc(),
        })
    }

    fn held(&self, core: &Core, at: Instant) -> Option<forensics::Held<'_>> {
        let (held, name) = core.stops.held().zip(self.held.as_deref())?;
        let until = held.released.unwrap_or(at);
        Some(forensics::Held {
            signal: forensics::Signal { number: held.sent.number(), name },
            time: until.saturating_duration_since(held.arrival.at),
            released: held.released.is_some(),
        })
    }

    fn other(&self, core: &Core, at: Instant) -> Option<forensics::Other<'_>> {
        let (other, name) = core.stops.last_other(at).zip(self.other.as_deref())?;
        let Other { signal, sender, at: came } = other;
        Some(forensics::Other {
            signal: forensics::Signal { number: signal.number(), name },
            before_end: at.saturating_duration_since(came),
            from: match sender {
                Sender::Outside => " from outside",
                Sender::Terminal => " from the terminal",
                Sender::Inside(_) => " from inside",
                Sender::Unknown => "",
            },
        })
    }
}
