//! A program whose workers die with it (PR_SET_PDEATHSIG), taken by the OOM killer: what is reaped after it
//! is no victim.
//!
//! `EPITAPH_TEST_STORIES=N` plays it N times on each kernel.

use crate::found::hog;
use crate::records;
use crate::support::process;
use crate::support::qemu::Machine;
use crate::support::require::require;
use crate::support::static_binary::static_binary;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// How often it is played where nothing else is said.
const ROUNDS: u32 = 10;

/// In MiB.
const LIMIT: u32 = 40;
const WORKERS: &str = "30";

fn rounds() -> u32 {
    std::env::var("EPITAPH_TEST_STORIES").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS)
}

/// Tells what is wrong with the records of each round.
fn check(told: &[String]) {
    let is_wrong = |stderr: &&String| {
        let exit = records::exit(stderr);
        exit["verdict"] != "oom_killed" || exit["code"] != 137
    };
    let wrong: Vec<&String> = told.iter().filter(is_wrong).collect();
    println!("{} of {} rounds are told wrongly", wrong.len(), told.len());
    assert!(wrong.is_empty(), "{} of {} rounds: {:#?}", wrong.len(), told.len(), wrong.first());
}

/// A memory cgroup of version 1, removed at the end.
struct Cgroup(PathBuf);

impl Cgroup {
    fn new() -> Result<Cgroup, String> {
        let name = format!("epitaph-test-family-{}", std::process::id());
        let cgroup = Cgroup(Path::new("/sys/fs/cgroup/memory").join(name));
        let told = |error: std::io::Error| format!("{}: {error}", cgroup.0.display());
        std::fs::create_dir(&cgroup.0).map_err(told)?;
        std::fs::write(cgroup.0.join("memory.limit_in_bytes"), format!("{LIMIT}M")).map_err(told)?;
        Ok(cgroup)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

#[test]
fn workers_that_die_with_the_program_are_no_victims_on_v1() {
    // The engine's test says so where there is none: no machine has both versions.
    if crate::engine::engine().is_none() {
        return;
    }
    let Some(cgroup) = require("a memory cgroup (root)", Cgroup::new()) else { return };
    let Some(epitaph) = require("static binary", static_binary()) else { return };
    let script = format!(
        "ulimit -v 2000000; echo 0 >{}/cgroup.procs && exec unshare --pid --fork --mount-proc \"$@\"",
        cgroup.0.display()
    );
    let round = |_| {
        let mut command = Command::new("sh");
        command.args(["-c", &script, "sh"]).arg(epitaph).arg("--").arg(hog()).args(["family", WORKERS]);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("EPITAPH_INTROSPECTION", "off");
        let output = process::output(&mut command, Duration::from_secs(60)).unwrap();
        String::from_utf8(output.stderr).unwrap()
    };
    check(&(0..rounds()).map(round).collect::<Vec<_>>());
}

#[test]
fn workers_that_die_with_the_program_are_no_victims_on_v2() {
    let Some(machine) = require("qemu", Machine::new()) else { return };
    let Some(epitaph) = require("static binary", static_binary()) else { return };
    let machine = machine.program("epitaph", epitaph).unwrap().program("bin/hog", hog()).unwrap();
    let bound = Duration::from_secs(120 + 10 * u64::from(rounds()));
    let boot = machine.bound(bound).boot(&format!(
        "export EPITAPH_INTROSPECTION=off
         mkdir /sys/fs/cgroup/family
         echo {LIMIT}M >/sys/fs/cgroup/family/memory.max
         for round in $(seq {}); do
             contain private family /epitaph -- /bin/hog family {WORKERS} 2>/tmp/err
             echo @round
             cat /tmp/err
         done",
        rounds()
    ));
    let told: Vec<String> = boot.output.split("@round\n").skip(1).map(str::to_owned).collect();
    assert_eq!(told.len(), rounds() as usize, "{}", boot.output);
    // The shell's own word of who was killed.
    let own = |text: &String| text.lines().filter(|line| *line != "Killed").collect::<Vec<_>>().join("\n");
    check(&told.iter().map(own).collect::<Vec<_>>());
}
