//! The commands that show many lives at once, and whose: those that the filters leave, or those around one.

use super::ask;
use super::case::{Ahead, Case, Life, Said, all_ahead};
use super::cli::{Format, Stats, Timeline};
use super::gather::Keep;
use super::run::{Heard, Outcome, Session};
use super::show::{self, Beside, Incident, Line, Style, count};
use super::sources::Sources;
use super::stats;
use super::time::{duration, span};
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

/// `inquest timeline`
///
/// # Errors
/// A sentence for the person.
pub fn timeline(session: &Session<'_>, timeline: &Timeline) -> Result<(Outcome, bool), String> {
    let heard = session.read_since(keep(session.common.format), since(session))?;
    let (lives, window) = wanted(session, &heard.case)?;
    let outcome = if lives.is_empty() { Outcome::Nothing } else { Outcome::Found };
    if session.common.quiet {
        return Ok((outcome, heard.complete));
    }
    match session.common.format {
        Format::Text | Format::Html | Format::Svg if lives.is_empty() => {
            session.nothing(&heard, "no life of a container");
        }
        Format::Html | Format::Svg => picture(session, &lives, &heard, window)?,
        Format::Text => {
            let said = said(&heard.case, &lives);
            let lines =
                show::timeline(&lives, &said, &session.clock, session.columns(), timeline.ascii, window);
            let mut out = session.out();
            lines.iter().for_each(|line| out.line(line));
            out.line(&Line::of(Style::Dim, session.sum(&lives)));
            clocks(&lives).into_iter().for_each(|told| out.line(&Line::of(Style::Warn, told)));
            session.finish(out)?;
        }
        Format::Json | Format::Csv => session.print_list(&lives, &heard)?,
    }
    Ok((outcome, heard.complete))
}

/// What is kept of records for this form: a page has certificates, and the standard input is read once.
pub fn keep(format: Format) -> &'static Keep {
    match format {
        Format::Html => &Keep::Shown,
        _ => &Keep::Nothing,
    }
}

/// What is to be known of clocks, a sentence for each machine.
fn clocks(lives: &[&Life]) -> Vec<String> {
    let told = |ahead: Ahead| {
        format!(
            "The clock of {} is at least {} ahead (n = {}): a store had its records before they were written. Nothing is moved by it.",
            ahead.host,
            span(ahead.by),
            count(ahead.lives, "life")
        )
    };
    all_ahead(lives).into_iter().map(told).collect()
}

/// Everything that others said about these lives, and about nobody in particular.
fn said<'a>(case: &'a Case, lives: &[&'a Life]) -> Vec<&'a Said> {
    let general = case.general.iter().chain(&case.strangers);
    general.chain(lives.iter().flat_map(|life| &life.said)).collect()
}

/// Prints a page or an SVG of `lives`.
///
/// # Errors
/// A sentence for the person.
pub fn picture(session: &Session<'_>, lives: &[&Life], heard: &Heard, window: Window) -> Result<(), String> {
    let clock = &session.clock;
    let said = said(&heard.case, lives);
    let told = stats::Stats::of(lives, &[], clock);
    let mut notes = Vec::new();
    if !heard.complete {
        notes.push("Not all could be read: what is shown is right, and may not be all.".to_owned());
    }
    notes.extend(clocks(lives));
    let incident = Incident {
        lives,
        said: &said,
        clock,
        window,
        sum: format!("{}. {}", session.sum(lives), show::outcomes_of(lives)),
        findings: show::findings(&told, clock),
        notes,
    };
    let text = if session.common.format == Format::Svg {
        show::svg(&incident)
    } else {
        let sources = Sources::new(&heard.entries);
        let beside = Beside::of(&heard.case.lives);
        let name = |place| sources.name(place);
        show::page(&incident, &|life| show::certificate(life, &beside, clock, &name))
    };
    let mut out = session.out();
    out.markup(&text);
    session.finish(out)
}

/// `inquest stats`
///
/// # Errors
/// A sentence for the person.
pub fn stats(session: &Session<'_>, options: &Stats) -> Result<(Outcome, bool), String> {
    let by = stats::keys(&options.by).map_err(|error| format!("--by: {error}"))?;
    let heard = session.read_since(keep(session.common.format), since(session))?;
    let (lives, window) = wanted(session, &heard.case)?;
    let outcome = if lives.is_empty() { Outcome::Nothing } else { Outcome::Found };
    if session.common.quiet {
        return Ok((outcome, heard.complete));
    }
    if lives.is_empty() {
        session.nothing(&heard, "no life of a container");
        if !matches!(session.common.format, Format::Json | Format::Csv) {
            return Ok((outcome, heard.complete));
        }
    }
    if matches!(session.common.format, Format::Html | Format::Svg) {
        picture(session, &lives, &heard, window)?;
        return Ok((outcome, heard.complete));
    }
    let stats = stats::Stats::of(&lives, &by, &session.clock);
    let mut out = session.out();
    let plain = |line: &String| Line::of(Style::Plain, line.as_str());
    match session.common.format {
        Format::Json => out.json(&show::stats_json(&stats, heard.complete)),
        Format::Csv => show::stats_csv(&stats).iter().for_each(|line| out.line(&plain(line))),
        Format::Text | Format::Html | Format::Svg => {
            show::stats(&stats, &session.clock, session.columns()).iter().for_each(|line| out.line(line));
        }
    }
    session.finish(out)?;
    Ok((outcome, heard.complete))
}
