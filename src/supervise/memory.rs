//! Reads the memory cgroup of the container. Decides nothing.

use super::core::kills::{Baseline, Counted};
use super::helper;
use crate::forensics::{Counters, Memory, MemoryCgroup, Pids, Process, Watch, largest_listed};
use crate::forensics::{LimitBelow, Limits, Ooms, ShortName, is_ending, name_of};
use crate::record::Value;
use crate::sys;
use nix::unistd::getpid;
use std::cell::Cell;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long PID 1 itself may look for the largest processes.
const LARGEST_TIME: Duration = Duration::from_millis(20);

/// How much has to be free in the cgroup, in bytes: enough for a fork and for what a helper writes to.
const ROOM: u64 = 256 * 1024;

/// How often that is looked for in one round of the loop, a millisecond apart. Signals wait meanwhile, also
/// where the page cache fills the cgroup for good.
const LOOKS_FOR_ROOM: u32 = 30;

/// In how many cgroups below the container's own it looks for processes: those of containers within the
/// container.
const MOST_BELOW: usize = 32;

/// The memory cgroup, and the state in it before the program.
#[derive(Debug)]
pub struct MemoryReader {
    root: PathBuf,
    cgroup: MemoryCgroup,
    /// whether that is certainly ours
    is_certain: bool,
    before: Memory,
    pids_hits_before: Option<u64>,
    ooms_before: Ooms,
    /// the limit below that was met last, since its cgroup may be gone by the end
    below: Cell<LimitBelow>,
    /// how often this round may still look for room
    looks_for_room: Cell<u32>,
    watch: Option<Watch>,
}

impl MemoryReader {
    /// Finds the memory cgroup by the content of `/proc/self/cgroup`, and reads the state before the program.
    /// `None` where there is none to be seen.
    ///
    /// The program's start waits for this. So where the cgroup is as good as certain the last doubt is left
    /// to [`confirm`](Self::confirm), and so is all but the kills.
    pub fn gather(root: &Path, membership: &[u8]) -> Option<MemoryReader> {
        if let Some((cgroup, before)) = MemoryCgroup::presume(root, membership) {
            return Some(MemoryReader::of(root, cgroup, before));
        }
        MemoryReader::search(root, membership)
    }

    /// Finds the memory cgroup whatever it takes.
    pub fn search(root: &Path, membership: &[u8]) -> Option<MemoryReader> {
        let cgroup = MemoryCgroup::find(root, membership)?;
        let before = cgroup.read_kills();
        let mut reader = MemoryReader::of(root, cgroup, before);
        reader.read_baseline();
        Some(reader)
    }

    fn of(root: &Path, cgroup: MemoryCgroup, before: Memory) -> MemoryReader {
        let watch = cgroup.watch();
        // Before the program, which may meet that limit in its first millisecond.
        let pids_hits_before = cgroup.pids_hits();
        MemoryReader {
            root: root.to_owned(),
            cgroup,
            is_certain: false,
            before,
            pids_hits_before,
            ooms_before: None,
            below: Cell::default(),
            looks_for_room: Cell::new(LOOKS_FOR_ROOM),
            watch,
        }
    }

    /// Makes sure of the cgroup, when nobody waits for us any more. `false` where it is another's: then only
    /// [`search`](Self::search) can tell. Called again it does nothing.
    ///
    /// Takes down the rest of the state, which is that of the program's first moment, and opens what will be
    /// read at the end.
    pub fn confirm(&mut self) -> bool {
        if self.is_certain {
            return true;
        }
        if !self.cgroup.is_ours() {
            return false;
        }
        self.read_baseline();
        true
    }

    fn read_baseline(&mut self) {
        let now = self.cgroup.read();
        self.before = Memory { oom_kills: self.before.oom_kills, ..now };
        self.ooms_before = self.cgroup.ooms();
        self.is_certain = true;
        if let Some(waiting) = self.cgroup.waiting() {
            // Refused, PID 1 has to wait for each page that it has not used before.
            let _ = sys::stay_in_memory();
            helper::beware_of(waiting);
        }
    }

    /// The baseline for who counts the kills.
    pub fn baseline(&self) -> Baseline {
        Baseline {
            counters: counters_of(&self.before),
            watched: self.watch.is_some(),
            // As long as it is not certain whose cgroup it is, a limit is likely.
            limited: !self.is_certain || self.before.limit.is_some(),
        }
    }

    /// What to poll for POLLPRI, on cgroup v2.
    pub fn watch(&self) -> Option<BorrowedFd<'_>> {
        self.watch.as_ref().map(AsFd::as_fd)
    }

    /// Reads the counters, and arms the watch again.
    pub fn count(&mut self) -> Counted {
        let Some(watch) = &self.watch else { return self.cgroup.counters().into() };
        match watch.read() {
            Some(counters) => counters.into(),
            None => {
                // The cgroup is gone from sight, and poll(2) would return at once for ever.
                self.watch = None;
                Counted { counters: Counters::default(), watch_is_gone: true }
            }
        }
    }

    /// Whether the process is being killed or ends; `None` where that cannot be seen.
    pub fn is_ending(&self, pid: i32) -> Option<bool> {
        is_ending(&self.root, pid)
    }

    /// What a process calls itself that is not reaped yet.
    pub fn name_of(&self, pid: i32) -> Option<ShortName> {
        name_of(&self.root, pid)
    }

    /// The `count` largest processes of the container but ourselves.
    pub fn largest(&self, count: usize, closely: bool) -> Vec<Process> {
        let own = [getpid().as_raw()];
        let limits = Limits { processes: 1000, time: LARGEST_TIME, exclude: &own, closely };
        largest_listed(&self.root, &self.cgroup.procs_paths(MOST_BELOW), count, limits)
    }

    /// The state before the program's start.
    pub fn before(&self) -> Memory {
        self.before
    }

    /// The state now, the counters as the kernel has them.
    pub fn read(&self) -> Memory {
        let memory = self.cgroup.read_whole();
        if memory.oom_kills <= self.before.oom_kills {
            return memory;
        }
        let below = match (self.cgroup.limit_below(self.ooms_before), self.below.get()) {
            (LimitBelow::Somewhere, known @ LimitBelow::Of(_)) => known,
            (now, _) => now,
        };
        self.below.set(below);
        Memory { below, ..memory }
    }

    /// Another round begins: signals were looked at.
    pub fn begin_round(&self) {
        self.looks_for_room.set(LOOKS_FOR_ROOM);
    }

    /// Waits until there is room in the cgroup, for some 30 ms in all of a round.
    ///
    /// Who is killed leaves the list from which the OOM killer chooses before its memory is given back. Until
    /// then a page that PID 1 needs, as for a fork or an open file, would cost its own life, where nobody
    /// else is on that list.
    pub fn wait_for_room(&self) {
        self.wait_for_room_with(|| std::thread::sleep(Duration::from_millis(1)));
    }

    fn wait_for_room_with(&self, mut pause: impl FnMut()) {
        while let Some(left) = self.looks_for_room.get().checked_sub(1) {
            let memory = self.cgroup.read();
            let room = memory.limit.zip(memory.usage).map(|(limit, usage)| limit.saturating_sub(usage));
            if room.is_none_or(|room| room >= ROOM) {
                return;
            }
            self.looks_for_room.set(left);
            pause();
        }
    }

    /// The limit of processes, its hits since the start.
    pub fn pids(&self) -> Pids {
        self.cgroup.pids().since(self.pids_hits_before)
    }

    /// The state now, the counters since the start, the limit no larger than the task's.
    pub fn since_start(&self, task_limit: Option<u64>) -> Memory {
        self.read().since(&self.before).limited_to(task_limit)
    }
}

/// `pids` as it stands in a record. What is not known is left out.
pub fn pids_value(pids: &Pids) -> Value {
    let keys = [("limit", pids.limit), ("peak", pids.peak), ("limit_hits", pids.limit_hits)];
    Value::Object(keys.into_iter().filter_map(|(key, value)| Some((key, Value::from(value?)))).collect())
}

/// The counters in a reading.
pub fn counters_of(memory: &Memory) -> Counters {
    Counters { oom_kills: memory.oom_kills, limit_hits: memory.limit_hits, high_hits: memory.high_hits }
}

/// `memory` as it stands in a record. What is not known is left out.
pub fn memory_value(memory: &Memory) -> Value {
    let below = match memory.below {
        LimitBelow::Of(limit) => Some(limit),
        LimitBelow::None | LimitBelow::Somewhere => None,
    };
    // Version 1 may count none though there were: kernels of today do not count in `memory.memsw.failcnt`.
    let hits = memory.limit_hits.filter(|hits| *hits > 0 || memory.cgroup != 1);
    let keys = [
        ("limit", memory.limit),
        ("limit_below", below),
        ("usage", memory.usage),
        ("peak", memory.peak),
        ("oom_kills", memory.oom_kills),
        ("limit_hits", hits),
        ("high_hits", memory.high_hits.filter(|hits| *hits > 0)),
        ("anon", memory.anon),
        ("file", memory.file),
        ("shmem", memory.shmem),
        ("swap", memory.swap.filter(|swap| *swap > 0)),
    ];
    let mut fields = vec![("cgroup", Value::from(u64::from(memory.cgroup)))];
    fields.extend(keys.into_iter().filter_map(|(key, value)| Some((key, Value::from(value?)))));
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn another_ones_cgroup_in_the_usual_place_is_given_up() {
        let tree = tempfile::tempdir().expect("a directory");
        let file = |path: &str, content: &str| {
            let path = tree.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            fs::write(path, content).expect("a file");
        };
        let membership = b"0::/own\n";
        file("sys/fs/cgroup/own/memory.events", "max 0\noom_kill 7\n");
        file("sys/fs/cgroup/own/cgroup.procs", "4000000\n");
        file("proc/self/mountinfo", "9 1 0:33 / /elsewhere rw - cgroup2 cgroup rw\n");
        file("elsewhere/own/memory.events", "max 0\noom_kill 2\n");
        let kills = |reader: &MemoryReader| reader.before.oom_kills;

        let mut reader = MemoryReader::gather(tree.path(), membership).expect("a cgroup");
        assert_eq!((kills(&reader), reader.is_certain), (Some(7), false));
        assert!(!reader.confirm());
        let mut found = MemoryReader::search(tree.path(), membership).expect("a cgroup");
        assert_eq!((kills(&found), found.is_certain, found.confirm()), (Some(2), true, true));

        file("sys/fs/cgroup/own/cgroup.procs", &format!("{}\n", std::process::id()));
        assert!(reader.confirm() && reader.is_certain);
    }

    #[test]
    fn waits_for_room_while_a_killed_process_gives_its_memory_back() {
        let tree = tempfile::TempDir::new().expect("temporary directory");
        let membership = b"5:memory:/own\n";
        let file = |name: &str, content: u64| {
            let path = tree.path().join("sys/fs/cgroup/memory/own").join(name);
            std::fs::create_dir_all(path.parent().expect("parent")).expect("directory");
            std::fs::write(path, format!("{content}\n")).expect("file");
        };
        let limit = 24 << 20;
        file("cgroup.procs", u64::from(std::process::id()));
        file("memory.usage_in_bytes", limit);
        let reader = MemoryReader::search(tree.path(), membership).expect("a cgroup");
        let pauses_until = |room_at: u32, room: u64| {
            file("memory.usage_in_bytes", limit);
            reader.begin_round();
            let mut pauses = 0;
            reader.wait_for_room_with(|| {
                pauses += 1;
                if pauses == room_at {
                    file("memory.usage_in_bytes", limit - room);
                }
            });
            pauses
        };
        // Without a limit nobody waits.
        assert_eq!(pauses_until(u32::MAX, ROOM), 0);
        file("memory.limit_in_bytes", limit);
        assert_eq!(pauses_until(3, ROOM), 3);
        assert_eq!(pauses_until(3, ROOM - 1), LOOKS_FOR_ROOM);
        assert_eq!(pauses_until(u32::MAX, ROOM), LOOKS_FOR_ROOM);
        // What is due besides in the same round does not wait again: a signal may have come.
        reader.wait_for_room_with(|| unreachable!());
    }
}
