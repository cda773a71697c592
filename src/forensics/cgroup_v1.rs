//! The memory controller of cgroup version 1.
//!
//! Formats: Documentation/admin-guide/cgroup-v1/memory.rst in the kernel's source.

use super::files::read_text;
use super::memory::{Memory, UNLIMITED, parse_keyed, parse_limit, parse_number, smallest};
use std::path::Path;

/// Every cgroup with the controller has it, the root too.
pub(super) const USAGE: &str = "memory.usage_in_bytes";

pub(super) fn read(directory: &Path) -> Memory {
    let number = |name| read_text(&directory.join(name), parse_number);
    Memory {
        cgroup: 1,
        limit: limit(directory),
        usage: number(USAGE),
        peak: number("memory.max_usage_in_bytes"),
        oom_kills: oom_kills(directory),
        limit_hits: number("memory.failcnt"),
    }
}

/// The cgroup's own limit and those of the cgroups above.
///
/// `hierarchical_memory_limit` in `memory.stat` is the smallest of them all, of those that are not visible too,
/// and leaves out those that do not apply (`memory.use_hierarchy` 0). So the directories above are not looked at.
fn limit(directory: &Path) -> Option<u64> {
    let own = read_text(&directory.join("memory.limit_in_bytes"), parse_limit);
    let hierarchical = read_text(&directory.join("memory.stat"), parse_hierarchical_limit);
    smallest(own, hierarchical)
}

pub(super) fn oom_kills(directory: &Path) -> Option<u64> {
    read_text(&directory.join("memory.oom_control"), parse_oom_control)
}

/// The kill counter in `memory.oom_control`; `None` before Linux 4.13, which had none.
///
/// It counts processes that were in this very cgroup when they were taken: not those in cgroups that the
/// program made below, and never more than one for each victim, whichever limit was hit.
pub(super) fn parse_oom_control(text: &str) -> Option<u64> {
    parse_keyed(text, "oom_kill")
}

pub(super) fn parse_hierarchical_limit(text: &str) -> Option<u64> {
    parse_keyed(text, "hierarchical_memory_limit").filter(|limit| *limit < UNLIMITED)
}

#[cfg(test)]
mod tests;
