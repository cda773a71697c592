//! The endpoint's answers to `/task` and `/task/stats`, as what is made of them.
//!
//! Formats: "Amazon ECS task metadata endpoint version 4" in the Amazon ECS Developer Guide, and Docker's
//! "Get container stats based on resource usage" in its Engine API, whose object it is. Nothing is mandatory
//! there: a container without statistics is `null` or `{}`, one that has ended has times of the year 1, and a
//! limit that is none is the machine's memory or a number near 2^63.

use crate::forensics::Sample;
use crate::identity::document::{Found, Key, NotMetadata, Want, outer, read};
use std::time::{Duration, SystemTime};

/// From here on a limit is none.
const UNLIMITED: u64 = 1 << 62;

const fn text(name: &'static str) -> Want {
    Want::Text(Key::Named(name))
}

const TASK: Want = Want::Object(&[
    ("DesiredStatus", text("desired")),
    ("KnownStatus", text("known")),
    ("Limits", Want::Object(&[("CPU", Want::Milli(Key::Named("cpu"))), ("Memory", text("memory"))])),
    (
        "EphemeralStorageMetrics",
        Want::Object(&[("Utilized", text("storage")), ("Reserved", text("storage_limit"))]),
    ),
    (
        "Containers",
        Want::Each(&Want::Object(&[
            ("DockerId", text("id")),
            ("Name", text("name")),
            ("Type", text("type")),
            ("KnownStatus", text("known")),
            ("ExitCode", text("exit_code")),
            ("StartedAt", text("started")),
            ("RestartCount", text("restarts")),
            ("Limits", Want::Object(&[("Memory", text("memory"))])),
            ("Networks", Want::First(&Want::Object(&[("NetworkMode", text("network"))]))),
            (
                "Health",
                Want::Object(&[
                    ("status", text("health")),
                    ("statusSince", text("health_since")),
                    ("exitCode", text("health_code")),
                    ("output", text("health_output")),
                ]),
            ),
        ])),
    ),
]);

const CPU: Want = Want::Object(&[
    ("cpu_usage", Want::Object(&[("total_usage", text("cpu"))])),
    (
        "throttling_data",
        Want::Object(&[
            ("periods", text("periods")),
            ("throttled_periods", text("throttled_periods")),
            ("throttled_time", text("throttled")),
        ]),
    ),
]);

/// A name of both cgroup versions, or of one.
const MEMORY: Want = Want::Object(&[
    ("usage", text("usage")),
    ("max_usage", text("peak")),
    ("limit", text("limit")),
    (
        "stats",
        Want::Object(&[
            ("anon", text("anon")),
            ("total_rss", text("total_rss")),
            ("rss", text("rss")),
            ("file", text("file")),
            ("total_cache", text("total_cache")),
            ("shmem", text("shmem")),
            ("total_shmem", text("total_shmem")),
            ("inactive_file", text("inactive_file")),
            ("total_inactive_file", text("total_inactive_file")),
            ("hierarchical_memory_limit", text("hierarchical_limit")),
        ]),
    ),
]);

const STATS: Want = Want::Map(&Want::Object(&[
    ("read", text("read")),
    ("preread", text("preread")),
    ("cpu_stats", CPU),
    ("precpu_stats", Want::Object(&[("cpu_usage", Want::Object(&[("total_usage", text("precpu"))]))])),
    ("memory_stats", MEMORY),
    ("pids_stats", Want::Object(&[("current", text("pids")), ("limit", text("pids_limit"))])),
    (
        "blkio_stats",
        Want::Object(&[(
            "io_service_bytes_recursive",
            Want::Each(&Want::Object(&[("op", text("op")), ("value", text("value"))])),
        )]),
    ),
    ("networks", Want::Map(&Want::Object(&[("rx_bytes", text("rx")), ("tx_bytes", text("tx"))]))),
]));

/// A task, as `/task` tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Task {
    pub(super) desired_status: Option<String>,
    pub(super) known_status: Option<String>,
    /// in thousandths of a CPU
    pub(super) cpu_limit_milli: Option<u64>,
    /// in bytes
    pub(super) memory_limit: Option<u64>,
    /// on Fargate, in bytes
    pub(super) storage_used: Option<u64>,
    pub(super) storage_limit: Option<u64>,
    /// at most 32
    pub(super) containers: Vec<Container>,
}

/// A container of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Container {
    /// the runtime's ID; empty before the container is created
    pub(super) id: String,
    pub(super) name: String,
    pub(super) is_pause: bool,
    pub(super) known_status: Option<String>,
    pub(super) exit_code: Option<u64>,
    pub(super) started: Option<SystemTime>,
    pub(super) restarts: Option<u64>,
    /// in bytes
    pub(super) memory_limit: Option<u64>,
    pub(super) network_mode: Option<String>,
    pub(super) health: Option<Health>,
}

/// What the agent knows of its health check.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Health {
    /// `HEALTHY`, `UNHEALTHY` or `UNKNOWN`
    pub(super) status: String,
    pub(super) since: Option<String>,
    pub(super) code: Option<u64>,
    /// of the last run
    pub(super) output: Option<String>,
}

impl Container {
    pub(super) fn is_running(&self) -> bool {
        self.known_status.as_deref() == Some("RUNNING")
    }

    pub(super) fn has_ended(&self) -> bool {
        self.known_status.as_deref() == Some("STOPPED")
    }
}

/// The statistics of one container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stats {
    /// when they were taken, by the agent's clock
    pub(super) read: SystemTime,
    pub(super) sample: Sample,
    /// the sample before it, of which only the CPU is told, and how much earlier it was
    pub(super) before: Option<(Sample, Duration)>,
}

/// Values of one element.
struct Element<'a> {
    found: &'a [Found],
    element: usize,
}

impl<'a> Element<'a> {
    fn text(&self, name: &str) -> Option<&'a str> {
        let is_it = |one: &&Found| {
            one.element == self.element && matches!(one.key, Key::Named(known) if known == name)
        };
        self.found.iter().find(is_it).map(|one| one.text.as_str()).filter(|text| !text.is_empty())
    }

    fn owned(&self, name: &str) -> Option<String> {
        self.text(name).filter(|text| text.len() <= 512).map(str::to_owned)
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }

    /// Of several names the first that is there.
    fn first(&self, names: &[&str]) -> Option<u64> {
        names.iter().find_map(|name| self.number(name))
    }

    /// From MiB, where 0 is none.
    fn bytes(&self, name: &str) -> Option<u64> {
        self.number(name)?.checked_mul(1 << 20).filter(|bytes| *bytes > 0)
    }

    /// A time after 1970: that of the year 1 is none.
    fn time(&self, name: &str) -> Option<SystemTime> {
        humantime::parse_rfc3339(self.text(name)?).ok()
    }
}

/// The answer to `/task`.
///
/// # Errors
/// [`NotMetadata`] when `body` is not a JSON object.
pub(super) fn task(body: &[u8]) -> Result<Task, NotMetadata> {
    let found = read(body, &TASK)?;
    let of = |element| Element { found: &found, element };
    let count = found.iter().map(|one| one.element).max().unwrap_or(0);
    let whole = of(0);
    let containers = (1..=count).map(|element| container(&of(element)));
    Ok(Task {
        desired_status: whole.owned("desired"),
        known_status: whole.owned("known"),
        cpu_limit_milli: whole.number("cpu").filter(|milli| *milli > 0),
        memory_limit: whole.bytes("memory"),
        storage_used: whole.number("storage").and_then(|mib| mib.checked_mul(1 << 20)),
        storage_limit: whole.bytes("storage_limit"),
        containers: containers.filter(|container| !container.name.is_empty()).collect(),
    })
}

fn container(element: &Element) -> Container {
    let health = element.owned("health").map(|status| Health {
        status,
        since: element.owned("health_since"),
        code: element.number("health_code"),
        output: element
            .text("health_output")
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .map(str::to_owned),
    });
    Container {
        id: element.owned("id").unwrap_or_default(),
        name: element.owned("name").unwrap_or_default(),
        is_pause: element.text("type") == Some("CNI_PAUSE"),
        known_status: element.owned("known"),
        exit_code: element.number("exit_code").filter(|code| *code <= 255),
        started: element.time("started"),
        restarts: element.number("restarts"),
        memory_limit: element.bytes("memory"),
        network_mode: element.owned("network"),
        health,
    }
}

/// The answer to `/task/stats`: of each container that has any, with its ID.
///
/// # Errors
/// [`NotMetadata`] when `body` is not a JSON object.
pub(super) fn stats(body: &[u8]) -> Result<Vec<(String, Stats)>, NotMetadata> {
    let found = read(body, &STATS)?;
    let names = found.iter().filter(|one| one.key == Key::Name && outer(one.element) == 0);
    Ok(names.filter_map(|one| Some((one.text.clone(), stats_of(&found, one.element)?))).collect())
}

fn stats_of(found: &[Found], number: usize) -> Option<Stats> {
    let element = Element { found, element: number };
    let read = element.time("read")?;
    let inner = || {
        let mut elements: Vec<usize> =
            found.iter().map(|one| one.element).filter(|one| outer(*one) == number).collect();
        elements.dedup();
        elements.sort_unstable();
        elements.dedup();
        elements.into_iter().map(|element| Element { found, element })
    };
    let sum = |operation: &str| {
        let is_it = |one: &Element| one.text("op").is_some_and(|op| op.eq_ignore_ascii_case(operation));
        inner().filter(is_it).filter_map(|one| one.number("value")).reduce(u64::saturating_add)
    };
    let of_network = |name| inner().filter_map(|one| one.number(name)).reduce(u64::saturating_add);
    let periods = element.number("periods").filter(|periods| *periods > 0);
    // Either is none where it is huge, and the smaller one is what applies.
    let limits = [element.number("limit"), element.number("hierarchical_limit")];
    let sample = Sample {
        cpu_ns: element.number("cpu"),
        throttled_ns: element.number("throttled"),
        throttled_periods: element.number("throttled_periods"),
        periods,
        memory_usage: element.number("usage"),
        memory_anon: element.first(&["anon", "total_rss", "rss"]),
        memory_file: element.first(&["file", "total_cache"]),
        memory_shmem: element.first(&["shmem", "total_shmem"]),
        inactive_file: element.first(&["total_inactive_file", "inactive_file"]),
        memory_limit: limits.into_iter().flatten().filter(|limit| (1..UNLIMITED).contains(limit)).min(),
        memory_peak: element.number("peak"),
        pids: element.number("pids"),
        pids_limit: element.number("pids_limit").filter(|limit| (1..UNLIMITED).contains(limit)),
        read_bytes: sum("read"),
        write_bytes: sum("write"),
        net_rx_bytes: of_network("rx"),
        net_tx_bytes: of_network("tx"),
        ..Sample::default()
    };
    let before = element.time("preread").zip(element.number("precpu").filter(|cpu| *cpu > 0));
    let before = before.and_then(|(at, cpu)| {
        let elapsed = read.duration_since(at).ok().filter(|elapsed| !elapsed.is_zero())?;
        Some((Sample { cpu_ns: Some(cpu), ..Sample::default() }, elapsed))
    });
    Some(Stats { read, sample, before })
}

#[cfg(test)]
mod tests;
