//! What this container uses: CPU, memory, processes, I/O, network and stalls, from its cgroup and from
//! `/proc`.
//!
//! [`Resources`] finds the files, [`Resources::sample`] reads them all at one moment, and [`Sample::window`]
//! makes of two samples what a `stats` record holds. Made for PID 1: a sample takes a buffer on the stack, no
//! heap, and one system call for each file after the first sample.

mod controllers;
mod parse;
mod window;

pub use window::{MemoryTrend, Sample, Window, percent};

use self::controllers::{Controllers, Place};
use self::parse::{io_stat, net_dev, throttle_bytes};
use super::figures::{UNLIMITED, parse_keyed, parse_number, smallest};
use std::cell::{Cell, OnceCell};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// How much is read of a file, in bytes. In `memory.stat` of version 1 `total_inactive_file` can begin at
/// byte 1,091; `io.stat` has some 100 bytes for a device, `/proc/net/dev` 125 for an interface.
const BUFFER: usize = 4096;

/// The most limits of one kind that are looked at: the cgroup's own and those of the cgroups above that are
/// visible.
const MOST_LIMITS: usize = 8;

/// What a file tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tells {
    /// `cpu.stat` of version 2: usage and throttling in µs
    CpuStat,
    /// `cpuacct.usage`, in ns
    CpuUsage,
    /// `cpu.stat` of version 1: throttling in ns
    Throttling,
    MemoryUsage,
    /// `memory.stat` of version 2
    MemoryStat,
    /// `memory.stat` of version 1, with the limit that applies
    MemoryStatV1,
    MemoryPeak,
    /// `memory.events`
    MemoryEvents,
    OomControl,
    FailCount,
    /// of memory and swap together
    SwapFailCount,
    Swap,
    /// usage of memory and swap together
    MemorySwap,
    Pids,
    /// `io.stat`
    Io,
    /// `blkio.throttle.io_service_bytes_recursive`
    Blkio,
    CpuStall,
    MemoryStall,
    IoStall,
    Network,
}

const V2: [(Tells, &str); 11] = [
    (Tells::CpuStat, "cpu.stat"),
    (Tells::MemoryUsage, "memory.current"),
    (Tells::MemoryStat, "memory.stat"),
    (Tells::MemoryPeak, "memory.peak"),
    (Tells::MemoryEvents, "memory.events"),
    (Tells::Swap, "memory.swap.current"),
    (Tells::Pids, "pids.current"),
    (Tells::Io, "io.stat"),
    (Tells::CpuStall, "cpu.pressure"),
    (Tells::MemoryStall, "memory.pressure"),
    (Tells::IoStall, "io.pressure"),
];

const V1_CPU: &[(Tells, &str)] = &[(Tells::Throttling, "cpu.stat")];
const V1_CPUACCT: &[(Tells, &str)] = &[(Tells::CpuUsage, "cpuacct.usage")];
const V1_MEMORY: &[(Tells, &str)] = &[
    (Tells::MemoryUsage, "memory.usage_in_bytes"),
    (Tells::MemoryStatV1, "memory.stat"),
    (Tells::MemoryPeak, "memory.max_usage_in_bytes"),
    (Tells::OomControl, "memory.oom_control"),
    (Tells::FailCount, "memory.failcnt"),
    (Tells::SwapFailCount, "memory.memsw.failcnt"),
    (Tells::MemorySwap, "memory.memsw.usage_in_bytes"),
];
const V1_PIDS: &[(Tells, &str)] = &[(Tells::Pids, "pids.current")];
const V1_BLKIO: &[(Tells, &str)] = &[(Tells::Blkio, "blkio.throttle.io_service_bytes_recursive")];

/// What a file says about a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limits {
    /// `cpu.max`: quota and period in µs
    CpuMax,
    /// `cpu.cfs_quota_us`, with `cpu.cfs_period_us` beside it, in µs
    CfsQuota,
    Memory,
    Pids,
}

/// A file that stays open from its first reading on. One that was not there then is not looked for again.
#[derive(Debug)]
struct Kept {
    path: PathBuf,
    file: OnceCell<Option<File>>,
}

#[derive(Debug)]
struct Limit {
    limits: Limits,
    kept: Kept,
    /// of a quota
    period: Option<Kept>,
    /// quota and period as they were last read, and whether the period is the next to be read
    parts: Cell<Option<(u64, Option<u64>, bool)>>,
    /// what it was when it was last read
    value: Cell<Option<u64>>,
}

/// The files that tell what this container uses. None is open before the first sample.
#[derive(Debug)]
pub struct Resources {
    files: Vec<(Tells, Kept)>,
    limits: Vec<Limit>,
    /// which limit is read next; `None` before the first sample
    next_limit: Cell<Option<usize>>,
    has_hosts_network: bool,
}

/// The inode of the network namespace that the machine has started with: `NET_NS_INIT_INO` in `linux/nsfs.h`,
/// since Linux 6.18. Before that it was one of those that are given out in turn, which begin at 0xF0000000
/// (`PROC_DYNAMIC_FIRST`).
const HOSTS_NETWORK: u64 = 0xEFFF_FFF9;

/// Whether this process is known to be in the network namespace of the host, which Linux tells from 6.18 on.
pub fn has_hosts_network(root: &Path) -> bool {
    std::fs::metadata(root.join("proc/self/ns/net")).is_ok_and(|namespace| namespace.ino() == HOSTS_NETWORK)
}

impl Resources {
    /// Finds the cgroups of this process by the content of `/proc/self/cgroup`, each controller in its own
    /// hierarchy; `root` is `/` but in tests. What is not mounted or not visible is left out, and never an
    /// error.
    #[inline(never)]
    pub fn open(root: &Path, membership: &[u8]) -> Resources {
        let controllers = Controllers::find(root, membership);
        let mut files = Vec::with_capacity(V2.len() + 2);
        let mut limits = Vec::new();
        let mut add = |place: &Option<Place>, names: &[(Tells, &str)]| {
            let Some(place) = place else { return };
            files.extend(names.iter().map(|(tells, name)| (*tells, Kept::new(&place.directory, name))));
        };
        add(&controllers.cpu, V1_CPU);
        add(&controllers.cpuacct, V1_CPUACCT);
        add(&controllers.memory, V1_MEMORY);
        add(&controllers.pids, V1_PIDS);
        add(&controllers.blkio, V1_BLKIO);
        // In a hybrid setup a controller is in version 1 or in version 2. Stalls are told where memory is in
        // version 2.
        let is_in_v1 = |tells: Tells| match tells {
            Tells::CpuStat => controllers.cpuacct.is_some(),
            Tells::Pids => controllers.pids.is_some(),
            Tells::Io => controllers.blkio.is_some(),
            _ => controllers.memory.is_some(),
        };
        let of_v2: Vec<_> = V2.into_iter().filter(|(tells, _)| !is_in_v1(*tells)).collect();
        add(&controllers.unified, &of_v2);
        files.push((Tells::Network, Kept::new(root, "proc/net/dev")));
        let mut limit = |place: &Option<Place>, what: Limits, name: &str| {
            let Some(place) = place else { return };
            let directories = place.directory.ancestors().take(place.ancestors + 1).take(MOST_LIMITS);
            limits.extend(directories.map(|directory| Limit {
                limits: what,
                kept: Kept::new(directory, name),
                period: (what == Limits::CfsQuota).then(|| Kept::new(directory, "cpu.cfs_period_us")),
                parts: Cell::new(None),
                value: Cell::new(None),
            }));
        };
        limit(&controllers.cpu, Limits::CfsQuota, "cpu.cfs_quota_us");
        limit(&controllers.pids, Limits::Pids, "pids.max");
        if controllers.cpu.is_none() {
            limit(&controllers.unified, Limits::CpuMax, "cpu.max");
        }
        if controllers.memory.is_none() {
            limit(&controllers.unified, Limits::Memory, "memory.max");
        }
        if controllers.pids.is_none() {
            limit(&controllers.unified, Limits::Pids, "pids.max");
        }
        Resources { files, limits, next_limit: Cell::new(None), has_hosts_network: has_hosts_network(root) }
    }

    /// Whether the figures of the network are known to be the host's.
    pub fn has_hosts_network(&self) -> bool {
        self.has_hosts_network
    }

    /// Reads everything: 13 system calls at most (the wait and the write make 15), after the first time,
    /// which opens the files.
    ///
    /// Limits seldom change, so each time one of them is read anew, in turns.
    #[inline(never)]
    pub fn sample(&self) -> Sample {
        let mut sample = Sample::default();
        for (tells, kept) in &self.files {
            kept.read(&mut |text, is_whole| take(&mut sample, *tells, text, is_whole));
        }
        match self.next_limit.get() {
            None => self.limits.iter().for_each(Limit::read),
            Some(next) => self.limits.get(next).into_iter().for_each(Limit::read),
        }
        let next = self.next_limit.get().map_or(0, |next| next + 1);
        self.next_limit.set(Some(if next < self.limits.len() { next } else { 0 }));
        for limit in &self.limits {
            let place = match limit.limits {
                Limits::CpuMax | Limits::CfsQuota => &mut sample.cpu_limit_milli,
                Limits::Memory => &mut sample.memory_limit,
                Limits::Pids => &mut sample.pids_limit,
            };
            *place = smallest(*place, limit.value.get());
        }
        // Memory and swap are counted at two moments, and may be one page apart where there is no swap.
        sample.swap = match (sample.swap, sample.memory_and_swap, sample.memory_usage) {
            (None, Some(both), Some(memory)) => Some(both.saturating_sub(memory)),
            (swap, _, _) => swap,
        };
        sample
    }

    /// Whether there is any file of a cgroup to read.
    pub fn is_known(&self) -> bool {
        self.files.len() > 1
    }
}

impl Kept {
    fn new(directory: &Path, name: &str) -> Kept {
        Kept { path: super::files::join(directory, name), file: OnceCell::new() }
    }

    /// Calls `take` with the text, and whether that is all of the file.
    ///
    /// Not inlined: the buffer is to be on the stack once.
    #[inline(never)]
    fn read(&self, take: &mut dyn FnMut(&str, bool)) {
        let open = || {
            let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
            OpenOptions::new().read(true).custom_flags(flags).open(&self.path).ok()
        };
        let Some(file) = self.file.get_or_init(open) else { return };
        let mut buffer = [0; BUFFER];
        let Ok(filled) = file.read_at(&mut buffer, 0) else { return };
        let text = buffer.get(..filled).unwrap_or_default();
        let whole = filled < BUFFER;
        // No number may be half of another.
        let end = if whole { filled } else { text.iter().rposition(|byte| *byte == b'\n').unwrap_or(0) };
        if let Ok(text) = std::str::from_utf8(text.get(..end).unwrap_or_default()) {
            take(text, whole);
        }
    }
}

impl Limit {
    fn read(&self) {
        self.value.set(None);
        match self.limits {
            Limits::CpuMax => self.kept.read(&mut |text, _| self.value.set(parse::cpu_max(text))),
            Limits::Memory => self.kept.read(&mut |text, _| {
                self.value.set(parse_number(text).filter(|limit| *limit < UNLIMITED));
            }),
            Limits::Pids => self.kept.read(&mut |text, _| self.value.set(parse_number(text))),
            Limits::CfsQuota => {
                let known = self.parts.take();
                let (mut quota, mut period) = (known.map(|known| known.0), known.and_then(|known| known.1));
                let is_periods_turn = known.is_some_and(|known| known.2);
                if !is_periods_turn {
                    // -1 is no quota, and no number here.
                    quota = None;
                    self.kept.read(&mut |text, _| quota = parse_number(text));
                }
                let Some(quota) = quota else { return };
                // Not both in one turn, but for the first.
                if let Some(kept) = self.period.as_ref().filter(|_| is_periods_turn || period.is_none()) {
                    kept.read(&mut |text, _| period = parse_number(text));
                }
                self.parts.set(Some((quota, period, !is_periods_turn)));
                self.value.set(period.and_then(|period| parse::milli_cpus(quota, period)));
            }
        }
    }
}

/// Puts what a file tells into its places.
fn take(sample: &mut Sample, tells: Tells, text: &str, is_whole: bool) {
    let number = || parse_number(text);
    let keyed = |name| parse_keyed(text, name);
    let nanoseconds = |name| parse_keyed(text, name)?.checked_mul(1000);
    match tells {
        Tells::CpuStat => {
            sample.cpu_ns = nanoseconds("usage_usec");
            sample.throttled_ns = nanoseconds("throttled_usec");
            sample.throttled_periods = keyed("nr_throttled");
            sample.periods = keyed("nr_periods");
        }
        Tells::CpuUsage => sample.cpu_ns = number(),
        Tells::Throttling => {
            sample.throttled_ns = keyed("throttled_time");
            sample.throttled_periods = keyed("nr_throttled");
            sample.periods = keyed("nr_periods");
        }
        Tells::MemoryUsage => sample.memory_usage = number(),
        Tells::MemoryStat => {
            sample.memory_anon = keyed("anon");
            sample.memory_file = keyed("file");
            sample.memory_shmem = keyed("shmem");
            sample.inactive_file = keyed("inactive_file");
        }
        Tells::MemoryStatV1 => {
            sample.memory_anon = keyed("total_rss");
            sample.memory_file = keyed("total_cache");
            sample.memory_shmem = keyed("total_shmem");
            sample.inactive_file = keyed("total_inactive_file");
            sample.memory_limit = keyed("hierarchical_memory_limit").filter(|limit| *limit < UNLIMITED);
        }
        Tells::MemoryPeak => sample.memory_peak = number(),
        Tells::MemoryEvents => {
            sample.oom_kills = keyed("oom_kill");
            sample.limit_hits = keyed("max");
        }
        Tells::OomControl => sample.oom_kills = keyed("oom_kill"),
        Tells::FailCount => sample.limit_hits = number(),
        Tells::SwapFailCount => {
            sample.limit_hits = sample.limit_hits.map(|hits| hits.saturating_add(number().unwrap_or(0)));
        }
        Tells::Swap => sample.swap = number(),
        Tells::MemorySwap => sample.memory_and_swap = number(),
        Tells::Pids => sample.pids = number(),
        // A part of the devices or interfaces would be a sum that means nothing.
        Tells::Io if is_whole => (sample.read_bytes, sample.write_bytes) = io_stat(text).unzip(),
        Tells::Blkio if is_whole => (sample.read_bytes, sample.write_bytes) = throttle_bytes(text).unzip(),
        Tells::Network if is_whole => (sample.net_rx_bytes, sample.net_tx_bytes) = net_dev(text).unzip(),
        Tells::Io | Tells::Blkio | Tells::Network => {}
        Tells::CpuStall => sample.cpu_stall_us = parse::stall(text),
        Tells::MemoryStall => sample.memory_stall_us = parse::stall(text),
        Tells::IoStall => sample.io_stall_us = parse::stall(text),
    }
}

#[cfg(test)]
mod tests;
