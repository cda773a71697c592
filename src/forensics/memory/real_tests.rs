//! Against the kernel of this machine: cgroups of version 1 with real OOM kills.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::{Memory, MemoryCgroup};
use crate::forensics::testing::{RealCgroup, Tree, skip, wait_for};
use crate::forensics::{Facts, KillTally, Outcome, Signal, Verdict, judge};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const MIB: u64 = 1 << 20;

/// The cgroup that another process is in, found as if by itself: its own /proc files, and this machine's /sys.
fn found_by(pid: u32) -> (Tree, Option<MemoryCgroup>) {
    let own = |name| fs::read(format!("/proc/{pid}/{name}")).unwrap();
    let tree = Tree::new()
        .file("proc/self/cgroup", own("cgroup"))
        .file("proc/self/mountinfo", own("mountinfo"))
        .link("sys", "/sys");
    let cgroup = MemoryCgroup::find(tree.path());
    (tree, cgroup)
}

fn judged(
    outcome: std::process::ExitStatus,
    cgroup: &MemoryCgroup,
    before: Memory,
    started: Instant,
) -> (Verdict, String) {
    let after = cgroup.read();
    let outcome = match outcome.signal() {
        Some(number) => {
            Outcome::Signaled(Signal { number, name: if number == 9 { "SIGKILL" } else { "another" } })
        }
        None => Outcome::Exited(outcome.code().unwrap()),
    };
    let kills = KillTally::new(before.oom_kills.unwrap()).at_end(started.elapsed(), after.oom_kills);
    let judgement = judge(&Facts {
        program: "sh",
        outcome,
        runtime: started.elapsed(),
        stop: None,
        kill_after: None,
        before: Some(before),
        after: Some(after),
        kills,
        victim: None,
    });
    (judgement.verdict, judgement.why)
}

#[test]
fn real_kills_on_v1() {
    let limit = 24 * MIB;
    let cgroup = match RealCgroup::with_limit(limit) {
        Ok(cgroup) => cgroup,
        Err(reason) => return skip("real_kills_on_v1", &reason),
    };
    let mut waiting = cgroup.shell("exec sleep 60");
    assert!(wait_for(Duration::from_secs(10), || {
        fs::read_to_string(cgroup.0.join("cgroup.procs")).unwrap().trim() == waiting.id().to_string()
    }));
    let (_tree, found) = found_by(waiting.id());
    let found = found.expect("the cgroup of a process of this machine");
    let before = found.read();
    assert_eq!((before.cgroup, before.limit, before.oom_kills), (1, Some(limit), Some(0)));
    assert!(before.usage.unwrap() > 0 && before.usage <= before.peak && before.peak <= Some(limit));

    // A sibling's kill -9: SIGKILL, and no kill by the kernel.
    let started = Instant::now();
    waiting.kill().unwrap();
    let (verdict, why) = judged(waiting.wait().unwrap(), &found, before, started);
    assert_eq!(verdict, Verdict::Killed, "{why}");
    assert!(why.contains("oom_kill in memory.oom_control stayed at 0"), "{why}");

    // The OOM killer.
    let started = Instant::now();
    let status = cgroup.shell("exec tail /dev/zero").wait().unwrap();
    assert_eq!(status.signal(), Some(9));
    let after = found.read();
    assert_eq!(after.oom_kills, Some(1));
    assert!(after.limit_hits > before.limit_hits);
    assert!(after.peak.unwrap() * 100 > limit * 95, "{after:?}");
    assert_eq!(found.oom_kills(), Some(1));
    let (verdict, why) = judged(status, &found, before, started);
    assert_eq!(verdict, Verdict::OomKilled, "{why}");
    assert!(why.contains("rose from 0 to 1; usage peaked at 2"), "{why}");

    // That kill is old for the next program in the same cgroup, which ends with a plain 137.
    let before = found.read();
    let started = Instant::now();
    let (verdict, why) = judged(cgroup.shell("exit 137").wait().unwrap(), &found, before, started);
    assert_eq!(verdict, Verdict::Failed, "{why}");
    assert!(why.contains("stayed at 1"), "{why}");

    // A shell whose child is taken, and that fails because of it, or copes.
    let started = Instant::now();
    let (verdict, why) =
        judged(cgroup.shell("tail /dev/zero; exit $?").wait().unwrap(), &found, before, started);
    assert_eq!(verdict, Verdict::OomChild, "{why}");
    assert!(why.contains("rose from 1 to 2") && why.contains("exit code 137"), "{why}");
    let before = found.read();
    let (verdict, why) =
        judged(cgroup.shell("tail /dev/zero; exit 0").wait().unwrap(), &found, before, started);
    assert_eq!(verdict, Verdict::Ok, "{why}");
    assert!(why.contains("rose from 2 to 3"), "{why}");
    assert_eq!(found.read().since(&before).oom_kills, Some(1));
}

#[test]
fn a_real_limit_above_is_seen_on_v1_and_its_kill_counted_below() {
    let outer = match RealCgroup::with_limit(24 * MIB) {
        Ok(cgroup) => cgroup,
        Err(reason) => return skip("a_real_limit_above_is_seen_on_v1_and_its_kill_counted_below", &reason),
    };
    let inner = RealCgroup(outer.0.join("container"));
    fs::create_dir(&inner.0).unwrap();
    fs::write(inner.0.join("memory.limit_in_bytes"), (96 * MIB).to_string()).unwrap();
    let mut waiting = inner.shell("exec sleep 60");
    assert!(wait_for(Duration::from_secs(10), || {
        !fs::read_to_string(inner.0.join("cgroup.procs")).unwrap().is_empty()
    }));
    let (_tree, found) = found_by(waiting.id());
    let found = found.unwrap();
    assert_eq!(found.read().limit, Some(24 * MIB));
    waiting.kill().unwrap();
    waiting.wait().unwrap();
    assert_eq!(inner.shell("exec tail /dev/zero").wait().unwrap().signal(), Some(9));
    assert_eq!(found.oom_kills(), Some(1));
    drop(inner);
}

/// What the kernel writes into /proc for a private cgroup namespace, with a mount from inside it and with the
/// mounts from outside that a container mostly does not have.
#[test]
fn a_real_private_namespace_on_v1() {
    let name = "a_real_private_namespace_on_v1";
    let cgroup = match RealCgroup::with_limit(24 * MIB) {
        Ok(cgroup) => cgroup,
        Err(reason) => return skip(name, &reason),
    };
    let place = Tree::new().unreadable("cgroup");
    let point = place.path().join("cgroup");
    let script = format!(
        "echo $$ > {0}/cgroup.procs && exec unshare --cgroup --mount sh -c \
         'mount -t cgroup -o ro,memory cgroup {1} && cat /proc/self/cgroup && echo --- && cat /proc/self/mountinfo'",
        cgroup.0.display(),
        point.display()
    );
    let output = Command::new("sh").args(["-c", &script]).stderr(Stdio::inherit()).output().unwrap();
    if !output.status.success() {
        return skip(name, "no cgroup namespace, or nothing can be mounted in it");
    }
    let text = String::from_utf8(output.stdout).unwrap();
    let (membership, mounts) = text.split_once("---\n").unwrap();
    let is_memory = |line: &&str| line.contains(":memory:");
    assert!(membership.lines().find(is_memory).unwrap().ends_with(":memory:/"), "{membership}");
    // The mount is gone with its namespace: a link stands in for it.
    let tree = Tree::new().file("proc/self/cgroup", membership).file("proc/self/mountinfo", mounts);
    let tree = tree.link(point.to_str().unwrap().trim_start_matches('/'), &cgroup.0).link("sys", "/sys");
    let found = MemoryCgroup::find(tree.path()).unwrap();
    assert_eq!(found.read().limit, Some(24 * MIB));
    // Without it only the host's mount is left, of which nobody knows where in it we are.
    let outside: String = mounts
        .lines()
        .filter(|line| !line.contains(point.to_str().unwrap()))
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(outside.contains("/.. /sys/fs/cgroup/memory"), "{outside}");
    let tree = Tree::new().file("proc/self/cgroup", membership).file("proc/self/mountinfo", outside);
    assert_eq!(MemoryCgroup::find(tree.link("sys", "/sys").path()), None);
}

#[test]
fn this_very_process_is_found_where_the_machine_has_memory_cgroups() {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap();
    if !own.contains(":memory:") {
        return skip(
            "this_very_process_is_found_where_the_machine_has_memory_cgroups",
            "no controller in version 1",
        );
    }
    let memory = MemoryCgroup::find(std::path::Path::new("/")).unwrap().read();
    assert_eq!(memory.cgroup, 1);
    assert!(memory.usage.unwrap() > 0 && memory.oom_kills.is_some());
}
