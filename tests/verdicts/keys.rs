//! Each key of the records about an end, in a record of a real container: on cgroup v1 under Docker, and on
//! v2 in the virtual machine. Against the schema, both ways.

use crate::case::{BASE, Case, Step};
use crate::found::Found;
use crate::machine::{self, Namespace};
use crate::{engine, records};
use serde_json::Value;
use std::collections::BTreeSet;

const READY: Step = Step::Line("ready");

/// What the cases of the verdicts do not show. None needs another process to wait: `/go` is a pipe here.
const OTHERS: &[Case] = &[
    Case {
        name: "stuck, late, and out of processes",
        environment: &["EPITAPH_STUCK_AFTER=300ms"],
        most_processes: Some(16),
        program: &[
            "sh",
            "-c",
            "mkfifo /go; trap '' TERM USR1; (true & exec sleep 600) & \
             (for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do sleep 600 & done) 2>/dev/null; \
             echo ready; read x </go; exit 3",
        ],
        steps: &[
            READY,
            Step::Signal("USR1"),
            Step::Record("signal"),
            Step::Signal("TERM"),
            Step::Record("stop"),
            Step::Freeze(1000),
            Step::Record("stuck"),
            Step::Go,
        ],
        code: 3,
        ..BASE
    },
    Case {
        name: "a stop from inside, which is held",
        options: &["--stop-delay", "60s"],
        program: &["sh", "-c", "mkfifo /go; trap '' TERM; echo ready; read x </go"],
        steps: &[
            READY,
            Step::Exec("kill -TERM 1; usleep 300000; true"),
            Step::Record("stop"),
            Step::Signal("TERM"),
            Step::Go,
        ],
        code: 1,
        ..BASE
    },
    Case {
        name: "a drain that gets a signal",
        options: &["--drain", "60s"],
        program: &["sh", "-c", "mkfifo /go; trap '' TERM; (read x </go) & echo ready"],
        steps: &[READY, Step::Signal("TERM"), Step::Record("stop"), Step::Go],
        ..BASE
    },
    Case {
        name: "a core file",
        program: &["sh", "-c", "ulimit -c unlimited; kill -SEGV $$"],
        code: 139,
        ..BASE
    },
    Case {
        name: "taken for memory, with statistics",
        options: &["--stats", "1s"],
        program: &["sh", "-c", "mkfifo /go; echo ready; read x </go; exec tail /dev/zero"],
        steps: &[READY, Step::Record("stats"), Step::Go],
        code: 137,
        kernel_killed: true,
        ..BASE
    },
    Case {
        name: "memory pressure after a lack of processes",
        environment: &["EPITAPH_OOM_POLL=100ms"],
        most_processes: Some(16),
        program: &[
            "sh",
            "-c",
            "mkfifo /go; \
             (trap 'kill $all' EXIT; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do \
             sleep 600 & all=\"$all $!\"; done) 2>/dev/null; \
             echo ready; read x </go; hog reclaimable 24; read x </go; exit 0",
        ],
        steps: &[READY, Step::Go, Step::Record("memory_pressure"), Step::Go],
        ..BASE
    },
    Case {
        name: "above memory.high",
        limit: 64,
        high: Some(8),
        program: &["sh", "-c", "mkfifo /go; hog reclaimable 24; read x </go; exit 0"],
        steps: &[Step::Record("memory_pressure"), Step::Go],
        ..BASE
    },
];

/// The kinds of records, by their name in the schema, whose keys are looked for.
const KINDS: [&str; 5] = ["oom_kill", "memory_pressure", "stop", "stuck", "exit_record"];

/// What is shown elsewhere: `swap` needs a machine that has some, and `stopped_by` the endpoint of a task.
const ELSEWHERE: [&str; 3] = ["exit.stopped_by", "memory.swap", "process.swap"];
/// What version 1 does not have.
const V2_ALONE: [&str; 1] = ["memory.high_hits"];

/// The keys of these kinds in the schema, each with the object that it is in.
fn in_schema() -> BTreeSet<String> {
    let schema: Value = serde_json::from_str(records::SCHEMA).unwrap();
    let definitions = &schema["$defs"];
    let mut keys = BTreeSet::new();
    let mut add = |object: &str, properties: &Value| {
        for key in properties.as_object().unwrap().keys().filter(|key| *key != "epitaph") {
            keys.insert(format!("{object}.{key}"));
        }
    };
    for kind in KINDS {
        add(kind.trim_end_matches("_record"), &definitions[kind]["properties"]);
    }
    for object in ["memory", "pids", "process", "exit"] {
        add(object, &definitions[object]["properties"]);
    }
    add("stop", &definitions["arrival"]["properties"]);
    add("victim", &definitions["oom_kill"]["properties"]["victim"]["properties"]);
    keys
}

/// The same of some records.
fn in_records(records: &[Value]) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    let mut add = |object: &str, value: &Value| {
        let found = value.as_object().into_iter().flat_map(|value| value.keys());
        keys.extend(found.map(|key| format!("{object}.{key}")));
    };
    for record in records {
        let kind = record["epitaph"].as_str().unwrap();
        add(kind, record);
        add("memory", &record["memory"]);
        add("pids", &record["pids"]);
        add("exit", &record["exit"]);
        add("victim", &record["victim"]);
        let lists = [&record["processes"], &record["exit"]["left_processes"]];
        for process in lists.into_iter().filter_map(Value::as_array).flatten() {
            add("process", process);
        }
    }
    keys
}

/// Asserts that these runs, and those of the verdicts, show each key that there is but for these.
#[track_caller]
fn assert_all_shown(verdicts: &[Option<Found>], others: &[Option<Found>], missing: &[&str]) {
    for (case, found) in OTHERS.iter().zip(others) {
        if let Some(found) = found {
            assert_eq!(found.code, case.code, "{}: {found:#?}", case.name);
        }
    }
    let found = verdicts.iter().chain(others).flatten();
    let records: Vec<Value> = found.flat_map(Found::records).collect();
    let (all, shown) = (in_schema(), in_records(&records));
    let not_shown: Vec<&str> = all.difference(&shown).map(String::as_str).collect();
    let mut missing = missing.to_vec();
    missing.sort_unstable();
    assert_eq!(not_shown, missing, "keys of the schema that no record shows");
}

#[test]
fn each_key_is_shown_on_v1() {
    let Some((verdicts, engine)) = engine::run().zip(engine::engine()) else { return };
    let others: Vec<Option<Found>> =
        OTHERS.iter().map(|case| case.high.is_none().then(|| engine::run_case(engine, case))).collect();
    assert_all_shown(verdicts, &others, &[&ELSEWHERE[..], &V2_ALONE].concat());
}

#[test]
fn each_key_is_shown_on_v2() {
    let Some((verdicts, others)) = machine::run(Namespace::Private).zip(machine::run_others(OTHERS)) else {
        return;
    };
    assert_all_shown(&verdicts.found, &others.found, &ELSEWHERE);
}
