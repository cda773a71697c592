//! Embedded metrics, by what CloudWatch's own library takes and by the specification.

use crate::records::records;
use crate::support::endpoint::{Endpoint, Task};
use crate::support::process::{output, stdout};
use crate::support::require::require;
use crate::support::static_binary::target_directory;
use crate::task::{epitaph, moving, once, v4};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

const BOUND: Duration = Duration::from_secs(60);

/// Says `valid` of each line of its first argument, or ends with what is wrong.
const VALIDATE: &str = r#"
import json, sys
from datetime import datetime
from aws_embedded_metrics import validator
from aws_embedded_metrics.storage_resolution import StorageResolution
for line in sys.argv[1].splitlines():
    event = json.loads(line)
    aws = event["_aws"]
    validator.validate_timestamp(datetime.fromtimestamp(aws["Timestamp"] / 1000))
    for directive in aws["CloudWatchMetrics"]:
        validator.validate_namespace(directive["Namespace"])
        for names in directive["Dimensions"]:
            validator.validate_dimension_set({name: event[name] for name in names})
        for metric in directive["Metrics"]:
            validator.validate_metric(metric["Name"], event[metric["Name"]], metric["Unit"], StorageResolution.STANDARD, {})
    print("valid")
"#;

fn python() -> Result<PathBuf, String> {
    let own = target_directory().join("embedded-metrics/bin/python");
    let python = if own.exists() { own } else { PathBuf::from("python3") };
    let has_it = stdout(Command::new(&python).args(["-c", "import aws_embedded_metrics.validator"]), BOUND);
    has_it.map(|_| python).map_err(|_| {
        "tests/support/fetch-embedded-metrics.sh puts it into the target directory as embedded-metrics"
            .to_owned()
    })
}

/// The specification alone, and that each target is a member of the right type.
#[track_caller]
fn fits(event: &Value) {
    let schema: Value = serde_json::from_str(include_str!("emf.schema.json")).unwrap();
    let schema = jsonschema::draft202012::new(&schema).unwrap();
    let wrong: Vec<String> = schema.iter_errors(event).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{event}: {wrong:#?}");
    let directive = &event["_aws"]["CloudWatchMetrics"][0];
    for name in directive["Dimensions"].as_array().unwrap().iter().flat_map(|set| set.as_array().unwrap()) {
        assert!(event[name.as_str().unwrap()].is_string(), "{name} in {event}");
    }
    for metric in directive["Metrics"].as_array().unwrap() {
        assert!(event[metric["Name"].as_str().unwrap()].is_number(), "{metric} in {event}");
    }
}

fn lines(task: Task, variables: &[(&str, &str)]) -> String {
    let endpoint = Endpoint::start(task);
    let mut command = epitaph(v4(&endpoint), &["--task-stats", "0", "--stats-format", "emf"]);
    let (out, err, code) = once(command.envs(variables.iter().copied()));
    assert_eq!((code, err.as_str()), (0, ""));
    out
}

#[test]
fn the_library_of_cloudwatch_takes_each_line() {
    let Some(python) = require("aws-embedded-metrics", python()) else { return };
    let long = "x".repeat(500);
    let mut longest = moving(2);
    (longest.service, longest.family) = (Some(long.clone()), long.clone());
    for container in &mut longest.containers {
        container.name.clone_from(&long);
    }
    for (task, variables) in [
        (moving(1), &[][..]),
        (
            moving(2),
            &[
                ("EPITAPH_EMF_NAMESPACE", "My/App"),
                ("EPITAPH_EMF_DIMENSIONS", "cluster,service;family;task_id"),
            ],
        ),
        (longest, &[]),
        (Task { service: None, ..moving(2) }, &[]),
    ] {
        let out = lines(task, variables);
        let events = records(&out);
        assert_eq!(events.len(), 3, "{out}");
        events.iter().for_each(fits);
        let judged = output(Command::new(&python).args(["-c", VALIDATE, &out]), BOUND).unwrap();
        assert_eq!(
            String::from_utf8_lossy(&judged.stdout),
            "valid\n".repeat(3),
            "{}",
            String::from_utf8_lossy(&judged.stderr)
        );
    }
}

#[test]
fn the_check_can_fail() {
    let Some(python) = require("aws-embedded-metrics", python()) else { return };
    let out = lines(moving(2), &[]);
    for (right, wrong) in [
        ("\"Epitaph\"", "\"Epi taph\""),
        ("\"service\":\"shop\"", "\"service\":\"größe\""),
        ("\"Percent\"", "\"Per cent\""),
    ] {
        assert!(out.contains(right), "{right}: {out}");
        let judged =
            output(Command::new(&python).args(["-c", VALIDATE, &out.replace(right, wrong)]), BOUND).unwrap();
        assert!(!judged.status.success(), "{wrong}");
    }
}

#[test]
fn what_divides_the_metrics() {
    let events = records(&lines(moving(2), &[]));
    let sets = |event: &Value| event["_aws"]["CloudWatchMetrics"][0]["Dimensions"].clone();
    assert_eq!(sets(&events[0]), serde_json::json!([["cluster", "service", "container_name"]]));
    assert_eq!(sets(&events[2]), serde_json::json!([["cluster", "service"]]));
    let events = records(&lines(Task { service: None, ..moving(2) }, &[]));
    assert_eq!(sets(&events[2]), serde_json::json!([["cluster", "family"]]));
}

#[test]
fn with_records_in_text_it_is_one_warning_and_plain_records() {
    let endpoint = Endpoint::start(moving(2));
    let (out, err, code) = once(&mut epitaph(
        v4(&endpoint),
        &["--task-stats", "0", "--stats-format", "emf", "--records", "text"],
    ));
    assert_eq!(code, 0);
    assert!(!out.contains("_aws"), "{out}");
    assert_eq!(err.lines().count(), 1, "{err}");
    assert!(err.contains("--stats-format emf needs --records json"), "{err}");
}
