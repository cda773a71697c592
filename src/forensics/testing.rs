//! What the tests of this room share, those in tests/cgroups too: trees of /proc and /sys.
#![allow(clippy::unwrap_used, clippy::panic)]
// The tests here and those in tests/cgroups each use a part of it.
#![allow(dead_code)]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A root with files of the test's choice.
pub(super) struct Tree(TempDir);

impl Tree {
    pub(super) fn new() -> Tree {
        Tree(TempDir::new().unwrap())
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// What `/proc/self/cgroup` holds in this tree; nothing where it is not there.
    pub(super) fn membership(&self) -> Vec<u8> {
        fs::read(self.path().join("proc/self/cgroup")).unwrap_or_default()
    }

    pub(super) fn file(self, path: &str, content: impl AsRef<[u8]>) -> Tree {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    /// Several files of one directory.
    pub(super) fn files(mut self, directory: &str, files: &[(&str, &str)]) -> Tree {
        for (name, content) in files {
            self = self.file(&format!("{directory}/{name}"), content);
        }
        self
    }

    /// A directory in the place of a file: it can be opened and not be read, by root neither.
    pub(super) fn unreadable(self, path: &str) -> Tree {
        fs::create_dir_all(self.path().join(path)).unwrap();
        self
    }

    pub(super) fn link(self, path: &str, target: impl AsRef<Path>) -> Tree {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, path).unwrap();
        self
    }
}

/// Looks again and again until a condition holds; whether it did in time.
pub(super) fn wait_for(bound: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let started = Instant::now();
    while started.elapsed() < bound {
        if condition() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    condition()
}
