//! Options of the statistics and of the health check.

use super::duration;
use crate::identity::Field;
use std::time::Duration;

/// How long a health check may take where nothing else is said: a second less than ECS gives it.
pub const HEALTH_TIMEOUT: Duration = Duration::from_secs(4);

/// The shortest `--stats`.
const SHORTEST_STATS: Duration = Duration::from_secs(1);

/// The shortest `--task-stats`: the agent allows 40 requests a second to the whole instance.
const SHORTEST_TASK_STATS: Duration = Duration::from_secs(5);

/// What is set of statistics and health checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    /// `--stats`: how often a `stats` record of this container is written; `None` is never
    pub every: Option<Duration>,
    /// whether that came from the command line rather than from the environment
    pub is_option: bool,
    /// `--stats-format`
    pub format: StatsFormat,
    /// `EPITAPH_EMF_NAMESPACE`
    pub namespace: String,
    /// `EPITAPH_EMF_DIMENSIONS`: sets of fields of the identity; empty for the default, which hangs on what
    /// is known
    pub dimensions: Vec<Vec<Field>>,
    /// `--timeout`: how long a health check may take, longer than zero
    pub health_timeout: Duration,
    /// `EPITAPH_HEALTH_OUTPUT`: whether the end of a failed check's output is in the record
    pub health_output: bool,
}

impl Default for Stats {
    fn default() -> Stats {
        Stats {
            every: None,
            is_option: false,
            format: StatsFormat::Record,
            namespace: "Epitaph".to_owned(),
            dimensions: Vec::new(),
            health_timeout: HEALTH_TIMEOUT,
            health_output: true,
        }
    }
}

/// How `stats` and `task` records look on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatsFormat {
    /// as all records
    Record,
    /// JSON in CloudWatch's embedded metric format
    Emf,
}

/// `--max-lifetime DUR[+DUR]`: how old the container may become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// at least this old
    pub base: Duration,
    /// and a part of this more, so that not all containers of a service are replaced at once
    pub spread: Duration,
}

impl Lifetime {
    /// Reads `6h` or `6h+30m`.
    pub fn parse(text: &str) -> Option<Lifetime> {
        let (base, spread) = text.split_once('+').unwrap_or((text, "0"));
        let (base, spread) = (duration::parse(base)?, duration::parse(spread)?);
        (!base.is_zero()).then_some(Lifetime { base, spread })
    }

    /// The same without a spread, for such a number.
    pub fn settled(self, number: u64) -> Lifetime {
        Lifetime { base: self.drawn(number), spread: Duration::ZERO }
    }

    /// The age for a number that is as random as the caller wants it, in whole milliseconds.
    pub fn drawn(self, number: u64) -> Duration {
        let spread = u64::try_from(self.spread.as_millis()).unwrap_or(u64::MAX);
        self.base + Duration::from_millis(number % spread.saturating_add(1))
    }
}

/// What `--max-lifetime` takes.
pub(super) const LIFETIME_FORMS: &str = "a duration, or two with + between them, such as 6h or 6h+30m";

/// What `--stats` takes.
pub(super) const EVERY_FORMS: &str = "a duration of at least 1s, or 0 for never";

/// What `--task-stats` takes.
pub(super) const TASK_FORMS: &str = "a duration of at least 5s, or 0 for once";

/// What `--timeout` takes.
pub(super) const TIMEOUT_FORMS: &str = "a duration, such as 4s or 500ms, and not 0";

/// What `--stats-format` takes.
pub(super) const FORMATS: &str = "record or emf";

/// What `EPITAPH_EMF_NAMESPACE` takes.
pub(super) const NAMESPACE_FORMS: &str =
    "1 to 255 letters, digits and ._#:/- that begin with none of AWS/ and :";

/// What `EPITAPH_EMF_DIMENSIONS` takes.
pub(super) const DIMENSION_FORMS: &str = "fields of the identity with commas between them, and semicolons between sets, such as cluster,service;family";

/// `Some(None)` is never.
pub(super) fn every(text: &str) -> Option<Option<Duration>> {
    let every = duration::parse(text)?;
    (every.is_zero() || every >= SHORTEST_STATS).then(|| Some(every).filter(|every| !every.is_zero()))
}

/// Zero is once.
pub(super) fn task_every(text: &str) -> Option<Duration> {
    duration::parse(text).filter(|every| every.is_zero() || *every >= SHORTEST_TASK_STATS)
}

pub(super) fn timeout(text: &str) -> Option<Duration> {
    duration::parse(text).filter(|timeout| !timeout.is_zero())
}

pub(super) fn format(text: &str) -> Option<StatsFormat> {
    match text {
        "record" => Some(StatsFormat::Record),
        "emf" => Some(StatsFormat::Emf),
        _ => None,
    }
}

/// CloudWatch keeps `AWS/` to itself.
pub(super) fn namespace(text: &str) -> Option<String> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._#:/-".contains(&byte);
    let fits = (1..=255).contains(&text.len()) && !text.starts_with(':') && !text.starts_with("AWS/");
    (fits && text.bytes().all(is_allowed)).then(|| text.to_owned())
}

/// At most 8 sets: each is another metric that is paid for, and all must fit into a record.
pub(super) fn dimensions(text: &str) -> Option<Vec<Vec<Field>>> {
    let set =
        |set: &str| set.split(',').map(|name| Field::from_name(name.trim())).collect::<Option<Vec<_>>>();
    let sets = text.split(';').map(set).collect::<Option<Vec<_>>>()?;
    (sets.len() <= 8 && sets.iter().all(|set| set.len() <= 8)).then_some(sets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes() {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        assert_eq!(Lifetime::parse("6h"), Some(Lifetime { base: hours(6), spread: Duration::ZERO }));
        assert_eq!(Lifetime::parse("6h+1h"), Some(Lifetime { base: hours(6), spread: hours(1) }));
        for wrong in ["", "0", "0+1h", "+1h", "6h+", "6h+1h+1h", "x", "-1h"] {
            assert_eq!(Lifetime::parse(wrong), None, "{wrong}");
        }
        let lifetime = Lifetime { base: hours(6), spread: Duration::from_millis(9) };
        for number in [0, 1, 9, 10, 11, u64::MAX] {
            let drawn = lifetime.drawn(number);
            assert!((lifetime.base..=lifetime.base + lifetime.spread).contains(&drawn), "{number}");
        }
        assert_eq!(Lifetime { base: hours(6), spread: Duration::ZERO }.drawn(u64::MAX), hours(6));
    }

    /// What 50 containers of a service draw at their starts: all within the spread, and not in a heap.
    #[test]
    fn fifty_starts_are_spread() {
        let lifetime = Lifetime::parse("6h+1h").expect("a life time");
        let hour = Duration::from_secs(3600);
        let mut drawn: Vec<_> = (0..50).map(|_| lifetime.settled(crate::sys::random()).base).collect();
        drawn.sort();
        drawn.dedup();
        assert!(drawn.iter().all(|age| (6 * hour..=7 * hour).contains(age)), "{drawn:?}");
        assert!(drawn.len() >= 45, "{drawn:?}");
        // By chance alone one of four quarters is empty once in 400,000 times.
        for quarter in 0..4 {
            let begin = 6 * hour + quarter * hour / 4;
            assert!(drawn.iter().any(|age| (begin..begin + hour / 4).contains(age)), "{quarter}: {drawn:?}");
        }
        // The same of numbers that are no more random than a counter: nothing hangs on the source's high
        // bits.
        let of = |number| lifetime.drawn(number);
        assert_eq!((of(0), of(3_600_000), of(3_600_001)), (6 * hour, 7 * hour, 6 * hour));
    }

    #[test]
    fn how_often() {
        assert_eq!(every("0"), Some(None));
        assert_eq!(every("1"), Some(Some(Duration::from_secs(1))));
        assert_eq!((every("999ms"), every("x")), (None, None));
        assert_eq!(task_every("0"), Some(Duration::ZERO));
        assert_eq!((task_every("5s"), task_every("4s")), (Some(Duration::from_secs(5)), None));
        assert_eq!((timeout("0"), timeout("1ms")), (None, Some(Duration::from_millis(1))));
    }

    #[test]
    fn names_of_the_embedded_metric_format() {
        assert_eq!(namespace("My/App_1.2#x:y-z"), Some("My/App_1.2#x:y-z".to_owned()));
        for wrong in ["", ":x", "AWS/ECS", "a b", "é", &"x".repeat(256)] {
            assert_eq!(namespace(wrong), None, "{wrong}");
        }
        assert_eq!(
            dimensions("cluster, service;family"),
            Some(vec![vec![Field::Cluster, Field::Service], vec![Field::Family]])
        );
        for wrong in
            ["", "cluster,", ";", "cluster;", "nonsense", &["family"; 9].join(","), &["family"; 9].join(";")]
        {
            assert_eq!(dimensions(wrong), None, "{wrong}");
        }
    }
}
