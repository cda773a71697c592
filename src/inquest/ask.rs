//! `inquest WHO`: what became of somebody.

use super::case::{Life, Said, is_good};
use super::cli::{Cli, Format};
use super::gather::Keep;
use super::run::{Heard, Outcome, Session, about, note};
use super::show::{self, Beside, Line, Style, count};
use super::sources::Sources;
use super::views;
use super::who::Who;
use std::collections::BTreeMap;

/// How many candidates are named where WHO may be several.
const CANDIDATES: usize = 10;

/// How many certificates follow a list.
const CERTIFICATES: usize = 3;

/// Whether `who` means this life.
pub fn is_meant(who: &Who, life: &Life) -> bool {
    let names: Vec<&str> =
        ["docker_name", "log_stream"].into_iter().filter_map(|key| life.get(key)).collect();
    who.matches(life.container.as_deref(), life.task.as_deref(), &names)
}

/// The task of a life, or its container where it has none.
fn owner(life: &Life) -> String {
    life.task.as_deref().or(life.container.as_deref()).unwrap_or("?").to_owned()
}

/// Answers; returns also whether all was read.
pub fn ask(session: &Session<'_>, cli: &Cli, argument: &str) -> Result<(Outcome, bool), String> {
    let who = Who::parse(argument)?;
    let heard = session.read(&Keep::Of(who.clone()))?;
    let mut lives: Vec<Life> = heard
        .case
        .lives
        .iter()
        .filter(|life| is_meant(&who, life) && session.filter.wants(life))
        .cloned()
        .collect();
    let mut strangers = about(&who, &heard.case.strangers);
    let mut owners: BTreeMap<String, Vec<&Life>> = BTreeMap::new();
    for life in &lives {
        owners.entry(owner(life)).or_default().push(life);
    }
    let others = strangers
        .iter()
        .filter_map(|said| said.statement.task_id.clone().or(said.statement.container_id.clone()));
    for owner in others {
        owners.entry(owner).or_default();
    }
    if owners.len() > 1 && !who.is_whole() {
        // With an owner by time, those of whom no record is here come first.
        let by_time = |(name, lives): &(&String, &Vec<&Life>)| {
            (lives.iter().filter_map(|life| life.at()).max(), (*name).clone())
        };
        let chosen = match (cli.first, cli.last) {
            (true, _) => owners.iter().filter(|(_, lives)| !lives.is_empty()).min_by_key(by_time),
            (_, true) => owners.iter().max_by_key(by_time),
            _ => None,
        };
        let Some((chosen, _)) = chosen else {
            candidates(session, argument, &owners);
            return Ok((Outcome::Ambiguous, heard.complete));
        };
        let chosen = chosen.clone();
        strangers.retain(|said| {
            said.statement.task_id.as_ref().or(said.statement.container_id.as_ref()) == Some(&chosen)
        });
        lives.retain(|life| owner(life) == chosen);
    }
    if lives.is_empty() && strangers.is_empty() {
        if !session.common.quiet {
            session.nothing(&heard, &format!("nothing about {argument}"));
        }
        return Ok((Outcome::Nothing, heard.complete));
    }
    if !session.common.quiet {
        session.complete_lines(&heard.entries, &mut lives);
        print(session, &heard, &lives, &strangers)?;
    }
    Ok((Outcome::Found, heard.complete))
}

/// Tells whom it may mean.
fn candidates(session: &Session<'_>, argument: &str, owners: &BTreeMap<String, Vec<&Life>>) {
    note(&format!(
        "{argument} may be {}: give more digits, or --first or --last",
        count(owners.len(), "task")
    ));
    for (id, lives) in owners.iter().take(CANDIDATES) {
        let last = lives.iter().max_by_key(|life| life.at());
        let label = last.and_then(|life| life.label()).unwrap_or_else(|| "no record here".to_owned());
        let seen = last.and_then(|life| life.at()).map_or(String::new(), |at| session.clock.long(at));
        let verdict = last.map_or(String::new(), |life| show::verdict(life).0);
        note(&format!("  {id}  {label}  {seen}  {verdict}"));
    }
    if owners.len() > CANDIDATES {
        note(&format!("  and {} more", owners.len() - CANDIDATES));
    }
}

fn print(session: &Session<'_>, heard: &Heard, lives: &[Life], strangers: &[&Said]) -> Result<(), String> {
    let sources = Sources::new(&heard.entries);
    let all: Vec<&Life> = lives.iter().collect();
    match session.common.format {
        Format::Html | Format::Svg if !all.is_empty() => {
            return views::picture(session, &all, heard, (None, None));
        }
        Format::Csv => return session.print_list(&all, heard),
        Format::Json => {
            let mut out = session.out();
            let name = |place| sources.byte(place);
            out.json(&show::certificate_json(&all, &heard.case, strangers, heard.complete, &name));
            return session.finish(out);
        }
        Format::Text | Format::Html | Format::Svg => {}
    }
    let name = |place| sources.name(place);
    let mut shown = all.clone();
    if all.len() > 1 {
        session.print_list(&all, heard)?;
        // Who ended badly is what is asked about; where nobody did, who ended last.
        shown.retain(|life| !life.verdict().is_some_and(is_good) && life.conclusion.word != "running");
        if shown.is_empty() {
            shown.extend(all.last());
        }
    }
    let beside = Beside::of(&heard.case.lives);
    let mut out = session.out();
    let hidden = shown.len().saturating_sub(CERTIFICATES);
    for (place, life) in shown.iter().take(CERTIFICATES).enumerate() {
        if place > 0 || all.len() > 1 {
            out.line(&Line::new());
        }
        let lines = show::certificate(life, &beside, &session.clock, &name);
        show::fold(lines, session.columns()).iter().for_each(|line| out.line(line));
    }
    if hidden > 0 {
        out.line(&Line::new());
        let text = format!("and {} that ended badly: ask for a container by its ID", count(hidden, "life"));
        out.line(&Line::of(Style::Dim, text));
    }
    if lives.is_empty() {
        let lines = show::stranger(strangers, &heard.case, &session.clock, &name);
        show::fold(lines, session.columns()).iter().for_each(|line| out.line(line));
    }
    session.finish(out)
}
