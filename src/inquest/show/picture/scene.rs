//! What a picture is of.

use super::super::out::Line;
use super::super::rows::{self, Row};
use crate::inquest::case::{Life, Said};
use crate::inquest::time::Clock;

/// More lives than these have no row each: they are counted by the minute.
pub const MOST_ROWS: usize = 2_000;

/// What there is to be drawn.
pub struct Incident<'a> {
    /// the lives
    pub lives: &'a [&'a Life],
    /// what others said: services' events are drawn
    pub said: &'a [&'a Said],
    /// how times are shown
    pub clock: &'a Clock,
    /// from when until when, where that is asked for, in milliseconds since 1970
    pub window: (Option<i64>, Option<i64>),
    /// how many lives there are, in a line
    pub sum: String,
    /// what stands out: what, about whom, in which sentence
    pub findings: Vec<(String, String, String)>,
    /// what must be known to read it: what could not be read, clocks that differ
    pub notes: Vec<String>,
}

/// A certificate of a life.
pub type Certificate<'a> = &'a dyn Fn(&Life) -> Vec<Line>;

/// The rows, and the time that the picture is of.
pub struct Scene<'a> {
    /// the rows, in their order
    pub rows: Vec<Row<'a>>,
    /// where it begins, in milliseconds since 1970
    pub from: i64,
    /// where it ends
    pub to: i64,
}

impl<'a> Scene<'a> {
    /// All lives of an incident.
    pub fn of(incident: &Incident<'a>) -> Scene<'a> {
        let rows = rows::rows(incident.lives);
        let first = rows.iter().map(|row| row.from).min().unwrap_or(0);
        let last = rows.iter().map(|row| row.to).max().unwrap_or(first);
        // What begins or ends with the picture is still seen.
        let room = (last.saturating_sub(first) / 60).max(1);
        let from = incident.window.0.unwrap_or(first.saturating_sub(room)).min(last);
        let to = incident.window.1.unwrap_or(last.saturating_add(room)).max(from + 1);
        Scene { rows, from, to }
    }

    /// The rows of each group: of one service, task definition and container.
    pub fn groups(&self) -> impl Iterator<Item = &[Row<'a>]> {
        self.rows.chunk_by(|one, other| {
            (&one.service, &one.group, &one.name) == (&other.service, &other.group, &other.name)
        })
    }
}

/// `server of shop-web:26`, and its service.
pub fn name_of(row: &Row<'_>) -> (String, String) {
    let name = match (row.group.as_str(), row.name.as_str()) {
        (group, "") => group.to_owned(),
        (group, name) => format!("{group} {name}"),
    };
    (name, row.service.as_ref().map_or(String::new(), |service| format!("service {service}")))
}

/// The first digits of the task's ID, or of the container's.
pub fn short_id(life: &Life, digits: usize) -> String {
    life.task.as_deref().or(life.container.as_deref()).unwrap_or("–").chars().take(digits).collect()
}
