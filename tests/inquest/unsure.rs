//! Stories without an end that look like another one at first sight: what must not be concluded.

use crate::incomplete::{Heap, OTHER, oom_kill, start, stop, stopped_event};
use crate::support::{ID, TASK, inquest, record, time};
use serde_json::{Value, json};

fn words(heap: &Heap) -> (String, String) {
    let (word, sure, _) = heap.conclusion();
    (word, sure)
}

fn is(word: &str, sure: &str) -> (String, String) {
    (word.to_owned(), sure.to_owned())
}

fn exec_start(second: u64) -> Value {
    let mut start = start(ID, second);
    start["pid"] = 1.into();
    start
}

#[test]
fn only_a_start_is_no_sign_that_it_still_runs() {
    // The newest line of the heap is near, and nothing tells that this one went on.
    let other = || Heap::new().container(OTHER, &[start(OTHER, 0)], 60);
    let heap = other().file("a.jsonl", &(start(ID, 0).to_string() + "\n"));
    let (word, sure, text) = heap.conclusion();
    assert_eq!((word, sure), is("unknown", "no"), "{text}");
    assert!(text.contains("--exec") && text.contains("or it still runs"), "{text}");
    // A later line of its own log tells it, with --exec too.
    for first in [start(ID, 0), exec_start(0)] {
        let heap = other().container(ID, &[first], 50);
        assert_eq!(words(&heap), is("running", "no"));
        assert!(heap.conclusion().2.contains("its log goes on"), "{:?}", heap.conclusion());
    }
}

#[test]
fn with_exec_nobody_writes_an_exit_record() {
    let heap = Heap::new().container(ID, &[exec_start(0)], 50).an_hour_later();
    let (word, sure, text) = heap.conclusion();
    assert_eq!((word, sure), is("unknown", "no"), "{text}");
    assert!(text.starts_with("The program was PID 1 itself (--exec)"), "{text}");
    // A kill of the kernel may have been of a child; with all of the group it was not.
    for (group, sure) in [(false, "likely"), (true, "yes")] {
        let heap = Heap::new()
            .container(ID, &[exec_start(0)], 50)
            .file("kern.log", &oom_kill(ID, 51, group))
            .an_hour_later();
        assert_eq!(words(&heap), is("oom", sure), "{:?}", heap.conclusion());
    }
}

#[test]
fn an_exit_code_says_more_than_what_is_likely() {
    let stopped = |code| {
        Heap::new()
            .container(ID, &[start(ID, 0), stop(ID, 60)], 66)
            .file("events.json", &stopped_event(code, None, 90))
            .an_hour_later()
    };
    let (word, sure, text) = stopped(143).conclusion();
    assert_eq!((word, sure), is("ended", "witness"), "{text}");
    assert!(text.contains("ECS says: exit code 143"), "{text}");
    assert_eq!(words(&stopped(137)), is("killed", "yes"));
    let pressure = || record("memory_pressure", ID, 40, json!({"memory": {"limit": 1000, "peak": 1000}}));
    let pressed = |code| {
        Heap::new()
            .container(ID, &[start(ID, 0), pressure()], 50)
            .file("events.json", &stopped_event(code, None, 55))
            .an_hour_later()
    };
    assert_eq!(words(&pressed(1)), is("ended", "witness"));
    assert_eq!(words(&pressed(137)), is("oom", "likely"));
    assert!(pressed(137).certificate().contains("exit code 137"), "{}", pressed(137).certificate());
    let both = Heap::new()
        .container(ID, &[start(ID, 0)], 50)
        .container(OTHER, &[start(OTHER, 3)], 55)
        .file("events.json", &stopped_event(1, None, 56))
        .an_hour_later();
    assert_eq!(words(&both), is("ended", "witness"));
}

#[test]
fn a_stop_that_was_outlived_explains_no_end() {
    let heap = Heap::new().container(ID, &[start(ID, 0), stop(ID, 60)], 3000).an_hour_later();
    assert_eq!(words(&heap), is("unknown", "no"), "{:?}", heap.conclusion());
    let heap = Heap::new()
        .container(ID, &[start(ID, 0), stop(ID, 60)], 3000)
        .file("events.json", &stopped_event(137, None, 3060))
        .an_hour_later();
    let (word, sure, text) = heap.conclusion();
    assert_eq!((word, sure), is("killed", "witness"), "{text}");
    assert!(!text.contains("grace"), "{text}");
}

#[test]
fn what_is_near_the_end_of_the_heap_may_go_on() {
    let pressure = record("memory_pressure", ID, 40, json!({"memory": {"limit": 1000, "peak": 1000}}));
    for records in [vec![start(ID, 0), pressure], vec![start(ID, 0), stop(ID, 40)]] {
        let (_, sure, text) = Heap::new().container(ID, &records, 50).conclusion();
        assert_eq!(sure, "likely");
        assert!(text.contains("Or it still runs"), "{text}");
        let (_, _, text) = Heap::new().container(ID, &records, 50).an_hour_later().conclusion();
        assert!(!text.contains("still runs"), "{text}");
    }
}

#[test]
fn an_instance_that_was_drained_was_not_lost() {
    let third = "d".repeat(64);
    let heap = Heap::new()
        .container(ID, &[start(ID, 0)], 50)
        .container(OTHER, &[start(OTHER, 3)], 55)
        .container(&third, &[start(&third, 3), stop(&third, 45)], 52)
        .an_hour_later();
    assert_ne!(heap.conclusion().0, "lost");
}

#[test]
fn who_became_as_old_as_it_may_did_not_end_badly() {
    let exit = |id: &str, verdict: &str| {
        record(
            "exit",
            id,
            60,
            json!({"exit": {"code": 1, "verdict": verdict, "why": "x", "runtime_ms": 60_000}}),
        )
    };
    let text = [exit(ID, "expired"), exit(OTHER, "failed")].map(|record| record.to_string() + "\n").concat();
    let heap = Heap::new().file("a.jsonl", &text);
    let path = heap.path().to_str().expect("UTF-8");
    let bad = inquest(&["list", "--verdict", "bad", path]).stdout;
    assert!(bad.contains("failed") && !bad.contains("expired"), "{bad}");
    // Of a task's containers the certificate is that of the one that did.
    let asked = inquest(&[TASK, path]).stdout;
    assert!(asked.contains("Verdict: failed") && !asked.contains("Verdict: expired"), "{asked}");
    let _ = time(0);
}
