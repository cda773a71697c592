//! The program finds everything as epitaph was given it.

use crate::init::{Form, Launch};
use crate::probe::probe;
use serde_json::Value;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

in_both_forms! {
    nothing_changes_on_the_way
    ignored_signals_stay_ignored_as_under_nohup
    an_ignored_sigpipe_stays_ignored
    an_ignored_sigchld_does_no_harm_and_stays_ignored
    blocked_signals_stay_blocked
    directory_umask_and_limits_are_kept
    open_files_are_passed_on_and_none_of_ours_leaks
    closed_standard_files_stay_closed
    arguments_are_bytes
    odd_environments_pass
}

/// What the program sees with epitaph around it and without.
fn seen(form: Form, change: impl Fn(Launch) -> Launch) -> (Value, Value) {
    let directory = tempfile::tempdir().unwrap();
    let see = |without_init: bool| {
        let file = directory.path().join(if without_init { "without" } else { "with" });
        let program = probe(&["state", file.to_str().unwrap(), "an argument"]);
        let launch = change(Launch::new(form, program));
        let ended = if without_init { launch.without_init().run() } else { launch.run() };
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let mut state: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        // The one thing that has to differ: each run has a file of its own.
        state["args"][3] = "FILE".into();
        state
    };
    (see(false), see(true))
}

fn assert_same(with: &Value, without: &Value, keys: &[&str]) {
    for key in keys {
        assert_eq!(with[key], without[key], "{key}");
    }
}

const STATE: [&str; 11] = [
    "blocked",
    "ignored",
    "caught",
    "pending",
    "no_new_privs",
    "umask",
    "args",
    "directory",
    "limits",
    "oom_score_adj",
    "nice",
];

/// The environment but for the variables that epitaph is there to set. (This machine may be a container.)
fn environment(state: &Value) -> Vec<String> {
    let entries =
        state["environment"].as_array().unwrap().iter().map(|entry| entry.as_str().unwrap().to_owned());
    entries
        .filter(|entry| !entry.starts_with("DOCKER_CONTAINER_ID=") && !entry.starts_with("ECS_TASK_ARN="))
        .collect()
}

fn nothing_changes_on_the_way(form: Form) {
    let (with, without) = seen(form, |launch| launch.env("A", "1").env("B", "two words").env("C", ""));
    assert_same(&with, &without, &STATE);
    assert_eq!(environment(&with), environment(&without));
    assert_eq!(descriptors(&with), descriptors(&without));
    assert_eq!(with["pgrp"], with["pid"], "a process group of its own, as under tini");
    if form == Form::PidOne {
        assert_eq!((&with["pid"], &with["ppid"]), (&2.into(), &1.into()));
    }
}

fn bit(state: &Value, set: &str, signal: i32) -> bool {
    let mask = u64::from_str_radix(state[set].as_str().unwrap(), 16).unwrap();
    mask & (1 << (signal - 1)) != 0
}

fn assert_ignored(form: Form, signals: &[i32]) {
    let (with, without) = seen(form, |launch| {
        signals.iter().fold(launch, |launch, signal| launch.with(format!("ignore={signal}")))
    });
    assert_same(&with, &without, &STATE);
    for signal in signals {
        assert!(bit(&with, "ignored", *signal), "{signal}");
    }
}

fn ignored_signals_stay_ignored_as_under_nohup(form: Form) {
    assert_ignored(form, &[libc::SIGHUP, libc::SIGQUIT, libc::SIGUSR1, 40]);
}

fn an_ignored_sigpipe_stays_ignored(form: Form) {
    assert_ignored(form, &[libc::SIGPIPE]);
    let (with, _) = seen(form, |launch| launch);
    assert!(!bit(&with, "ignored", libc::SIGPIPE), "and one that is not ignored does not become so");
}

fn an_ignored_sigchld_does_no_harm_and_stays_ignored(form: Form) {
    assert_ignored(form, &[libc::SIGCHLD]);
    let ended = Launch::new(form, ["sh", "-c", "exit 9"]).with(format!("ignore={}", libc::SIGCHLD)).run();
    assert_eq!(ended.code, Some(9), "the status of the program is not lost: {}", ended.stderr);
}

fn blocked_signals_stay_blocked(form: Form) {
    let blocked = [libc::SIGTERM, libc::SIGCHLD, libc::SIGUSR2, libc::SIGPIPE, 50];
    let (with, without) = seen(form, |launch| {
        blocked.iter().fold(launch, |launch, signal| launch.with(format!("block={signal}")))
    });
    assert_same(&with, &without, &STATE);
    for signal in 1..=64 {
        assert_eq!(bit(&with, "blocked", signal), blocked.contains(&signal), "{signal}");
    }
}

fn directory_umask_and_limits_are_kept(form: Form) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().canonicalize().unwrap();
    let (with, without) = seen(form, |launch| {
        launch.with(format!("directory={}", path.display())).with("umask=0137").with("files=77")
    });
    assert_same(&with, &without, &STATE);
    assert_eq!(with["directory"], path.to_str().unwrap());
    assert_eq!(with["umask"], "0137");
    assert!(with["limits"].as_str().unwrap().contains("77"), "{}", with["limits"]);
}

fn descriptors(state: &Value) -> Vec<i64> {
    state["fds"].as_array().unwrap().iter().map(|fd| fd[0].as_i64().unwrap()).collect()
}

fn open_files_are_passed_on_and_none_of_ours_leaks(form: Form) {
    let (with, without) = seen(form, |launch| launch.with("open=7:/etc/passwd").with("open=9:/dev/null"));
    assert_eq!(descriptors(&with), descriptors(&without));
    let given: Vec<&Value> =
        with["fds"].as_array().unwrap().iter().filter(|fd| fd[0] == 7 || fd[0] == 9).collect();
    assert_eq!(given, [&serde_json::json!([7, "/etc/passwd"]), &serde_json::json!([9, "/dev/null"])]);
}

fn closed_standard_files_stay_closed(form: Form) {
    for closed in [&[0][..], &[1], &[2], &[0, 1], &[0, 1, 2]] {
        let (with, without) =
            seen(form, |launch| closed.iter().fold(launch, |launch, fd| launch.with(format!("close={fd}"))));
        assert_eq!(descriptors(&with), descriptors(&without), "{closed:?}");
        assert!(closed.iter().all(|fd| !descriptors(&with).contains(fd)), "{closed:?}");
        assert_same(&with, &without, &STATE);
    }
}

fn arguments_are_bytes(form: Form) {
    let odd = OsString::from_vec(b"\xff\xfe no text\n\x01".to_vec());
    let ended =
        Launch::new(form, ["printf".into(), "%s|".into(), OsString::new(), odd, "--".into(), "-x".into()])
            .run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(ended.stdout, "|\u{fffd}\u{fffd} no text\n\u{1}|--|-x|");
}

fn odd_environments_pass(form: Form) {
    let long = "x".repeat(100_000);
    let (with, without) = seen(form, |launch| {
        let bytes = OsString::from_vec(b"\xff\n\x01".to_vec());
        launch.env("LONG", &long).env("BYTES", bytes).env("lower.case-name", "=")
    });
    assert_eq!(environment(&with), environment(&without));
    assert!(environment(&with).contains(&"lower.case-name==".to_owned()));
}
