//! How lives ended, in words that can be counted.

use crate::inquest::case::{Life, is_good};
use std::collections::BTreeMap;

/// The lives of each kind of container, `family:revision/container`, each in order of their beginning.
pub type Kinds<'a> = BTreeMap<String, Vec<&'a Life>>;

/// How a life ended, in one word: its verdict; `none` with what is concluded where it has no exit record.
pub fn outcome(life: &Life) -> String {
    match life.verdict() {
        Some(verdict) => verdict.to_owned(),
        None if life.exit().is_some() => "unknown".to_owned(),
        None => format!("none ({})", life.conclusion.word),
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
pub fn tally(words: impl Iterator<Item = String>) -> Vec<(String, usize)> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    words.for_each(|word| *counts.entry(word).or_default() += 1);
    let mut counts: Vec<(String, usize)> = counts.into_iter().collect();
    counts.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    counts
}
