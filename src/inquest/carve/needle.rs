//! What is looked for in the bytes, in one pass.

use crate::inquest::witness;
use aho_corasick::{AhoCorasick, MatchKind, packed};

/// What a needle stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needle {
    /// the name in a record
    Epitaph,
    /// the same as numbers: journald's JSON of a line with control characters
    Numbers,
    /// the beginning of a gzip member in base64: a subscription's event in Lambda or Kinesis
    Base64,
    /// something that another witness says
    Witness,
}

/// `epitaph` as numbers, as `journalctl -o json`, `jq` and Python, and `-o json-pretty` write them.
const NUMBERS: [&str; 3] = [
    "101,112,105,116,97,112,104",
    "101, 112, 105, 116, 97, 112, 104",
    "101,\n\t\t112,\n\t\t105,\n\t\t116,\n\t\t97,\n\t\t112,\n\t\t104",
];

/// Finds the needles.
pub struct Needles {
    patterns: Vec<(&'static str, Needle)>,
    search: Search,
    longest: usize,
}

enum Search {
    /// vector instructions
    Packed(packed::Searcher),
    /// where there are none
    Automaton(AhoCorasick),
    /// patterns that cannot be built: never
    Nothing,
}

impl Needles {
    /// Those of the records, and those of other witnesses with `witnesses`.
    pub fn new(witnesses: bool) -> Needles {
        let mut patterns = vec![("epitaph", Needle::Epitaph), ("\"H4sI", Needle::Base64)];
        patterns.extend(NUMBERS.map(|numbers| (numbers, Needle::Numbers)));
        if witnesses {
            patterns.extend(witness::NEEDLES.iter().map(|needle| (*needle, Needle::Witness)));
        }
        let texts = || patterns.iter().map(|(text, _)| text);
        let longest = texts().map(|text| text.len()).max().unwrap_or(0);
        let search = match packed::Config::new()
            .match_kind(packed::MatchKind::LeftmostFirst)
            .builder()
            .extend(texts())
            .build()
        {
            Some(searcher) => Search::Packed(searcher),
            None => match AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(texts()) {
                Ok(automaton) => Search::Automaton(automaton),
                Err(_) => Search::Nothing,
            },
        };
        Needles { patterns, search, longest }
    }

    /// How long the longest one is, in bytes.
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// The first needle in `bytes` that begins at `from` or later, and before `to`: which, and where it
    /// begins and ends.
    pub fn find(&self, bytes: &[u8], from: usize, to: usize) -> Option<(Needle, usize, usize)> {
        let end = to.saturating_add(self.longest).min(bytes.len());
        let within = bytes.get(..end)?;
        let found = match &self.search {
            Search::Packed(searcher) => searcher.find_in(within, aho_corasick::Span { start: from, end }),
            Search::Automaton(automaton) => automaton.find(aho_corasick::Input::new(within).span(from..end)),
            Search::Nothing => None,
        }?;
        let (_, needle) = self.patterns.get(found.pattern().as_usize())?;
        (found.start() < to).then_some((*needle, found.start(), found.end()))
    }
}
