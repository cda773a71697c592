//! What wakes PID 1 on version 2: a change of `memory.events`.

use crate::cgroup::{MIB, RealCgroup};
use crate::memory::found_by;
use crate::support::require::{require, say};
use epitaph::forensics::Watch;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// Whether poll(2) says that the file has changed, waiting for it at most so long.
fn changed(watch: &Watch, milliseconds: u16) -> bool {
    let mut fds = [PollFd::new(watch.as_fd(), PollFlags::POLLPRI)];
    poll(&mut fds, PollTimeout::from(milliseconds)).unwrap();
    fds[0].revents().unwrap().contains(PollFlags::POLLPRI)
}

#[test]
fn a_real_kill_wakes_the_watch() {
    let Some(cgroup) = require("a memory cgroup", RealCgroup::with_limit(24 * MIB)) else { return };
    let mut inside = cgroup.sleeper();
    let (_tree, found) = found_by(inside.id());
    inside.kill().unwrap();
    inside.wait().unwrap();
    let watch = found.unwrap().watch();
    if cgroup.version == 1 {
        assert!(watch.is_none(), "version 1 has nothing to watch");
        say(
            "a_real_kill_wakes_the_watch: the memory controller is in version 1 here; see machine::version_2",
        );
        return;
    }
    let watch = watch.unwrap();
    assert!(!changed(&watch, 0), "nothing has happened yet");
    // The victim is in a cgroup below, as a worker of a program that makes cgroups of its own.
    let nested = cgroup.nested(1 << 40);
    let mut victim = nested.shell("exec tail /dev/zero");
    let started = Instant::now();
    let mut seen = Some(0);
    while seen == Some(0) && started.elapsed() < Duration::from_secs(30) {
        // Limit hits come before the kill and wake it too.
        assert!(changed(&watch, 30_000), "no change at all");
        assert!(changed(&watch, 0), "not read yet");
        seen = watch.read().and_then(|counters| counters.oom_kills);
    }
    assert_eq!(seen, Some(1));
    victim.wait().unwrap();
    // Hits that the victim made on its way out may still be told.
    while changed(&watch, 200) {
        assert_eq!(watch.read().and_then(|counters| counters.oom_kills), Some(1));
        assert!(started.elapsed() < Duration::from_secs(30), "it never comes to rest");
    }
    drop(nested);
    drop(cgroup);
    assert!(changed(&watch, 10_000), "a removed cgroup never stops being changed");
    assert!(watch.read().is_none());
}
