//! catatonit's options and habits.

use crate::call::{BOUND, Running, within};
use crate::init::Init;
use crate::table::{CATATONIT, Row, row};

const SUBJECT: &str = "Options and habits of catatonit";

pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for options in ["-g", "-g --", ""] {
        rows.push(row(
            SUBJECT,
            if options.is_empty() {
                "No option: the program runs".to_owned()
            } else {
                format!("`{options}`: the program runs")
            },
            CATATONIT,
            move |init| init.call().words(options).bare_probe("exit 7").run().end(),
        ));
    }
    for (name, number) in [("SIGTERM", 15), ("SIGINT", 2), ("SIGHUP", 1), ("SIGUSR1", 10), ("SIGQUIT", 3)] {
        rows.push(row(SUBJECT, format!("`-P` (pause), and {name} arrives"), CATATONIT, move |init| {
            pause(init, number, false)
        }));
        rows.push(row(SUBJECT, format!("`-P` as PID 1, and {name} arrives"), CATATONIT, move |init| {
            pause(init, number, true)
        }));
    }
    rows.push(row(SUBJECT, "`-P` with a program", CATATONIT, |init| {
        let mut running = init.call().words("-P").probe("exit 7").start();
        let ended = within(BOUND, || {
            let waits = Running::state(running.init) == 'S' && running.out().is_empty();
            (waits || running.poll().is_some()).then_some(())
        });
        assert!(ended.is_some());
        running.signal(15);
        running.end()
    }));
    rows.push(
        row(SUBJECT, "Subreaper by itself when not PID 1", CATATONIT, |init| {
            init.call().probe("orphans 3").run().told()
        })
        .own("go elsewhere", "By its own name epitaph becomes a subreaper with `-s`, as tini."),
    );
    rows.push(
        row(SUBJECT, "Says nothing about that", CATATONIT, |init| {
            let done = init.call().probe("exit 0").run();
            if done.err.is_empty() { "says nothing" } else { "warns" }.to_owned()
        })
        .own("warns", "By its own name epitaph becomes a subreaper with `-s`, as tini."),
    );
    rows.push(
        row(SUBJECT, "`CATATONIT_DEBUG=1`", CATATONIT, |init| {
            let done = init.call().env("CATATONIT_DEBUG", "1").probe("exit 7").run();
            format!(
                "{}, stderr: {}",
                done.end(),
                if done.err.contains("DEBUG") || done.err.contains("INFO") {
                    "informal lines"
                } else {
                    "nothing"
                }
            )
        })
        .own("exit 7, stderr: nothing", "The variables of catatonit count when it is called so."),
    );
    rows.push(row(SUBJECT, "Is the program a subreaper too?", CATATONIT, |init| {
        init.call().probe("state subreaper").run().told()
    }));
    rows
}

/// Pauses, and ends on a signal or does not.
fn pause(init: &Init, number: i32, as_pid_1: bool) -> String {
    let call = init.call().words("-P");
    let mut running = if as_pid_1 { call.pid_1() } else { call }.start();
    // Pausing is sleeping with signals blocked or caught, or in the call that takes them: in there the kernel
    // shows them as not blocked.
    let ready = within(BOUND, || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", running.init)).ok()?;
        let mask = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            u64::from_str_radix(line.trim(), 16).ok()
        };
        let has_term = (mask("SigBlk:")? | mask("SigCgt:")?) >> 14 & 1 == 1;
        let call = std::fs::read_to_string(format!("/proc/{}/syscall", running.init)).unwrap_or_default();
        let takes = call.split(' ').next() == Some(&libc::SYS_rt_sigtimedwait.to_string());
        ((has_term || takes) && status.contains("State:\tS")).then_some(())
    });
    assert!(ready.is_some() || running.poll().is_some(), "does not pause");
    running.signal(number);
    // SIGUSR2 is next to nothing to any of them; when it has been taken, the signal before it was too.
    let ended = within(BOUND, || {
        let pending = std::fs::read_to_string(format!("/proc/{}/status", running.init)).unwrap_or_default();
        let shared = pending.lines().find_map(|line| line.strip_prefix("ShdPnd:\t").map(str::to_owned));
        let taken = shared.is_none_or(|bits| u64::from_str_radix(bits.trim(), 16) == Ok(0));
        let sleeps = Running::state(running.init) == 'S';
        (running.poll().is_some() || (taken && sleeps)).then_some(())
    });
    assert!(ended.is_some());
    if [2, 15].contains(&number) {
        return running.end();
    }
    match running.poll() {
        Some(status) => crate::call::describe(status),
        None => "goes on".to_owned(),
    }
}
