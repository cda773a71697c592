//! Whom WHO means.

use super::case::{Life, Said};
use super::who::Who;

/// Whether `who` means this life.
pub fn is_meant(who: &Who, life: &Life) -> bool {
    let names: Vec<&str> = life.names().collect();
    who.matches(life.container.as_deref(), life.task.as_deref(), &names)
}

/// What was said about somebody of whom there is no record.
pub fn about<'a>(who: &Who, strangers: &'a [Said]) -> Vec<&'a Said> {
    let is_about = |said: &&Said| {
        let statement = &said.statement;
        let names = [statement.container_name.as_deref(), statement.engine_name.as_deref()];
        let names: Vec<&str> = names.into_iter().flatten().collect();
        who.matches(statement.container_id.as_deref(), statement.task_id.as_deref(), &names)
    };
    strangers.iter().filter(is_about).collect()
}
