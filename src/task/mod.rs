//! `--task-stats`: the statistics of all containers of the ECS task, from its metadata endpoint.
//!
//! The collector is the *program* of the container that it runs in: PID 1 starts it as any other, and parses
//! nothing of what it hears. `answer` reads the endpoint's answers, `tick` makes records of them, and here is
//! what asks and writes.

mod answer;
mod journal;
mod table;
mod tick;

pub use self::journal::Journal;

use self::tick::{Identities, Told, Tracker};
use crate::identity::Field;
use crate::identity::ask::Trouble;
use crate::identity::http::{BaseUrl, Client};
use crate::identity::{Deadline, Identity, Source, System, derive::derive, metadata};
use crate::options::{RecordFormat, Records, StatsFormat};
use crate::record::{Dimensions, Formats, Kind, Record, RenderedIdentity, render_emf, stderr};
use std::fmt::Write as _;
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant, SystemTime};

/// How long both requests of a tick may take together.
const PATIENCE: Duration = Duration::from_secs(5);

/// The exit code where there is no endpoint.
const NO_ENDPOINT: u8 = 3;

/// One version of the endpoint.
struct Version {
    base: BaseUrl,
    source: Source,
    task: &'static str,
    stats: &'static str,
}

/// The endpoint: the versions that may be there, the best first.
struct Endpoint {
    client: Client,
    versions: Vec<Version>,
    /// whether the environment names one
    is_named: bool,
}

/// The two answers, and whose they are.
struct Answers {
    task: Vec<u8>,
    stats: Vec<u8>,
    source: Source,
}

impl Endpoint {
    fn of(system: &System) -> Endpoint {
        let mut versions = Vec::new();
        let named = [
            ("ECS_CONTAINER_METADATA_URI_V4", Source::MetadataV4),
            ("ECS_CONTAINER_METADATA_URI", Source::MetadataV3),
        ];
        let mut is_named = false;
        for (variable, source) in named {
            let Some(url) = system.variable(variable) else { continue };
            is_named = true;
            match BaseUrl::parse(&url) {
                Ok(base) => versions.push(Version { base, source, task: "/task", stats: "/task/stats" }),
                Err(bad) => log::warn!("{variable}: {bad}"),
            }
        }
        if !is_named && let Ok(base) = BaseUrl::parse(system.metadata_v2()) {
            versions.push(Version { base, source: Source::MetadataV2, task: "/metadata", stats: "/stats" });
        }
        Endpoint { client: Client::new(), versions, is_named }
    }

    /// Asks for both, within [`PATIENCE`]. The version that answers is asked first from then on.
    ///
    /// # Errors
    /// One line: who was asked in vain, and why.
    fn ask(&mut self) -> Result<Answers, String> {
        let deadline = Deadline::after(PATIENCE);
        let mut why = String::new();
        let mut answered = None;
        for (place, version) in self.versions.iter().enumerate() {
            match version.ask(&self.client, deadline) {
                Ok(answers) => {
                    answered = Some((place, answers));
                    break;
                }
                Err((path, trouble)) => {
                    // Writing to a String cannot fail.
                    let _ = write!(
                        why,
                        "{}{}{path}: {trouble}",
                        if why.is_empty() { "" } else { "; " },
                        version.base
                    );
                }
            }
        }
        let Some((place, answers)) = answered else {
            return Err(if why.is_empty() {
                "no endpoint is named that can be asked".to_owned()
            } else {
                why
            });
        };
        self.versions.drain(..place);
        Ok(answers)
    }
}

impl Version {
    fn ask(&self, client: &Client, deadline: Deadline) -> Result<Answers, (&'static str, Trouble)> {
        let get = |path: &'static str| {
            client.get(&self.base.join(path), deadline).map_err(|failure| (path, Trouble::Failed(failure)))
        };
        let task = get(self.task)?;
        answer::task(&task).map_err(|error| (self.task, Trouble::Nonsense(error)))?;
        let stats = get(self.stats)?;
        Ok(Answers { task, stats, source: self.source })
    }
}

/// Asks every so often and writes records, until a stop signal. Returns only where there is no endpoint, with
/// the exit code.
#[inline(never)]
pub fn collect(
    options: &Records,
    every: Duration,
    format: RecordFormat,
    system: &System,
    journal: Option<Journal>,
) -> u8 {
    for number in [libc::SIGTERM, libc::SIGINT] {
        let always = Arc::new(AtomicBool::new(true));
        // It has nothing to finish: a record is one write.
        if let Err(error) = signal_hook::flag::register_conditional_shutdown(number, 0, always) {
            log::warn!(
                "a stop signal ends --task-stats with another code than 0: {}",
                crate::sys::reason(&error)
            );
        }
    }
    let mut endpoint = Endpoint::of(system);
    let mut collector = Collector { journal, ..Collector::new(options, format) };
    let began = Instant::now();
    let mut failing = false;
    let mut ever = endpoint.is_named && !endpoint.versions.is_empty();
    for number in 1_u32.. {
        match endpoint.ask().and_then(|answers| collector.tick(&answers)) {
            Ok(()) => {
                if std::mem::take(&mut failing) {
                    log::warn!("the statistics of the task are there again");
                }
                ever = true;
            }
            Err(why) if !ever => {
                log::error!("--task-stats: there is no endpoint of ECS here: {why}");
                return NO_ENDPOINT;
            }
            Err(why) => {
                if !std::mem::replace(&mut failing, true) {
                    log::warn!("no statistics of the task: {why}");
                }
            }
        }
        // To the next multiple of the time: a tick that took long is not made up for.
        let elapsed = began.elapsed();
        let due = every.saturating_mul(number);
        let late = elapsed.saturating_sub(due).as_millis().checked_div(every.as_millis()).unwrap_or(0);
        let skipped = u32::try_from(late).unwrap_or(u32::MAX);
        std::thread::sleep(due.saturating_add(every.saturating_mul(skipped)).saturating_sub(elapsed));
    }
    0
}

/// Asks once. Returns what there is to print, and the exit code.
#[inline(never)]
pub fn once(options: &Records) -> (String, u8) {
    let system = System::of_process();
    let mut collector = Collector::new(options, RecordFormat::Json);
    let answers = match Endpoint::of(&system).ask() {
        Ok(answers) => answers,
        Err(why) => {
            log::error!("--task-stats: no endpoint of ECS answers here: {why}");
            return (String::new(), NO_ENDPOINT);
        }
    };
    let as_table = match options.format {
        Some(format) => format == RecordFormat::Text,
        None => std::io::stdout().is_terminal(),
    };
    match collector.told(&answers) {
        Err(why) => {
            log::error!("--task-stats: {why}");
            (String::new(), NO_ENDPOINT)
        }
        Ok((task, _)) if as_table => {
            let identity = identity_of(&answers, None);
            (table::render(&task, &collector.tracker, &identity), 0)
        }
        Ok((_, told)) => {
            let lines = told.iter().map(|told| collector.line(told, &answers, RecordFormat::Json));
            (lines.map(|line| String::from_utf8_lossy(&line).into_owned()).collect(), 0)
        }
    }
}

/// The records that two answers of version 4 come to, the bodies of `/task` and `/task/stats`, one after the
/// other as lines.
///
/// # Errors
/// One line: which of them is not what it should be.
pub fn lines(options: &Records, task: &[u8], stats: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let answers = Answers { task: task.to_vec(), stats: stats.to_vec(), source: Source::MetadataV4 };
    let mut collector = Collector::new(options, RecordFormat::Json);
    let (_, told) = collector.told(&answers)?;
    Ok(told.iter().map(|told| collector.line(told, &answers, RecordFormat::Json)).collect())
}

struct Collector<'a> {
    options: &'a Records,
    format: RecordFormat,
    tracker: Tracker,
    identities: Identities,
    journal: Option<Journal>,
}

impl Collector<'_> {
    fn new(options: &Records, format: RecordFormat) -> Collector<'_> {
        // Nobody else here leaves a line open.
        let format = if format == RecordFormat::JsonApart { RecordFormat::Json } else { format };
        let (tracker, identities) = (Tracker::default(), Identities::default());
        Collector { options, format, tracker, identities, journal: None }
    }

    fn told(&mut self, answers: &Answers) -> Result<(answer::Task, Vec<Told>), String> {
        let task = answer::task(&answers.task).map_err(|error| error.to_string())?;
        let stats = answer::stats(&answers.stats).map_err(|error| format!("the statistics: {error}"))?;
        let told = self.tracker.tick(&task, &stats);
        Ok((task, told))
    }

    fn tick(&mut self, answers: &Answers) -> Result<(), String> {
        let (_, told) = self.told(answers)?;
        let (mut lost, mut lines) = (0, Vec::new());
        for told in &told {
            if self.format != RecordFormat::Off {
                let line = self.line(told, answers, self.format);
                lost += u64::from(!stderr().write_record(line));
            }
            if self.journal.is_some() {
                lines.extend(self.line(told, answers, RecordFormat::Json));
            }
        }
        if !lines.is_empty()
            && let Some(journal) = &mut self.journal
            && !journal.append(&lines)
        {
            lost += told.len() as u64;
        }
        // What was lost before stands in the `task` record of this tick, if there is one that was not lost as
        // well.
        let is_told = lost == 0 && told.iter().any(|told| told.kind == Kind::Task);
        self.tracker.lost = if is_told { 0 } else { self.tracker.lost + lost };
        Ok(())
    }

    fn line(&mut self, told: &Told, answers: &Answers, format: RecordFormat) -> Vec<u8> {
        let of = told.of.as_deref();
        let identity = self.identities.get(of, || identity_of(answers, of));
        let record =
            Record { kind: told.kind, time: SystemTime::now(), pid: None, fields: told.fields.clone() };
        let rendered = |format| RenderedIdentity::of(identity, Formats::new(format, false)).of_another();
        let stats = &self.options.stats;
        if stats.format == StatsFormat::Record || told.kind == Kind::Health {
            return record.render(format, &rendered(format));
        }
        let container_name: &[Field] = &[Field::ContainerName];
        let (leaves_out, told): (&[Field], &[Field]) = match told.kind {
            Kind::Task => (container_name, &[]),
            _ => (&[], container_name),
        };
        let dimensions = Dimensions::of(identity, &stats.dimensions, leaves_out, told);
        render_emf(&record, format, &rendered(RecordFormat::Json), &stats.namespace, &dimensions)
    }
}

/// Who a container is, or the task alone, as far as the answer tells; each value is checked.
fn identity_of(answers: &Answers, container: Option<&str>) -> Identity {
    let Ok(findings) = metadata::task(&answers.task, container, answers.source) else {
        return Identity::default();
    };
    let mut identity = findings.identity;
    derive(&mut identity);
    identity
}
