//! The exit record: who is left, what was lost, and the verdict.

use super::names::Names;
use crate::forensics::{self, Facts, Judgement, Pids, Verdict, judge};
use crate::options::Signal;
use crate::record::{Value, stats, stderr};
use crate::supervise::act::milliseconds;
use crate::supervise::core::{Child, Ending, Over};
use crate::supervise::drain::Evidence;
use crate::supervise::memory::{MemoryReader, memory_value, pids_value};
use crate::supervise::supervisor::Supervisor;
use crate::supervise::table::{self, Left};
use crate::sys;
use nix::errno::Errno;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long the end may take to look for processes that are still there.
const LOOK_AROUND: Duration = Duration::from_millis(50);

/// `exit` and `memory` of the exit record.
pub(super) fn fields(
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

/// Who is still there: as PID 1 every process of the namespace, those from outside too; as a subreaper our
/// children, which all orphans are by now. Where nobody is left, the process table is not read.
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
