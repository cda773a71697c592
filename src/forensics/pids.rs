//! The limit of processes: a program that cannot start one more fails in words of its own, and nothing else tells why.
//!
//! Formats: Documentation/admin-guide/cgroup-v1/pids.rst and cgroup-v2.rst in the kernel's source. Threads count too.

use super::figures::{parse_keyed, parse_number, smallest};
use super::files::{join, read_text};
use super::resources::{Place, pids_cgroup};
use std::path::Path;

/// What the cgroup of processes tells. What it does not tell is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pids {
    /// the smallest limit of the cgroup and those above it that can be seen; `None` without one
    pub limit: Option<u64>,
    /// the most that there ever were; version 2 since Linux 6.1
    pub peak: Option<u64>,
    /// how often no process could be started because of it since the first reading
    pub limit_hits: Option<u64>,
}

/// The cgroup in which our processes are counted.
#[derive(Debug)]
pub struct PidsCgroup {
    place: Place,
    hits_before: Option<u64>,
}

impl PidsCgroup {
    /// Finds it by the content of `/proc/self/cgroup`, and counts from now. `None` where there is none to be seen, as
    /// in the root.
    pub fn find(root: &Path, membership: &[u8]) -> Option<PidsCgroup> {
        let place = pids_cgroup(root, membership)?;
        let hits_before = hits(&place.directory);
        Some(PidsCgroup { place, hits_before })
    }

    /// Reads all of it.
    pub fn read(&self) -> Pids {
        let directory = &self.place.directory;
        let limits = directory.ancestors().take(self.place.ancestors + 1);
        let limit =
            limits.map(|above| read_text(&join(above, "pids.max"), parse_number)).fold(None, smallest);
        Pids {
            limit,
            peak: read_text(&join(directory, "pids.peak"), parse_number),
            limit_hits: hits(directory).zip(self.hits_before).map(|(now, before)| now.saturating_sub(before)),
        }
    }
}

/// `max` in `pids.events`.
fn hits(directory: &Path) -> Option<u64> {
    read_text(&join(directory, "pids.events"), |text| parse_keyed(text, "max"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forensics::testing::Tree;
    use std::fs;

    const OWN: &[(&str, &str)] = &[("pids.max", "max\n"), ("pids.peak", "37\n"), ("pids.events", "max 4\n")];

    #[test]
    fn version_2_counts_from_the_start_and_takes_the_smallest_limit() {
        let tree = Tree::new()
            .file("proc/self/mountinfo", "4 3 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n")
            .files("sys/fs/cgroup/a/b", OWN)
            .file("sys/fs/cgroup/a/pids.max", "50\n");
        let cgroup = PidsCgroup::find(tree.path(), b"0::/a/b\n").expect("a cgroup");
        assert_eq!(cgroup.read(), Pids { limit: Some(50), peak: Some(37), limit_hits: Some(0) });
        fs::write(tree.path().join("sys/fs/cgroup/a/b/pids.events"), "max 7\n").expect("a file");
        assert_eq!(cgroup.read().limit_hits, Some(3));
    }

    #[test]
    fn version_1_has_a_hierarchy_of_its_own() {
        let tree = Tree::new()
            .file("proc/self/mountinfo", "4 3 0:26 /c /sys/fs/cgroup/pids ro - cgroup cgroup rw,pids\n")
            .files("sys/fs/cgroup/pids", &[("pids.max", "20\n"), ("pids.events", "max 0\n")]);
        let cgroup = PidsCgroup::find(tree.path(), b"7:pids:/c\n0::/elsewhere\n").expect("a cgroup");
        assert_eq!(cgroup.read(), Pids { limit: Some(20), peak: None, limit_hits: Some(0) });
    }

    #[test]
    fn a_cgroup_without_the_controller_tells_nothing() {
        let tree = Tree::new()
            .file("proc/self/mountinfo", "4 3 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n")
            .file("sys/fs/cgroup/a/cgroup.procs", "1\n");
        assert!(PidsCgroup::find(tree.path(), b"0::/a\n").is_none());
        assert!(PidsCgroup::find(Tree::new().path(), b"").is_none());
    }
}
