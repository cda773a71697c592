//! Stories without an end: what is concluded from what, and how sure it is. The table of docs/inquest.md,
//! line by line.

use crate::support::{ID, TASK, docker_log, fixture, inquest, lives, record, time};
use serde_json::{Value, json};
use std::path::Path;

pub const OTHER: &str = "b21d5ec4aa6bba732d619abf46f31a294fd0f07aab27410f00293d91660e8452";
pub const INSTANCE: &str =
    "arn:aws:ecs:eu-central-1:123456789012:container-instance/default/0123456789abcdef0123456789abcdef";

/// A heap of logs, written by a test.
pub struct Heap(tempfile::TempDir);

impl Heap {
    pub fn new() -> Heap {
        Heap(tempfile::tempdir().expect("a directory"))
    }

    /// The log of a container, as Docker keeps it: its records, and a line of its program at the end.
    pub fn container(self, id: &str, records: &[Value], last_line: u64) -> Heap {
        let seconds = |record: &Value| {
            let time = record["time"].as_str().expect("a time");
            let part =
                |range| time.get(range).and_then(|text: &str| text.parse::<u64>().ok()).expect("a number");
            (part(11..13) - 17) * 3600 + part(14..16) * 60 + part(17..19)
        };
        let mut lines: Vec<(u64, String)> =
            records.iter().map(|record| (seconds(record), record.to_string())).collect();
        lines.push((last_line, "INFO still here".to_owned()));
        lines.sort_by_key(|(second, _)| *second);
        self.file(&format!("containers/{id}/{id}-json.log"), &docker_log(&lines))
    }

    pub fn file(self, name: &str, text: &str) -> Heap {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        std::fs::write(path, text).expect("a file");
        self
    }

    /// Something that is later than all else by an hour, so that nothing may still run.
    pub fn an_hour_later(self) -> Heap {
        let later = record(
            "exit",
            &"c".repeat(64),
            7200,
            json!({"task_id": "c".repeat(32), "exit": {"code": 0, "verdict": "ok", "runtime_ms": 5}}),
        );
        self.file("later.jsonl", &(later.to_string() + "\n"))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// What is concluded about the life that began first.
    pub fn conclusion(&self) -> (String, String, String) {
        let lives = lives(self.path());
        let life = lives
            .iter()
            .find(|life| life["container_id"] == ID)
            .unwrap_or_else(|| panic!("a life: {lives:#?}"));
        let text = |key: &str| life["conclusion"][key].as_str().unwrap_or_default().to_owned();
        (text("word"), text("sure"), text("text"))
    }

    pub fn certificate(&self) -> String {
        inquest(&[ID, self.path().to_str().expect("UTF-8")]).stdout
    }
}

pub fn start(id: &str, second: u64) -> Value {
    record(
        "start",
        id,
        second,
        json!({"program": "serve", "container_name": "server", "instance_arn": INSTANCE}),
    )
}

pub fn stop(id: &str, second: u64) -> Value {
    record("stop", id, second, json!({"signal": "SIGTERM"}))
}

/// The kernel's two lines on an OOM kill in a container of a task.
pub fn oom_kill(id: &str, second: u64, group: bool) -> String {
    let at = time(second).replace(".000Z", ".000000+00:00");
    let mut text = format!(
        "{at} vm kernel: oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset={id},mems_allowed=0,oom_memcg=/ecs/{TASK}/{id},task_memcg=/ecs/{TASK}/{id},task=serve,pid=11516,uid=0\n\
         {at} vm kernel: Memory cgroup out of memory: Killed process 11516 (serve) total-vm:26852kB, anon-rss:15592kB, file-rss:1000kB, shmem-rss:0kB, UID:0 pgtables:76kB oom_score_adj:0\n"
    );
    if group {
        text += &format!(
            "{at} vm kernel: Tasks in /ecs/{TASK}/{id} are going to be killed due to memory.oom.group set\n"
        );
    }
    text
}

pub fn stopped_event(code: i64, reason: Option<&str>, second: u64) -> String {
    let mut container = json!({"containerArn": "arn:aws:ecs:eu-central-1:123456789012:container/x", "name": "server", "lastStatus": "STOPPED",
        "runtimeId": ID, "exitCode": code, "taskArn": format!("arn:aws:ecs:eu-central-1:123456789012:task/default/{TASK}")});
    if let Some(reason) = reason {
        container["reason"] = reason.into();
    }
    json!({"version": "0", "detail-type": "ECS Task State Change", "source": "aws.ecs", "time": time(second), "detail": {
        "taskArn": format!("arn:aws:ecs:eu-central-1:123456789012:task/default/{TASK}"), "lastStatus": "STOPPED", "desiredStatus": "STOPPED",
        "stopCode": "EssentialContainerExited", "stoppedReason": "Essential container in task exited", "stoppedAt": time(second), "executionStoppedAt": time(second),
        "version": 5, "group": "service:shop", "containers": [container]}})
    .to_string()
}

#[test]
fn the_exit_record_says_it() {
    let exit = record(
        "exit",
        ID,
        60,
        json!({"exit": {"code": 3, "verdict": "failed", "why": "It says so.", "runtime_ms": 60000}}),
    );
    let heap = Heap::new().container(ID, &[start(ID, 0), exit], 60).an_hour_later();
    assert_eq!(heap.conclusion(), ("failed".into(), "yes".into(), "It says so.".into()));
}

#[test]
fn the_kernel_took_pid_1_or_the_group() {
    for group in [false, true] {
        let heap = Heap::new()
            .container(ID, &[start(ID, 0)], 50)
            .file("kern.log", &oom_kill(ID, 51, group))
            .an_hour_later();
        let (word, sure, text) = heap.conclusion();
        assert_eq!((word.as_str(), sure.as_str()), ("oom", "yes"), "{text}");
        assert!(text.contains("OOM killer took \"serve\"") || group, "{text}");
        assert!(heap.certificate().contains("kernel  17:00:51.000"), "{}", heap.certificate());
    }
    // A kill that epitaph survived explains no end.
    let heap = Heap::new()
        .container(ID, &[start(ID, 0)], 50)
        .file("kern.log", &oom_kill(ID, 10, false))
        .an_hour_later();
    assert_ne!(heap.conclusion().0, "oom");
    // One in another container neither.
    let heap = Heap::new()
        .container(ID, &[start(ID, 0)], 50)
        .file("kern.log", &oom_kill(OTHER, 51, false))
        .an_hour_later();
    assert_ne!(heap.conclusion().0, "oom");
}

#[test]
fn killed_when_the_grace_was_over() {
    let stuck = record(
        "stuck",
        ID,
        65,
        json!({"processes": [
        {"pid": 6, "ppid": 1, "name": "serve", "state": "D", "wait_channel": "nfs_wait_bit_killable", "memory": 1_798_144, "threads": 4}]}),
    );
    let heap = Heap::new()
        .container(ID, &[start(ID, 0), stop(ID, 60), stuck], 66)
        .file("events.json", &stopped_event(137, None, 90))
        .an_hour_later();
    let (word, sure, text) = heap.conclusion();
    assert_eq!((word.as_str(), sure.as_str()), ("killed", "yes"), "{text}");
    assert!(
        text.contains("30.0s after SIGTERM")
            && text.contains("stuck record")
            && text.contains("--kill-after"),
        "{text}"
    );
    let certificate = heap.certificate();
    assert!(
        certificate.contains("nfs_wait_bit_killable") && certificate.contains("State D:"),
        "{certificate}"
    );
    assert!(certificate.contains("Verdict: none (killed), exit code 137"), "{certificate}");
}

#[test]
fn most_likely_killed_when_the_grace_was_over() {
    let heap = Heap::new().container(ID, &[start(ID, 0), stop(ID, 60)], 66).an_hour_later();
    let (word, sure, text) = heap.conclusion();
    assert_eq!((word.as_str(), sure.as_str()), ("killed", "likely"), "{text}");
}

#[test]
fn most_likely_an_oom_kill_of_the_group() {
    let pressure = record(
        "memory_pressure",
        ID,
        40,
        json!({"memory": {"cgroup": 2, "limit": 1000, "peak": 1000, "oom_kills": 0}, "processes": []}),
    );
    let heap = Heap::new().container(ID, &[start(ID, 0), pressure.clone()], 50).an_hour_later();
    assert_eq!((heap.conclusion().0.as_str(), heap.conclusion().1.as_str()), ("oom", "likely"));
    let heap = Heap::new().container(ID, &[start(ID, 0), pressure], 200).an_hour_later();
    assert_ne!(heap.conclusion().0, "oom", "the pressure was long over");
}

#[test]
fn most_likely_the_instance_was_lost() {
    let both = || Heap::new().container(ID, &[start(ID, 0)], 50).container(OTHER, &[start(OTHER, 3)], 55);
    let (word, sure, text) = both().an_hour_later().conclusion();
    assert_eq!((word.as_str(), sure.as_str()), ("lost", "likely"), "{text}");
    assert!(text.contains("1 other container of the instance 0123456789abcdef"), "{text}");
    // Not where the heap ends there, nor where another container of the instance lives on.
    assert_eq!(both().conclusion().0, "running");
    let third = "d".repeat(64);
    let outlived = both().container(&third, &[start(&third, 3)], 900).an_hour_later();
    assert_ne!(outlived.conclusion().0, "lost");
}

#[test]
fn the_word_of_ecs() {
    let heap = Heap::new()
        .container(ID, &[start(ID, 0)], 50)
        .file(
            "events.json",
            &stopped_event(137, Some("OutOfMemoryError: Container killed due to memory usage"), 60),
        )
        .an_hour_later();
    let (word, sure, text) = heap.conclusion();
    assert_eq!((word.as_str(), sure.as_str()), ("killed", "witness"), "{text}");
    assert_eq!(
        text,
        "No exit record. ECS says: exit code 137, OutOfMemoryError: Container killed due to memory usage."
    );
}

#[test]
fn started_again() {
    let heap = Heap::new().container(ID, &[start(ID, 0), start(ID, 600)], 900).an_hour_later();
    let lives: Vec<Value> =
        lives(heap.path()).into_iter().filter(|life| life["container_id"] == ID).collect();
    assert_eq!(lives.len(), 2);
    assert_eq!(lives[0]["conclusion"]["word"], "ended");
    assert_eq!(lives[0]["conclusion"]["sure"], "yes");
    assert_ne!(lives[1]["conclusion"]["word"], "ended");
}

#[test]
fn restarts_come_apart_whatever_the_order() {
    let exit = |second: u64, runtime: u64| {
        record(
            "exit",
            ID,
            second,
            json!({"exit": {"code": 1, "verdict": "failed", "runtime_ms": runtime * 1000}}),
        )
    };
    let records = [start(ID, 0), exit(10, 10), start(ID, 11), exit(20, 9), start(ID, 21), exit(30, 9)];
    let mut expected = None;
    for rotation in 0..records.len() {
        let mut records = records.to_vec();
        records.rotate_left(rotation);
        let text: String = records.iter().map(|record| record.to_string() + "\n").collect();
        let heap = Heap::new().file("a.jsonl", &text);
        let lives = lives(heap.path());
        let spans: Vec<(Value, Value, Value)> = lives
            .iter()
            .map(|life| (life["started"].clone(), life["ended"].clone(), life["disputed"].clone()))
            .collect();
        assert_eq!(spans.len(), 3);
        assert!(
            spans
                .iter()
                .all(|(start, end, disputes)| start.is_string() && end.is_string() && disputes == &json!([])),
            "{spans:?}"
        );
        assert_eq!(*expected.get_or_insert(spans.clone()), spans);
    }
}

#[test]
fn exec_or_killed_cannot_be_told() {
    let heap = Heap::new().file("a.jsonl", &(start(ID, 0).to_string() + "\n")).an_hour_later();
    let (word, sure, text) = heap.conclusion();
    assert_eq!((word.as_str(), sure.as_str()), ("unknown", "no"));
    assert!(text.contains("--exec"), "{text}");
}

#[test]
fn it_may_still_run() {
    let heap = Heap::new().container(ID, &[start(ID, 0), record("memory_pressure", ID, 5, json!({}))], 1000);
    assert_eq!(heap.conclusion().0, "running");
    let table = inquest(&["list", heap.path().to_str().expect("UTF-8")]).stdout;
    assert!(table.contains("still running?"), "{table}");
}

#[test]
fn without_a_start_it_is_told_from_what_is_there() {
    let exit = record(
        "exit",
        ID,
        60,
        json!({"family": "shop", "exit": {"code": 3, "verdict": "failed", "why": "x", "runtime_ms": 60000}}),
    );
    let heap = Heap::new().container(ID, &[exit], 59);
    let lives = lives(heap.path());
    assert_eq!((&lives[0]["started"], &lives[0]["started_from"]), (&json!(time(0)), &json!("exit")));
    assert!(
        heap.certificate().contains("(computed: there is no start record, the log begins at 17:00:59.000)"),
        "{}",
        heap.certificate()
    );
}

#[test]
fn only_another_witness_knows_it() {
    let heap = Heap::new()
        .container(OTHER, &[record("start", OTHER, 0, json!({"task_id": "e".repeat(32)}))], 5)
        .file("events.json", &stopped_event(1, None, 90))
        .file("service.txt", &format!("(service shop) has stopped 1 running tasks: (task {TASK}).\n"));
    for who in [TASK, "9d4f"] {
        let ran = inquest(&[who, heap.path().to_str().expect("UTF-8")]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.stdout.contains("Verdict: none: epitaph wrote nothing that is here"), "{}", ran.stdout);
        assert!(
            ran.stdout.contains("exit code 1") && ran.stdout.contains("has stopped 1 running tasks"),
            "{}",
            ran.stdout
        );
        assert!(
            ran.stdout.contains("Covered: the records here are of 2026-11-23 17:00:00.000Z to"),
            "{}",
            ran.stdout
        );
    }
    let ran = inquest(&["--no-witness", TASK, heap.path().to_str().expect("UTF-8")]);
    assert_eq!(ran.code, 1);
}

#[test]
fn lost_records_are_told() {
    let exit = record(
        "exit",
        ID,
        60,
        json!({"exit": {"code": 0, "verdict": "ok", "runtime_ms": 60000, "records_lost": 3}}),
    );
    let heap = Heap::new().container(ID, &[start(ID, 0), exit], 60);
    assert!(heap.certificate().contains("Lost: 3 records could not be written"), "{}", heap.certificate());
}

#[test]
fn real_witnesses_join_the_real_records() {
    let paths = ["engine/ecs-like-oom", "engine/kernel/journal-k.short"]
        .map(|name| fixture(name).to_str().expect("UTF-8").to_owned());
    let ran = inquest(&[OTHER, &paths[0], &paths[1]]);
    assert_eq!(ran.code, 0);
    for text in [
        "Verdict: oom_child, exit code 4",
        "kernel  21:06:00.308",
        "Killed process 11516 (sh)",
        "exit code 4, OOMKilled true",
        "die (exitCode=4)",
    ] {
        assert!(ran.stdout.contains(text), "{text}: {}", ran.stdout);
    }
}

/// All three runs of a container that is restarted within a second: only `run` tells them apart.
#[test]
fn runs_come_apart_by_their_token() {
    let of_run = |kind: &str, run: &str, more: Value| {
        let mut record = record(kind, ID, 5, more);
        record["run"] = run.into();
        record
    };
    let exit = |run: &str, code: u64| {
        of_run("exit", run, json!({"exit": {"code": code, "verdict": "failed", "why": "x", "runtime_ms": 3}}))
    };
    let runs = ["5b1e-1", "5b1e-2", "5b1e-3"];
    let mut records: Vec<Value> =
        runs.iter().map(|run| of_run("start", run, json!({"program": "serve"}))).collect();
    records.extend([exit("5b1e-3", 3), exit("5b1e-1", 1), exit("5b1e-2", 2)]);
    let text: String = records.iter().map(|record| record.to_string() + "\n").collect();
    let lives = lives(Heap::new().file("a.jsonl", &text).path());
    let mut told: Vec<(&str, i64)> = lives
        .iter()
        .map(|life| (life["run"].as_str().expect("a run"), life["code"].as_i64().expect("a code")))
        .collect();
    told.sort_unstable();
    assert_eq!(told, [("5b1e-1", 1), ("5b1e-2", 2), ("5b1e-3", 3)]);
    assert!(lives.iter().all(|life| life["disputed"] == json!([])), "{lives:#?}");
}

/// `--task-stats` tells of the other containers of the task in the log of its own.
#[test]
fn statistics_of_others_are_no_dispute_and_no_life() {
    let sidecar = "e".repeat(64);
    let stats = |id: &str| {
        record("stats", id, 20, json!({"window_ms": 60_000, "memory_used": 5_000_000, "container_name": "x"}))
    };
    let mut task = record("task", ID, 20, json!({"containers": 3, "running": 3}));
    task.as_object_mut().expect("an object").remove("container_id");
    let mut own = record(
        "stats",
        ID,
        21,
        json!({"window_ms": 60_000, "memory_used": 7_000_000, "memory_limit": 9_000_000}),
    );
    own["run"] = "5b1e-1".into();
    let mut begun = start(ID, 0);
    begun["run"] = "5b1e-1".into();
    let heap = Heap::new().container(ID, &[begun, own, stats(OTHER), stats(&sidecar), task], 30).container(
        OTHER,
        &[start(OTHER, 1)],
        30,
    );
    let lives = lives(heap.path());
    assert_eq!(lives.len(), 2, "{lives:#?}");
    for life in &lives {
        assert_eq!(life["disputed"], json!([]), "{life:#?}");
        assert!(life["memory"]["usage"].as_u64() > Some(4_000_000), "{life:#?}");
    }
    let records = inquest(&["records", heap.path().to_str().expect("UTF-8")]).stdout;
    assert_eq!(records.lines().count(), 6, "{records}");
}

/// `journalctl -k -o json` has the two lines of a kill as two objects.
#[test]
fn one_kill_is_one_statement_in_json_too() {
    let entries: String = oom_kill(ID, 51, false)
        .lines()
        .map(|line| {
            let (_, message) = line.split_once("kernel: ").expect("the kernel's");
            json!({"__REALTIME_TIMESTAMP": "1795453251000000", "_TRANSPORT": "kernel", "_HOSTNAME": "vm", "MESSAGE": message}).to_string() + "\n"
        })
        .collect();
    let heap = Heap::new().container(ID, &[start(ID, 0)], 50).file("kern.json", &entries).an_hour_later();
    let life = lives(heap.path()).into_iter().find(|life| life["container_id"] == ID).expect("the life");
    let witnesses = life["witnesses"].as_array().expect("a list");
    assert_eq!(witnesses.len(), 1, "{witnesses:#?}");
    assert_eq!(life["conclusion"]["word"], "oom");
    assert!(life["conclusion"]["text"].as_str().expect("a text").contains("took \"serve\""), "{life:#?}");
}

/// The kernel's lines of a kill behind another prefix.
fn told_at(prefix: &str, id: &str) -> String {
    oom_kill(id, 0, false)
        .lines()
        .map(|line| format!("{prefix}{}\n", line.split_once("kernel: ").expect("the kernel's").1))
        .collect()
}

/// Three lives of one container, of which the second had an OOM kill at 17:05:10: boot was at 16:00.
fn three_lives() -> Heap {
    let of_run = |kind: &str, second: u64, begun: u64, more: Value| {
        let mut record = record(kind, ID, second, more);
        record["run"] = format!("5b1e-{:x}", (3600 + begun) * 100).into();
        record
    };
    let mut text = String::new();
    for begun in [0, 300, 600] {
        let mut lines =
            vec![of_run("start", begun + 2, begun, json!({"program": "serve", "identity_ms": 2000}))];
        if begun == 300 {
            lines.push(of_run("oom_kill", 310, begun, json!({"victim": {"pid": 9, "name": "serve"}})));
        }
        lines.push(of_run(
            "exit",
            begun + 100,
            begun,
            json!({"exit": {"code": 1, "verdict": "failed", "why": "x", "runtime_ms": 98_000}}),
        ));
        text.extend(lines.iter().map(|line| line.to_string() + "\n"));
    }
    Heap::new().file("a.jsonl", &text)
}

#[test]
fn times_of_other_clocks_are_placed_at_the_record_that_they_explain() {
    for (name, prefix) in [
        ("dmesg", "[ 3910.250000] "),
        ("dmesg -T, in UTC", "[Mon Nov 23 17:05:10 2026] "),
        ("dmesg -T, an hour ahead", "[Mon Nov 23 18:05:10 2026] "),
        ("syslog, half an hour from a full one", "Nov 23 22:35:11 vm kernel: "),
    ] {
        let heap = three_lives().file("kernel.log", &told_at(prefix, ID));
        let lives = lives(heap.path());
        let said: Vec<usize> =
            lives.iter().map(|life| life["witnesses"].as_array().expect("a list").len()).collect();
        assert_eq!(said, [0, 1, 0], "{name}: {lives:#?}");
        let witness = &lives[1]["witnesses"][0];
        assert_eq!(witness["time_computed"], true, "{name}: {witness:#}");
        let at = witness["time"].as_str().expect("a time");
        assert!(("2026-11-23T17:05:09.9"..="2026-11-23T17:05:11.1").contains(&at), "{name}: {at}");
        let path = heap.path().to_str().expect("UTF-8");
        let of_run = inquest(&["--until", "2026-11-23T17:06:00Z", ID, path]).stdout;
        assert!(of_run.contains("kernel  ~17:05:1"), "{name}: {of_run}");
    }
    // Of another time of the same boot it is about nobody here.
    let heap = three_lives().file("kernel.log", &told_at("[ 9910.250000] ", ID));
    assert!(lives(heap.path()).iter().all(|life| life["witnesses"][0]["time"].is_null()));
}

#[test]
fn what_cannot_be_placed_explains_no_end_that_it_may_not_be_of() {
    // Started again: the line may be about either.
    let heap = Heap::new()
        .container(ID, &[start(ID, 0), start(ID, 600)], 900)
        .file("kernel.log", &told_at("", ID))
        .an_hour_later();
    let lives = lives(heap.path());
    let first = lives.iter().find(|life| life["container_id"] == ID).expect("the life");
    assert_eq!(first["conclusion"]["word"], "ended", "{first:#?}");
    // The only one it can be about.
    let heap =
        Heap::new().container(ID, &[start(ID, 0)], 50).file("kernel.log", &told_at("", ID)).an_hour_later();
    assert_eq!(heap.conclusion().0, "oom");
}

#[test]
fn a_real_kill_is_placed_beside_the_real_record() {
    // The real lines, as syslog of old writes them.
    let journal = std::fs::read_to_string(fixture("engine/kernel/journal-k.short")).expect("a file");
    let of_old: String = journal
        .lines()
        .filter_map(|line| Some(format!("Nov 26 {}{}\n", line.get(11..19)?, line.get(31..)?)))
        .collect();
    assert!(of_old.contains("Nov 26 21:06:00 vm kernel: "), "{of_old}");
    let heap = Heap::new().file("messages", &of_old);
    let ran = inquest(&[
        OTHER,
        fixture("engine/ecs-like-oom").to_str().expect("UTF-8"),
        heap.path().to_str().expect("UTF-8"),
    ]);
    assert!(ran.stdout.contains("kernel  ~21:06:00.000"), "{}", ran.stdout);
}
