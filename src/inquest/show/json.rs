//! `--format json`: one document, described by docs/inquest.schema.json.

use crate::inquest::case::{Case, Life, Place, Said, ahead};
use crate::inquest::time::written;
use serde_json::{Map, Value, json};

/// The version of the document.
const SCHEMA: u64 = 1;

/// The document of `list`.
pub fn list_json(lives: &[&Life], complete: bool, name: &dyn Fn(Place) -> String) -> String {
    let lives: Vec<Value> = lives.iter().map(|life| of_life(life, name)).collect();
    json!({ "inquest": "list", "schema": SCHEMA, "complete": complete, "lives": lives }).to_string()
}

/// The document of a question for somebody: the lives, and what was said about whom no record is there.
pub fn certificate_json(
    lives: &[&Life],
    case: &Case,
    strangers: &[&Said],
    complete: bool,
    name: &dyn Fn(Place) -> String,
) -> String {
    let _ = case;
    let lives: Vec<Value> = lives.iter().map(|life| of_life(life, name)).collect();
    let strangers: Vec<Value> = strangers.iter().map(|said| of_said(said, name)).collect();
    json!({ "inquest": "certificate", "schema": SCHEMA, "complete": complete, "lives": lives, "witnesses": strangers }).to_string()
}

fn of_life(life: &Life, name: &dyn Fn(Place) -> String) -> Value {
    let mut object = Map::new();
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            object.insert(key.to_owned(), value);
        }
    };
    let time = |time: Option<i64>| time.map(|time| Value::from(written(time)));
    put("run", life.run.as_deref().map(Value::from));
    put("container_id", life.container.as_deref().map(Value::from));
    put("task_id", life.task.as_deref().map(Value::from));
    put("task_arn", life.task_arn.as_deref().map(Value::from));
    for (key, value) in life.identity().iter() {
        put(key, Some(Value::from(value)));
    }
    put("pid", life.pid().map(Value::from));
    put("program", life.program().map(Value::from));
    put("started", time(life.begun()));
    put("started_from", life.begun().map(|_| Value::from(if life.has_start { "start" } else { "exit" })));
    put("ended", time(life.ended()));
    put("ended_by_witness", time(life.witnessed.as_ref().map(|end| end.time)));
    put("last_sign", time(life.last_sign()));
    put("runtime_ms", life.exit_record().and_then(|_| life.ran()).map(Value::from));
    if let Some(exit) = life.exit() {
        put("verdict", exit.verdict.as_deref().map(Value::from));
        put("code", exit.code().map(Value::from));
        put("signal", exit.signal.as_deref().map(Value::from));
        put("stop_signal", exit.stop_signal.as_deref().map(Value::from));
        put("stop_ms", exit.stop().map(Value::from));
        put("stopped_by", exit.stopped_by.as_deref().map(Value::from));
        put("records_lost", Some(Value::from(exit.lost)));
    }
    let conclusion = &life.conclusion;
    put(
        "conclusion",
        Some(json!({
            "word": conclusion.word.as_str(),
            "sure": conclusion.sure.name(),
            "text": conclusion.text.as_str(),
            "witness": conclusion.word_of().witness.map(|witness| witness.name()),
            "code": conclusion.word_of().code,
            "place": conclusion.word_of().place.map(name),
        })),
    );
    if let Some(memory) = life.memory() {
        let amounts = [
            ("limit", memory.limit),
            ("usage", memory.usage),
            ("peak", memory.peak),
            ("oom_kills", memory.oom_kills),
        ];
        let known: Map<String, Value> = amounts
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), Value::from(value?))))
            .collect();
        put("memory", Some(Value::Object(known)));
    }
    put("clock_ahead_ms", ahead(life).map(Value::from));
    put("engine_name", life.name.as_deref().map(Value::from));
    if !life.remarks.is_empty() {
        let remarks = life.remarks.iter().map(
            |remark| json!({ "text": remark.text.as_str(), "grave": remark.grave, "place": remark.place.map(name) }),
        );
        put("remarks", Some(remarks.collect()));
    }
    if let Some(lines) = &life.last_lines {
        let lines = lines.iter().map(|line| json!({ "time": time(line.time), "text": line.text }));
        put("last_lines", Some(lines.collect()));
    }
    put("disputed", Some(Value::from(life.disputed.clone())));
    let records: Vec<Value> = life
        .records
        .iter()
        .map(|record| {
            let places: Vec<String> = record.places().map(name).collect();
            json!({ "epitaph": record.kind().name(), "time": written(record.time()), "places": places })
        })
        .collect();
    put("records", Some(Value::from(records)));
    put("witnesses", Some(life.said.iter().map(|said| of_said(said, name)).collect()));
    Value::Object(object)
}

fn of_said(said: &Said, name: &dyn Fn(Place) -> String) -> Value {
    let statement = &said.statement;
    json!({
        "witness": statement.kind.name(),
        "time": said.at().map(written),
        "time_computed": statement.time.is_none() && said.placed.is_some(),
        "unconfirmed": said.unconfirmed,
        "task_id": statement.task_id,
        "container_id": statement.container_id,
        "container_name": statement.container_name,
        "text": statement.text,
        "place": name(said.place),
    })
}
