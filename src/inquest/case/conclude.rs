//! What is concluded about an end of which there is no exit record: the table of docs/inquest.md, from top to bottom.

use super::event::{Kind, Place, Said};
use super::lives::Life;
use crate::inquest::time::span;
use crate::inquest::witness::{ContainerExit, What, WitnessKind};

/// How sure a conclusion is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sure {
    /// the record or the witness says so
    Yes,
    /// another witness says so, and nothing of epitaph's own contradicts it
    Word,
    /// the most likely of several
    Likely,
    /// it cannot be known from what is here
    #[default]
    No,
}

impl Sure {
    /// The word in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Sure::Yes => "yes",
            Sure::Word => "witness",
            Sure::Likely => "likely",
            Sure::No => "no",
        }
    }
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Conclusion {
    /// one word: the verdict of the exit record, or `oom`, `killed`, `lost`, `ended`, `running`, `unknown`
    pub word: String,
    /// how sure it is
    pub sure: Sure,
    /// why, in a sentence or two
    pub text: String,
    /// who says so, where it is not epitaph
    pub witness: Option<WitnessKind>,
    /// where they say so
    pub place: Option<Place>,
    /// an exit code that only a witness tells
    pub code: Option<i64>,
}

/// Whatever ends within this time of another on the same instance may have ended with it, in milliseconds.
const TOGETHER: i64 = 60_000;

/// A log whose last line is no older than this, beside the newest line of the heap, may go on, in milliseconds.
const RECENT: i64 = 10 * 60_000;

/// Concludes on each of the lives, of which `newest` is the newest time in the heap.
pub fn conclude(lives: &mut [Life], newest: Option<i64>) {
    let lost = lost_instances(lives);
    for (life, lost) in lives.iter_mut().zip(lost) {
        life.conclusion = of(life, newest, lost);
    }
}

fn of(life: &Life, newest: Option<i64>, lost: Option<String>) -> Conclusion {
    if let Some(exit) = life.exit() {
        let word = exit.verdict.as_deref().unwrap_or("unknown").to_owned();
        return Conclusion { word, sure: Sure::Yes, text: exit.why.to_string(), ..Conclusion::default() };
    }
    let stop = life.last(&Kind::Stop);
    let stopped = stop.map(|stop| {
        let signal = stop.event.about.as_deref().unwrap_or("a stop signal");
        let stuck = if life.has(&Kind::Stuck) { "; the stuck record shows what it waited for" } else { "" };
        (signal.to_owned(), stuck)
    });
    by_oom_kill(life)
        .or_else(|| by_exit_137(life, stopped.as_ref()))
        .or_else(|| {
            let (signal, stuck) = stopped.as_ref()?;
            let text = format!(
                "No exit record, and {signal} came before: most likely PID 1 was killed by SIGKILL when the grace was \
                 over{stuck}. --kill-after, a little below the grace, brings the exit record."
            );
            Some(conclusion("killed", Sure::Likely, text))
        })
        .or_else(|| by_pressure(life))
        .or_else(|| lost.map(|text| conclusion("lost", Sure::Likely, text)))
        .or_else(|| by_word(life))
        .or_else(|| {
            let next = life.next?;
            let after = life.last_sign.map_or(String::new(), |sign| format!(", {} after the last sign", span(next - sign)));
            let text = format!("No exit record, and the same container was started again{after}. How it ended is not known.");
            Some(conclusion("ended", Sure::Yes, text))
        })
        .or_else(|| {
            let (sign, newest) = (life.last_sign?, newest?);
            let text = "No exit record, and its log goes on to the end of what is here: it may still run.".to_owned();
            (newest - sign < RECENT).then(|| conclusion("running", Sure::No, text))
        })
        .unwrap_or_else(|| {
            let only_start = life.has_start && life.records.iter().all(|record| record.event.kind == Kind::Start);
            let text = if only_start {
                "There is a start record and nothing more: it ran with --exec, which writes no exit record, or PID 1 was \
                 killed, or it still runs. Which of them cannot be told from what is here."
            } else {
                "There is no exit record: PID 1 was killed, or the end of the log is not here."
            };
            conclusion("unknown", Sure::No, text.to_owned())
        })
}

fn conclusion(word: &str, sure: Sure, text: String) -> Conclusion {
    Conclusion { word: word.to_owned(), sure, text, ..Conclusion::default() }
}

fn said_by(mut conclusion: Conclusion, said: &Said) -> Conclusion {
    conclusion.witness = Some(said.statement.kind);
    conclusion.place = Some(said.place);
    conclusion
}

/// The kernel took a process of this container, and epitaph wrote no more.
fn by_oom_kill(life: &Life) -> Option<Conclusion> {
    let of_kernel = |said: &&Said| match &said.statement.what {
        What::OomKill(_) | What::OomGroup { .. } => {
            // An earlier kill, which epitaph survived, is told by a record of its own.
            match said.at() {
                Some(time) => life.last_sign.is_none_or(|sign| sign <= time + 2_000),
                // It may be the one that a record tells of, or one of another life.
                None => !life.has(&Kind::OomKill) && life.next.is_none(),
            }
        }
        _ => false,
    };
    let said = life.said.iter().rev().find(of_kernel)?;
    let victim = match &said.statement.what {
        What::OomKill(kill) => match (&kill.name, kill.group) {
            (Some(name), true) => format!(" took \"{name}\" with all of its group (memory.oom.group)"),
            (Some(name), false) => format!(" took \"{name}\""),
            (None, _) => String::new(),
        },
        _ => " was to take all of the group (memory.oom.group)".to_owned(),
    };
    let verb = if victim.is_empty() { " killed in this container" } else { "" };
    let text = format!(
        "The kernel's OOM killer{victim}{verb}, and there is no exit record: it took PID 1 too, or all of the container."
    );
    Some(said_by(conclusion("oom", Sure::Yes, text), said))
}

/// How the container ended, by Docker's or ECS's word.
fn exits(life: &Life) -> impl Iterator<Item = (&Said, &ContainerExit)> {
    life.said.iter().rev().filter_map(|said| match &said.statement.what {
        What::ContainerExit(exit) if exit.code.is_some() || exit.reason.is_some() => Some((said, exit)),
        _ => None,
    })
}

fn by_exit_137(life: &Life, stopped: Option<&(String, &'static str)>) -> Option<Conclusion> {
    let (signal, stuck) = stopped?;
    let (said, _) = exits(life).find(|(_, exit)| exit.code == Some(137))?;
    let after = life.last(&Kind::Stop).and_then(|stop| {
        let end = said.at()?;
        Some(format!(" {} after {signal}", span(end.checked_sub(stop.event.time).filter(|ms| *ms >= 0)?)))
    });
    let text = format!(
        "PID 1 was killed by SIGKILL{} when the grace was over{stuck}. Set --kill-after below the grace (stopTimeout).",
        after.unwrap_or_else(|| format!(" after {signal}"))
    );
    let mut conclusion = said_by(conclusion("killed", Sure::Yes, text), said);
    conclusion.code = Some(137);
    Some(conclusion)
}

fn by_pressure(life: &Life) -> Option<Conclusion> {
    let pressure = life.last(&Kind::MemoryPressure)?.event.time;
    let sign = life.last_sign?;
    let text = "No exit record, and the memory limit was being hit shortly before the last sign: most likely the OOM \
                killer took all of the container (memory.oom.group), or PID 1.";
    (sign - pressure <= TOGETHER).then(|| conclusion("oom", Sure::Likely, text.to_owned()))
}

fn by_word(life: &Life) -> Option<Conclusion> {
    if let Some((said, exit)) = exits(life).next() {
        let code = exit.code.map(|code| format!("exit code {code}"));
        let reason = exit.reason.clone().filter(|reason| !reason.is_empty());
        let told: Vec<String> = code.into_iter().chain(reason).collect();
        let text = format!(
            "No exit record. {} says: {}.",
            name(said.statement.kind),
            told.join(", ").trim_end_matches('.')
        );
        let word = if exit.code == Some(137) { "killed" } else { "ended" };
        let mut conclusion = said_by(conclusion(word, Sure::Word, text), said);
        conclusion.code = exit.code;
        return Some(conclusion);
    }
    life.said.iter().rev().find_map(|said| {
        let What::TaskStopped(task) = &said.statement.what else { return None };
        let reason = task.stopped_reason.clone().or_else(|| task.stop_code.clone());
        let told = reason
            .map_or_else(|| "the task stopped".to_owned(), |reason| format!("the task stopped: {reason}"));
        let text =
            format!("No exit record. {} says: {}.", name(said.statement.kind), told.trim_end_matches('.'));
        Some(said_by(conclusion("ended", Sure::Word, text), said))
    })
}

/// The name of a witness in a sentence.
pub fn name(kind: WitnessKind) -> &'static str {
    match kind {
        WitnessKind::Kernel => "The kernel",
        WitnessKind::Docker => "Docker",
        WitnessKind::Ecs => "ECS",
        WitnessKind::Agent => "The ECS agent",
        WitnessKind::CloudTrail => "CloudTrail",
    }
}

/// For each life, what tells that its instance was lost: others of the same instance ended without an exit record at the
/// same time, none of them after a stop signal.
fn lost_instances(lives: &[Life]) -> Vec<Option<String>> {
    let open = |life: &Life| life.exit().is_none() && !life.has(&Kind::Stop) && life.next.is_none();
    let host = |life: &Life| life.get("instance_arn").map(str::to_owned);
    let mut ends: Vec<(String, i64, usize)> = lives
        .iter()
        .enumerate()
        .filter(|(_, life)| open(life))
        .filter_map(|(place, life)| Some((host(life)?, life.last_sign?, place)))
        .collect();
    ends.sort();
    let newest = lives.iter().filter_map(|life| life.at()).max();
    let mut lost: Vec<Option<String>> = vec![None; lives.len()];
    for run in ends.chunk_by(|(host, end, _), (other, later, _)| host == other && later - end <= TOGETHER) {
        let (Some((host, ..)), Some((_, last, _))) = (run.first(), run.last()) else { continue };
        // All that runs at the end of the heap would look so, and so would what somebody outlived.
        let outlived = lives
            .iter()
            .any(|life| life.get("instance_arn") == Some(host) && life.at() > Some(last + TOGETHER));
        if run.len() < 2 || outlived || newest.is_none_or(|newest| newest - last < RECENT) {
            continue;
        }
        let id = host.rsplit('/').next().unwrap_or(host);
        let others = run.len() - 1;
        let s = if others == 1 { "" } else { "s" };
        for (_, _, place) in run {
            if let Some(entry) = lost.get_mut(*place) {
                *entry = Some(format!(
                    "No exit record, and {others} other container{s} of the instance {id} ended within a minute, none after \
                     a stop signal: most likely the instance was lost."
                ));
            }
        }
    }
    lost
}
