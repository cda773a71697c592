//! The process table.
//!
//! Only files are read that the kernel answers without waiting for another process: `stat`, `statm`, `wchan`, `comm`. Those
//! that show memory contents (`cmdline`, `environ`, `maps`) take a lock on the other's address space and can hang for
//! as long as that process hangs, which is the very moment when the table is wanted.
//!
//! Formats: proc_pid_stat(5), proc_pid_statm(5), proc_pid_wchan(5).

use super::ShortName;
use super::files::{for_each_number, read_bytes, read_text};
use std::cmp::Reverse;
use std::ops::ControlFlow;
use std::path::Path;
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
    /// `R` running, `S` sleeping, `D` waiting where no signal reaches, `Z` zombie, `T` stopped, `t` traced, `I` idle
    pub state: char,
    /// the kernel function that it waits in; absent while it runs, and where we may not know (other users' processes)
    pub wait_channel: Option<ShortName>,
    /// resident memory in bytes (what ps calls RSS); 0 for a zombie
    pub memory: u64,
    /// number of threads; 0 for a zombie
    pub threads: u32,
    /// whether SIGKILL is on its way to it, or it gives its memory back already
    pub is_ending: bool,
}

impl Process {
    /// Whether it is neither dead nor dying.
    pub fn is_alive(&self) -> bool {
        !self.is_ending && !matches!(self.state, 'Z' | 'X')
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
}

/// The process table at about one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// in ascending order of process IDs, as /proc lists them
    pub processes: Vec<Process>,
    /// whether a limit cut it short, or /proc could not be read
    pub truncated: bool,
}

/// Reads the process table below `root`/proc; `root` is `/` but in tests.
///
/// Left out are kernel threads and what vanishes while it is being read. Kernel threads are known by their flag, not
/// by process ID or parent 2: in a container that is the program.
///
/// Allocates some 150 bytes a process, and 32 KiB for the directory: not for PID 1 itself but for a helper of it.
pub fn snapshot(root: &Path, limits: Limits) -> Snapshot {
    let started = Instant::now();
    let proc = root.join("proc");
    let mut table = Snapshot::default();
    let (Ok(entries), Some(page)) = (std::fs::read_dir(&proc), page_size()) else {
        table.truncated = true;
        return table;
    };
    for entry in entries {
        let Ok(entry) = entry else {
            table.truncated = true;
            break;
        };
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        if limits.exclude.contains(&pid) {
            continue;
        }
        if table.processes.len() >= limits.processes || started.elapsed() >= limits.time {
            table.truncated = true;
            break;
        }
        table.processes.extend(read_process(&proc.join(&name), page));
    }
    table
}

/// How many of the process IDs in `root`/proc are `counted`; `None` where they cannot be listed.
pub fn count(root: &Path, counted: impl Fn(i32) -> bool) -> Option<usize> {
    let names = std::fs::read_dir(root.join("proc"))
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Some(names.filter_map(|name| name.parse().ok()).filter(|pid| counted(*pid)).count())
}

/// The `count` largest, the largest first, of equal ones the oldest. Brings the others behind them into order too.
pub fn largest(processes: &mut [Process], count: usize) -> &[Process] {
    processes.sort_unstable_by_key(|process| (Reverse(process.memory), process.pid));
    processes.get(..count).unwrap_or(processes)
}

/// The `count` largest of those whose process IDs `procs` lists (`cgroup.procs`), the largest first.
///
/// For PID 1 while memory is short: whatever a helper would take of it could be what makes the kernel kill. Keeps no
/// more than `count`, and looks at no more after `limits.time` or `limits.processes`.
pub fn largest_listed(root: &Path, procs: &Path, count: usize, limits: Limits) -> Vec<Process> {
    let started = Instant::now();
    let mut largest: Vec<Process> = Vec::with_capacity(count + 1);
    let mut seen = 0;
    let Some(page) = page_size() else { return largest };
    let _ = for_each_number(procs, &mut |pid| {
        seen += 1;
        if seen > limits.processes || started.elapsed() >= limits.time {
            return ControlFlow::Break(());
        }
        if !limits.exclude.contains(&pid)
            && let Some(process) = read_process(&root.join(format!("proc/{pid}")), page)
        {
            let place = largest.partition_point(|other| other.memory >= process.memory);
            largest.insert(place, process);
            largest.truncate(count);
        }
        ControlFlow::Continue(())
    });
    largest
}

/// What a process calls itself; `None` if it is gone. A zombie has a name until it is reaped: look with
/// `WNOWAIT`, ask for the name, then reap.
pub fn name_of(root: &Path, pid: i32) -> Option<ShortName> {
    read_bytes(&root.join(format!("proc/{pid}/comm")), |raw| {
        Some(ShortName::new(raw.strip_suffix(b"\n").unwrap_or(raw)))
    })
}

/// Whether a process is about to end: SIGKILL is on its way to it, or it gives its memory back already. `None` if it is
/// gone, or /proc, and where its first thread has ended by itself: others may go on, and that does not tell.
pub fn is_ending(root: &Path, pid: i32) -> Option<bool> {
    let stat = read_bytes(&root.join(format!("proc/{pid}/stat")), parse_stat)?;
    let has_ended = matches!(stat.state, 'Z' | 'X');
    match has_ended {
        false => Some(stat.is_ending()),
        true => (stat.flags & PF_SIGNALED != 0).then_some(true),
    }
}

fn read_process(directory: &Path, page: u64) -> Option<Process> {
    let stat = read_bytes(&directory.join("stat"), parse_stat)?;
    if stat.flags & PF_KTHREAD != 0 {
        return None;
    }
    let wait_channel = match stat.state {
        'R' | 'Z' | 'X' => None,
        _ => read_text(&directory.join("wchan"), parse_wait_channel),
    };
    // `stat` has the figure too, but a rough one: on a machine of many CPUs it can be off by many megabytes, since the
    // kernel does not add up there what each CPU has counted for itself.
    let resident_pages = read_text(&directory.join("statm"), parse_statm).unwrap_or(stat.resident_pages);
    Some(Process {
        pid: stat.pid,
        ppid: stat.ppid,
        name: stat.name,
        state: stat.state,
        wait_channel,
        memory: resident_pages.saturating_mul(page),
        threads: stat.threads,
        is_ending: stat.is_ending(),
    })
}

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
    threads: u32,
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

/// The name is in parentheses and may hold anything, parentheses, blanks and line feeds too: it ends at the last
/// closing one of the file, since all that follows are numbers.
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
    let threads = fields.nth(10)?.parse().ok()?; // 20
    let resident_pages = fields.nth(3)?.parse().ok()?; // 24
    let pending = fields.nth(6)?.parse().ok()?; // 31
    Some(Stat { pid, name, state, ppid, flags, threads, resident_pages, pending })
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
