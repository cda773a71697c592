//! Orphans, zombies, and what is left at the end.

use crate::call::{BOUND, Running, kill, within};
use crate::init::Init;
use crate::table::{ALL, CATATONIT, DUMB_INIT, Row, TINI, row};

const SUBJECT: &str = "Orphans and the end";

pub fn rows() -> Vec<Row> {
    vec![
        row(SUBJECT, "Ten orphans that end, as PID 1", ALL, |init| {
            init.call().pid_1().probe("orphans 10").run().told()
        }),
        row(SUBJECT, "Ten orphans that end, with `-s`", TINI, |init| {
            init.call().words("-s").probe("orphans 10").run().told()
        }),
        row(SUBJECT, "Ten orphans that end, not PID 1", CATATONIT, |init| {
            init.call().probe("orphans 10").run().told()
        })
        .own("go elsewhere", "By its own name epitaph becomes a subreaper with `-s`, as tini."),
        row(SUBJECT, "A process of the program's group that is left at the end gets", ALL, |init| {
            left(init, "", "group")
        }),
        row(SUBJECT, "… with `-g`", crate::table::GROUP_INITS, |init| left(init, "-g", "group")),
        row(SUBJECT, "… with `-c`", DUMB_INIT, |init| left(init, "-c", "group")),
        row(SUBJECT, "A process in a group of its own that is left at the end gets", ALL, |init| {
            left(init, "", "elsewhere")
        }),
        row(SUBJECT, "SIGTERM between the program's end (exit 3) and the init's", ALL, between_the_ends),
        row(SUBJECT, "The init does not wait for what is left", ALL, |init| {
            init.call().args(["--", "sh", "-c", "sleep 1000 & exit 7"]).pid_1().run().end()
        }),
    ]
}

/// With strace(1) the init's look for ended children takes long enough to send a signal meanwhile.
fn between_the_ends(init: &Init) -> String {
    let Some(call) = crate::rows::slowly_reaping(init, 100) else { return "exit 3".to_owned() };
    let mut running = call.args(["--", "sh", "-c", "echo ready; read x; exit 3"]).held().start();
    running.wait_for("ready");
    let child_of = |pid: i32| {
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        children.trim().parse::<i32>().unwrap()
    };
    let traced = child_of(running.init);
    let program = child_of(traced);
    running.stdin.take();
    let ended = within(BOUND, || ['Z', '-'].contains(&Running::state(program)).then_some(()));
    assert!(ended.is_some(), "the program does not end");
    kill(traced, libc::SIGTERM);
    running.end()
}

/// The signals that a process gets that is left when the program has ended.
fn left(init: &Init, options: &str, place: &str) -> String {
    let mut running = init.call().words(options).probe(&format!("leftover {place}")).held().start();
    let end = running.end();
    let ready = within(BOUND, || {
        let out = running.out();
        let line = out.lines().find_map(|line| line.strip_prefix("ready ").map(str::to_owned))?;
        line.parse::<i32>().ok()
    });
    kill(ready.unwrap(), 64);
    within(BOUND, || running.out().lines().any(|line| line == "64").then_some(()));
    let out = running.out();
    let got: Vec<&str> = out.lines().filter(|line| *line != "64" && !line.starts_with("ready")).collect();
    format!(
        "{} ({end})",
        if got.is_empty() { "nothing".to_owned() } else { format!("signal {}", got.join(" ")) }
    )
}
