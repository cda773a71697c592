//! How lives ended, in words that can be counted.

use crate::inquest::case::{Life, is_good};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The lives of each kind of container, `family:revision/container`, each in order of their beginning.
pub type Kinds<'a> = BTreeMap<String, Vec<&'a Life>>;

/// How a life ended, in one word: its verdict; `none` with what is concluded where it has no exit record.
pub fn outcome(life: &Life) -> Cow<'static, str> {
    match life.exit() {
        Some(exit) => exit.verdict.map_or("unknown", |verdict| verdict.as_str()).into(),
        None => format!("none ({})", life.conclusion.word).into(),
    }
}

/// Whether it ended, and not as it should.
pub fn is_bad(life: &Life) -> bool {
    match life.verdict() {
        Some(verdict) => !is_good(verdict),
        None => matches!(life.conclusion.word.as_str(), "oom" | "killed" | "lost" | "ended"),
    }
}

/// Whether the OOM killer took the program or a part of it, by epitaph's word or as it is concluded.
pub fn met_oom_killer(life: &Life) -> bool {
    let told = life.verdict().unwrap_or(life.conclusion.word.as_str());
    told.starts_with("oom")
        || life.memory().and_then(|memory| memory.oom_kills).is_some_and(|kills| kills > 0)
}

/// How often each word is there, the most frequent first.
pub fn tally<'a>(words: impl Iterator<Item = Cow<'a, str>>) -> Vec<(String, usize)> {
    let mut counts: BTreeMap<Cow<'a, str>, usize> = BTreeMap::new();
    words.for_each(|word| *counts.entry(word).or_default() += 1);
    let mut counts: Vec<(String, usize)> =
        counts.into_iter().map(|(word, count)| (word.into_owned(), count)).collect();
    counts.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    counts
}
