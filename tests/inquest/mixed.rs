//! Several logs in one: `cat kern.log app.log | inquest ID`.

use crate::support::{ID, TASK, docker_log, inquest_reading, lives_of, record, time};
use serde_json::{Value, json};

/// The kernel's lines of a kill, and one of something else an hour later.
fn kernel() -> String {
    let line = |seconds, text: &str| {
        format!("{} vm kernel: {text}\n", time(seconds).replace(".000Z", ".000000+00:00"))
    };
    line(
        51,
        &format!(
            "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset={ID},mems_allowed=0,oom_memcg=/ecs/{TASK}/{ID},task_memcg=/ecs/{TASK}/{ID},task=serve,pid=11516,uid=0"
        ),
    ) + &line(
        51,
        "Memory cgroup out of memory: Killed process 11516 (serve) total-vm:26852kB, anon-rss:15592kB, file-rss:1000kB, shmem-rss:0kB, UID:0 pgtables:76kB oom_score_adj:0",
    ) + &line(3651, "eth0: link is up")
}

fn inspect() -> String {
    let state = json!({"Status": "exited", "Running": false, "OOMKilled": true, "ExitCode": 137, "FinishedAt": time(52)});
    serde_json::to_string_pretty(&json!([{"Id": ID, "Name": "/shop", "Created": time(0), "State": state}]))
        .expect("JSON")
        + "\n"
}

fn events() -> String {
    json!({"version": "0", "detail-type": "ECS Task State Change", "source": "aws.ecs", "time": time(60), "detail": {
        "taskArn": format!("arn:aws:ecs:eu-central-1:123456789012:task/default/{TASK}"), "lastStatus": "STOPPED", "version": 5,
        "stoppedReason": "Essential container in task exited", "containers": [{"name": "server", "exitCode": 137, "runtimeId": ID}]}})
    .to_string()
        + "\n"
}

fn start() -> String {
    record("start", ID, 0, json!({"program": "serve", "container_name": "server"})).to_string()
}

/// All orders of some things.
fn orders<T: Clone>(things: &[T]) -> Vec<Vec<T>> {
    if things.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for place in 0..things.len() {
        let mut rest = things.to_vec();
        let first = rest.remove(place);
        all.extend(orders(&rest).into_iter().map(|order| [vec![first.clone()], order].concat()));
    }
    all
}

fn the_life(log: &str) -> Value {
    let ran = inquest_reading(&["list", "--format", "json", "-"], log.as_bytes());
    assert_eq!(ran.code, 0, "{ran:?}");
    let lives = lives_of(&ran);
    assert_eq!(lives.len(), 1, "{lives:#?}");
    lives[0].clone()
}

fn told(life: &Value) -> Vec<(String, bool)> {
    let mut told: Vec<(String, bool)> = life["witnesses"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|said| (said["witness"].as_str().expect("a name").to_owned(), said["unconfirmed"] == true))
        .collect();
    told.sort();
    told.dedup();
    told
}

/// What a log driver has wrapped cannot be taken for the kernel's, so all are believed, in whatever order
/// they come.
#[test]
fn every_witness_is_heard_in_any_order() {
    let app = docker_log(&[(0, start()), (50, "INFO still here".to_owned())]);
    for order in orders(&[app, kernel(), inspect(), events()]) {
        let life = the_life(&order.concat());
        let expected = ["docker", "ecs", "kernel"].map(|name| (name.to_owned(), false));
        assert_eq!(told(&life), expected, "{}", order.concat());
        assert_eq!(
            (&life["conclusion"]["word"], &life["conclusion"]["sure"]),
            (&Value::from("oom"), &Value::from("yes")),
            "{life:#}"
        );
        // The kernel's last line is no sign of the container.
        assert_eq!(life["last_sign"], time(0), "{life:#}");
    }
}

/// Where the program's own lines stand bare in the same input, it may have written what looks like the
/// kernel's: it is told, and not believed as the kernel's word.
#[test]
fn among_bare_lines_it_is_told_and_not_taken_for_certain() {
    let app = start() + "\nINFO still here\n";
    for order in orders(&[app, kernel(), inspect(), events()]) {
        let log = order.concat();
        let life = the_life(&log);
        let expected = ["docker", "ecs", "kernel"].map(|name| (name.to_owned(), true));
        assert_eq!(told(&life), expected, "{log}");
        let conclusion = &life["conclusion"];
        assert_eq!((&conclusion["word"], &conclusion["sure"]), (&"oom".into(), &"likely".into()), "{life:#}");
        assert!(conclusion["text"].as_str().expect("a text").contains("may have written it"), "{life:#}");
    }
    let ran = inquest_reading(&[ID, "-"], (start() + "\n" + &kernel()).as_bytes());
    assert_eq!(ran.code, 0);
    assert!(
        ran.stdout.contains("pid=11516") || ran.stdout.contains("Killed process 11516"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("(unconfirmed)"), "{}", ran.stdout);
    assert!(
        ran.stderr.contains("statement of other witnesses stands among the lines of a container"),
        "{}",
        ran.stderr
    );
}

/// The kernel's own file makes it certain.
#[test]
fn its_own_file_confirms_it() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("all.log"), start() + "\n" + &kernel()).expect("a file");
    std::fs::write(directory.path().join("kern.log"), kernel()).expect("a file");
    let lives = crate::support::lives(directory.path());
    assert_eq!(told(&lives[0]), [("kernel".to_owned(), false)], "{lives:#?}");
    assert_eq!(lives[0]["conclusion"]["sure"], "yes");
}

/// What a program prints in the name of ECS is its own word, also where a log driver has wrapped it.
#[test]
fn a_program_does_not_speak_for_ecs() {
    let line = format!("(service shop) has stopped 1 running tasks: (task {TASK}).");
    let life = the_life(&docker_log(&[(0, start()), (5, line)]));
    assert_eq!(told(&life), [("ecs".to_owned(), true)], "{life:#}");
}

/// In syslog others write too, and the last line is a sign of who wrote it.
#[test]
fn the_last_line_of_another_program_is_no_sign() {
    let at = |seconds: u64, tag: &str, text: &str| {
        format!("{} vm {tag}: {text}\n", time(seconds).replace(".000Z", ".000000+00:00"))
    };
    let own = at(0, "408255f9fa13[811]", &start()) + &at(30, "408255f9fa13[811]", "INFO still here");
    assert_eq!(the_life(&own)["last_sign"], time(30));
    assert_eq!(the_life(&(own + &at(600, "systemd[1]", "Started x.")))["last_sign"], time(0));
    let entry = |seconds: u64, id: &str, text: &str| {
        let micros = (1_795_453_200 + seconds) * 1_000_000;
        json!({"__REALTIME_TIMESTAMP": micros.to_string(), "CONTAINER_ID_FULL": id, "MESSAGE": text})
            .to_string()
            + "\n"
    };
    let own = entry(0, ID, &start()) + &entry(30, ID, "INFO still here");
    assert_eq!(the_life(&own)["last_sign"], time(30));
    assert_eq!(the_life(&(own + &entry(600, &"d".repeat(64), "of another")))["last_sign"], time(0));
}
