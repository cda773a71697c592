//! Processes that the program leaves behind.

use crate::init::{Form, Launch, has_namespaces};
use crate::probe::probe;
use crate::records;
use crate::running::{children, status, wait_for};
use serde_json::Value;
use std::process::Command;

in_both_forms! {
    orphans_are_reaped_and_counted
    a_reaped_orphan_is_warned_of_on_request
    what_is_left_at_the_end_is_named
    nothing_left_is_nothing_named
}

const ORPHANS: u64 = 300;

fn orphans_are_reaped_and_counted(form: Form) {
    let program = probe(&["orphans", &ORPHANS.to_string()]);
    let running = Launch::new(form, program).start().ready();
    let program = running.program();
    wait_for("all orphans to be reaped", || (children(running.pid()).len() == 1).then_some(()));
    assert!(status(program, "State").is_some_and(|state| state.starts_with('S')));
    running.signal(libc::SIGTERM);
    let ended = running.finish();
    let exit = records::exit(&ended.stderr);
    assert_eq!(exit["reaped"], ORPHANS, "{exit}");
    assert_eq!(exit["left"], 0);
    assert!(records::diagnostics(&ended.stderr).is_empty(), "{}", ended.stderr);
}

fn a_reaped_orphan_is_warned_of_on_request(form: Form) {
    let program = probe(&["orphans", "1"]);
    let running = Launch::new(form, program).options(["-w"]).start().ready();
    running.stderr.wait_for("reaped process ");
    running.signal(libc::SIGTERM);
    let ended = running.finish();
    assert_eq!(records::diagnostics(&ended.stderr).len(), 1, "{}", ended.stderr);
}

fn what_is_left_at_the_end_is_named(form: Form) {
    let program = probe(&["linger"]);
    let ended = Launch::new(form, program).run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let record = records::record(&ended.stderr, "exit");
    assert_eq!(record["exit"]["left"], 1);
    let left = &record["exit"]["left_processes"];
    assert_eq!(left.as_array().map(Vec::len), Some(1));
    let name = std::env::current_exe().unwrap().file_name().unwrap().to_string_lossy().into_owned();
    assert!(name.starts_with(left[0]["name"].as_str().unwrap()), "{left}");
    assert_eq!(left[0]["threads"], 1);
    let why = record["exit"]["why"].as_str().unwrap();
    assert!(why.ends_with(&format!(" (pid {}) running.", left[0]["pid"])), "{why}");
    assert!(left[0]["age_ms"].as_u64().is_some_and(|age| age < 60_000), "{left}");
    assert!(left[0]["memory"].as_u64().is_some_and(|bytes| bytes > 0), "{left}");
    assert_ne!(left[0]["pid"], record["pid"]);
    if form == Form::PidOne {
        assert_eq!(left[0]["ppid"], 1);
    }
}

/// As `docker exec` brings one in: nobody's child, and it ends with PID 1.
#[test]
fn who_came_from_outside_is_left_too() {
    if !has_namespaces() {
        return;
    }
    let running = Launch::new(Form::PidOne, probe(&["ready"])).start().ready();
    let user: &[&str] = if status(running.pid(), "Uid").is_some_and(|uid| uid.starts_with('0')) {
        &[]
    } else {
        &["--user", "--preserve-credentials"]
    };
    let mut enter = Command::new("nsenter");
    enter.args(user).args(["--pid", "--target", &running.pid().to_string(), "sleep", "60"]);
    let mut enter = enter.spawn().unwrap();
    let outside = i32::try_from(enter.id()).unwrap();
    wait_for("a process inside", || {
        children(outside).into_iter().find(|child| status(*child, "Name").is_some_and(|name| name == "sleep"))
    });
    running.signal(libc::SIGTERM);
    let exit = records::exit(&running.finish().stderr);
    enter.wait().unwrap();
    assert_eq!(exit["left"], 1, "{exit}");
    assert_eq!(
        (&exit["left_processes"][0]["ppid"], &exit["left_processes"][0]["name"]),
        (&0.into(), &"sleep".into())
    );
}

fn nothing_left_is_nothing_named(form: Form) {
    let exit = records::exit(&Launch::new(form, ["true"]).run().stderr);
    assert_eq!((&exit["left"], exit.get("left_processes")), (&Value::from(0), None));
    assert_eq!((exit.get("left_zombies"), exit["why"].as_str().unwrap().contains("it left")), (None, false));
    assert_eq!(exit["reaped"], 0);
}
