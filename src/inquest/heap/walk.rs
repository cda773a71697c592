//! Which files there are below the arguments.

use super::Problem;
use std::collections::HashSet;
use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// Where bytes come from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Input {
    /// the standard input, `-`
    Stdin,
    /// a file, or a FIFO that was given by name
    File(PathBuf),
}

impl Input {
    /// The name that is shown: `-` is the standard input.
    pub fn path(&self) -> &Path {
        match self {
            Input::Stdin => Path::new("-"),
            Input::File(path) => path,
        }
    }
}

/// One input.
#[derive(Debug, Clone)]
pub struct Entry {
    /// where to read
    pub input: Input,
    /// its bytes on disk; 0 where that is not known
    pub size: u64,
    /// when it was last written, in milliseconds since 1970; none where that is not known
    pub modified: Option<i64>,
}

/// All files at and below `paths`, each once, in order of their names, and what could not be entered. Links
/// that are arguments are followed; others only with `follow`.
pub fn walk(paths: &[PathBuf], follow: bool) -> (Vec<Entry>, Vec<Problem>) {
    let mut found = Found::default();
    for path in paths {
        if path.as_os_str() == "-" {
            if !found.entries.iter().any(|entry| entry.input == Input::Stdin) {
                found.entries.push(Entry { input: Input::Stdin, size: 0, modified: None });
            }
            continue;
        }
        found.below(path, follow);
    }
    let Found { mut entries, mut problems, .. } = found;
    entries.sort_by(|one, other| one.input.cmp(&other.input));
    problems.sort();
    problems.dedup();
    (entries, problems)
}

#[derive(Default)]
struct Found {
    entries: Vec<Entry>,
    problems: Vec<Problem>,
    seen: HashSet<(u64, u64)>,
}

impl Found {
    fn below(&mut self, argument: &Path, follow: bool) {
        // The metadata of an argument is that of what a link leads to.
        match std::fs::metadata(argument) {
            Ok(metadata) if !metadata.is_dir() => {
                if metadata.is_file() || metadata.file_type().is_fifo() || is_pipe_of_shell(argument) {
                    self.add(argument, &metadata);
                } else {
                    self.problems.push(Problem::new(argument, "neither a file nor a directory"));
                }
                return;
            }
            Ok(_) => {}
            Err(error) => {
                self.problems.push(Problem::of_io(argument, &error));
                return;
            }
        }
        let kernels = |path: &Path| path == Path::new("/proc") || path == Path::new("/sys");
        let walk = WalkDir::new(argument).follow_links(follow).follow_root_links(true);
        let entries = walk.into_iter().filter_entry(|entry| entry.depth() == 0 || !kernels(entry.path()));
        for entry in entries {
            match entry {
                Ok(entry) if entry.file_type().is_file() => match entry.metadata() {
                    Ok(metadata) => self.add(entry.path(), &metadata),
                    Err(error) => self.failed(argument, &error),
                },
                Ok(_) => {}
                Err(error) => self.failed(argument, &error),
            }
        }
    }

    fn add(&mut self, path: &Path, metadata: &Metadata) {
        if !self.seen.insert((metadata.dev(), metadata.ino())) {
            return;
        }
        let modified = metadata
            .mtime()
            .checked_mul(1000)
            .and_then(|ms| ms.checked_add(metadata.mtime_nsec() / 1_000_000));
        let size = if metadata.is_file() { metadata.len() } else { 0 };
        self.entries.push(Entry { input: Input::File(path.to_owned()), size, modified });
    }

    fn failed(&mut self, argument: &Path, error: &walkdir::Error) {
        let path = error.path().unwrap_or(argument);
        self.problems.push(match (error.loop_ancestor(), error.io_error()) {
            (Some(ancestor), _) => {
                Problem::note(path, format!("a link that leads back to {}", ancestor.display()))
            }
            (None, Some(error)) => Problem::of_io(path, error),
            (None, None) => Problem::new(path, error.to_string()),
        });
    }
}

/// `inquest WHO <(zcat x)`: `/dev/fd/63`.
fn is_pipe_of_shell(path: &Path) -> bool {
    path.starts_with("/dev/fd") || path == Path::new("/dev/stdin") || path.starts_with("/proc/self/fd")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_once_in_order_and_links_only_when_asked_for() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        std::fs::create_dir(at("sub")).expect("a directory");
        for name in ["b", "a", "sub/c"] {
            std::fs::write(at(name), name).expect("a file");
        }
        std::os::unix::fs::symlink(at("a"), at("link")).expect("a link");
        std::os::unix::fs::symlink(directory.path(), at("sub/loop")).expect("a link");
        let names = |entries: Vec<Entry>| -> Vec<PathBuf> {
            entries.iter().map(|entry| entry.input.path().to_owned()).collect()
        };
        let (entries, problems) = walk(&[directory.path().to_owned(), at("a")], false);
        assert_eq!(names(entries), [at("a"), at("b"), at("sub/c")]);
        assert_eq!(problems, []);

        let (entries, problems) = walk(&[at("link")], false);
        assert_eq!(names(entries), [at("link")]);
        assert_eq!(problems, []);

        let (entries, problems) = walk(&[directory.path().to_owned()], true);
        assert_eq!(entries.len(), 3);
        assert!(
            problems.iter().any(|problem| problem.text.starts_with("a link that leads back")),
            "{problems:?}"
        );
        assert!(problems.iter().all(|problem| !problem.loses));

        let (entries, problems) = walk(&[at("missing")], false);
        assert!(entries.is_empty());
        assert_eq!(problems, [Problem::new(&at("missing"), "no such file or directory")]);
    }
}
