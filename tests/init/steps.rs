//! The stop, step by step: `--stop-delay`, `--grace`, `--drain`, `--max-lifetime`.

use crate::init::{Form, Launch};
use crate::probe::probe;
use crate::records;
use crate::running::{children, send, status, wait_for};
use serde_json::Value;
use std::time::{Duration, Instant};

in_both_forms! {
    a_stop_signal_is_held_and_other_signals_are_not
    a_second_stop_signal_hurries
    a_program_that_ends_while_the_signal_is_held_was_not_stopped
    the_grace_ends_before_the_platforms
    what_has_left_the_session_may_finish
    a_drain_has_an_end_and_a_second_stop_signal_ends_it_at_once
    a_crash_is_drained_too_and_stays_a_crash
    the_life_time_stops_the_program
    a_program_that_ignores_the_end_of_its_life_time_is_killed
    early_stop_signals_are_not_lost
}

fn ms(record: &Value, key: &str) -> u64 {
    record[key].as_u64().unwrap_or_else(|| panic!("no {key} in {record}"))
}

fn why(exit: &Value) -> &str {
    exit["why"].as_str().unwrap()
}

/// A shell that ends with 3 at SIGTERM.
fn server() -> [&'static str; 3] {
    ["sh", "-c", "trap 'exit 3' TERM INT; trap 'echo hup' HUP; echo ready; while :; do sleep 0.02; done"]
}

fn a_stop_signal_is_held_and_other_signals_are_not(form: Form) {
    // Long enough that a busy machine forwards SIGHUP, and the shell takes it, before that is over.
    let delay = Duration::from_secs(2);
    let running = Launch::new(form, server()).env("EPITAPH_STOP_DELAY", "2s").start().ready();
    let asked = Instant::now();
    running.signal(libc::SIGTERM);
    running.signal(libc::SIGHUP);
    running.stdout.wait_for("hup\n");
    assert!(asked.elapsed() < delay, "SIGHUP was held");
    let ended = running.finish();
    assert!(asked.elapsed() >= delay, "{:?}", asked.elapsed());
    let stop = records::record(&ended.stderr, "stop");
    assert_eq!((&stop["signal"], &stop["delay_ms"]), (&"SIGTERM".into(), &2000.into()));
    let exit = records::exit(&ended.stderr);
    assert_eq!((&exit["verdict"], &exit["code"]), (&"stopped".into(), &3.into()));
    assert!(ms(&exit, "held_ms") >= 2000 && ms(&exit, "stop_ms") < ms(&exit, "runtime_ms"), "{exit}");
    assert!(
        why(&exit).contains("after SIGTERM was forwarded (held for ")
            && why(&exit).contains("by --stop-delay")
    );
}

fn a_second_stop_signal_hurries(form: Form) {
    for second in [libc::SIGTERM, libc::SIGINT] {
        let running = Launch::new(form, server()).options(["--stop-delay", "1h"]).start().ready();
        running.signal(libc::SIGTERM);
        running.stderr.wait_for("\"delay_ms\":3600000");
        running.signal(second);
        let ended = running.finish();
        let exit = records::exit(&ended.stderr);
        assert_eq!(
            (&exit["stop_signal"], &exit["verdict"]),
            (&"SIGTERM".into(), &"stopped".into()),
            "{exit}"
        );
        assert_eq!(records::story(&ended.stderr), ["start", "stop", "stop", "exit"]);
    }
}

fn a_program_that_ends_while_the_signal_is_held_was_not_stopped(form: Form) {
    let mut running = Launch::new(form, ["sh", "-c", "echo ready; read line; exit 4"])
        .options(["--stop-delay", "1h"])
        .start()
        .ready();
    running.signal(libc::SIGTERM);
    running.stderr.wait_for("\"delay_ms\":3600000");
    // With that the program ends.
    running.stdin = None;
    let exit = records::exit(&running.finish().stderr);
    assert_eq!((&exit["verdict"], &exit["code"]), (&"failed".into(), &4.into()));
    assert_eq!((exit.get("stop_signal"), exit.get("held_ms").is_some()), (None, true), "{exit}");
    assert!(why(&exit).contains("was still held by --stop-delay: nothing was sent"), "{exit}");
}

fn the_grace_ends_before_the_platforms(form: Form) {
    let deaf = probe(&["deaf", &libc::SIGTERM.to_string()]);
    let running = Launch::new(form, deaf).env("EPITAPH_GRACE", "2s").start().ready();
    running.signal(libc::SIGTERM);
    let ended = running.finish();
    assert_eq!(records::story(&ended.stderr), ["start", "stop", "stuck", "exit"]);
    let exit = records::exit(&ended.stderr);
    assert_eq!(exit["verdict"], "kill_after");
    // By epitaph's own clock: on a busy machine this test is late to hear of the end.
    assert!((1000..2000).contains(&ms(&exit, "stop_ms")), "{exit}");
}

/// Leaves a process in a session of its own, which at SIGTERM takes a while to save its work. That is the one
/// that says "ready": what the program does before is done `first`, and what it does once its stdin is closed
/// comes `then`.
fn leaves(at_sigterm: &str, first: &str, then: &str) -> [String; 3] {
    let worker = format!("trap \"{at_sigterm}\" TERM; echo ready; while :; do sleep 0.02; done");
    let program = format!("{first}; setsid sh -c '{worker}' 2>/dev/null & {then}");
    ["sh".to_owned(), "-c".to_owned(), program]
}

fn what_has_left_the_session_may_finish(form: Form) {
    let program =
        leaves("sleep 0.4; echo saved; exit 0", "trap \"exit 3\" TERM", "while :; do sleep 0.02; done");
    let running = Launch::new(form, program).env("EPITAPH_DRAIN", "20s").start().ready();
    running.signal(libc::SIGTERM);
    let ended = running.finish();
    assert!(ended.stdout.contains("saved"), "{}", ended.stdout);
    let exit = records::exit(&ended.stderr);
    assert_eq!((&exit["code"], &exit["verdict"], &exit["left"]), (&3.into(), &"stopped".into(), &0.into()));
    assert!(ms(&exit, "drained") >= 1 && (400..20_000).contains(&ms(&exit, "drain_ms")), "{exit}");
    assert!(why(&exit).contains(" of --drain"), "{exit}");
}

fn a_drain_has_an_end_and_a_second_stop_signal_ends_it_at_once(form: Form) {
    // Long enough that the worker, which sleeps and wakes, has told of its SIGTERM on a busy machine.
    for (time, hurried) in [("2s", false), ("1h", true)] {
        let program = leaves("echo told", ":", "read line; exit 0");
        let mut running = Launch::new(form, program).options(["--drain", time]).start().ready();
        running.stdin = None;
        running.stdout.wait_for("told");
        if hurried {
            let init = running.pid();
            // Two of one kind that are pending together are one.
            running.signal(libc::SIGTERM);
            running.stderr.wait_for("\"epitaph\":\"stop\"");
            send(init, libc::SIGINT);
        }
        let ended = running.finish();
        let exit = records::exit(&ended.stderr);
        assert_eq!((&exit["code"], &exit["verdict"]), (&0.into(), &"ok".into()), "{exit}");
        assert!(why(&exit).ends_with("of --drain, and others did not."), "{exit}");
        // A subreaper looks through all processes of the machine, for 50 ms at most: on a busy one `left` may
        // not be known.
        let is_known = form == Form::PidOne || exit.get("left").is_some();
        assert!(!is_known || ms(&exit, "left") >= 1, "{exit}");
        if hurried {
            let stop = records::records(&ended.stderr).into_iter().find(|record| record["epitaph"] == "stop");
            assert_eq!(stop.unwrap()["refused"], "the program had ended; it was sent to all that are left");
        } else {
            assert!(ms(&exit, "drain_ms") >= 2000, "{exit}");
        }
    }
}

fn a_crash_is_drained_too_and_stays_a_crash(form: Form) {
    let program = leaves("echo saved; exit 0", ":", "read line; kill -SEGV $$");
    let mut running = Launch::new(form, program).options(["--drain", "20s"]).start().ready();
    running.stdin = None;
    let ended = running.finish();
    assert!(ended.stdout.contains("saved"), "{}", ended.stdout);
    let exit = records::exit(&ended.stderr);
    assert_eq!((&exit["verdict"], &exit["code"]), (&"crashed".into(), &139.into()), "{exit}");
    assert!(exit.get("drained").is_some(), "{exit}");
}

fn the_life_time_stops_the_program(form: Form) {
    let ended = Launch::new(form, server()).options(["--max-lifetime", "500ms+300ms"]).run();
    assert_eq!(records::story(&ended.stderr), ["start", "lifetime", "exit"]);
    let lifetime = ms(&records::record(&ended.stderr, "start"), "lifetime_ms");
    assert!((500..=800).contains(&lifetime), "{lifetime}");
    assert_eq!(ms(&records::record(&ended.stderr, "lifetime"), "lifetime_ms"), lifetime);
    let exit = records::exit(&ended.stderr);
    assert_eq!((&exit["verdict"], &exit["code"]), (&"expired".into(), &3.into()));
    assert!(why(&exit).contains("was over and epitaph sent SIGTERM"), "{exit}");
    // The age counts from the start of epitaph, which is known to 10 ms.
    assert!(ms(&exit, "runtime_ms") + 100 >= lifetime - 20, "{exit}");
    let code = Launch::new(form, [""; 0]).options(["-P", "--max-lifetime", "200ms"]).run();
    assert_eq!((code.code, records::story(&code.stderr)), (Some(0), vec!["lifetime".into()]));
}

fn a_program_that_ignores_the_end_of_its_life_time_is_killed(form: Form) {
    let deaf = probe(&["deaf", &libc::SIGTERM.to_string()]);
    // A program that was not yet deaf by then would be ended by SIGTERM.
    let launch = Launch::new(form, deaf).options(["--max-lifetime", "1s", "--kill-after", "200ms"]);
    let exit = records::exit(&launch.run().stderr);
    assert_eq!(exit["verdict"], "kill_after");
    assert!(why(&exit).contains("after --max-lifetime (") && !why(&exit).contains("forwarded"), "{exit}");
}

/// SIGTERM in the first milliseconds, before, in and after the exec: the program ends by it, held or not.
fn early_stop_signals_are_not_lost(form: Form) {
    for round in 0..300_u64 {
        let launch = Launch::new(form, ["sleep", "600"]).options(["--stop-delay", "1ms"]);
        let running = launch.start();
        let init = running.pid();
        // From epitaph's first instructions on: what the kernel drops before is out of any init's reach.
        // (While it waits for signals, the kernel shows none as blocked.)
        let is_blocked = || status(init, "SigBlk").is_some_and(|mask| mask.ends_with("feff"));
        wait_for("epitaph", || (is_blocked() || !children(init).is_empty()).then_some(()));
        std::thread::sleep(Duration::from_micros(round * 17 % 5000));
        send(init, libc::SIGTERM);
        let ended = running.finish();
        assert_eq!(ended.code, Some(143), "round {round}: {}", ended.stderr);
    }
}
