//! Who the container is: what the program and the records are told.

use crate::endpoint::{Container, Endpoint, Task};
use crate::init::{Form, Launch, has_namespaces};
use crate::patience::silent;
use crate::probe::probe;
use crate::records;
use crate::running::Finished;

in_both_forms! {
    both_variables_and_both_records_hold_it
    two_requests_and_no_more
    a_known_value_replaces_another_with_a_warning
    the_same_value_is_no_news
    an_unknown_value_leaves_what_was_there
    a_plain_machine_has_no_arn
    the_container_id_of_plain_docker
    no_proc_at_all
}

pub const VARIABLE: &str = "ECS_CONTAINER_METADATA_URI_V4";

/// A program that tells the two variables.
pub const TELL: [&str; 3] = ["sh", "-c", "echo \"${DOCKER_CONTAINER_ID-unset} ${ECS_TASK_ARN-unset}\""];

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
pub fn proc_of(task: &Task) -> tempfile::TempDir {
    let id = &task.subject().unwrap().docker_id;
    let path = format!("/ecs/{}/{id}", task.arn.rsplit('/').next().unwrap());
    proc_tree(&path, &format!("3:cpuset:{path}\n4:memory:{path}\n0::/\n"))
}

pub fn told(ended: &Finished) -> (&str, &str) {
    ended.stdout.trim_end().split_once(' ').unwrap()
}

pub fn assert_told(ended: &Finished, task: &Task) {
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(
        told(ended),
        (task.subject().unwrap().docker_id.as_str(), task.arn.as_str()),
        "{}",
        ended.stderr
    );
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
            assert_eq!(record["source"], "metadata-v4");
            // The agent tells of a start in January: as PID 1 epitaph knows better, else it may have begun
            // later.
            let started = record["sources"].get("started_at").and_then(|source| source.as_str());
            assert_eq!(started, (form == Form::PidOne).then_some("computed"), "{record}");
            assert_eq!(record["sources"].get("container_id"), None, "as most of the others");
        }
    }
}

fn two_requests_and_no_more(form: Form) {
    let endpoint = Endpoint::start(Task::default());
    Launch::new(form, TELL).env(VARIABLE, endpoint.uri_v4()).run();
    let path = endpoint.uri_v4().split_once("/v4/").map(|(_, id)| format!("GET /v4/{id}")).unwrap();
    assert_eq!(endpoint.requests(), [path.clone(), format!("{path}/task")]);
}

fn a_known_value_replaces_another_with_a_warning(form: Form) {
    let task = Task::default();
    let endpoint = Endpoint::start(task.clone());
    let old = "arn:aws:ecs:eu-west-1:999999999999:task/other/00000000000000000000000000000000";
    let ended = Launch::new(form, TELL).env(VARIABLE, endpoint.uri_v4()).env("ECS_TASK_ARN", old).run();
    assert_told(&ended, &task);
    let warnings = records::diagnostics(&ended.stderr);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    for part in ["WARN", "ECS_TASK_ARN had another value", &task.arn] {
        assert!(warnings[0].contains(part), "{part}: {warnings:?}");
    }
    // It may be a secret that was put there by mistake.
    assert!(!ended.stderr.contains(old), "{}", ended.stderr);
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
    let start = records::record(&ended.stderr, "start");
    assert_eq!(start.get("task_arn"), None, "and is no evidence");
    assert_eq!(start["environment_unverified"], serde_json::json!(["ECS_TASK_ARN"]));
    let warnings = records::diagnostics(&ended.stderr);
    assert!(warnings.iter().filter(|line| line.contains("ECS_TASK_ARN")).count() == 1, "{warnings:?}");
}

fn a_plain_machine_has_no_arn(form: Form) {
    if !has_namespaces() {
        return;
    }
    let proc = proc_tree("/", "4:memory:/user.slice/session-14.scope\n0::/\n");
    let ended = Launch::new(form, TELL).proc(proc.path()).run();
    assert_eq!(told(&ended), ("unset", "unset"), "{}", ended.stderr);
    let records = records::records(&ended.stderr);
    assert!(records.iter().all(|record| record["run"] == records[0]["run"]), "{records:#?}");
    for record in records {
        for key in ["container_id", "task_arn", "task_id", "source", "sources", "started_at"] {
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
    assert_eq!((&start["container_id"], &start["source"]), (&id.into(), &"cgroup".into()));
}

fn no_proc_at_all(form: Form) {
    if !has_namespaces() {
        return;
    }
    let empty = tempfile::tempdir().unwrap();
    let program = probe(&["die", &libc::SIGUSR1.to_string()]);
    let ended = Launch::new(form, program).proc(empty.path()).run();
    assert_eq!(ended.code, Some(128 + libc::SIGUSR1), "{}", ended.stderr);
    let record = records::record(&ended.stderr, "exit");
    assert_eq!((&record["exit"]["verdict"], record.get("memory")), (&"signaled".into(), None));
}
