//! The records among what came out of stderr, each checked against the published schema.
#![allow(dead_code)]

use serde_json::Value;
use std::sync::OnceLock;

pub const SCHEMA: &str = include_str!("../../docs/records.schema.json");

/// The published schema.
pub fn schema() -> &'static jsonschema::Validator {
    static VALIDATOR: OnceLock<jsonschema::Validator> = OnceLock::new();
    VALIDATOR.get_or_init(|| {
        let schema: Value = serde_json::from_str(SCHEMA).expect("the schema is JSON");
        jsonschema::draft202012::new(&schema).expect("the schema is one of draft 2020-12")
    })
}

/// The records in `stderr`, in order. Other lines are diagnostics, which begin with `[`, and empty ones,
/// since a record begins its line itself.
///
/// # Panics
/// When a line is neither, is too long, or does not fit the schema.
pub fn records(stderr: &str) -> Vec<Value> {
    let mut found = Vec::new();
    for line in stderr.lines().filter(|line| !line.is_empty() && !line.starts_with('[')) {
        let record: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        // With its line end, and one before it.
        assert!(line.len() <= 4086, "{} bytes: {line}", line.len());
        assert!(!line.contains(epitaph::shown::is_forbidden), "{line:?}");
        let wrong: Vec<String> = schema().iter_errors(&record).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{line}: {wrong:#?}");
        found.push(record);
    }
    found
}

/// The lines in `stderr` that are no records.
pub fn diagnostics(stderr: &str) -> Vec<&str> {
    stderr.lines().filter(|line| line.starts_with('[')).collect()
}

/// The kinds of the records, in order.
pub fn kinds(stderr: &str) -> Vec<String> {
    let kind = |record: &Value| record["epitaph"].as_str().unwrap_or_default().to_owned();
    records(stderr).iter().map(kind).collect()
}

/// The same without `signal` records: signals that tests send to have a program go on come from outside of
/// the namespace of an init that is PID 1, and from inside of that of any other.
pub fn story(stderr: &str) -> Vec<String> {
    kinds(stderr).into_iter().filter(|kind| kind != "signal").collect()
}

/// The one record of a kind.
///
/// # Panics
/// When there is none, or more than one.
pub fn record(stderr: &str, kind: &str) -> Value {
    let mut all: Vec<Value> =
        records(stderr).into_iter().filter(|record| record["epitaph"] == kind).collect();
    assert_eq!(all.len(), 1, "records of the kind {kind} in {stderr}");
    all.remove(0)
}

/// `exit` of the exit record.
///
/// # Panics
/// When there is no exit record, or more than one.
pub fn exit(stderr: &str) -> Value {
    record(stderr, "exit")["exit"].clone()
}
