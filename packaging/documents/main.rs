//! Makes the man pages, the completions and the list of parts of a release, from the text of `--help`, from
//! docs/records.md and from what cargo knows, so that they cannot say something else. packaging/build.sh runs
//! it:
//!
//! ```text
//! documents man | records-man | completions bash|zsh|fish
//! documents inquest-man | inquest-completions bash|zsh|fish
//! documents sbom BINARY TARGET [NAME=VERSION]...    cargo metadata on stdin, the file's SHA-256 in
//!                                                   BINARY_SHA256, the features of its build in
//!                                                   PARTS_FEATURES
//! documents auditable                               cargo metadata on stdin
//! ```
//!
//! The result is on stdout. Its date is SOURCE_DATE_EPOCH (seconds since 1970).

#![allow(clippy::print_stdout, clippy::print_stderr, missing_docs)]

mod completions;
mod help;
mod man;
mod markdown;
mod parts;
mod roff;

use std::io::Read;
use std::process::ExitCode;
use std::time::{Duration, UNIX_EPOCH};

const RECORDS: &str = include_str!("../../docs/records.md");
const README: &str = include_str!("../../README.md");

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("documents: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<String, String> {
    let date = date()?;
    let day = date.get(..10).unwrap_or(&date);
    match words {
        ["man"] => man::page(&help::Help::of_epitaph()?, README, day),
        ["records-man"] => Ok(markdown::page(RECORDS, day)),
        ["completions", shell] => completions::of(&help::Help::of_epitaph()?, shell),
        ["inquest-man"] => String::from_utf8(epitaph::inquest::man_page()).map_err(|error| error.to_string()),
        ["inquest-completions", shell] => epitaph::inquest::completions(shell),
        ["sbom", binary, target, others @ ..] => parts::sbom(&metadata()?, binary, target, others, &date),
        ["auditable"] => parts::auditable(&metadata()?),
        _ => Err("man | records-man | completions SHELL | inquest-man | inquest-completions SHELL | sbom BINARY TARGET [NAME=VERSION]... | auditable"
            .to_owned()),
    }
}

fn date() -> Result<String, String> {
    let epoch = std::env::var("SOURCE_DATE_EPOCH").unwrap_or_else(|_| "0".to_owned());
    let seconds = epoch.parse().map_err(|_| format!("SOURCE_DATE_EPOCH={epoch}: not a number of seconds"))?;
    Ok(humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string())
}

fn metadata() -> Result<parts::Metadata, String> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).map_err(|error| format!("stdin: {error}"))?;
    let features = std::env::var("PARTS_FEATURES").unwrap_or_default();
    parts::Metadata::parse(&text, &features.split_whitespace().collect::<Vec<_>>())
}
