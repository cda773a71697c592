//! Everything after the program's end, in order.

use super::core::helpers::Purpose;
use super::core::kills::{Counted, Kills};
use super::core::stop::Other;
use super::core::{Child, Core, Ending, Event, Over, Sender};
use super::memory::{MemoryReader, memory_value};
use super::{Supervisor, isolate, late, table};
use crate::forensics::{self, Counters, Facts, Judgement, Memory, Outcome, Verdict, judge};
use crate::identity::{System, local};
use crate::launch::NotStarted;
use crate::options::Signal;
use crate::record::{Kind, RenderedIdentity, Value, stderr};
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
        Over::PauseEnded => return 0,
        Over::Ended(child) => Some(child),
        Over::KillRefused { .. } => None,
    };
    // What was under way, and can explain the end. A helper that the OOM killer took has to be reaped before we kill it.
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
    // What is written down.
    if let Some(event) = supervisor.hands.record_stats() {
        supervisor.handle(at, event);
    }
    try_journal(supervisor);
    drain(supervisor);
    let code = exit_code(child.as_ref(), supervisor.hands.not_started.as_ref());
    let fields = exit_fields(supervisor, over, at, code, memory);
    if let Some(event) = supervisor.hands.write(Kind::Exit, fields) {
        supervisor.handle(Instant::now(), event);
    }
    drain(supervisor);
    finish_journal(supervisor);
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
        let Some(pending) = supervisor.ears.as_ref().map(super::Ears::pending) else { return };
        if pending.arrivals.is_empty() {
            return;
        }
        supervisor.act_on(&pending);
    }
}

fn release_session(supervisor: &Supervisor, program: i32) {
    if supervisor.terminates_rest
        // Nobody waits for them: this is a request to those that will outlive us. It is rewritten as one to the program
        // would have been.
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
    let counters = Counters { oom_kills: memory.oom_kills, limit_hits: memory.limit_hits };
    supervisor.handle(at, Event::Counted(Counted { counters, watch_is_gone: false }));
    Some(memory)
}

/// Lines that wait for a helper get one, now that the program's own processes have made room. What still waits after
/// that is lost, and the exit record has to say so.
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
    memory: Option<Memory>,
) -> Vec<(&'static str, Value)> {
    let (core, hands) = (&supervisor.core, &supervisor.hands);
    let judgement = match &hands.not_started {
        Some(failure) => Judgement { verdict: Verdict::NotStarted, why: failure.why.clone() },
        None => judge_end(supervisor, over, at, memory),
    };
    let since = |moment: Instant| ms(at.saturating_duration_since(moment));
    let mut exit = vec![("code", Value::from(u64::from(code)))];
    if let Over::Ended(Child { ending: Ending::Signaled(number), .. }) = over
        && let Some(signal) = Signal::new(number)
    {
        exit.push(("signal", Value::from(signal.to_string())));
    }
    let is_oom = judgement.verdict == Verdict::OomKilled;
    let trend = hands.stats.as_ref().filter(|_| is_oom).and_then(|stats| stats.trend().value());
    exit.push(("verdict", Value::from(judgement.verdict.name())));
    exit.push(("why", Value::from(judgement.why)));
    exit.push(("runtime_ms", since(hands.started)));
    if let Some(stop) = core.stops.current() {
        exit.push(("stop_signal", Value::from(stop.signal.to_string())));
        exit.push(("stop_ms", since(stop.at)));
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
    exit.extend(trend.map(|trend| ("memory_trend", trend)));
    add_left(supervisor, &mut exit);
    let mut fields = vec![("exit", Value::Object(exit))];
    if let Some((memory, reader)) = memory.zip(hands.memory.as_ref()) {
        let memory = memory.since(&reader.before()).limited_to(hands.identity.task_memory_limit());
        fields.push(("memory", memory_value(&memory)));
    }
    fields
}

/// Who is still there, and what was lost.
///
/// Where nobody is left the process table need not be read. As PID 1 that is who ends with us, those too that came into
/// the namespace from outside; as a subreaper our children, among whom all orphans are by now.
fn add_left(supervisor: &Supervisor, exit: &mut Vec<(&'static str, Value)>) {
    let own = table::own_pid();
    let anybody = if own == 1 { sys::is_anybody_else_here() } else { sys::has_children() };
    let helpers: Vec<i32> = supervisor.core.helpers.pids().collect();
    let (left, count) = if anybody {
        table::living_of_container(Path::new("/"), own, &helpers, LOOK_AROUND)
    } else {
        (Vec::new(), Some(0))
    };
    if let Some(count) = count.filter(|_| supervisor.setup.adopts) {
        exit.push(("left", Value::from(count as u64)));
    }
    let lost = stderr().lost_so_far() + supervisor.core.helpers.lost() + supervisor.core.journal.lost();
    exit.push(("records_lost", Value::from(lost)));
    if !left.is_empty() {
        exit.push(("left_processes", table::value(&left)));
    }
}

fn ms(duration: Duration) -> Value {
    Value::from(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

fn judge_end(supervisor: &Supervisor, over: Over, at: Instant, after: Option<Memory>) -> Judgement {
    let (core, hands) = (&supervisor.core, &supervisor.hands);
    let task_limit = hands.identity.task_memory_limit();
    let victim = core.kills.as_ref().and_then(Kills::last_other);
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
        after: after.map(|memory| memory.limited_to(task_limit)),
        kills: core.kills.as_ref().and_then(|kills| kills.at_end(at)),
        victim: victim.as_ref().map(|victim| forensics::Victim {
            pid: victim.pid,
            command: if victim.is_helper {
                Some("epitaph")
            } else {
                victim.name.as_ref().map(|name| name.as_str())
            },
        }),
    })
}

/// The names of the signals in the facts, which only point to them.
struct Names {
    outcome: Option<String>,
    stop: Option<String>,
    refused: Option<String>,
    other: Option<String>,
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
