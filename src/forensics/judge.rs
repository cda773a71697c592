//! The verdict on an end, with its sentence.

use super::facts::Facts;
use super::verdict::{Verdict, decide};
use super::why;

/// A verdict with its evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// the word
    pub verdict: Verdict,
    /// one sentence with the figures, at most 300 bytes, without control characters
    pub why: String,
}

/// Judges an end, but for that of a program that could not be executed, which is [`Verdict::NotStarted`]:
/// there was nothing to kill or to stop. The rules stand in `verdict.rs`.
pub fn judge(facts: &Facts) -> Judgement {
    let verdict = decide(facts);
    Judgement { verdict, why: why::sentence(verdict, facts) }
}

#[cfg(test)]
mod tests;
