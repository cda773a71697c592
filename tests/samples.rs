//! The records that the documents show are those of this program: each fits the schema, and has the keys of a
//! record that was taken just now, in their order. `EPITAPH_TEST_WRITE_DOCS=1` writes new ones into the
//! documents.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

#[path = "support/records.rs"]
mod records;
mod support;

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use support::archive::Tree;
use support::docker::{Container, Engine, Stream, TaskNetwork};
use support::endpoint::{Endpoint, Task};
use support::require::require;
use support::static_binary::static_binary;

const IMAGE: &str = "epitaph-test-samples";
const SOON: Duration = Duration::from_secs(60);
/// The container's ID in all samples, whichever it really was.
const ID: &str = "408255f9fa131dde2d875eadf17b8100a0dbe4ca6647b14830aa00318be492c6";
/// The documents that show records.
const DOCUMENTS: [&str; 2] = ["README.md", "docs/records.md"];

fn read(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The records in a document, as they stand there.
fn samples(document: &str) -> Vec<&str> {
    let lines = document.lines().filter_map(|line| line.find("{\"epitaph\":").map(|at| &line[at..]));
    lines
        .filter_map(|line| line.rfind('}').map(|end| &line[..=end]))
        .filter(|line| line.contains("\"schema\":1,"))
        .collect()
}

/// The keys of a record in their order, those of its parts with the part's name. Of a list the first element
/// counts.
fn keys(record: &str) -> Vec<String> {
    let value: serde_json::Map<String, Value> = serde_json::from_str(record).unwrap();
    let mut keys = Vec::new();
    add_keys("", &Value::Object(value), &mut keys);
    // serde_json sorts them; where each stands in the line is their order.
    keys.sort_by_key(|key| record.find(&format!("\"{}\":", key.rsplit('.').next().unwrap())));
    keys
}

fn add_keys(of: &str, value: &Value, to: &mut Vec<String>) {
    // Which values came from elsewhere differs from start to start.
    if of == "sources." {
        return;
    }
    match value {
        Value::Object(fields) => {
            // A process that runs at the moment waits nowhere.
            for (key, value) in fields.iter().filter(|(key, _)| *key != "wait_channel") {
                to.push(format!("{of}{key}"));
                add_keys(&format!("{of}{key}."), value, to);
            }
        }
        Value::Array(elements) => elements.iter().take(1).for_each(|element| add_keys(of, element, to)),
        _ => {}
    }
}

fn kind(record: &str) -> String {
    let value: Value = serde_json::from_str(record).unwrap();
    value["epitaph"].as_str().unwrap().to_owned()
}

/// Real records by their kind, each with the container's ID as the samples have it.
fn taken() -> Option<BTreeMap<String, String>> {
    let engine = require("docker", Engine::shared())?;
    let epitaph = require("static binary", static_binary())?;
    // A shell whose variable doubles until there is no more memory, and a client without a server.
    let serve = "#!/bin/sh\nx=xxxxxxxx\nwhile :; do x=$x$x; done\n";
    let curl =
        "#!/bin/sh\necho 'curl: (7) Failed to connect to 127.0.0.1 port 80: Connection refused'\nexit 7\n";
    let tree = || {
        let tree = Tree::default().busybox()?.program("epitaph", epitaph)?;
        Ok(tree.file("bin/serve", 0o755, serve).file("bin/curl", 0o755, curl))
    };
    let image = engine.import(IMAGE, tree, &[r#"ENTRYPOINT ["/epitaph", "--"]"#, "ENV PATH=/bin"]);
    require("busybox", image)?;
    let network = require("busybox", TaskNetwork::new(engine))?;
    let endpoint =
        Endpoint::serve(network.listen(), Task { memory_limit: None, ..Task::default().just_created() });
    let uri = endpoint.uri_v4().replacen("169.254.170.2:80/", "169.254.170.2/", 1);
    let run = |options: &[&str], command: &[&str]| -> Container<'static> {
        endpoint.update(|task| *task = Task { memory_limit: None, ..Task::default().just_created() });
        let network = network.option();
        let uri = format!("--env=ECS_CONTAINER_METADATA_URI_V4={uri}");
        let options = [&[network.as_str(), &uri], options].concat();
        let container = engine.create(IMAGE, &options, command);
        endpoint.set_docker_id(container.id());
        container.start();
        endpoint.start_subject();
        container
    };
    let mut found = BTreeMap::new();
    let mut add = |container: &Container| {
        let stderr = container.logs().stderr.replace(container.id(), ID);
        for line in stderr.lines().filter(|line| line.starts_with('{')) {
            found.entry(kind(line)).or_insert_with(|| line.to_owned());
        }
    };
    let killed = run(&["--memory=32m", "--memory-swap=32m"], &["serve"]);
    assert_eq!(killed.wait(SOON), 137, "{:#?}", killed.logs());
    add(&killed);

    let script = "trap '' TERM; dd if=/dev/zero of=/file bs=1M count=96 2>/dev/null; sleep 600";
    let stuck = run(&["--memory=64m", "--env=EPITAPH_OOM_POLL=100ms"], &["sh", "-c", script]);
    let wait_for = |kind: &str| {
        let kind = format!("\"epitaph\":\"{kind}\"");
        drop(stuck.wait_for_line(Stream::Stderr, SOON, |line| line.contains(&kind)));
    };
    wait_for("memory_pressure");
    let mut health = engine.command();
    health.args(["exec", stuck.id(), "/epitaph", "--health", "--", "curl"]);
    support::process::output(&mut health, SOON).unwrap();
    wait_for("health");
    stuck.kill("TERM");
    wait_for("stuck");
    stuck.kill("KILL");
    stuck.wait(SOON);
    add(&stuck);
    Some(found)
}

/// A document with these records in the place of its own of the same kind.
fn with_samples(document: &str, taken: &BTreeMap<String, String>) -> String {
    let mut text = document.to_owned();
    for sample in samples(document) {
        if let Some(record) = taken.get(&kind(sample)) {
            text = text.replace(sample, record);
        }
    }
    text
}

/// A document with this record in the place of its sample of the text format. None of its values needs
/// quotes.
fn with_text(document: &str, stop: &str) -> String {
    let Some(text) = document.lines().find(|line| line.starts_with("epitaph=stop ")) else {
        return document.to_owned();
    };
    let pairs = stop.trim_matches(['{', '}']).replace("\",\"", " ").replace(",\"", " ").replace("\":", "=");
    document.replace(text, &pairs.replace('"', ""))
}

#[test]
fn every_sample_fits_the_schema() {
    let mut count = 0;
    for name in ["README.md", "docs/records.md", "docs/ecs.md", "docs/inquest.md", "docs/sql.md"] {
        for sample in samples(&read(name)) {
            records::records(sample);
            count += 1;
        }
    }
    assert!(count >= 10, "{count} samples");
}

#[test]
fn every_sample_has_the_keys_of_a_record_of_today() {
    // Of version 2 some keys are others; the samples are of version 1.
    if !Path::new("/sys/fs/cgroup/memory/memory.limit_in_bytes").exists() {
        return;
    }
    let Some(taken) = taken() else { return };
    for name in DOCUMENTS {
        let mut document = read(name);
        if std::env::var_os("EPITAPH_TEST_WRITE_DOCS").is_some_and(|set| set == "1") {
            document = with_text(&with_samples(&document, &taken), &taken["stop"]);
            std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(name), &document).unwrap();
        }
        for sample in samples(&document) {
            if let Some(record) = taken.get(&kind(sample)) {
                assert_eq!(keys(sample), keys(record), "{name}:\n{sample}\n{record}");
            }
        }
    }
}

/// The README's first records, on several lines and without all that is less interesting, are the lines
/// below.
#[test]
fn the_readmes_short_records_are_its_long_ones() {
    let readme = read("README.md");
    let short = readme.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    let short: Vec<Value> =
        serde_json::Deserializer::from_str(short).into_iter().map(Result::unwrap).collect();
    let long: Vec<Value> =
        samples(&readme).into_iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((short.len(), long.len()), (2, 2));
    for (short, long) in short.iter().zip(&long) {
        for (key, value) in short.as_object().unwrap() {
            assert_eq!(value, &long[key], "{key}");
        }
    }
}

#[test]
fn the_sample_of_the_text_format_is_the_same_stop() {
    let document = read("docs/records.md");
    let text = document.lines().find(|line| line.starts_with("epitaph=stop ")).unwrap();
    let json = samples(&document).into_iter().find(|sample| kind(sample) == "stop").unwrap();
    let json: Value = serde_json::from_str(json).unwrap();
    let pairs: Vec<(&str, &str)> = text.split(' ').map(|pair| pair.split_once('=').unwrap()).collect();
    assert_eq!(pairs.len(), json.as_object().unwrap().len(), "{text}");
    for (key, value) in pairs {
        let expected = json[key].as_str().map_or_else(|| json[key].to_string(), str::to_owned);
        assert_eq!(value, expected, "{key}");
    }
}
