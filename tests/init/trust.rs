//! What SECURITY.md promises of PID 1 and its helpers: no program of another's, no other privileges, no
//! command line in a record.

use crate::init::{Form, Launch};
use crate::probe::probe;
use crate::records;
use crate::running::status;
use crate::trace::Trace;

in_both_forms! {
    helpers_execute_nothing
    privileges_are_those_that_were_given
    a_command_line_is_in_no_record
}

/// A program that asks epitaph to stop it, and goes on: there is a `stuck` record, and SIGKILL at the end.
const DEAF: &str = "trap '' TERM; kill -TERM $PPID; while :; do :; done";

fn deaf(form: Form) -> Launch {
    Launch::new(form, ["sh", "-c", DEAF, "sh", "--password=hunter2"])
        .env("EPITAPH_STUCK_AFTER", "100ms")
        .options(["--kill-after", "600ms"])
}

fn helpers_execute_nothing(form: Form) {
    let journal = tempfile::tempdir().unwrap();
    let Some((trace, ended)) = Trace::of(deaf(form).options(["--journal", journal.path().to_str().unwrap()]))
    else {
        return;
    };
    // What helpers are for: a table of the processes, and the journal.
    assert_eq!(records::story(&ended.stderr), ["start", "stop", "stuck", "exit"]);
    let files = |directory: &std::path::Path| std::fs::read_dir(directory).unwrap().flatten().count();
    assert_eq!(files(journal.path()), 1, "no journal was written");
    let epitaph = trace.epitaph();
    assert!(trace.forks(epitaph) >= 3, "the program, a table and an append");
    let by_others =
        trace.executed().into_iter().filter(|(pid, path)| *pid != epitaph && path.ends_with("/sh"));
    let programs: std::collections::BTreeSet<i32> = by_others.map(|(pid, _)| pid).collect();
    assert_eq!(programs.len(), 1, "one process becomes the program");
    for (pid, path) in trace.executed() {
        let is_before = ["/unshare", "/epitaph"].iter().any(|name| path.ends_with(name));
        assert!(is_before || programs.contains(&pid), "process {pid} executed {path}");
    }
}

fn privileges_are_those_that_were_given(form: Form) {
    let running = Launch::new(form, probe(&["ready"])).start().ready();
    // Who made the namespaces stands between the test and epitaph, and has what they give.
    let given = if form == Form::PidOne { running.id() } else { i32::try_from(std::process::id()).unwrap() };
    for pid in [running.pid(), running.program()] {
        for key in [
            "Uid",
            "Gid",
            "Groups",
            "CapInh",
            "CapPrm",
            "CapEff",
            "CapBnd",
            "CapAmb",
            "NoNewPrivs",
            "Seccomp",
        ] {
            assert_eq!(status(pid, key), status(given, key), "{key}");
        }
        for name in ["user", "net", "mnt", "ipc", "uts", "cgroup"] {
            let namespace = |pid: i32| std::fs::read_link(format!("/proc/{pid}/ns/{name}")).unwrap();
            assert_eq!(namespace(pid), namespace(given), "{name}");
        }
        let limits = |pid: i32| std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        assert_eq!(limits(pid), limits(given));
    }
    running.signal(libc::SIGTERM);
    running.finish();
}

fn a_command_line_is_in_no_record(form: Form) {
    let ended = deaf(form).run();
    let stuck = records::record(&ended.stderr, "stuck");
    let processes = stuck["processes"].as_array().unwrap();
    assert!(processes.iter().any(|process| process["name"] == "sh"), "{stuck}");
    assert!(!ended.stderr.contains("hunter2") && !ended.stderr.contains("while :"), "{}", ended.stderr);
}
