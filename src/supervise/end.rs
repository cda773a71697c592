//! Everything after the program's end, in order.

mod exit_record;
mod names;

use super::core::helpers::Purpose;
use super::core::kills::{Counted, Kills};
use super::core::{Child, Ending, Event, Over};
use super::drain::Evidence;
use super::memory::{MemoryReader, counters_of};
use super::supervisor::Supervisor;
use super::wait::Ears;
use super::{isolate, late};
use crate::forensics::{Memory, Verdict};
use crate::identity::{System, local};
use crate::launch::NotStarted;
use crate::options::Signal;
use crate::record::{Kind, RenderedIdentity, Value, stderr};
use crate::sys::{self, reason};
use nix::unistd::Pid;
use std::io;
use std::time::{Duration, Instant};

/// How long the end may wait for a stderr that is full.
const LAST_WORDS: Duration = Duration::from_millis(250);

/// How long the end may wait for a helper that makes a record.
const LAST_TABLE: Duration = Duration::from_millis(100);

/// How long the end may take to bring the journal to the disk.
const LAST_LINES: Duration = Duration::from_secs(1);

/// How often it tries to start a helper then.
const TRY_EVERY: Duration = Duration::from_millis(25);

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
    let fields = exit_record::fields(supervisor, over, at, code, &evidence);
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
        // As dumb-init does: the rest of the session is asked to end, and not waited for. `-r` applies.
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
