//! What Docker and ECS say about an end of which there is no exit record.

use super::conclusion::{Conclusion, Sure, conclusion, said_by};
use super::life::Life;
use super::sighting::Said;
use crate::inquest::time::span;
use crate::inquest::witness::{ContainerExit, What, WitnessKind};

/// How the container ended, by Docker's or ECS's word, the surest and latest first.
pub fn exits(life: &Life) -> impl Iterator<Item = (&Said, &ContainerExit)> {
    let of = |unconfirmed: bool| {
        life.said.iter().rev().filter(move |said| said.unconfirmed == unconfirmed).filter_map(|said| {
            match &said.statement.what {
                What::ContainerExit(exit) if exit.code.is_some() || exit.reason.is_some() => {
                    Some((said, exit))
                }
                _ => None,
            }
        })
    };
    of(false).chain(of(true))
}

/// Their word is all that is known.
pub fn by_word(life: &Life) -> Option<Conclusion> {
    if let Some((said, exit)) = exits(life).next() {
        let code = exit.code.map(|code| format!("exit code {code}"));
        let reason = exit.reason.clone().filter(|reason| !reason.is_empty());
        let told: Vec<String> = code.into_iter().chain(reason).collect();
        let text = format!(
            "No exit record. {} says: {}.{}",
            name(said.statement.kind),
            told.join(", ").trim_end_matches('.'),
            kill(life, said.at()).unwrap_or_default()
        );
        let word = if exit.code == Some(137) { "killed" } else { "ended" };
        return Some(said_by(conclusion(word, Sure::Word, text), said).with_code(exit.code));
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

/// The SIGKILL that the engine has sent to PID 1 within the minute before the end.
fn kill(life: &Life, end: Option<i64>) -> Option<String> {
    let end = end?;
    let before =
        life.said.iter().filter(|said| !said.unconfirmed).filter_map(|said| match said.statement.what {
            What::KillSignal { signal: 9 } => {
                end.checked_sub(said.at()?).filter(|ms| (0..60_000).contains(ms))
            }
            _ => None,
        });
    let before = before.min()?;
    Some(format!(" Docker was told to send SIGKILL to PID 1, {} before that.", span(before)))
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
