//! docs/sql.md: its statements, as they stand there, over logs of several stores (tests/sql/heap), on real
//! engines.
//!
//! What comes out is written down in tests/sql/expected.json, and the lives in it are those that `inquest
//! list` finds.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use support::process::output;
use support::require::require;
use support::static_binary::target_directory;

/// Java and Spark take most of a minute where others use the cores too.
const BOUND: Duration = Duration::from_secs(300);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn python() -> Result<PathBuf, String> {
    let own = target_directory().join("sql/bin/python");
    let python = if own.exists() { own } else { PathBuf::from("python3") };
    let found = output(Command::new(&python).args(["-c", "import duckdb, pyspark, sqlglot"]), BOUND);
    let there = found.is_ok_and(|found| found.status.success());
    let how = "tests/support/fetch-sql-engines.sh puts them into the target directory as sql";
    there.then_some(python).ok_or(how.to_owned())
}

fn java() -> Result<(), String> {
    let found = output(Command::new("java").arg("-version"), BOUND).ok();
    // openjdk version "17.0.15" 2025-04-15
    let text = found.map(|found| String::from_utf8_lossy(&found.stderr).into_owned()).unwrap_or_default();
    let version = text.split('"').nth(1).and_then(|version| version.split('.').next()?.parse::<u32>().ok());
    let new_enough = version.is_some_and(|version| version >= 17);
    new_enough.then_some(()).ok_or("install default-jre-headless, of version 17 or newer".to_owned())
}

/// The rows of each view and query, in an order of their own, since SQL promises none.
type Answers = BTreeMap<String, Vec<String>>;

fn answers(python: &Path, engine: &str) -> Value {
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new(python);
    command.arg("tests/sql/run.py").arg(engine).arg("docs/sql.md").arg(root().join("tests/sql/heap"));
    command.arg(directory.path()).current_dir(root());
    let output = output(&mut command, BOUND).unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{engine}: {}\n{stderr}", output.status);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{engine}: {error}\n{stderr}"))
}

fn in_order(answers: &Value) -> Answers {
    let rows = |rows: &Value| {
        let mut rows: Vec<String> = rows.as_array().unwrap().iter().map(row).collect();
        rows.sort();
        rows
    };
    answers.as_object().unwrap().iter().map(|(name, answer)| (name.clone(), rows(answer))).collect()
}

/// A row as text: engines differ in whether a whole number is written `4` or `4.0`.
fn row(row: &Value) -> String {
    let fields = row.as_object().unwrap().iter().filter(|(_, value)| !value.is_null());
    let fields = fields.map(|(key, value)| match value.as_f64() {
        Some(number) => format!("{key}={number}"),
        None => format!("{key}={value}"),
    });
    fields.collect::<Vec<_>>().join(" ")
}

fn expected() -> Answers {
    in_order(
        &serde_json::from_slice(&std::fs::read(root().join("tests/sql/expected.json")).unwrap()).unwrap(),
    )
}

/// The answers as they are written down: in order, and without what is not known.
fn written(answers: &Value) -> String {
    let mut answers = answers.clone();
    for rows in answers.as_object_mut().unwrap().values_mut() {
        let rows = rows.as_array_mut().unwrap();
        rows.iter_mut().for_each(|row| row.as_object_mut().unwrap().retain(|_, value| !value.is_null()));
        rows.sort_by_key(row);
    }
    serde_json::to_string_pretty(&answers).unwrap() + "\n"
}

fn check(engine: &str, answers: &Value) {
    let (answers, expected) = (in_order(answers), expected());
    assert_eq!(answers.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{engine}");
    for (name, rows) in &answers {
        assert_eq!(rows, &expected[name], "{engine}: {name}");
    }
}

#[test]
fn duckdb() {
    let Some(python) = require("DuckDB", python()) else { return };
    let answers = answers(&python, "duckdb");
    if std::env::var_os("EPITAPH_TEST_WRITE_DOCS").is_some() {
        std::fs::write(root().join("tests/sql/expected.json"), written(&answers)).unwrap();
    }
    check("duckdb", &answers);
}

/// Translated to DuckDB: there is no Trino to be had without its server.
#[test]
fn trino() {
    let Some(python) = require("sqlglot", python()) else { return };
    check("trino", &answers(&python, "trino"));
}

#[test]
fn spark() {
    let Some(python) = require("PySpark", python()) else { return };
    let Some(()) = require("Java", java()) else { return };
    check("spark", &answers(&python, "spark"));
}

/// The lives of the views are those that `inquest` finds in the same logs.
#[test]
#[cfg(feature = "inquest")]
fn the_lives_are_those_of_inquest() {
    let heap = root().join("tests/sql/heap");
    let mut command = Command::new(env!("CARGO_BIN_EXE_inquest"));
    command.args(["list", "--format", "json", "--limit", "0"]).arg(&heap);
    let output = output(&mut command, BOUND).unwrap();
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    let views: Value =
        serde_json::from_slice(&std::fs::read(root().join("tests/sql/expected.json")).unwrap()).unwrap();

    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let number = |value: &Value| value.as_i64().map_or("-".to_owned(), |number| number.to_string());
    let milliseconds = |value: &Value| {
        let time = humantime::parse_rfc3339(value.as_str().unwrap_or_default()).ok();
        let since = time.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        since.map_or("-".to_owned(), |since| since.as_millis().to_string())
    };
    let by_inquest = |life: &Value| {
        let memory = &life["memory"];
        let records = life["records"].as_array().map_or(0, Vec::len).to_string();
        let who = [
            text(&life["container_id"]),
            text(&life["task_id"]),
            text(&life["family"]),
            number(&life["pid"]),
        ];
        let when = [milliseconds(&life["started"]), text(&life["ended"]), text(&life["last_sign"])];
        let how = [text(&life["verdict"]), number(&life["code"]), number(&life["runtime_ms"])];
        [&who[..], &when, &how, &[number(&memory["peak"]), records]].concat()
    };
    let by_views = |life: &Value| {
        let who = [
            text(&life["container_id"]),
            text(&life["task_id"]),
            text(&life["family"]),
            number(&life["pid"]),
        ];
        let when = [number(&life["started_ms"]), text(&life["ended"]), text(&life["last_seen"])];
        let how = [text(&life["verdict"]), number(&life["code"]), number(&life["runtime_ms"])];
        [&who[..], &when, &how, &[number(&life["memory_peak"]), number(&life["records"])]].concat()
    };
    let sorted = |lives: &Value, told: &dyn Fn(&Value) -> Vec<String>| {
        let mut lives: Vec<Vec<String>> = lives.as_array().unwrap().iter().map(told).collect();
        lives.sort();
        lives
    };
    let (inquest, views) = (sorted(&list["lives"], &by_inquest), sorted(&views["lives"], &by_views));
    for (life, same) in inquest.iter().zip(&views) {
        assert_eq!(life, same);
    }
    assert_eq!(inquest.len(), views.len());
}
