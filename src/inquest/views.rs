//! The commands that show many lives at once, and whose: those that the filters leave, or those around one.

use super::case::{Ahead, Case, Life, Said, all_ahead};
use super::cli::{Format, List, Sort, Stats, Timeline};
use super::lives::{print_list, sum};
use super::session::{Heard, Outcome, Session};
use super::show::{self, Beside, Incident, Line, Style, count};
use super::sources::Sources;
use super::stats;
use super::time::span;
use super::wanted::{Window, keep, since, wanted};

/// `inquest list`
///
/// # Errors
/// A sentence for the person.
pub fn list(session: &Session<'_>, list: &List) -> Result<(Outcome, bool), String> {
    let heard = session.read_since(keep(session.common.format), since(session))?;
    let (mut lives, window) = wanted(session, &heard.case)?;
    match list.sort {
        Sort::Time => {}
        Sort::Runtime => lives.sort_by_key(|life| life.ran()),
        Sort::Peak => lives.sort_by_key(|life| life.memory().and_then(|memory| memory.peak)),
    }
    let hidden = if list.limit == 0 { 0 } else { lives.len().saturating_sub(list.limit) };
    let lives = lives.get(hidden..).unwrap_or_default();
    match session.common.format {
        Format::Html | Format::Svg => picture(session, lives, &heard, window)?,
        _ => print_list(session, lives, &heard)?,
    }
    if lives.is_empty() && !session.common.quiet {
        session.nothing(&heard, "no life of a container");
    }
    Ok((if lives.is_empty() { Outcome::Nothing } else { Outcome::Found }, heard.complete))
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
            out.line(&Line::of(Style::Dim, sum(&lives)));
            clocks(&lives).into_iter().for_each(|told| out.line(&Line::of(Style::Warn, told)));
            session.finish(out)?;
        }
        Format::Json | Format::Csv => print_list(session, &lives, &heard)?,
    }
    Ok((outcome, heard.complete))
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
        sum: format!("{}. {}", sum(lives), show::outcomes_of(lives)),
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
    let complete = heard.complete;
    // There may be very many, and a long page is told of them.
    drop(lives);
    drop(heard);
    let mut out = session.out();
    let plain = |line: &String| Line::of(Style::Plain, line.as_str());
    match session.common.format {
        Format::Json => out.json(&show::stats_json(&stats, complete)),
        Format::Csv => show::stats_csv(&stats).iter().for_each(|line| out.line(&plain(line))),
        Format::Text | Format::Html | Format::Svg => {
            show::stats(&stats, &session.clock, session.columns()).iter().for_each(|line| out.line(line));
        }
    }
    session.finish(out)?;
    Ok((outcome, complete))
}
