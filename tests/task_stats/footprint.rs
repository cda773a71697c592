//! What the collector takes: memory, and CPU time for each tick, of the binary that is shipped.

use crate::support::endpoint::Endpoint;
use crate::support::require::require;
use crate::support::static_binary::static_binary;
use crate::task::{Collector, moving, v4};
use std::fs::read_to_string;
use std::process::{Command, Stdio};

/// Of a line such as `Anonymous: 196 kB` in /proc/PID/smaps_rollup.
fn anonymous(pid: &str) -> u64 {
    let text = read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Anonymous:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn the_collector_is_small_and_seldom_at_work() {
    let Some(epitaph) = require("static binary", static_binary()) else { return };
    let endpoint = Endpoint::start(moving(2));
    let mut command = Command::new(epitaph);
    command.args(["-s", "--task-stats", "5s"]).env_clear().envs(v4(&endpoint));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut collector = Collector::start(command);
    let own = collector.pid();
    collector.record("task");
    let children = read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap();
    let child = children.trim();
    // CPU time in ns: proc_pid_schedstat in Documentation/scheduler/sched-stats.rst.
    let cpu = || -> u64 {
        let text = read_to_string(format!("/proc/{child}/schedstat")).unwrap();
        text.split(' ').next().unwrap().parse().unwrap()
    };
    let before = cpu();
    collector.record("task");
    collector.record("task");
    let a_tick = (cpu() - before) / 2 / 1000;
    let kib = anonymous(child);
    crate::support::require::say(&format!(
        "the collector: {kib} KB anonymous, {a_tick} µs of CPU time a tick"
    ));
    assert!(kib <= 400, "{kib} KB");
    assert!(a_tick <= 10_000, "{a_tick} µs");
}
