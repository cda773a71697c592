//! What a case is, and what the records of some must hold.

use serde_json::Value;

/// A way to end.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// for people, and for `docs/verdicts.md`
    pub name: &'static str,
    /// options of epitaph
    pub options: &'static [&'static str],
    /// further variables: `NAME=value`
    pub environment: &'static [&'static str],
    /// the memory limit in MiB
    pub limit: u32,
    /// whether the limit is that of the cgroup above, and the container's own one is [`LARGE`]
    pub limit_is_above: bool,
    /// what a shell does in the container before epitaph takes its place
    pub before: Option<&'static str>,
    /// what epitaph starts
    pub program: &'static [&'static str],
    /// what is done from outside, in order
    pub steps: &'static [Step],
    /// whether the container may make cgroups below its own
    pub makes_cgroups: bool,
    /// the limit of processes
    pub most_processes: Option<u32>,
    /// `memory.high` in MiB, which version 1 does not have
    pub high: Option<u32>,
    /// `memory.oom.group`, which version 1 does not have
    pub kills_group: bool,
    /// the exit code of the container
    pub code: i32,
    /// `None` where PID 1 does not live to say it
    pub verdict: Option<&'static str>,
    /// what the sentence must hold; `{counter}` is where the kill counter stands
    pub why: &'static [&'static str],
    /// the records beside `start` and `exit`, each once. No other `oom_kill`, `stop` or `stuck` may be there;
    /// `memory_pressure` may, since a limit that is hit in one go is hit before anybody can look.
    pub records: &'static [&'static str],
    /// whether the kernel's OOM killer took somebody after epitaph's start, as its own counter tells
    pub kernel_killed: bool,
    /// whatever else must hold of the records
    pub check: fn(&[Value]),
}

/// Something that is done to a container from outside.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    /// waits until the program has written this line
    Line(&'static str),
    /// waits until there is a record of this kind
    Record(&'static str),
    /// sends this signal to PID 1, as `docker stop` and `docker kill` do
    Signal(&'static str),
    /// another process of the container, which is no child of PID 1, sends SIGKILL to the program
    KillProgram,
    /// makes the file `/go`
    Go,
    /// stops the whole container for so many milliseconds
    Freeze(u32),
    /// another process from outside, as by `docker exec`, runs this in a shell of the container
    Exec(&'static str),
}

/// A limit that no case comes near to, in MiB.
pub const LARGE: u32 = 128;

/// What a case is where it says nothing else.
pub const BASE: Case = Case {
    name: "",
    options: &[],
    environment: &[],
    limit: 16,
    limit_is_above: false,
    before: None,
    program: &[],
    steps: &[],
    makes_cgroups: false,
    most_processes: None,
    high: None,
    kills_group: false,
    code: 0,
    verdict: None,
    why: &[],
    records: &[],
    kernel_killed: false,
    check: |_| {},
};

/// The one record of a kind.
pub fn record(records: &[Value], kind: &str) -> Value {
    let found: Vec<&Value> = records.iter().filter(|record| record["epitaph"] == kind).collect();
    assert_eq!(found.len(), 1, "records of the kind {kind} in {records:#?}");
    found[0].clone()
}

/// The process ID of the program.
pub fn program(records: &[Value]) -> u64 {
    record(records, "start")["pid"].as_u64().unwrap()
}

/// The process ID and the name of the kernel's victim.
pub fn victim(records: &[Value]) -> (u64, String) {
    let victim = &record(records, "oom_kill")["victim"];
    (victim["pid"].as_u64().unwrap(), victim["name"].as_str().unwrap().to_owned())
}

/// The record of memory pressure names whoever is there, at most five, the largest first.
pub fn five_largest(records: &[Value]) {
    let pressure = record(records, "memory_pressure");
    let processes = pressure["processes"].as_array().unwrap();
    let sizes: Vec<u64> = processes.iter().map(|process| process["memory"].as_u64().unwrap()).collect();
    assert!((1..=5).contains(&sizes.len()) && sizes.is_sorted_by(|a, b| a >= b), "{pressure}");
    assert!(processes.iter().any(|process| process["pid"] == pressure["pid"]), "{pressure}");
}

/// The record of what keeps the program from stopping names the program, and what it waits for.
pub fn stuck_in_sleep(records: &[Value]) {
    let stuck = record(records, "stuck");
    let processes = stuck["processes"].as_array().unwrap();
    assert_eq!(processes.len(), 1, "{stuck}");
    let sleep = &processes[0];
    assert_eq!((&sleep["pid"], &sleep["name"]), (&stuck["pid"], &"sleep".into()), "{stuck}");
    assert_eq!(
        (&sleep["ppid"], &sleep["state"], &sleep["threads"]),
        (&1.into(), &"S".into(), &1.into()),
        "{stuck}"
    );
    assert!(sleep["wait_channel"].as_str().unwrap().contains("nanosleep"), "{stuck}");
    assert!(sleep["memory"].as_u64().unwrap() > 0, "{stuck}");
}
