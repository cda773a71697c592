//! The memory cgroup of this container: finding it from inside, and reading it.

use super::files::Directory;
use super::locate::{self, Hierarchy};
use super::{Watch, cgroup_v1, cgroup_v2, files};
use std::ffi::OsStr;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// One process ID a line.
const PROCS: &str = "cgroup.procs";

/// From here on a limit is none. Version 1 says 9223372036854771712 (with pages of 4 KiB) where there is no limit.
pub(super) const UNLIMITED: u64 = 1 << 62;

/// What a memory cgroup tells at one moment. What it does not tell is `None`, never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Memory {
    /// the version of the cgroup: 1 or 2
    pub cgroup: u8,
    /// the smallest limit that applies, in bytes
    pub limit: Option<u64>,
    /// charged now, in bytes; the page cache counts too
    pub usage: Option<u64>,
    /// the most that was ever charged, in bytes, since the cgroup was made: this may be before the program's start
    pub peak: Option<u64>,
    /// processes of the cgroup that the OOM killer took, whosever limit was hit
    pub oom_kills: Option<u64>,
    /// how often a charge met the limit; most such charges succeed, after memory was reclaimed
    pub limit_hits: Option<u64>,
}

impl Memory {
    /// The same with `oom_kills` and `limit_hits` counted from an earlier reading.
    ///
    /// A counter whose earlier value is not known is not known either: it may be of an earlier container in the
    /// same cgroup.
    pub fn since(&self, baseline: &Memory) -> Memory {
        let count = |now: Option<u64>, then: Option<u64>| Some(now?.saturating_sub(then?));
        Memory {
            oom_kills: count(self.oom_kills, baseline.oom_kills),
            limit_hits: count(self.limit_hits, baseline.limit_hits),
            ..*self
        }
    }

    /// The same with the limit of the whole task taken into account, in bytes.
    ///
    /// The task's cgroup is above the container's and mostly not visible from inside.
    pub fn limited_to(self, task_limit: Option<u64>) -> Memory {
        let task_limit = task_limit.filter(|limit| (1..UNLIMITED).contains(limit));
        Memory { limit: smallest(self.limit, task_limit), ..self }
    }
}

/// The two counters that tell of a shortage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// as in [`Memory`]
    pub oom_kills: Option<u64>,
    /// as in [`Memory`]
    pub limit_hits: Option<u64>,
}

/// The memory cgroup that this process was in when it was found.
///
/// Keeps some five small files of the cgroup open from their first reading on.
#[derive(Debug)]
pub struct MemoryCgroup {
    hierarchy: Hierarchy,
    directory: Directory,
    /// how many of the directories above are cgroups too
    ancestors: usize,
    last_limit: cgroup_v1::LastLimit,
}

impl MemoryCgroup {
    /// Finds the memory cgroup of this process by the content of `/proc/self/cgroup`; `root` is `/` but in tests.
    ///
    /// `None` without that, where the cgroup is not mounted or not visible, and where it has no memory controller
    /// (as the root of version 2 has none). Where the controller is in version 1, a mount of version 2 beside it has
    /// none and does not count.
    ///
    /// Of several mounts that show the cgroup the last is taken: a later mount at the same place hides an earlier.
    pub fn find(root: &Path, membership: &[u8]) -> Option<MemoryCgroup> {
        // In version 1 whatever is in the hierarchy has the controller.
        let has_memory =
            |cgroup: &MemoryCgroup| cgroup.hierarchy == Hierarchy::V1Memory || cgroup.has_memory();
        let usual =
            Self::at_usual_places(root, membership)?.find(|cgroup| cgroup.is_ours() && has_memory(cgroup));
        usual.or_else(|| Self::by_mountinfo(root, membership))
    }

    /// The directory that is nearly always the memory cgroup of this process, and what
    /// [`read_kills`](Self::read_kills) tells there. [`is_ours`](Self::is_ours) says whether it is right.
    pub fn presume(root: &Path, membership: &[u8]) -> Option<(MemoryCgroup, Memory)> {
        Self::at_usual_places(root, membership)?.find_map(|cgroup| {
            let kills = cgroup.read_kills();
            kills.oom_kills.is_some().then_some((cgroup, kills))
        })
    }

    /// Looks where the hierarchy is nearly always mounted: mountinfo, which can have hundreds of lines, need not be
    /// made and read then.
    fn at_usual_places(root: &Path, membership: &[u8]) -> Option<impl Iterator<Item = MemoryCgroup>> {
        let (hierarchy, path) = Self::membership(membership)?;
        let point: &[u8] = match hierarchy {
            Hierarchy::V1Memory => b"/sys/fs/cgroup/memory",
            Hierarchy::Unified => b"/sys/fs/cgroup",
        };
        // Where a container's own cgroup is bound to the mount point, its path is not below that.
        let places = [locate::below(b"/", path), Some(b"".as_slice())];
        Some(places.into_iter().flatten().map(move |below| Self::place(root, hierarchy, point, below)))
    }

    fn by_mountinfo(root: &Path, membership: &[u8]) -> Option<MemoryCgroup> {
        let (hierarchy, path) = Self::membership(membership)?;
        let mut found = None;
        files::for_each_line(&root.join("proc/self/mountinfo"), &mut |line| {
            let mount = locate::parse_mount(line).filter(|mount| mount.hierarchy == hierarchy);
            if let Some(mount) = mount
                && let Some(below) = locate::below(&mount.root, path)
                && let Some(cgroup) = Self::at(root, hierarchy, &mount.point, below)
            {
                found = Some(cgroup);
            }
            ControlFlow::Continue(())
        })?;
        found
    }

    /// Whether its `cgroup.procs` lists this process: then it is its cgroup, whatever mountinfo says.
    pub fn is_ours(&self) -> bool {
        let own = i32::try_from(std::process::id()).unwrap_or(0);
        let mut is_listed = false;
        files::for_each_number(&self.directory.place(PROCS), &mut |pid| {
            is_listed = pid == own;
            if is_listed { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        is_listed
    }

    /// The hierarchy with the memory controller, and the path of our cgroup in it.
    fn membership(text: &[u8]) -> Option<(Hierarchy, &[u8])> {
        let lines = || text.split(|byte| *byte == b'\n').filter_map(locate::parse_membership);
        let of = |wanted| lines().find(|(hierarchy, _)| *hierarchy == wanted);
        of(Hierarchy::V1Memory).or_else(|| of(Hierarchy::Unified))
    }

    fn at(root: &Path, hierarchy: Hierarchy, point: &[u8], below: &[u8]) -> Option<MemoryCgroup> {
        Some(Self::place(root, hierarchy, point, below)).filter(Self::has_memory)
    }

    fn place(root: &Path, hierarchy: Hierarchy, point: &[u8], below: &[u8]) -> MemoryCgroup {
        let point = point.strip_prefix(b"/").unwrap_or(point);
        let mut directory = root.join(OsStr::from_bytes(point));
        let parts = || below.split(|byte| *byte == b'/').filter(|part| !part.is_empty());
        directory.extend(parts().map(OsStr::from_bytes));
        MemoryCgroup {
            hierarchy,
            directory: Directory::new(directory),
            ancestors: parts().count(),
            last_limit: cgroup_v1::LastLimit::default(),
        }
    }

    fn has_memory(&self) -> bool {
        let name = match self.hierarchy {
            Hierarchy::V1Memory => cgroup_v1::USAGE,
            Hierarchy::Unified => cgroup_v2::EVENTS,
        };
        files::read_text(&self.directory.place(name), |_| Some(())).is_some()
    }

    /// Reads the kill counter, the rest unknown: the state before the program starts, for [`Memory::since`].
    pub fn read_kills(&self) -> Memory {
        let cgroup = match self.hierarchy {
            Hierarchy::V1Memory => 1,
            Hierarchy::Unified => 2,
        };
        Memory { cgroup, oom_kills: self.oom_kills(), ..Memory::default() }
    }

    /// The two counters that tell of a shortage, for a timer where nothing can be watched.
    pub fn counters(&self) -> Counters {
        match self.hierarchy {
            Hierarchy::V1Memory => Counters {
                oom_kills: cgroup_v1::oom_kills(&self.directory),
                limit_hits: cgroup_v1::limit_hits(&self.directory),
            },
            Hierarchy::Unified => cgroup_v2::events(&self.directory),
        }
    }

    /// The smallest limit that applies, in bytes, that of the task left aside.
    pub fn limit(&self) -> Option<u64> {
        match self.hierarchy {
            Hierarchy::V1Memory => cgroup_v1::limit(&self.directory, &self.last_limit),
            Hierarchy::Unified => cgroup_v2::limit(&self.directory, self.ancestors),
        }
    }

    /// Reads everything, for a record.
    pub fn read(&self) -> Memory {
        match self.hierarchy {
            Hierarchy::V1Memory => cgroup_v1::read(&self.directory, &self.last_limit),
            Hierarchy::Unified => cgroup_v2::read(&self.directory, self.ancestors),
        }
    }

    /// Reads the kill counter alone: one small file, for every reap and every tick of a timer.
    pub fn oom_kills(&self) -> Option<u64> {
        match self.hierarchy {
            Hierarchy::V1Memory => cgroup_v1::oom_kills(&self.directory),
            Hierarchy::Unified => cgroup_v2::events(&self.directory).oom_kills,
        }
    }

    /// The file that lists the processes of the cgroup, those in cgroups below left aside.
    pub fn procs_path(&self) -> PathBuf {
        self.directory.place(PROCS)
    }

    /// The file that tells of a kill the moment it happens; `None` on version 1, which has none that could be
    /// watched through a read-only mount. See [`Watch`].
    pub fn events_path(&self) -> Option<PathBuf> {
        (self.hierarchy == Hierarchy::Unified).then(|| self.directory.place(cgroup_v2::EVENTS))
    }

    /// Opens [`events_path`](Self::events_path) for watching.
    pub fn watch(&self) -> Option<Watch> {
        Watch::open(&self.events_path()?)
    }
}

/// A single number of bytes; `None` for `max`, for the huge numbers that mean no limit, and for anything else.
pub(super) fn parse_limit(text: &str) -> Option<u64> {
    parse_number(text).filter(|limit| *limit < UNLIMITED)
}

/// A single number: nothing but digits, and white space around them.
pub(super) fn parse_number(text: &str) -> Option<u64> {
    let digits = text.trim();
    // `parse` alone would take a sign as well.
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// The number beside a name in a file of `name number` lines (a flat keyed file in the terms of cgroup-v2.rst).
pub(super) fn parse_keyed(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| parse_number(line.strip_prefix(name)?.strip_prefix(' ')?))
}

pub(super) fn smallest(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests;
