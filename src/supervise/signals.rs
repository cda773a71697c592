//! The signals that arrive at epitaph, read from a signalfd.
//!
//! All signals are blocked for good, so each waits in the kernel until it is read, real-time signals with
//! their queue. No handler runs, and none can run at a bad moment.

use super::core::Arrival;
use crate::options::Signal;
use nix::sys::signal::SigSet;
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

/// The size of a `struct signalfd_siginfo`: signalfd(2).
const SIZE: usize = 128;
/// How many are read at once. More stay in the kernel's queue, where they take none of our memory.
const BATCH: usize = 8;

/// What one reading has brought.
#[derive(Debug, Default)]
pub struct Batch {
    /// the signals that are not about our children, in the kernel's order
    pub arrivals: Vec<Arrival>,
    /// whether a child has changed, be it one or more: SIGCHLD is not queued
    pub children: bool,
    /// a child that SIGKILL has ended, the one that the signal tells of
    pub killed: Option<Pid>,
}

/// Where signals are read.
#[derive(Debug)]
pub struct Signals(SignalFd);

impl Signals {
    /// Opens the signalfd for every signal.
    ///
    /// # Errors
    /// Those of signalfd(2): EMFILE, ENFILE, ENOMEM.
    pub fn open() -> std::io::Result<Signals> {
        Ok(Signals(SignalFd::with_flags(&SigSet::all(), SfdFlags::SFD_CLOEXEC)?))
    }

    /// Takes what has arrived, up to 8 signals. Waits for a signal when there is none.
    pub fn read(&self) -> Batch {
        let mut buffer = [0_u8; SIZE * BATCH];
        let length = nix::unistd::read(&self.0, &mut buffer).unwrap_or(0);
        let at = Instant::now();
        let mut batch = Batch::default();
        for info in buffer.get(..length).unwrap_or_default().chunks_exact(SIZE) {
            // Offsets as in signalfd(2), the same on every architecture.
            let field = |offset: usize| {
                info.get(offset..offset + 4)
                    .and_then(|bytes| bytes.try_into().ok())
                    .map_or(0, i32::from_ne_bytes)
            };
            let (signo, code, pid, status) = (field(0), field(8), field(12), field(40));
            if signo == libc::SIGCHLD {
                batch.children = true;
                // Sent with kill(2), it has another code and tells nothing.
                if code == libc::CLD_KILLED && status == libc::SIGKILL {
                    batch.killed = Some(Pid::from_raw(pid));
                }
            } else if let Some(signal) = Signal::new(signo) {
                batch.arrivals.push(Arrival { signal, sender: pid, at });
            }
        }
        batch
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
