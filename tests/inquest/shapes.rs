//! The same story in every shape that a log can have.

use crate::support::{ID, TASK, fixture, inquest, lives, records};
use serde_json::Value;
use std::collections::BTreeMap;

/// Files of the example in README.md: a start, an OOM kill and an exit, and how many of these three records
/// the shape still holds.
const SHAPED: [(&str, usize); 28] = [
    ("aws-logs-tail/detailed.log", 3),
    ("aws-logs-tail/short.log", 3),
    ("cloudwatch-s3-export", 3),
    ("cloudwatch-subscription/lambda-event.json", 3),
    ("cloudwatch-subscription/message.json", 3),
    ("compose/docker-compose-logs.log", 3),
    ("crlf-utf16/windows.log", 2),
    ("datadog/dt=20261123", 3),
    ("datadog/extract.csv", 3),
    ("firehose-s3/2026", 3),
    ("firehose-s3/not-decompressed/twice-gz", 3),
    ("firelens/parsed-json.jsonl", 3),
    ("firelens/records.jsonl", 3),
    ("fluent-bit/stdout.log", 3),
    ("fluentd/out_file.log", 3),
    ("insights/logs-insights-results.csv", 3),
    ("journal/2026-11-23/408255f9fa131dde2d875eadf17b8100a0dbe4ca6647b14830aa00318be492c6.jsonl", 3),
    ("loki/api-query_range.json", 3),
    ("loki/logcli-default.log", 3),
    ("loki/logcli.jsonl", 3),
    ("opensearch/hits.json", 3),
    ("plain/terminal.log", 3),
    ("splunk/export.csv", 3),
    ("splunk/export.json", 3),
    ("vector/docker_logs.jsonl", 3),
    ("reordered/elasticsearch-source.json", 2),
    ("reordered/flattened-keys.jsonl", 2),
    ("reordered/vector-parse_json-sorted-keys.jsonl", 2),
];

/// What must be the same: all of a life but for where it was found.
fn story(life: &Value) -> Value {
    let mut life = life.clone();
    let object = life.as_object_mut().expect("an object");
    for key in ["records", "last_sign", "witnesses"] {
        object.remove(key);
    }
    life
}

#[test]
fn one_story_in_every_shape() {
    let reference = lives(&fixture("shaped/journal/2026-11-23").join(format!("{ID}.jsonl")));
    let [reference] = reference.as_slice() else { panic!("one life: {reference:#?}") };
    assert_eq!(reference["verdict"], "oom_killed");
    assert_eq!(reference["task_id"], TASK);
    assert_eq!(reference["container_id"], ID);
    assert_eq!(reference["disputed"], Value::Array(Vec::new()));
    assert_eq!(reference["memory"]["peak"], 33_554_432);
    let reference = story(reference);
    for (shape, expected) in SHAPED {
        let path = fixture("shaped").join(shape);
        assert_eq!(records(&path).len(), expected, "{shape}");
        let found = lives(&path);
        let [life] = found.as_slice() else { panic!("{shape}: one life: {found:#?}") };
        let mut story = story(life);
        // What FireLens puts in place of the name is not the record's.
        if story.get("container_name").is_none() {
            story["container_name"] = reference["container_name"].clone();
            assert!(shape.starts_with("firelens/parsed"), "{shape}");
        }
        assert_eq!(story, reference, "{shape}");
    }
}

/// Files that real engines wrote, and how many records are in each.
const ENGINES: [(&str, usize); 31] = [
    ("aws-cli-moto/filter-log-events.json", 2),
    ("aws-cli-moto/filter.table", 2),
    ("aws-cli-moto/filter.text", 2),
    ("aws-cli-moto/get-log-events.json", 2),
    ("aws-cli-moto/query.json", 2),
    ("docker-json-file/jf", 2),
    ("docker-json-file/jfr", 2),
    // A record that Docker has cut in two.
    ("docker-json-file/split", 2),
    ("docker-local/loc", 2),
    ("docker-local/locr", 2),
    ("ecs-like-oom/docker-events.jsonl", 0),
    ("ecs-like-oom/oom1-json.log", 3),
    ("ecs-like-oom/oom2-json.log", 3),
    ("fluentd/forward-msgpack.bin", 2),
    ("gelf/gelf.jsonl", 2),
    ("gelf/one-datagram.gz", 1),
    ("journald/journal-all.jsonl", 4),
    ("journald/journal.cat", 4),
    ("journald/journal.export", 4),
    ("journald/journal.json-pretty", 4),
    ("journald/journal.json-seq", 4),
    ("journald/journal.jsonl", 4),
    ("journald/journal.short", 4),
    ("journald/journal.short-iso-precise", 4),
    // journald has dropped the message.
    ("journald/null-message-4088.jsonl", 0),
    ("journald/stuck-4088-bytes.jsonl", 1),
    ("podman-k8s-file/ctr.log", 2),
    ("podman-k8s-file/max-size-2k-truncated.log", 1),
    ("splunk/hec-posts-concatenated.json", 4),
    ("syslog/rfc3164-datagrams.log", 2),
    ("syslog/rfc5424-datagrams.log", 2),
];

#[test]
fn what_real_engines_wrote_is_found() {
    for (name, expected) in ENGINES {
        let path = fixture("engine").join(name);
        let records = records(&path);
        assert_eq!(records.len(), expected, "{name}");
        for life in lives(&path) {
            assert_eq!(life["disputed"], Value::Array(Vec::new()), "{name}");
        }
        let exits: Vec<&Value> = records.iter().filter(|record| record["epitaph"] == "exit").collect();
        // The others are of the example in README.md, or of another program.
        let plain = !["ecs-like-oom", "aws-cli-moto", "podman-k8s-file/max"]
            .iter()
            .any(|other| name.starts_with(other));
        for exit in exits.iter().filter(|_| plain) {
            assert_eq!(
                (&exit["exit"]["code"], &exit["exit"]["verdict"]),
                (&Value::from(3), &Value::from("failed")),
                "{name}"
            );
        }
    }
}

#[test]
fn each_form_of_one_journal_tells_the_same_records() {
    let mut forms = BTreeMap::new();
    for (name, _) in
        ENGINES.iter().filter(|(name, count)| name.starts_with("journald/journal") && *count == 4)
    {
        let ran = inquest(&["records", fixture("engine").join(name).to_str().expect("UTF-8")]);
        forms.insert(*name, ran.stdout);
    }
    let all: Vec<&String> = forms.values().collect();
    assert_eq!(all.len(), 8);
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "{forms:#?}");
}

#[test]
fn the_same_records_in_all_shapes_are_each_one() {
    let names = ["loki", "compose", "journal", "splunk", "reordered", "firelens", "datadog"];
    let paths: Vec<String> =
        names.iter().map(|name| fixture("shaped").join(name).to_str().expect("UTF-8").to_owned()).collect();
    let mut arguments = vec!["records", "--who", ID];
    arguments.extend(paths.iter().map(String::as_str));
    let ran = inquest(&arguments);
    let reference = std::fs::read_to_string(fixture("shaped/journal/2026-11-23").join(format!("{ID}.jsonl")))
        .expect("a file");
    // The records are told as epitaph wrote them, whatever else was made of them.
    assert_eq!(ran.stdout, reference);
}

#[test]
fn what_holds_no_record_gives_none() {
    for name in [
        "shaped/insights/readme-query-without-message.csv",
        "shaped/cloudwatch-s3-export/prefix/aws-logs-write-test",
    ] {
        let ran = inquest(&["list", fixture(name).to_str().expect("UTF-8")]);
        assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{name}");
        assert!(ran.stderr.contains("no life of a container in 1 file"), "{}", ran.stderr);
    }
}

#[test]
fn what_is_packed_otherwise_is_named_with_the_command_that_helps() {
    let ran = inquest(&["list", fixture("shaped/xz-bz2").to_str().expect("UTF-8")]);
    assert_eq!(ran.code, 4);
    assert!(
        ran.stderr.contains("xzcat FILE | inquest") && ran.stderr.contains("bzcat FILE | inquest"),
        "{}",
        ran.stderr
    );
}
