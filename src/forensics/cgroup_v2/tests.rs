#![allow(clippy::unwrap_used, clippy::panic)]

use super::{Counters, Watch, parse_events};
use crate::forensics::testing::{RealCgroup, Tree, skip, skip_here};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::fs;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

#[test]
fn events() {
    let text = "low 0\nhigh 7\nmax 12\noom 5\noom_kill 3\noom_group_kill 1\n";
    assert_eq!(parse_events(text), Counters { limit_hits: Some(12), oom_kills: Some(3) });
    assert_eq!(parse_events("oom_group_kill 1\nhigh 3\n"), Counters::default());
    assert_eq!(parse_events("max max\noom_kill 18446744073709551616\n"), Counters::default());
    assert_eq!(parse_events("oom_kill 1"), Counters { limit_hits: None, oom_kills: Some(1) });
}

#[test]
fn a_watch_needs_a_readable_file() {
    let tree = Tree::new().file("memory.events", "oom_kill 2\nmax 1\n").unreadable("directory");
    let watch = Watch::open(&tree.path().join("memory.events")).unwrap();
    assert_eq!(watch.read().and_then(|counters| counters.oom_kills), Some(2));
    // Every reading is from the start.
    fs::write(tree.path().join("memory.events"), "oom_kill 5\nmax 1\n").unwrap();
    assert_eq!(watch.read().and_then(|counters| counters.oom_kills), Some(5));
    assert!(Watch::open(&tree.path().join("directory")).is_none());
    assert!(Watch::open(&tree.path().join("missing")).is_none());
}

/// Whether poll(2) says that the file has changed, waiting for it at most so long.
fn changed(watch: &Watch, milliseconds: u16) -> bool {
    let mut fds = [PollFd::new(watch.as_fd(), PollFlags::POLLPRI)];
    poll(&mut fds, PollTimeout::from(milliseconds)).unwrap();
    fds[0].revents().unwrap().contains(PollFlags::POLLPRI)
}

/// `cgroup.events` stands in for `memory.events`, which needs the memory controller in version 2: the kernel tells of
/// a change in the same way in both.
#[test]
fn a_real_watch_wakes_once_for_each_change() {
    let hierarchy = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"]
        .into_iter()
        .find(|path| fs::exists(format!("{path}/cgroup.subtree_control")).unwrap_or(false));
    let Some(hierarchy) = hierarchy else {
        return skip("a_real_watch_wakes_once_for_each_change", "version 2 is not mounted");
    };
    let cgroup = match RealCgroup::new(hierarchy, 2) {
        Ok(cgroup) => cgroup,
        Err(reason) => return skip("a_real_watch_wakes_once_for_each_change", &reason),
    };
    let watch = Watch::open(&cgroup.path.join("cgroup.events")).unwrap();
    assert!(!changed(&watch, 0), "nothing has happened yet");
    let mut process = cgroup.shell("exec sleep 60");
    assert!(changed(&watch, 10_000), "a process came");
    assert!(changed(&watch, 0), "not read yet");
    assert_eq!(watch.read().and_then(|counters| counters.oom_kills), None, "this file has no such line");
    assert!(!changed(&watch, 0), "read");
    process.kill().unwrap();
    process.wait().unwrap();
    assert!(changed(&watch, 10_000), "the process went");
    assert!(watch.read().is_some());
    assert!(!changed(&watch, 0));
    drop(cgroup);
    assert!(changed(&watch, 0), "a removed cgroup never stops being changed");
    assert!(watch.read().is_none());
}

#[test]
fn a_real_kill_wakes_the_watch() {
    let name = "a_real_kill_wakes_the_watch";
    let cgroup = match RealCgroup::with_limit(24 << 20) {
        Ok(cgroup) if cgroup.version == 2 => cgroup,
        Ok(_) => return skip_here(name),
        Err(reason) => return skip(name, &reason),
    };
    let watch = Watch::open(&cgroup.path.join(super::EVENTS)).unwrap();
    assert!(!changed(&watch, 0));
    // The victim is in a cgroup below, as a worker of a program that makes cgroups of its own.
    let nested = cgroup.nested(1 << 40);
    let mut victim = nested.shell("exec tail /dev/zero");
    let started = Instant::now();
    let mut seen = Some(0);
    while seen == Some(0) && started.elapsed() < Duration::from_secs(30) {
        // Limit hits come before the kill and wake it too.
        assert!(changed(&watch, 30_000), "no change at all");
        seen = watch.read().and_then(|counters| counters.oom_kills);
    }
    assert_eq!(seen, Some(1));
    victim.wait().unwrap();
}
