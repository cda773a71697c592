//! The limit of processes: a program that cannot start one more fails in words of its own, and nothing else
//! tells why.
//!
//! Formats: Documentation/admin-guide/cgroup-v1/pids.rst and cgroup-v2.rst in the kernel's source. Threads
//! count too.

use super::figures::{parse_keyed, parse_number, smallest};
use super::files::{join, read_text};
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

impl Pids {
    /// The same with `limit_hits` counted from an earlier reading of the counter.
    pub fn since(self, hits_before: Option<u64>) -> Pids {
        let hits = self.limit_hits.zip(hits_before);
        Pids { limit_hits: hits.map(|(now, before)| now.saturating_sub(before)), ..self }
    }
}

/// Reads all of it, the hits as the kernel counts them; so many of the directories above are cgroups too.
pub(super) fn read(directory: &Path, ancestors: usize) -> Pids {
    // `max` is no number.
    let limit = |of: &Path| read_text(&join(of, "pids.max"), |text| Some(parse_number(text)));
    // Where its own limit cannot be read, nothing is counted here, and the rest need not be looked for.
    let Some(own) = limit(directory) else { return Pids::default() };
    let above = directory.ancestors().skip(1).take(ancestors);
    Pids {
        limit: above.filter_map(limit).fold(own, smallest),
        peak: read_text(&join(directory, "pids.peak"), parse_number),
        limit_hits: hits(directory),
    }
}

/// `max` in `pids.events`.
pub(super) fn hits(directory: &Path) -> Option<u64> {
    read_text(&join(directory, "pids.events"), |text| parse_keyed(text, "max"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forensics::testing::Tree;

    #[test]
    fn hits_count_from_the_start_and_the_smallest_limit_counts() {
        let tree = Tree::new()
            .files("a/b", &[("pids.max", "max\n"), ("pids.peak", "37\n"), ("pids.events", "max 7\n")])
            .file("a/pids.max", "50\n");
        let own = tree.path().join("a/b");
        assert_eq!(read(&own, 1), Pids { limit: Some(50), peak: Some(37), limit_hits: Some(7) });
        assert_eq!(read(&own, 0).limit, None);
        assert_eq!(read(&own, 0).since(Some(4)).limit_hits, Some(3));
        assert_eq!(read(&own, 0).since(None).limit_hits, None);
        assert_eq!(read(Path::new("/nowhere"), 0), Pids::default());
    }
}
