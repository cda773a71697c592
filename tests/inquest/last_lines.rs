//! What stands in a certificate of the program's own words, and of the figures that are in the records.

use crate::incomplete::{Heap, OTHER, start};
use crate::support::{ID, docker_log, inquest, inquest_reading, record};
use serde_json::{Value, json};

fn exit(id: &str, second: u64) -> Value {
    record(
        "exit",
        id,
        second,
        json!({"exit": {"code": 1, "verdict": "failed", "why": "It says so.", "runtime_ms": second * 1000}}),
    )
}

/// The lines of the section.
fn last_lines(certificate: &str) -> Vec<String> {
    let lines = certificate.lines().skip_while(|line| !line.trim_start().starts_with("Last lines: ")).skip(1);
    lines.take_while(|line| line.starts_with("                ")).map(|line| line.trim().to_owned()).collect()
}

#[test]
fn the_last_ten_lines_before_the_end() {
    let mut lines: Vec<(u64, String)> = vec![(0, start(ID, 0).to_string())];
    lines.extend((1..30).map(|second| (second, format!("line {second}"))));
    lines.push((30, "\u{1b}[31mFATAL\u{1b}]0;x\u{7} ".to_owned() + &"wide ".repeat(100)));
    lines.push((30, "[WARN epitaph (1)] a diagnostic".to_owned()));
    lines.push((31, exit(ID, 31).to_string()));
    let heap = Heap::new().file(&format!("containers/{ID}/{ID}-json.log"), &docker_log(&lines));
    let text = heap.certificate();
    let told = last_lines(&text);
    assert_eq!(told.len(), 10, "{text}");
    assert_eq!(told[0], "17:00:21.000  line 21");
    assert!(
        told[9].starts_with("17:00:30.000  FATAL\\u{1b}]0;x\\u{7} wide") && told[9].ends_with('…'),
        "{}",
        told[9]
    );
    assert!(told[9].chars().count() < 200, "{}", told[9]);
    assert!(!text.contains('\u{1b}') && !text.contains("a diagnostic"), "{text}");
    assert!(
        text.contains("Last lines: (what stands last in its log: the program's own words, not evidence)"),
        "{text}"
    );
    // From a pipe too, and as JSON.
    let log = docker_log(&lines);
    assert_eq!(last_lines(&inquest_reading(&[ID], log.as_bytes()).stdout).len(), 10);
    let document: Value =
        serde_json::from_str(&inquest_reading(&["--format", "json", ID], log.as_bytes()).stdout)
            .expect("JSON");
    assert_eq!(
        document["lives"][0]["last_lines"][0],
        json!({"time": "2026-11-23T17:00:21.000Z", "text": "line 21"})
    );
}

#[test]
fn where_there_is_no_exit_record() {
    let heap = Heap::new().container(ID, &[start(ID, 0)], 20).an_hour_later();
    assert_eq!(last_lines(&heap.certificate()), ["17:00:20.000  INFO still here"]);
    // Of two runs each has its own.
    let lines = [
        (0, start(ID, 0).to_string()),
        (5, "first".to_owned()),
        (10, start(ID, 10).to_string()),
        (15, "second".to_owned()),
    ];
    let heap = Heap::new().file(&format!("{ID}-json.log"), &docker_log(&lines)).an_hour_later();
    assert_eq!(last_lines(&heap.certificate()), ["17:00:15.000  second"]);
    let ran = inquest(&["--until", "2026-11-23T17:00:05Z", ID, heap.path().to_str().expect("UTF-8")]);
    assert_eq!(last_lines(&ran.stdout), ["17:00:05.000  first"], "{}", ran.stdout);
}

#[test]
fn nobody_elses_words() {
    // Several containers in one file, and nothing on the lines that tells whose they are.
    let text =
        |records: &[Value]| records.iter().map(|record| format!("a word\n{record}\n")).collect::<String>();
    let both = text(&[start(ID, 0), start(OTHER, 1), exit(ID, 5), exit(OTHER, 6)]);
    let ran = inquest_reading(&[ID], both.as_bytes());
    assert!(ran.stdout.contains("Verdict: failed") && !ran.stdout.contains("Last lines"), "{}", ran.stdout);
    let alone = text(&[start(ID, 0), exit(ID, 5)]);
    assert_eq!(last_lines(&inquest_reading(&[ID], alone.as_bytes()).stdout), ["a word"]);
    // Where the lines tell it, each has its own.
    let line = |id: &str, text: String| json!({"log": text, "container_id": id}).to_string() + "\n";
    let mixed = [
        line(ID, start(ID, 0).to_string()),
        line(OTHER, "not mine".to_owned()),
        line(ID, "mine".to_owned()),
        line(OTHER, exit(OTHER, 4).to_string()),
        line(ID, exit(ID, 5).to_string()),
    ]
    .concat();
    assert_eq!(last_lines(&inquest_reading(&[ID], mixed.as_bytes()).stdout), ["mine"]);
}

#[test]
fn figures_that_say_something() {
    let stop = |second: u64, more: Value| {
        let mut stop =
            record("stop", ID, second, json!({"signal": "SIGTERM", "sender": "inside", "sender_pid": 39}));
        stop.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        stop
    };
    let stuck = record(
        "stuck",
        ID,
        58,
        json!({"late_ms": 2390, "processes": [{"pid": 6, "ppid": 1, "name": "serve", "state": "S", "threads": 1, "sigterm": "ignored"}]}),
    );
    let mut end = record(
        "exit",
        ID,
        60,
        json!({"exit": {"code": 143, "signal": "SIGTERM", "verdict": "stopped", "why": "It says so.", "runtime_ms": 60_000,
            "stop_signal": "SIGTERM", "stop_ms": 1000}}),
    );
    end["memory"] = json!({"limit": 134_217_728, "peak": 134_217_728, "oom_kills": 0, "limit_hits": 3, "anon": 19_293_798, "file": 110_000_000,
        "shmem": 109_785_907});
    end["pids"] = json!({"limit": 70, "peak": 70, "limit_hits": 4});
    let records = [
        start(ID, 0),
        stop(47, json!({"sender_name": "sh", "sender_ppid": 0})),
        stop(59, json!({"sender_name": "reload", "sender_ppid": 12})),
        stuck,
        end,
    ];
    let text = Heap::new().container(ID, &records, 59).certificate();
    for expected in [
        "from sh (39), which came from outside: docker exec, or a health check of the engine",
        "from reload (39), a child of 12",
        "2.3s late: the container or the machine stood still",
        "Stop: SIGTERM came 1.0s before the end (2 stop signals, the first one 12.0s before it)",
        "    PID NAME            S    MEMORY THREADS SIGTERM WAITS IN\n                      6 serve           S         –       1 ignored –",
        "Memory kinds: after the program's end: 18.4 MiB anonymous (heaps, stacks), 105 MiB shared (tmpfs, /dev/shm), 209 KiB page cache of \
         files, which the kernel can take back; the limit was met 3 times",
        "Processes: peak 70 of 70, with threads; 4 times a process or thread could not be started",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    // What says nothing is left out.
    let text = Heap::new().container(ID, &[start(ID, 0), exit(ID, 60)], 59).certificate();
    assert!(!text.contains("Memory kinds") && !text.contains("Processes"), "{text}");
}
