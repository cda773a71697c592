//! Finding the memory cgroup, reading it, and the verdicts on real OOM kills.

use crate::cgroup::{MIB, RealCgroup};
use crate::support::require::require;
use crate::testing::Tree;
use epitaph::forensics::{Facts, Kills, LimitBelow, Memory, MemoryCgroup, Outcome, Signal, Verdict, judge};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::Instant;

/// The cgroup that another process is in, found as if by itself: its own /proc files, and this machine's
/// /sys.
pub fn found_by(pid: u32) -> (Tree, Option<MemoryCgroup>) {
    let own = |name| fs::read(format!("/proc/{pid}/{name}")).unwrap();
    let tree = Tree::new()
        .file("proc/self/cgroup", own("cgroup"))
        .file("proc/self/mountinfo", own("mountinfo"))
        .link("sys", "/sys");
    let cgroup = MemoryCgroup::find(tree.path(), &tree.membership());
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
    let (then, now) = (before.oom_kills.unwrap(), after.oom_kills.unwrap());
    let rise = (now > then).then_some(std::time::Duration::ZERO);
    let kills = Some(Kills { before: then, after: now, others: 0, helpers: 0, last: rise, earliest: rise });
    let judgement = judge(&Facts {
        executed: true,
        outcome,
        runtime: started.elapsed(),
        stop: None,
        refused: None,
        kill_after: None,
        other: None,
        before: Some(before),
        after: Some(after),
        kills,
        held: None,
        expiry: None,
        drained: None,
        victim: None,
        pids: None,
        is_alone: false,
        is_pid_1: false,
        left: None,
    });
    (judgement.verdict, judgement.why)
}

#[test]
fn real_kills() {
    let limit = 24 * MIB;
    let Some(cgroup) = require("a memory cgroup", RealCgroup::with_limit(limit)) else { return };
    let mut waiting = cgroup.sleeper();
    let counter = if cgroup.version == 1 { "memory.oom_control" } else { "memory.events" };
    let (_tree, found) = found_by(waiting.id());
    let found = found.expect("the cgroup of a process of this machine");
    let before = found.read();
    assert_eq!((before.cgroup, before.limit, before.oom_kills), (cgroup.version, Some(limit), Some(0)));
    assert!(before.usage.unwrap() > 0 && before.usage <= before.peak && before.peak <= Some(limit));

    // A sibling's kill -9: SIGKILL, and no kill by the kernel.
    let started = Instant::now();
    waiting.kill().unwrap();
    let (verdict, why) = judged(waiting.wait().unwrap(), &found, before, started);
    assert_eq!(verdict, Verdict::Killed, "{why}");
    assert!(why.contains(&format!("oom_kill in {counter} stayed at 0")), "{why}");

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
fn a_real_limit_above_is_seen_and_its_kill_counted_below() {
    let Some(outer) = require("a memory cgroup", RealCgroup::with_limit(24 * MIB)) else { return };
    let inner = outer.nested(96 * MIB);
    let mut waiting = inner.sleeper();
    let (_tree, found) = found_by(waiting.id());
    let found = found.unwrap();
    assert_eq!(found.read().limit, Some(24 * MIB));
    waiting.kill().unwrap();
    waiting.wait().unwrap();
    assert_eq!(inner.shell("exec tail /dev/zero").wait().unwrap().signal(), Some(9));
    assert_eq!(found.oom_kills(), Some(1));
    drop(inner);
}

#[test]
fn a_real_limit_below_is_named_and_its_kill_counted() {
    let Some(outer) = require("a memory cgroup", RealCgroup::with_limit(96 * MIB)) else { return };
    let mut waiting = outer.sleeper();
    let (_tree, found) = found_by(waiting.id());
    let found = found.unwrap();
    // On version 2 a cgroup with processes gives none of its controllers away.
    waiting.kill().unwrap();
    waiting.wait().unwrap();
    let before = found.ooms();
    let inner = outer.nested(24 * MIB);
    assert_eq!(found.limit_below(before), LimitBelow::None);
    assert_eq!(inner.shell("exec tail /dev/zero").wait().unwrap().signal(), Some(9));
    assert_eq!((found.oom_kills(), found.read().oom_kills), (Some(1), Some(1)));
    assert_eq!(found.limit_below(before), LimitBelow::Of(24 * MIB));
    drop(inner);
    let of_one_gone = if outer.version == 1 { LimitBelow::None } else { LimitBelow::Somewhere };
    assert_eq!((found.oom_kills(), found.limit_below(before)), (Some(1), of_one_gone));
}

/// What the kernel writes into /proc for a private cgroup namespace, with a mount from inside it (as Docker
/// has it) and with the mounts from outside that a container mostly does not have.
#[test]
fn a_real_private_namespace() {
    let Some(cgroup) = require("a memory cgroup", RealCgroup::with_limit(24 * MIB)) else { return };
    let place = Tree::new().unreadable("cgroup");
    let point = place.path().join("cgroup").into_os_string().into_string().unwrap();
    let kind = if cgroup.version == 1 { "cgroup -o ro,memory" } else { "cgroup2 -o ro" };
    let script = format!(
        "echo $$ > {}/cgroup.procs && exec /usr/bin/unshare --cgroup --mount sh -c \
         'mount -t {kind} cgroup {point} && cat /proc/self/cgroup && echo --- && cat /proc/self/mountinfo'",
        cgroup.path.display(),
    );
    let output = Command::new("sh").args(["-c", &script]).stderr(Stdio::inherit()).output().unwrap();
    if !output.status.success() {
        require::<(), _>("a cgroup namespace", Err("there is none, or nothing can be mounted in it"));
        return;
    }
    let text = String::from_utf8(output.stdout).unwrap();
    let (membership, mounts) = text.split_once("---\n").unwrap();
    let own = if cgroup.version == 1 { ":memory:/\n" } else { "0::/\n" };
    assert!(membership.contains(own), "{membership}");
    // The mount is gone with its namespace: a link stands in for it.
    let tree = Tree::new().file("proc/self/cgroup", membership).file("proc/self/mountinfo", mounts);
    let tree = tree.link(point.trim_start_matches('/'), &cgroup.path).link("sys", "/sys");
    let found = MemoryCgroup::find(tree.path(), &tree.membership()).unwrap();
    assert_eq!(found.read().limit, Some(24 * MIB));
    // Without it only the host's mount is left, of which nobody knows where in it we are.
    let is_outside = |line: &&str| !line.contains(&point);
    let outside: String = mounts.lines().filter(is_outside).map(|line| format!("{line}\n")).collect();
    let host = if cgroup.version == 1 { "/.. /sys/fs/cgroup/memory " } else { "/.. /sys/fs/cgroup " };
    assert!(outside.contains(host), "{outside}");
    let tree = Tree::new().file("proc/self/cgroup", membership).file("proc/self/mountinfo", outside);
    let tree = tree.link("sys", "/sys");
    assert!(MemoryCgroup::find(tree.path(), &tree.membership()).is_none());
}

/// The container's own cgroup bound to the usual place, in the host's cgroup namespace: Docker's way on
/// version 1.
#[test]
fn a_real_bind_mount() {
    let Some(cgroup) = require("a memory cgroup", RealCgroup::with_limit(24 * MIB)) else { return };
    let place = Tree::new().unreadable("cgroup");
    let point = place.path().join("cgroup").into_os_string().into_string().unwrap();
    let own = cgroup.path.display();
    let script = format!(
        "echo $$ > {own}/cgroup.procs && exec /usr/bin/unshare --mount sh -c \
         'mount --bind {own} {point} && cat /proc/self/cgroup && echo --- && grep {point} /proc/self/mountinfo'",
    );
    let output = Command::new("sh").args(["-c", &script]).stderr(Stdio::inherit()).output().unwrap();
    if !output.status.success() {
        require::<(), _>("mount namespaces", Err("nothing can be mounted"));
        return;
    }
    let text = String::from_utf8(output.stdout).unwrap();
    let (membership, mounts) = text.split_once("---\n").unwrap();
    let directory = cgroup.path.file_name().unwrap().to_str().unwrap();
    assert!(mounts.contains(&format!(" /{directory} {point} ")), "{mounts}");
    let tree = Tree::new().file("proc/self/cgroup", membership).file("proc/self/mountinfo", mounts);
    let tree = tree.link(point.trim_start_matches('/'), &cgroup.path);
    assert_eq!(MemoryCgroup::find(tree.path(), &tree.membership()).unwrap().read().limit, Some(24 * MIB));
}

#[test]
fn a_real_tmpfs_that_fills_up() {
    let Some(cgroup) = require("a memory cgroup", RealCgroup::with_limit(24 * MIB)) else { return };
    let mut waiting = cgroup.sleeper();
    let (_tree, found) = found_by(waiting.id());
    let found = found.unwrap();
    let before = found.read_whole();
    // A machine of the tests has no /dev/shm, and its /dev is a tmpfs as well.
    let shm = std::path::Path::new("/dev/shm");
    let file =
        tempfile::NamedTempFile::new_in(if shm.is_dir() { shm } else { shm.parent().unwrap() }).unwrap();
    let fill = format!("dd if=/dev/zero of={} bs=1M count=16 2>/dev/null", file.path().display());
    assert!(cgroup.shell(&fill).wait().unwrap().success());
    let after = found.read_whole();
    let shared = after.shmem.unwrap() - before.shmem.unwrap();
    assert!((15 * MIB..18 * MIB).contains(&shared), "{after:?}");
    assert!(after.file >= after.shmem && after.anon.is_some() && after.anon < Some(8 * MIB), "{after:?}");
    waiting.kill().unwrap();
    waiting.wait().unwrap();
}
