//! The commands that show many lives at once, and whose: those that the filters leave, or those around one.

use super::ask;
use super::case::{Case, Life, Said};
use super::cli::{Format, Timeline};
use super::gather::Keep;
use super::run::{Outcome, Session};
use super::show::{self, Line, Style, count};
use super::time::duration;
use super::who::Who;

/// From when until when lives are shown, where that is asked for, in milliseconds since 1970.
pub type Window = (Option<i64>, Option<i64>);

/// The lives that are asked for.
///
/// # Errors
/// A sentence for the person, where `--around` means nobody or several.
pub fn wanted<'a>(session: &Session<'_>, case: &'a Case) -> Result<(Vec<&'a Life>, Window), String> {
    let filter = &session.filter;
    let lives = case.lives.iter().filter(|life| filter.wants(life));
    let Some(around) = &session.common.around else {
        return Ok((lives.collect(), (filter.since, filter.until)));
    };
    let who = Who::parse(around)?;
    let within = duration(&session.common.within)
        .and_then(|within| i64::try_from(within.as_millis()).ok())
        .ok_or_else(|| {
        format!("--within: no length of time {:?}: write 30s, 5m, 1h", session.common.within)
    })?;
    let meant: Vec<&Life> = case.lives.iter().filter(|life| ask::is_meant(&who, life)).collect();
    let owners: std::collections::BTreeSet<_> =
        meant.iter().map(|life| life.task.as_deref().or(life.container.as_deref())).collect();
    if owners.len() > 1 && !who.is_whole() {
        return Err(format!("--around: {around} may be {}: give more digits", count(owners.len(), "task")));
    }
    let ends = || meant.iter().filter_map(|life| life.at());
    let (Some(first), Some(last)) = (ends().min(), ends().max()) else {
        return Err(format!("--around: there is nothing about {around} here"));
    };
    let (from, to) = (first.saturating_sub(within), last.saturating_add(within));
    let was_there = |life: &&Life| {
        let begun = life.begun.or(life.at()).is_some_and(|begun| begun <= to);
        begun && life.at().is_some_and(|at| at >= from)
    };
    Ok((lives.filter(was_there).collect(), (Some(from), Some(to))))
}

/// `inquest timeline`
///
/// # Errors
/// A sentence for the person.
pub fn timeline(session: &Session<'_>, timeline: &Timeline) -> Result<(Outcome, bool), String> {
    let heard = session.read(&Keep::Nothing)?;
    let (lives, window) = wanted(session, &heard.case)?;
    let outcome = if lives.is_empty() { Outcome::Nothing } else { Outcome::Found };
    if session.common.quiet {
        return Ok((outcome, heard.complete));
    }
    match session.common.format {
        Format::Text if lives.is_empty() => session.nothing(&heard, "no life of a container"),
        Format::Text => {
            let said: Vec<&Said> = heard
                .case
                .general
                .iter()
                .chain(&heard.case.strangers)
                .chain(lives.iter().flat_map(|life| &life.said))
                .collect();
            let lines =
                show::timeline(&lives, &said, &session.clock, session.columns(), timeline.ascii, window);
            let mut out = session.out();
            lines.iter().for_each(|line| out.line(line));
            out.line(&Line::of(Style::Dim, session.sum(&lives)));
            session.finish(out)?;
        }
        Format::Json | Format::Csv => session.print_list(&lives, &heard)?,
    }
    Ok((outcome, heard.complete))
}
