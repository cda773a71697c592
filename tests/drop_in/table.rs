//! What a row is.

use crate::init::{ALIASES, Init, ORIGINALS};

/// The originals that a row is about.
pub const ALL: &[&str] = &ORIGINALS;
/// Both forms of tini.
pub const TINI: &[&str] = &["tini", "tini-static"];
/// dumb-init alone.
pub const DUMB_INIT: &[&str] = &["dumb-init"];
/// catatonit alone.
pub const CATATONIT: &[&str] = &["catatonit"];
/// tini and catatonit.
pub const GROUP_INITS: &[&str] = &["tini", "tini-static", "catatonit"];

/// A difference that is meant.
pub struct Difference {
    /// between epitaph and which originals
    pub from: &'static [&'static str],
    /// their outcome
    pub theirs: String,
    /// that of epitaph by their name
    pub ours: String,
    /// the reason
    pub why: &'static str,
}

/// A behaviour, and how it is found out.
pub struct Row {
    /// the heading that it belongs under
    pub subject: &'static str,
    /// what is done, in Markdown
    pub what: String,
    /// the originals that it is about
    pub inits: &'static [&'static str],
    /// does it, and says what came of it
    pub run: Box<dyn Fn(&Init) -> String + Send + Sync>,
    /// differences that are meant
    pub differences: Vec<Difference>,
    /// the outcome under epitaph's own name, where it is not the one under tini's name (or under the first
    /// original's that the row is about)
    pub own: Option<(String, &'static str)>,
}

/// A new row.
pub fn row(
    subject: &'static str,
    what: impl Into<String>,
    inits: &'static [&'static str],
    run: impl Fn(&Init) -> String + Send + Sync + 'static,
) -> Row {
    Row { subject, what: what.into(), inits, run: Box::new(run), differences: Vec::new(), own: None }
}

impl Row {
    /// A difference that is meant: `theirs` is the outcome of the originals `from`, `ours` that of epitaph.
    pub fn differs(
        mut self,
        from: &'static [&'static str],
        theirs: impl Into<String>,
        ours: impl Into<String>,
        why: &'static str,
    ) -> Row {
        self.differences.push(Difference { from, theirs: theirs.into(), ours: ours.into(), why });
        self
    }

    /// The outcome under epitaph's own name.
    pub fn own(mut self, outcome: impl Into<String>, why: &'static str) -> Row {
        self.own = Some((outcome.into(), why));
        self
    }

    /// Changes the row where the condition holds: for one of several that are made alike.
    pub fn only_if(self, condition: bool, change: impl FnOnce(Row) -> Row) -> Row {
        if condition { change(self) } else { self }
    }

    /// Whether the row is run under the name.
    pub fn is_about(&self, name: &str) -> bool {
        let alias = ALIASES.iter().find_map(|(alias, of)| (*alias == name).then_some(*of));
        name == "epitaph" || self.inits.contains(&alias.unwrap_or(name))
    }
}
