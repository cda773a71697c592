//! What is not to be overlooked beside a verdict: contradictions of records and witnesses, copied identities,
//! and what a good end hides.

use crate::incomplete::{Heap, OTHER, oom_kill, start, stop};
use crate::support::{ID, TASK, inquest, inquest_reading, lives, record, time};
use serde_json::{Value, json};

fn exit(id: &str, second: u64, exit: Value) -> Value {
    record("exit", id, second, json!({ "exit": exit }))
}

/// An event of Docker's, as `docker events --format '{{json .}}'` prints it.
pub fn event(id: &str, second: u64, action: &str, more: Value) -> String {
    let seconds = 1_795_453_200 + second;
    let mut attributes = json!({"image": "shop", "name": "shop-web-1"});
    let Value::Object(more) = more else { panic!("an object") };
    attributes.as_object_mut().expect("an object").extend(more);
    json!({"status": action, "id": id, "Type": "container", "Action": action, "Actor": {"ID": id, "Attributes": attributes},
        "time": seconds, "timeNano": seconds * 1_000_000_000})
    .to_string()
        + "\n"
}

fn certificate(heap: &Heap, who: &str) -> String {
    inquest(&[who, heap.path().to_str().expect("UTF-8")]).stdout
}

/// The lines of the remarks.
fn remarks(certificate: &str) -> String {
    let lines = certificate.lines().skip_while(|line| !line.trim_start().starts_with("Remark: "));
    let more =
        |line: &&str| line.trim_start().starts_with("Remark: ") || line.starts_with("                ");
    lines.take_while(more).collect::<Vec<_>>().join("\n")
}

#[test]
fn an_engine_that_tells_another_code() {
    let done = json!({"code": 0, "verdict": "stopped", "why": "It says so.", "runtime_ms": 60_000, "stop_signal": "SIGTERM", "stop_ms": 9000});
    let heap = |kill: bool, code: &str| {
        let mut events = event(ID, 51, "kill", json!({"signal": "15"}));
        if kill {
            events += &event(ID, 61, "kill", json!({"signal": "9"}));
        }
        events += &event(ID, 61, "die", json!({"exitCode": code}));
        Heap::new()
            .container(ID, &[start(ID, 0), stop(ID, 51), exit(ID, 60, done.clone())], 59)
            .file("events.jsonl", &events)
    };
    let told = remarks(&heap(true, "137").certificate());
    assert!(
        told.contains(
            "The exit record says exit code 0, Docker says 137: the program had ended with 0, and Docker's SIGKILL, 1.0s after \
             the exit record, met PID 1"
        ) && told.contains("events.jsonl:3"),
        "{told}"
    );
    let told = remarks(&heap(false, "137").certificate());
    assert!(told.contains("who sent it is not known here"), "{told}");
    let told = remarks(&heap(false, "7").certificate());
    assert!(told.contains("says exit code 0, Docker says 7: epitaph's -e gives another code"), "{told}");
    assert_eq!(remarks(&heap(false, "0").certificate()), "");
    // What a program has written in the name of Docker contradicts nothing.
    let log = [start(ID, 0), exit(ID, 60, done.clone())].map(|record| record.to_string() + "\n").concat();
    let ran = inquest_reading(&[ID], (log + &event(ID, 61, "die", json!({"exitCode": "137"}))).as_bytes());
    assert_eq!(remarks(&ran.stdout), "", "{}", ran.stdout);
}

#[test]
fn two_containers_of_one_identity() {
    let arn =
        "arn:aws:ecs:eu-central-1:123456789012:container/default/9d4f1c7ab2e84c0f8a35d6e17b20c493/b58e6b1d";
    let of = |id: &str, from: u64, to: u64, arn: &str| {
        let mut exit = exit(
            id,
            to,
            json!({"code": 1, "verdict": "failed", "why": "It says so.", "runtime_ms": (to - from) * 1000}),
        );
        let mut start = start(id, from);
        for record in [&mut start, &mut exit] {
            record["container_arn"] = arn.into();
            record["docker_name"] = "ecs-shop-web-1".into();
        }
        [start, exit]
    };
    let heap =
        Heap::new().container(ID, &of(ID, 0, 60, arn), 59).container(OTHER, &of(OTHER, 10, 40, arn), 39);
    for (own, other) in [(ID, OTHER), (OTHER, ID)] {
        let told = remarks(&certificate(&heap, own));
        let expected = format!(
            "Another container, {other}, tells the ARN of the same container in its records, and ran at the same time"
        );
        assert!(told.contains(&expected), "{told}");
    }
    // Docker's names tell which of the two it is.
    let names =
        event(ID, 0, "start", json!({"name": "ecs-shop-web-1"})) + &event(OTHER, 10, "start", json!({}));
    let heap = heap.file("events.jsonl", &names);
    let told = remarks(&certificate(&heap, ID));
    assert!(told.contains("and the other one not: that has the identity of this one."), "{told}");
    let told = remarks(&certificate(&heap, OTHER));
    assert!(told.contains("and this one not: this one has the identity of the other"), "{told}");
    let heap =
        Heap::new().container(ID, &of(ID, 0, 20, arn), 19).container(OTHER, &of(OTHER, 30, 40, arn), 39);
    let told = remarks(&certificate(&heap, ID));
    assert!(told.contains("in its records at another time: it is the same under a new ID, or"), "{told}");
    // The name alone, of one task, does too.
    let heap =
        Heap::new().container(ID, &of(ID, 0, 60, "a"), 59).container(OTHER, &of(OTHER, 10, 40, "b"), 39);
    let told = remarks(&certificate(&heap, ID));
    assert!(told.contains(&format!("tells the same task {TASK} and name in its records")), "{told}");
    // Docker knows what it calls a container.
    let heap = Heap::new()
        .container(ID, &of(ID, 0, 60, arn), 59)
        .file("events.jsonl", &event(ID, 0, "start", json!({})));
    let told = remarks(&certificate(&heap, ID));
    assert!(
        told.contains("Docker calls this container shop-web-1, and its records say ecs-shop-web-1"),
        "{told}"
    );
    let heap = Heap::new()
        .container(ID, &of(ID, 0, 60, arn), 59)
        .file("events.jsonl", &event(ID, 0, "start", json!({"name": "ecs-shop-web-1"})));
    assert_eq!(remarks(&certificate(&heap, ID)), "");
}

#[test]
fn what_a_good_end_hides() {
    let ended = |more: Value| {
        let mut exit = json!({"code": 0, "verdict": "ok", "why": "The program ended with exit code 0.", "runtime_ms": 60_000, "records_lost": 0});
        exit.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        exit
    };
    let heap = |records: &[Value]| Heap::new().container(ID, records, 59);
    let told = |heap: &Heap| remarks(&certificate(heap, ID));
    // The kernel's log has a kill, and the records do not tell of it.
    let heap_of_kill =
        heap(&[start(ID, 0), exit(ID, 60, ended(json!({})))]).file("kern.log", &oom_kill(ID, 30, false));
    let text = told(&heap_of_kill);
    assert!(
        text.contains("The kernel's log has an OOM kill in this container: \"serve\" (pid 11516 on the host), 30.0s before the end, for the container's own limit."),
        "{text}"
    );
    let below = oom_kill(ID, 30, false)
        .replace(&format!("memcg=/ecs/{TASK}/{ID}"), &format!("memcg=/ecs/{TASK}/{ID}/jobs"));
    let mut counted = exit(ID, 60, ended(json!({"code": 1, "verdict": "failed"})));
    counted["memory"] = json!({"cgroup": 1, "limit": 1000, "oom_kills": 0});
    let text = told(&heap(&[start(ID, 0), counted]).file("kern.log", &below));
    assert!(
        text.contains("for the limit of a cgroup below the container's: jobs; oom_kills of its records is 0 and does not count it"),
        "{text}"
    );
    // The records count kills that the verdict does not tell of.
    let mut counted = exit(ID, 60, ended(json!({})));
    counted["memory"] = json!({"limit": 1000, "oom_kills": 2});
    let text = told(&heap(&[start(ID, 0), counted]));
    assert!(text.contains("2 processes of this container were taken by the kernel's OOM killer"), "{text}");
    let text = told(
        &heap(&[start(ID, 0), exit(ID, 60, ended(json!({})))])
            .file("events.jsonl", &event(ID, 59, "oom", json!({}))),
    );
    assert!(
        text.contains(
            "Docker says that the container met the OOM killer, 1.0s before the end, and no record counts"
        ),
        "{text}"
    );
    // Signals that it did not get, and processes that it left.
    let refused = record("stop", ID, 50, json!({"signal": "SIGTERM", "refused": "Operation not permitted"}));
    let text = told(&heap(&[start(ID, 0), refused, exit(ID, 60, ended(json!({"left": 3})))]));
    assert!(text.contains("The program did not get SIGTERM: Operation not permitted."), "{text}");
    assert!(
        text.contains("\"ok\" speaks of the program alone: 3 other processes still ran when it ended."),
        "{text}"
    );
    // A program that fails as it is stopped, and one that gives on the code of its child.
    let expired =
        ended(json!({"code": 1, "verdict": "expired", "why": "The program ended with exit code 1."}));
    let text = told(&heap(&[start(ID, 0), exit(ID, 60, expired)]));
    assert!(
        text.contains("It ended with exit code 1 after it was told to stop: it failed while it stopped."),
        "{text}"
    );
    let text = told(&heap(&[start(ID, 0), exit(ID, 60, ended(json!({"code": 137, "verdict": "failed"})))]));
    assert!(text.contains("No signal ended the program: 137 is the exit code that it chose."), "{text}");
    // A list shows what failed in it.
    let other = [start(OTHER, 0), exit(OTHER, 60, ended(json!({})))];
    let both = heap_of_kill.container(OTHER, &other, 69);
    let shown = certificate(&both, TASK);
    assert_eq!(shown.matches("Verdict: ").count(), 1, "{shown}");
    assert!(shown.contains(" ok*") && shown.contains("\n* something failed"), "{shown}");
    assert!(shown.contains("The kernel's log has an OOM kill"), "{shown}");
    // Where nothing is hidden there is no remark.
    let stopped = ended(json!({"verdict": "stopped", "stop_signal": "SIGTERM", "stop_ms": 10}));
    assert_eq!(told(&heap(&[start(ID, 0), stop(ID, 60), exit(ID, 60, stopped)])), "");
}

#[test]
fn a_command_that_killed() {
    let killed = json!({"code": 137, "signal": "SIGKILL", "verdict": "killed", "why": "It says so.", "runtime_ms": 60_000});
    let heap = |second: u64, command: &str| {
        Heap::new()
            .container(ID, &[start(ID, 0), exit(ID, 60, killed.clone())], 59)
            .file("events.jsonl", &event(ID, second, &format!("exec_start: {command}"), json!({})))
    };
    let text = remarks(&heap(58, "sh -c kill -9 7").certificate());
    assert!(
        text.contains("2.0s before the end a command with \"kill\" in it was started in the container"),
        "{text}"
    );
    assert!(text.contains(": sh -c kill -9 7"), "{text}");
    assert_eq!(remarks(&heap(58, "curl http://localhost/skills").certificate()), "");
    assert_eq!(remarks(&heap(30, "kill -0 7").certificate()), "");
}

#[test]
fn a_name_that_only_docker_tells() {
    let mut records = [
        start(ID, 0),
        exit(ID, 60, json!({"code": 3, "verdict": "failed", "why": "It says so.", "runtime_ms": 60_000})),
    ];
    for record in &mut records {
        let record = record.as_object_mut().expect("an object");
        record.retain(|key, _| {
            !["task_id", "task_arn", "container_name", "instance_arn"].contains(&key.as_str())
        });
    }
    let events = event(ID, 0, "start", json!({}));
    let heap = Heap::new().container(ID, &records, 59).file("events.jsonl", &events);
    let path = heap.path().to_str().expect("UTF-8");
    let expected = certificate(&heap, ID);
    assert!(
        expected.contains(&format!("Container: {ID}  shop-web-1")) && expected.contains("INFO still here"),
        "{expected}"
    );
    for who in ["shop-web-1", "/shop-web-1"] {
        let ran = inquest(&[who, path]);
        assert_eq!((ran.code, ran.stdout.as_str()), (0, expected.as_str()), "{who}: {}", ran.stderr);
    }
    assert_eq!(inquest(&["list", "--container", "shop-*", path]).code, 0);
    assert_eq!(inquest(&["list", "--container", "shop-api-*", path]).code, 1);
    assert!(inquest(&["list", path]).stdout.contains(" shop-web-1 "), "{}", inquest(&["list", path]).stdout);
    // An inspection tells it too, also where it is of hexadecimal digits.
    let inspect = json!([{"Id": ID, "Name": "/feed-2", "State": {"Status": "exited", "ExitCode": 3, "OOMKilled": false, "FinishedAt": time(60)}}]).to_string();
    let heap = Heap::new().container(ID, &records, 59).file("inspect.json", &inspect);
    assert_eq!(inquest(&["feed-2", heap.path().to_str().expect("UTF-8")]).code, 0);
    // Two of one name are two.
    let mut others = records.clone();
    others.iter_mut().for_each(|record| record["container_id"] = OTHER.into());
    let heap = Heap::new()
        .container(ID, &records, 59)
        .container(OTHER, &others, 59)
        .file("events.jsonl", &(events + &event(OTHER, 0, "start", json!({}))));
    let ran = inquest(&["shop-web-1", heap.path().to_str().expect("UTF-8")]);
    assert_eq!((ran.code, ran.stdout.as_str()), (3, ""));
    assert!(
        ran.stderr.contains("shop-web-1 may be 2 containers: give one of these IDs, or --first or --last"),
        "{}",
        ran.stderr
    );
    // The name in the records is a name as well.
    let named = [start(ID, 0), exit(ID, 60, json!({"code": 3, "verdict": "failed", "runtime_ms": 60_000}))];
    let heap = Heap::new().container(ID, &named, 59);
    assert_eq!(inquest(&["server", heap.path().to_str().expect("UTF-8")]).code, 0);
}

#[test]
fn the_newest_run_of_a_restarted_container() {
    let run = |begun: u64, end: u64, pid: u64| {
        let failed = json!({"code": 1, "verdict": "failed", "why": format!("Run {pid}."), "runtime_ms": (end - begun) * 1000});
        let mut records = [start(ID, begun), exit(ID, end, failed)];
        records.iter_mut().for_each(|record| record["pid"] = pid.into());
        records
    };
    let mut records = run(0, 20, 6).to_vec();
    records.extend(run(30, 50, 7));
    let mut last = run(60, 90, 8).to_vec();
    last[1]["exit"] = json!({"code": 0, "verdict": "stopped", "why": "Run 8.", "runtime_ms": 30_000});
    records.extend(last);
    let events: String = [(0, 20), (29, 51), (59, 91)]
        .map(|(begun, end)| {
            event(ID, begun, "start", json!({})) + &event(ID, end, "die", json!({"exitCode": "1"}))
        })
        .concat();
    let heap = Heap::new().container(ID, &records, 89).file("events.jsonl", &events);
    let text = heap.certificate();
    assert_eq!(text.matches("Verdict: ").count(), 1, "{text}");
    assert!(
        text.contains("           Why: Run 8.") && text.contains("2 earlier runs above: --until TIME"),
        "{text}"
    );
    // What Docker says of a run stands with that run.
    let heard = text.lines().filter(|line| line.contains("events.jsonl:")).count();
    assert_eq!(heard, 3, "its start, its end, and the remark on that: {text}");
    let ran = inquest(&["--until", "2026-11-23T17:00:40Z", ID, heap.path().to_str().expect("UTF-8")]);
    assert!(ran.stdout.contains("           Why: Run 7."), "{}", ran.stdout);
}

#[test]
fn the_end_of_the_run_before_is_not_that_of_this_one() {
    // The log of the first run is gone; Docker tells how that ended. The second one still runs.
    let events = event(ID, 50, "die", json!({"exitCode": "137"})) + &event(ID, 59, "start", json!({}));
    let heap = Heap::new().container(ID, &[start(ID, 60)], 100).file("events.jsonl", &events);
    let (word, _, text) = heap.conclusion();
    assert_eq!(word, "running", "{text}");
}

#[test]
fn dockers_word_on_an_end_without_a_record() {
    let events = event(ID, 51, "kill", json!({"signal": "15"}))
        + &event(ID, 61, "kill", json!({"signal": "9"}))
        + &event(ID, 62, "die", json!({"exitCode": "137"}));
    let heap = Heap::new()
        .container(ID, &[start(ID, 0), stop(ID, 51)], 55)
        .file("events.jsonl", &events)
        .an_hour_later();
    let text = heap.certificate();
    assert!(
        text.contains("Died: 2026-11-23 17:01:02.000Z  after 1m02s  (by Docker's word)  ")
            && text.contains("events.jsonl:3\n"),
        "{text}"
    );
    // The last sign is the line that it is.
    assert!(
        text.contains("Last sign: 2026-11-23 17:00:55.000Z  after 55.0s") && text.contains("-json.log:3\n"),
        "{text}"
    );
    let life = lives(heap.path()).into_iter().find(|life| life["container_id"] == ID).expect("a life");
    assert_eq!((&life["ended"], &life["ended_by_witness"]), (&Value::Null, &time(62).into()));
    let list = inquest(&["list", heap.path().to_str().expect("UTF-8")]).stdout;
    assert!(list.contains("11-23 17:01:02.000Z") && list.contains("0 without an end"), "{list}");
    // Without a stop, who sent SIGKILL is told.
    let heap = Heap::new()
        .container(ID, &[start(ID, 0)], 55)
        .file("events.jsonl", &events[events.find("\n").expect("a line") + 1..]);
    let (word, sure, text) = heap.conclusion();
    assert_eq!((word.as_str(), sure.as_str()), ("killed", "witness"));
    assert!(
        text.contains(
            "Docker says: exit code 137. Docker was told to send SIGKILL to PID 1, 1.0s before that."
        ),
        "{text}"
    );
}
