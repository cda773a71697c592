//! The records as lines.

use crate::endpoint::{Endpoint, Task};
use crate::init::{Form, Launch};
use crate::probe::probe;
use crate::records;
use crate::running::Capture;
use crate::trace::has_strace;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

in_both_forms! {
    a_life_is_a_start_and_an_exit
    text_is_the_same_in_other_clothes
    off_says_nothing
    half_a_line_of_the_program_does_not_take_the_record
    a_compact_record_begins_no_line
    the_format_comes_from_the_environment_too_and_the_option_wins
    a_long_life_story_stays_one_line
    the_journal_holds_the_same_records
    a_journal_that_cannot_be_written_is_one_warning
    the_end_of_the_journal_is_on_the_disk
    a_user_with_so_many_pipes_that_new_ones_are_small
    a_terminal_gets_text
}

#[test]
fn the_schema_refuses_what_is_no_record() {
    let stop = serde_json::json!({
        "epitaph": "stop", "schema": 1, "time": "2026-01-15T09:30:03.418Z", "run": "5b1e-2c9f4a", "pid": 2,
        "signal": "SIGTERM", "sender": "inside", "sender_pid": 9
    });
    assert!(records::schema().is_valid(&stop));
    let change = |key: &str, value: Value| {
        let mut changed = stop.clone();
        changed[key] = value;
        changed
    };
    for wrong in [
        change("epitaph", "start".into()),
        change("schema", 2.into()),
        change("time", "2026-01-15T09:30:03Z".into()),
        change("pid", "2".into()),
        change("signal", "15".into()),
        change("sender", "outside".into()),
        change("run", "1".into()),
        change("container_id", "abc".into()),
        change("task_arn", "arn:aws:ecs".into()),
        change("image", "only in the other records".into()),
        change("unheard_of", 1.into()),
        Value::Array(vec![stop.clone()]),
    ] {
        assert!(!records::schema().is_valid(&wrong), "{wrong}");
    }
}

const DOCUMENT: &str = include_str!("../../docs/records.md");

#[test]
fn the_examples_in_the_document_are_records() {
    let examples: String = DOCUMENT.split_inclusive('\n').filter(|line| line.starts_with("{\"")).collect();
    let kinds = records::kinds(&examples);
    for kind in ["start", "oom_kill", "memory_pressure", "stop", "stuck", "exit"] {
        assert!(kinds.iter().any(|one| one == kind), "{kind}");
    }
}

/// The names of all properties in a schema, and all words that one of its values can be.
fn vocabulary(schema: &Value, into: &mut BTreeSet<String>) {
    for (key, value) in schema.as_object().into_iter().flatten() {
        match key.as_str() {
            "properties" => {
                into.extend(value.as_object().into_iter().flatten().map(|(name, _)| name.clone()))
            }
            "enum" => {
                into.extend(value.as_array().into_iter().flatten().filter_map(Value::as_str).map(Into::into))
            }
            _ => {}
        }
        vocabulary(value, into);
    }
    schema.as_array().into_iter().flatten().for_each(|value| vocabulary(value, into));
}

#[test]
fn the_document_knows_every_word_of_the_schema() {
    let schema = serde_json::from_str(include_str!("../../docs/records.schema.json")).unwrap();
    let mut words = BTreeSet::new();
    vocabulary(&schema, &mut words);
    assert!(words.len() > 70, "{words:?}");
    let knows =
        |word: &String| DOCUMENT.contains(&format!("`{word}`")) || DOCUMENT.contains(&format!(".{word}`"));
    let unknown: Vec<_> = words.iter().filter(|word| !knows(word)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

fn a_life_is_a_start_and_an_exit(form: Form) {
    let ended = Launch::new(form, ["sh", "-c", "exit 3"]).run();
    assert_eq!(records::kinds(&ended.stderr), ["start", "exit"]);
    assert_eq!(ended.stdout, "", "stdout is the program's alone");
    assert!(records::diagnostics(&ended.stderr).is_empty(), "{}", ended.stderr);
    let (start, exit) = (records::record(&ended.stderr, "start"), records::record(&ended.stderr, "exit"));
    assert_eq!(start["program"], "sh");
    assert_eq!(start["pid"], exit["pid"]);
    assert!(start["time"].as_str() <= exit["time"].as_str());
    for key in ["runtime_ms", "user_ms", "system_ms", "max_rss", "reaped", "left", "records_lost"] {
        assert!(exit["exit"][key].is_u64(), "{key}: {exit}");
    }
    assert!(exit["exit"]["max_rss"].as_u64().unwrap() > 100_000, "bytes, not kilobytes: {exit}");
}

/// The pairs of a logfmt line.
fn pairs(line: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=').unwrap();
        let value = if after.starts_with('"') {
            let mut values = serde_json::Deserializer::from_str(after).into_iter::<String>();
            let value = values.next().unwrap().unwrap();
            rest = after[values.byte_offset()..].trim_start();
            value
        } else {
            let (value, next) = after.split_once(' ').unwrap_or((after, ""));
            rest = next;
            value.to_owned()
        };
        pairs.push((key.to_owned(), value));
    }
    pairs
}

/// The keys of a JSON record as the text format writes them.
fn flat(prefix: &str, value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                flat(&format!("{prefix}.{key}"), value, into);
            }
        }
        _ => into.push(prefix.trim_start_matches('.').to_owned()),
    }
}

fn text_is_the_same_in_other_clothes(form: Form) {
    let endpoint = Endpoint::start(Task::default());
    let launch = |format: &str| {
        let launch = Launch::new(form, ["sh", "-c", "exit 3"]).options(["--records", format]);
        launch.env("ECS_CONTAINER_METADATA_URI_V4", endpoint.uri_v4()).run()
    };
    let json = records::records(&launch("json").stderr);
    let text = launch("text").stderr;
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty() && !line.starts_with('[')).collect();
    assert_eq!(lines.len(), 2, "{text}");
    for (line, record) in lines.into_iter().zip(&json) {
        let pairs = pairs(line);
        let mut keys: Vec<&str> = pairs.iter().map(|(key, _)| key.as_str()).collect();
        let mut expected = Vec::new();
        flat("", record, &mut expected);
        keys.sort_unstable();
        expected.sort_unstable();
        assert_eq!(keys, expected);
        let value = |key: &str| pairs.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
        assert_eq!(value("epitaph"), record["epitaph"].as_str());
        assert_eq!(value("task_arn"), record["task_arn"].as_str());
        assert_eq!(value("source"), Some("metadata-v4"));
        if record["epitaph"] == "exit" {
            assert_eq!(value("exit.code"), Some("3"));
            assert!(value("exit.why").unwrap().starts_with("The program ended with exit code 3 after "));
        }
    }
}

fn half_a_line_of_the_program_does_not_take_the_record(form: Form) {
    for half in ["progress 50%\\r", "{\"epitaph\":\"exit\",\"a\":\""] {
        for (format, first) in [("json", "{\"epitaph\":\"exit\",\"schema\""), ("text", "epitaph=exit ")] {
            let program = ["sh", "-c", "printf \"$1\" >&2; exit 3", "sh", half];
            let ended = Launch::new(form, program).options(["--records", format]).run();
            let exits = ended.stderr.lines().filter(|line| line.starts_with(first));
            assert_eq!(exits.count(), 1, "{format}: {:?}", ended.stderr);
            assert!(!ended.stderr.starts_with('\n'), "nothing stands before the start record");
        }
    }
}

fn a_compact_record_begins_no_line(form: Form) {
    let launch = || Launch::new(form, ["sh", "-c", "exit 3"]);
    let ended = launch().options(["--records=json-compact"]).run();
    assert_eq!(records::kinds(&ended.stderr), ["start", "exit"]);
    assert!(!ended.stderr.contains("\n\n"), "{:?}", ended.stderr);
    let ended = launch().env("EPITAPH_RECORDS", "json-compact").run();
    assert!(!ended.stderr.contains("\n\n"), "{:?}", ended.stderr);
    let ended = launch().run();
    assert!(ended.stderr.contains("}\n\n{\"epitaph\":\"exit\""), "{:?}", ended.stderr);
}

fn off_says_nothing(form: Form) {
    let ended = Launch::new(form, ["sh", "-c", "exit 3"]).options(["--records", "off"]).run();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(3), ""));
}

fn the_format_comes_from_the_environment_too_and_the_option_wins(form: Form) {
    let ended = Launch::new(form, ["true"]).env("EPITAPH_RECORDS", "off").run();
    assert_eq!(ended.stderr, "");
    let ended = Launch::new(form, ["true"]).env("EPITAPH_RECORDS", "text").run();
    assert!(ended.stderr.starts_with("epitaph=start schema=1 time="), "{}", ended.stderr);
    let launch = Launch::new(form, ["true"]).env("EPITAPH_RECORDS", "off").options(["--records=json"]);
    assert_eq!(records::kinds(&launch.run().stderr), ["start", "exit"]);
}

fn task_of_many_words() -> Task {
    let mut task = Task::default();
    let container = task.subject_mut().unwrap();
    for text in [&mut container.image, &mut container.image_id, &mut container.docker_name] {
        *text = "i".repeat(500);
    }
    container.log_options =
        ["awslogs-group", "awslogs-stream"].map(|name| (name.to_owned(), "\"".repeat(500))).into();
    task
}

fn a_long_life_story_stays_one_line(form: Form) {
    let endpoint = Endpoint::start(task_of_many_words());
    let launch = Launch::new(form, ["sh", "-c", "exit 3"]);
    let ended = launch.env("ECS_CONTAINER_METADATA_URI_V4", endpoint.uri_v4()).run();
    for kind in ["start", "exit"] {
        // What identifies the container is there, and what explains its end; the last of the rest is not.
        let record = records::record(&ended.stderr, kind);
        assert_eq!(record["task_arn"], Task::default().arn);
        assert_eq!(record["image"].as_str().map(str::len), Some(500));
        assert_eq!(record.get("log_stream"), None);
    }
    assert_eq!(records::exit(&ended.stderr)["verdict"], "failed");
}

/// The lines of all files below a journal's directory.
pub fn journal(directory: &Path) -> String {
    let days = std::fs::read_dir(directory).unwrap().flatten();
    let files = days.flat_map(|day| std::fs::read_dir(day.path()).unwrap().flatten());
    files.map(|file| std::fs::read_to_string(file.path()).unwrap()).collect()
}

fn the_journal_holds_the_same_records(form: Form) {
    for option in ["--records=json", "--records=off", "--records=text"] {
        let directory = tempfile::tempdir().unwrap();
        let launch = Launch::new(form, probe(&["ready"])).options([option, "--journal"]);
        let running = launch.options([directory.path()]).start().ready();
        running.signal(libc::SIGTERM);
        let ended = running.finish();
        assert_eq!(ended.code, Some(143), "{}", ended.stderr);
        let journal = journal(directory.path());
        assert_eq!(records::kinds(&journal), ["start", "stop", "exit"], "{option}: {}", ended.stderr);
        if option == "--records=json" {
            assert_eq!(records::records(&journal), records::records(&ended.stderr));
        }
    }
}

fn the_end_of_the_journal_is_on_the_disk(form: Form) {
    let directory = tempfile::tempdir().unwrap();
    let trace = directory.path().join("trace");
    let journal = directory.path().join("journal");
    let strace = ["strace", "-f", "-qq", "-e", "trace=fdatasync,fsync", "-o", trace.to_str().unwrap()];
    if !has_strace() {
        return;
    }
    // The start record may or may not be on its way still when the program ends.
    for program in ["true", "sleep 0.1"].iter().cycle().take(10) {
        let launch = Launch::new(form, ["sh", "-c", program]).under(strace);
        assert_eq!(launch.options(["--journal", journal.to_str().unwrap()]).run().code, Some(0));
        let calls = std::fs::read_to_string(&trace).unwrap();
        let synced = calls.lines().filter(|call| call.contains("sync(") && call.ends_with("= 0")).count();
        assert_eq!(synced, 1, "{program}: {calls}");
    }
}

fn a_journal_that_cannot_be_written_is_one_warning(form: Form) {
    let file = tempfile::NamedTempFile::new().unwrap();
    let launch = Launch::new(form, ["sh", "-c", "exit 3"]).options(["--journal"]).options([file.path()]);
    let ended = launch.run();
    assert_eq!((ended.code, records::kinds(&ended.stderr)), (Some(3), vec!["start".into(), "exit".into()]));
    let warnings = records::diagnostics(&ended.stderr);
    assert!(warnings.len() == 1 && warnings[0].contains(file.path().to_str().unwrap()), "{warnings:?}");
}

fn a_user_with_so_many_pipes_that_new_ones_are_small(form: Form) {
    let mut task = task_of_many_words();
    task.arn = task.arn.replacen("/default/", &format!("/{}/", "c".repeat(250)), 1);
    let endpoint = Endpoint::start(task);
    let directory = tempfile::tempdir().unwrap();
    let launch = Launch::new(form, ["true"]).env("ECS_CONTAINER_METADATA_URI_V4", endpoint.uri_v4());
    let launch = launch.with("pipes=1100");
    // In two formats, so that more goes through the pipe than fits into it.
    let ended = launch.options(["--records=text", "--journal"]).options([directory.path()]).run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(records::kinds(&journal(directory.path())), ["start", "exit"], "{}", ended.stderr);
}

fn a_terminal_gets_text(form: Form) {
    let terminal = nix::pty::openpty(None, None).unwrap();
    let running = Launch::new(form, ["true"]).stderr(terminal.slave).start();
    let stderr = Capture::of(Some(std::fs::File::from(terminal.master)));
    stderr.wait_until("the exit record", |text| text.lines().any(|line| line.starts_with("epitaph=exit ")));
    assert_eq!(running.finish().code, Some(0));
    assert!(stderr.so_far().starts_with("epitaph=start schema=1 "), "{}", stderr.so_far());
}
