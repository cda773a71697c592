//! `inquest WHO`: what became of somebody.

use super::again::complete_lines;
use super::case::{Life, Said, is_good};
use super::cli::{Cli, Format};
use super::gather::Keep;
use super::lives::print_list;
use super::meant::{about, is_meant};
use super::session::{Heard, Outcome, Session, note};
use super::show::{self, Beside, Line, Style, count};
use super::sources::Sources;
use super::views;
use super::who::Who;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// How many candidates are named where WHO may be several.
const CANDIDATES: usize = 10;

/// How many certificates follow a list.
const CERTIFICATES: usize = 3;

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
    // What was said of a container before the first of its lives that is here is about no other.
    let known: BTreeSet<&str> = lives.iter().filter_map(|life| life.container.as_deref()).collect();
    let of_others =
        |said: &&&Said| !said.statement.container_id.as_deref().is_some_and(|id| known.contains(id));
    let others = strangers
        .iter()
        .filter(of_others)
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
            candidates(session, argument, &who, &owners);
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
        // A name that only a witness tells was not known while the records were read.
        let by_witness = lives.iter().any(|life| {
            let own: Vec<&str> = life.own_names().collect();
            !who.matches(life.container.as_deref(), life.task.as_deref(), &own)
        });
        complete_lines(session, &heard, &mut lives, by_witness);
        print(session, &heard, &lives, &strangers)?;
    }
    Ok((Outcome::Found, heard.complete))
}

/// Tells whom it may mean.
fn candidates(session: &Session<'_>, argument: &str, who: &Who, owners: &BTreeMap<String, Vec<&Life>>) {
    let tasks = owners.values().flatten().all(|life| life.task.is_some());
    let give = if matches!(who, Who::Name(_)) { "one of these IDs" } else { "more digits" };
    note(&format!(
        "{argument} may be {}: give {give}, or --first or --last",
        count(owners.len(), if tasks { "task" } else { "container" })
    ));
    for (id, lives) in owners.iter().take(CANDIDATES) {
        let last = lives.iter().max_by_key(|life| life.at());
        let label = last.and_then(|life| life.label()).unwrap_or_else(|| "no record here".to_owned());
        let seen = last.and_then(|life| life.at()).map_or(String::new(), |at| session.clock.long(at));
        let verdict = last.map_or(Cow::default(), |life| show::verdict(life).0);
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
        Format::Csv => return print_list(session, &all, heard),
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
    let mut earlier = 0;
    if all.len() > 1 {
        print_list(session, &all, heard)?;
        (shown, earlier) = choose(&all);
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
        let text =
            format!("and {} more in the list above: ask for a container by its ID", count(hidden, "life"));
        out.line(&Line::of(Style::Dim, text));
    }
    if earlier > 0 {
        out.line(&Line::new());
        let text =
            format!("{} above: --until TIME shows the certificate of one", count(earlier, "earlier run"));
        out.line(&Line::of(Style::Dim, text));
    }
    if lives.is_empty() {
        let lines = show::stranger(strangers, &heard.case, &session.clock, &name);
        show::fold(lines, session.columns()).iter().for_each(|line| out.line(line));
    }
    session.finish(out)
}

/// Whose certificates follow a list: the newest run of each container, of those that ended badly or were
/// started again; where there is none of these, who ended last. And how many runs before those are in the
/// list alone.
fn choose<'a>(all: &[&'a Life]) -> (Vec<&'a Life>, usize) {
    let mut newest: HashMap<Option<&str>, (usize, usize)> = HashMap::new();
    for (place, life) in all.iter().enumerate() {
        let (last, runs) = newest.entry(life.container.as_deref()).or_insert((place, 0));
        *runs += 1;
        if all.get(*last).is_none_or(|other| other.begun() <= life.begun()) {
            *last = place;
        }
    }
    let of_interest = |place: usize, life: &Life| {
        // Lives without an ID may be anybody's.
        let Some((last, runs)) = newest.get(&life.container.as_deref()).filter(|_| life.container.is_some())
        else {
            return is_bad(life);
        };
        *last == place && (*runs > 1 || is_bad(life))
    };
    let mut shown: Vec<&Life> = all
        .iter()
        .enumerate()
        .filter(|(place, life)| of_interest(*place, life))
        .map(|(_, life)| *life)
        .collect();
    if shown.is_empty() {
        shown.extend(all.last());
    }
    // Who ended badly comes first, since not all may have room.
    shown.sort_by_key(|life| !is_bad(life));
    let ids = newest.iter().filter(|(id, _)| id.is_some());
    (shown, ids.map(|(_, (_, runs))| runs.saturating_sub(1)).sum())
}

/// Whether it ended badly, or something in it failed, whatever its verdict.
fn is_bad(life: &Life) -> bool {
    let good = life.verdict().is_some_and(is_good) || life.conclusion.word == "running";
    !good || life.has_grave_remark()
}
