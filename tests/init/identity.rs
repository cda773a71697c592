//! Who the container is, found out while the program waits for it.

use crate::endpoint::{Container, Endpoint, Fault, Task};
use crate::init::{Finished, Form, LIMIT, Launch, has_namespaces, status, wait_for};
use crate::probe;
use crate::records;
use std::time::{Duration, Instant};

in_both_forms! {
    both_variables_and_both_records_hold_it
    two_requests_and_no_more
    a_silent_endpoint_costs_the_budget_and_no_more
    sigterm_while_the_endpoint_is_silent
    a_budget_of_zero_does_not_wait
    an_identity_that_comes_after_the_start
    one_last_try_before_the_exit_record
    an_endpoint_that_comes_late
    answers_that_pass
    an_endpoint_that_stays_broken
    nobody_listens_at_all
    a_known_value_replaces_another_with_a_warning
    the_same_value_is_no_news
    an_unknown_value_leaves_what_was_there
    a_plain_machine_has_no_arn
    the_container_id_of_plain_docker
    no_proc_at_all
}

const VARIABLE: &str = "ECS_CONTAINER_METADATA_URI_V4";

/// A program that tells the two variables.
const TELL: [&str; 3] = ["sh", "-c", "echo \"${DOCKER_CONTAINER_ID-unset} ${ECS_TASK_ARN-unset}\""];

/// What stands in place of /proc for a program in the cgroups that these two files name.
pub fn proc_tree(cpuset: &str, cgroup: &str) -> tempfile::TempDir {
    let tree = tempfile::tempdir().unwrap();
    let own = tree.path().join("self");
    std::fs::create_dir(&own).unwrap();
    std::fs::write(own.join("cpuset"), format!("{cpuset}\n")).unwrap();
    std::fs::write(own.join("cgroup"), cgroup).unwrap();
    tree
}

/// As an ECS agent on cgroup v1 has it.
fn proc_of(task: &Task) -> tempfile::TempDir {
    let id = &task.subject().unwrap().docker_id;
    let path = format!("/ecs/{}/{id}", task.arn.rsplit('/').next().unwrap());
    proc_tree(&path, &format!("3:cpuset:{path}\n4:memory:{path}\n0::/\n"))
}

fn told(ended: &Finished) -> (&str, &str) {
    ended.stdout.trim_end().split_once(' ').unwrap()
}

fn assert_told(ended: &Finished, task: &Task) {
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(
        told(ended),
        (task.subject().unwrap().docker_id.as_str(), task.arn.as_str()),
        "{}",
        ended.stderr
    );
}

fn identity_ms(ended: &Finished) -> u64 {
    records::record(&ended.stderr, "start")["identity_ms"].as_u64().unwrap()
}

fn both_variables_and_both_records_hold_it(form: Form) {
    for task in [Task::default(), Task::ec2_bridge(), Task::fargate()] {
        let endpoint = Endpoint::start(task.clone());
        let ended = Launch::new(form, TELL).env(VARIABLE, endpoint.uri_v4()).run();
        assert_told(&ended, &task);
        for kind in ["start", "exit"] {
            let record = records::record(&ended.stderr, kind);
            let container: &Container = task.subject().unwrap();
            for (key, value) in [
                ("container_id", Some(&container.docker_id)),
                ("task_arn", Some(&task.arn)),
                ("container_name", Some(&container.name)),
                ("container_arn", container.arn.as_ref()),
                ("docker_name", Some(&container.docker_name)),
                ("image", Some(&container.image)),
                ("image_id", Some(&container.image_id)),
                ("family", Some(&task.family)),
                ("revision", Some(&task.revision)),
                ("service", task.service.as_ref()),
                ("launch_type", Some(&task.launch_type)),
                ("availability_zone", Some(&task.availability_zone)),
                ("ip", Some(&container.ip)),
            ] {
                assert_eq!(record[key].as_str(), value.map(String::as_str), "{key}");
            }
            assert_eq!(record["cluster"], "default");
            assert_eq!(record["region"], "eu-central-1");
            assert_eq!(record["task_id"].as_str(), task.arn.rsplit('/').next());
            assert_eq!(record["account"].as_str(), task.arn.split(':').nth(4));
            assert_eq!(record["log_group"], "/ecs/shop");
            assert_eq!(record["sources"]["container_id"], "metadata-v4");
            assert_eq!(record["sources"].get("task_id"), None, "computed, so without a source");
        }
    }
}

fn two_requests_and_no_more(form: Form) {
    let endpoint = Endpoint::start(Task::default());
    Launch::new(form, TELL).env(VARIABLE, endpoint.uri_v4()).run();
    let path = endpoint.uri_v4().split_once("/v4/").map(|(_, id)| format!("GET /v4/{id}")).unwrap();
    assert_eq!(endpoint.requests(), [path.clone(), format!("{path}/task")]);
}

fn silent(task: &Task) -> Endpoint {
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
    assert!((295..=600).contains(&waited), "{waited} ms");
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
    assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(143), ""), "{}", ended.stderr);
    assert_eq!(records::kinds(&ended.stderr), ["stop", "exit"]);
    let record = records::record(&ended.stderr, "exit");
    assert_eq!(record["exit"]["verdict"], "stopped");
    assert!(record["exit"]["why"].as_str().unwrap().contains("not been started yet"), "{record}");
    assert_eq!(record["container_id"].as_str(), Some(task.subject().unwrap().docker_id.as_str()));
    assert_eq!(record["sources"]["container_id"], "cpuset");
    assert_eq!(record["task_id"].as_str(), task.arn.rsplit('/').next(), "the cgroup names the task too");
}

fn a_budget_of_zero_does_not_wait(form: Form) {
    let endpoint = silent(&Task::default());
    for zero in ["0", "0ms"] {
        let launch = Launch::new(form, TELL).env(VARIABLE, endpoint.uri_v4());
        let ended = launch.env("EPITAPH_IDENTITY_TIMEOUT", zero).run();
        assert_eq!((ended.code, told(&ended).1), (Some(0), "unset"), "{}", ended.stderr);
        assert!(identity_ms(&ended) < 100, "{}", ended.stderr);
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
    let program = probe::command().into_iter().chain(["receive", "12", "42"].map(Into::into));
    let launch = Launch::new(form, program.collect::<Vec<_>>()).env(VARIABLE, endpoint.uri_v4());
    let running = launch.options(["--identity-timeout", "50ms"]).start().ready();
    endpoint.set_fault(None);
    running.stderr.wait_for("\"epitaph\":\"identity\"");
    running.signal(libc::SIGUSR2);
    let ended = running.finish();
    assert_eq!(ended.code, Some(42), "the helper was not taken for the program");
    assert_eq!(records::kinds(&ended.stderr), ["start", "identity", "exit"]);
    for kind in ["identity", "exit"] {
        let record = records::record(&ended.stderr, kind);
        assert_eq!(record["task_arn"].as_str(), Some(task.arn.as_str()), "{record}");
        assert_eq!(record["image"].as_str(), task.subject().map(|one| one.image.as_str()), "{record}");
    }
    assert_eq!(records::record(&ended.stderr, "start").get("task_arn"), None);
    assert_eq!(records::exit(&ended.stderr)["reaped"], 0, "and not for an orphan");
    assert_eq!(records::exit(&ended.stderr)["left"], 0);
}

fn one_last_try_before_the_exit_record(form: Form) {
    let task = Task::default();
    let endpoint = silent(&task);
    // Ends long before the first attempt after the start, which comes a second later.
    let program = probe::command().into_iter().chain(["receive", "12", "42"].map(Into::into));
    let launch = Launch::new(form, program.collect::<Vec<_>>()).env(VARIABLE, endpoint.uri_v4());
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

fn a_known_value_replaces_another_with_a_warning(form: Form) {
    let task = Task::default();
    let endpoint = Endpoint::start(task.clone());
    let old = "arn:aws:ecs:eu-west-1:999999999999:task/other/00000000000000000000000000000000";
    let ended = Launch::new(form, TELL).env(VARIABLE, endpoint.uri_v4()).env("ECS_TASK_ARN", old).run();
    assert_told(&ended, &task);
    let warnings = records::diagnostics(&ended.stderr);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    for part in ["WARN", "ECS_TASK_ARN", old, &task.arn] {
        assert!(warnings[0].contains(part), "{part}: {warnings:?}");
    }
}

fn the_same_value_is_no_news(form: Form) {
    let task = Task::default();
    let endpoint = Endpoint::start(task.clone());
    let launch = Launch::new(form, TELL).env(VARIABLE, endpoint.uri_v4()).env("ECS_TASK_ARN", &task.arn);
    let ended = launch.run();
    assert_told(&ended, &task);
    assert!(records::diagnostics(&ended.stderr).is_empty(), "{}", ended.stderr);
}

fn an_unknown_value_leaves_what_was_there(form: Form) {
    let endpoint = silent(&Task::default());
    let launch =
        Launch::new(form, TELL).env(VARIABLE, endpoint.uri_v4()).env("ECS_TASK_ARN", "what was there");
    let ended = launch.options(["--identity-timeout", "100ms"]).run();
    assert_eq!(told(&ended).1, "what was there");
    assert_eq!(records::record(&ended.stderr, "start").get("task_arn"), None, "and is no evidence");
}

fn a_plain_machine_has_no_arn(form: Form) {
    if !has_namespaces() {
        return;
    }
    let proc = proc_tree("/", "4:memory:/user.slice/session-14.scope\n0::/\n");
    let ended = Launch::new(form, TELL).proc(proc.path()).run();
    assert_eq!(told(&ended), ("unset", "unset"), "{}", ended.stderr);
    for record in records::records(&ended.stderr) {
        for key in ["container_id", "task_arn", "task_id", "sources"] {
            assert_eq!(record.get(key), None, "{record}");
        }
    }
    assert!(records::diagnostics(&ended.stderr).is_empty(), "{}", ended.stderr);
}

fn the_container_id_of_plain_docker(form: Form) {
    if !has_namespaces() {
        return;
    }
    let id = "0123456789abcdef".repeat(4);
    let proc = proc_tree("/", &format!("0::/system.slice/docker-{id}.scope\n"));
    let ended = Launch::new(form, TELL).proc(proc.path()).run();
    assert_eq!(told(&ended), (id.as_str(), "unset"), "{}", ended.stderr);
    let start = records::record(&ended.stderr, "start");
    assert_eq!((&start["container_id"], &start["sources"]["container_id"]), (&id.into(), &"cgroup".into()));
}

fn no_proc_at_all(form: Form) {
    if !has_namespaces() {
        return;
    }
    let empty = tempfile::tempdir().unwrap();
    let program = [probe::command().to_vec(), vec!["die".into(), "12".into()]].concat();
    let ended = Launch::new(form, program).proc(empty.path()).run();
    assert_eq!(ended.code, Some(140), "{}", ended.stderr);
    let record = records::record(&ended.stderr, "exit");
    assert_eq!((&record["exit"]["verdict"], record.get("memory")), (&"signaled".into(), None));
}
