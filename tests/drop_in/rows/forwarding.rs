//! Which signals reach the program, and whom.

use crate::call::{BOUND, Running, kill, within};
use crate::init::Init;
use crate::table::{ALL, CATATONIT, DUMB_INIT, GROUP_INITS, Row, TINI, row};

const SUBJECT: &str = "Signals";

pub fn rows() -> Vec<Row> {
    vec![
        each_row("Each of 1 to 64, but SIGKILL, SIGSTOP and the C library's 32 and 33", ALL, "", false),
        each_row("… as PID 1", ALL, "", true),
        each_row("… with `-g`", GROUP_INITS, "-g", false),
        row(SUBJECT, "Who gets SIGUSR1", GROUP_INITS, |init| who_gets(init, "", None)),
        row(SUBJECT, "Who gets SIGUSR1 with `-g`", GROUP_INITS, |init| who_gets(init, "-g", None)),
        row(SUBJECT, "Who gets SIGUSR1 with `-g`, as PID 1", GROUP_INITS, |init| {
            who_gets_as(init, "-g", None, true)
        }),
        row(SUBJECT, "Who gets SIGUSR1 of dumb-init, as PID 1", DUMB_INIT, |init| {
            who_gets_as(init, "", None, true)
        })
        .own("the program", "By its own name epitaph has tini's habits."),
        row(SUBJECT, "Five real-time signals (34) at once", ALL, |init| burst(init, 34)),
        row(SUBJECT, "Five SIGUSR1 at once, the init being suspended", ALL, |init| burst(init, 10)),
        row(SUBJECT, "SIGTERM ends the program", ALL, |init| ends(init, 15, false)),
        row(SUBJECT, "SIGTERM ends the program, as PID 1", ALL, |init| ends(init, 15, true)),
        row(SUBJECT, "SIGINT ends the program, as PID 1", ALL, |init| ends(init, 2, true)),
        row(SUBJECT, "SIGHUP with `nohup`", ALL, |init| {
            let mut running = init.call().setup(|| crate::setup::ignore(1)).probe("default").held().start();
            running.wait_for("ready");
            running.signal(1);
            running.signal(64);
            running.end()
        })
        .differs(
            DUMB_INIT,
            "exit 129",
            "exit 192",
            "dumb-init takes `nohup` off; here the program goes on, until the 64 that the test sends.",
        ),
        row(SUBJECT, "SIGTERM from the program itself to its init", ALL, |init| {
            init.call()
                .args([
                    "--",
                    "sh",
                    "-c",
                    "trap 'exit 9' TERM; kill -TERM $PPID; while :; do sleep 0.01; done",
                ])
                .run()
                .end()
        }),
    ]
}

/// What becomes of every signal, and where epitaph differs.
fn each_row(
    what: &'static str,
    inits: &'static [&'static str],
    options: &'static str,
    as_pid_1: bool,
) -> Row {
    let faults = if as_pid_1 { "4-8 11 17 31" } else { "17" };
    let ended = if as_pid_1 { "" } else { "; ends the init: 4-8 11 31" };
    let with = |extra: &str| match (as_pid_1, extra) {
        (true, extra) => format!("4-8 11 17 {extra} 31"),
        (false, extra) => format!("{faults} {extra}"),
    };
    let ours = "forwarded: 1-3 10 12-16 18-30 34-64; dropped: 4-8 11 17 31";
    let about = row(SUBJECT, what, inits, move |init| each(init, options, as_pid_1));
    let about = about
        .differs(
            TINI,
            format!("forwarded: 1-3 10 12-16 18-20 23-30 34-64; dropped: {}{ended}", with("21-22")),
            ours,
            "tini ignores TTIN and TTOU; a fault signal (ILL, TRAP, ABRT, BUS, FPE, SEGV, SYS) from outside is \
             dropped rather than end the init.",
        )
        .differs(
            CATATONIT,
            format!("forwarded: 1-3 10 12-16 18 23-30 34-64; dropped: {}{ended}", with("20-22")),
            ours,
            "catatonit leaves TSTP, TTIN and TTOU blocked in the program; the faults as above.",
        );
    if !inits.contains(&"dumb-init") {
        return about;
    }
    about.differs(
        DUMB_INIT,
        "forwarded: 1-16 18 23-64; dropped: 17; suspends: 20-22",
        "forwarded: 1-3 10 12-16 18 23-30 34-64; dropped: 4-8 11 17 31; suspends: 20-22",
        "dumb-init passes the fault signals on; a program that gets one looks as if it had crashed.",
    )
}

const SKIPPED: [i32; 4] = [9, 19, 32, 33];

/// What becomes of every signal: reaches the program, is dropped, ends or suspends the init.
fn each(init: &Init, options: &str, as_pid_1: bool) -> String {
    let start = || {
        let call = init.call().words(options).setup(crate::setup::no_core).probe("signals").held();
        let mut running = if as_pid_1 { call.pid_1() } else { call }.start();
        running.wait_for("ready");
        running
    };
    let mut running = start();
    let [mut arrive, mut dropped, mut end, mut suspend] = [const { Vec::new() }; 4];
    for number in (1..=64).filter(|number| !SKIPPED.contains(number)) {
        let before = running.out().len();
        running.signal(number);
        if number != 64 {
            running.signal(64);
        }
        let mut suspended = false;
        within(BOUND, || {
            let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", running.init));
            let child = children.ok().and_then(|text| text.trim().parse::<i32>().ok());
            let stopped =
                Running::state(running.init) == 'T' || child.is_some_and(|pid| Running::state(pid) == 'T');
            if stopped {
                suspended = true;
                kill(running.init, libc::SIGCONT);
            }
            (running.poll().is_some() || running.out()[before..].contains("64\n")).then_some(())
        });
        let told = running.out()[before..].to_owned();
        if running.poll().is_some() {
            end.push(number);
            running = start();
        } else if suspended {
            suspend.push(number);
        } else if told.lines().any(|line| line == number.to_string()) {
            arrive.push(number);
        } else {
            dropped.push(number);
        }
    }
    let mut parts = vec![format!("forwarded: {}", ranges(&arrive))];
    if !dropped.is_empty() {
        parts.push(format!("dropped: {}", ranges(&dropped)));
    }
    if !suspend.is_empty() {
        parts.push(format!("suspends: {}", ranges(&suspend)));
    }
    if !end.is_empty() {
        parts.push(format!("ends the init: {}", ranges(&end)));
    }
    parts.join("; ")
}

/// Numbers as ranges.
fn ranges(numbers: &[i32]) -> String {
    let mut ranges: Vec<(i32, i32)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            // What was not tried is no gap.
            Some((_, last)) if (*last + 1..*number).all(|between| SKIPPED.contains(&between)) => {
                *last = *number
            }
            _ => ranges.push((*number, *number)),
        }
    }
    let texts: Vec<String> = ranges
        .iter()
        .map(|(from, to)| if from == to { from.to_string() } else { format!("{from}-{to}") })
        .collect();
    if texts.is_empty() { "none".to_owned() } else { texts.join(" ") }
}

/// Who of the program, its child in the same group and its child in another group gets SIGUSR1.
pub fn who_gets(init: &Init, options: &str, variable: Option<(&str, &str)>) -> String {
    who_gets_as(init, options, variable, false)
}

fn who_gets_as(init: &Init, options: &str, variable: Option<(&str, &str)>, as_pid_1: bool) -> String {
    let call = init.call().words(options);
    let call = variable.into_iter().fold(call, |call, (name, value)| call.env(name, value));
    let call = call.probe("family").held();
    let mut running = if as_pid_1 { call.pid_1() } else { call }.start();
    let has = |running: &Running, start: &str| running.out().lines().any(|line| line.starts_with(start));
    for name in ["ready", "child ready", "other ready"] {
        assert!(within(BOUND, || has(&running, name).then_some(())).is_some(), "no {name}");
    }
    running.signal(libc::SIGUSR1);
    running.signal(64);
    within(BOUND, || has(&running, "64").then_some(()));
    // A group is signalled in one call, so the others have the signal by now, and tell it before they end.
    running.stdin.take();
    let end = running.end();
    let got = |name: &str| has(&running, &format!("{name}10"));
    match (got(""), got("child "), got("other ")) {
        (true, true, false) => "its whole group".to_owned(),
        (true, false, false) => "the program".to_owned(),
        other => format!("program, child, child in another group: {other:?}, {end}"),
    }
}

/// How many of five signals arrive that come while the init is suspended.
fn burst(init: &Init, number: i32) -> String {
    let mut running = init.call().probe("signals").held().start();
    running.wait_for("ready");
    running.signal(libc::SIGSTOP);
    Running::wait_for_state(running.init, 'T');
    (0..5).for_each(|_| running.signal(number));
    running.signal(libc::SIGCONT);
    running.signal(64);
    within(BOUND, || running.out().contains("\n64\n").then_some(()));
    let count = running.out().lines().filter(|line| *line == number.to_string()).count();
    format!("{count} arrive")
}

fn ends(init: &Init, number: i32, as_pid_1: bool) -> String {
    let call = init.call().probe("default").held();
    let mut running = if as_pid_1 { call.pid_1() } else { call }.start();
    running.wait_for("ready");
    running.signal(number);
    running.end()
}
