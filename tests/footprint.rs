//! What epitaph takes, on the static binary as it is shipped: its file, what it needs around it, what PID 1 holds and
//! does while its program runs, and what it adds to a start.
//!
//! Times are measured and told here, and held against their bounds where `EPITAPH_TEST_REQUIRE_SPEED` is `1`: on a
//! machine that does other things too they would fail for no fault of epitaph's.

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

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use epitaph::identity::Field;
use init::{Form, Launch, has_namespaces};
use running::{Running, wait_for};
use support::archive::is_static;
use support::endpoint::{Endpoint, Task};
use support::measure::endpoint::Endpoint as QuickEndpoint;
use support::measure::idle::{proc_number, settle};
use support::measure::spawn::{Command, Place};
use support::measure::{Spread, streams::Streams};
use support::process::find_program;
use support::require::{self, require, say};
use support::static_binary::{copy_as_shipped, static_binary};
use trace::Trace;

const LARGEST_FILE: u64 = 1_500_000;
const MOST_ANONYMOUS_KB: f64 = 64.0;
/// How long nothing may happen.
const IDLE: Duration = Duration::from_secs(5);
/// Rounds of starts, after some that are not counted.
const ROUNDS: usize = 400;
const WARM_UP: usize = 10;
/// epitaph's median over tini's.
const MOST_OF_TINI: f64 = 1.0;
/// What an identity from an endpoint that answers at once may add to a start.
const MOST_FOR_IDENTITY_US: f64 = 600.0;
const REQUIRE_SPEED: &str = "EPITAPH_TEST_REQUIRE_SPEED";

fn epitaph() -> Option<&'static str> {
    let path = require("static binary", static_binary())?;
    Some(path.to_str().expect("a path in UTF-8"))
}

#[test]
fn the_file_is_small_and_needs_no_other() {
    let Some(epitaph) = epitaph() else { return };
    let size = std::fs::metadata(epitaph).unwrap().len();
    say(&format!("footprint: the file has {size} bytes"));
    assert!(size <= LARGEST_FILE, "{size} bytes");
    assert_eq!(is_static(Path::new(epitaph)), Ok(true));
    // The look itself, at files that do need others: this program, and a library that names no loader.
    assert_eq!(is_static(&std::env::current_exe().unwrap()), Ok(false));
}

fn static_busybox() -> Result<PathBuf, String> {
    let busybox = find_program("busybox", "busybox-static")?;
    is_static(&busybox)?.then_some(busybox).ok_or_else(|| "busybox is not the static one".to_owned())
}

#[test]
fn an_empty_root_is_enough() {
    let Some(epitaph) = epitaph() else { return };
    let Some(busybox) = require("busybox-static", static_busybox()) else { return };
    let Some(chroot) = require("chroot", find_program("chroot", "coreutils")) else { return };
    if !has_namespaces() {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    std::fs::copy(epitaph, root.path().join("epitaph")).unwrap();
    std::fs::copy(busybox, root.path().join("busybox")).unwrap();
    let script = "echo parent $PPID; /busybox ls -A /; exit 7";
    let line = [chroot.as_os_str(), root.path().as_os_str()];
    let words = ["/epitaph", "--", "/busybox", "sh", "-c", script].map(OsString::from);
    let line = line.into_iter().map(OsString::from).chain(words);
    let ended = Launch::new(Form::PidOne, line).without_init().run();
    assert_eq!(ended.stdout, "parent 1\nbusybox\nepitaph\n", "{}", ended.stderr);
    assert_eq!(ended.code, Some(7), "{}", ended.stderr);
    assert_eq!(records::kinds(&ended.stderr), ["start", "exit"]);
    assert_eq!(records::exit(&ended.stderr)["code"], 7);
    assert_eq!(records::diagnostics(&ended.stderr), Vec::<&str>::new(), "nothing is missed");
}

/// The two ways to lose the CPU, one of which every wake-up ends with.
fn switches(pid: i32) -> (f64, f64) {
    let count = |key| proc_number(pid, "status", key).unwrap();
    (count("voluntary_ctxt_switches:"), count("nonvoluntary_ctxt_switches:"))
}

/// What the descriptors of a process are open on; a pipe or the like without its number.
fn descriptors(pid: i32) -> BTreeMap<i32, String> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    let target = |entry: std::fs::DirEntry| {
        let target = std::fs::read_link(entry.path()).ok()?.to_string_lossy().into_owned();
        Some((entry.file_name().to_str()?.parse().ok()?, target))
    };
    entries.filter_map(target).collect()
}

/// Checks that PID 1 takes next to nothing while its program sleeps, and ends both.
fn takes_little(name: &str, launch: Launch) -> running::Finished {
    let running: Running = launch.start();
    let (pid, program) = (running.pid(), running.program());
    wait_for("the program", || {
        let comm = std::fs::read_to_string(format!("/proc/{program}/comm")).ok()?;
        (comm == "sleep\n").then_some(())
    });
    settle(pid).unwrap();

    let before = switches(pid);
    // Not a wait for something but the time over which is measured.
    std::thread::sleep(IDLE);
    assert_eq!(switches(pid), before, "context switches, voluntary and not, {name}");

    let anonymous = proc_number(pid, "smaps_rollup", "Anonymous:").unwrap();
    say(&format!("footprint: PID 1 {name} has {anonymous} KB of anonymous memory"));
    assert!(anonymous > 0.0 && anonymous <= MOST_ANONYMOUS_KB, "{anonymous} KB, {name}");
    assert_eq!(proc_number(pid, "status", "Threads:").unwrap(), 1.0, "threads, {name}");

    // Whatever files the test itself was started with, the program has them too.
    let theirs = descriptors(program);
    let mut own = descriptors(pid);
    own.retain(|fd, target| *fd > 2 && theirs.get(fd) != Some(target));
    // How signals come, the end of the child's pipe until the next event closes it, and the counters of the cgroup.
    let (signals, rest): (Vec<_>, Vec<_>) =
        own.values().partition(|target| target.as_str() == "anon_inode:[signalfd]");
    let is_counter = |target: &str| target.starts_with("/sys/fs/cgroup/") && target.contains("/memory.");
    let is_known = |target: &&String| target.starts_with("pipe:[") || is_counter(target);
    assert!(signals.len() == 1 && rest.iter().all(is_known) && rest.len() <= 8, "{own:?}");

    running.signal(libc::SIGTERM);
    let ended = running.finish();
    assert_eq!(ended.code, Some(143), "{}", ended.stderr);
    ended
}

#[test]
fn idle_pid_1_takes_little() {
    let Some(epitaph) = epitaph() else { return };
    if has_namespaces() {
        // Nothing but PATH in the environment. (And EPITAPH_OOM_POLL=0, since on cgroup v1, which has nothing to wait
        // on, PID 1 looks at the counter every 10 s.)
        takes_little("with a bare environment", Launch::new(Form::PidOne, ["sleep", "600"]).init(epitaph));
    }
}

#[test]
fn idle_pid_1_takes_little_in_an_ecs_task_too() {
    let Some(epitaph) = epitaph() else { return };
    if !has_namespaces() {
        return;
    }
    let endpoint = Endpoint::start(Task { fault_injection: true, ..Task::default().just_created() });
    let launch = Launch::new(Form::PidOne, ["sleep", "600"])
        .init(epitaph)
        .env("ECS_CONTAINER_METADATA_URI_V4", endpoint.uri_v4())
        .env("ECS_CONTAINER_METADATA_URI", endpoint.uri_v3())
        .env("EPITAPH_INTROSPECTION", endpoint.introspection_url())
        .env("ECS_AGENT_URI", format!("{}/api/4f2a3c5e", endpoint.introspection_url()))
        .env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/9a3f7a52-0e1d-4a8e-bb60-5f6c1a2e3d4b")
        .env("AWS_EXECUTION_ENV", "AWS_ECS_EC2")
        .env("AWS_REGION", "eu-central-1")
        .env("HOSTNAME", "ip-10-0-2-100.eu-central-1.compute.internal");
    let ended = takes_little("in an ECS task", launch);
    // What PID 1 kept all the time is the whole identity, but for what is in no record, what only the introspection API
    // tells, which cannot be reached in awsvpc mode, and what only a restarted container has.
    let untold = [Field::ClusterArn, Field::InstanceArn, Field::RestartCount];
    let exit = records::record(&ended.stderr, "exit");
    let absent: Vec<_> =
        Field::ALL.iter().filter(|field| exit[field.name()].is_null() && !untold.contains(field)).collect();
    assert!(absent.is_empty(), "{absent:?}: {}", ended.stderr);
}

#[test]
fn pid_1_calls_nothing_about_sockets() {
    let Some(epitaph) = epitaph() else { return };
    if !has_namespaces() {
        return;
    }
    let endpoint = Endpoint::start(Task::default());
    let launch = Launch::new(Form::PidOne, ["true"])
        .init(epitaph)
        .env("ECS_CONTAINER_METADATA_URI_V4", endpoint.uri_v4());
    let Some((trace, ended)) = Trace::of(launch) else { return };
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(records::record(&ended.stderr, "start")["task_arn"], Task::default().arn);
    assert!(!trace.with_sockets().contains(&trace.epitaph()), "PID 1 itself has to do with sockets");
    assert_eq!(trace.with_sockets().len(), 1, "the child, which then becomes the program");
}

/// Microseconds from start to end of each of two commands, in turn and each as often the first.
fn in_turn(streams: &Streams, commands: &[Command; 2]) -> [Vec<f64>; 2] {
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..WARM_UP + ROUNDS {
        for turn in 0..2 {
            let index = (turn + round) % 2;
            let (time, _) = streams.run(&commands[index]).unwrap();
            if round >= WARM_UP {
                times[index].push(time);
            }
        }
    }
    times
}

fn start(init: &str, environment: &[(&str, &str)]) -> Command {
    let words = [init, "-s", "--", "/bin/true"].map(OsString::from);
    Command::new(&words, environment, Place::Ordinary).unwrap()
}

/// Tells a figure, and holds it against its bound where that is asked for.
fn judge_time(what: &str, figure: f64, bound: f64) {
    say(&format!("footprint: {what}: {figure:.3}, at most {bound}"));
    if std::env::var_os(REQUIRE_SPEED).is_some_and(|set| set == "1") {
        assert!(figure <= bound, "{what}: {figure:.3}, at most {bound}");
    }
}

/// One test, so that the two measurements do not disturb each other.
#[test]
fn a_start_takes_no_longer_than_tinis_and_an_identity_little() {
    let Some(epitaph) = epitaph() else { return };
    let directory = tempfile::tempdir().unwrap();
    let copy = copy_as_shipped(Path::new(epitaph), directory.path()).unwrap();
    let epitaph = copy.to_str().unwrap();
    let streams = Streams::new().unwrap();
    let endpoint = QuickEndpoint::start().unwrap();
    let in_ecs = [("ECS_CONTAINER_METADATA_URI_V4", endpoint.uri.as_str()), ("EPITAPH_INTROSPECTION", "off")];

    let before = endpoint.requests();
    let [without, with] = in_turn(&streams, &[start(epitaph, &[]), start(epitaph, &in_ecs)]);
    let requests = endpoint.requests() - before;
    let starts = (WARM_UP + ROUNDS) as u64;
    assert!((starts..=2 * starts).contains(&requests), "{requests} requests in {starts} starts");
    let more = with.iter().zip(&without).map(|(with, without)| with - without).collect();
    judge_time("identity, µs more", Spread::of(more).unwrap().median, MOST_FOR_IDENTITY_US);

    let Some(tini) = require("tini", find_program("tini", "tini")) else { return };
    let [tini, own] = in_turn(&streams, &[start(tini.to_str().unwrap(), &[]), start(epitaph, &[])]);
    let (tini, own) = (Spread::of(tini).unwrap().median, Spread::of(own).unwrap().median);
    judge_time(&format!("start, {own:.0} µs of tini's {tini:.0}"), own / tini, MOST_OF_TINI);
}
