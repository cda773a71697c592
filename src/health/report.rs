//! The records of a health check: when they are due, and where they go.

use super::due::{self, Outcome};
use super::state::{State, StateFile};
use super::{container, state};
use crate::forensics::{Resources, Sample, has_hosts_network};
use crate::identity::{Deadline, System, local, resolve};
use crate::options::{RecordFormat, Records, StatsFormat};
use crate::record::{
    Dimensions, Formats, Kind, Record, RenderedIdentity, Value, journal, render_emf, stats, stderr,
};
use crate::sys::{self, reason, since_boot};
use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// How often the endpoint is asked at most, one time a run, until it has answered.
const MOST_ASKED: u64 = 3;

/// How the check went, for its record.
pub(super) struct Check {
    pub(super) outcome: Outcome,
    /// what the record holds of it
    pub(super) fields: Vec<(&'static str, Value)>,
    /// the end of the output, or why there was none
    pub(super) output: Option<String>,
}

/// Records a check if that is due, and the statistics.
pub(super) fn report(
    options: &Records,
    system: &System,
    check: Check,
    pid_1: Option<Duration>,
    budget: Deadline,
) {
    let pid_1 = pid_1.unwrap_or_default();
    let path = state::path(Path::new("/dev/shm"), container::mount_namespace());
    let mut file = StateFile::open(&path);
    let mut state = file.as_mut().map(|file| file.read(pid_1)).unwrap_or_default();
    if let Err(error) = &file
        && options.stats.every.is_some()
    {
        log::warn!(
            "no statistics, which need {} from one check to the next: {}",
            path.display(),
            reason(error)
        );
    }
    let now = SystemTime::now();
    let (streak, is_due) = due::after(state.streak, check.outcome, now);
    state.streak = Some(streak);
    // Without a state nobody knows what has changed: failures are told, and passes are not.
    let is_due = if file.is_ok() { is_due } else { check.outcome != Outcome::Passed };
    let statistics =
        options.stats.every.filter(|_| file.is_ok()).and_then(|every| stats(&mut state, every, system));
    if is_due || statistics.is_some() {
        let log = Log::open(options);
        if log.is_wanted(options) {
            know_thyself(&mut state, options, system, log.format, budget);
            if is_due {
                let mut fields = vec![("outcome", Value::from(check.outcome.name()))];
                fields.extend(check.fields);
                fields.push(("streak", Value::from(streak.length)));
                fields
                    .push(("since", Value::from(humantime::format_rfc3339_millis(streak.since).to_string())));
                let shown = check.outcome != Outcome::Passed && options.stats.health_output;
                fields.extend(check.output.filter(|_| shown).map(|output| ("output", Value::from(output))));
                log.write(Kind::Health, now, fields, &state.identity, options, pid_1);
            }
            if let Some((sample, before, elapsed)) = statistics {
                let identity = &state.identity;
                let sample = sample.limited_to(identity.task_cpu_limit(), identity.task_memory_limit());
                let mut window = sample.window(&before, elapsed);
                window.net_shared = has_hosts_network(Path::new("/")) || identity.shares_network();
                window.uptime = Some(since_boot().saturating_sub(pid_1)).filter(|_| !pid_1.is_zero());
                log.write(Kind::Stats, now, stats::fields(&window), &state.identity, options, pid_1);
            }
        }
    }
    if let Ok(file) = &mut file
        && let Err(error) = file.write(&state, pid_1)
    {
        log::debug!("{}: {}", path.display(), reason(&error));
    }
}

/// A sample, the last one, and the time between them, when that is long enough; the first one is only kept.
fn stats(state: &mut State, every: Duration, system: &System) -> Option<(Sample, Sample, Duration)> {
    let at = since_boot();
    let elapsed = state.sample.as_ref().map(|(before, _)| at.saturating_sub(*before));
    // Checks come in steps of their interval: one that is a little early is not to be put off to the next.
    if elapsed.is_some_and(|elapsed| elapsed + every / 20 < every) {
        return None;
    }
    let sample = Resources::open(Path::new("/"), system.cgroup()).sample();
    let (_, before) = state.sample.replace((at, sample))?;
    Some((sample, before, elapsed?))
}

/// Finds out who the container is, unless an earlier check did. That and nothing else asks the endpoint.
fn know_thyself(
    state: &mut State,
    options: &Records,
    system: &System,
    format: RecordFormat,
    budget: Deadline,
) {
    if state.asked >= MOST_ASKED {
        return;
    }
    let local = local(system);
    let formats = Formats::new(format, options.journal.is_some());
    let limit = budget.at_most(options.stats.health_timeout / 2);
    let is_evident = local.ecs_is_evident;
    let (identity, asked) = if is_evident && !limit.has_passed() {
        let outcome = resolve(system, local, limit);
        (outcome.identity, if outcome.try_again { state.asked + 1 } else { MOST_ASKED })
    } else {
        (local.identity, if is_evident { state.asked } else { MOST_ASKED })
    };
    let dimensions = Dimensions::of(&identity, &options.stats.dimensions, &[], &[]);
    state.identity = RenderedIdentity::of(&identity, formats).without_rest().with_dimensions(&dimensions);
    state.asked = asked;
}

/// Where the records go: the container's log, or where that is not ours to write, our own stderr.
struct Log {
    file: Option<File>,
    format: RecordFormat,
}

impl Log {
    fn open(options: &Records) -> Log {
        let file = container::log();
        let is_terminal = match &file {
            Some(file) => file.is_terminal(),
            None => std::io::stderr().is_terminal(),
        };
        let by_default = match (is_terminal, &file) {
            (true, _) => RecordFormat::Text,
            // What the program wrote last may be half a line.
            (false, Some(_)) => RecordFormat::JsonApart,
            (false, None) => RecordFormat::Json,
        };
        Log { file, format: options.format.unwrap_or(by_default) }
    }

    fn is_wanted(&self, options: &Records) -> bool {
        self.format != RecordFormat::Off || options.journal.is_some()
    }

    fn write(
        &self,
        kind: Kind,
        time: SystemTime,
        fields: Vec<(&'static str, Value)>,
        identity: &RenderedIdentity,
        options: &Records,
        pid_1: Duration,
    ) {
        let record = Record { kind, time, pid: None, fields };
        // Text has no place for what makes metrics.
        let is_emf = kind == Kind::Stats && options.stats.format == StatsFormat::Emf && self.format.is_json();
        let line = |format| match is_emf {
            true => render_emf(&record, format, identity, &options.stats.namespace, &identity.dimensions()),
            false => record.render(format, identity),
        };
        if self.format != RecordFormat::Off {
            let line = line(self.format);
            // One write: whole or not at all, as it is no longer than a pipe takes at once.
            let written = self.file.as_ref().map(|mut file| file.write(&line));
            if !matches!(written, Some(Ok(count)) if count == line.len()) {
                stderr().write_record(line);
            }
        }
        // PID 1's file goes by the container's ID, and without that by what only PID 1 knows.
        if let (Some(directory), Some(id)) = (&options.journal, identity.container_id()) {
            let age = since_boot().saturating_sub(pid_1);
            let started = time.checked_sub(age).unwrap_or(time);
            let line = line(RecordFormat::Json);
            let path = journal::path(directory, started, Some(id), "");
            if let Err(error) = journal::append_bounded(&path, &line, true)
                && error.kind() != std::io::ErrorKind::WriteZero
            {
                log::warn!("the journal {} cannot be written: {}", path.display(), sys::reason(&error));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_due_when_the_last_are_old_enough() {
        let system = System::given("/nonexistent", []);
        let every = Duration::from_secs(60);
        let mut state = State::default();
        assert!(stats(&mut state, every, &system).is_none());
        assert!(state.sample.is_some(), "the first sample is kept");
        assert!(stats(&mut state, every, &system).is_none(), "too early");
        for (age, is_due) in [(56, false), (58, true), (600, true)] {
            state.sample = Some((since_boot().saturating_sub(Duration::from_secs(age)), Sample::default()));
            let found = stats(&mut state, every, &system);
            assert_eq!(found.is_some(), is_due, "{age}");
            if let Some((_, _, elapsed)) = found {
                assert_eq!(elapsed.as_secs(), age);
                assert!(elapsed.as_millis() >= u128::from(age) * 1000);
            }
        }
    }
}
