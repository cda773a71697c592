//! What epitaph takes, on a static binary: its file, what it needs around it, what PID 1 holds and does while
//! its program runs, and what it adds to a start. The file of a release (`EPITAPH_TEST_BINARY`) has other
//! bounds than the plain build with glibc that the tests make where none is named.
//!
//! Times are measured and told here, and held against their bounds where `EPITAPH_TEST_REQUIRE_SPEED` is `1`:
//! on a machine that does other things too they would fail for no fault of epitaph's.
//!
//! Where epitaph takes more than its goal, that is told loudly, and fails where `EPITAPH_TEST_REQUIRE_GOALS`
//! is `1`, as before a release; what fails always is to take yet more.

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
use support::binary;
use support::endpoint::{Endpoint, Task};
use support::measure::endpoint::Endpoint as QuickEndpoint;
use support::measure::idle::{proc_number, settle};
use support::measure::spawn::{Command, Place};
use support::measure::{Spread, streams::Streams};
use support::process::{find_program, write_program};
use support::require::{self, require, say};
use support::static_binary::{copy_as_shipped, static_binary};
use trace::Trace;

/// An amount: what it is to be at most, and what it may be until that is reached.
struct Amount {
    goal: f64,
    at_most: f64,
}

impl Amount {
    /// One whose goal is reached.
    const fn reached(goal: f64) -> Amount {
        Amount { goal, at_most: goal }
    }

    #[track_caller]
    fn check(&self, what: &str, measured: f64) {
        if measured > self.goal {
            say(&format!("footprint: GOAL MISSED by {what}: {measured} of {}", self.goal));
        }
        let is_strict = std::env::var_os(REQUIRE_GOALS).is_some_and(|set| set == "1");
        let bound = if is_strict { self.goal } else { self.at_most };
        assert!(measured > 0.0 && measured <= bound, "{what}: {measured}, at most {bound}");
    }
}

/// What the binary may take at most.
struct Bounds {
    file_bytes: Amount,
    anonymous_kb: Amount,
    /// what an identity from an endpoint that answers at once may add to a start
    identity_us: f64,
    /// the inits that a start is compared with, the quickest of which counts, and how many times its time is
    /// the most
    peers: &'static [(&'static str, &'static str)],
    of_quickest: f64,
    /// its resident memory, times catatonit's
    of_catatonit: Amount,
}

const OF_RELEASE: Bounds = Bounds {
    file_bytes: Amount::reached(655_360.0),
    // The stack of the start is among them: pages that PID 1 had to ask for again would be asked for in a
    // full cgroup, and the kernel would kill for them (tests/verdicts).
    anonymous_kb: Amount::reached(32.0),
    identity_us: 400.0,
    peers: &[("tini-static", "tini"), ("catatonit", "catatonit")],
    of_quickest: 0.95,
    of_catatonit: Amount::reached(1.0),
};

const OF_PLAIN_BUILD: Bounds = Bounds {
    file_bytes: Amount { goal: 1_600_000.0, at_most: 1_850_000.0 },
    anonymous_kb: Amount { goal: 64.0, at_most: 76.0 },
    identity_us: 600.0,
    peers: &[("tini", "tini")],
    of_quickest: 1.0,
    of_catatonit: Amount::reached(3.0),
};

fn bounds() -> &'static Bounds {
    if binary::given().is_some() { &OF_RELEASE } else { &OF_PLAIN_BUILD }
}

/// How long nothing may happen.
const IDLE: Duration = Duration::from_secs(5);
/// Rounds of starts, after some that are not counted.
const ROUNDS: usize = 400;
const WARM_UP: usize = 10;
const REQUIRE_GOALS: &str = "EPITAPH_TEST_REQUIRE_GOALS";
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
    #[allow(clippy::cast_precision_loss, reason = "a file of less than 2^52 bytes")]
    bounds().file_bytes.check("the file, in bytes", size as f64);
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
    write_program(&root.path().join("epitaph"), &std::fs::read(epitaph).unwrap());
    write_program(&root.path().join("busybox"), &std::fs::read(busybox).unwrap());
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
    bounds().anonymous_kb.check("anonymous memory, in KB", anonymous);
    assert_eq!(proc_number(pid, "status", "Threads:").unwrap(), 1.0, "threads, {name}");

    // Whatever files the test itself was started with, the program has them too.
    let theirs = descriptors(program);
    let mut own = descriptors(pid);
    own.retain(|fd, target| *fd > 2 && theirs.get(fd) != Some(target));
    // How signals come, the end of the child's pipe until the next event closes it, and the counters of the
    // cgroup.
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
        // Nothing but PATH in the environment. (And EPITAPH_OOM_POLL=0, since on cgroup v1, which has nothing
        // to wait on, PID 1 looks at the counter every 10 s.)
        takes_little("with a bare environment", Launch::new(Form::PidOne, ["sleep", "600"]).init(epitaph));
    }
}

/// KB of resident memory of an idle PID 1, the pages of its file among them.
fn resident(init: &str) -> f64 {
    let streams = Streams::new().unwrap();
    let words = [init, "--", "sleep", "600"].map(OsString::from);
    let child = Command::new(&words, &[], Place::Pid1).unwrap().spawn(streams.stdio()).unwrap();
    settle(child.pid()).unwrap();
    let resident = proc_number(child.pid(), "smaps_rollup", "Rss:").unwrap();
    child.end(Place::Pid1).unwrap();
    resident
}

#[test]
fn idle_pid_1_is_no_larger_than_catatonit() {
    let Some(epitaph) = epitaph() else { return };
    let Some(catatonit) = require("catatonit", find_program("catatonit", "catatonit")) else { return };
    if !has_namespaces() {
        return;
    }
    // How many pages of a file and of a stack are there depends on where the kernel puts them.
    let mut figures = [epitaph, catatonit.to_str().unwrap()].map(|init| (init, Vec::new()));
    for _ in 0..7 {
        figures.iter_mut().for_each(|(init, all)| all.push(resident(init)));
    }
    let [own, catatonits] = figures.map(|(_, all)| Spread::of(all).unwrap().median);
    say(&format!(
        "footprint: PID 1 has {own} KB in memory with the pages of its file, catatonit {catatonits}"
    ));
    bounds().of_catatonit.check("resident memory, times catatonit's", own / catatonits);
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
    // What PID 1 kept all the time is the whole identity, but for what is in no record, what only the
    // introspection API tells, which cannot be reached in awsvpc mode, and what only a restarted container
    // has.
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

/// The median of the microseconds from start to end of each command, in turn and each as often the first; and
/// of how much longer each took than the first command in the same round.
fn in_turn(streams: &Streams, commands: &[Command]) -> Vec<(f64, f64)> {
    let mut times = vec![Vec::new(); commands.len()];
    for round in 0..WARM_UP + ROUNDS {
        for turn in 0..commands.len() {
            let index = (turn + round) % commands.len();
            let (time, _) = streams.run(&commands[index]).unwrap();
            if round >= WARM_UP {
                times[index].push(time);
            }
        }
    }
    let median = |values: Vec<f64>| Spread::of(values).unwrap().median;
    let more = |of: &[f64]| median(of.iter().zip(&times[0]).map(|(own, first)| own - first).collect());
    times.iter().map(|of| (median(of.clone()), more(of))).collect()
}

fn start(init: &Path, place: Place, environment: &[(&str, &str)]) -> Command {
    // catatonit is a subreaper without being told, and knows no such option.
    let is_catatonit = init.file_name().is_some_and(|name| name == "catatonit");
    let flag = (place == Place::Ordinary && !is_catatonit).then_some("-s");
    let words = [init.to_str().unwrap()].into_iter().chain(flag).chain(["--", "/bin/true"]);
    let words: Vec<OsString> = words.map(OsString::from).collect();
    Command::new(&words, environment, place).unwrap()
}

/// Tells a figure, and holds it against its bound where that is asked for.
fn judge_time(what: &str, figure: f64, bound: f64) {
    say(&format!("footprint: {what}: {figure:.3}, at most {bound}"));
    if std::env::var_os(REQUIRE_SPEED).is_some_and(|set| set == "1") {
        assert!(figure <= bound, "{what}: {figure:.3}, at most {bound}");
    }
}

/// One test, so that the measurements do not disturb each other.
#[test]
fn a_start_takes_no_longer_than_that_of_others_and_an_identity_little() {
    let Some(epitaph) = epitaph() else { return };
    let directory = tempfile::tempdir().unwrap();
    let epitaph = copy_as_shipped(Path::new(epitaph), directory.path()).unwrap();
    let streams = Streams::new().unwrap();
    let endpoint = QuickEndpoint::start().unwrap();
    let in_ecs = [("ECS_CONTAINER_METADATA_URI_V4", endpoint.uri.as_str()), ("EPITAPH_INTROSPECTION", "off")];

    let before = endpoint.requests();
    let place = Place::Ordinary;
    let found = in_turn(&streams, &[start(&epitaph, place, &[]), start(&epitaph, place, &in_ecs)]);
    let requests = endpoint.requests() - before;
    let starts = (WARM_UP + ROUNDS) as u64;
    assert!((starts..=2 * starts).contains(&requests), "{requests} requests in {starts} starts");
    judge_time("identity, µs more", found[1].1, bounds().identity_us);

    let mut inits = vec![epitaph];
    for (peer, package) in bounds().peers {
        let Some(peer) = require(peer, find_program(peer, package)) else { return };
        inits.push(peer);
    }
    let mut places = vec![(Place::Ordinary, "not PID 1")];
    if has_namespaces() {
        places.push((Place::Pid1, "PID 1"));
    }
    for (place, name) in places {
        let commands: Vec<Command> = inits.iter().map(|init| start(init, place, &[])).collect();
        let found: Vec<f64> = in_turn(&streams, &commands).into_iter().map(|(median, _)| median).collect();
        let quickest = found[1..].iter().copied().fold(f64::INFINITY, f64::min);
        let figures: Vec<String> = found.iter().map(|time| format!("{time:.0}")).collect();
        let what = format!("start, {name}, {} µs, times the quickest other", figures.join(" / "));
        judge_time(&what, found[0] / quickest, bounds().of_quickest);
    }
}
