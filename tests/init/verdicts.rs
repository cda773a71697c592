//! The verdict of each way to end that needs no memory pressure.

use crate::init::{Form, Launch};
use crate::probe::{probe, receiver};
use crate::records;
use crate::running::{Finished, Running, send, status, wait_for};
use serde_json::Value;

in_both_forms! {
    ok_and_failed
    stopped_whatever_the_code
    killed_from_elsewhere
    crashed
    signaled
    killed_by_epitaph_after_its_time
    a_program_that_obeys_is_not_killed
    what_a_stuck_program_waits_for
    what_sigterm_does_to_each_process
    nobody_is_stuck_who_was_not_asked_to
    a_record_on_its_way_is_not_lost_at_the_end
    a_stop_signal_after_the_end_stops_nothing
}

fn exit_of(ended: &Finished, code: i32, verdict: &str) -> Value {
    assert_eq!(ended.code, Some(code), "{}", ended.stderr);
    let exit = records::exit(&ended.stderr);
    assert_eq!(exit["verdict"], verdict, "{exit}");
    exit
}

fn ok_and_failed(form: Form) {
    let exit = exit_of(&Launch::new(form, ["true"]).run(), 0, "ok");
    assert!(exit["why"].as_str().unwrap().starts_with("The program ended with exit code 0 after "), "{exit}");
    exit_of(&Launch::new(form, ["false"]).run(), 1, "failed");
    // Nothing but a number: no signal was sent to anybody.
    let exit = exit_of(&Launch::new(form, ["sh", "-c", "exit 143"]).run(), 143, "failed");
    assert_eq!(exit.get("signal"), None);
}

fn stopped_whatever_the_code(form: Form) {
    let term = libc::SIGTERM.to_string();
    for (words, code) in
        [(vec!["receive", &term, "0"], 0), (vec!["receive", &term, "5"], 5), (vec!["ready"], 143)]
    {
        let running = Launch::new(form, probe(&words)).start().ready();
        running.signal(libc::SIGTERM);
        let exit = exit_of(&running.finish(), code, "stopped");
        assert_eq!(exit["stop_signal"], "SIGTERM");
        assert!(exit["stop_ms"].as_u64().unwrap() <= exit["runtime_ms"].as_u64().unwrap(), "{exit}");
        assert_eq!(exit["why"].as_str().unwrap().contains("failed while it stopped"), code == 5, "{exit}");
    }
}

fn signal_the_program(form: Form, signal: i32) -> Finished {
    let running: Running = Launch::new(form, probe(&["ready"])).start().ready();
    send(running.program(), signal);
    running.finish()
}

fn killed_from_elsewhere(form: Form) {
    let ended = signal_the_program(form, libc::SIGKILL);
    // Without a kill counter nobody can know that it was not the kernel for memory.
    let counts = records::record(&ended.stderr, "exit")["memory"].get("oom_kills").is_some();
    let exit = exit_of(&ended, 137, if counts { "killed" } else { "oom_suspected" });
    assert_eq!(exit["signal"], "SIGKILL");
    let tells = exit["why"].as_str().unwrap().contains("PID 1 (epitaph) got none");
    assert_eq!(tells, counts && form == Form::PidOne, "{exit}");
}

fn crashed(form: Form) {
    for signal in
        [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGABRT, libc::SIGSYS, libc::SIGTRAP]
    {
        let ended = Launch::new(form, probe(&["die", &signal.to_string()])).run();
        exit_of(&ended, 128 + signal, "crashed");
    }
}

fn signaled(form: Form) {
    let exit = exit_of(&signal_the_program(form, libc::SIGUSR1), 128 + libc::SIGUSR1, "signaled");
    assert_eq!(exit["signal"], "SIGUSR1");
    // SIGHUP asks for a new configuration as often as for an end, so it stops nothing.
    let running = Launch::new(form, probe(&["ready"])).start().ready();
    running.signal(libc::SIGHUP);
    let exit = exit_of(&running.finish(), 129, "signaled");
    assert_eq!(exit.get("stop_signal"), None);
}

fn killed_by_epitaph_after_its_time(form: Form) {
    let term = libc::SIGTERM.to_string();
    let launch = Launch::new(form, probe(&["deaf", &term])).options(["--kill-after", "200ms"]);
    let running = launch.start().ready();
    running.signal(libc::SIGTERM);
    let exit = exit_of(&running.finish(), 137, "kill_after");
    let stop_ms = exit["stop_ms"].as_u64().unwrap();
    assert!((200..700).contains(&stop_ms), "{exit}");
    assert_eq!(exit["stop_signal"], "SIGTERM");
    assert!(exit["why"].as_str().unwrap().contains("200 ms"), "{exit}");
}

/// The kernel hands out SIGTERM before SIGCHLD.
fn a_stop_signal_after_the_end_stops_nothing(form: Form) {
    let running = Launch::new(form, probe(&["ready"])).start().ready();
    let (init, program) = (running.pid(), running.program());
    let is = |pid, state: &'static str| {
        wait_for("a process in that state", || status(pid, "State").filter(|now| now.starts_with(state)));
    };
    send(init, libc::SIGSTOP);
    is(init, "T");
    send(program, libc::SIGSEGV);
    is(program, "Z");
    send(init, libc::SIGTERM);
    send(init, libc::SIGCONT);
    let ended = running.finish();
    exit_of(&ended, 139, "crashed");
    assert_eq!(records::kinds(&ended.stderr), ["start", "exit"]);
}

fn a_program_that_obeys_is_not_killed(form: Form) {
    let running = Launch::new(form, probe(&["ready"])).env("EPITAPH_KILL_AFTER", "20s").start().ready();
    running.signal(libc::SIGINT);
    let exit = exit_of(&running.finish(), 130, "stopped");
    assert!(exit["stop_ms"].as_u64().unwrap() < 20_000, "{exit}");
}

fn what_a_stuck_program_waits_for(form: Form) {
    let launch = Launch::new(form, receiver());
    let running = launch.env("EPITAPH_STUCK_AFTER", "100ms").start().ready();
    running.signal(libc::SIGTERM);
    running.stderr.wait_for("\"epitaph\":\"stuck\"");
    running.signal(libc::SIGUSR2);
    let ended = running.finish();
    assert_eq!(records::story(&ended.stderr), ["start", "stop", "stuck", "exit"]);
    let stuck = records::record(&ended.stderr, "stuck");
    let processes = stuck["processes"].as_array().unwrap();
    assert_eq!(processes.len(), 1, "neither epitaph nor its helper: {stuck}");
    assert_eq!((&processes[0]["pid"], &processes[0]["state"]), (&stuck["pid"], &"S".into()));
    // As long as it waits for a signal by sigwaitinfo(2) the kernel shows that as not blocked: that is no
    // "default".
    assert_eq!(processes[0].get("sigterm"), None, "{stuck}");
    let exit = exit_of(&ended, 42, "stopped");
    assert!(exit["stop_ms"].as_u64().unwrap() >= 100, "{exit}");
    assert_eq!((&exit["reaped"], &exit["records_lost"]), (&0.into(), &0.into()));
}

fn nobody_is_stuck_who_was_not_asked_to(form: Form) {
    for stuck_after in ["0", "20s"] {
        let launch = Launch::new(form, receiver());
        let running = launch.env("EPITAPH_STUCK_AFTER", stuck_after).start().ready();
        running.signal(libc::SIGTERM);
        running.stdout.wait_for(&format!("signal {}\n", libc::SIGTERM));
        running.signal(libc::SIGUSR2);
        assert_eq!(records::story(&running.finish().stderr), ["start", "stop", "exit"]);
    }
}

fn a_record_on_its_way_is_not_lost_at_the_end(form: Form) {
    let term = libc::SIGTERM.to_string();
    for _ in 0..5 {
        // Both at once: the table is looked at while the program is being killed.
        let launch = Launch::new(form, probe(&["deaf", &term])).options(["--kill-after", "50ms"]);
        let running = launch.env("EPITAPH_STUCK_AFTER", "50ms").start().ready();
        running.signal(libc::SIGTERM);
        let ended = running.finish();
        assert_eq!(records::kinds(&ended.stderr), ["start", "stop", "stuck", "exit"]);
        exit_of(&ended, 137, "kill_after");
    }
}

fn what_sigterm_does_to_each_process(form: Form) {
    let script = "trap '' TERM; sleep 60 >/dev/null 2>&1 & trap 'echo caught' TERM; (trap - TERM; exec sleep 61) >/dev/null 2>&1 & echo ready; \
                  while ! wait; do :; done; wait";
    let running = Launch::new(form, ["sh", "-c", script]).options(["--kill-after", "600ms"]);
    let running = running.env("EPITAPH_STUCK_AFTER", "200ms").start().ready();
    running.signal(libc::SIGTERM);
    let ended = running.finish();
    let stuck = records::record(&ended.stderr, "stuck");
    let mut told: Vec<(&str, &str)> = stuck["processes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|process| (process["name"].as_str().unwrap(), process["sigterm"].as_str().unwrap_or("absent")))
        .collect();
    told.sort_unstable();
    assert_eq!(told, [("sh", "caught"), ("sleep", "default"), ("sleep", "ignored")], "{stuck}");
    let exit = records::exit(&ended.stderr);
    assert_eq!((&exit["verdict"], exit["left"].as_u64()), (&"kill_after".into(), Some(2)), "{exit}");
    assert!(exit["why"].as_str().unwrap().contains("it left 2 processes running"), "{exit}");
    if form == Form::Subreaper {
        for left in exit["left_processes"].as_array().unwrap() {
            send(i32::try_from(left["pid"].as_i64().unwrap()).unwrap(), libc::SIGKILL);
        }
    }
}
