//! What became of a life, in a word and a sentence, and how sure that is.

use super::sighting::{Place, Said};
use crate::inquest::text::Text;
use crate::inquest::witness::WitnessKind;

/// Whatever ends within this time of another on the same instance may have ended with it, in milliseconds.
pub(super) const TOGETHER: i64 = 60_000;

/// A log whose last line is no older than this, beside the newest line of the heap, may go on, in
/// milliseconds.
pub(super) const RECENT: i64 = 10 * 60_000;

/// How sure a conclusion is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sure {
    /// the record or the witness says so
    Yes,
    /// another witness says so, and nothing of epitaph's own contradicts it
    Word,
    /// the most likely of several
    Likely,
    /// it cannot be known from what is here
    #[default]
    No,
}

impl Sure {
    /// The word in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Sure::Yes => "yes",
            Sure::Word => "witness",
            Sure::Likely => "likely",
            Sure::No => "no",
        }
    }
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Conclusion {
    /// one word: the verdict of the exit record, or `oom`, `killed`, `lost`, `ended`, `running`, `unknown`
    pub word: Text,
    /// how sure it is
    pub sure: Sure,
    /// why, in a sentence or two
    pub text: Text,
    /// what somebody else than epitaph says
    pub word_of: Option<Box<WordOf>>,
}

/// What a conclusion has from a witness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WordOf {
    /// who says so
    pub witness: Option<WitnessKind>,
    /// where they say so
    pub place: Option<Place>,
    /// an exit code that only they tell
    pub code: Option<i64>,
}

impl Conclusion {
    /// What somebody else than epitaph says.
    pub fn word_of(&self) -> WordOf {
        self.word_of.as_deref().copied().unwrap_or_default()
    }

    /// The same with the exit code that a witness tells.
    pub(super) fn with_code(mut self, code: Option<i64>) -> Conclusion {
        if code.is_some() {
            self.word_of.get_or_insert_default().code = code;
        }
        self
    }
}

/// A conclusion on what is here.
pub(super) fn conclusion(word: &str, sure: Sure, text: String) -> Conclusion {
    Conclusion { word: Text::shared(word), sure, text: Text::shared(&text), ..Conclusion::default() }
}

/// The same with who says so.
pub(super) fn said_by(mut conclusion: Conclusion, said: &Said) -> Conclusion {
    let word_of = conclusion.word_of.get_or_insert_default();
    word_of.witness = Some(said.statement.kind);
    word_of.place = Some(said.place);
    if said.unconfirmed {
        // It is not the witness's word for certain.
        conclusion.sure = Sure::Likely;
        conclusion.text = Text::shared(&format!(
            "{} This stands among the lines of a container, so its program may have written it: most likely, not more.",
            conclusion.text
        ));
    }
    conclusion
}
