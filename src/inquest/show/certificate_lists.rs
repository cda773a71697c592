//! What a certificate lists: the records between start and end, processes, witnesses, and where all of it
//! stands.

use super::certificate::{Certificate, field, told};
use super::out::Style;
use super::units::{bytes, count};
use crate::inquest::case::{Kind, Life, Once, Said};
use crate::inquest::time::span;
use crate::inquest::witness::EXEC;
use serde_json::Value;
use std::collections::HashMap;

/// How many places, processes, earlier lives and statements are listed; the rest is counted.
const MOST: usize = 8;

impl Certificate<'_> {
    /// What happened between the start and the end.
    pub(super) fn before(&mut self, life: &Life) {
        let between: Vec<&Once> = life
            .records
            .iter()
            .filter(|record| !matches!(record.kind(), Kind::Start | Kind::Exit | Kind::Stats))
            .collect();
        let hidden = between.len().saturating_sub(2 * MOST);
        let mut key = "Before";
        if hidden > 0 {
            self.row(key, format!("… {} more", count(hidden, "record")));
            key = "";
        }
        for record in between.into_iter().skip(hidden) {
            let event = record.event();
            let mut text = format!("{} {}", self.clock.time(event.time), event.kind.name());
            if let Some(about) = &event.about {
                text.push_str(&format!("  {about}"));
            }
            text.push_str(&more(record));
            let late = field(record, "late_ms").and_then(|late| late.as_i64());
            if let Some(late) = late {
                text.push_str(&format!("  {} late: the container or the machine stood still", span(late)));
            }
            if let Some(told) =
                event.memory.filter(|_| event.kind != Kind::Stop).and_then(|memory| told(&memory))
            {
                text.push_str(&format!("  {told}"));
            }
            self.row(key, text);
            key = "";
        }
    }

    /// The processes of a `stuck` record, and those that were left.
    pub(super) fn processes(&mut self, life: &Life) {
        let stuck = life.last(&Kind::Stuck).and_then(|record| field(record, "processes"));
        let left =
            life.exit_record().and_then(|record| field(record, "exit")?.get("left_processes").cloned());
        for (key, list) in [("Stuck", stuck), ("Left", left)] {
            let Some(Value::Array(list)) = list else { continue };
            if list.is_empty() {
                continue;
            }
            // Of a stop what each does with SIGTERM tells most; of those that are left, how old they are.
            // What is as long as it is comes last.
            let (name, title) = if key == "Stuck" { ("sigterm", " SIGTERM") } else { ("age_ms", "     AGE") };
            let has = list.iter().any(|process| process.get(name).is_some());
            let last = |process: &Value| {
                let text = match process.get(name) {
                    Some(Value::String(text)) => text.clone(),
                    Some(age) => age.as_i64().map_or_else(String::new, span),
                    None => "–".to_owned(),
                };
                if has { format!(" {text:>7}") } else { String::new() }
            };
            let title = if has { title } else { "" };
            self.styled(
                key,
                Style::Dim,
                format!(
                    "{:>7} {:<15} S {:>9} {:>7}{title} {}",
                    "PID", "NAME", "MEMORY", "THREADS", "WAITS IN"
                ),
            );
            for process in list.iter().take(MOST) {
                let text = |key: &str| process.get(key).and_then(Value::as_str).unwrap_or("–");
                let number = |key: &str| process.get(key).and_then(Value::as_u64);
                let plain =
                    |key: &str| number(key).map_or_else(|| "–".to_owned(), |number| number.to_string());
                let memory = number("memory").map_or_else(|| "–".to_owned(), bytes);
                let row = format!(
                    "{:>7} {:<15} {} {memory:>9} {:>7}{} {}",
                    plain("pid"),
                    text("name"),
                    text("state"),
                    plain("threads"),
                    last(process),
                    text("wait_channel")
                );
                self.row("", row);
            }
            if list.len() > MOST {
                self.row("", format!("… {} more", count(list.len() - MOST, "process")));
            }
            if list.iter().any(|process| process.get("state").and_then(Value::as_str) == Some("D")) {
                self.row("", "State D: it waits in the kernel, as for a disk or a network file system; no signal ends that, SIGKILL neither.");
            }
        }
    }

    pub(super) fn witnesses(&mut self, life: &Life) {
        let heard = once_each(&life.said);
        let hidden = heard.len().saturating_sub(2 * MOST);
        let mut key = "Witnesses";
        if hidden > 0 {
            self.row(key, format!("… {} more", count(hidden, "statement")));
            key = "";
        }
        for (said, times) in heard.into_iter().skip(hidden) {
            let statement = &said.statement;
            let time = match said.at() {
                // Computed: the witness's clock has no year, no zone, or counts from the boot.
                Some(time) if statement.time.is_none() => format!("~{}", self.clock.time(time)),
                Some(time) => self.clock.time(time),
                None => "at ?".to_owned(),
            };
            let times = if times > 1 { format!(" (the last of {times})") } else { String::new() };
            let text = super::table::cut(&statement.text, 160) + &times + said.mark();
            self.row(
                key,
                format!("{:<7} {time:<12}  {text}  {}", statement.kind.name(), (self.name)(said.place)),
            );
            key = "";
        }
    }

    pub(super) fn records(&mut self, life: &Life) {
        let mut key = "Records";
        let shown: Vec<&Once> = life.records.iter().filter(|record| record.kind() != Kind::Stats).collect();
        let statistics = life.records.len() - shown.len();
        for record in shown.iter().take(2 * MOST) {
            let places: Vec<String> = record.places().take(3).map(|place| (self.name)(place)).collect();
            let more = record.places().count().saturating_sub(places.len());
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            self.row(key, format!("{:<15} {}{more}", record.kind().name(), places.join(", ")));
            key = "";
        }
        if shown.len() > 2 * MOST {
            self.row(key, format!("… {} more", count(shown.len() - 2 * MOST, "record")));
            key = "";
        }
        if statistics > 0 {
            self.row(key, format!("and {} (inquest records --who)", count(statistics, "stats record")));
        }
    }
}

/// What else a record says: who sent a signal, why it was refused, what a health check wrote.
fn more(record: &Once) -> String {
    let text = |key: &str| field(record, key).and_then(|value| value.as_str().map(str::to_owned));
    let sender = match (text("sender").as_deref(), field(record, "sender_pid")) {
        (Some("outside"), _) => "  from outside of the container".to_owned(),
        (Some("terminal"), _) => "  from the terminal".to_owned(),
        (Some("inside"), Some(pid)) => {
            let parent = match field(record, "sender_ppid").and_then(|parent| parent.as_i64()) {
                Some(0) => {
                    ", which came from outside: docker exec, or a health check of the engine".to_owned()
                }
                Some(parent) => format!(", a child of {parent}"),
                None => String::new(),
            };
            match text("sender_name") {
                Some(name) => format!("  from {name} ({pid}){parent}"),
                None => format!("  from the process {pid}{parent}"),
            }
        }
        _ => String::new(),
    };
    let refused = text("refused").map_or(String::new(), |why| format!("  not sent to the program: {why}"));
    let output =
        text("output").map_or(String::new(), |output| format!("  {}", super::table::cut(&output, 100)));
    sender + &refused + &output
}

/// What was said, with how often: a health check is an exec every few seconds, and the last of those with one
/// command stands for them all.
fn once_each(said: &[Said]) -> Vec<(&Said, usize)> {
    let mut last: HashMap<&str, (usize, usize)> = HashMap::new();
    for (place, said) in said.iter().enumerate().filter(|(_, said)| said.statement.text.starts_with(EXEC)) {
        let (at, times) = last.entry(&said.statement.text).or_default();
        (*at, *times) = (place, *times + 1);
    }
    let times = |(place, said): (usize, &Said)| match last.get(said.statement.text.as_str()) {
        Some((at, times)) => (*at == place).then_some(*times),
        None => Some(1),
    };
    said.iter().enumerate().filter_map(|(place, said)| Some((said, times((place, said))?))).collect()
}
