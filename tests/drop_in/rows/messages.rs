//! What the inits say of themselves.

use crate::init::Init;
use crate::table::{ALL, CATATONIT, Row, TINI, row};

const SUBJECT: &str = "Usage, version, licence";

pub fn rows() -> Vec<Row> {
    vec![
        row(SUBJECT, "`--version`", ALL, |init| answer(init, "--version", version)).own(
            "exit 0, stdout: epitaph",
            "Docker and Podman look for `tini version` and get it under the names that they use.",
        ),
        row(SUBJECT, "`-V`", &["dumb-init", "catatonit"], |init| answer(init, "-V", version)).own(
            "exit 1, stderr: names the option",
            "By its own name epitaph has tini's options, `-c` and `-r`.",
        ),
        row(SUBJECT, "`-h`", ALL, |init| answer(init, "-h", usage)),
        row(SUBJECT, "`--help`", ALL, |init| answer(init, "--help", usage))
            .differs(
                TINI,
                "exit 1, stderr: names the option",
                "exit 0, stdout: usage",
                "tini knows no long options but `--version`.",
            )
            .differs(
                CATATONIT,
                "exit 1, stderr: usage",
                "exit 0, stderr: usage",
                "catatonit knows no `--help`.",
            ),
        row(SUBJECT, "`-l`", TINI, |init| answer(init, "-l", licence)),
        row(SUBJECT, "`-L`", CATATONIT, |init| answer(init, "-L", licence))
            .own("exit 1, stderr: names the option", "By its own name epitaph has `-l`, as tini."),
        row(SUBJECT, "No arguments", ALL, |init| answer(init, "", usage)),
        row(SUBJECT, "`--` alone", ALL, |init| answer(init, "--", usage)),
        row(SUBJECT, "An option that does not exist, `-Z`", ALL, |init| answer(init, "-Z true", complaint)),
        row(SUBJECT, "A long option that does not exist, `--zebra`", ALL, |init| {
            answer(init, "--zebra true", complaint)
        }),
    ]
}

/// The end, and on which stream the text was, as `of` sees it.
fn answer(init: &Init, words: &str, of: fn(&str) -> Option<String>) -> String {
    let done = init.call().words(words).run();
    let mut parts = vec![done.end()];
    let of = |text: &str| complaint(text).or_else(|| of(text));
    for (stream, text) in [("stdout", &done.out), ("stderr", &done.err)] {
        if !text.is_empty() {
            parts.push(format!("{stream}: {}", of(text).unwrap_or_else(|| "something else".to_owned())));
        }
    }
    parts.join(", ")
}

fn version(text: &str) -> Option<String> {
    let mut words = text.split_whitespace();
    match words.next()? {
        "tini" => (words.next() == Some("version")).then(|| "tini version".to_owned()),
        first => Some(first.to_owned()),
    }
}

fn usage(text: &str) -> Option<String> {
    text.to_ascii_lowercase().contains("usage: ").then(|| "usage".to_owned())
}

fn licence(text: &str) -> Option<String> {
    let has = |word: &str| text.to_ascii_lowercase().contains(word);
    (has("license") || has("licence") || has("copyright")).then(|| "licence".to_owned())
}

fn complaint(text: &str) -> Option<String> {
    // getopt says `invalid option -- 'Z'`, and of a long one some `'-'`.
    let first = text.lines().next()?;
    let words = ["'-V'", "'-L'", "-Z", "'Z'", "zebra", "'-'"];
    words.iter().any(|word| first.contains(word)).then(|| "names the option".to_owned())
}
