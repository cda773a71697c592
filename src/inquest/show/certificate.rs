//! The certificate of one life: who, when, how, what came before, what was beside, and where all of it
//! stands.

use super::beside::Beside;
use super::out::{Line, Style};
use super::spark::{self, Series};
use super::units::{bytes, count};
use crate::inquest::case::{Life, Memory, Once, Place, ahead};
use crate::inquest::time::{Clock, span};
use serde_json::Value;

/// Columns of the small lines of memory and CPU.
const SPARK: usize = 40;

/// The column in which keys end.
const KEYS: usize = 14;

pub(super) struct Certificate<'a> {
    lines: Vec<Line>,
    pub(super) clock: &'a Clock,
    pub(super) name: &'a dyn Fn(Place) -> String,
}

/// The lines of the certificate; `name` tells where a place is.
pub fn certificate(life: &Life, beside: &Beside, clock: &Clock, name: &dyn Fn(Place) -> String) -> Vec<Line> {
    let mut certificate = Certificate { lines: Vec::new(), clock, name };
    certificate.disputes(life);
    certificate.who(life);
    certificate.when(life);
    certificate.how(life);
    certificate.remarks(life);
    certificate.memory(life, beside);
    certificate.limits(life);
    certificate.series(life);
    certificate.before(life);
    certificate.processes(life);
    certificate.last_lines(life);
    certificate.witnesses(life);
    certificate.beside(life, beside);
    certificate.records(life);
    certificate.lines
}

impl Certificate<'_> {
    pub(super) fn row(&mut self, key: &str, value: impl Into<String>) {
        self.styled(key, Style::Plain, value);
    }

    pub(super) fn styled(&mut self, key: &str, style: Style, value: impl Into<String>) {
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
        // Swarm and the agent have labels that tell a name too; each is shown once.
        named.extend(life.name.as_deref().filter(|name| !named.contains(name)));
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

    pub(super) fn optional(&mut self, key: &str, value: Option<String>) {
        if let Some(value) = value {
            self.row(key, value);
        }
    }

    fn when(&mut self, life: &Life) {
        if let Some(begun) = life.begun() {
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
        if let Some(end) = &life.witnessed {
            let after =
                life.begun().map_or(String::new(), |begun| format!("  after {}", span(end.time - begun)));
            let place = (self.name)(end.place);
            self.row("Died", format!("{}{after}  (by Docker's word)  {place}", self.clock.long(end.time)));
        }
        match (life.ended(), life.last_sign()) {
            (Some(ended), _) => {
                let after = life.ran().map_or(String::new(), |ran| format!("  after {}", span(ran)));
                self.row("Died", format!("{}{after}", self.clock.long(ended)));
            }
            (None, Some(sign)) => {
                let place =
                    life.sign_place.map_or(String::new(), |place| format!("  {}", (self.name)(place)));
                let long =
                    life.begun().map_or(String::new(), |begun| format!("  after {}", span(sign - begun)));
                self.row("Last sign", format!("{}{long}{place}", self.clock.long(sign)));
            }
            (None, None) => {}
        }
        if let Some(ahead) = ahead(life) {
            let text =
                format!("at least {} ahead: a store had a record that long before its time", span(ahead));
            self.styled("Clock", Style::Warn, text);
        }
    }

    fn memory(&mut self, life: &Life, beside: &Beside) {
        let Some(memory) = life.memory() else { return };
        let earlier: Vec<String> = beside.earlier_peaks(life).into_iter().map(bytes).collect();
        let earlier = if earlier.is_empty() {
            String::new()
        } else {
            format!(
                "   peaks of earlier lives of {}: {}",
                life.label().unwrap_or_default(),
                earlier.join(", ")
            )
        };
        self.optional("Memory", told(&memory).map(|told| format!("{told}{earlier}")));
    }

    /// Memory and CPU over the life, of its `stats` records.
    fn series(&mut self, life: &Life) {
        let series = Series::of(life);
        let milli = |value: f64| format!("{:.2}", value / 1000.0);
        let values = |series: &[(i64, f64)]| series.iter().map(|(_, value)| *value).collect::<Vec<_>>();
        let ends = |values: &[f64]| Some((*values.first()?, *values.last()?, values.len()));
        let memory = values(&series.memory);
        if let Some((first, last, n)) = ends(&memory).filter(|(.., n)| *n > 1) {
            let limit = series.memory_limit.map_or(String::new(), |limit| format!(" of {}", bytes(limit)));
            let spark = spark::text(&memory, SPARK);
            let (first, last) = (bytes(first as u64), bytes(last as u64));
            self.row("Memory used", format!("{spark}  {first} to {last}{limit} (n = {n})"));
        }
        let cpu = values(&series.cpu);
        if let Some((_, last, n)) = ends(&cpu).filter(|(.., n)| *n > 1) {
            let most = cpu.iter().copied().fold(0.0, f64::max);
            let limit =
                series.cpu_limit.map_or(String::new(), |limit| format!(" of {}", milli(f64::from(limit))));
            let spark = spark::text(&cpu, SPARK);
            let text =
                format!("{spark}  {} CPU at the end, {} at most{limit} (n = {n})", milli(last), milli(most));
            self.row("CPU used", text);
        }
    }

    fn beside(&mut self, life: &Life, beside: &Beside) {
        let Some(others) = beside.deaths(life) else { return };
        let of = match (others.kinds, &others.kind) {
            (1, Some(kind)) if others.deaths == 1 => format!(", of {kind}"),
            (1, Some(kind)) => format!(", all {kind}"),
            (0 | 1, _) => String::new(),
            (number, _) => format!(", of {number} kinds"),
        };
        let id = life.task.as_deref().or(life.container.as_deref()).and_then(|id| id.get(..8));
        let how = id.map_or(String::new(), |id| format!("  (inquest list --around {id})"));
        let deaths = count(others.deaths, "other death");
        self.row("Beside", format!("{deaths} within 5 min{of}; {} ended badly{how}", others.bad));
    }
}

/// `peak 32.0 of 32.0 MiB, 1 OOM kill`.
pub(super) fn told(memory: &Memory) -> Option<String> {
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

/// A key of the record itself, where the record was kept.
pub(super) fn field(record: &Once, key: &str) -> Option<Value> {
    let line = record.line()?;
    let value: Value = serde_json::from_str(&line).ok()?;
    value.get(key).cloned()
}

fn pairs(parts: [(&str, Option<String>); 2]) -> Option<String> {
    let known: Vec<String> =
        parts.into_iter().filter_map(|(name, value)| Some(format!("{name}{}", value?))).collect();
    (!known.is_empty()).then(|| known.join("  "))
}
