//! The world as the sources see it: where /proc is, and what the environment holds.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The most that is read of any file, in bytes. `/proc/self/cgroup` has a few KB at most; mountinfo of a
/// machine with thousands of mounts has more, but the mounts of interest are among the first.
const LONGEST_FILE: u64 = 256 * 1024;

enum Environment {
    OfProcess,
    Given(HashMap<String, String>),
}

/// Where the sources look. Tests give a directory and variables of their own.
pub struct Surroundings {
    root: PathBuf,
    environment: Environment,
}

impl Surroundings {
    /// The file system and the environment of this process.
    pub fn of_process() -> Surroundings {
        Surroundings { root: PathBuf::from("/"), environment: Environment::OfProcess }
    }

    /// The tree below `root` in place of `/`, and `variables` in place of the environment.
    pub fn given<'a>(
        root: impl Into<PathBuf>,
        variables: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Surroundings {
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Surroundings {
            root: root.into(),
            environment: Environment::Given(variables.into_iter().map(own).collect()),
        }
    }

    /// The value of a variable. Absent when it is not set, empty, or not UTF-8.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        let value = match &self.environment {
            Environment::OfProcess => std::env::var(name).ok(),
            Environment::Given(variables) => variables.get(name).cloned(),
        };
        value.filter(|value| !value.is_empty())
    }

    /// Where `path`, which is absolute, is in this tree.
    pub(super) fn place(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// The first 256 KiB of a file as text, what is not UTF-8 replaced; empty when it cannot be read.
    pub(super) fn read(&self, path: &str) -> String {
        // The size of a file in /proc is not known beforehand; most fit into one page.
        let mut bytes = Vec::with_capacity(4096);
        let read = File::open(self.place(Path::new(path)))
            .and_then(|file| file.take(LONGEST_FILE).read_to_end(&mut bytes));
        match read {
            Ok(_) => String::from_utf8(bytes)
                .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
            Err(_) => String::new(),
        }
    }
}
