//! What a timeline shows, before it is drawn: a row for each life, in groups.

use crate::inquest::case::{Kind, Life, Once, Said, is_good};
use crate::inquest::witness::{ServiceAction, What};
use std::collections::BTreeMap;

/// A moment of a life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// a signal that stops nothing
    Signal,
    /// a health check
    Health,
    /// a word on the task: who stopped it
    Task,
    /// the limit of memory was hit
    Pressure,
    /// a stop signal
    Stop,
    /// it still ran some time after it
    Stuck,
    /// a process was taken
    OomKill,
}

/// How a row ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// it ended as it should
    Good,
    /// it ended badly
    Bad,
    /// it ended, or was seen for the last time; how is not known from its own records
    Unknown,
    /// it may still run
    Running,
}

/// A life as a row.
#[derive(Debug)]
pub struct Row<'a> {
    /// whose it is
    pub life: &'a Life,
    /// `family:revision`, or what of it is known
    pub group: String,
    /// the service
    pub service: Option<String>,
    /// the container's name
    pub name: String,
    /// from when, in milliseconds since 1970
    pub from: i64,
    /// whether that is its start
    pub started: bool,
    /// until when
    pub to: i64,
    /// how it ends
    pub end: End,
    /// what happened between
    pub marks: Vec<(i64, Mark)>,
}

/// The rows of `lives`: by service, family and container, and in each by their beginning. What has no time at
/// all has no row.
pub fn rows<'a>(lives: &[&'a Life]) -> Vec<Row<'a>> {
    let mut rows: Vec<Row<'a>> = lives.iter().filter_map(|life| row(life)).collect();
    rows.sort_by(|one, other| {
        let key = |row: &Row<'a>| (row.service.clone(), row.group.clone(), row.name.clone(), row.from);
        key(one).cmp(&key(other)).then_with(|| one.life.order().cmp(&other.life.order()))
    });
    rows
}

fn row(life: &Life) -> Option<Row<'_>> {
    let first = life.records.iter().map(Once::time).min();
    let from = life.begun().or(first)?;
    let to = life.died().or(life.last_sign()).unwrap_or(from).max(from);
    let end = match life.verdict() {
        _ if !life.disputed.is_empty() => End::Bad,
        Some(verdict) if is_good(verdict) => End::Good,
        Some(_) => End::Bad,
        None if life.conclusion.word == "running" => End::Running,
        None => end_by_engine(life),
    };
    let mark = |kind: &Kind| {
        Some(match kind {
            Kind::OomKill => Mark::OomKill,
            Kind::MemoryPressure => Mark::Pressure,
            Kind::Stop => Mark::Stop,
            Kind::Stuck => Mark::Stuck,
            Kind::Signal => Mark::Signal,
            Kind::Health => Mark::Health,
            Kind::Task => Mark::Task,
            _ => return None,
        })
    };
    let marks = life.records.iter().filter_map(|record| Some((record.time(), mark(&record.kind())?)));
    let family = life.get("family");
    let group = match (family, life.get("revision")) {
        (Some(family), Some(revision)) => format!("{family}:{revision}"),
        (Some(family), None) => family.to_owned(),
        (None, _) => life.get("docker_name").or(life.program()).unwrap_or("?").to_owned(),
    };
    Some(Row {
        life,
        group,
        service: life.get("service").map(str::to_owned),
        name: life.get("container_name").unwrap_or_default().to_owned(),
        from,
        started: life.has_start,
        to,
        end,
        marks: marks.collect(),
    })
}

/// The exit codes of signals that ask a program to end: SIGHUP, SIGINT, SIGQUIT, SIGTERM.
const ASKED_TO: [i64; 4] = [129, 130, 131, 143];

/// How a life ended of which there is no exit record, where its engine tells when and with which code.
fn end_by_engine(life: &Life) -> End {
    match life.witnessed.as_ref().and(life.conclusion.word_of().code) {
        None => End::Unknown,
        Some(0) => End::Good,
        Some(code) if ASKED_TO.contains(&code) && life.has(&Kind::Stop) => End::Good,
        Some(_) => End::Bad,
    }
}

/// What a service of ECS did, as a letter and in words.
pub fn action(action: &ServiceAction) -> Option<(char, &'static str)> {
    Some(match action {
        ServiceAction::StartedTasks => ('t', "tasks started"),
        ServiceAction::StoppedTasks => ('x', "tasks stopped"),
        ServiceAction::HealthCheckFailed => ('h', "health check failed"),
        ServiceAction::PlacementFailed => ('p', "no place for a task"),
        ServiceAction::StartImpaired => ('i', "tasks do not come up"),
        ServiceAction::DeploymentInProgress => ('d', "deployment"),
        ServiceAction::DeploymentCompleted => ('c', "deployment completed"),
        ServiceAction::DeploymentFailed => ('f', "deployment failed"),
        ServiceAction::DrainingConnections => ('g', "connections drained"),
        ServiceAction::SteadyState => ('=', "steady state"),
        ServiceAction::RegisteredTargets | ServiceAction::DeregisteredTargets | ServiceAction::Other(_) => {
            return None;
        }
    })
}

/// What services of ECS did, by their names, in order of time.
pub fn services<'a>(
    said: impl Iterator<Item = &'a Said>,
) -> BTreeMap<String, Vec<(i64, char, &'static str)>> {
    let mut services: BTreeMap<String, Vec<(i64, char, &'static str)>> = BTreeMap::new();
    for said in said {
        let What::ServiceEvent(event) = &said.statement.what else { continue };
        let (Some(at), Some((letter, words))) = (said.at(), action(&event.action)) else { continue };
        let marks = services.entry(event.service.clone().unwrap_or_default()).or_default();
        if !marks.contains(&(at, letter, words)) {
            marks.push((at, letter, words));
        }
    }
    services.values_mut().for_each(|marks| marks.sort_unstable());
    services
}

/// The steps that the marks of an axis may have, in milliseconds.
const STEPS: [i64; 27] = [
    1,
    2,
    5,
    10,
    20,
    50,
    100,
    200,
    500,
    1_000,
    2_000,
    5_000,
    10_000,
    30_000,
    60_000,
    120_000,
    300_000,
    600_000,
    1_800_000,
    3_600_000,
    7_200_000,
    21_600_000,
    43_200_000,
    86_400_000,
    172_800_000,
    604_800_000,
    2_419_200_000,
];

/// The marks of an axis from `from` to `to`: as many as `most` at the most, at round times of a zone that is
/// `offset` ahead of UTC.
pub fn ticks(from: i64, to: i64, most: usize, offset: i64) -> (i64, Vec<i64>) {
    let length = to.saturating_sub(from).max(1);
    let most = i64::try_from(most.max(1)).unwrap_or(i64::MAX);
    let step = STEPS.into_iter().find(|step| length / step <= most);
    // Years, in the end.
    let step = step.unwrap_or_else(|| (length / most).max(1));
    let first = (from + offset).div_euclid(step) * step - offset;
    let ticks = (0..=most + 2)
        .map(|number| first + number * step)
        .filter(|tick| (from..=to).contains(tick))
        .collect();
    (step, ticks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_not_too_many() {
        assert_eq!(ticks(61_000, 299_000, 5, 0), (60_000, vec![120_000, 180_000, 240_000]));
        // Midnight of a zone that is two hours ahead.
        let (step, day) = ticks(0, 4 * 86_400_000, 4, 7_200_000);
        assert_eq!((step, day.first()), (86_400_000, Some(&79_200_000)));
        for length in [0, 1, 7, 999, 86_400_000, 10_i64.pow(12), i64::MAX / 4] {
            for most in [0, 1, 3, 20] {
                let (_, ticks) = ticks(1_795_453_330_000, 1_795_453_330_000 + length, most, 0);
                assert!(ticks.len() <= most.max(1) + 1, "{length} {most}: {ticks:?}");
            }
        }
    }
}
