//! The kernel's OOM lines.
//!
//! A kill is told in several lines (mm/oom_kill.c, mm/memcontrol.c):
//!
//! ```text
//! Linux 5:  oom-kill:constraint=CONSTRAINT_MEMCG,…,oom_memcg=/ecs/T,task_memcg=/ecs/T/C,task=sh,pid=9,uid=0
//!           Memory cgroup out of memory: Killed process 9 (sh) total-vm:…kB, anon-rss:…kB, …
//!           Tasks in /ecs/T/C are going to be killed due to memory.oom.group set
//!           Memory cgroup out of memory: Killed process 8 (epitaph) …
//! Linux 4:  Task in /ecs/T/C killed as a result of limit of /ecs/T/C
//!           Memory cgroup out of memory: Kill process 9 (sh) score 250 or sacrifice child
//!           Killed process 9 (sh) total-vm:…kB, …
//! ```
//!
//! [`from_line`] reads one of them; [`KernelPair`](super::KernelPair) makes one statement of those that
//! belong together.

use super::{OomKill, OomScope, Statement, What, WitnessKind, ids, kernel_prefix};

pub(super) const CONTEXT: &str = "oom-kill:constraint=";
pub(super) const CONTEXT_4: &str = "Task in /";
const GROUP: &str = "Tasks in /";
const OF_MEMCG: &str = "Memory cgroup out of memory";
const OF_MACHINE: &str = "Out of memory";

/// Reads one line; `None` where it is not one of these.
pub fn from_line(line: &str) -> Option<Statement> {
    let (at, what) = message(line)?;
    let (prefix, text) = line.split_at_checked(at)?;
    if !kernel_prefix::may_be_kernels(prefix) {
        return None;
    }
    let prefix = kernel_prefix::parse(prefix);
    let memcg = match &what {
        What::OomKill(kill) => kill.victim_memcg.as_deref().or(kill.limit_memcg.as_deref()),
        What::OomGroup { memcg } => Some(memcg.as_str()),
        _ => None,
    };
    let (task_id, container_id) = memcg.map(ids::of_cgroup).unwrap_or_default();
    let statement = Statement::new(WitnessKind::Kernel, what, text);
    Some(Statement {
        time: prefix.time,
        clock: prefix.clock,
        host: prefix.host,
        task_id,
        container_id,
        ..statement
    })
}

/// Where the message begins in the line, and what it says.
fn message(line: &str) -> Option<(usize, What)> {
    if let Some(at) = line.find(CONTEXT) {
        return Some((at, What::OomKill(context(line.get(at + CONTEXT.len()..)?))));
    }
    if let Some(at) = line.find("Killed process ") {
        let begin = begin_of_killed(line, at);
        let (pid, rest) = number(line.get(at + "Killed process ".len()..)?)?;
        let has_head = begin < at;
        // Linux before 3.x writes `, UID 679,` before the name.
        if !has_head && !rest.contains("total-vm:") {
            return None;
        }
        let kill = OomKill { pid: Some(pid), scope: scope_of_head(line.get(begin..at)?), ..killed(rest)? };
        return Some((begin, What::OomKill(kill)));
    }
    if let Some(at) = line.find("Kill process ") {
        let begin = begin_of_killed(line, at);
        let (_, rest) = number(line.get(at + "Kill process ".len()..)?)?;
        // Who was chosen need not be who is killed, so no process is named.
        let chosen = begin < at && rest.contains(" score ");
        return chosen.then(|| {
            let scope = scope_of_head(line.get(begin..at).unwrap_or_default());
            (begin, What::OomKill(OomKill { scope, ..OomKill::default() }))
        });
    }
    if let Some(at) = line.find(CONTEXT_4) {
        let (victim, limit) =
            line.get(at + CONTEXT_4.len() - 1..)?.split_once(" killed as a result of limit of ")?;
        let kill = OomKill {
            victim_memcg: memcg(victim),
            limit_memcg: memcg(limit),
            scope: OomScope::Cgroup,
            ..OomKill::default()
        };
        return Some((at, What::OomKill(kill)));
    }
    let at = line.find(GROUP)?;
    let (path, _) = line
        .get(at + GROUP.len() - 1..)?
        .split_once(" are going to be killed due to memory.oom.group set")?;
    Some((at, What::OomGroup { memcg: memcg(path)? }))
}

/// Where the head `Memory cgroup out of memory: ` or `Out of memory: ` before `at` begins, or `at`.
fn begin_of_killed(line: &str, at: usize) -> usize {
    let before = line.get(..at).unwrap_or_default();
    let head = before.rfind(OF_MEMCG).or_else(|| before.rfind(OF_MACHINE));
    // `Out of memory (oom_kill_allocating_task): ` is the longest.
    head.filter(|begin| at - begin <= 48 && before.ends_with(": ")).unwrap_or(at)
}

fn scope_of_head(head: &str) -> OomScope {
    match head {
        _ if head.starts_with(OF_MEMCG) => OomScope::Cgroup,
        _ if head.starts_with(OF_MACHINE) => OomScope::Machine,
        _ => OomScope::Unknown,
    }
}

/// What follows `oom-kill:constraint=`. The node mask may hold commas, so the keys are looked for by name.
fn context(text: &str) -> OomKill {
    let value = |key: &str, next: &str| {
        let (_, behind) = text.split_once(key)?;
        Some(behind.split_once(next).map_or(behind, |(value, _)| value))
    };
    let constraint = text.split(',').next().unwrap_or_default();
    let scope = if constraint == "CONSTRAINT_MEMCG" {
        OomScope::Cgroup
    } else if constraint == "CONSTRAINT_NONE" || text.contains(",global_oom,") {
        OomScope::Machine
    } else {
        OomScope::Unknown
    };
    // The name is the process's own choice, so that it may hold a comma.
    let pid_at = text.rfind(",pid=");
    let name = pid_at.and_then(|end| text.get(..end)?.rsplit_once(",task=")).map(|(_, name)| name);
    let number_of = |key| value(key, ",").and_then(number).map(|(number, _)| number);
    OomKill {
        pid: number_of(",pid="),
        name: name.filter(|name| !name.is_empty()).map(short),
        uid: number_of(",uid="),
        scope,
        victim_memcg: value(",task_memcg=", ",task=").and_then(memcg),
        limit_memcg: value(",oom_memcg=", ",task_memcg=").and_then(memcg),
        ..OomKill::default()
    }
}

/// What follows the process ID in a line of `Killed process`.
fn killed(rest: &str) -> Option<OomKill> {
    let rest = rest.strip_prefix(", UID ").and_then(|uid| uid.split_once(',')).map_or(rest, |(_, rest)| rest);
    let open = rest.trim_start().strip_prefix('(')?;
    let end = open.find(") total-vm:").or_else(|| open.rfind(')'))?;
    let kilobytes = |key: &str| {
        let (amount, unit) = number(open.get(end..)?.split_once(key)?.1)?;
        unit.starts_with("kB").then(|| u64::from(amount) * 1024)
    };
    Some(OomKill {
        name: Some(short(open.get(..end)?)),
        uid: open.get(end..)?.split_once(" UID:").and_then(|(_, uid)| number(uid)).map(|(uid, _)| uid),
        anon_rss: kilobytes("anon-rss:"),
        file_rss: kilobytes("file-rss:"),
        shmem_rss: kilobytes("shmem-rss:"),
        ..OomKill::default()
    })
}

/// The number at the beginning of a text, and what follows. `dmesg` may pad it.
fn number(text: &str) -> Option<(u32, &str)> {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    Some((digits.parse().ok()?, rest))
}

fn memcg(path: &str) -> Option<String> {
    let path = path.trim();
    (path.starts_with('/') && path.len() <= 1024).then(|| path.to_owned())
}

/// A process's name: the kernel keeps 15 bytes of it, and shows more of kernel threads alone.
fn short(name: &str) -> String {
    name.chars().take(64).collect()
}
