//! What a stop is: signals that reach both, signals that are refused, and signals that stop nothing.

use crate::init::{Form, Launch};
use crate::probe::{probe, receiver};
use crate::records;
use crate::require::require;
use crate::running::{send, status, wait_for};

in_both_forms! {
    a_signal_that_is_no_stop_signal_arms_nothing
    the_stop_signal_of_the_image
    a_program_that_stood_still_is_looked_at_before_it_is_killed
}

fn a_signal_that_is_no_stop_signal_arms_nothing(form: Form) {
    let launch = Launch::new(form, receiver()).options(["--kill-after", "50ms"]);
    let running = launch.env("EPITAPH_STUCK_AFTER", "10ms").start().ready();
    // A thread dump of a JVM.
    running.signal(libc::SIGQUIT);
    running.stdout.wait_for(&format!("signal {}\n", libc::SIGQUIT));
    running.signal(libc::SIGUSR2);
    let ended = running.finish();
    assert_eq!((ended.code, records::story(&ended.stderr)), (Some(42), vec!["start".into(), "exit".into()]));
    let exit = records::exit(&ended.stderr);
    assert_eq!((&exit["verdict"], &exit["last_signal"]), (&"failed".into(), &"SIGUSR2".into()));
    let from = if form == Form::PidOne { "outside" } else { "inside" };
    let why = exit["why"].as_str().unwrap();
    let told = format!(" after SIGUSR2 from {from}; it is no stop signal here (EPITAPH_STOP_SIGNAL)");
    assert!(why.contains(&told), "{why}");
}

fn the_stop_signal_of_the_image(form: Form) {
    for (option, variable) in [(Some("QUIT,RTMIN+3"), None), (None, Some("SIGQUIT"))] {
        let mut launch = Launch::new(form, probe(&["receive", &libc::SIGQUIT.to_string(), "3"]));
        if let Some(list) = option {
            launch = launch.options(["--stop-signal", list]);
        }
        if let Some(list) = variable {
            launch = launch.env("EPITAPH_STOP_SIGNAL", list);
        }
        let running = launch.start().ready();
        running.signal(libc::SIGQUIT);
        let exit = records::exit(&running.finish().stderr);
        assert_eq!(
            (&exit["verdict"], &exit["stop_signal"], &exit["code"]),
            (&"stopped".into(), &"SIGQUIT".into(), &3.into())
        );
    }
    let ended = Launch::new(form, ["true"]).env("EPITAPH_STOP_SIGNAL", "QUIT,BREAK").run();
    let told = records::diagnostics(&ended.stderr);
    assert!(told.len() == 1 && told[0].contains("ignored EPITAPH_STOP_SIGNAL=\"QUIT,BREAK\""), "{told:?}");
}

/// As `docker pause` does: both deadlines are over when epitaph runs again.
fn a_program_that_stood_still_is_looked_at_before_it_is_killed(form: Form) {
    let term = libc::SIGTERM.to_string();
    let launch = Launch::new(form, probe(&["deaf", &term])).options(["--kill-after", "600ms"]);
    let running = launch.env("EPITAPH_STUCK_AFTER", "300ms").start().ready();
    running.signal(libc::SIGTERM);
    running.stderr.wait_for("\"epitaph\":\"stop\"");
    let init = running.pid();
    send(init, libc::SIGSTOP);
    wait_for("epitaph to stop", || status(init, "State").filter(|state| state.starts_with('T')));
    // Until both deadlines are long over: this is what is being tried.
    std::thread::sleep(std::time::Duration::from_millis(1200));
    send(init, libc::SIGCONT);
    // unshare(1) stops with its child.
    send(running.id(), libc::SIGCONT);
    let ended = running.finish();
    assert_eq!(records::story(&ended.stderr), ["start", "stop", "stuck", "exit"]);
    let stuck = records::record(&ended.stderr, "stuck");
    assert!(stuck["late_ms"].as_u64().is_some_and(|ms| ms >= 250), "{stuck}");
    let time = |record: &serde_json::Value| {
        let text = record["time"].as_str().unwrap().to_owned();
        let seconds: f64 = text[17..23].parse().unwrap();
        seconds + 60.0 * text[14..16].parse::<f64>().unwrap()
    };
    let exit = records::record(&ended.stderr, "exit");
    let between = (time(&exit) - time(&stuck)).rem_euclid(3600.0);
    assert!(between >= 0.9, "{between} s between the look and the end");
    assert_eq!(exit["exit"]["verdict"], "kill_after");
}

/// A group signal (^C with `-c`, systemd's control-group kill, supervisord's `stopasgroup`): whoever runs
/// first, the end is a stop. `EPITAPH_TEST_STORIES=N` plays it N times.
#[test]
fn a_stop_that_reaches_both_is_a_stop_whoever_runs_first() {
    let rounds = std::env::var("EPITAPH_TEST_STORIES").ok().and_then(|rounds| rounds.parse().ok());
    for round in 0..rounds.unwrap_or(100) {
        let signal = if round % 2 == 0 { libc::SIGTERM } else { libc::SIGINT };
        let launch = Launch::new(Form::Subreaper, probe(&["ready"])).options(["-c"]).under(["setsid"]);
        let running = launch.start().ready();
        send(-running.pid(), signal);
        let ended = running.finish();
        let exit = records::exit(&ended.stderr);
        assert_eq!(exit["verdict"], "stopped", "round {round}: {}", ended.stderr);
        assert!(
            records::kinds(&ended.stderr).contains(&"stop".to_owned()),
            "round {round}: {}",
            ended.stderr
        );
    }
}

/// The draw is made at each start, and each start record tells it.
#[test]
fn fifty_starts_draw_their_life_times() {
    let drawn: std::collections::BTreeSet<u64> = (0..50)
        .map(|_| {
            let launch = Launch::new(Form::Subreaper, ["true"]).options(["--max-lifetime", "1h+1h"]);
            records::record(&launch.run().stderr, "start")["lifetime_ms"].as_u64().unwrap()
        })
        .collect();
    assert!(drawn.iter().all(|ms| (3_600_000..=7_200_000).contains(ms)), "{drawn:?}");
    assert!(drawn.len() >= 45, "{drawn:?}");
    assert!(drawn.first().unwrap() + 1_800_000 < *drawn.last().unwrap(), "{drawn:?}");
}

fn own() -> i32 {
    i32::try_from(std::process::id()).unwrap()
}

/// epitaph without CAP_KILL, and a program of another user.
fn without_the_right_to_kill(form: Form, options: &[&str]) -> Option<Launch> {
    require("root", status(own(), "Uid").filter(|uid| uid.starts_with('0')).ok_or("not root"))?;
    let deaf = "trap '' TERM; echo ready; exec sleep 600";
    let user = ["--reuid", "54321", "--regid", "54321", "--clear-groups"];
    let program = ["setpriv"].into_iter().chain(user).chain(["sh", "-c", deaf]);
    let launch = Launch::new(form, program).options(options);
    Some(
        launch
            .under(["setpriv", "--bounding-set", "-kill", "--"])
            .init(&crate::binary::epitaph().to_string_lossy()),
    )
}

#[test]
fn pid_1_that_may_not_signal_the_program_says_so_and_ends_with_it() {
    let Some(launch) = without_the_right_to_kill(Form::PidOne, &["--kill-after", "300ms"]) else { return };
    if !crate::init::has_namespaces() {
        return;
    }
    let running = launch.start().ready();
    running.signal(libc::SIGTERM);
    let ended = running.finish();
    assert_eq!(ended.code, Some(137), "{}", ended.stderr);
    let stop = records::record(&ended.stderr, "stop");
    assert_eq!(stop["refused"], "Operation not permitted");
    let exit = records::exit(&ended.stderr);
    assert_eq!((&exit["verdict"], &exit["code"]), (&"kill_after".into(), &137.into()));
    assert_eq!((exit.get("stop_signal"), exit.get("signal")), (None, None), "nothing was sent");
    let why = exit["why"].as_str().unwrap();
    assert!(why.contains("epitaph may not signal it (Operation not permitted)"), "{why}");
    assert!(!why.contains("was forwarded") && !why.contains("epitaph sent"), "{why}");
}

#[test]
fn a_subreaper_that_may_not_signal_the_program_warns_and_goes_on() {
    let Some(launch) = without_the_right_to_kill(Form::Subreaper, &["--kill-after", "100ms"]) else { return };
    let running = launch.start().ready();
    running.signal(libc::SIGTERM);
    running.stderr.wait_for("--kill-after: the program cannot be killed: Operation not permitted");
    send(running.program(), libc::SIGKILL);
    let ended = running.finish();
    let exit = records::exit(&ended.stderr);
    assert!(matches!(exit["verdict"].as_str(), Some("killed" | "oom_suspected")), "{exit}");
    let why = exit["why"].as_str().unwrap();
    assert!(!why.contains("was forwarded") && !why.contains("epitaph sent"), "{why}");
}
