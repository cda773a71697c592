//! The ways to end: one table for every kind of cgroup.

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
}

/// A limit that no case comes near to, in MiB.
pub const LARGE: u32 = 128;

const BASE: Case = Case {
    name: "",
    options: &[],
    environment: &[],
    limit: 16,
    limit_is_above: false,
    before: None,
    program: &[],
    steps: &[],
    kills_group: false,
    code: 0,
    verdict: None,
    why: &[],
    records: &[],
    kernel_killed: false,
    check: |_| {},
};

const STAYED_AT_0: &str = "no OOM kill was counted: {counter} stayed at 0";
const ROSE_TO_1: &str = "{counter} rose from 0 to 1";
/// A program that only a signal ends.
const SLEEP: &[&str] = &["sh", "-c", "echo ready; exec sleep 600"];
const READY: Step = Step::Line("ready");

/// All of them.
pub const CASES: &[Case] = &[
    Case {
        name: "exit 0",
        program: &["true"],
        verdict: Some("ok"),
        why: &["ended with exit code 0"],
        ..BASE
    },
    Case {
        name: "exit 3",
        program: &["sh", "-c", "exit 3"],
        code: 3,
        verdict: Some("failed"),
        why: &["ended with exit code 3"],
        ..BASE
    },
    Case {
        name: "exit 137, and nobody was killed",
        program: &["sh", "-c", "exit 137"],
        code: 137,
        verdict: Some("failed"),
        why: &["ended with exit code 137", STAYED_AT_0],
        ..BASE
    },
    Case {
        name: "the kernel takes the program for memory",
        program: &["tail", "/dev/zero"],
        code: 137,
        verdict: Some("oom_killed"),
        why: &[ROSE_TO_1, "; usage peaked at 1", " of 16.0 MiB"],
        records: &["oom_kill"],
        kernel_killed: true,
        check: |records| assert_eq!(victim(records), (program(records), "tail".to_owned())),
        ..BASE
    },
    Case {
        name: "the kernel takes a child for memory, and the program ends with 137",
        program: &["sh", "-c", "tail /dev/zero; exit $?"],
        code: 137,
        verdict: Some("oom_child"),
        why: &[ROSE_TO_1, "the program then ended with exit code 137", " of 16.0 MiB"],
        records: &["oom_kill"],
        kernel_killed: true,
        ..BASE
    },
    Case {
        name: "the kernel takes a child for memory, and the program copes",
        program: &["sh", "-c", "tail /dev/zero; exit 0"],
        verdict: Some("ok"),
        why: &["ended with exit code 0", "the OOM killer took another process", ROSE_TO_1],
        records: &["oom_kill"],
        kernel_killed: true,
        ..BASE
    },
    Case {
        name: "the kernel takes an orphan for memory, and the container lives on",
        program: &["sh", "-c", "(tail /dev/zero &); until [ -e /go ]; do usleep 50000; done"],
        steps: &[Step::Record("oom_kill"), Step::Go],
        verdict: Some("ok"),
        why: &["ended with exit code 0", "the OOM killer took another process", ROSE_TO_1],
        records: &["oom_kill"],
        kernel_killed: true,
        check: |records| {
            let (pid, name) = victim(records);
            assert!(name == "tail" && pid != program(records), "{records:#?}");
        },
        ..BASE
    },
    Case {
        name: "the kernel takes the program for the limit of the cgroup above",
        limit_is_above: true,
        program: &["tail", "/dev/zero"],
        code: 137,
        verdict: Some("oom_killed"),
        why: &[ROSE_TO_1, "; usage peaked at 1"],
        records: &["oom_kill"],
        kernel_killed: true,
        ..BASE
    },
    Case {
        name: "exit 137 after a kill that is older than epitaph",
        before: Some("tail /dev/zero"),
        program: &["sh", "-c", "exit 137"],
        code: 137,
        verdict: Some("failed"),
        why: &["ended with exit code 137", "no OOM kill was counted: {counter} stayed at 1"],
        ..BASE
    },
    Case {
        name: "`kill -9` by a sibling after a kill that is older than epitaph",
        limit: 32,
        before: Some("tail /dev/zero"),
        program: SLEEP,
        steps: &[READY, Step::KillProgram],
        code: 137,
        verdict: Some("killed"),
        why: &["SIGKILL ended the program", "no OOM kill was counted: {counter} stayed at 1"],
        ..BASE
    },
    Case {
        name: "`kill -9` by a sibling",
        limit: 32,
        program: SLEEP,
        steps: &[READY, Step::KillProgram],
        code: 137,
        verdict: Some("killed"),
        why: &["SIGKILL ended the program", STAYED_AT_0],
        ..BASE
    },
    Case {
        name: "the limit is hit, and the kernel finds memory to take back",
        // Version 1 tells nobody.
        environment: &["EPITAPH_OOM_POLL=100ms"],
        program: &[
            "sh",
            "-c",
            "hog reclaimable 24; until [ -e /go ]; do usleep 50000; done; hog reclaimable 24; hog reclaimable 24",
        ],
        steps: &[Step::Record("memory_pressure"), Step::Go],
        verdict: Some("ok"),
        why: &["ended with exit code 0"],
        // Once: what follows within a minute is the same pressure.
        records: &["memory_pressure"],
        check: |records| {
            five_largest(records);
            let (first, last) = (record(records, "memory_pressure"), record(records, "exit"));
            let hits = |record: &Value| record["memory"]["limit_hits"].as_u64().unwrap();
            assert!(0 < hits(&first) && hits(&first) < hits(&last), "{records:#?}");
        },
        ..BASE
    },
    Case {
        name: "the limit is hit, and then `memory.oom.group` takes PID 1 as well",
        kills_group: true,
        program: &[
            "sh",
            "-c",
            "hog reclaimable 24; until [ -e /go ]; do usleep 50000; done; exec tail /dev/zero",
        ],
        steps: &[Step::Record("memory_pressure"), Step::Go],
        code: 137,
        records: &["memory_pressure"],
        kernel_killed: true,
        check: five_largest,
        ..BASE
    },
    Case {
        name: "SIGSEGV",
        program: &["sh", "-c", "kill -SEGV $$"],
        code: 139,
        verdict: Some("crashed"),
        why: &["was ended by SIGSEGV"],
        ..BASE
    },
    Case {
        name: "SIGABRT near the limit",
        limit: 64,
        program: &["hog", "fill", "97"],
        code: 134,
        verdict: Some("oom_suspected"),
        why: &["was ended by SIGABRT, with memory near its limit (6", " used of 64.0 MiB)", STAYED_AT_0],
        ..BASE
    },
    Case {
        name: "SIGABRT far from the limit",
        limit: 64,
        program: &["hog", "fill", "50"],
        code: 134,
        verdict: Some("crashed"),
        why: &["was ended by SIGABRT"],
        ..BASE
    },
    Case {
        name: "SIGUSR1",
        program: SLEEP,
        steps: &[READY, Step::Signal("USR1")],
        code: 138,
        verdict: Some("signaled"),
        why: &["was ended by SIGUSR1"],
        ..BASE
    },
    Case {
        name: "SIGTERM, which ends the program",
        program: SLEEP,
        steps: &[READY, Step::Signal("TERM")],
        code: 143,
        verdict: Some("stopped"),
        why: &["was ended by SIGTERM, ", " after SIGTERM was forwarded"],
        records: &["stop"],
        ..BASE
    },
    Case {
        name: "SIGTERM, which the program obeys with a code of its own",
        program: &["sh", "-c", "trap 'exit 7' TERM; echo ready; while :; do usleep 50000; done"],
        steps: &[READY, Step::Signal("TERM")],
        code: 7,
        verdict: Some("stopped"),
        why: &["ended with exit code 7, ", " after SIGTERM was forwarded"],
        records: &["stop"],
        ..BASE
    },
    Case {
        name: "SIGTERM, which the program ignores until `--kill-after`",
        options: &["--kill-after", "1s"],
        environment: &["EPITAPH_STUCK_AFTER=100ms"],
        program: &["sh", "-c", "trap '' TERM; echo ready; exec sleep 600"],
        steps: &[READY, Step::Signal("TERM")],
        code: 137,
        verdict: Some("kill_after"),
        why: &["epitaph sent SIGKILL because the program still ran 1.0 s after the stop signal"],
        records: &["stop", "stuck"],
        check: stuck_in_sleep,
        ..BASE
    },
    Case {
        name: "SIGTERM, which the program ignores until the runtime sends SIGKILL to PID 1",
        environment: &["EPITAPH_STUCK_AFTER=100ms"],
        program: &["sh", "-c", "trap '' TERM; echo ready; exec sleep 600"],
        steps: &[READY, Step::Signal("TERM"), Step::Record("stuck"), Step::Signal("KILL")],
        code: 137,
        records: &["stop", "stuck"],
        check: stuck_in_sleep,
        ..BASE
    },
    Case {
        name: "the program is not there",
        program: &["/no/such/program"],
        code: 127,
        verdict: Some("not_started"),
        why: &["/no/such/program", "No such file or directory"],
        ..BASE
    },
    Case {
        name: "the program is not executable",
        program: &["/plain-file"],
        code: 126,
        verdict: Some("not_started"),
        why: &["/plain-file", "Permission denied"],
        ..BASE
    },
];

/// The one record of a kind.
pub fn record(records: &[Value], kind: &str) -> Value {
    let found: Vec<&Value> = records.iter().filter(|record| record["epitaph"] == kind).collect();
    assert_eq!(found.len(), 1, "records of the kind {kind} in {records:#?}");
    found[0].clone()
}

fn program(records: &[Value]) -> u64 {
    record(records, "start")["pid"].as_u64().unwrap()
}

fn victim(records: &[Value]) -> (u64, String) {
    let victim = &record(records, "oom_kill")["victim"];
    (victim["pid"].as_u64().unwrap(), victim["name"].as_str().unwrap().to_owned())
}

/// The record of memory pressure names whoever is there, at most five, the largest first.
fn five_largest(records: &[Value]) {
    let pressure = record(records, "memory_pressure");
    let processes = pressure["processes"].as_array().unwrap();
    let sizes: Vec<u64> = processes.iter().map(|process| process["memory"].as_u64().unwrap()).collect();
    assert!((1..=5).contains(&sizes.len()) && sizes.is_sorted_by(|a, b| a >= b), "{pressure}");
    assert!(processes.iter().any(|process| process["pid"] == pressure["pid"]), "{pressure}");
}

/// The record of what keeps the program from stopping names the program, and what it waits for.
fn stuck_in_sleep(records: &[Value]) {
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
