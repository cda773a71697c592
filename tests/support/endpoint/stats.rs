//! `/stats` and `/task/stats`: Docker's statistics, which move by a script, and a health check's outcome.
//!
//! Shapes: a real sample of Docker on cgroup v1, its "Get container stats based on resource usage" in the
//! Engine API for v2, and what the agent (EC2) and Fargate leave out.

use super::json::Version;
use super::task::{Container, Task};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};

/// What the agent tells of a container beside its metadata.
#[derive(Debug, Clone, Default)]
pub struct Scripted {
    pub figures: Figures,
    /// `HEALTHY`, `UNHEALTHY` or `UNKNOWN`, and the output of the last run
    pub health: Option<(String, String)>,
    pub exit_code: Option<u8>,
}

/// A container's statistics.
#[derive(Debug, Clone, Default)]
pub enum Figures {
    /// the same at each request
    #[default]
    Still,
    /// as of a container that does something
    Moving(Usage),
    /// as of a container that there is, whose counters were read: the last reading, and the one before
    Measured(Box<[Reading; 2]>),
    /// none, as of a container that has ended or is not yet known: `{}`, and `null` before version 4
    Missing,
    /// none, as Docker itself has it: times of the year 1
    YearOne,
}

/// What a container uses.
#[derive(Debug, Clone)]
pub struct Usage {
    /// since when: its counters were 0 then
    pub since: SystemTime,
    /// how far apart its samples are: 1 s on EC2, 10 s on Fargate
    pub interval: Duration,
    /// in thousandths of a CPU
    pub cpu_milli: u64,
    /// without page cache, in bytes
    pub memory: u64,
    /// by how much that grows, in bytes a second
    pub leak: u64,
    /// received in bytes a second; half of that is sent
    pub network: u64,
    /// of the cgroup: 1 or 2
    pub cgroup: u8,
}

impl Default for Usage {
    fn default() -> Usage {
        Usage {
            since: SystemTime::now() - Duration::from_secs(60),
            interval: Duration::from_secs(1),
            cpu_milli: 50,
            memory: 24 << 20,
            leak: 0,
            network: 2000,
            cgroup: 2,
        }
    }
}

/// The counters of a cgroup at a moment.
#[derive(Debug, Clone)]
pub struct Reading {
    pub at: SystemTime,
    /// CPU time since the cgroup's beginning, in ns
    pub cpu_ns: u64,
    /// charged, in bytes
    pub memory: u64,
    pub anon: u64,
    pub file: u64,
    pub inactive_file: u64,
    pub pids: u64,
    /// of the cgroup: 1 or 2
    pub cgroup: u8,
}

/// The statistics of one container.
pub fn stats(task: &Task, container: &Container, version: Version) -> Value {
    let mut value = match &container.scripted.figures {
        Figures::Missing if version == Version::V4 => return json!({}),
        Figures::Missing => return Value::Null,
        Figures::Still => still(container),
        Figures::YearOne => year_one(container),
        Figures::Moving(usage) => moving(task, container, usage, SystemTime::now()),
        Figures::Measured(readings) => measured(container, readings),
    };
    if version == Version::V4 {
        value["network_rate_stats"] = json!({"rx_bytes_per_sec": 123.5, "tx_bytes_per_sec": 45.25});
    }
    value
}

/// The statistics of each container by its ID.
pub fn task_stats(task: &Task, version: Version) -> Value {
    let all = task.containers.iter().filter(|container| !container.docker_id.is_empty());
    Value::Object(all.map(|one| (one.docker_id.clone(), stats(task, one, version))).collect())
}

fn still(container: &Container) -> Value {
    json!({
        "read": "2026-01-15T09:31:00.000000001Z",
        "preread": "2026-01-15T09:30:59.000000001Z",
        "num_procs": 0,
        "pids_stats": {"current": 3},
        "cpu_stats": {"cpu_usage": {"total_usage": 360_968_065}, "system_cpu_usage": 1_808_910_000_000_u64, "online_cpus": 2},
        "memory_stats": {
            "usage": 6_500_352,
            "max_usage": 8_986_624,
            "limit": limit(container),
            "stats": {"cache": 0, "rss": 3_756_032},
        },
        "name": format!("/{}", container.docker_name),
        "id": container.docker_id,
    })
}

fn year_one(container: &Container) -> Value {
    let cpu = json!({"cpu_usage": {"total_usage": 0, "usage_in_kernelmode": 0, "usage_in_usermode": 0},
        "throttling_data": {"periods": 0, "throttled_periods": 0, "throttled_time": 0}});
    json!({
        "read": "0001-01-01T00:00:00Z", "preread": "0001-01-01T00:00:00Z", "pids_stats": {}, "num_procs": 0,
        "blkio_stats": {"io_service_bytes_recursive": null}, "storage_stats": {}, "memory_stats": {},
        "cpu_stats": cpu, "precpu_stats": cpu,
        "name": format!("/{}", container.docker_name), "id": container.docker_id,
    })
}

fn moving(task: &Task, container: &Container, usage: &Usage, now: SystemTime) -> Value {
    let interval = usage.interval.as_millis().max(1);
    let age = now.duration_since(usage.since).unwrap_or_default().as_millis() / interval * interval;
    let age = u64::try_from(age).unwrap_or(0);
    let at = |age| humantime::format_rfc3339_nanos(usage.since + Duration::from_millis(age)).to_string();
    let before = age.saturating_sub(u64::try_from(interval).unwrap_or(0));
    let cpu = |age: u64| {
        json!({"cpu_usage": {"total_usage": age * usage.cpu_milli * 1000}, "system_cpu_usage": age * 2_000_000, "online_cpus": 2,
            "throttling_data": {"periods": 0, "throttled_periods": 0, "throttled_time": 0}})
    };
    let anon = usage.memory + usage.leak * age / 1000;
    let (file, inactive) = (8_u64 << 20, 4_u64 << 20);
    let (stats, operations) = if usage.cgroup == 1 {
        let stats = json!({"cache": file, "rss": anon, "total_cache": file, "total_rss": anon, "inactive_file": inactive,
            "total_inactive_file": inactive, "hierarchical_memory_limit": limit(container)});
        (stats, ["Read", "Write"])
    } else {
        (json!({"anon": anon, "file": file, "inactive_file": inactive, "shmem": 0}), ["read", "write"])
    };
    let io = operations.map(|op| json!({"major": 8, "minor": 0, "op": op, "value": age * 10}));
    let received = usage.network * age / 1000;
    let mut value = json!({
        "read": at(age), "preread": at(before), "num_procs": 0, "storage_stats": {},
        "pids_stats": {"current": 3, "limit": u64::MAX},
        "blkio_stats": {"io_service_bytes_recursive": io},
        "cpu_stats": cpu(age), "precpu_stats": cpu(before),
        "memory_stats": {"usage": anon + file, "limit": limit(container), "stats": stats},
        "name": format!("/{}", container.docker_name), "id": container.docker_id,
    });
    if task.network_mode != "host" {
        let name = if task.network_mode == "awsvpc" { "eth1" } else { "eth0" };
        value["networks"] = json!({name: {"rx_bytes": received, "tx_bytes": received / 2, "rx_packets": received / 500,
            "tx_packets": received / 1000, "rx_errors": 0, "tx_errors": 0, "rx_dropped": 0, "tx_dropped": 0}});
    }
    if task.launch_type == "FARGATE" {
        value["pids_stats"] = json!({});
        value["memory_stats"]["limit"] = json!(9_223_372_036_854_771_712_u64);
    }
    value
}

fn measured(container: &Container, [now, before]: &[Reading; 2]) -> Value {
    let at = |reading: &Reading| humantime::format_rfc3339_nanos(reading.at).to_string();
    let cpu = |reading: &Reading| json!({"cpu_usage": {"total_usage": reading.cpu_ns}});
    let of_version_1 =
        json!({"total_cache": now.file, "total_rss": now.anon, "total_inactive_file": now.inactive_file});
    let of_version_2 = json!({"anon": now.anon, "file": now.file, "inactive_file": now.inactive_file});
    json!({
        "read": at(now), "preread": at(before), "num_procs": 0, "storage_stats": {},
        "pids_stats": {"current": now.pids, "limit": u64::MAX},
        "cpu_stats": cpu(now), "precpu_stats": cpu(before),
        "memory_stats": {"usage": now.memory, "limit": limit(container),
            "stats": if now.cgroup == 1 { of_version_1 } else { of_version_2 }},
        "name": format!("/{}", container.docker_name), "id": container.docker_id,
    })
}

/// Docker tells the machine's memory where there is no limit.
fn limit(container: &Container) -> u64 {
    container.memory_limit.map_or(4_134_825_984, |limit| limit * 1024 * 1024)
}
