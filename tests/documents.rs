//! What packaging/documents makes of `--help` and docs/records.md: that nothing is missing, and that the
//! programs which read it take it.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, dead_code)]

#[path = "../packaging/documents/completions.rs"]
mod completions;
#[path = "../packaging/documents/help.rs"]
mod help;
#[path = "../packaging/documents/man.rs"]
mod man;
#[path = "../packaging/documents/markdown.rs"]
mod markdown;
#[path = "../packaging/documents/roff.rs"]
mod roff;
mod support;

use help::Help;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use support::process::{find_program, output, stdout};
use support::require::require;

const RECORDS: &str = include_str!("../docs/records.md");
const README: &str = include_str!("../README.md");
const BOUND: Duration = Duration::from_secs(60);

fn help() -> Help {
    Help::of_epitaph().unwrap()
}

fn pages() -> [(&'static str, String); 2] {
    let day = "2026-11-27";
    [
        ("epitaph.1", man::page(&help(), README, day).unwrap()),
        ("epitaph-records.5", markdown::page(RECORDS, day)),
    ]
}

/// What `--help` says, word by word.
fn usage_text() -> String {
    let mut command = Command::new(support::binary::epitaph());
    stdout(command.arg("--help"), BOUND).unwrap()
}

/// Every word that begins with `-` in the lines that name options, and every variable.
fn names_in_usage() -> Vec<String> {
    let text = usage_text();
    let tags = text.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let words = tags.flat_map(|line| line.trim().split("  ").next().unwrap().split([',', ' ']));
    let is_name = |word: &str| word.starts_with('-') || word.contains('_') && word == word.to_uppercase();
    words.filter(|word| is_name(word)).map(str::to_owned).collect()
}

#[test]
fn the_pages_and_completions_have_every_option_and_variable() {
    let names = names_in_usage();
    for name in ["-s", "--rewrite", "--identity-timeout", "--format", "EPITAPH_JOURNAL", "TINI_VERBOSITY"] {
        assert!(names.iter().any(|found| found == name), "{name} is not in {names:?}");
    }
    let [(_, page), _] = pages();
    let page = page.replace("\\-", "-");
    for name in &names {
        assert!(page.contains(&format!("\\fB{name}\\fR")), "{name} is not in\n{page}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let file = completions::of(&help(), shell).unwrap();
        for name in names.iter().filter(|name| name.starts_with('-')) {
            let as_word = match (shell, name.strip_prefix("--")) {
                ("bash", _) => format!(" {name} "),
                ("zsh", _) => format!("'*{name}"),
                (_, Some(long)) => format!(" -l {long} "),
                (_, None) => format!(" -s {} ", &name[1..]),
            };
            let lists_it = file.replace('"', " ").contains(&as_word);
            assert!(lists_it, "{name} is not in the one for {shell}:\n{file}");
        }
    }
    let choices = |name: &str| {
        let help = help();
        let option = help.options().find(|option| option.names.iter().any(|found| found == name)).unwrap();
        option.choices().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(choices("--records"), ["json", "json-compact", "text", "off"]);
    assert_eq!(choices("--format"), ["text", "json", "env"]);
}

#[test]
fn the_page_of_the_records_has_every_key_and_verdict() {
    let [_, (_, page)] = pages();
    let page = page.replace("\\-", "-");
    let rows = RECORDS.lines().filter(|line| line.starts_with("| `") || line.starts_with("| [`"));
    let mut count = 0;
    for row in rows {
        // A row can be about several keys, with commas between them.
        let names: Vec<&str> = row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2).collect();
        let heading = format!("\\fB{}\\fR\n", names.join(", "));
        assert!(page.contains(&heading), "{heading} is not in\n{page}");
        count += names.len();
    }
    assert!(count > 70, "{count} keys");
    // Every word of the document that is more than marks.
    for word in ["logfmt", "EPITAPH_STUCK_AFTER", "ru_maxrss", "not_started", "hierarchical_memory_limit"] {
        assert!(page.contains(word), "{word} is not in\n{page}");
    }
    assert!(!page.contains("](") && !page.contains("**"), "Markdown is left in\n{page}");
}

#[test]
fn the_exit_codes_are_the_readmes() {
    let [(_, page), _] = pages();
    let codes = page.split(".SH EXIT STATUS").nth(1).unwrap();
    for code in ["128 + n", "127, 126", "78", "3", "1"] {
        assert!(codes.contains(&format!(".TP\n\\fB{code}\\fR\n")), "{code} is not in\n{codes}");
    }
}

/// A file of this name with this text, in a folder that goes away with the first value.
fn file(name: &str, text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

#[test]
fn mandoc_has_nothing_to_say_of_the_pages() {
    let Some(mandoc) = require("mandoc", find_program("mandoc", "mandoc")) else { return };
    for (name, page) in pages() {
        let (_folder, path) = file(name, &page);
        let lint =
            output(Command::new(&mandoc).args(["-T", "lint", "-W", "style"]).arg(&path), BOUND).unwrap();
        let said = String::from_utf8_lossy(&lint.stdout).into_owned();
        // It looks for the other page, and for those of Docker and Podman, on this machine.
        let said: Vec<&str> =
            said.lines().filter(|line| !line.contains("referenced manual not found")).collect();
        assert_eq!(said, [""; 0], "{page}");
        let shown = stdout(Command::new(&mandoc).args(["-T", "utf8"]).arg(&path), BOUND).unwrap();
        // Bold is a letter, a backspace and the letter again.
        assert!(
            shown.contains("N\u{8}NA\u{8}AM\u{8}ME\u{8}E")
                && !shown.contains("\\f")
                && !shown.contains("\\-"),
            "{shown}"
        );
    }
}

#[test]
fn each_shell_takes_its_completion() {
    for shell in ["bash", "zsh", "fish"] {
        let text = completions::of(&help(), shell).unwrap();
        let Some(program) = require(shell, find_program(shell, shell)) else { continue };
        let (_folder, path) = file("epitaph", &text);
        let checked = output(Command::new(program).arg("-n").arg(&path), BOUND).unwrap();
        assert!(checked.status.success(), "{shell}: {}", String::from_utf8_lossy(&checked.stderr));
    }
}

/// What a Tab after these words would offer.
fn completed_by_bash(words: &[&str]) -> Vec<String> {
    let (_folder, path) = file("epitaph", &completions::of(&help(), "bash").unwrap());
    let script = format!(
        "source {}; COMP_WORDS=({}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _epitaph; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        path.display(),
        words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ")
    );
    let told = stdout(Command::new("bash").args(["--norc", "-c", &script]), BOUND).unwrap();
    told.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn bash_offers_what_fits() {
    if require("bash", find_program("bash", "bash")).is_none() {
        return;
    }
    assert_eq!(completed_by_bash(&["epitaph", "--ident"]), ["--identity-timeout"]);
    assert_eq!(completed_by_bash(&["epitaph", "--records", ""]), ["json", "json-compact", "text", "off"]);
    assert_eq!(completed_by_bash(&["epitaph", "-p", "SIGTER"]), ["SIGTERM"]);
    assert_eq!(completed_by_bash(&["epitaph", "--kill-after", ""]), [""; 0]);
    assert!(completed_by_bash(&["epitaph", "-s", "prin"]).contains(&"printf".to_owned()));
    // The program's own options are not epitaph's.
    assert_eq!(completed_by_bash(&["epitaph", "-s", "--", "ls", "--re"]), [""; 0]);
}
