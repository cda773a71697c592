//! `--drain`: those that the program has left behind may come to their end.

use super::core::Event;
use super::core::kills::{Kills, Victim};
use super::supervisor::Supervisor;
use crate::forensics::{self, Memory};
use crate::options::Signal;
use crate::sys;
use std::time::Instant;

/// The kernel's kills as they were at the program's end, before the drain. A worker that is killed in the
/// drain is no cause of the program's end.
#[derive(Debug)]
pub(super) struct Evidence {
    /// the memory cgroup
    pub(super) memory: Option<Memory>,
    /// the kills that were counted
    pub(super) kills: Option<forensics::Kills>,
    /// the last victim that was not the program
    pub(super) victim: Option<Victim>,
}

impl Evidence {
    /// As it is now, for an end at `at`.
    pub(super) fn take(supervisor: &Supervisor, at: Instant, memory: Option<Memory>) -> Evidence {
        let kills = supervisor.core.kills.as_ref();
        Evidence {
            memory,
            kills: kills.and_then(|kills| kills.at_end(at)),
            victim: kills.and_then(Kills::last_other),
        }
    }
}

/// Sends SIGTERM to all that are left, and waits for our own children, all orphans among them. SIGCHLD wakes
/// us.
pub(super) fn drain(supervisor: &mut Supervisor) {
    let time = supervisor.drain;
    if time.is_zero() || !supervisor.setup.adopts || !has_rest(supervisor) {
        return;
    }
    let now = Instant::now();
    supervisor.handle(now, Event::Drain { time });
    let is_over = |supervisor: &Supervisor| supervisor.core.drain.is_none_or(|drain| drain.is_over());
    supervisor.go_on_until(now + time, time, |supervisor| is_over(supervisor) || !has_rest(supervisor));
    let now = Instant::now();
    let event = if is_over(supervisor) || has_rest(supervisor) { Event::Time } else { Event::NobodyLeft };
    supervisor.handle(now, event);
    // Who was killed meanwhile is told before the exit record.
    supervisor.handle(now, Event::MemoryChanged);
    if let Some(action) = supervisor.core.kills.as_mut().and_then(Kills::record_now)
        && let Some(result) = supervisor.hands.act(action, &supervisor.core)
    {
        supervisor.handle(now, result);
    }
}

/// With PID 1 the kernel ends all. A subreaper ends its own, when their time is over.
pub(super) fn end_rest(supervisor: &Supervisor) {
    let is_subreaper = super::table::own_pid() != 1;
    if is_subreaper && supervisor.core.drain.is_some_and(|drain| !drain.is_complete()) {
        supervisor.hands.send_to_all(Signal::KILL, &supervisor.core);
    }
}

/// Whether there are children that are no helpers of ours. Helpers end soon, and their end wakes us.
fn has_rest(supervisor: &Supervisor) -> bool {
    supervisor.core.helpers.pids().next().is_some() || sys::has_children()
}
