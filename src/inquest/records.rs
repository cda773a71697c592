//! `inquest records`: the records as they were written.

use super::again::complete_lines;
use super::case::{Life, Once};
use super::cli::Records;
use super::gather::Keep;
use super::meant::is_meant;
use super::session::{Outcome, Session};
use super::who::Who;

/// `inquest records`
///
/// # Errors
/// A sentence for the person.
pub fn records(session: &Session<'_>, records: &Records) -> Result<(Outcome, bool), String> {
    let who = records.who.as_deref().map(Who::parse).transpose()?;
    let heard = session.read(&who.clone().map_or(Keep::All, Keep::Of))?;
    let mut lives: Vec<Life> =
        heard.case.lives.iter().filter(|life| session.filter.wants(life)).cloned().collect();
    if let Some(who) = &who {
        lives.retain(|life| is_meant(who, life));
        complete_lines(session, &heard, &mut lives, false);
    }
    let loose = heard.case.loose.iter().filter(|record| match &who {
        Some(who) => {
            let event = record.event();
            who.matches(event.container.as_deref(), event.task.as_deref(), &[])
        }
        None => session.filter.is_open(),
    });
    let mut all: Vec<&Once> = lives.iter().flat_map(|life| &life.records).chain(loose).collect();
    all.sort_by_key(|record| (record.time(), record.first_place()));
    if !session.common.quiet {
        let mut out = session.out();
        all.iter().filter_map(|record| record.line()).for_each(|line| out.json(&line));
        session.finish(out)?;
        if all.is_empty() {
            session.nothing(&heard, "no record");
        }
    }
    Ok((if all.is_empty() { Outcome::Nothing } else { Outcome::Found }, heard.complete))
}
