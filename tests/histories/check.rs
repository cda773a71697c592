//! Holds what was told of a life against what was true.

use crate::life::{End, Life};
use crate::world::{Cause, KILL, PROGRAM, Process, State};
use epitaph::forensics::Verdict;

/// How long epitaph may take to notice something, in milliseconds: its latency in the simulation, and a
/// round.
const SLACK: u64 = 100;

pub fn check(life: &Life) -> Result<(), String> {
    if let Some(wrong) = life.wrong.first() {
        return Err(wrong.clone());
    }
    let Some(end) = &life.end else { return Err("there is no exit record".to_owned()) };
    let told = format!("{} ({})", end.verdict.name(), end.why);
    let program = life.world.get(PROGRAM);
    let truth = format!("{:?} at {}, {:?}", program.cause, program.struck_at, program.state);
    verdict(life, end, program).map_err(|wrong| format!("{wrong}: told {told}, true {truth}"))?;
    if life.kills_told != life.world.counter {
        return Err(format!("{} kills were told of {}", life.kills_told, life.world.counter));
    }
    if end.lost < end.truly_lost {
        return Err(format!("{} lines were lost and {} were told", end.truly_lost, end.lost));
    }
    forwarding(life)?;
    after_a_freeze(life)
}

/// The verdict names the true cause; where it does not, nobody could have known.
fn verdict(life: &Life, end: &End, program: &Process) -> Result<(), String> {
    let ours = life.sent.iter().any(|(_, signal, accepted)| *signal == KILL && *accepted);
    let refused = life.sent.iter().any(|(_, signal, accepted)| *signal == KILL && !accepted);
    let verdict = end.verdict;
    // Slow and out of sight, it counts as spared.
    let out_of_sight = life.script.slow && !life.script.proc;
    match verdict {
        Verdict::KillAfter if !(ours || refused && life.script.is_pid_1) => {
            return Err("no SIGKILL was sent".to_owned());
        }
        Verdict::OomKilled if program.cause != Some(Cause::Oom) && !was_indistinguishable(life, end) => {
            return Err("the OOM killer did not take it".to_owned());
        }
        Verdict::OomChild if out_of_sight && program.cause == Some(Cause::Oom) => {}
        Verdict::OomChild if is_a_helper_dying(life, end.at) => {}
        Verdict::OomChild if !others_kills(life, end.at).any(|age| age <= 10_000 + look(life)) => {
            return Err("no other process was taken shortly before".to_owned());
        }
        Verdict::Killed | Verdict::Signaled if is_stop(program) => {
            return Err("it was stopped".to_owned());
        }
        Verdict::Expired if life.expired.is_none_or(|at| at > end.at) => {
            return Err("its life time was not over".to_owned());
        }
        Verdict::Stopped if !was_stopped(life, end.at) => return Err("nobody had stopped it".to_owned()),
        _ => {}
    }
    if program.cause == Some(Cause::Oom)
        && !matches!(verdict, Verdict::OomKilled | Verdict::KillAfter)
        && !out_of_sight
        && !is_confused(life)
        && matches!(program.state, State::Gone)
    {
        return Err("the OOM killer took it".to_owned());
    }
    let is_failed = matches!(verdict, Verdict::Failed | Verdict::Killed);
    // While the machine stood still a helper was taken: which of two kills that was nobody knows.
    let is_mixed = frozen(life) > 0
        && life.world.processes.iter().any(|one| one.is_helper && one.cause == Some(Cause::Oom));
    if is_failed && !is_mixed && others_kills(life, end.at).any(|age| age <= 10_000) {
        return Err("another process was taken shortly before".to_owned());
    }
    Ok(())
}

/// Whether the program ended by a stop signal that came to it and to epitaph.
fn is_stop(program: &Process) -> bool {
    matches!(program.cause, Some(Cause::Signal { number: 15 | 2, .. }))
        && !matches!(program.state, State::Dies { .. })
}

/// A stop signal reached the program not too long before.
fn was_stopped(life: &Life, end: u64) -> bool {
    let lapse = life.script.kill_after.unwrap_or(0).max(120_000) + frozen(life) + SLACK;
    let is_near = |at: u64| end.saturating_sub(at) <= lapse;
    let sent =
        life.sent.iter().any(|(at, number, accepted)| matches!(number, 15 | 2) && *accepted && is_near(*at));
    sent || life.arrived.iter().any(|(at, number, together)| {
        matches!(number, 15 | 2) && (*together || end.abs_diff(*at) <= SLACK + frozen(life)) && is_near(*at)
    })
}

/// How long before the end other processes than the program and helpers were taken, in milliseconds.
fn others_kills(life: &Life, end: u64) -> impl Iterator<Item = u64> + '_ {
    let others = life.world.processes.iter().filter(|one| one.pid != PROGRAM && !one.is_helper);
    others
        .filter(move |one| one.cause == Some(Cause::Oom) && one.struck_at <= end)
        .map(move |one| end - one.struck_at)
}

/// Another process was taken, by the time at which the program was killed nobody could have seen that it had
/// been spared, and epitaph could not know whose kill it was.
fn was_indistinguishable(life: &Life, end: &End) -> bool {
    let program = life.world.get(PROGRAM);
    let told = end.kills.and_then(|kills| kills.earliest).map_or(0, |earliest| earliest.as_millis() as u64);
    let window = told.max(1000) + SLACK + frozen(life);
    let window = if life.script.proc { window } else { window + 5000 };
    life.world.processes.iter().any(|one| {
        let taken = one.pid != PROGRAM && one.cause == Some(Cause::Oom);
        // A program that takes long to die may have been killed before.
        let near = end.at.abs_diff(one.struck_at) <= window;
        // Reaped by epitaph while the program was not being killed, it is known.
        let is_known = one.reaped_at.is_some_and(|at| at < program.struck_at) && life.script.proc;
        let is_known = is_known || one.is_helper && one.reaped_at.is_some_and(|at| at < end.at);
        taken && near && !is_known
    })
}

/// A helper was taken, and nobody could see that it was the one: it had not ended when the program did, or
/// somebody killed another process in the same moment.
fn is_a_helper_dying(life: &Life, end: u64) -> bool {
    let all = &life.world.processes;
    let taken =
        all.iter().filter(|one| one.is_helper && one.cause == Some(Cause::Oom) && one.struck_at <= end);
    let killed = |at: u64| {
        all.iter().any(|one| {
            one.cause == Some(Cause::Another) && one.struck_at.abs_diff(at) <= SLACK + frozen(life)
        })
    };
    taken.into_iter().any(|one| one.reaped_at.is_none_or(|at| at >= end) || killed(one.struck_at))
}

/// Somebody killed a process in the moment in which the OOM killer took another: either may have been the
/// victim.
fn is_confused(life: &Life) -> bool {
    let all = &life.world.processes;
    let taken =
        all.iter().filter(|one| (one.pid != PROGRAM || !life.script.proc) && one.cause == Some(Cause::Oom));
    let killed = |at: u64| {
        all.iter().any(|one| {
            one.cause == Some(Cause::Another) && one.struck_at.abs_diff(at) <= SLACK + frozen(life)
        })
    };
    taken.into_iter().any(|one| killed(one.struck_at))
}

/// Each signal is forwarded once, to a program that is there.
fn forwarding(life: &Life) -> Result<(), String> {
    let is_other = |number: i32| !matches!(number, KILL | 15 | 2);
    let mut sent = life.sent.iter().filter(|(_, number, _)| *number != KILL).count();
    if sent > life.arrived.len() + usize::from(life.expired.is_some()) {
        return Err(format!("{sent} signals were sent of {} that arrived", life.arrived.len()));
    }
    let before_end = life.end.as_ref().map_or(0, |end| end.at.saturating_sub(SLACK + frozen(life)));
    let mut due = life.arrived.iter().filter(|(at, ..)| *at < before_end).count();
    if let Some(delay) = life.script.delay {
        held(life, before_end.saturating_sub(delay))?;
        // Of stop signals one may stand for two.
        sent = life.sent.iter().filter(|(_, number, _)| is_other(*number)).count();
        due = life.arrived.iter().filter(|(at, number, _)| *at < before_end && is_other(*number)).count();
    }
    if sent < due {
        return Err(format!("{sent} signals were sent of {due} that arrived in time"));
    }
    Ok(())
}

/// What was held is sent, and not before its time unless another one hurries it.
fn held(life: &Life, before: u64) -> Result<(), String> {
    let delay = life.script.delay.unwrap_or(0);
    let stops: Vec<u64> =
        life.arrived.iter().filter(|(_, number, _)| matches!(number, 15 | 2)).map(|(at, ..)| *at).collect();
    let sent: Vec<u64> =
        life.sent.iter().filter(|(_, number, _)| matches!(number, 15 | 2)).map(|(at, ..)| *at).collect();
    for at in stops.iter().filter(|at| **at < before) {
        if !sent.iter().any(|sent| sent >= at && *sent <= at + delay + SLACK + frozen(life)) {
            return Err(format!("the stop signal of {at} was not sent"));
        }
    }
    if let (Some(first), Some(sent)) = (stops.first(), sent.first())
        && stops.get(1).is_none_or(|second| second > sent)
        && life.expired.is_none_or(|at| at > *sent)
        && *sent < first + delay
    {
        return Err(format!("the stop signal of {first} was sent at {sent}"));
    }
    Ok(())
}

/// A program that stood still gets a second between the look at it and SIGKILL.
fn after_a_freeze(life: &Life) -> Result<(), String> {
    for (looked, late) in &life.stuck {
        let kill = life.sent.iter().find(|(at, number, _)| *number == KILL && at >= looked);
        if *late && kill.is_some_and(|(at, ..)| at - looked < 1000) {
            return Err(format!("killed {} ms after a late look", kill.unwrap().0 - looked));
        }
    }
    Ok(())
}

/// On v1 a kill is noticed at the next look, which is up to 10 s later.
fn look(life: &Life) -> u64 {
    let poll = if life.script.watched { 0 } else { 10_000 };
    poll + frozen(life) + SLACK
}

fn frozen(life: &Life) -> u64 {
    life.frozen.iter().map(|(from, to)| to - from).sum()
}
