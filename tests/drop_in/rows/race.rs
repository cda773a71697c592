//! SIGTERM in the first moments: sent 0 to 4 ms after the exec of the init, does it stop the container?
//!
//! The program tells when it runs, and is then sent the last real-time signal. All inits take the lowest
//! number first, so an end by SIGTERM means that it arrived, and an end by the other that it was lost.

use crate::call::{BOUND, describe, within};
use crate::init::Init;
use crate::table::{ALL, GROUP_INITS, Row, row};
use std::fmt::Write;
use std::sync::Mutex;
use std::time::{Duration, Instant};

const SUBJECT: &str = "SIGTERM in the first 4 ms";

/// What was counted, for the summary. How many signals the others lose changes from run to run, so the
/// document does not have it.
static COUNTS: Mutex<Vec<Count>> = Mutex::new(Vec::new());

struct Count {
    init: String,
    options: &'static str,
    as_pid_1: bool,
    runs: usize,
    lost: usize,
    lost_before_blocking: usize,
}

pub fn rows() -> Vec<Row> {
    let row = |what: &'static str, inits, options: &'static str, as_pid_1: bool| {
        row(SUBJECT, what, inits, move |init| race(init, options, as_pid_1)).differs(
            ALL,
            COUNTED,
            if as_pid_1 { NONE_LOST_ONCE_BLOCKED } else { NONE_LOST },
            if as_pid_1 { WHY_AS_PID_1 } else { WHY },
        )
    };
    vec![
        row("Not as PID 1", ALL, "", false),
        row("Not as PID 1, with `-g`", GROUP_INITS, "-g", false),
        row("As PID 1", ALL, "", true),
        row("As PID 1, with `-g`", GROUP_INITS, "-g", true),
    ]
}

/// How often, of each kind.
fn runs(init: &Init) -> usize {
    let all = std::env::var("EPITAPH_TEST_RACE_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(600);
    match (init.is_epitaph, init.name) {
        // Names that stand for the same habits are run less often, but together as often as any other.
        (true, name) if name != "epitaph" && name != "dumb-init" => all / 6,
        _ => all,
    }
}

/// Whether a signal was lost that came after the init had blocked it.
fn race(init: &Init, options: &'static str, as_pid_1: bool) -> String {
    let runs = runs(init);
    let (mut lost, mut lost_before_blocking) = (0, 0);
    for number in 0..runs {
        let delay = Duration::from_micros(4000 * number as u64 / runs as u64);
        match once(init, options, as_pid_1, delay) {
            Outcome::Arrived => {}
            Outcome::Lost { blocked: true } => lost += 1,
            Outcome::Lost { blocked: false } => lost_before_blocking += 1,
        }
    }
    let name = if init.is_epitaph { format!("epitaph as {}", init.name) } else { init.name.to_owned() };
    let count = Count { init: name, options, as_pid_1, runs, lost, lost_before_blocking };
    COUNTS.lock().unwrap().push(count);
    if !init.is_epitaph {
        return COUNTED.to_owned();
    }
    // Outside of PID 1 the kernel's default action ends an init that has not blocked the signal yet.
    let all_lost = if as_pid_1 { lost } else { lost + lost_before_blocking };
    match (all_lost, as_pid_1) {
        (0, false) => NONE_LOST.to_owned(),
        (0, true) => NONE_LOST_ONCE_BLOCKED.to_owned(),
        _ => format!("{all_lost} lost"),
    }
}

const COUNTED: &str = "counted";
const NONE_LOST: &str = "none lost";
const NONE_LOST_ONCE_BLOCKED: &str = "none lost once signals are blocked";
const WHY: &str = "Signals are blocked first of all, and the group is made on both sides of the fork. dumb-init, `tini -g` and \
    `catatonit -g` lose some; how many changes from run to run, and the test prints it.";
const WHY_AS_PID_1: &str = "The same. Before its first instruction the kernel drops signals to a PID 1, which no init can help; the \
    test prints how long that is.";

enum Outcome {
    Arrived,
    Lost {
        /// whether the init had blocked or caught the signal when it was sent
        blocked: bool,
    },
}

fn once(init: &Init, options: &str, as_pid_1: bool, delay: Duration) -> Outcome {
    let call = init.call().words(options).args(["--", "sh", "-c", "echo ready; exec sleep 60"]);
    let mut running = if as_pid_1 { call.bare_pid_1() } else { call }.start();
    // The exec has happened: the spawn waits for it.
    let deadline = Instant::now() + delay;
    while Instant::now() < deadline {
        std::hint::spin_loop();
    }
    let blocked = takes_sigterm(running.init);
    crate::call::kill(running.init, libc::SIGTERM);
    let mut told = false;
    let end = within(BOUND, || {
        if !told && running.out().contains("ready") {
            told = true;
            crate::call::kill(running.init, 64);
        }
        running.poll()
    });
    match end.map(describe).as_deref() {
        Some("exit 143" | "killed by signal 15") => Outcome::Arrived,
        Some("exit 192") => Outcome::Lost { blocked },
        other => panic!("after {delay:?} the init came to {other:?}; stderr: {}", running.err()),
    }
}

/// Whether the process blocks or catches SIGTERM, or has done so already when it forked.
///
/// sigtimedwait(2) takes what it waits for out of the mask, so the mask alone does not tell of tini and
/// dumb-init.
fn takes_sigterm(pid: i32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let has_forked = !children.is_empty();
    let mask = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        line.and_then(|line| u64::from_str_radix(line.trim(), 16).ok()).unwrap_or(0)
    };
    (mask("SigBlk:") | mask("SigCgt:")) >> (libc::SIGTERM - 1) & 1 == 1 || has_forked
}

/// The figures, which change from run to run.
pub fn summary() -> String {
    let mut counts = std::mem::take(&mut *COUNTS.lock().unwrap());
    counts.sort_by_key(|count| (count.as_pid_1, count.options, count.init.clone()));
    let mut text = String::new();
    for count in counts {
        let place = if count.as_pid_1 { "as PID 1" } else { "not as PID 1" };
        let _ = write!(
            text,
            "race, {place}, {} {}: of {} signals {} lost",
            count.init, count.options, count.runs, count.lost
        );
        // For PID 1 the kernel drops a signal that is neither blocked nor caught yet, and no init can help
        // it.
        let window = 4.0 * count.lost_before_blocking as f64 / count.runs as f64;
        let before = count.lost_before_blocking;
        let _ = writeln!(text, ", and {before} that came before it was blocked, which takes {window:.2} ms");
    }
    text
}
