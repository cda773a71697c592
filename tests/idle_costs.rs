//! What the options cost that have PID 1 do something of its own accord: wake-ups, system calls and memory,
//! beside a run without them. `cargo test --test idle_costs -- --nocapture` tells the figures.

#![allow(missing_docs, unsafe_code, clippy::unwrap_used, clippy::panic)]

#[path = "support/init.rs"]
mod init;
#[path = "init/probe.rs"]
#[allow(dead_code)]
mod probe;
#[path = "support/records.rs"]
mod records;
#[path = "support/running.rs"]
mod running;
mod support;
#[path = "support/trace.rs"]
mod trace;

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;

use init::{Form, Launch, has_namespaces};
use running::{Finished, status, wait_for};
use support::binary;
use support::measure::Spread;
use support::measure::idle::{proc_number, settle};
use support::measure::spawn::{Command, Place};
use support::measure::streams::Streams;
use support::require::{self, require, say};
use support::static_binary::static_binary;

/// Beside the memory without any of them, in KB; a page is 4.
const STATS_KB: f64 = 12.0;
/// The stack and the heap may each take a page more than the goal.
const STATS_AT_MOST_KB: f64 = STATS_KB + 8.0;
const TIMER_KB: f64 = 4.0;
/// System calls of a tick of `--stats`, the wait before it among them.
const CALLS: usize = 15;
/// What `--health` may take beside its command, in µs.
const HEALTH_US: f64 = 3000.0;

fn epitaph() -> Option<&'static str> {
    Some(require("static binary", static_binary())?.to_str().expect("a path in UTF-8"))
}

/// The system calls of epitaph itself, in a run to its end, as strace(1) writes them.
fn calls(options: &[&str], script: &str) -> Option<(Vec<String>, Finished)> {
    if !trace::has_strace() {
        return None;
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("trace");
    let launch = Launch::new(Form::Subreaper, ["sh", "-c", script]).init(epitaph()?).options(options);
    let ended = launch.under(["strace", "-f", "-qq", "-o", file.to_str().unwrap()]).run();
    let text = std::fs::read_to_string(&file).unwrap();
    let split = |line: &str| {
        let (pid, call) = line.split_once(' ')?;
        Some((pid.to_owned(), call.trim_start().to_owned()))
    };
    let lines: Vec<(String, String)> = text.lines().filter_map(split).collect();
    // The first process is the one that executed it.
    let (own, _) = lines.first().expect("a call").clone();
    let of_own = lines.into_iter().filter(|(pid, _)| *pid == own).map(|(_, call)| call);
    // The second half of a call that another process has interrupted in the text is joined to the first.
    let mut calls: Vec<String> = Vec::new();
    for line in of_own.filter(|line| !line.starts_with("+++") && !line.starts_with("---")) {
        match (line.strip_prefix("<... "), calls.last_mut()) {
            (Some(rest), Some(last)) => last.push_str(rest),
            _ => calls.push(line),
        }
    }
    Some((calls, ended))
}

/// A wait that ended because a time was over: a wake-up by a timer.
fn is_timer(call: &str) -> bool {
    let is_look = call.contains("{tv_sec=0, tv_nsec=0}");
    (call.starts_with("rt_sigtimedwait") && call.contains("EAGAIN") && !is_look)
        || (call.contains("poll") && call.contains("(Timeout)") && !call.contains(", 0) "))
}

#[test]
fn each_timer_is_one_wake_up_and_what_is_not_set_is_none() {
    let deaf = "trap '' TERM; kill -TERM $PPID; exec sleep 600";
    let obedient = "kill -TERM $PPID; exec sleep 600";
    let leaves = "setsid sh -c \"trap '' TERM; exec sleep 600\" & sleep 0.3; exit 0";
    let all: &[&str] =
        &["--stop-delay", "1h", "--grace", "3h", "--drain", "1h", "--max-lifetime", "24h", "--stats", "1h"];
    for (options, script, timers, verdict) in [
        (&[][..], "sleep 1.5", 0, "ok"),
        (all, "sleep 1.5", 0, "ok"),
        (&["--max-lifetime", "1s"], "exec sleep 600", 1, "expired"),
        (&["--stop-delay", "500ms"], obedient, 1, "stopped"),
        // The look at those that are stuck, and SIGKILL.
        (&["--grace", "4s"], deaf, 2, "kill_after"),
        (&["--drain", "500ms"], leaves, 1, "ok"),
    ] {
        let Some((calls, ended)) = calls(options, script) else { return };
        assert_eq!(records::exit(&ended.stderr)["verdict"], verdict, "{options:?}: {}", ended.stderr);
        let found = calls.iter().filter(|call| is_timer(call)).count();
        assert_eq!(found, timers, "{options:?}: {calls:#?}");
    }
}

#[test]
fn a_tick_of_the_statistics_is_one_wake_up_of_few_system_calls() {
    let Some((calls, ended)) = calls(&["--stats", "1s"], "sleep 5.5") else { return };
    // One record is that of the end.
    let records = records::kinds(&ended.stderr).iter().filter(|kind| *kind == "stats").count();
    let wakes: Vec<usize> = (0..calls.len()).filter(|index| is_timer(&calls[*index])).collect();
    assert_eq!(wakes.len() + 1, records, "{calls:#?}");
    assert!(wakes.len() >= 3, "{}", ended.stderr);
    let ticks: Vec<usize> = wakes.windows(2).map(|pair| pair[1] - pair[0]).collect();
    say(&format!("idle costs: a tick of --stats has {ticks:?} system calls"));
    let last = wakes[wakes.len() - 1];
    assert!(ticks.iter().all(|calls| *calls <= CALLS), "{ticks:?}: {:#?}", &calls[wakes[0]..=last]);
}

/// The anonymous memory of an idle PID 1, in KB, after `records` records of a kind, and how many wake-ups it
/// took from there to `records` more.
fn idle(options: &[&str], records: usize) -> (f64, Option<f64>) {
    let launch = Launch::new(Form::PidOne, ["sleep", "600"]).init(epitaph().unwrap()).options(options);
    let running = launch.start();
    let (pid, program) = (running.pid(), running.program());
    wait_for("the exec", || {
        let comm = std::fs::read_to_string(format!("/proc/{program}/comm")).ok()?;
        (comm == "sleep\n").then_some(())
    });
    let told = |count: usize| {
        let is_enough = |text: &str| text.matches("\"epitaph\":\"stats\"").count() >= count;
        running.stderr.wait_until("records", is_enough);
        wait_for("sleep", || status(pid, "State")?.starts_with('S').then_some(()));
        proc_number(pid, "status", "voluntary_ctxt_switches:").unwrap()
    };
    let mut wakes = None;
    if records == 0 {
        settle(pid).unwrap();
    } else {
        let before = told(records);
        wakes = Some(told(2 * records) - before);
    }
    let kb = proc_number(pid, "smaps_rollup", "Anonymous:").unwrap();
    running.signal(libc::SIGKILL);
    let _ = running.finish();
    (kb, wakes)
}

/// Of nine: the kernel puts the stack where it likes, so one more page of it is used or not.
fn median(options: &[&str], records: usize) -> f64 {
    let mut all: Vec<f64> = (0..9).map(|_| idle(options, records).0).collect();
    all.sort_by(f64::total_cmp);
    all[4]
}

#[test]
fn memory_beside_a_run_without_them() {
    if epitaph().is_none() || !has_namespaces() {
        return;
    }
    let without = median(&[], 0);
    let timers =
        ["--stop-delay", "1h", "--grace", "3h", "--drain", "1h", "--max-lifetime", "24h", "--records", "off"];
    let with_timers = median(&timers, 0);
    let with_stats = median(&["--stats", "1s"], 1);
    let (_, wakes) = idle(&["--stats", "1s"], 3);
    say(&format!(
        "idle costs: {without} KB of anonymous memory, {with_timers} with the options of a stop, {with_stats} with --stats"
    ));
    assert!(with_timers - without <= TIMER_KB, "{without} {with_timers}");
    if with_stats - without > STATS_KB {
        say(&format!(
            "idle costs: GOAL MISSED by --stats: {} KB more, goal {STATS_KB}",
            with_stats - without
        ));
    }
    assert!(with_stats - without <= STATS_AT_MOST_KB, "{without} {with_stats}");
    assert_eq!(wakes, Some(3.0), "wake-ups in three ticks");
}

#[test]
fn a_health_check_takes_little_beside_its_command() {
    let Some(epitaph) = epitaph() else { return };
    let streams = Streams::new().unwrap();
    // Its records would go to the log of this machine's own PID 1.
    let words = [epitaph, "--health", "--records", "off", "--", "/bin/true"];
    let command = |words: &[&str]| {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        Command::new(&words, &[], Place::Ordinary).unwrap()
    };
    let commands = [command(&["/bin/true"]), command(&words)];
    let mut more = Vec::new();
    for _ in 0..200 {
        let times = commands.each_ref().map(|command| streams.run(command).unwrap().0);
        more.push(times[1] - times[0]);
    }
    let namespace = std::fs::metadata("/proc/self/ns/mnt").unwrap().ino();
    let _ = std::fs::remove_file(format!("/dev/shm/epitaph-health.{namespace}"));
    let spread = Spread::of(more).unwrap();
    let Spread { q1, median, q3, .. } = spread;
    say(&format!(
        "idle costs: --health takes {median:.0} µs beside its command (quartiles {q1:.0} and {q3:.0})"
    ));
    if std::env::var_os("EPITAPH_TEST_REQUIRE_SPEED").is_some_and(|set| set == "1") {
        assert!(median <= HEALTH_US, "{median} µs");
    }
}
