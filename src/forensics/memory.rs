//! The memory cgroup of this container: finding it from inside, and reading it.

use super::figures::LimitBelow;
use super::files::Directory;
use super::locate::{self, Hierarchy};
use super::{Counters, Memory, Pids, Waiting, Watch, cgroup_v1, cgroup_v2, files, pids};
use crate::sys;
use std::cell::Cell;
use std::ffi::OsStr;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

mod below;

pub use below::Ooms;

/// One process ID a line.
const PROCS: &str = "cgroup.procs";

/// The memory cgroup that this process was in when it was found.
///
/// Keeps some seven small files of the cgroup open from their first reading on.
#[derive(Debug)]
pub struct MemoryCgroup {
    hierarchy: Hierarchy,
    directory: Directory,
    /// how many of the directories above are cgroups too
    ancestors: usize,
    last_limit: cgroup_v1::LastLimit,
    kills_below: Cell<below::KillsBelow>,
}

impl MemoryCgroup {
    /// Finds the memory cgroup of this process by the content of `/proc/self/cgroup`; `root` is `/` but in
    /// tests.
    ///
    /// `None` without that, where the cgroup is not mounted or not visible, and where it has no memory
    /// controller (as the root of version 2 has none). Where the controller is in version 1, a mount of
    /// version 2 beside it has none and does not count.
    ///
    /// Of several mounts that show the cgroup the last is taken: a later mount at the same place hides an
    /// earlier.
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

    /// Looks where the hierarchy is nearly always mounted: mountinfo, which can have hundreds of lines, need
    /// not be made and read then.
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
            kills_below: Cell::default(),
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
                oom_kills: self.oom_kills(),
                limit_hits: cgroup_v1::limit_hits(&self.directory),
                high_hits: None,
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
    pub fn read_whole(&self) -> Memory {
        let Memory { anon, file, shmem, swap, .. } = match self.hierarchy {
            Hierarchy::V1Memory => cgroup_v1::read_parts(&self.directory),
            Hierarchy::Unified => cgroup_v2::read_parts(&self.directory),
        };
        Memory { anon, file, shmem, swap, ..self.read() }
    }

    /// Reads all but what the memory is of.
    pub fn read(&self) -> Memory {
        match self.hierarchy {
            Hierarchy::V1Memory => {
                let memory = cgroup_v1::read(&self.directory, &self.last_limit);
                Memory { oom_kills: self.oom_kills(), ..memory }
            }
            Hierarchy::Unified => cgroup_v2::read(&self.directory, self.ancestors),
        }
    }

    /// Reads the kill counter alone: one small file, for every reap and every tick of a timer.
    pub fn oom_kills(&self) -> Option<u64> {
        match self.hierarchy {
            Hierarchy::V1Memory => {
                Some(cgroup_v1::oom_kills(&self.directory)?.saturating_add(self.kills_below()))
            }
            Hierarchy::Unified => cgroup_v2::events(&self.directory).oom_kills,
        }
    }

    /// What tells that somebody waits for memory in the full cgroup, where no OOM killer makes room.
    pub fn waiting(&self) -> Option<Waiting> {
        (self.hierarchy == Hierarchy::V1Memory).then(|| Waiting::of(&self.directory)).flatten()
    }

    /// The files that list the processes of the cgroup, and of so many of those below it.
    pub fn procs_paths(&self, most_below: usize) -> Vec<PathBuf> {
        let below = self.below(most_below);
        std::iter::once(self.directory.path.as_path())
            .chain(below.iter().map(PathBuf::as_path))
            .map(|directory| files::join(directory, PROCS))
            .collect()
    }

    /// Where processes are counted: in version 2 in the same cgroup, in version 1 in that of the same path in
    /// the hierarchy beside, as every engine makes it.
    fn pids_directory(&self) -> PathBuf {
        match self.hierarchy {
            Hierarchy::Unified => self.directory.path.clone(),
            Hierarchy::V1Memory => {
                let beside = |part| if part == OsStr::new("memory") { OsStr::new("pids") } else { part };
                self.directory.path.iter().map(beside).collect()
            }
        }
    }

    /// The limit of processes, as it is told there. What is not known is `None`, all of it in another layout.
    pub fn pids(&self) -> Pids {
        pids::read(&self.pids_directory(), self.ancestors)
    }

    /// How often that limit was hit since the cgroup was made.
    pub fn pids_hits(&self) -> Option<u64> {
        pids::hits(&self.pids_directory())
    }

    /// The cgroups below, at most so many, the upper ones first.
    ///
    /// A directory of a cgroup has two links more than cgroups below it, so where there is none nothing is
    /// listed.
    pub fn below(&self, most: usize) -> Vec<PathBuf> {
        let mut found: Vec<PathBuf> = Vec::new();
        let mut next = 0;
        let mut directory = self.directory.path.clone();
        loop {
            let has_more = std::fs::metadata(&directory).is_ok_and(|data| data.nlink() != 2);
            if let Some(entries) = has_more.then(|| sys::entries(&directory).ok()).flatten() {
                let below = entries.flatten().filter(|entry| entry.is_directory);
                let paths = below.map(|entry| directory.join(entry.name));
                found.extend(paths.take(most.saturating_sub(found.len())));
            }
            let Some(path) = found.get(next) else { return found };
            directory = path.clone();
            next += 1;
        }
    }

    /// See [`Ooms`]; for [`limit_below`](Self::limit_below).
    pub fn ooms(&self) -> Ooms {
        let all = files::read_text(&self.directory.place(cgroup_v2::EVENTS), below::oom)?;
        Some((all, files::read_text(&self.directory.place(below::LOCAL_EVENTS), below::oom)?))
    }

    /// Where the OOM killer took somebody since `before` was read: whether it was for the limit of a cgroup
    /// below, and for which. Of version 1 only where the figures allow nothing else.
    pub fn limit_below(&self, before: Ooms) -> LimitBelow {
        let cgroups = || self.below(below::MOST);
        match self.hierarchy {
            Hierarchy::Unified => {
                let Some(((all, own), (all_before, own_before))) = self.ooms().zip(before) else {
                    return LimitBelow::None;
                };
                if own > own_before || all <= all_before {
                    return LimitBelow::None;
                }
                below::the_one(cgroups().iter().filter_map(|cgroup| below::limit_met_v2(cgroup)))
            }
            Hierarchy::V1Memory => {
                let own = cgroup_v1::read(&self.directory, &self.last_limit);
                let may_be_own = below::is_near(own.peak, own.limit);
                if may_be_own || self.kills_below() == 0 {
                    return LimitBelow::None;
                }
                match below::the_one(cgroups().iter().filter_map(|cgroup| below::limit_met_v1(cgroup))) {
                    LimitBelow::Somewhere => LimitBelow::None,
                    known => known,
                }
            }
        }
    }

    /// The kills that the counter of version 1 leaves out. It never falls, though a cgroup that is removed
    /// takes its counter with it.
    fn kills_below(&self) -> u64 {
        let now = self
            .below(below::MOST)
            .iter()
            .filter_map(|cgroup| below::kills(cgroup))
            .fold(0, u64::saturating_add);
        let below::KillsBelow { last, gone } = self.kills_below.get();
        let gone = gone.saturating_add(last.saturating_sub(now));
        self.kills_below.set(below::KillsBelow { last: now, gone });
        now.saturating_add(gone)
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

#[cfg(test)]
mod tests;
