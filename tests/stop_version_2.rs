//! The steps of a stop on cgroup v2: one virtual machine with a container for each step.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

#[path = "support/records.rs"]
mod records;
mod support;

use serde_json::Value;
use std::time::Duration;
use support::qemu::Machine;
use support::require::require;
use support::static_binary::static_binary;

const DEAF: &str = "trap '' TERM; echo ready; while :; do sleep 0.1; done";
const OBEDIENT: &str = "trap 'echo told; exit 0' TERM; echo ready; while :; do sleep 0.1; done";
const WORKER: &str = "trap 'sleep 1; echo saved; exit 0' TERM; echo ready; while :; do sleep 0.1; done";
/// A program that ends at SIGTERM and leaves `/left` behind, in a session of its own.
const LEAVES: &str = "trap 'exit 0' TERM; setsid sh $1 & while :; do sleep 0.1; done";

/// Runs them all at once: each is stopped when it is ready, but for those that nobody stops.
const SCRIPT: &str = r#"
run() {
    name=$1
    shift
    mkdir -p /sys/fs/cgroup/$name
    contain private $name /epitaph "$@" >/tmp/$name.out 2>/tmp/$name.err &
}
pids() {
    for pid in $(cat /sys/fs/cgroup/$1/cgroup.procs); do
        [ "$(cat /proc/$pid/comm)" = epitaph ] && echo $pid
    done
}
stop() {
    until grep -q ready /tmp/$1.out; do sleep 0.1; done
    kill -TERM $(pids $1)
}
run grace --grace 3s -- sh /deaf
run held --stop-delay 1s -- sh /obedient
run hurried --stop-delay 1h -- sh /obedient
run drained --drain 20s -- sh /leaves /worker
run undrained --drain 1s -- sh /leaves /deaf
run expired --max-lifetime 1s -- sleep 600
run pause -P --max-lifetime 1s
for name in grace held hurried drained undrained; do stop $name; done
until grep -q '"epitaph":"stop"' /tmp/hurried.err; do sleep 0.1; done
kill -TERM $(pids hurried)
wait
for name in grace held hurried drained undrained expired pause; do
    echo "== $name"
    cat /tmp/$name.out /tmp/$name.err
done
"#;

#[test]
fn each_step_of_a_stop() {
    let Some(machine) = require("qemu", Machine::new()) else { return };
    let Some(epitaph) = require("static binary", static_binary()) else { return };
    let mut machine = machine.bound(Duration::from_secs(240)).program("epitaph", epitaph).unwrap();
    for (name, script) in [("deaf", DEAF), ("obedient", OBEDIENT), ("worker", WORKER), ("leaves", LEAVES)] {
        machine = machine.file(name, 0o644, script);
    }
    let boot = machine.boot(&format!("export EPITAPH_RECORDS=json\n{SCRIPT}"));
    assert_eq!(boot.code, 0, "{boot:#?}");
    let of = |name: &str| -> (String, Vec<String>, Value) {
        let begin = format!("== {name}\n");
        let (_, rest) = boot.output.split_once(&begin).unwrap_or_else(|| panic!("{boot:#?}"));
        let text = rest.split("== ").next().unwrap();
        let json: Vec<&str> = text.lines().filter(|line| line.starts_with('{')).collect();
        let all = records::records(&json.join("\n"));
        let kinds = all.iter().map(|record| record["epitaph"].as_str().unwrap().to_owned()).collect();
        (text.to_owned(), kinds, all.last().unwrap()["exit"].clone())
    };
    let check = |name: &str, kinds: &[&str], verdict: &str, code: u64| -> (String, Value) {
        let (text, found, exit) = of(name);
        assert_eq!(found, kinds, "{name}: {text}");
        assert_eq!((&exit["verdict"], &exit["code"]), (&verdict.into(), &code.into()), "{name}: {exit}");
        (text, exit)
    };
    let ms = |exit: &Value, key: &str| exit[key].as_u64().unwrap_or_else(|| panic!("no {key} in {exit}"));

    let (_, exit) = check("grace", &["start", "stop", "stuck", "exit"], "kill_after", 137);
    assert!((2000..3000).contains(&ms(&exit, "stop_ms")), "{exit}");

    let (text, exit) = check("held", &["start", "stop", "exit"], "stopped", 0);
    assert!(text.contains("told") && ms(&exit, "held_ms") >= 1000, "{text}");

    let (text, exit) = check("hurried", &["start", "stop", "stop", "exit"], "stopped", 0);
    assert!(text.contains("told") && ms(&exit, "held_ms") < 200_000, "{text}");

    let (text, exit) = check("drained", &["start", "stop", "exit"], "stopped", 0);
    assert!(text.contains("saved") && ms(&exit, "drained") >= 1 && ms(&exit, "drain_ms") >= 1000, "{text}");
    assert_eq!(exit["left"], 0, "{exit}");

    let (_, exit) = check("undrained", &["start", "stop", "exit"], "stopped", 0);
    assert!(ms(&exit, "drain_ms") >= 1000 && ms(&exit, "left") >= 1, "{exit}");
    assert!(exit["why"].as_str().unwrap().contains("others did not"), "{exit}");

    let (_, exit) = check("expired", &["start", "lifetime", "exit"], "expired", 143);
    assert_eq!(exit.get("stop_signal"), Some(&"SIGTERM".into()), "{exit}");

    let (text, kinds, _) = of("pause");
    assert_eq!(kinds, ["lifetime"], "{text}");
}
