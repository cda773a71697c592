//! A sentence that stands beside the verdict.

use super::sighting::Place;
use crate::inquest::text::Text;

/// A sentence that stands beside the verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// what is to be known
    pub text: Text,
    /// where that stands, where it is a witness's word
    pub place: Option<Place>,
    /// something failed, whatever the verdict says
    pub grave: bool,
}

impl Remark {
    /// One of which nothing failed.
    pub(super) fn new(text: &str, place: Option<Place>) -> Remark {
        Remark { text: Text::shared(text), place, grave: false }
    }

    /// One of which something failed.
    pub(super) fn grave(text: &str, place: Option<Place>) -> Remark {
        Remark { grave: true, ..Remark::new(text, place) }
    }
}
