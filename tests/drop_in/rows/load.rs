//! Many at once: what the kernel does not merge is not lost, and nothing grows.

use crate::call::{BOUND, HANG, Running, within};
use crate::init::Init;
use crate::table::{ALL, Row, row};
use std::io::Write;

const SUBJECT: &str = "Many at once";

pub fn rows() -> Vec<Row> {
    vec![
        row(SUBJECT, "10,000 orphans that end at once, as PID 1", MAIN, orphans),
        row(SUBJECT, "100,000 real-time signals in bursts of 5,000", MAIN, queued),
        row(SUBJECT, "100,000 SIGUSR1 as fast as can be", MAIN, merged),
        row(SUBJECT, "The program ends just after the init has looked for ended children", ALL, just_missed),
        row(SUBJECT, "Half a second with nothing to do", ALL, idle),
    ]
}

/// One of each kind: the others are the same program.
const MAIN: &[&str] = &["tini", "dumb-init"];

/// Processor time in ticks of 10 ms, and anonymous memory in KiB.
fn usage(pid: i32) -> (u64, u64) {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ').collect();
    let ticks = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let anonymous = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap_or("0 kB");
    (ticks, anonymous.trim().trim_end_matches(" kB").parse().unwrap())
}

/// The memory of epitaph may not have grown, nor may it have spun.
fn assert_small(init: &Init, before: (u64, u64), after: (u64, u64), ticks: u64) {
    if init.is_epitaph {
        assert!(after.1 <= before.1 + 64, "anonymous memory has grown from {} to {} KiB", before.1, after.1);
        assert!(after.0 - before.0 <= ticks, "{} ticks of processor time", after.0 - before.0);
    }
}

fn orphans(init: &Init) -> String {
    let mut running = init.call().pid_1().probe("orphans-then-wait 10000").held().start();
    running.wait_for("ready");
    let before = usage(running.init);
    running.stdin.as_mut().unwrap().write_all(b"x").unwrap();
    running.wait_for("\nall reaped");
    assert_small(init, before, usage(running.init), 500);
    running.stdin.take();
    format!("all reaped ({})", running.end())
}

/// The number after the last "seen" of the counting probe.
fn seen(running: &Running) -> usize {
    let out = running.out();
    let last = out.lines().filter_map(|line| line.strip_prefix("seen ")).next_back();
    last.and_then(|count| count.parse().ok()).unwrap_or(0)
}

fn queued(init: &Init) -> String {
    let mut running = init.call().probe("count 34").held().start();
    running.wait_for("ready");
    let before = usage(running.init);
    let mut sent = 0;
    while sent < 100_000 {
        (0..5000).for_each(|_| running.signal(34));
        sent += 5000;
        let came = within(BOUND, || (seen(&running) >= sent).then_some(()));
        if came.is_none() {
            return format!("of {sent} signals {} arrive", seen(&running));
        }
    }
    assert_small(init, before, usage(running.init), 1500);
    format!("{} arrive", seen(&running))
}

fn merged(init: &Init) -> String {
    let mut running = init.call().probe("count 10").held().start();
    running.wait_for("ready");
    let before = usage(running.init);
    (0..100_000).for_each(|_| running.signal(libc::SIGUSR1));
    running.signal(64);
    running.wait_for("last");
    let count = seen(&running);
    running.signal(libc::SIGUSR1);
    let one_more = within(BOUND, || (seen(&running) == count + 1).then_some(())).is_some();
    assert_small(init, before, usage(running.init), 1500);
    let merged = if (1..=100_000).contains(&count) { "merged as the kernel does" } else { "another number" };
    format!("{merged}, {}", if one_more { "and the next one arrives" } else { "and the next one is lost" })
}

/// With strace(1) the init's look for ended children takes 50 ms longer than it does, in which the program
/// ends.
fn just_missed(init: &Init) -> String {
    let Some(call) = super::slowly_reaping(init, 50) else { return "exit 3".to_owned() };
    let call = call.args(["--", "sh", "-c", "exit 3"]);
    let mut running = call.start();
    match running.wait(HANG) {
        Some(status) => crate::call::describe(status),
        None => {
            let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", running.init));
            if let Some(traced) = children.ok().and_then(|text| text.trim().parse().ok()) {
                crate::call::kill(traced, libc::SIGKILL);
            }
            "the init hangs".to_owned()
        }
    }
}

/// Wake-ups and processor time while the program sleeps.
fn idle(init: &Init) -> String {
    let call = init.call().args(["--", "sh", "-c", "echo begin; sleep 0.5; echo end; read x"]).held();
    let mut running = call.start();
    running.wait_for("begin");
    // What the start left to do is done when it sleeps.
    Running::wait_for_state(running.init, 'S');
    let switches = |running: &Running| {
        let status = std::fs::read_to_string(format!("/proc/{}/status", running.init)).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.and_then(|line| line.trim().parse::<u64>().ok()).unwrap()
    };
    let before = (usage(running.init).0, switches(&running));
    running.wait_for("end");
    let (ticks, wakes) = (usage(running.init).0 - before.0, switches(&running) - before.1);
    // One is the init's way into its sleep, one tini's tick.
    if wakes <= 3 && ticks <= 2 { "sleeps".to_owned() } else { format!("{wakes} wake-ups, {ticks} ticks") }
}
