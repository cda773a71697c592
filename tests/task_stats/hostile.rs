//! Answers with anything in them: whatever comes, records are JSON that fits the schema, one line each.

use crate::records::schema;
use crate::support::endpoint::{Endpoint, Task};
use crate::task::moving;
use epitaph::options::{self, Command, Options};
use proptest::prelude::*;
use serde_json::Value;
use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::TcpStream;

fn options(format: &str) -> Box<Options> {
    let line = ["epitaph", "--task-stats", "0", "--stats-format", format].map(OsString::from);
    match options::parse(line.to_vec(), &|_| None) {
        Command::Run(options) => options,
        Command::Print { text, .. } => panic!("{text}"),
    }
}

/// The body of an answer.
fn body(endpoint: &Endpoint, path: &str) -> Value {
    let uri = endpoint.uri_v4();
    let path = uri.strip_prefix("http://").unwrap().split_once('/').unwrap().1.to_owned() + path;
    let mut stream = TcpStream::connect(endpoint.address()).unwrap();
    write!(stream, "GET /{path} HTTP/1.0\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

fn answers(task: Task) -> (Value, Value) {
    let endpoint = Endpoint::start(task);
    (body(&endpoint, "/task"), body(&endpoint, "/task/stats"))
}

/// Every value that is no object and no array, by the way to it.
fn leaves<'a>(value: &'a mut Value, found: &mut Vec<&'a mut Value>) {
    match value {
        Value::Object(members) => members.values_mut().for_each(|value| leaves(value, found)),
        Value::Array(elements) => elements.iter_mut().for_each(|value| leaves(value, found)),
        leaf => found.push(leaf),
    }
}

fn anything() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<u64>().prop_map(Value::from),
        Just(Value::from(u64::MAX)),
        Just(Value::from(0)),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| serde_json::json!(number)),
        any::<bool>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        "[a-z\\n\"\u{1b}]{0,2000}".prop_map(Value::from),
        Just(Value::from("0001-01-01T00:00:00Z")),
        Just(Value::from("9999-12-31T23:59:59Z")),
        Just(serde_json::json!({"a": [{}]})),
        Just(serde_json::json!([[1], {}])),
    ]
}

fn check(task: &[u8], stats: &[u8]) -> Result<(), TestCaseError> {
    for format in ["record", "emf"] {
        match epitaph::task::lines(&options(format).records, task, stats) {
            Err(error) => prop_assert!(error.len() < 200 && !error.contains('\n'), "{}", error),
            Ok(lines) => {
                for line in lines {
                    prop_assert!(line.len() <= 4096, "{}", line.len());
                    prop_assert_eq!(line.last(), Some(&b'\n'));
                    prop_assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
                    let record: Value = serde_json::from_slice(&line).expect("JSON");
                    let wrong: Vec<String> =
                        schema().iter_errors(&record).map(|error| error.to_string()).collect();
                    prop_assert!(wrong.is_empty(), "{}: {:?}", record, wrong);
                }
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_value_in_any_place(cgroup in 1..=2_u8, changes in prop::collection::vec((any::<prop::sample::Index>(), anything()), 1..8)) {
        let mut task = moving(cgroup);
        task.containers[1].scripted.health = Some(("UNHEALTHY".into(), "no".into()));
        let (mut task, mut stats) = answers(task);
        for (place, value) in changes {
            let mut found = Vec::new();
            leaves(&mut task, &mut found);
            leaves(&mut stats, &mut found);
            **place.get_mut(&mut found) = value;
        }
        check(task.to_string().as_bytes(), stats.to_string().as_bytes())?;
    }

    #[test]
    fn any_bytes(task in prop::collection::vec(any::<u8>(), 0..200), stats in prop::collection::vec(any::<u8>(), 0..200)) {
        check(&task, &stats)?;
    }
}
