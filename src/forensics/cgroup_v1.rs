//! The memory controller of cgroup version 1.
//!
//! Formats: Documentation/admin-guide/cgroup-v1/memory.rst in the kernel's source.

use super::figures::{Memory, UNLIMITED, parse_keyed, parse_limit, parse_number};
use super::files::Directory;
use std::cell::Cell;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Every cgroup with the controller has it, the root too.
pub(super) const USAGE: &str = "memory.usage_in_bytes";

/// The most that was ever charged.
pub(super) const PEAK: &str = "memory.max_usage_in_bytes";
/// Whether there is no OOM killer, whether somebody waits for memory because of that, and the kill counter.
const CONTROL: &str = "memory.oom_control";

/// The limit that applies, and the cgroup's own limit as it was then.
///
/// The kernel adds up the counters of all CPUs and of all cgroups below to write `memory.stat`. So that is
/// read again only when the own limit, which costs nothing to read, has changed.
#[derive(Debug, Default)]
pub(super) struct LastLimit(Cell<Option<(Option<u64>, Option<u64>)>>);

pub(super) fn read(directory: &Directory, last: &LastLimit) -> Memory {
    let number = |name| directory.read_text(name, parse_number);
    Memory { limit: limit(directory, last), usage: number(USAGE), ..read_counters(directory) }
}

/// What only rises: the peak, the kills and the limit hits.
pub(super) fn read_counters(directory: &Directory) -> Memory {
    Memory {
        cgroup: 1,
        peak: directory.read_text(PEAK, parse_number),
        limit_hits: limit_hits(directory),
        ..Memory::default()
    }
}

/// The smallest of the cgroup's own limit and those of the cgroups above.
///
/// That is `hierarchical_memory_limit` in `memory.stat`, which knows those that are not visible from inside
/// too, and leaves out those that do not apply (`memory.use_hierarchy` 0). So nothing else counts where it
/// is. A limit above that changes while the own one stays is not noticed.
pub(super) fn limit(directory: &Directory, last: &LastLimit) -> Option<u64> {
    let own = directory.read_text("memory.limit_in_bytes", parse_limit);
    if let Some((_, limit)) = last.0.get().filter(|(then, _)| *then == own) {
        return limit;
    }
    let limit = match directory.read_text("memory.stat", parse_hierarchical_limit) {
        Some(limit) => Some(limit).filter(|limit| *limit < UNLIMITED),
        None => own,
    };
    last.0.set(Some((own, limit)));
    limit
}

/// What the memory is of, for a record. The kernel has to add up its counters for it.
pub(super) fn read_parts(directory: &Directory) -> Memory {
    let names = ["total_rss", "total_cache", "total_shmem", "total_swap"];
    let [anon, file, shmem, swap] = directory.figures("memory.stat", names);
    Memory { anon, file, shmem, swap, ..Memory::default() }
}

/// Hits of the limit, and of that on memory and swap together, which is the one that is met where it is no
/// higher (`try_charge` in mm/memcontrol.c asks for it first). Without the accounting of swap there is only
/// the first.
pub(super) fn limit_hits(directory: &Directory) -> Option<u64> {
    let memory = directory.read_text("memory.failcnt", parse_number)?;
    let with_swap = directory.read_text("memory.memsw.failcnt", parse_number);
    Some(memory.saturating_add(with_swap.unwrap_or(0)))
}

pub(super) fn oom_kills(directory: &Directory) -> Option<u64> {
    directory.read_text(CONTROL, parse_oom_control)
}

/// The kill counter in `memory.oom_control`; `None` before Linux 4.13, which had none.
///
/// It counts processes that were in this very cgroup when they were taken: not those in cgroups below, which
/// are added to it by who reads it, and never more than one for each victim, whichever limit was hit.
pub(super) fn parse_oom_control(text: &str) -> Option<u64> {
    parse_keyed(text, "oom_kill")
}

/// Where the cgroup has no OOM killer (`docker run --oom-kill-disable`): whoever touches a new page when it
/// is full sleeps, uninterruptibly, until others give memory back, and a system call that needs some fails
/// with ENOMEM.
///
/// A limit of a cgroup above is not known.
#[derive(Debug)]
pub struct Waiting(File);

impl Waiting {
    /// `None` where there is an OOM killer.
    pub(super) fn of(directory: &Directory) -> Option<Waiting> {
        let is_off = |text: &str| parse_keyed(text, "oom_kill_disable") == Some(1);
        directory.read_text(CONTROL, |text| Some(is_off(text))).filter(|is_off| *is_off)?;
        File::open(directory.place(CONTROL)).ok().map(Waiting)
    }

    /// Whether somebody sleeps so now.
    pub fn is_somebody(&self) -> bool {
        let mut buffer = [0; 128];
        let length = self.0.read_at(&mut buffer, 0).unwrap_or(0);
        let text = buffer.get(..length).and_then(|bytes| std::str::from_utf8(bytes).ok());
        text.and_then(|text| parse_keyed(text, "under_oom")) == Some(1)
    }
}

fn parse_hierarchical_limit(text: &str) -> Option<u64> {
    parse_keyed(text, "hierarchical_memory_limit")
}

#[cfg(test)]
mod tests;
