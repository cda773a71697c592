//! The certificate of one life: who, when, how, what came before, what was beside, and where all of it stands.

use super::out::{Line, Style};
use super::table::{style_of, verdict};
use super::units::{bytes, count};
use crate::inquest::case::{Case, Kind, Life, Memory, Once, Place, Sure, is_good};
use crate::inquest::time::{Clock, span};
use serde_json::Value;

/// Deaths this far apart are shown beside each other, in milliseconds.
const BESIDE: i64 = 5 * 60_000;

/// How many places, processes, earlier lives and statements are listed; the rest is counted.
const MOST: usize = 8;

/// The column in which keys end.
const KEYS: usize = 14;

struct Certificate<'a> {
    lines: Vec<Line>,
    clock: &'a Clock,
    name: &'a dyn Fn(Place) -> String,
}

/// The lines of the certificate; `name` tells where a place is.
pub fn certificate(life: &Life, case: &Case, clock: &Clock, name: &dyn Fn(Place) -> String) -> Vec<Line> {
    let mut certificate = Certificate { lines: Vec::new(), clock, name };
    certificate.disputes(life);
    certificate.who(life);
    certificate.when(life);
    certificate.how(life);
    certificate.memory(life, case);
    certificate.before(life);
    certificate.processes(life);
    certificate.witnesses(life);
    certificate.beside(life, case);
    certificate.records(life);
    certificate.lines
}

impl Certificate<'_> {
    fn row(&mut self, key: &str, value: impl Into<String>) {
        self.styled(key, Style::Plain, value);
    }

    fn styled(&mut self, key: &str, style: Style, value: impl Into<String>) {
        let key = if key.is_empty() { " ".repeat(KEYS + 2) } else { format!("{key:>KEYS$}: ") };
        self.lines.push(Line::of(Style::Dim, key).and(style, value.into()));
    }

    fn disputes(&mut self, life: &Life) {
        for dispute in &life.disputed {
            self.styled("DISPUTED", Style::Warn, format!("{dispute}: do not believe all of this"));
        }
    }

    fn who(&mut self, life: &Life) {
        let get = |key: &str| life.get(key);
        if let Some(task) = &life.task {
            let place: Vec<&str> = ["cluster", "region", "account"].into_iter().filter_map(get).collect();
            let place = if place.is_empty() { String::new() } else { format!("  ({})", place.join(", ")) };
            self.row("Task", format!("{task}{place}"));
        }
        let named = [get("container_name"), life.container.as_deref(), get("docker_name")];
        let mut named: Vec<&str> = named.into_iter().flatten().collect();
        if named.is_empty() {
            named.push("not known");
        }
        self.row("Container", named.join("  "));
        let revision = get("family").map(|family| match get("revision") {
            Some(revision) => format!("{family}:{revision}"),
            None => family.to_owned(),
        });
        let image = pairs([("", get("image").map(str::to_owned)), ("", get("image_id").map(str::to_owned))]);
        self.optional("Image", image);
        self.optional("Revision", pairs([("", revision), ("Service: ", get("service").map(str::to_owned))]));
        self.optional("Program", life.program().map(str::to_owned));
        let host = ["hostname", "ip", "availability_zone", "launch_type"]
            .into_iter()
            .filter_map(get)
            .collect::<Vec<_>>();
        let instance = get("instance_arn").and_then(|arn| arn.rsplit('/').next());
        let place: Vec<&str> = host.into_iter().chain(instance).collect();
        self.optional("Where", (!place.is_empty()).then(|| place.join("  ")));
        let logs: Vec<&str> = ["log_group", "log_stream"].into_iter().filter_map(get).collect();
        self.optional("Logs", (!logs.is_empty()).then(|| logs.join("  ")));
    }

    fn optional(&mut self, key: &str, value: Option<String>) {
        if let Some(value) = value {
            self.row(key, value);
        }
    }

    fn when(&mut self, life: &Life) {
        if let Some(begun) = life.begun {
            let identity = life.records.iter().find_map(|record| field(record, "identity_ms"));
            let network = life.get("network_wait_ms").and_then(|wait| wait.parse().ok());
            let waits = [("network", network), ("its identity", identity.and_then(|value| value.as_i64()))];
            let waits: Vec<String> = waits
                .into_iter()
                .filter_map(|(what, ms)| {
                    Some(format!("{} for {}{what}", span(ms?), if what == "network" { "the " } else { "" }))
                })
                .collect();
            let mut text = self.clock.long(begun);
            if !life.has_start {
                text.push_str("  (computed: there is no start record");
                if let Some(first) = life.cut {
                    text.push_str(&format!(", the log begins at {}", self.clock.time(first)));
                }
                text.push(')');
            } else if !waits.is_empty() {
                text.push_str(&format!("  (waited {})", waits.join(", ")));
            }
            self.row("Started", text);
        } else {
            self.row("Started", "not known: there is no start record");
        }
        match (life.ended(), life.last_sign) {
            (Some(ended), _) => {
                let after = life.ran().map_or(String::new(), |ran| format!("  after {}", span(ran)));
                self.row("Died", format!("{}{after}", self.clock.long(ended)));
            }
            (None, Some(sign)) => {
                let place =
                    life.sign_place.map_or(String::new(), |place| format!("  {}", (self.name)(place)));
                let long =
                    life.begun.map_or(String::new(), |begun| format!("  after {}", span(sign - begun)));
                self.row("Last sign", format!("{}{long}{place}", self.clock.long(sign)));
            }
            (None, None) => {}
        }
    }

    fn how(&mut self, life: &Life) {
        let conclusion = &life.conclusion;
        let (word, style) = verdict(life);
        let Some(exit) = life.exit() else {
            let sure = match conclusion.sure {
                Sure::Yes => "",
                Sure::Word => "  (the witness's word)",
                Sure::Likely => "  (likely)",
                Sure::No => "  (cannot be known from what is here)",
            };
            let word = if word == "–" { "none".to_owned() } else { word.replace("– ", "none ") };
            let code = conclusion.code.map_or(String::new(), |code| format!(", exit code {code}"));
            self.styled("Verdict", style, format!("{word}{code}{sure}"));
            let place = conclusion.place.map_or(String::new(), |place| format!("  {}", (self.name)(place)));
            self.row("Why", format!("{}{place}", conclusion.text));
            return;
        };
        let mut text = word;
        if let Some(code) = exit.code {
            text.push_str(&format!(", exit code {code}"));
        }
        if let Some(signal) = &exit.signal {
            text.push_str(&format!(" ({signal})"));
        }
        let style = if style == Style::Plain { style_of(life.verdict().unwrap_or_default()) } else { style };
        self.styled("Verdict", style, text);
        if !exit.why.is_empty() {
            self.row("Why", exit.why.to_string());
        }
        if let (Some(signal), Some(stop)) = (&exit.stop_signal, exit.stop) {
            let by = match exit.stopped_by.as_deref() {
                Some("ecs") => "; ECS stopped the task",
                Some("sibling") => "; another container of the task had ended",
                Some("health") => "; its health check had failed",
                _ => "",
            };
            self.row("Stop", format!("{signal} came {} before the end{by}", span(stop)));
        }
        if exit.lost > 0 {
            let lost = count(usize::try_from(exit.lost).unwrap_or(usize::MAX), "record");
            self.styled("Lost", Style::Warn, format!("{lost} could not be written (records_lost)"));
        }
    }

    fn memory(&mut self, life: &Life, case: &Case) {
        let Some(memory) = life.memory() else { return };
        let earlier = earlier_peaks(life, case);
        let earlier = if earlier.is_empty() {
            String::new()
        } else {
            format!(
                "   peaks of earlier lives of {}: {}",
                life.label().unwrap_or_default(),
                earlier.join(", ")
            )
        };
        self.optional("Memory", told(memory).map(|told| format!("{told}{earlier}")));
    }

    /// What happened between the start and the end.
    fn before(&mut self, life: &Life) {
        let between: Vec<&Once> = life
            .records
            .iter()
            .filter(|record| !matches!(record.event.kind, Kind::Start | Kind::Exit | Kind::Stats))
            .collect();
        let hidden = between.len().saturating_sub(2 * MOST);
        let mut key = "Before";
        if hidden > 0 {
            self.row(key, format!("… {} more", count(hidden, "record")));
            key = "";
        }
        for record in between.into_iter().skip(hidden) {
            let event = &record.event;
            let mut text = format!("{} {}", self.clock.time(event.time), event.kind.name());
            if let Some(about) = &event.about {
                text.push_str(&format!("  {about}"));
            }
            text.push_str(&more(record));
            if let Some(told) = event.memory.as_deref().filter(|_| event.kind != Kind::Stop).and_then(told) {
                text.push_str(&format!("  {told}"));
            }
            self.row(key, text);
            key = "";
        }
    }

    /// The processes of a `stuck` record, and those that were left.
    fn processes(&mut self, life: &Life) {
        let stuck = life.last(&Kind::Stuck).and_then(|record| field(record, "processes"));
        let left =
            life.exit_record().and_then(|record| field(record, "exit")?.get("left_processes").cloned());
        for (key, list) in [("Stuck", stuck), ("Left", left)] {
            let Some(Value::Array(list)) = list else { continue };
            if list.is_empty() {
                continue;
            }
            self.styled(
                key,
                Style::Dim,
                format!("{:>5} {:<15} S {:<22} {:>9} {:>7}", "PID", "NAME", "WAITS IN", "MEMORY", "THREADS"),
            );
            for process in list.iter().take(MOST) {
                let text = |key: &str| process.get(key).and_then(Value::as_str).unwrap_or("–");
                let number = |key: &str| process.get(key).and_then(Value::as_u64);
                let plain =
                    |key: &str| number(key).map_or_else(|| "–".to_owned(), |number| number.to_string());
                let memory = number("memory").map_or_else(|| "–".to_owned(), bytes);
                let row = format!(
                    "{:>5} {:<15} {} {:<22} {memory:>9} {:>7}",
                    plain("pid"),
                    text("name"),
                    text("state"),
                    text("wait_channel"),
                    plain("threads")
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

    fn witnesses(&mut self, life: &Life) {
        let hidden = life.said.len().saturating_sub(2 * MOST);
        let mut key = "Witnesses";
        if hidden > 0 {
            self.row(key, format!("… {} more", count(hidden, "statement")));
            key = "";
        }
        for said in life.said.iter().skip(hidden) {
            let statement = &said.statement;
            let time = match said.at() {
                // Computed: the witness's clock has no year, no zone, or counts from the boot.
                Some(time) if statement.time.is_none() => format!("~{}", self.clock.time(time)),
                Some(time) => self.clock.time(time),
                None => "at ?".to_owned(),
            };
            let text = super::table::cut(&statement.text, 160) + said.mark();
            self.row(
                key,
                format!("{:<7} {time:<12}  {text}  {}", statement.kind.name(), (self.name)(said.place)),
            );
            key = "";
        }
    }

    fn beside(&mut self, life: &Life, case: &Case) {
        let Some(at) = life.ended().or(life.last_sign) else { return };
        let is_other = |other: &&Life| other.order() != life.order();
        let near = |other: &&Life| other.ended().is_some_and(|ended| (ended - at).abs() <= BESIDE);
        let others: Vec<&Life> = case.lives.iter().filter(is_other).filter(near).collect();
        if others.is_empty() {
            return;
        }
        let labels: std::collections::BTreeSet<String> =
            others.iter().filter_map(|other| other.label()).collect();
        let of = match labels.len() {
            0 => String::new(),
            1 => format!(", all {}", labels.iter().next().cloned().unwrap_or_default()),
            number => format!(", of {number} kinds"),
        };
        let bad = others.iter().filter(|other| !other.verdict().is_some_and(is_good)).count();
        let id = life.task.as_deref().or(life.container.as_deref()).and_then(|id| id.get(..8));
        let how = id.map_or(String::new(), |id| format!("  (inquest list --around {id})"));
        self.row(
            "Beside",
            format!("{} within 5 min{of}; {bad} ended badly{how}", count(others.len(), "other death")),
        );
    }

    fn records(&mut self, life: &Life) {
        let mut key = "Records";
        let shown: Vec<&Once> =
            life.records.iter().filter(|record| record.event.kind != Kind::Stats).collect();
        let statistics = life.records.len() - shown.len();
        for record in shown.iter().take(2 * MOST) {
            let places: Vec<String> = record.places.iter().take(3).map(|place| (self.name)(*place)).collect();
            let more = record.places.len().saturating_sub(places.len());
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            self.row(key, format!("{:<15} {}{more}", record.event.kind.name(), places.join(", ")));
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
        (Some("inside"), Some(pid)) => match text("sender_name") {
            Some(name) => format!("  from {name} ({pid})"),
            None => format!("  from the process {pid}"),
        },
        _ => String::new(),
    };
    let refused = text("refused").map_or(String::new(), |why| format!("  not sent to the program: {why}"));
    let output =
        text("output").map_or(String::new(), |output| format!("  {}", super::table::cut(&output, 100)));
    sender + &refused + &output
}

/// `peak 32.0 of 32.0 MiB, 1 OOM kill`.
fn told(memory: &Memory) -> Option<String> {
    let used = match (memory.peak, memory.usage) {
        (Some(peak), _) => format!("peak {}", bytes(peak)),
        (None, Some(usage)) => format!("usage {}", bytes(usage)),
        (None, None) => return None,
    };
    let limit = memory.limit.map_or_else(|| ", no limit".to_owned(), |limit| format!(" of {}", bytes(limit)));
    let kills = memory.oom_kills.filter(|kills| *kills > 0);
    let kills = kills.map_or(String::new(), |kills| {
        format!(", {}", count(usize::try_from(kills).unwrap_or(usize::MAX), "OOM kill"))
    });
    Some(format!("{used}{limit}{kills}"))
}

/// The peaks of the lives of the same kind before this one, the last few.
fn earlier_peaks(life: &Life, case: &Case) -> Vec<String> {
    let Some(begun) = life.begun else { return Vec::new() };
    let label = life.label();
    if label.is_none() || life.get("family").is_none() {
        return Vec::new();
    }
    let earlier = case
        .lives
        .iter()
        .filter(|other| other.label() == label && other.ended().is_some_and(|ended| ended <= begun));
    let peaks: Vec<String> = earlier.filter_map(|other| Some(bytes(other.memory()?.peak?))).collect();
    peaks.iter().skip(peaks.len().saturating_sub(5)).cloned().collect()
}

/// A key of the record itself, where the record was kept.
fn field(record: &Once, key: &str) -> Option<Value> {
    let line = record.event.line.as_deref()?;
    let value: Value = serde_json::from_str(line).ok()?;
    value.get(key).cloned()
}

fn pairs(parts: [(&str, Option<String>); 2]) -> Option<String> {
    let known: Vec<String> =
        parts.into_iter().filter_map(|(name, value)| Some(format!("{name}{}", value?))).collect();
    (!known.is_empty()).then(|| known.join("  "))
}
