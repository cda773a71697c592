//! Who calls anything about sockets, as strace(1) sees it.
#![allow(dead_code)]

use crate::init::Launch;
use crate::require::require;
use crate::running::Finished;
use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};

/// Whether strace(1) can be used; the test is skipped where not.
pub fn has_strace() -> bool {
    let works = Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).stderr(Stdio::null()).status();
    let works = works.is_ok_and(|status| status.success());
    require("strace", works.then_some(()).ok_or("strace(1) is not installed, or may not trace")).is_some()
}

/// Calls of each process in what `strace -f` wrote: a line is `PID call(…`.
pub struct Trace {
    calls: BTreeMap<i32, Vec<String>>,
}

impl Trace {
    /// Runs `launch` under strace; `None` where that cannot be done.
    pub fn of(launch: Launch) -> Option<(Trace, Finished)> {
        if !has_strace() {
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("trace");
        let filter = "trace=%network,execve,fork,vfork,clone,clone3,fstat,newfstatat,statx";
        let ended = launch.under(["strace", "-f", "-qq", "-e", filter, "-o", file.to_str().unwrap()]).run();
        let text = std::fs::read_to_string(&file).unwrap();
        let mut calls: BTreeMap<i32, Vec<String>> = BTreeMap::new();
        for line in text.lines() {
            let (pid, call) = line.split_once(' ').unwrap();
            calls.entry(pid.parse().unwrap()).or_default().push(call.trim_start().to_owned());
        }
        Some((Trace { calls }, ended))
    }

    /// The process that executed epitaph.
    pub fn epitaph(&self) -> i32 {
        // Others have its path among their arguments.
        let mut found = self.executed().into_iter().filter(|(_, path)| path.ends_with("/epitaph"));
        found.next().expect("a process that executed epitaph").0
    }

    /// Every call of execve(2), whether it went well or not: who, and the path.
    pub fn executed(&self) -> Vec<(i32, String)> {
        let path = |call: &String| Some(call.strip_prefix("execve(\"")?.split('"').next()?.to_owned());
        let of = |(pid, calls): (&i32, &Vec<String>)| {
            calls.iter().filter_map(path).map(|path| (*pid, path)).collect::<Vec<_>>()
        };
        self.calls.iter().flat_map(of).collect()
    }

    /// How often this process has made another.
    pub fn forks(&self, pid: i32) -> usize {
        self.calls.get(&pid).map_or(0, |calls| calls.iter().filter(|call| is_fork(call)).count())
    }

    /// How often this process has asked what stderr is: before it made another process, and after.
    pub fn looks_at_stderr(&self, pid: i32) -> (usize, usize) {
        let calls = self.calls.get(&pid).map_or(&[][..], Vec::as_slice);
        let fork = calls.iter().position(|call| is_fork(call)).unwrap_or(calls.len());
        let looks = |calls: &[String]| {
            let is_look = |call: &&String| {
                ["fstat(2,", "newfstatat(2,", "statx(2,"].iter().any(|look| call.starts_with(look))
            };
            calls.iter().filter(is_look).count()
        };
        let (before, after) = calls.split_at(fork);
        (looks(before), looks(after))
    }

    /// The processes that called anything about sockets.
    pub fn with_sockets(&self) -> BTreeSet<i32> {
        let is_other = |call: &String| {
            [
                "execve(",
                "fork(",
                "vfork(",
                "clone(",
                "clone3(",
                "fstat(",
                "newfstatat(",
                "statx(",
                "<...",
                "+++",
                "---",
            ]
            .iter()
            .any(|start| call.starts_with(start))
        };
        let has = |calls: &Vec<String>| calls.iter().any(|call| !is_other(call));
        self.calls.iter().filter(|(_, calls)| has(calls)).map(|(pid, _)| *pid).collect()
    }
}

fn is_fork(call: &str) -> bool {
    ["fork(", "vfork(", "clone(", "clone3("].iter().any(|name| call.starts_with(name))
}
