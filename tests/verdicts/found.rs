//! What was found in one kind of cgroup, and whether it is right.

use crate::case::{Case, LARGE, record};
use crate::cases::CASES;
use crate::records;
use crate::support::process;
use crate::support::static_binary::target_directory;
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

/// How a case went.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// the exit code of the container
    pub code: i32,
    /// what it wrote on stdout
    pub stdout: String,
    /// what it wrote on stderr: records, and other lines
    pub stderr: String,
    /// how many kills the kernel has counted in the container's cgroup since the case began, where it can be
    /// asked
    pub kernel_kills: Option<u64>,
}

impl Found {
    /// The records, each checked against the published schema. A shell too writes on stderr, such as
    /// `Killed`.
    pub fn records(&self) -> Vec<Value> {
        let lines: String = self.stderr.split_inclusive('\n').filter(|line| line.starts_with('{')).collect();
        records::records(&lines)
    }

    /// `exit` of the exit record.
    pub fn exit(&self) -> Option<Value> {
        self.records().iter().find(|record| record["epitaph"] == "exit").map(|record| record["exit"].clone())
    }

    /// Whether this is what the table says; the error tells what is not.
    fn check(&self, case: &Case, place: Place) -> Result<(), String> {
        let checked = std::panic::catch_unwind(|| self.assert(case, place));
        checked.map_err(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("?");
            format!("{}, {place:?}: {text}\n{}\n{}", case.name, self.stdout, self.stderr)
        })
    }

    fn assert(&self, case: &Case, place: Place) {
        assert_eq!(self.code, case.code, "exit code");
        let records = self.records();
        let count = |kind: &str| records.iter().filter(|record| record["epitaph"] == kind).count();
        assert_eq!(count("start"), 1, "start records");
        for kind in ["oom_kill", "memory_pressure", "stop", "stuck"] {
            let expected = usize::from(case.records.contains(&kind));
            let is_free = kind == "memory_pressure" && case.kernel_killed && expected == 0;
            assert!(is_free || count(kind) == expected, "{} records of the kind {kind}", count(kind));
        }
        if let Some(kills) = self.kernel_kills {
            let before = u64::from(case.before.is_some());
            assert_eq!(kills > before, case.kernel_killed, "the kernel's own count: {kills}");
        }
        assert_eq!(count("exit"), usize::from(case.verdict.is_some()), "exit records");
        if let Some(verdict) = case.verdict {
            let last = record(&records, "exit");
            let exit = &last["exit"];
            assert_eq!((&exit["verdict"], &exit["code"]), (&verdict.into(), &case.code.into()), "{last}");
            let why = exit["why"].as_str().unwrap();
            for part in case.why {
                let part = part.replace("{counter}", place.counter());
                assert!(why.contains(&part), "{part:?} is not in {why:?}");
            }
            assert_eq!(exit["records_lost"], 0, "{last}");
            memory(&last["memory"], case, place);
        }
        (case.check)(&records);
    }
}

/// The memory in the exit record has what the kernel tells, in figures that fit the case.
fn memory(memory: &Value, case: &Case, place: Place) {
    assert_eq!(memory["cgroup"], if place == Place::V1 { 1 } else { 2 }, "{memory}");
    let number = |key: &str| memory[key].as_u64().unwrap_or_else(|| panic!("no {key} in {memory}"));
    assert_eq!(number("oom_kills"), u64::from(case.kernel_killed), "{memory}");
    let hides_limit = case.limit_is_above && place == Place::V2Private;
    let limit = if hides_limit { LARGE } else { case.limit };
    assert_eq!(number("limit"), u64::from(limit) << 20, "{memory}");
    assert!(number("usage") <= number("peak"), "{memory}");
    // The kernel asks the own cgroup first: its peak may be a little over a limit above that then refuses.
    let most = if case.limit_is_above { LARGE } else { case.limit };
    assert!(number("peak") <= u64::from(most) << 20, "{memory}");
}

/// Where a case was run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// cgroup v1 under Docker
    V1,
    /// v2, where the container sees its own cgroup alone
    V2Private,
    /// v2, where it sees all cgroups
    V2Host,
}

impl Place {
    fn counter(self) -> &'static str {
        if self == Place::V1 { "oom_kill in memory.oom_control" } else { "oom_kill in memory.events" }
    }
}

/// Checks all that was found, and tells of everything that is wrong, not of the first alone.
#[track_caller]
pub fn check_all(found: &[Option<Found>], place: Place) {
    assert_eq!(found.len(), CASES.len());
    let wrong: Vec<String> = CASES
        .iter()
        .zip(found)
        .filter_map(|(case, found)| found.as_ref()?.check(case, place).err())
        .collect();
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), CASES.len(), wrong.join("\n\n"));
}

/// The program that uses memory to order, built when it is first asked for.
pub fn hog() -> &'static Path {
    static BUILT: OnceLock<std::path::PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let output = target_directory().join("tmp/hog");
        let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
        rustc.args(["--edition=2024", "-O", "-C", "target-feature=+crt-static", "-o"]).arg(&output);
        rustc.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/verdicts/hog.rs"));
        process::stdout(&mut rustc, Duration::from_secs(120)).unwrap_or_else(|error| panic!("{error}"));
        output
    })
}
