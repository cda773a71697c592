//! Which lives a command is about, and what has to be read for them.

use super::case::{Case, Life};
use super::cli::Format;
use super::gather::Keep;
use super::meant::is_meant;
use super::session::Session;
use super::show::count;
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
    let meant: Vec<&Life> = case.lives.iter().filter(|life| is_meant(&who, life)).collect();
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
        let begun = life.begun().or(life.at()).is_some_and(|begun| begun <= to);
        begun && life.at().is_some_and(|at| at >= from)
    };
    Ok((lives.filter(was_there).collect(), (Some(from), Some(to))))
}

/// From when on files are read, where that is enough: `--around` looks for somebody at any time, and
/// certificates tell of earlier lives.
pub fn since(session: &Session<'_>) -> Option<i64> {
    let all = session.common.around.is_some() || session.common.format == Format::Html;
    session.filter.since.filter(|_| !all)
}

/// What is kept of records for this form: a page has certificates, and the standard input is read once.
pub fn keep(format: Format) -> &'static Keep {
    match format {
        Format::Html => &Keep::Shown,
        _ => &Keep::Nothing,
    }
}
