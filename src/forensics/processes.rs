//! The process table.
//!
//! Only files are read that the kernel answers without waiting for another process: `stat`, `statm`, `wchan`,
//! `comm`, `status`. Those that show memory contents (`cmdline`, `environ`, `maps`) take a lock on the
//! other's address space and can hang for as long as that process hangs, which is the very moment when the
//! table is wanted.
//!
//! Whose /proc it is comes first: one of another PID namespace numbers processes in another way (`unshare
//! -pf` without `--mount-proc`), and a directory that only looks like it has none. Then nothing is known.
//!
//! Formats: proc_pid_stat(5), proc_pid_statm(5), proc_pid_wchan(5).

mod status;

pub use status::Disposition;

use self::status::Status;
use super::ShortName;
use super::files::{for_each_number, read_bytes, read_text};
use crate::sys::{self, time_since_boot};
use std::cmp::Reverse;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A process, as /proc tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// process ID, in the PID namespace of /proc
    pub pid: i32,
    /// its parent's; 0 for one outside the namespace
    pub ppid: i32,
    /// what the process calls itself (`comm`)
    pub name: ShortName,
    /// `R` running, `S` sleeping, `D` waiting where no signal reaches, `Z` zombie, `T` stopped, `t` traced,
    /// `I` idle
    pub state: char,
    /// the kernel function that it waits in; absent while it runs, and where we may not know (other users'
    /// processes)
    pub wait_channel: Option<ShortName>,
    /// resident memory in bytes (what ps calls RSS); 0 for a zombie
    pub memory: u64,
    /// bytes in swap, shared memory left aside; known where it was looked at closely
    pub swap: Option<u64>,
    /// number of threads; of a zombie 0 or 1, depending on the kernel
    pub threads: u32,
    /// what SIGTERM does to it; known where it was looked at closely
    pub sigterm: Option<Disposition>,
    /// how long it has been there
    pub age: Option<Duration>,
    /// whether SIGKILL is on its way to it, or it gives its memory back already
    pub is_ending: bool,
}

impl Process {
    /// Whether it is neither dead nor dying.
    pub fn is_alive(&self) -> bool {
        !self.is_ending && !self.is_zombie()
    }

    /// Whether it has ended and was not reaped.
    pub fn is_zombie(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }

    /// What it takes, in bytes, be it in memory or in swap.
    pub fn size(&self) -> u64 {
        self.memory.saturating_add(self.swap.unwrap_or(0))
    }
}

/// How much may be read.
#[derive(Debug, Clone, Copy)]
pub struct Limits<'a> {
    /// the most processes to return
    pub processes: usize,
    /// the time after which no further process is looked at
    pub time: Duration,
    /// processes to leave out: those of epitaph itself
    pub exclude: &'a [i32],
    /// whether to read `status` too, which costs as much again
    pub closely: bool,
}

/// The process table at about one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// in ascending order of process IDs, as /proc lists them
    pub processes: Vec<Process>,
    /// whether a limit cut it short
    pub truncated: bool,
    /// whether some that are there cannot be looked at, or none can: /proc is missing, another namespace's,
    /// or closed
    pub unreadable: bool,
}

/// Reads the process table below `root`/proc; `root` is `/` but in tests.
///
/// Left out are kernel threads and what vanishes while it is being read. Kernel threads are known by their
/// flag, not by process ID or parent 2: in a container that is the program.
///
/// Allocates some 150 bytes a process: not for PID 1 itself but for a helper of it, unless none can be
/// started.
pub fn snapshot(root: &Path, limits: Limits) -> Snapshot {
    let started = Instant::now();
    let proc = root.join("proc");
    let mut table = Snapshot::default();
    let entries = is_ours(root).then(|| sys::entries(&proc));
    let (Some(Ok(entries)), Some(page)) = (entries, page_size()) else {
        table.unreadable = true;
        return table;
    };
    for entry in entries {
        let Ok(entry) = entry else {
            table.unreadable = true;
            break;
        };
        let name = entry.name;
        let Some(pid) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        if limits.exclude.contains(&pid) {
            continue;
        }
        if table.processes.len() >= limits.processes || started.elapsed() >= limits.time {
            table.truncated = true;
            break;
        }
        let directory = proc.join(&name);
        match read_process(&directory, page, limits.closely) {
            Ok(process) => table.processes.extend(process),
            // Mostly it is gone meanwhile.
            Err(Unreadable) => table.unreadable |= directory.exists(),
        }
    }
    table
}

/// Whether `root`/proc shows the processes of our own PID namespace under the IDs that they have here.
pub fn is_ours(root: &Path) -> bool {
    let own = std::fs::read_link(root.join("proc/self")).ok();
    own.is_some_and(|own| own.to_str().and_then(|own| own.parse().ok()) == Some(std::process::id()))
}

/// How many of the process IDs in `root`/proc are `counted`; `None` where they cannot be listed.
pub fn count(root: &Path, counted: impl Fn(i32) -> bool) -> Option<usize> {
    if !is_ours(root) {
        return None;
    }
    let entries = sys::entries(&root.join("proc")).ok()?;
    let names = entries.filter_map(|entry| entry.ok()?.name.into_string().ok());
    Some(names.filter_map(|name| name.parse().ok()).filter(|pid| counted(*pid)).count())
}

/// The `count` largest, the largest first, of equal ones the oldest. Brings the others behind them into order
/// too.
pub fn largest(processes: &mut [Process], count: usize) -> &[Process] {
    processes.sort_unstable_by_key(|process| (Reverse(process.size()), process.pid));
    processes.get(..count).unwrap_or(processes)
}

/// The `count` largest of those whose process IDs are in the `lists` (`cgroup.procs`), the largest first.
///
/// For PID 1 while memory is short: whatever a helper would take of it could be what makes the kernel kill.
/// Keeps no more than `count`, looks at no more than `limits.processes`, and at no more after `limits.time`
/// once it has `count`.
pub fn largest_listed(root: &Path, lists: &[PathBuf], count: usize, limits: Limits) -> Vec<Process> {
    let started = Instant::now();
    let mut largest: Vec<Process> = Vec::with_capacity(count + 1);
    let mut seen = 0;
    let Some(page) = page_size().filter(|_| is_ours(root)) else { return largest };
    let mut look_at = |pid| {
        seen += 1;
        // A machine that is slow just now is no reason to name nobody.
        let is_late = largest.len() >= count && started.elapsed() >= limits.time;
        if seen > limits.processes || is_late {
            return ControlFlow::Break(());
        }
        if !limits.exclude.contains(&pid)
            && let Ok(Some(process)) = read_process(&root.join(format!("proc/{pid}")), page, limits.closely)
        {
            let place = largest.partition_point(|other| other.size() >= process.size());
            largest.insert(place, process);
            largest.truncate(count);
        }
        ControlFlow::Continue(())
    };
    for list in lists {
        let _ = for_each_number(list, &mut look_at);
    }
    largest
}

/// What a process calls itself; `None` if it is gone. A zombie has a name until it is reaped: look with
/// `WNOWAIT`, ask for the name, then reap.
pub fn name_of(root: &Path, pid: i32) -> Option<ShortName> {
    if !is_ours(root) {
        return None;
    }
    read_bytes(&root.join(format!("proc/{pid}/comm")), |raw| {
        Some(ShortName::new(raw.strip_suffix(b"\n").unwrap_or(raw)))
    })
}

/// What a process calls itself and who its parent is (0 for one outside of the PID namespace); `None` if it
/// is gone.
pub fn name_and_parent(root: &Path, pid: i32) -> Option<(ShortName, i32)> {
    let stat = read_stat(root, pid)?;
    Some((stat.name, stat.ppid))
}

/// Whether a process that has ended, and is not reaped yet, had waited for children of its own: their page
/// faults are counted with it then, and nothing runs without one. `None` where that cannot be read.
pub fn has_waited(root: &Path, pid: i32) -> Option<bool> {
    Some(read_stat(root, pid)?.faults_of_children > 0)
}

fn read_stat(root: &Path, pid: i32) -> Option<Stat> {
    if !is_ours(root) {
        return None;
    }
    read_bytes(&root.join(format!("proc/{pid}/stat")), parse_stat)
}

/// Whether a process is about to end: SIGKILL is on its way to it, or it gives its memory back already.
/// `None` if it is gone, or /proc, and where its first thread has ended by itself: others may go on, and that
/// does not tell.
pub fn is_ending(root: &Path, pid: i32) -> Option<bool> {
    let stat = read_stat(root, pid)?;
    let has_ended = matches!(stat.state, 'Z' | 'X');
    match has_ended {
        false => Some(stat.is_ending()),
        true => (stat.flags & PF_SIGNALED != 0).then_some(true),
    }
}

/// Nothing can be read of a process.
struct Unreadable;

/// `Ok(None)` for a kernel thread.
fn read_process(directory: &Path, page: u64, closely: bool) -> Result<Option<Process>, Unreadable> {
    let stat = read_bytes(&directory.join("stat"), parse_stat).ok_or(Unreadable)?;
    if stat.flags & PF_KTHREAD != 0 {
        return Ok(None);
    }
    let status = match stat.state {
        'Z' | 'X' => Status::default(),
        _ if closely => status::read(directory, stat.threads),
        _ => Status::default(),
    };
    let wait_channel = match stat.state {
        'R' | 'Z' | 'X' => None,
        _ => read_text(&directory.join("wchan"), parse_wait_channel),
    };
    // Who waits for signals has taken those that it waits for out of what it blocks, so "default" would be
    // wrong.
    let may_wait_for_it = match (stat.state, &wait_channel) {
        ('R', _) => false,
        (_, Some(channel)) => channel.as_str().contains("sigtimedwait"),
        (_, None) => true,
    };
    let sigterm = status.sigterm.filter(|what| *what != Disposition::Default || !may_wait_for_it);
    // `stat` has the figure too, but a rough one: on a machine of many CPUs it can be off by many megabytes,
    // since the kernel does not add up there what each CPU has counted for itself.
    let resident_pages = read_text(&directory.join("statm"), parse_statm).unwrap_or(stat.resident_pages);
    Ok(Some(Process {
        pid: stat.pid,
        ppid: stat.ppid,
        name: stat.name,
        state: stat.state,
        wait_channel,
        memory: resident_pages.saturating_mul(page),
        swap: status.swap,
        threads: stat.threads,
        sigterm,
        age: time_since_boot().checked_sub(Duration::from_millis(stat.began.saturating_mul(TICK_MS))),
        is_ending: stat.is_ending(),
    }))
}

/// A clock tick as /proc counts them: USER_HZ is 100 on all that epitaph runs on.
const TICK_MS: u64 = 10;

/// The flag of a kernel thread in field 9 of `stat` (include/linux/sched.h).
const PF_KTHREAD: u64 = 0x0020_0000;

/// The flag there of one that gives its memory back.
const PF_EXITING: u64 = 0x4;

/// The flag there of one that has taken the signal that ends it.
const PF_SIGNALED: u64 = 0x400;

#[derive(Debug, PartialEq, Eq)]
struct Stat {
    pid: i32,
    name: ShortName,
    state: char,
    ppid: i32,
    flags: u64,
    /// page faults of the children that it has waited for
    faults_of_children: u64,
    threads: u32,
    /// clock ticks since the machine's boot
    began: u64,
    resident_pages: u64,
    /// signals that wait for the first thread, 1 to 31, signal n being bit n - 1
    pending: u64,
}

impl Stat {
    fn is_ending(&self) -> bool {
        let is_killed = self.pending & 1 << (libc::SIGKILL - 1) != 0;
        is_killed || self.flags & (PF_EXITING | PF_SIGNALED) != 0
    }
}

/// The name is in parentheses and may hold anything, parentheses, blanks and line feeds too: it ends at the
/// last closing one of the file, since all that follows are numbers.
fn parse_stat(text: &[u8]) -> Option<Stat> {
    let open = text.iter().position(|byte| *byte == b'(')?;
    let close = text.iter().rposition(|byte| *byte == b')')?;
    let pid = std::str::from_utf8(text.get(..open)?).ok()?.trim().parse().ok()?;
    let name = ShortName::new(text.get(open + 1..close)?);
    let mut fields = std::str::from_utf8(text.get(close + 1..)?).ok()?.split_ascii_whitespace();
    // Field numbers are those of the manual page; `nth` skips the ones in between.
    let state = fields.next()?.chars().next()?; // 3
    let ppid = fields.next()?.parse().ok()?; // 4
    let flags = fields.nth(4)?.parse().ok()?; // 9
    let minor: u64 = fields.nth(1)?.parse().ok()?; // 11
    let major: u64 = fields.nth(1)?.parse().ok()?; // 13
    let threads = fields.nth(6)?.parse().ok()?; // 20
    let began = fields.nth(1)?.parse().ok()?; // 22
    let resident_pages = fields.nth(1)?.parse().ok()?; // 24
    let pending = fields.nth(6)?.parse().ok()?; // 31
    let faults_of_children = minor.saturating_add(major);
    Some(Stat { pid, name, state, ppid, flags, faults_of_children, threads, began, resident_pages, pending })
}

/// The second number: resident pages.
fn parse_statm(text: &str) -> Option<u64> {
    text.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// `0` where the process runs, and where the kernel does not want to tell.
fn parse_wait_channel(text: &str) -> Option<ShortName> {
    let name = text.trim();
    (!name.is_empty() && name != "0").then(|| ShortName::new(name.as_bytes()))
}

/// In bytes: 4 KiB on most machines, 16 or 64 KiB on some aarch64 kernels.
fn page_size() -> Option<u64> {
    let size = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok()??;
    u64::try_from(size).ok()
}

#[cfg(test)]
mod tests;
