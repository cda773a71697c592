//! Somebody of whom epitaph has written nothing that is here: what others said.

use super::out::{Line, Style};
use crate::inquest::case::{Case, Place, Said};
use crate::inquest::time::Clock;
use crate::inquest::witness::What;
use std::collections::BTreeSet;

/// The lines on what `said` tells; `name` tells where a place is.
pub fn stranger(said: &[&Said], case: &Case, clock: &Clock, name: &dyn Fn(Place) -> String) -> Vec<Line> {
    let row = |key: &str, text: String| {
        let key = if key.is_empty() { " ".repeat(16) } else { format!("{key:>14}: ") };
        Line::of(Style::Dim, key).and(Style::Plain, text)
    };
    let mut lines = Vec::new();
    let set = |of: &dyn Fn(&Said) -> Option<String>| {
        said.iter().filter_map(|said| of(said)).collect::<BTreeSet<String>>()
    };
    for task in set(&|said| said.statement.task_arn.clone().or_else(|| said.statement.task_id.clone())) {
        lines.push(row("Task", task));
    }
    for container in set(&|said| {
        let statement = &said.statement;
        let known = [statement.container_name.as_deref(), statement.container_id.as_deref()];
        let known: Vec<&str> = known.into_iter().flatten().collect();
        (!known.is_empty()).then(|| known.join("  "))
    }) {
        lines.push(row("Container", container));
    }
    for (key, value) in facts(said) {
        lines.push(row(key, value));
    }
    lines.push(row("Verdict", "none: epitaph wrote nothing that is here".to_owned()));
    let times = case.lives.iter().filter_map(|life| Some((life.begun().or(life.last_sign())?, life.at()?)));
    let covered = times.fold(None, |all: Option<(i64, i64)>, (begun, at)| {
        Some(all.map_or((begun, at), |(first, last)| (first.min(begun), last.max(at))))
    });
    if let Some((first, last)) = covered {
        lines.push(row(
            "Covered",
            format!("the records here are of {} to {}", clock.long(first), clock.long(last)),
        ));
    }
    let mut key = "Witnesses";
    for said in said {
        let statement = &said.statement;
        let time = statement.time.map_or_else(|| "at ?".to_owned(), |time| clock.long(time.as_millisecond()));
        let text = super::table::cut(&statement.text, 160) + said.mark();
        lines.push(row(key, format!("{:<7} {time}  {text}  {}", statement.kind.name(), name(said.place))));
        key = "";
    }
    lines
}

/// Revision, service and place of a task, where one of the statements tells them.
fn facts(said: &[&Said]) -> Vec<(&'static str, String)> {
    let states: Vec<_> = said
        .iter()
        .filter_map(|said| match &said.statement.what {
            What::TaskStopped(state) | What::TaskStatus(state) => Some(state),
            _ => None,
        })
        .collect();
    let first = |of: &dyn Fn(&crate::inquest::witness::TaskState) -> Option<String>| {
        states.iter().find_map(|state| of(state))
    };
    [
        ("Revision", first(&|state| state.task_definition.clone())),
        ("Service", first(&|state| state.service.clone())),
        ("Where", first(&|state| state.availability_zone.clone())),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some((key, value?)))
    .collect()
}
