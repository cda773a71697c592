//! What is told at each tick: pure, from two answers to records.

use super::answer::{Container, Health, Stats, Task};
use crate::forensics::{Sample, Window, percent};
use crate::identity::Identity;
use crate::record::{Kind, Value, stats};
use std::time::{Duration, SystemTime};

/// A record to write.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Told {
    pub(super) kind: Kind,
    /// whose it is: a container's ID; `None` of the task
    pub(super) of: Option<String>,
    pub(super) fields: Vec<(&'static str, Value)>,
}

/// What is remembered from tick to tick.
#[derive(Debug, Default)]
pub(super) struct Tracker {
    containers: Vec<Known>,
    /// records that had no room, for the next `task` record
    pub(super) lost: u64,
}

/// A container that was seen.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) id: String,
    is_pause: bool,
    is_running: bool,
    started: Option<SystemTime>,
    /// the last sample, and when it was
    last: Option<(SystemTime, Sample)>,
    /// what it used before that
    pub(super) window: Option<Window>,
    health: Option<String>,
}

impl Tracker {
    /// What the answers tell that was not told before.
    pub(super) fn tick(&mut self, task: &Task, stats: &[(String, Stats)]) -> Vec<Told> {
        let mut told = Vec::new();
        let mut is_new = false;
        // One that the agent has forgotten has been told to have ended, or was never created.
        self.containers.retain(|known| task.containers.iter().any(|one| one.id == known.id));
        for container in task.containers.iter().filter(|container| !container.id.is_empty()) {
            let place = self.containers.iter().position(|known| known.id == container.id);
            let place = place.unwrap_or_else(|| {
                self.containers.push(Known::new(container));
                self.containers.len() - 1
            });
            let Some(known) = self.containers.get_mut(place) else { continue };
            let stats = stats.iter().find(|(id, _)| *id == container.id).map(|(_, stats)| stats);
            is_new |= known.tick(task, container, stats, &mut told);
        }
        // On Fargate statistics are new every 10 s. The same once more is nothing.
        if is_new || self.containers.iter().all(|known| known.last.is_none()) {
            told.push(Told { kind: Kind::Task, of: None, fields: self.sums(task) });
        }
        told
    }

    /// Those that are shown to a person.
    pub(super) fn shown(&self) -> impl Iterator<Item = &Known> {
        self.containers.iter().filter(|known| !known.is_pause)
    }

    /// The task as a whole. A sum is told only if each running container is in it.
    fn sums(&self, task: &Task) -> Vec<(&'static str, Value)> {
        let shown = || task.containers.iter().filter(|container| !container.is_pause);
        let running = shown().filter(|container| container.is_running()).count();
        let sum = |of: &dyn Fn(&Window) -> Option<u64>| {
            let counted = self.containers.iter().filter(|known| known.is_running && !known.is_pause);
            let mut total = None;
            for known in counted {
                let value = known.window.as_ref().and_then(of)?;
                total = Some(value.saturating_add(total.unwrap_or(0)));
            }
            total
        };
        let cpu_milli = sum(&|window| window.cpu_milli);
        let memory_used = sum(&|window| window.now.memory_used());
        let windows = || self.containers.iter().filter_map(|known| known.window.as_ref());
        let window = windows().map(|window| window.elapsed).max();
        let network = |of: fn(&Window) -> Option<u64>| match mode(task) {
            // Each container reports the whole task's.
            Some("awsvpc") => windows().find_map(of),
            Some("host") => None,
            _ => sum(&of),
        };
        let figures = [
            ("window_ms", window.map(milliseconds)),
            ("containers", Some(shown().count() as u64)),
            ("running", Some(running as u64)),
            ("cpu_milli", cpu_milli),
            ("cpu_limit_milli", task.cpu_limit_milli),
            ("cpu_percent", percent_of(cpu_milli, task.cpu_limit_milli)),
            ("memory_used", memory_used),
            ("memory_limit", task.memory_limit),
            ("memory_percent", percent_of(memory_used, task.memory_limit)),
            ("net_rx_bytes", network(|window| window.net_rx_bytes)),
            ("net_tx_bytes", network(|window| window.net_tx_bytes)),
            ("storage_used", task.storage_used),
            ("storage_limit", task.storage_limit),
            ("records_lost", Some(self.lost).filter(|lost| *lost > 0)),
        ];
        let numbers = figures.into_iter().filter_map(|(name, value)| Some((name, Value::from(value?))));
        let texts = [("desired_status", &task.desired_status), ("known_status", &task.known_status)];
        let texts = texts.into_iter().filter_map(|(name, text)| Some((name, Value::from(text.as_deref()?))));
        numbers.chain(texts).collect()
    }
}

impl Known {
    fn new(container: &Container) -> Known {
        Known {
            id: container.id.clone(),
            is_pause: container.is_pause,
            is_running: false,
            started: container.started,
            last: None,
            window: None,
            health: None,
        }
    }

    /// Returns whether there was a new sample.
    fn tick(
        &mut self,
        task: &Task,
        container: &Container,
        stats: Option<&Stats>,
        told: &mut Vec<Told>,
    ) -> bool {
        let name = || ("container_name", Value::from(container.name.as_str()));
        if self.started != container.started {
            // It was restarted in place: its cgroup is a new one.
            (self.last, self.window, self.started) = (None, None, container.started);
        }
        let was_running = std::mem::replace(&mut self.is_running, container.is_running());
        if container.has_ended() {
            if was_running || self.last.is_some() {
                let mut fields = vec![name(), ("status", Value::from("STOPPED"))];
                fields.extend(container.exit_code.map(|code| ("exit_code", Value::from(code))));
                told.push(Told { kind: Kind::Stats, of: Some(self.id.clone()), fields });
            }
            (self.last, self.window) = (None, None);
        }
        let is_new = !container.has_ended() && stats.is_some_and(|stats| self.sample(task, container, stats));
        if let Some(window) = self.window.filter(|_| is_new && !self.is_pause) {
            let mut fields = vec![name()];
            // It may be the whole task's, and is told there.
            fields.extend(stats::fields(&Window { net_rx_bytes: None, net_tx_bytes: None, ..window }));
            told.push(Told { kind: Kind::Stats, of: Some(self.id.clone()), fields });
        }
        if let Some(health) = &container.health
            && let Some(outcome) = outcome(health)
            && self.health.as_deref() != Some(outcome)
        {
            self.health = Some(outcome.to_owned());
            let mut fields = vec![name(), ("outcome", Value::from(outcome))];
            fields.extend(health.code.filter(|code| *code <= 255).map(|code| ("code", Value::from(code))));
            fields.extend(health.since.as_deref().map(|since| ("since", Value::from(since))));
            let output = health.output.as_deref().filter(|_| outcome != "passed");
            fields.extend(output.map(|output| ("output", Value::from(last(output, 256)))));
            told.push(Told { kind: Kind::Health, of: Some(self.id.clone()), fields });
        }
        is_new
    }

    /// Takes a sample; `false` when it is the last one again.
    fn sample(&mut self, task: &Task, container: &Container, stats: &Stats) -> bool {
        if self.last.as_ref().is_some_and(|(read, _)| *read == stats.read) {
            return false;
        }
        let memory_limit = container.memory_limit.into_iter().chain(task.memory_limit).min();
        let sample = stats.sample.limited_to(task.cpu_limit_milli, memory_limit);
        // After the agent's clock was set back there is no time between the two.
        let since_last =
            self.last.and_then(|(read, before)| Some((before, stats.read.duration_since(read).ok()?)));
        let (before, elapsed) = since_last.or(stats.before).unwrap_or((Sample::default(), Duration::ZERO));
        let mut window = sample.window(&before, elapsed);
        window.uptime = container.started.and_then(|started| stats.read.duration_since(started).ok());
        window.restarts = container.restarts;
        (self.last, self.window) = (Some((stats.read, stats.sample)), Some(window));
        true
    }
}

/// How the containers of the task are connected.
pub(super) fn mode(task: &Task) -> Option<&str> {
    task.containers.iter().find_map(|container| container.network_mode.as_deref())
}

/// `UNKNOWN` is a check that has not come to a result yet, which is none.
fn outcome(health: &Health) -> Option<&'static str> {
    match health.status.as_str() {
        "HEALTHY" => Some("passed"),
        "UNHEALTHY" => Some("failed"),
        _ => None,
    }
}

fn percent_of(part: Option<u64>, whole: Option<u64>) -> Option<u64> {
    percent(part?, whole?)
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The last bytes of a text, without half a character.
fn last(text: &str, most: usize) -> &str {
    let start = (text.len().saturating_sub(most)..=text.len()).find(|start| text.is_char_boundary(*start));
    text.get(start.unwrap_or(0)..).unwrap_or_default()
}

/// Who the containers are, as far as it was found out.
#[derive(Debug, Default)]
pub(super) struct Identities(Vec<(Option<String>, Identity)>);

impl Identities {
    /// The identity of a container, or of the task alone, which `find` finds out the first time.
    pub(super) fn get(&mut self, of: Option<&str>, find: impl FnOnce() -> Identity) -> &Identity {
        let place = self.0.iter().position(|(known, _)| known.as_deref() == of);
        let place = place.unwrap_or_else(|| {
            // Containers come and go, and there are at most 32 at a time.
            if self.0.len() > 64 {
                self.0.clear();
            }
            self.0.push((of.map(str::to_owned), find()));
            self.0.len() - 1
        });
        &self.0[place].1
    }
}

#[cfg(test)]
mod tests;
