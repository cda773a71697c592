//! Short-lived processes for what PID 1 must not do itself: what is slow, large or may hang.
//!
//! A helper is a fork of PID 1. It dies with PID 1, is killed when its time is up, and is not the program's
//! child nor counted among the orphans. What it has to say comes up a pipe, as the child's words do.

use super::core::Event;
use super::core::helpers::Purpose;
use crate::forensics::Waiting;
use crate::record::{Frames, stderr};
use crate::sys::{self, Fork, reason};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::{getpid, getppid};
use std::fs::File;
use std::io;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A pipe up to PID 1, and what has come of the frame that is under way.
#[derive(Debug)]
pub struct Uplink {
    /// the helper at its other end
    pub pid: i32,
    /// the end to read from
    pub pipe: Option<File>,
    /// the frames in it
    pub frames: Frames,
}

/// The uplinks of the helpers that have one.
#[derive(Debug, Default)]
pub struct Uplinks(pub Vec<Uplink>);

/// Known where nobody is killed when the cgroup is full. Then no helper is started while somebody waits for
/// memory: PID 1 would be the next one, since each page that it writes to after a fork has to be copied.
static WAITING: OnceLock<Waiting> = OnceLock::new();

/// The cgroup of this container is one without an OOM killer.
pub fn beware_of(waiting: Waiting) {
    let _ = WAITING.set(waiting);
}

/// Whether a failed start was told: it is told once.
static WAS_TOLD: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// Runs `work` in a helper for at most `time`; its result is the helper's exit code, 0 when it is done.
pub fn start(purpose: Purpose, time: Duration, work: impl FnOnce() -> u8) -> Event {
    match fork(work) {
        Ok(pid) => started(purpose, pid, time),
        Err(error) => missing(purpose, &error),
    }
}

/// The same with a pipe up to PID 1, which `work` gets and which is kept in `uplinks`.
pub fn start_with_uplink(
    purpose: Purpose,
    time: Duration,
    uplinks: &mut Uplinks,
    work: impl FnOnce(File) -> u8,
) -> Event {
    let (read, write) = match nix::unistd::pipe2(OFlag::O_CLOEXEC) {
        Ok((read, write)) => (File::from(read), File::from(write)),
        Err(errno) => return missing(purpose, &errno.into()),
    };
    // Of this end alone: the helper can wait for room. Fails only for a flag that does not exist.
    let _ = fcntl(&read, FcntlArg::F_SETFL(OFlag::O_NONBLOCK));
    match fork(|| work(write)) {
        Ok(pid) => {
            uplinks.0.push(Uplink { pid, pipe: Some(read), frames: Frames::default() });
            started(purpose, pid, time)
        }
        Err(error) => missing(purpose, &error),
    }
}

fn started(purpose: Purpose, pid: i32, time: Duration) -> Event {
    Event::HelperStarted { purpose, pid, deadline: Instant::now().checked_add(time) }
}

fn missing(purpose: Purpose, error: &io::Error) -> Event {
    if !WAS_TOLD.swap(true, std::sync::atomic::Ordering::Relaxed) {
        let limit = if error.raw_os_error() == Some(libc::ENOMEM) { "memory" } else { "process" };
        log::warn!("cannot start a helper process: {}; is the {limit} limit reached?", reason(error));
    }
    Event::HelperMissing(purpose)
}

fn fork(work: impl FnOnce() -> u8) -> io::Result<i32> {
    if WAITING.get().is_some_and(Waiting::is_somebody) {
        return Err(io::Error::from_raw_os_error(libc::ENOMEM));
    }
    let parent = getpid();
    match sys::fork()? {
        Fork::Child => {
            // Where the kernel refuses it, the deadline and the end of the PID namespace are there still.
            let _ = sys::set_parent_death_signal(libc::SIGKILL);
            // Between the fork and that line the parent may have gone, which no signal tells then.
            let now = getppid();
            if now != parent && now.as_raw() >= 0 {
                sys::exit_now(1);
            }
            // What PID 1 has still to write is PID 1's to write.
            stderr().wait_for_room();
            sys::exit_now(i32::from(work()));
        }
        Fork::Parent(pid) => Ok(pid.as_raw()),
    }
}
