//! The memory controller of cgroup version 2.
//!
//! Formats: Documentation/admin-guide/cgroup-v2.rst in the kernel's source, "Memory Interface Files".

use super::figures::{Counters, Memory, parse_keyed, parse_limit, parse_number, smallest};
use super::files::{BUFFER, Directory, read_text};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Every cgroup with the controller has it; the root has none.
///
/// It counts the cgroup and those below, so a victim in a cgroup that the program made for its workers is
/// seen; `memory.events.local` would miss it. (With the mount option `memory_localevents`, and before Linux
/// 5.2, the two are the same.) The kernel adds a kill to the cgroup of the victim and to those above it,
/// whichever limit was hit and even if it was the whole machine that ran out: a kill for the limit of the
/// task is counted too.
pub(super) const EVENTS: &str = "memory.events";

const LIMIT: &str = "memory.max";

pub(super) fn read(directory: &Directory, ancestors: usize) -> Memory {
    Memory {
        limit: limit(directory, ancestors),
        usage: directory.read_text("memory.current", parse_number),
        ..read_counters(directory)
    }
}

/// What only rises: the peak, the kills and the limit hits.
pub(super) fn read_counters(directory: &Directory) -> Memory {
    let events = events(directory);
    Memory {
        cgroup: 2,
        // since Linux 5.19
        peak: directory.read_text("memory.peak", parse_number),
        oom_kills: events.oom_kills,
        limit_hits: events.limit_hits,
        high_hits: events.high_hits,
        ..Memory::default()
    }
}

/// What the memory is of, for a record. The kernel has to add up its counters for it.
pub(super) fn read_parts(directory: &Directory) -> Memory {
    let [anon, file, shmem] = directory.figures("memory.stat", ["anon", "file", "shmem"]);
    let swap = read_text(&directory.place("memory.swap.current"), parse_number);
    Memory { anon, file, shmem, swap, ..Memory::default() }
}

/// The smallest of the cgroup's own limit and those of the cgroups above that can be seen.
pub(super) fn limit(directory: &Directory, ancestors: usize) -> Option<u64> {
    let own = directory.read_text(LIMIT, parse_limit);
    let above = directory.path.ancestors().skip(1).take(ancestors);
    above.map(|above| read_text(&above.join(LIMIT), parse_limit)).fold(own, smallest)
}

pub(super) fn events(directory: &Directory) -> Counters {
    directory.read_text(EVENTS, |text| Some(parse_events(text))).unwrap_or_default()
}

/// Takes `oom_kill`, and `max` for the limit hits: how often a charge was about to go over `memory.max`;
/// `high` in the same way.
pub(super) fn parse_events(text: &str) -> Counters {
    let number = |name| parse_keyed(text, name);
    Counters { oom_kills: number("oom_kill"), limit_hits: number("max"), high_hits: number("high") }
}

/// `memory.events`, open for watching.
///
/// poll(2) for `POLLPRI` (and nothing else: the file is always readable) returns when a number in the file
/// has changed since it was last read through this very descriptor; the kernel adds `POLLERR`, which is no
/// error. After each wake-up call [`read`](Watch::read), or poll returns at once for ever. Wake-ups come at
/// most 100 times a second, at once for the first, and for limit hits as well as for kills.
/// (`kernfs_generic_poll` in fs/kernfs/file.c, `cgroup_file_notify` in kernel/cgroup/cgroup.c.)
#[derive(Debug)]
pub struct Watch {
    file: File,
}

impl Watch {
    /// Opens and reads it once: a file that was never read counts as changed.
    pub(super) fn open(path: &Path) -> Option<Watch> {
        let watch = Watch { file: File::open(path).ok()? };
        watch.read()?;
        Some(watch)
    }

    /// Reads the counters and arms the watch again: a read from the start is what the kernel takes for
    /// "seen".
    ///
    /// `None`: the cgroup is gone, and the watch must be dropped, since poll would return at once from now
    /// on.
    pub fn read(&self) -> Option<Counters> {
        let mut buffer = [0; BUFFER];
        let length = self.file.read_at(&mut buffer, 0).ok()?;
        std::str::from_utf8(buffer.get(..length)?).ok().map(parse_events)
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

#[cfg(test)]
mod tests;
