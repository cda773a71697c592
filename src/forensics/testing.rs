//! What the tests of this room share: trees of /proc and /sys, real cgroups, skips that are seen.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
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

/// Says on the real stderr, past the capture of the test harness, that a test could not run; an error where all
/// tests are required to.
pub(super) fn skip(test: &str, reason: &str) {
    if std::env::var_os("EPITAPH_TEST_REQUIRE_ALL").is_some_and(|value| value == "1") {
        panic!("{test} is required to run: {reason}");
    }
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {reason}");
}

/// A cgroup of its own in a mounted hierarchy, removed with all that is in it at the end.
pub(super) struct RealCgroup(pub(super) PathBuf);

impl RealCgroup {
    pub(super) fn new(hierarchy: &str) -> Result<RealCgroup, String> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let hierarchy = Path::new(hierarchy);
        if !hierarchy.join("cgroup.procs").exists() {
            return Err(format!("no cgroup hierarchy at {}", hierarchy.display()));
        }
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = hierarchy.join(format!("epitaph-test-{}-{number}", std::process::id()));
        fs::create_dir(&path).map_err(|error| format!("{}: {error} (not root?)", path.display()))?;
        Ok(RealCgroup(path))
    }

    /// A memory cgroup of version 1 with a limit in bytes.
    pub(super) fn with_limit(limit: u64) -> Result<RealCgroup, String> {
        let cgroup = RealCgroup::new("/sys/fs/cgroup/memory")?;
        fs::write(cgroup.0.join("memory.limit_in_bytes"), limit.to_string())
            .map_err(|error| format!("no limit could be set: {error}"))?;
        Ok(cgroup)
    }

    /// Runs a shell script inside; the address space is bounded too, in case that the cgroup's limit fails.
    pub(super) fn shell(&self, script: &str) -> Child {
        let enter = format!("ulimit -v 2000000 && echo $$ > {}/cgroup.procs && {script}", self.0.display());
        Command::new("sh").args(["-c", &enter]).stderr(Stdio::null()).spawn().unwrap()
    }
}

impl Drop for RealCgroup {
    fn drop(&mut self) {
        let removed = wait_for(Duration::from_secs(10), || fs::remove_dir(&self.0).is_ok());
        assert!(removed || std::thread::panicking(), "{} is still in use", self.0.display());
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
