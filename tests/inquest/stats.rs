//! `inquest stats` over an incident whose numbers are known: each statement of it, in each form.

use crate::support::{inquest, record};
use serde_json::{Value, json};
use std::path::Path;

const MIB: u64 = 1 << 20;

/// Writes the records of one life after the other.
struct Writer {
    lines: Vec<String>,
    lives: u64,
}

impl Writer {
    /// A life of `shop-web` in this revision, whose image has its number.
    fn life(&mut self, revision: u64, begun: u64, events: &[(&str, u64, Value)]) {
        self.lives += 1;
        let (container, task) = (format!("{:064x}", self.lives), format!("{:032x}", self.lives));
        let mut add = |kind: &str, second: u64, more: &Value| {
            let identity = json!({
                "container_name": "server", "family": "shop-web", "revision": revision.to_string(), "service": "shop",
                "image_id": format!("sha256:{revision:064x}"),
            });
            let mut line = record(kind, &container, second, identity);
            let fields = line.as_object_mut().expect("an object");
            fields.insert("task_id".to_owned(), task.as_str().into());
            fields.extend(more.as_object().expect("an object").clone());
            self.lines.push(line.to_string());
        };
        add("start", begun, &json!({"program": "serve"}));
        for (kind, second, more) in events {
            add(kind, *second, more);
        }
    }
}

fn exit(verdict: &str, runtime: u64, peak: u64, stop: Option<u64>) -> Value {
    let oom = u64::from(verdict == "oom_killed");
    let mut exit = json!({"code": 1, "verdict": verdict, "why": "x", "runtime_ms": runtime * 1000});
    if let Some(stop) = stop {
        exit["stop_signal"] = "SIGTERM".into();
        exit["stop_ms"] = stop.into();
    }
    json!({"exit": exit, "memory": {"limit": 512 * MIB, "peak": peak * MIB, "oom_kills": oom}})
}

/// Revision 25 is well: five lives whose peaks rise by 10 MiB each, stopped in 100 to 400 ms, and one that
/// took 12 s. Revision 26 is a crash loop of four, 40 s each, 20 s apart; and a life without an end, long
/// before the newest line.
fn incident() -> tempfile::TempDir {
    let mut writer = Writer { lines: Vec::new(), lives: 0 };
    for number in 0..5 {
        let begun = number * 1000;
        let took = if number == 4 { 12_000 } else { (number + 1) * 100 };
        let stop = ("stop", begun + 880, json!({"signal": "SIGTERM"}));
        writer.life(
            25,
            begun,
            &[stop, ("exit", begun + 900, exit("stopped", 900, 100 + number * 10, Some(took)))],
        );
    }
    for number in 0..4 {
        let begun = 6000 + number * 60;
        writer.life(26, begun, &[("exit", begun + 40, exit("oom_killed", 40, 512, None))]);
    }
    writer.life(26, 7500, &[("memory_pressure", 7800, json!({}))]);
    // Another one, to which the heap goes on.
    writer.life(25, 9900, &[("exit", 10_400, exit("stopped", 500, 150, Some(100)))]);
    let folder = tempfile::tempdir().expect("a directory");
    std::fs::write(folder.path().join("a.jsonl"), writer.lines.join("\n") + "\n").expect("a file");
    folder
}

fn asked(folder: &Path, options: &[&str]) -> String {
    let mut arguments = vec!["stats"];
    arguments.extend(options);
    arguments.push(folder.to_str().expect("UTF-8"));
    let ran = inquest(&arguments);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{options:?}");
    ran.stdout
}

fn document(folder: &Path, options: &[&str]) -> Value {
    let all = [options, &["--format", "json"]].concat();
    serde_json::from_str(&asked(folder, &all)).expect("a document")
}

#[test]
fn each_number_is_what_was_written() {
    let folder = incident();
    let told = document(folder.path(), &["--by", "revision,verdict"]);
    assert_eq!((&told["n"], &told["tasks"], &told["complete"]), (&json!(11), &json!(11), &json!(true)));

    let groups: Vec<String> = told["groups"]
        .as_array()
        .expect("groups")
        .iter()
        .map(|group| {
            let key = &group["key"];
            format!("{} {}: {} {}", key["revision"], key["verdict"], group["n"], group["median_runtime_ms"])
        })
        .collect();
    assert_eq!(
        groups,
        [r#""25" "stopped": 6 900000"#, r#""26" "oom_killed": 4 40000"#, r#""26" "none (oom)": 1 null"#,]
    );

    let loops = told["crash_loops"].as_array().expect("loops");
    assert_eq!(loops.len(), 1, "{loops:?}");
    assert_eq!(
        loops[0],
        json!({
            "kind": "shop-web:26/server", "n": 4, "tasks": 4, "first": "2026-11-23T18:40:00.000Z",
            "last": "2026-11-23T18:43:40.000Z", "median_life_ms": 40_000, "outcomes": {"oom_killed": 4},
            "peak": {"n": 4, "lowest": 512 * MIB, "highest": 512 * MIB,
                "limit": {"lowest": 512 * MIB, "highest": 512 * MIB}},
        })
    );

    let memory = &told["memory"];
    assert_eq!(memory[0]["kind"], "shop-web:25/server");
    assert_eq!(
        (&memory[0]["survived"]["n"], &memory[0]["survived"]["highest"]),
        (&json!(6), &json!(150 * MIB))
    );
    assert_eq!((&memory[0]["killed_n"], &memory[0]["trend"]["n"]), (&json!(0), &json!(6)));
    assert_eq!(
        (&memory[0]["trend"]["bytes_a_start"], &memory[0]["trend"]["rho"]),
        (&json!(10 * MIB), &json!(1.0))
    );
    assert_eq!(memory[1]["kind"], "shop-web:26/server");
    assert_eq!((&memory[1]["survived"], &memory[1]["killed"]["n"]), (&Value::Null, &json!(4)));
    // With the one of which it is concluded.
    assert_eq!((&memory[1]["killed_n"], &memory[1]["trend"]), (&json!(5), &Value::Null));

    let stops = told["stops"].as_array().expect("stops");
    assert_eq!(stops.len(), 1, "only revision 25 was stopped: {stops:?}");
    for (key, value) in
        [("n", 6), ("median_ms", 200), ("longest_ms", 12_000), ("slow", 1), ("without_end", 0)]
    {
        assert_eq!(stops[0][key], value, "{key}");
    }
    assert_eq!(stops[0]["slowest"][0]["id"], format!("{:032x}", 5));

    assert_eq!(
        told["without_end"],
        json!([{"kind": "shop-web:26/server", "n": 1, "of": 5, "conclusions": {"oom": 1}}])
    );

    let images: Vec<(u64, u64)> = told["images"]
        .as_array()
        .expect("images")
        .iter()
        .map(|image| (image["n"].as_u64().expect("n"), image["bad"].as_u64().expect("bad")))
        .collect();
    assert_eq!(images, [(6, 0), (5, 5)]);
}

#[test]
fn a_person_reads_the_same_in_sentences() {
    let folder = incident();
    let text = asked(folder.path(), &[]);
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for sentence in [
        "4 starts in 3m40s, median life 40.0s, 4 × oom_killed; limit 512 MiB, peak 512 MiB each time; from",
        "lives that the OOM killer left alone peaked at 150 MiB at most (n = 6; limit 512 MiB)",
        "the peak rises 10.0 MiB a start (Spearman's ρ = 1.00, n = 6)",
        "no life that the OOM killer left alone tells its peak; 5 lives met the OOM killer at a limit of 512 MiB",
        "median 200ms, longest 12.0s (n = 6); 1 took 5.0s or longer",
        "1 of 5 lives has no exit record; concluded: 1 × oom",
        "ended badly 5 of 5, with the image before it 0 of 6",
        "11 lives of 11 tasks",
    ] {
        assert!(words.contains(sentence), "{sentence}: {text}");
    }
}

#[test]
fn filters_groups_and_csv() {
    let folder = incident();
    let told = document(folder.path(), &["--family", "shop-web:26"]);
    assert_eq!((&told["n"], told["stops"].as_array().map(Vec::len)), (&json!(5), Some(0)));
    let csv = asked(folder.path(), &["--by", "family,revision", "--format", "csv"]);
    assert_eq!(
        csv,
        "family,revision,lives,median_runtime_ms,last\nshop-web,25,6,900000,2026-11-23T19:53:20.000Z\n\
         shop-web,26,5,40000,2026-11-23T19:10:00.000Z\n"
    );
    let ran = inquest(&["stats", "--by", "colour", folder.path().to_str().expect("UTF-8")]);
    assert!(ran.code == 2 && ran.stderr.contains("--by: no key \"colour\""), "{ran:?}");
    let nothing = inquest(&["stats", "--service", "none", folder.path().to_str().expect("UTF-8")]);
    assert!(nothing.code == 1 && nothing.stderr.contains("11 lives of others there"), "{nothing:?}");
}
