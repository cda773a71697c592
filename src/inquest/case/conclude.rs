//! What is concluded about an end of which there is no exit record: the table of docs/inquest.md, from top to
//! bottom.

use super::conclusion::{Conclusion, RECENT, Sure, TOGETHER, conclusion, said_by};
use super::event::Kind;
use super::life::{Life, Witnessed};
use super::lost::lost_instances;
use super::once::Once;
use super::sighting::Said;
use super::word::{by_word, exits};
use crate::inquest::text::Text;
use crate::inquest::time::span;
use crate::inquest::witness::{What, WitnessKind};

/// A stop that is older than this at the last sign was outlived, in milliseconds: ECS on Fargate grants 2
/// minutes at most.
const GRACE: i64 = 10 * 60_000;

/// Concludes on each of the lives, of which `newest` is the newest time in the heap.
pub fn conclude(lives: &mut [Life], newest: Option<i64>) {
    for life in lives.iter_mut() {
        if let Some(end) = witnessed(life)
            && life.exit().is_none()
        {
            life.rare().witnessed = Some(end);
        }
    }
    let lost = lost_instances(lives);
    for (life, lost) in lives.iter_mut().zip(lost) {
        life.conclusion = of(life, newest, lost);
    }
}

fn of(life: &Life, newest: Option<i64>, lost: Option<String>) -> Conclusion {
    if let Some(exit) = life.exit() {
        let word = exit.verdict.unwrap_or_else(|| Text::shared("unknown"));
        return Conclusion { word, sure: Sure::Yes, text: exit.why, ..Conclusion::default() };
    }
    let stop = stop_of(life);
    let next = || {
        let next = life.next_begun()?;
        let after = life
            .last_sign()
            .map_or(String::new(), |sign| format!(", {} after the last sign", span(next - sign)));
        let text = format!(
            "No exit record, and the same container was started again{after}. How it ended is not known."
        );
        Some(conclusion("ended", Sure::Yes, text))
    };
    by_oom_kill(life)
        .or_else(|| by_exit_137(life, stop.as_ref()?))
        // What is only likely gives way to the word of somebody who was there.
        .or_else(|| by_stop(life, stop.as_ref()?, newest))
        .or_else(|| by_pressure(life, newest))
        .or_else(|| by_word(life))
        .or_else(|| lost.map(|text| conclusion("lost", Sure::Likely, text)))
        .or_else(next)
        .or_else(|| still_running(life, newest))
        .unwrap_or_else(|| unknown(life))
}

/// When the container ended, by its engine's own log. ECS tells later, and when it heard of it.
fn witnessed(life: &Life) -> Option<Box<Witnessed>> {
    let by_engine = |said: &Said| said.statement.kind == WitnessKind::Docker && !said.unconfirmed;
    let (said, _) = exits(life).find(|(said, _)| by_engine(said))?;
    let time = said.statement.time?.as_millisecond();
    (life.last_sign().is_none_or(|sign| sign <= time))
        .then(|| Box::new(Witnessed { time, place: said.place }))
}

/// The last stop signal that the program was to get.
struct Stop {
    signal: String,
    time: i64,
    stuck: &'static str,
}

fn stop_of(life: &Life) -> Option<Stop> {
    let stop = life.last(&Kind::Stop)?;
    let event = stop.event();
    let signal = event.about.as_deref().unwrap_or("a stop signal").to_owned();
    let stuck = if life.has(&Kind::Stuck) { "; the stuck record shows what it waited for" } else { "" };
    Some(Stop { signal, time: event.time, stuck })
}

/// What a conclusion is followed by where the life may as well go on.
fn or_goes_on(life: &Life, newest: Option<i64>) -> &'static str {
    match (life.last_sign(), newest) {
        (Some(sign), Some(newest)) if life.next_begun().is_none() && newest - sign < RECENT => {
            " Or it still runs: its last sign is near the end of what is here."
        }
        _ => "",
    }
}

fn by_stop(life: &Life, stop: &Stop, newest: Option<i64>) -> Option<Conclusion> {
    // Who lives on for longer has outlived the stop, and an exit code says more than a guess.
    if life.last_sign()? - stop.time > GRACE || exits(life).next().is_some() {
        return None;
    }
    let text = format!(
        "No exit record, and {} came before: most likely PID 1 was killed by SIGKILL when the grace was over{}. \
         --kill-after, a little below the grace, brings the exit record.{}",
        stop.signal,
        stop.stuck,
        or_goes_on(life, newest)
    );
    Some(conclusion("killed", Sure::Likely, text))
}

/// Whether there is a start record, no other, and no later line of its log.
fn is_only_start(life: &Life) -> bool {
    let begun = life.records.iter().map(Once::time).max();
    life.has_start
        && life.records.iter().all(|record| record.kind() == Kind::Start)
        && life.last_sign() <= begun
}

/// Whether the program is PID 1, so that nobody is there who could write an exit record.
fn is_exec(life: &Life) -> bool {
    life.has_start && life.pid() == Some(1)
}

fn still_running(life: &Life, newest: Option<i64>) -> Option<Conclusion> {
    if is_only_start(life) {
        return None;
    }
    let recent = newest? - life.last_sign()? < RECENT;
    let text = "No exit record, and its log goes on to the end of what is here: it may still run.";
    recent.then(|| conclusion("running", Sure::No, text.to_owned()))
}

fn unknown(life: &Life) -> Conclusion {
    let text = if is_exec(life) {
        "The program was PID 1 itself (--exec), so there is nobody who could write an exit record. Whether and how it \
         ended cannot be told from what is here."
    } else if is_only_start(life) {
        "There is a start record and nothing more: it ran with --exec, which writes no exit record, or PID 1 was \
         killed, or it still runs. Which of them cannot be told from what is here."
    } else {
        "There is no exit record: PID 1 was killed, or the end of the log is not here."
    };
    conclusion("unknown", Sure::No, text.to_owned())
}

/// The kernel took a process of this container, and epitaph wrote no more.
fn by_oom_kill(life: &Life) -> Option<Conclusion> {
    let of_kernel = |said: &&Said| match &said.statement.what {
        What::OomKill(_) | What::OomGroup { .. } => {
            // An earlier kill, which epitaph survived, is told by a record of its own.
            match said.at() {
                Some(time) => life.last_sign().is_none_or(|sign| sign <= time + 2_000),
                // It may be the one that a record tells of, or one of another life.
                None => !life.has(&Kind::OomKill) && life.next_begun().is_none(),
            }
        }
        _ => false,
    };
    let confirmed = life.said.iter().rev().find(|said| of_kernel(said) && !said.unconfirmed);
    let said = confirmed.or_else(|| life.said.iter().rev().find(of_kernel))?;
    let victim = match &said.statement.what {
        What::OomKill(kill) => match (&kill.name, kill.group) {
            (Some(name), true) => format!(" took \"{name}\" with all of its group (memory.oom.group)"),
            (Some(name), false) => format!(" took \"{name}\""),
            (None, _) => String::new(),
        },
        _ => " was to take all of the group (memory.oom.group)".to_owned(),
    };
    let group = match &said.statement.what {
        What::OomKill(kill) => kill.group,
        _ => true,
    };
    let verb = if victim.is_empty() { " killed in this container" } else { "" };
    let text = format!(
        "The kernel's OOM killer{victim}{verb}, and there is no exit record: it took PID 1 too, or all of the container."
    );
    // Without PID 1 in between, a child may be taken and the program goes on.
    if is_exec(life) && !group && exits(life).next().is_none() {
        let text = format!(
            "The kernel's OOM killer{victim}{verb}. The program was PID 1 itself (--exec), so no exit record tells whether it \
             went on."
        );
        return Some(said_by(conclusion("oom", Sure::Likely, text), said));
    }
    Some(said_by(conclusion("oom", Sure::Yes, text), said))
}

fn by_exit_137(life: &Life, stop: &Stop) -> Option<Conclusion> {
    let (said, _) = exits(life).find(|(_, exit)| exit.code == Some(137))?;
    let after = said.at().and_then(|end| end.checked_sub(stop.time)).filter(|ms| *ms >= 0);
    // Who is killed long after a stop was not killed for it.
    if after.or_else(|| Some(life.last_sign()? - stop.time)).is_some_and(|ms| ms > GRACE) {
        return None;
    }
    let after = after.map_or(String::new(), |ms| format!(" {}", span(ms)));
    let text = format!(
        "PID 1 was killed by SIGKILL{after} after {} when the grace was over{}. Set --kill-after below the grace \
         (stopTimeout of ECS, -t of docker stop).",
        stop.signal, stop.stuck
    );
    Some(said_by(conclusion("killed", Sure::Yes, text), said).with_code(Some(137)))
}

fn by_pressure(life: &Life, newest: Option<i64>) -> Option<Conclusion> {
    let pressure = life.last(&Kind::MemoryPressure)?.time();
    if life.last_sign()? - pressure > TOGETHER {
        return None;
    }
    // SIGKILL goes with it, and any other word does not.
    let killed = exits(life).find(|(_, exit)| exit.code == Some(137) && exit.reason.is_none());
    if killed.is_none() && exits(life).next().is_some() {
        return None;
    }
    let goes_on = if killed.is_some() { "" } else { or_goes_on(life, newest) };
    let text = format!(
        "No exit record, and the memory limit was being hit shortly before the last sign: most likely the OOM killer took \
         all of the container (memory.oom.group), or PID 1.{goes_on}"
    );
    let mut conclusion = conclusion("oom", Sure::Likely, text);
    if let Some((said, _)) = killed {
        conclusion = said_by(conclusion, said).with_code(Some(137));
    }
    Some(conclusion)
}
