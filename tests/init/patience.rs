//! How long the program waits for an endpoint, and what happens when that does not help.

use crate::endpoint::{Endpoint, Fault, Task};
use crate::identity::{TELL, VARIABLE, assert_told, proc_of, told};
use crate::init::{Form, Launch, has_namespaces};
use crate::probe::receiver;
use crate::records;
use crate::running::{Finished, LIMIT, children, send, status, wait_for};
use std::time::{Duration, Instant};

in_both_forms! {
    a_silent_endpoint_costs_the_budget_and_no_more
    sigterm_while_the_endpoint_is_silent
    a_budget_of_zero_does_not_wait
    an_identity_that_comes_after_the_start
    the_helper_dies_with_epitaph_and_with_the_program
    one_last_try_before_the_exit_record
    an_endpoint_that_comes_late
    answers_that_pass
    an_endpoint_that_stays_broken
    nobody_listens_at_all
}

fn identity_ms(ended: &Finished) -> u64 {
    records::record(&ended.stderr, "start")["identity_ms"].as_u64().unwrap()
}

pub fn silent(task: &Task) -> Endpoint {
    let endpoint = Endpoint::start(task.clone());
    endpoint.set_fault(Some(Fault::Silent));
    endpoint
}

fn a_silent_endpoint_costs_the_budget_and_no_more(form: Form) {
    let endpoint = silent(&Task::default());
    let launch = Launch::new(form, TELL).env(VARIABLE, endpoint.uri_v4());
    let ended = launch.options(["--identity-timeout", "300ms"]).run();
    assert_eq!((ended.code, told(&ended).1), (Some(0), "unset"), "{}", ended.stderr);
    let waited = identity_ms(&ended);
    // With room for a busy machine: without a budget nothing would end it.
    assert!((295..=5000).contains(&waited), "{waited} ms");
    let warnings = records::diagnostics(&ended.stderr);
    assert!(warnings.len() == 1 && warnings[0].contains("no answer in time"), "{warnings:?}");
    assert_eq!(records::record(&ended.stderr, "start").get("task_arn"), None);
}

fn sigterm_while_the_endpoint_is_silent(form: Form) {
    if !has_namespaces() {
        return;
    }
    let task = Task::default();
    let (endpoint, proc) = (silent(&task), proc_of(&task));
    let launch = Launch::new(form, TELL).proc(proc.path()).env(VARIABLE, endpoint.uri_v4());
    let running = launch.options(["--identity-timeout", "60s"]).start();
    assert!(endpoint.wait_for_requests(1, LIMIT));
    let began = Instant::now();
    running.signal(libc::SIGTERM);
    let ended = running.finish();
    // Not the minute that it may wait for the endpoint.
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(143), ""), "{}", ended.stderr);
    assert_eq!(records::kinds(&ended.stderr), ["stop", "exit"]);
    let record = records::record(&ended.stderr, "exit");
    assert_eq!(record["exit"]["verdict"], "stopped");
    assert!(record["exit"]["why"].as_str().unwrap().contains("was to become the program"), "{record}");
    assert_eq!(record["container_id"].as_str(), Some(task.subject().unwrap().docker_id.as_str()));
    assert_eq!(record["source"], "cpuset");
    assert_eq!(record["task_id"].as_str(), task.arn.rsplit('/').next(), "the cgroup names the task too");
}

fn a_budget_of_zero_does_not_wait(form: Form) {
    let endpoint = silent(&Task::default());
    for zero in ["0", "0ms"] {
        let launch = Launch::new(form, TELL).env(VARIABLE, endpoint.uri_v4());
        let ended = launch.env("EPITAPH_IDENTITY_TIMEOUT", zero).run();
        assert_eq!((ended.code, told(&ended).1), (Some(0), "unset"), "{}", ended.stderr);
        // Not the second that is the default.
        assert!(identity_ms(&ended) < 900, "{}", ended.stderr);
        assert!(records::diagnostics(&ended.stderr).is_empty(), "{}", ended.stderr);
    }
    // Without anybody who could ask later, nobody is asked at all.
    let before = endpoint.connections();
    let launch = Launch::new(form, TELL).env(VARIABLE, endpoint.uri_v4());
    launch.options(["--exec", "--identity-timeout", "0"]).run();
    assert_eq!(endpoint.connections(), before);
}

fn an_identity_that_comes_after_the_start(form: Form) {
    let task = Task::default();
    let endpoint = silent(&task);
    let launch = Launch::new(form, receiver()).env(VARIABLE, endpoint.uri_v4());
    let running = launch.options(["--identity-timeout", "50ms"]).start().ready();
    endpoint.set_fault(None);
    running.stderr.wait_for("\"epitaph\":\"identity\"");
    running.signal(libc::SIGUSR2);
    let ended = running.finish();
    assert_eq!(ended.code, Some(42), "the helper was not taken for the program");
    assert_eq!(records::story(&ended.stderr), ["start", "identity", "exit"]);
    for kind in ["identity", "exit"] {
        let record = records::record(&ended.stderr, kind);
        assert_eq!(record["task_arn"].as_str(), Some(task.arn.as_str()), "{record}");
        assert_eq!(record["image"].as_str(), task.subject().map(|one| one.image.as_str()), "{record}");
    }
    assert_eq!(records::record(&ended.stderr, "start").get("task_arn"), None);
    assert_eq!(records::exit(&ended.stderr)["reaped"], 0, "and not for an orphan");
    assert_eq!(records::exit(&ended.stderr)["left"], 0);
}

fn the_helper_dies_with_epitaph_and_with_the_program(form: Form) {
    let task = Task::default();
    for ends_epitaph in [true, false] {
        let endpoint = silent(&task);
        let launch = Launch::new(form, receiver()).env(VARIABLE, endpoint.uri_v4());
        let running = launch.options(["--identity-timeout", "0"]).start().ready();
        let (program, helper) = wait_for("the program and the helper", || {
            let mut children = children(running.pid());
            // The helper is forked after the program.
            children.sort_unstable();
            <[i32; 2]>::try_from(children).ok().map(Into::into)
        });
        send(if ends_epitaph { running.pid() } else { program }, libc::SIGKILL);
        wait_for("the helper's end", || {
            let state = status(helper, "State").unwrap_or_default();
            (state.is_empty() || state.starts_with('Z') || state.starts_with('X')).then_some(())
        });
        if status(program, "State").is_some_and(|state| !state.starts_with('Z')) {
            send(program, libc::SIGKILL);
        }
        running.finish();
    }
}

fn one_last_try_before_the_exit_record(form: Form) {
    let task = Task::default();
    let endpoint = silent(&task);
    // Ends long before the first attempt after the start, which comes a second later.
    let launch = Launch::new(form, receiver()).env(VARIABLE, endpoint.uri_v4());
    let running = launch.options(["--identity-timeout", "50ms"]).start().ready();
    endpoint.set_fault(None);
    running.signal(libc::SIGUSR2);
    let ended = running.finish();
    assert_eq!(ended.code, Some(42));
    let exit = records::record(&ended.stderr, "exit");
    assert_eq!(exit["task_arn"].as_str(), Some(task.arn.as_str()), "{exit}");
}

fn an_endpoint_that_comes_late(form: Form) {
    let task = Task::default();
    let endpoint = Endpoint::start_refusing(task.clone());
    let launch = Launch::new(form, TELL).env(VARIABLE, endpoint.uri_v4());
    let running = launch.options(["--identity-timeout", "20s"]).start();
    // Refused, it sleeps until the next attempt; nothing else makes it sleep.
    let child = running.program();
    wait_for("a pause between two attempts", || status(child, "State")?.starts_with('S').then_some(()));
    endpoint.set_fault(None);
    let ended = running.finish();
    assert_told(&ended, &task);
    assert!(records::diagnostics(&ended.stderr).is_empty(), "{}", ended.stderr);
}

fn answers_that_pass(form: Form) {
    let task = Task::default();
    let endpoint = Endpoint::start(task.clone());
    for (rules, count) in [
        // The task's ARN is in the first answer's labels too, so that one is worth repeating.
        (vec![Fault::Status(404).first(1)], 3),
        (vec![Fault::Status(429).first(2)], 4),
        (vec![Fault::Status(500).first(3)], 5),
        (vec![Fault::Status(503).first(1)], 3),
        (vec![Fault::Reset.first(1)], 3),
        (vec![Fault::Status(500).on("/task").first(1)], 2),
    ] {
        let before = endpoint.requests().len();
        endpoint.set_rules(rules.clone());
        let launch = Launch::new(form, TELL).env(VARIABLE, endpoint.uri_v4());
        // With --exec, since PID 1 asks once more later on when one answer is missing.
        let ended = launch.options(["--exec", "--identity-timeout", "20s"]).run();
        assert_told(&ended, &task);
        assert_eq!(endpoint.requests().len() - before, count, "{rules:?}: {:?}", endpoint.exchanges());
    }
}

fn an_endpoint_that_stays_broken(form: Form) {
    for (fault, at_least) in [
        (Fault::Status(500), 295),
        (Fault::Status(429), 295),
        (Fault::ResetOnAccept, 295),
        (Fault::Status(403), 0),
        (Fault::Status(404), 0),
        (Fault::Html, 0),
        (Fault::Redirect("/elsewhere".into()), 0),
    ] {
        let endpoint = Endpoint::start(Task::default());
        endpoint.set_fault(Some(fault.clone()));
        let launch = Launch::new(form, TELL).env(VARIABLE, endpoint.uri_v4());
        let ended = launch.options(["--identity-timeout", "300ms"]).run();
        assert_eq!((ended.code, told(&ended).1), (Some(0), "unset"), "{fault:?}: {}", ended.stderr);
        let waited = identity_ms(&ended);
        // A pause that would pass the end of the budget is not begun: at most 200 ms of it are left over.
        let at_least = if at_least > 0 { at_least - 200 } else { 0 };
        assert!((at_least..=600).contains(&waited), "{fault:?}: {waited} ms");
        assert_eq!(records::diagnostics(&ended.stderr).len(), 1, "{fault:?}: {}", ended.stderr);
    }
}

fn nobody_listens_at_all(form: Form) {
    let endpoint = Endpoint::start_refusing(Task::default());
    let launch = Launch::new(form, TELL).env(VARIABLE, endpoint.uri_v4());
    let ended = launch.options(["--identity-timeout", "300ms"]).run();
    assert_eq!((ended.code, told(&ended).1), (Some(0), "unset"), "{}", ended.stderr);
    assert!(identity_ms(&ended) <= 600);
    let warnings = records::diagnostics(&ended.stderr);
    assert!(warnings.len() == 1 && warnings[0].contains(&endpoint.uri_v4()), "{warnings:?}");
}
