//! The ways to end: one table for every kind of cgroup.

use crate::case::{BASE, Case, Step, five_largest, program, record, stuck_in_sleep, victim};
use serde_json::Value;

const STAYED_AT_0: &str = "no OOM kill was counted: {counter} stayed at 0";
const ROSE_TO_1: &str = "{counter} rose from 0 to 1";
/// A program that only a signal ends.
const SLEEP: &[&str] = &["sh", "-c", "echo ready; exec sleep 600"];
/// Makes the cgroup `$jobs` with a limit of 8 MiB, and does what its argument says. On version 2 a cgroup
/// with processes gives none of its controllers away, so they have to move first.
pub const MAKES_JOBS: &str = r#"
    root=/sys/fs/cgroup
    if [ -e $root/cgroup.controllers ]; then
        mount -o remount,rw $root
        own=$root$(sed -n 's/^0:://p' /proc/self/cgroup)
        mkdir $own/main $own/jobs
        for pid in $(cat $own/cgroup.procs); do echo $pid >$own/main/cgroup.procs; done 2>/dev/null
        echo +memory >$own/cgroup.subtree_control
        echo 8M >$own/jobs/memory.max
    else
        own=$root/memory$(sed -n 's/.*:memory://p' /proc/self/cgroup)
        mkdir $own/jobs
        echo 8M >$own/jobs/memory.limit_in_bytes
    fi
    jobs=$own/jobs
    eval "$1"
"#;
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
        name: "the kernel takes a child for memory, which its parent reaps, and the container lives on",
        program: &["sh", "-c", "tail /dev/zero; until [ -e /go ]; do usleep 50000; done"],
        // On version 1 nobody tells of the kill, and nothing is reaped here.
        environment: &["EPITAPH_OOM_POLL=100ms"],
        steps: &[Step::Record("oom_kill"), Step::Go],
        verdict: Some("ok"),
        why: &["ended with exit code 0", "the OOM killer took another process", ROSE_TO_1],
        records: &["oom_kill"],
        kernel_killed: true,
        check: |records| assert_eq!(record(records, "oom_kill").get("victim"), None, "{records:#?}"),
        ..BASE
    },
    Case {
        name: "`kill -9` by a sibling 2 s after the kernel took a child, which its parent reaped",
        program: &["sh", "-c", "tail /dev/zero; sleep 2; echo ready; exec sleep 600"],
        environment: &["EPITAPH_OOM_POLL=100ms"],
        steps: &[READY, Step::KillProgram],
        code: 137,
        verdict: Some("oom_child"),
        why: &["took another process", ROSE_TO_1, "the program then was ended by SIGKILL"],
        records: &["oom_kill"],
        kernel_killed: true,
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
        name: "the kernel takes a child for the limit of a cgroup below, which the program has made",
        limit: 64,
        makes_cgroups: true,
        program: &["sh", "-c", MAKES_JOBS, "sh", "(echo 0 >$jobs/cgroup.procs; exec tail /dev/zero); exit 1"],
        code: 1,
        verdict: Some("oom_child"),
        why: &["took another process for the limit of a cgroup below the container's (8.0 MiB): ", ROSE_TO_1],
        records: &["oom_kill"],
        kernel_killed: true,
        check: |records| {
            for kind in ["oom_kill", "exit"] {
                assert_eq!(record(records, kind)["memory"]["limit_below"], 8 << 20, "{records:#?}");
            }
        },
        ..BASE
    },
    Case {
        name: "a wrapper leaves the server behind",
        program: &["sh", "-c", r#"sleep 600 & until [ "$(cat /proc/$!/comm)" = sleep ]; do :; done; exit 0"#],
        verdict: Some("ok"),
        why: &["ended with exit code 0", "; it left sleep (pid ", ") running"],
        ..BASE
    },
    Case {
        name: "the limit of processes is hit",
        most_processes: Some(12),
        program: &[
            "sh",
            "-c",
            // Each is `sleep` before the next is made: the sentence names one of them.
            "exec 2>/dev/null; i=0; while [ $i -lt 20 ]; do i=$((i+1)); sleep 60 & \
             until read name </proc/$!/comm && [ $name = sleep ]; do :; done; done; exit 1",
        ],
        code: 2,
        verdict: Some("failed"),
        why: &["; starting a process or thread failed ", ": the limit of processes is 12"],
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
