//! Waits for what happens: signals, the memory cgroup, the pipes from the child and from helpers, room on
//! stderr.

use super::signals::{Batch, Signals};
use crate::record::stderr;
use crate::sys::reason;
use arrayvec::ArrayVec;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// How often to look where the kernel does not let us wait.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How many descriptors are waited for at most.
const MOST: usize = 10;

/// What is waited for beside signals.
#[derive(Debug, Default)]
pub struct Sources<'a> {
    /// the events of the memory cgroup, on v2
    pub memory: Option<BorrowedFd<'a>>,
    /// pipes, and whether it is only their end that is waited for
    pub pipes: ArrayVec<(BorrowedFd<'a>, bool), 8>,
}

/// What has happened.
#[derive(Debug)]
pub struct Heard {
    /// the signals
    pub signals: Batch,
    /// whether a counter of the memory cgroup has changed
    pub memory_changed: bool,
}

/// Where PID 1 listens.
#[derive(Debug)]
pub struct Ears {
    signals: Signals,
    /// whether a way to wait was refused, which is told once
    cannot_wait: bool,
}

impl Ears {
    /// Begins to listen; `warns` where nothing was said yet of what is scarce.
    pub fn new(warns: bool) -> Ears {
        Ears { signals: Signals::open(warns), cannot_wait: false }
    }

    /// Signals that have arrived by now.
    pub fn pending(&self) -> Batch {
        self.signals.read()
    }

    /// Waits until something happens, to the deadline where there is one.
    pub fn wait(&mut self, sources: &Sources, deadline: Option<Instant>) -> Heard {
        let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        let has_pending = stderr().has_pending();
        if sources.memory.is_none() && sources.pipes.is_empty() && !has_pending {
            match self.signals.wait(left) {
                Ok(signals) => return Heard { signals, memory_changed: false },
                Err(_) if self.cannot_wait => {}
                Err(error) => self.explain_refusal("sigtimedwait", &reason(&error)),
            }
        }
        // Held while its descriptor is waited for, and let go before anything is told.
        let out = stderr();
        let mut fds = ArrayVec::<PollFd, MOST>::new();
        // There is room for all.
        let mut add = |fd, events| drop(fds.try_push(PollFd::new(fd, events)));
        if let Some(descriptor) = self.signals.descriptor() {
            add(descriptor, PollFlags::POLLIN);
        }
        if let Some(memory) = sources.memory {
            add(memory, PollFlags::POLLPRI);
        }
        for (pipe, end_only) in &sources.pipes {
            add(*pipe, if *end_only { PollFlags::empty() } else { PollFlags::POLLIN });
        }
        if has_pending {
            add(out.descriptor(), PollFlags::POLLOUT);
        }
        let is_deaf = self.signals.descriptor().is_none();
        let left = if is_deaf { Some(left.map_or(LOOK_EVERY, |left| left.min(LOOK_EVERY))) } else { left };
        // poll(2) counts whole milliseconds; rounded down, the last one would be spent spinning.
        let timeout = match left {
            None => PollTimeout::NONE,
            Some(Duration::ZERO) => PollTimeout::ZERO,
            Some(left) => PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX),
        };
        let has = |fd: &PollFd, flag| fd.revents().is_some_and(|events| events.contains(flag));
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => {
                drop(fds);
                drop(out);
                self.explain_refusal("poll", error.desc());
                let signals = self.signals.look(left.map_or(LOOK_EVERY, |left| left.min(LOOK_EVERY)));
                return Heard { signals, memory_changed: false };
            }
        }
        let memory_changed = fds.iter().any(|fd| has(fd, PollFlags::POLLPRI));
        let has_signals = is_deaf || fds.first().is_some_and(|fd| has(fd, PollFlags::POLLIN));
        let signals = if has_signals { self.signals.read() } else { Batch::empty() };
        Heard { signals, memory_changed }
    }

    /// The kernel refuses to let us wait. Rather than spin or give up PID 1 goes on with what it has.
    fn explain_refusal(&mut self, call: &str, reason: &str) {
        if !std::mem::replace(&mut self.cannot_wait, true) {
            log::warn!("{call} is refused ({reason}); does a seccomp profile forbid it? Going on with less");
        }
    }
}
