//! The promises of SECURITY.md and docs/design.md: that the tests they name exist, and that each promise of
//! SECURITY.md names one.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::path::{Path, PathBuf};

const SECURITY: &str = include_str!("../SECURITY.md");
const DESIGN: &str = include_str!("../docs/design.md");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A test that a document names: the file, and one test in it where it names one.
#[derive(Debug, PartialEq, Eq)]
struct Named {
    file: PathBuf,
    test: Option<String>,
}

/// The text between backticks, each run of blanks as one.
fn code_spans(text: &str) -> Vec<String> {
    let spans = text.split('`').skip(1).step_by(2);
    spans.map(|span| span.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// `init/x.rs` is a file of `tests/init`; `lines.rs` behind a fuzz target is another one.
fn file_of(name: &str, last: Option<&Path>) -> PathBuf {
    match name.split('/').next().unwrap() {
        "init" | "hostile" => Path::new("tests").join(name),
        first if first == name => last.map_or_else(|| PathBuf::from(name), |last| last.with_file_name(name)),
        _ => PathBuf::from(name),
    }
}

/// The tests that a piece of a document names: `file.rs: test`, or `another_test` of the file before it.
fn named(text: &str) -> Vec<Named> {
    let mut found: Vec<Named> = Vec::new();
    for span in code_spans(text) {
        let (file, test) =
            span.split_once(": ").map_or((span.as_str(), None), |(file, test)| (file, Some(test)));
        let is_sentence = |text: &str| {
            text.matches('_').count() > 1
                && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit())
        };
        let last = found.last().map(|named| named.file.clone());
        if file.ends_with(".rs") && !file.contains([' ', '*']) {
            found.push(Named { file: file_of(file, last.as_deref()), test: test.map(str::to_owned) });
        } else if let Some(last) = last.filter(|_| test.is_none() && is_sentence(file)) {
            found.push(Named { file: last, test: Some(file.to_owned()) });
        }
    }
    found
}

/// Whether the text of a file has this test: a function behind `#[test]`, or one that a macro of the suite
/// makes tests of (`in_both_forms!`), which has its name on a line of its own.
fn has_test(text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let Some(at) = lines.iter().position(|line| line.starts_with(&format!("fn {name}("))) else {
        return false;
    };
    let before = lines[..at].iter().rev().take_while(|line| line.starts_with('#') || line.starts_with("//"));
    before.into_iter().any(|line| *line == "#[test]") || lines.contains(&name)
}

/// What is wrong with what a document names.
fn missing(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for Named { file, test } in named(text) {
        match (std::fs::read_to_string(root().join(&file)), test) {
            (Err(error), _) => wrong.push(format!("{}: {error}", file.display())),
            (Ok(text), Some(test)) if !has_test(&text, &test) => {
                wrong.push(format!("{} has no test {test}", file.display()));
            }
            _ => {}
        }
    }
    wrong
}

#[test]
fn every_test_that_is_named_exists() {
    for (name, text, least) in [("SECURITY.md", SECURITY, 35), ("docs/design.md", DESIGN, 20)] {
        assert_eq!(missing(text), [""; 0], "{name}");
        let count = named(text)
            .iter()
            .filter(|named| named.file.starts_with("tests") || named.test.is_some())
            .count();
        assert!(count >= least, "{name} names {count} tests");
    }
}

/// Beginnings of what promises nothing: who reads this knows what is not held.
const NO_PROMISES: [&str; 13] = [
    "Each promise on this page",
    "| | trusted",
    "| --- |",
    // They lead to a section of their own.
    "| other processes of the container",
    "| who writes to the journal's volume too",
    "- Whoever may write to the container's stderr can write a line",
    "The journal may lie on a volume",
    "| another user who may write there",
    "| can | fill the volume",
    "Where the directory is writable for others and not sticky",
    "The program mostly runs as the same user",
    "- Signals, and a full stderr, are part of the design",
    "The static binary is not position-independent",
];

/// The paragraphs, list entries and table rows of what is promised: all behind the first heading but the one
/// about reporting.
fn promises() -> Vec<String> {
    let text = SECURITY.split_once("The last release gets fixes.").unwrap().1;
    let mut found = vec![String::new()];
    for line in text.lines() {
        let begins =
            line.is_empty() || line.starts_with("- ") || line.starts_with('|') || line.starts_with('#');
        if begins {
            found.push(String::new());
        }
        if !line.starts_with('#') {
            let block = found.last_mut().unwrap();
            block.push_str(line.trim());
            block.push(' ');
        }
    }
    found.into_iter().map(|block| block.trim().to_owned()).filter(|block| !block.is_empty()).collect()
}

#[test]
fn each_promise_of_security_names_a_test() {
    let promises = promises();
    assert!(promises.len() > 30, "{promises:#?}");
    for promise in &promises {
        let is_none = NO_PROMISES.iter().any(|begin| promise.starts_with(begin));
        let has_one = !named(promise).is_empty() || promise.contains("[the same]");
        assert!(is_none || has_one, "no test is named for: {promise}");
    }
    for begin in NO_PROMISES {
        assert!(promises.iter().any(|promise| promise.starts_with(begin)), "there is no: {begin}");
    }
}

#[test]
fn what_is_missing_is_seen() {
    let wrong = |text: &str| missing(text).len();
    assert_eq!(wrong("`tests/promises.rs: what_is_missing_is_seen`"), 0);
    assert_eq!(
        wrong("`tests/promises.rs:\n  what_is_missing_is_seen`, `every_test_that_is_named_exists`"),
        0
    );
    assert_eq!(wrong("`tests/promises.rs: what_is_not_there`"), 1);
    assert_eq!(wrong("`tests/promises.rs`, `what_is_not_there`"), 1);
    assert_eq!(wrong("`tests/nowhere.rs`"), 1);
    assert_eq!(wrong("`init/streams.rs: a_full_stderr_hangs_nobody`"), 0);
    // A function that is no test.
    assert_eq!(wrong("`tests/promises.rs: code_spans`"), 1);
}
