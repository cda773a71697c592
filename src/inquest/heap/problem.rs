//! What could not be read.

use std::fmt;
use std::path::{Path, PathBuf};

/// What could not be read, or not wholly: one line for a person.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// the file or directory
    pub path: PathBuf,
    /// what is the matter, and what to do
    pub text: String,
    /// whether something was left unread by it, so that what is shown may not be all
    pub loses: bool,
}

impl Problem {
    /// Something was not read.
    pub fn new(path: &Path, text: impl Into<String>) -> Problem {
        Problem { path: path.to_owned(), text: text.into(), loses: true }
    }

    /// Something is strange, and all was read.
    pub fn note(path: &Path, text: impl Into<String>) -> Problem {
        Problem { path: path.to_owned(), text: text.into(), loses: false }
    }

    /// What an error of the operating system means for the one who reads logs.
    pub fn of_io(path: &Path, error: &std::io::Error) -> Problem {
        let text = match error.kind() {
            std::io::ErrorKind::PermissionDenied => {
                "permission denied (root can read it; Docker's files, also the group docker)".to_owned()
            }
            std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
            _ => error.to_string(),
        };
        Problem::new(path, text)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.loses { "cannot read all of" } else { "note:" };
        write!(formatter, "{what} {}: {}", self.path.display(), self.text)
    }
}
