//! The signals that arrive at epitaph: taken by sigtimedwait(2), or read from a signalfd where other things
//! are waited for too.
//!
//! All signals are blocked for good, so each waits in the kernel until it is taken, real-time signals with
//! their queue. No handler runs, and none can run at a bad moment.

use super::core::{Arrival, Sender};
use crate::options::Signal;
use crate::sys::{self, ALL_SIGNALS, Taken};
use arrayvec::ArrayVec;
use nix::unistd::Pid;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// The size of a `struct signalfd_siginfo`: signalfd(2).
const SIZE: usize = 128;
/// How many are read at once. More stay in the kernel's queue, where they take none of our memory.
const BATCH: usize = 8;

/// Codes of a signal, include/uapi/asm-generic/siginfo.h: sent by kill(2), by tgkill(2), by the kernel.
const SI_USER: i32 = 0;
const SI_TKILL: i32 = -6;
const SI_KERNEL: i32 = 0x80;

/// What one reading has brought.
#[derive(Debug)]
pub struct Batch {
    /// when
    pub at: Instant,
    /// the signals that are not about our children, in the kernel's order
    pub arrivals: ArrayVec<Arrival, BATCH>,
    /// whether a child has changed, be it one or more: SIGCHLD is not queued
    pub children: bool,
    /// a child that SIGKILL has ended, the one that the signal tells of
    pub killed: Option<Pid>,
}

impl Batch {
    /// Nothing has come.
    pub fn empty() -> Batch {
        Batch { at: Instant::now(), arrivals: ArrayVec::new(), children: false, killed: None }
    }

    /// The lowest signal comes first. So SIGCHLD is fetched too, or we might signal a program that has ended.
    fn with_news_of_children(mut self) -> Batch {
        if !self.children
            && !self.arrivals.is_empty()
            && let Ok(Some(taken)) = sys::wait_for_signal(1 << (libc::SIGCHLD - 1), Some(Duration::ZERO))
        {
            self.add(&taken);
        }
        self
    }

    fn add(&mut self, taken: &Taken) {
        if taken.signo == libc::SIGCHLD {
            self.children = true;
            // Sent with kill(2), it has another code and tells nothing.
            if taken.code == libc::CLD_KILLED && taken.status == libc::SIGKILL {
                self.killed = Some(Pid::from_raw(taken.pid));
            }
        } else if let Some(signal) = Signal::new(taken.signo) {
            // There is room for as many as are read at once.
            let _ = self.arrivals.try_push(Arrival { signal, sender: sender(taken), at: self.at });
        }
    }
}

/// Who sent it. Only with these codes does the kernel fill the sender in itself (kernel/signal.c); with any
/// other, a process inside of the namespace can have chosen it.
fn sender(taken: &Taken) -> Sender {
    match (taken.code, taken.pid) {
        (SI_USER | SI_TKILL, 0) => Sender::Outside,
        (SI_USER | SI_TKILL, pid) => Sender::Inside(pid),
        (SI_KERNEL, _) => Sender::Terminal,
        _ => Sender::Unknown,
    }
}

/// Where signals are taken.
#[derive(Debug)]
pub struct Signals(Option<OwnedFd>);

impl Signals {
    /// Opens the signalfd for every signal. Where the kernel refuses one, as without a descriptor left,
    /// signals are taken without, and PID 1 looks for them where it waits for other things. `warns` where
    /// nothing was said yet.
    pub fn open(warns: bool) -> Signals {
        match sys::signal_descriptor(ALL_SIGNALS) {
            Ok(descriptor) => Signals(Some(descriptor)),
            Err(error) => {
                let level = if warns { log::Level::Warn } else { log::Level::Debug };
                log::log!(level, "no signalfd ({}); going on with sigtimedwait", sys::reason(&error));
                Signals(None)
            }
        }
    }

    /// Takes what has arrived, up to 8 signals. Does not wait: what poll(2) has seen can be gone again, as a
    /// SIGCONT is when SIGSTOP follows.
    pub fn read(&self) -> Batch {
        let Some(descriptor) = &self.0 else {
            return self.wait(Some(Duration::ZERO)).unwrap_or(Batch::empty());
        };
        let mut buffer = [0_u8; SIZE * BATCH];
        let length = nix::unistd::read(descriptor, &mut buffer).unwrap_or(0);
        let mut batch = Batch::empty();
        for info in buffer.get(..length).unwrap_or_default().chunks_exact(SIZE) {
            // Offsets as in signalfd(2), the same on every architecture.
            let field = |offset: usize| {
                info.get(offset..offset + 4)
                    .and_then(|bytes| bytes.try_into().ok())
                    .map_or(0, i32::from_ne_bytes)
            };
            batch.add(&Taken { signo: field(0), code: field(8), pid: field(12), status: field(40) });
        }
        batch.with_news_of_children()
    }

    /// Waits for a signal, for at most `time` where that is given, and takes it.
    ///
    /// For when there is nothing else to wait for: the kernel wakes who waits for a signal itself faster than
    /// who waits for a descriptor to become readable.
    ///
    /// # Errors
    /// Where a seccomp profile refuses sigtimedwait(2).
    pub fn wait(&self, time: Option<Duration>) -> std::io::Result<Batch> {
        let taken = sys::wait_for_signal(ALL_SIGNALS, time)?;
        let mut batch = Batch::empty();
        if let Some(taken) = taken {
            batch.add(&taken);
        }
        Ok(batch.with_news_of_children())
    }

    /// What has arrived after a pause, for where nothing can be waited for: takes what it can, and has
    /// children looked for in any case.
    pub fn look(&self, pause: Duration) -> Batch {
        let batch = self.wait(Some(pause)).unwrap_or_else(|_| {
            std::thread::sleep(pause);
            self.read()
        });
        Batch { children: true, ..batch }
    }
}

impl Signals {
    /// What to poll for, where there is a signalfd.
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.0.as_ref().map(AsFd::as_fd)
    }
}
