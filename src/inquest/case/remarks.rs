//! What is not to be overlooked beside a verdict: where witnesses and records disagree, what a good end
//! hides, and that two containers tell the same identity.

use super::claims::{doubles, other_name};
use super::event::Exit;
use super::filter::is_good;
use super::life::Life;
use super::remark::Remark;
use super::sighting::Said;
use super::word::{self, exits};
use crate::inquest::time::span;
use crate::inquest::witness::{EXEC, OomKill, OomScope, What, WitnessKind};

/// Adds to each life what is to be remarked on it.
pub fn remark(lives: &mut [Life]) {
    let mut doubles = doubles(lives);
    for (place, life) in lives.iter_mut().enumerate() {
        let mut remarks = Vec::new();
        remarks.extend(doubles.remove(&place));
        remarks.extend(other_name(life));
        if let Some(exit) = life.exit() {
            remarks.extend(other_codes(life, &exit));
            let kill = kernel_kill(life, &exit).or_else(|| engine_oom(life, &exit));
            remarks.extend(kill.or_else(|| counted_kills(life, &exit)));
            remarks.extend(failed_stop(&exit));
            remarks.extend(exec_before(life, &exit));
            remarks.extend(code_of_child(&exit));
        }
        if !remarks.is_empty() {
            life.rare().remarks = remarks.into_boxed_slice();
        }
    }
}

/// How far an exec may be before the end that it may be the reason of, in milliseconds.
const EXEC_BEFORE: i64 = 10_000;

/// Exit codes of others that are not the record's.
fn other_codes(life: &Life, exit: &Exit) -> Vec<Remark> {
    let Some(own) = exit.code() else { return Vec::new() };
    let mut remarks: Vec<Remark> = Vec::new();
    let mut heard: Vec<WitnessKind> = Vec::new();
    for (said, exit) in exits(life).filter(|(said, _)| !said.unconfirmed) {
        let kind = said.statement.kind;
        let Some(code) = exit.code.filter(|_| !heard.contains(&kind)) else { continue };
        heard.push(kind);
        if code == own {
            continue;
        }
        let who = word::name(kind);
        let why = match (code, sigkill_after(life)) {
            (137, Some(after)) => format!(
                "the program had ended with {own}, and Docker's SIGKILL, {after} the exit record, met PID 1 (epitaph) before \
                 that had ended too"
            ),
            (137, None) => format!(
                "most likely the program had ended with {own}, and then SIGKILL met PID 1 (epitaph) before that had ended too; who sent it \
                 is not known here"
            ),
            _ => "epitaph's -e gives another code to the outside; where that is not set, one of the two is not true"
                .to_owned(),
        };
        let text = format!("The exit record says exit code {own}, {who} says {code}: {why}.");
        remarks.push(Remark::grave(&text, Some(said.place)));
    }
    remarks
}

/// How long after the exit record, or before it, the engine was told to send SIGKILL.
fn sigkill_after(life: &Life) -> Option<String> {
    let end = life.ended()?;
    let kills = life.said.iter().filter(|said| {
        said.statement.kind == WitnessKind::Docker
            && !said.unconfirmed
            && matches!(said.statement.what, What::KillSignal { signal: 9 })
    });
    // One that PID 1 has outlived by more than it takes to tell of it explains nothing.
    let at = kills.filter_map(Said::at).filter(|at| *at >= end - 1_000).min_by_key(|at| (at - end).abs())?;
    Some(if at >= end { format!("{} after", span(at - end)) } else { format!("{} before", span(end - at)) })
}

/// A time beside the end of the life.
fn beside_end(life: &Life, at: Option<i64>) -> String {
    match (life.died(), at) {
        (Some(end), Some(at)) if at <= end => format!(", {} before the end", span(end - at)),
        (Some(end), Some(at)) => format!(", {} after the exit record", span(at - end)),
        _ => String::new(),
    }
}

/// Whether the verdict is that the OOM killer took the program.
fn is_oom_killed(exit: &Exit) -> bool {
    exit.verdict.as_deref() == Some("oom_killed")
}

/// An OOM kill that the kernel's log has, and the verdict is another one.
fn kernel_kill(life: &Life, exit: &Exit) -> Option<Remark> {
    if is_oom_killed(exit) {
        return None;
    }
    let kills: Vec<(&Said, &OomKill)> = life
        .said
        .iter()
        .filter(|said| !said.unconfirmed)
        .filter_map(|said| match &said.statement.what {
            What::OomKill(kill) => Some((said, kill)),
            _ => None,
        })
        .collect();
    let (said, kill) = kills.last()?;
    let who = match (&kill.name, kill.pid) {
        (Some(name), Some(pid)) => format!("\"{name}\" (pid {pid} on the host)"),
        (Some(name), None) => format!("\"{name}\""),
        (None, Some(pid)) => format!("pid {pid} on the host"),
        (None, None) => "a process".to_owned(),
    };
    let mut text = format!(
        "The kernel's log has an OOM kill in this container: {who}{}{}",
        beside_end(life, said.at()),
        limit_of(life, kill)
    );
    if let [_, _, ..] = kills.as_slice() {
        text.push_str(&format!("; it is the last of {}", kills.len()));
    }
    if life.memory().and_then(|memory| memory.oom_kills) == Some(0) {
        text.push_str("; oom_kills of its records is 0 and does not count it");
    }
    text.push('.');
    Some(Remark::grave(&text, Some(said.place)))
}

/// Whose limit the kill was for.
fn limit_of(life: &Life, kill: &OomKill) -> String {
    let id = life.container.as_deref().unwrap_or_default();
    match (kill.scope, kill.limit_memcg.as_deref()) {
        (OomScope::Machine, _) => ", since the machine itself ran out of memory".to_owned(),
        (OomScope::Cgroup, Some(path)) if !id.is_empty() => match path.split_once(id) {
            // `docker-ID.scope` is the container's own cgroup too.
            Some((_, below)) => match below.split_once('/') {
                Some((_, below)) if !below.is_empty() => {
                    format!(", for the limit of a cgroup below the container's: {below}")
                }
                _ => ", for the container's own limit".to_owned(),
            },
            None => format!(", for the limit of the cgroup {path}"),
        },
        _ => String::new(),
    }
}

/// An OOM that Docker tells of, and no record does.
fn engine_oom(life: &Life, exit: &Exit) -> Option<Remark> {
    if exit.verdict.as_deref().is_some_and(|verdict| verdict.starts_with("oom_")) {
        return None;
    }
    let said =
        life.said.iter().rev().filter(|said| !said.unconfirmed).find(|said| match &said.statement.what {
            What::Oom => true,
            What::ContainerExit(exit) => exit.oom_killed == Some(true),
            _ => false,
        })?;
    if life.memory().and_then(|memory| memory.oom_kills).is_some_and(|kills| kills > 0) {
        return None;
    }
    let at = if said.statement.what == What::Oom { beside_end(life, said.at()) } else { String::new() };
    let text = format!(
        "Docker says that the container met the OOM killer{at}, and no record counts a kill. Whom it took is not known here."
    );
    Some(Remark::grave(&text, Some(said.place)))
}

/// OOM kills that the records count, where the verdict tells of none.
fn counted_kills(life: &Life, exit: &Exit) -> Option<Remark> {
    if exit.verdict.as_deref().is_some_and(|verdict| verdict.starts_with("oom_"))
        || exit.why.contains("OOM killer")
    {
        return None;
    }
    let kills = life.memory().and_then(|memory| memory.oom_kills).filter(|kills| *kills > 0)?;
    let (processes, was) = if kills == 1 { ("process", "was") } else { ("processes", "were") };
    let text = format!(
        "{kills} {processes} of this container {was} taken by the kernel's OOM killer; the verdict speaks of the program alone."
    );
    Some(Remark::grave(&text, None))
}

/// The codes with which programs end that were stopped in order: 0, those of the signals that stop, and
/// SIGKILL.
const STOPPED: [i64; 6] = [0, 129, 130, 131, 137, 143];

/// A program that failed while it stopped.
fn failed_stop(exit: &Exit) -> Option<Remark> {
    let code = exit.code().filter(|code| !STOPPED.contains(code) && exit.signal.is_none())?;
    let stopped = matches!(exit.verdict.as_deref(), Some("stopped" | "expired"));
    (stopped && code < 128 && !exit.why.contains("failed while it stopped")).then(|| {
        let text =
            format!("It ended with exit code {code} after it was told to stop: it failed while it stopped.");
        Remark::new(&text, None)
    })
}

/// An exec with `kill` in its command shortly before an end by a signal.
fn exec_before(life: &Life, exit: &Exit) -> Option<Remark> {
    exit.signal.as_ref().filter(|_| !is_oom_killed(exit))?;
    let end = life.ended()?;
    let kills = |command: &str| {
        command
            .split(|letter: char| !letter.is_ascii_alphanumeric())
            .any(|word| ["kill", "pkill", "killall"].contains(&word))
    };
    let said = life.said.iter().rev().filter(|said| !said.unconfirmed).find(|said| {
        let near = said.at().is_some_and(|at| (0..EXEC_BEFORE).contains(&(end - at)));
        near && said.statement.text.strip_prefix(EXEC).is_some_and(kills)
    })?;
    let command = said.statement.text.strip_prefix(EXEC)?;
    let text = format!(
        "{} before the end a command with \"kill\" in it was started in the container (docker exec, or the engine's health \
         check): {command}",
        span(end - said.at()?),
    );
    let grave = !exit.verdict.as_deref().is_some_and(is_good);
    Some(Remark { grave, ..Remark::new(&text, Some(said.place)) })
}

/// An exit code that looks like a signal's, of a program that no signal has ended.
fn code_of_child(exit: &Exit) -> Option<Remark> {
    let signal = match exit.code()? {
        132 => "SIGILL",
        134 => "SIGABRT",
        135 => "SIGBUS",
        136 => "SIGFPE",
        137 => "SIGKILL",
        139 => "SIGSEGV",
        _ => return None,
    };
    let code = exit.code()?;
    exit.signal.is_none().then(|| {
        let text = format!(
            "No signal ended the program: {code} is the exit code that it chose. A shell does so where {signal} ended its last \
             command."
        );
        Remark::new(&text, None)
    })
}
