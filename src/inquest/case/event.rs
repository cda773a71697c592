//! What is kept of a record: little, since there may be many.

use super::identity::{Interner, Whose};
use crate::inquest::carve::{Record, SCHEMA};
use crate::inquest::json::{Json, Object};
use crate::inquest::text::Text;
use std::borrow::Cow;
use std::hash::Hash;

/// The kind of a record: the value of `epitaph`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `start`
    Start,
    /// `identity`
    Identity,
    /// `oom_kill`
    OomKill,
    /// `memory_pressure`
    MemoryPressure,
    /// `stop`
    Stop,
    /// `stuck`
    Stuck,
    /// `signal`: one that is no stop signal
    Signal,
    /// `task`: who stopped the task, or what all of it used
    Task,
    /// `health`
    Health,
    /// `stats`
    Stats,
    /// one that stands between start and exit, and that is shown by its name
    Other(Text),
    /// `exit`
    Exit,
}

impl Kind {
    /// The name in the record.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Start => "start",
            Kind::Identity => "identity",
            Kind::OomKill => "oom_kill",
            Kind::MemoryPressure => "memory_pressure",
            Kind::Stop => "stop",
            Kind::Stuck => "stuck",
            Kind::Signal => "signal",
            Kind::Task => "task",
            Kind::Health => "health",
            Kind::Stats => "stats",
            Kind::Other(name) => name.as_str(),
            Kind::Exit => "exit",
        }
    }
}

/// The object `memory` of a record; amounts in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Memory {
    /// the limit, where there is one
    pub limit: Option<u64>,
    /// in use when the record was made
    pub usage: Option<u64>,
    /// the most that was in use
    pub peak: Option<u64>,
    /// processes that the OOM killer took
    pub oom_kills: Option<u64>,
}

/// The CPU that a `stats` record tells of, in thousandths of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cpu {
    /// what was used in the window: `cpu_milli`
    pub milli: u32,
    /// what may be used, where that is limited: `cpu_limit_milli`
    pub limit: Option<u32>,
}

/// The object `exit` of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exit {
    pub(super) code: Option<i64>,
    /// the signal that ended the program
    pub signal: Option<Text>,
    /// the verdict
    pub verdict: Option<Text>,
    /// the evidence for it
    pub why: Text,
    pub(super) runtime: Option<i64>,
    /// the first stop signal
    pub stop_signal: Option<Text>,
    pub(super) stop: Option<i64>,
    /// who stopped the task: `ecs`, `sibling` or `health`
    pub stopped_by: Option<Text>,
    /// records that epitaph lost
    pub lost: u64,
}

impl Exit {
    /// The exit code.
    pub fn code(&self) -> Option<i64> {
        self.code
    }

    /// From the start to the end, in milliseconds.
    pub fn runtime(&self) -> Option<i64> {
        self.runtime
    }

    /// From the first stop signal to the end, in milliseconds.
    pub fn stop(&self) -> Option<i64> {
        self.stop
    }
}

/// A record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Event {
    /// its kind
    pub kind: Kind,
    /// milliseconds since 1970
    pub time: i64,
    /// the program's process ID
    pub pid: Option<i64>,
    /// which run of the container it is of
    pub run: Option<Text>,
    /// the container's ID: the record's own, or its place's where it has none
    pub container: Option<Text>,
    /// the task's ID
    pub task: Option<Text>,
    /// the task's ARN
    pub task_arn: Option<Text>,
    /// the program
    pub program: Option<Text>,
    /// who the container was
    pub identity: Whose,
    /// how it ended
    pub exit: Option<Exit>,
    /// its memory
    pub memory: Option<Memory>,
    /// the CPU that it used, of a `stats` record
    pub cpu: Option<Cpu>,
    /// how long the program waited for its identity, in milliseconds: `identity_ms`
    pub waited: Option<i64>,
    /// a word on what it is about: the signal of a `stop`, the victim of an `oom_kill`, the outcome of a
    /// `health`
    pub about: Option<Text>,
    /// see [`Record::hash`]
    pub hash: u64,
    /// see [`Record::core`]
    pub core: u64,
    /// see [`Record::clean`]
    pub clean: bool,
    /// its description is of a newer version than ours
    pub newer: bool,
    /// the record itself, where it is kept
    pub line: Option<Text>,
}

impl Event {
    /// What is kept of `record`.
    pub fn of(record: &Record<'_>, interner: &Interner) -> Event {
        let object = &record.object;
        let text = |key: &str| object.get(key).and_then(scalar).map(|text| interner.text(&text));
        let inner = |key: &str| object.get(key).and_then(Json::as_object);
        let kind = match record.kind.as_str() {
            "start" => Kind::Start,
            "identity" => Kind::Identity,
            "oom_kill" => Kind::OomKill,
            "memory_pressure" => Kind::MemoryPressure,
            "stop" => Kind::Stop,
            "stuck" => Kind::Stuck,
            "signal" => Kind::Signal,
            "task" => Kind::Task,
            "health" => Kind::Health,
            "stats" => Kind::Stats,
            "exit" => Kind::Exit,
            other => Kind::Other(interner.text(other)),
        };
        let known = interner.identity(|key| object.get(key).and_then(scalar));
        let signal = object.get("signal").and_then(Json::as_str).map(str::to_owned);
        let about = signal.or_else(|| inner("victim").and_then(victim)).or_else(|| {
            let outcome = object.get("outcome").or(object.get("why")).and_then(Json::as_str);
            outcome.filter(|_| matches!(kind, Kind::Health | Kind::Task)).map(str::to_owned)
        });
        let memory = match kind {
            Kind::Stats => Some(memory_of_stats(object)),
            _ => inner("memory").map(memory_of),
        };
        let task_arn = object.get("task_arn").and_then(scalar);
        let task = text("task_id").or_else(|| {
            let id = crate::inquest::context::task_of(task_arn.as_deref()?)?;
            Some(interner.text(&id))
        });
        let task_arn = task_arn.filter(|_| !interner.is_brief()).map(|arn| interner.text(&arn));
        Event {
            kind,
            time: record.time,
            pid: object.get("pid").and_then(Json::as_i64),
            run: text("run"),
            container: text("container_id"),
            task,
            task_arn,
            program: text("program"),
            identity: known,
            exit: inner("exit").map(|exit| exit_of(exit, interner)),
            memory,
            cpu: if kind == Kind::Stats { cpu_of_stats(object) } else { None },
            waited: object
                .get("identity_ms")
                .and_then(Json::as_i64)
                .filter(|waited| (0..=MAX_RUNTIME).contains(waited)),
            about: about.map(|about| interner.text(&about)),
            hash: record.hash,
            core: record.core,
            clean: record.clean,
            newer: record.schema > SCHEMA,
            line: None,
        }
    }
}

fn scalar<'a>(value: &'a Json<'_>) -> Option<Cow<'a, str>> {
    match value {
        Json::Text(text) if !text.is_empty() => Some((**text).into()),
        Json::Number(number) => Some(number.to_string().into()),
        _ => None,
    }
}

fn victim(victim: &Object<'_>) -> Option<String> {
    let name = victim.get("name").and_then(Json::as_str);
    let pid = victim.get("pid").and_then(Json::as_i64);
    match (name, pid) {
        (Some(name), Some(pid)) => Some(format!("{name} ({pid})")),
        (Some(name), None) => Some(name.to_owned()),
        (None, Some(pid)) => Some(pid.to_string()),
        (None, None) => None,
    }
}

fn exit_of(exit: &Object<'_>, interner: &Interner) -> Exit {
    let text = |key: &str| exit.get(key).and_then(scalar).map(|text| interner.text(&text));
    let number = |key: &str| exit.get(key).and_then(Json::as_i64);
    Exit {
        code: number("code"),
        signal: text("signal"),
        verdict: text("verdict"),
        why: interner.text(exit.get("why").and_then(Json::as_str).unwrap_or_default()),
        runtime: number("runtime_ms").filter(|runtime| (0..=MAX_RUNTIME).contains(runtime)),
        stop_signal: text("stop_signal"),
        stop: number("stop_ms").filter(|stop| (0..=MAX_RUNTIME).contains(stop)),
        stopped_by: text("stopped_by"),
        lost: exit.get("records_lost").and_then(Json::as_u64).unwrap_or(0),
    }
}

/// A hundred years in milliseconds: what is more was not written by epitaph.
const MAX_RUNTIME: i64 = 100 * 366 * 86_400_000;

fn memory_of(memory: &Object<'_>) -> Memory {
    let number = |key: &str| memory.get(key).and_then(Json::as_u64).filter(|amount| *amount < u64::MAX);
    Memory {
        limit: number("limit"),
        usage: number("usage"),
        peak: number("peak"),
        oom_kills: number("oom_kills"),
    }
}

/// The same of a `stats` record, whose keys are flat.
fn memory_of_stats(object: &Object<'_>) -> Memory {
    let number = |key: &str| object.get(key).and_then(Json::as_u64).filter(|amount| *amount < u64::MAX);
    Memory {
        limit: number("memory_limit"),
        usage: number("memory_used").or_else(|| number("memory_usage")),
        peak: number("memory_peak"),
        oom_kills: number("oom_kills"),
    }
}

fn cpu_of_stats(object: &Object<'_>) -> Option<Cpu> {
    let number =
        |key: &str| object.get(key).and_then(Json::as_u64).and_then(|value| u32::try_from(value).ok());
    Some(Cpu { milli: number("cpu_milli")?, limit: number("cpu_limit_milli") })
}

impl Event {
    /// Whether another container of the task, or the task as a whole, is told of: what `--task-stats` writes.
    /// Such records have no `run`, and stand in the log of whoever asked.
    pub fn is_hearsay(&self) -> bool {
        self.run.is_none() && matches!(self.kind, Kind::Stats | Kind::Task | Kind::Health)
    }
}
