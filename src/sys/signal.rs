//! Signals: masks, waiting, sending. Numbers as the kernel has them, real-time signals too.

use super::check;
use nix::unistd::Pid;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

/// kill(2) with any signal number, real-time signals too; a negative `pid` is a process group.
///
/// # Errors
/// ESRCH when there is no such process, EPERM, EINVAL for a number that is no signal.
pub fn kill(pid: Pid, signal: i32) -> io::Result<()> {
    // SAFETY: no memory is involved.
    check(unsafe { libc::kill(pid.as_raw(), signal) }).map(drop)
}

/// Every signal, in the form that the kernel has sets in: bit n-1 for signal n. 32 and 33 are left out, which
/// belong to the C library.
///
/// The system calls are made here without the C library: musl's functions leave out 34 as well, which is
/// SIGRTMIN to a program with glibc, and wait anew with the whole time after an interruption.
pub const ALL_SIGNALS: u64 = !(0b11 << 31);

/// The size that the kernel wants to know of such a set.
const SET_SIZE: libc::c_long = 8;

/// Blocks the signals in `mask` and no others, and returns what was blocked before: rt_sigprocmask(2).
pub fn swap_signal_mask(mask: u64) -> u64 {
    let mut old = 0_u64;
    // SAFETY: both are sets of the size that is told. There is no way to fail with these arguments.
    unsafe {
        let how = libc::c_long::from(libc::SIG_SETMASK);
        libc::syscall(libc::SYS_rt_sigprocmask, how, &raw const mask, &raw mut old, SET_SIZE);
    }
    old
}

/// A descriptor from which the signals in `set` can be read: signalfd(2), close-on-exec and not waiting.
///
/// # Errors
/// EMFILE, ENFILE, ENOMEM.
pub fn signal_descriptor(set: u64) -> io::Result<OwnedFd> {
    let flags = libc::c_long::from(libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
    // SAFETY: the set has the size that is told, and the descriptor is new and ours.
    unsafe {
        let fd = libc::syscall(libc::SYS_signalfd4, -1 as libc::c_long, &raw const set, SET_SIZE, flags);
        match RawFd::try_from(fd) {
            Ok(fd) if fd >= 0 => Ok(OwnedFd::from_raw_fd(fd)),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// A signal that was taken from the queue of those that are blocked: a part of `siginfo_t`, sigaction(2).
#[derive(Debug, Clone, Copy)]
pub struct Taken {
    /// its number
    pub signo: i32,
    /// why it was sent; for SIGCHLD, what happened to the child
    pub code: i32,
    /// who sent it, 0 where that is nobody in our PID namespace; for SIGCHLD, the child
    pub pid: i32,
    /// for SIGCHLD, the exit code or the signal that ended the child
    pub status: i32,
}

/// Waits for a signal of `set`, all of which must be blocked, and takes it: rt_sigtimedwait(2). `None` when
/// `time`, if there is one, was over before or a stop interrupted the waiting.
///
/// # Errors
/// Where the call itself is refused, as by a seccomp profile.
pub fn wait_for_signal(set: u64, time: Option<Duration>) -> io::Result<Option<Taken>> {
    let mut info = std::mem::MaybeUninit::<libc::siginfo_t>::zeroed();
    // A struct timespec as this call has it: two longs.
    let time = time.map(|time| -> [libc::c_long; 2] {
        let seconds = time.as_secs().try_into().unwrap_or(libc::c_long::MAX);
        // Below a thousand million, which every width holds.
        [seconds, libc::c_long::from(time.subsec_nanos().cast_signed())]
    });
    let time = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: the pointers are valid for the call, or null for no time limit; a siginfo_t of all zeros is a
    // valid one, and si_pid and si_status may be read whatever the signal: what another kind of signal has
    // there is a number too.
    unsafe {
        if libc::syscall(libc::SYS_rt_sigtimedwait, &raw const set, info.as_mut_ptr(), time, SET_SIZE) < 0 {
            return match io::Error::last_os_error() {
                error if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EINTR)) => Ok(None),
                error => Err(error),
            };
        }
        let info = info.assume_init();
        let (signo, code, pid, status) = (info.si_signo, info.si_code, info.si_pid(), info.si_status());
        Ok(Some(Taken { signo, code, pid, status }))
    }
}

/// Whether the process ignores `signal`.
pub fn ignores(signal: i32) -> bool {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: sigaction(2) with no new action only fills the old one, which is valid when all zeros.
    unsafe {
        libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) == 0
            && action.assume_init().sa_sigaction == libc::SIG_IGN
    }
}

/// Makes the process ignore `signal`, or take its default action.
pub fn set_ignored(signal: i32, ignored: bool) {
    let disposition = if ignored { libc::SIG_IGN } else { libc::SIG_DFL };
    // SAFETY: neither disposition runs code of ours.
    unsafe { libc::signal(signal, disposition) };
}

/// Has the kernel send `signal` when the parent dies: PR_SET_PDEATHSIG, prctl(2). Real-time signals too,
/// which `nix` cannot name.
///
/// # Errors
/// EINVAL for a number that is no signal.
pub fn set_parent_death_signal(signal: i32) -> io::Result<()> {
    let signal = libc::c_ulong::try_from(signal).unwrap_or(0);
    // SAFETY: the argument is a number.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal) }).map(drop)
}
