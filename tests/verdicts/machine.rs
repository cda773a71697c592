//! The cases on cgroup v2, in the virtual machine: all of them in one boot.

use crate::case::{Case, LARGE, Step};
use crate::cases::CASES;
use crate::found::{Found, hog};
use crate::support::process;
use crate::support::qemu::{Boot, Machine, arm64_folder};
use crate::support::require::require;
use crate::support::static_binary::static_binary;
use std::fmt::Write;
use std::sync::OnceLock;
use std::time::Duration;

/// Which cgroups a container sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Namespace {
    /// its own alone, as Docker does on version 2
    Private,
    /// all of the host's, as Docker does on version 1, and Podman and others when told to
    Host,
}

/// What one boot has shown.
#[derive(Debug)]
pub struct Run {
    /// of each case
    pub found: Vec<Option<Found>>,
    /// the wake-ups of an idle PID 1 in 5 s
    pub wake_ups: u64,
    /// what the kernel's log tells of the kills: when they were, in µs since 1970
    pub kills: Vec<u64>,
    /// the names of those who asked for memory in vain, which made the kernel kill
    pub askers: Vec<String>,
}

/// The boot with this kind of namespace. The first call boots both kinds at once.
pub fn run(namespace: Namespace) -> Option<&'static Run> {
    static RUNS: OnceLock<Option<[Run; 2]>> = OnceLock::new();
    let runs = RUNS.get_or_init(|| {
        let machine = machine()?;
        let boot = |namespace| boot(&machine, namespace, CASES);
        std::thread::scope(|scope| {
            let private = scope.spawn(|| boot(Namespace::Private));
            let host = boot(Namespace::Host);
            let private = private.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Some([private, host])
        })
    });
    runs.as_ref().map(|runs| &runs[namespace as usize])
}

fn machine() -> Option<Machine> {
    let epitaph = require("static binary", static_binary())?;
    let machine = require("qemu", Machine::new())?;
    Some(machine.program("epitaph", epitaph).unwrap().program("bin/hog", hog()).unwrap())
}

/// Other cases, in a boot of their own.
pub fn run_others(cases: &[Case]) -> Option<Run> {
    let machine = machine()?;
    let unshare = process::find_program("nsenter", "util-linux");
    let machine = machine.program("usr/bin/nsenter", &require("util-linux", unshare)?).unwrap();
    Some(boot(&machine, Namespace::Private, cases))
}

/// The boot of an arm64 machine, with a private namespace.
pub fn run_on_arm64() -> Option<Run> {
    let machine = require("qemu for arm64", Machine::arm64())?;
    let with = |machine: Machine, path: &str, file: &str| {
        let file = arm64_folder().join(file);
        machine.program(path, &file).map_err(|error| format!("{error} (packaging/arm64-tests.sh builds it)"))
    };
    let machine = with(machine, "epitaph", "epitaph").and_then(|machine| with(machine, "bin/hog", "hog"));
    Some(boot(&require("arm64 programs", machine)?, Namespace::Private, CASES))
}

fn boot(machine: &Machine, namespace: Namespace, cases: &[Case]) -> Run {
    let machine = machine.clone().bound(Duration::from_secs(300));
    let machine = machine.file("plain-file", 0o644, "nothing to execute\n");
    read(&machine.boot(&script(namespace, cases)), cases.len())
}

/// What the guest's script is made of. Every wait has a bound; a mark in the output tells what did not come.
const PRELUDE: &str = r#"
export EPITAPH_INTROSPECTION=off
root=/sys/fs/cgroup

# The process that is PID 1 in its own PID namespace.
init_of() {
    for pid in $(cat $cgroup/cgroup.procs); do
        awk '/^NSpid:/ && NF > 2 && $NF == 1 { found = 1 } END { exit !found }' /proc/$pid/status && echo $pid && return
    done
}
wait_for() { # FILE TEXT
    tries=0
    until grep -q -F "$2" $1; do
        tries=$((tries + 1))
        [ $tries -lt 400 ] || { echo "@missing $2"; return; }
        usleep 50000
    done
}
signal() { kill -$1 $(init_of); }
# From a shell that joins the container; the shell's own kill is not in a namespace, that of a child is.
kill_program() {
    target=$(sed -n 's/.*"epitaph":"start".*"pid":\([0-9]*\),.*/\1/p' $files/err)
    (echo 0 >$cgroup/cgroup.procs; exec nsenter -t $(init_of) -m -p kill -9 $target)
}
# From outside, and then in all namespaces of the container.
run_inside() {
    (echo 0 >$cgroup/cgroup.procs; exec /usr/bin/nsenter -t $(init_of) -m -p -C sh -c "$1")
}
end() {
    wait $main
    echo "@code $?"
    sed 's/^/@out /' $files/out
    sed 's/^/@err /' $files/err
    sed 's/^/@events /' $cgroup/memory.events
}
wake_ups() { awk '/ctxt_switches:/ { sum += $2 } END { print sum }' /proc/$1/status; }
"#;

fn script(namespace: Namespace, cases: &[Case]) -> String {
    let namespace = match namespace {
        Namespace::Private => "private",
        Namespace::Host => "host",
    };
    let mut script = PRELUDE.to_owned();
    for (number, case) in cases.iter().enumerate() {
        write_case(&mut script, case, number, namespace).expect("a String takes everything");
    }
    write!(
        script,
        r#"
cgroup=$root/idle files=/tmp/idle
mkdir -p $cgroup $files
echo 16M >$cgroup/memory.max
contain {namespace} idle /epitaph -- sh -c 'echo ready; exec sleep 600' >$files/out 2>$files/err &
main=$!
wait_for $files/out ready
init=$(init_of)
# Until nothing has happened for half a second, so that the news of the exec have arrived.
before=none
until [ "$before" = "$(wake_ups $init)" ]; do before=$(wake_ups $init); usleep 500000; done
sleep 5
echo "@idle $(($(wake_ups $init) - before))"
signal TERM
wait $main
dmesg | sed -n '/epitaph-mark\|Killed process\|invoked oom-killer/s/^/@kernel /p'
"#
    )
    .expect("a String takes everything");
    script
}

fn write_case(script: &mut String, case: &Case, number: usize, namespace: &str) -> std::fmt::Result {
    let cgroup = if case.limit_is_above { format!("c{number}/inner") } else { format!("c{number}") };
    writeln!(script, "echo '@case {number}'; hog mark")?;
    writeln!(script, "rm -f /go; cgroup=$root/{cgroup} files=/tmp/c{number}; mkdir -p $cgroup $files")?;
    writeln!(script, ": >$files/out; : >$files/err")?;
    if case.limit_is_above {
        writeln!(script, "echo +memory >$root/c{number}/cgroup.subtree_control")?;
        writeln!(script, "echo {LARGE}M >$cgroup/memory.max")?;
    }
    writeln!(script, "echo {}M >$root/c{number}/memory.max", case.limit)?;
    if let Some(high) = case.high {
        writeln!(script, "echo {high}M >$cgroup/memory.high")?;
    }
    if let Some(most) = case.most_processes {
        writeln!(script, "echo {most} >$cgroup/pids.max")?;
    }
    if case.kills_group {
        writeln!(script, "echo 1 >$cgroup/memory.oom.group")?;
    }
    let environment = case.environment.join(" ");
    let program: Vec<&str> = super::command_line(case);
    let program: Vec<String> = program.into_iter().map(quoted).collect();
    writeln!(
        script,
        "{environment} contain {namespace} {cgroup} {} >$files/out 2>$files/err &\nmain=$!",
        program.join(" ")
    )?;
    for step in case.steps {
        match step {
            Step::Line(line) => writeln!(script, "wait_for $files/out '{line}'")?,
            Step::Record(kind) => writeln!(script, "wait_for $files/err '\"epitaph\":\"{kind}\"'")?,
            Step::Signal(name) => writeln!(script, "signal {name}")?,
            Step::KillProgram => writeln!(script, "kill_program")?,
            Step::Go => writeln!(script, ": >/go")?,
            Step::Exec(inside) => writeln!(script, "run_inside {}", quoted(inside))?,
            Step::Freeze(ms) => writeln!(
                script,
                "echo 1 >$cgroup/cgroup.freeze; usleep {ms}000; echo 0 >$cgroup/cgroup.freeze"
            )?,
        }
    }
    writeln!(script, "end")
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Reads what the script has written.
fn read(boot: &Boot, count: usize) -> Run {
    let mut found: Vec<Option<Found>> = vec![None; count];
    let mut case = None;
    let (mut wake_ups, mut kernel) = (None, Vec::new());
    for line in boot.output.lines() {
        let (mark, rest) = line.split_once(' ').unwrap_or((line, ""));
        let now: Option<&mut Found> = case.and_then(|number: usize| found[number].as_mut());
        match (mark, now) {
            ("@case", _) => {
                let number: usize = rest.parse().unwrap();
                found[number] = Some(Found::default());
                case = Some(number);
            }
            ("@code", Some(found)) => found.code = rest.parse().unwrap(),
            ("@out", Some(found)) => found.stdout.extend([rest, "\n"]),
            ("@err", Some(found)) => found.stderr.extend([rest, "\n"]),
            ("@events", Some(found)) => {
                if let Some(kills) = rest.strip_prefix("oom_kill ") {
                    found.kernel_kills = Some(kills.parse().unwrap());
                }
            }
            ("@idle", _) => wake_ups = Some(rest.parse().unwrap()),
            ("@kernel", _) => kernel.push(rest.to_owned()),
            // The shell's own words, such as `Killed`, and @missing.
            (_, Some(found)) => found.stdout.extend([line, "\n"]),
            (_, None) => panic!("{line:?} in\n{}", boot.output),
        }
    }
    Run {
        found,
        wake_ups: wake_ups.expect("the idle container"),
        kills: dated(&kernel),
        askers: askers(&kernel),
    }
}

/// The kills in the kernel's log, with the wall clock's time.
///
/// The log counts from the boot: `[    3.123456] Memory cgroup out of memory: Killed process 88 (tail) …`. A
/// line that `hog mark` wrote there holds the wall clock's time of just before, so what is dated by it is
/// dated no later than it was.
fn dated(log: &[String]) -> Vec<u64> {
    let stamp = |line: &str| -> u64 {
        let stamp = line.trim_start_matches('[').split(']').next().unwrap().trim();
        let (seconds, micros) = stamp.split_once('.').unwrap();
        seconds.parse::<u64>().unwrap() * 1_000_000 + micros.parse::<u64>().unwrap()
    };
    let (mut booted, mut kills) = (None, Vec::new());
    for line in log {
        if let Some((_, time)) = line.split_once("epitaph-mark ") {
            // Again and again: the two clocks need not run at the same speed.
            booted = Some(time.trim().parse::<u64>().unwrap() - stamp(line));
        } else if line.contains("Killed") {
            kills.push(booted.expect("a mark before the first kill") + stamp(line));
        }
    }
    kills
}

/// `[    3.302434] tail invoked oom-killer: gfp_mask=…`
fn askers(log: &[String]) -> Vec<String> {
    let names = log.iter().filter_map(|line| line.split_once("] ")?.1.split_once(" invoked oom-killer"));
    names.map(|(name, _)| name.to_owned()).collect()
}
