//! Lives in a table, one line for each, and in its other forms.

use super::case::{Life, tasks};
use super::cli::Format;
use super::session::{Heard, Session};
use super::show::{self, Line, Style, count};
use super::sources::Sources;

/// The table, or its other forms.
pub fn print_list(session: &Session<'_>, lives: &[&Life], heard: &Heard) -> Result<(), String> {
    if session.common.quiet {
        return Ok(());
    }
    let sources = Sources::new(&heard.entries);
    let mut out = session.out();
    match session.common.format {
        Format::Json => out.json(&show::list_json(lives, heard.complete, &|place| sources.byte(place))),
        Format::Csv => {
            show::csv(lives).iter().for_each(|line| out.line(&Line::of(Style::Plain, line.as_str())))
        }
        Format::Text | Format::Html | Format::Svg if lives.is_empty() => {}
        // A picture is drawn elsewhere; what comes here is the list.
        Format::Text | Format::Html | Format::Svg => {
            show::table(lives, &session.clock, session.columns(), |line| out.line(line));
            out.line(&Line::of(Style::Dim, sum(lives)));
            if lives.iter().any(|life| life.has_grave_remark()) {
                let text = "* something failed, or is contradicted, that the verdict does not tell: inquest WHO has a remark";
                out.line(&Line::of(Style::Dim, text));
            }
        }
    }
    session.finish(out)
}

/// How many lives there are, in a line.
pub fn sum(lives: &[&Life]) -> String {
    let open = lives.iter().filter(|life| life.died().is_none()).count();
    let of = if lives.iter().any(|life| life.task.is_some()) { "task" } else { "container" };
    format!("{} of {}, {open} without an end", count(lives.len(), "life"), count(tasks(lives), of))
}
