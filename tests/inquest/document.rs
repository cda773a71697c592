//! What README.md and docs/inquest.md show is what the program prints.

use crate::support::{command, fixture, ran};
use std::path::Path;

fn read(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).expect("a document")
}

#[test]
fn the_certificate_is_a_real_one() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(directory.path().join("logs")).expect("a directory");
    std::fs::copy(fixture("shaped/plain/terminal.log"), directory.path().join("logs/server.log"))
        .expect("a file");
    let mut command = command(&["9d4f1c7a", "logs"]);
    command.current_dir(directory.path());
    let ran = ran(command);
    assert_eq!(ran.code, 0, "{ran:?}");
    for name in ["README.md", "docs/inquest.md"] {
        assert!(
            read(name).contains(&format!("```text\n{}```", ran.stdout)),
            "{name} does not show:\n{}",
            ran.stdout
        );
    }
}

#[test]
fn the_options_of_the_help_are_those_of_the_document() {
    // Each word of `conclusion` and each exit code is in the document.
    let document = read("docs/inquest.md");
    for word in [
        "`oom`",
        "`killed`",
        "`lost`",
        "`ended`",
        "`running`",
        "`unknown`",
        "| 0 |",
        "| 1 |",
        "| 2 |",
        "| 3 |",
        "| 4 |",
        "| 130 |",
    ] {
        assert!(document.contains(word), "{word}");
    }
}

#[test]
fn json_is_as_its_schema_says() {
    let schema = serde_json::from_str(&read("docs/inquest.schema.json")).expect("JSON");
    let schema = jsonschema::validator_for(&schema).expect("a schema");
    let heap = ["shaped", "engine", "damaged"].map(|name| fixture(name).to_str().expect("UTF-8").to_owned());
    for start in [&["list"][..], &["9d4f1c7ab2e84c0f8a35d6e17b20c493"]] {
        let mut arguments = start.to_vec();
        arguments.extend(["--format", "json"]);
        arguments.extend(heap.iter().map(String::as_str));
        let document = serde_json::from_str(&crate::support::inquest(&arguments).stdout).expect("JSON");
        let errors: Vec<String> = schema
            .iter_errors(&document)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert_eq!(errors, Vec::<String>::new(), "{start:?}");
    }
}
