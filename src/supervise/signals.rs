//! The signals that arrive at epitaph, read from a signalfd.
//!
//! All signals are blocked for good, so each waits in the kernel until it is read, real-time signals with
//! their queue. No handler runs, and none can run at a bad moment.

use super::core::Arrival;
use crate::options::Signal;
use nix::sys::signal::SigSet;
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

/// The size of a `struct signalfd_siginfo`: signalfd(2).
const SIZE: usize = 128;
/// How many are read at once.
const BATCH: usize = 16;

/// Where signals are read.
#[derive(Debug)]
pub struct Signals(SignalFd);

impl Signals {
    /// Opens the signalfd for every signal.
    ///
    /// # Errors
    /// Those of signalfd(2): EMFILE, ENFILE, ENOMEM.
    pub fn open() -> std::io::Result<Signals> {
        let fd = SignalFd::with_flags(&SigSet::all(), SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        Ok(Signals(fd))
    }

    /// Takes what has arrived, up to 16 signals; `true` in the end when there may be more.
    pub fn read(&self, mut take: impl FnMut(Arrival)) -> bool {
        let mut buffer = [0_u8; SIZE * BATCH];
        let length = nix::unistd::read(&self.0, &mut buffer).unwrap_or(0);
        let at = Instant::now();
        for info in buffer.get(..length).unwrap_or_default().chunks_exact(SIZE) {
            // ssi_signo and ssi_pid: signalfd(2). Their order is the same on every architecture.
            let field = |offset: usize| {
                info.get(offset..offset + 4)
                    .and_then(|bytes| bytes.try_into().ok())
                    .map_or(0, i32::from_ne_bytes)
            };
            if let Some(signal) = Signal::new(field(0)) {
                take(Arrival { signal, sender: field(12), at });
            }
        }
        length == SIZE * BATCH
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
