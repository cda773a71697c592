//! The controlling terminal: ioctl_tty(2).

use super::check;
use std::io;

/// Gives up the controlling terminal on stdin, if there is one, as the leader of the session: TIOCNOTTY,
/// ioctl_tty(2).
///
/// The kernel sends SIGHUP and SIGCONT to the foreground for that. Nobody has sent them, so they are taken
/// back, unless one was pending before. All signals must be blocked.
pub fn give_up_terminal() {
    let mut before = std::mem::MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: the sets are valid for all calls, and of all zeros a valid set; the argument of the ioctl is a
    // number. A sigtimedwait(2) without information to fill in, and with no time, only looks.
    unsafe {
        libc::sigpending(before.as_mut_ptr());
        if libc::ioctl(libc::STDIN_FILENO, libc::TIOCNOTTY as _, 0) < 0 {
            return;
        }
        for signal in [libc::SIGHUP, libc::SIGCONT] {
            if libc::sigismember(before.as_ptr(), signal) == 0 {
                let mut set = std::mem::MaybeUninit::<libc::sigset_t>::zeroed();
                libc::sigemptyset(set.as_mut_ptr());
                libc::sigaddset(set.as_mut_ptr(), signal);
                let no_time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
                libc::sigtimedwait(set.as_ptr(), std::ptr::null_mut(), &no_time);
            }
        }
    }
}

/// Makes the terminal on stdin the controlling terminal of this session: TIOCSCTTY, ioctl_tty(2).
///
/// # Errors
/// ENOTTY when stdin is no terminal, EPERM when it controls another session.
pub fn take_terminal() -> io::Result<()> {
    // SAFETY: the argument of this ioctl is a number. Its request has another type on musl.
    check(unsafe { libc::ioctl(libc::STDIN_FILENO, libc::TIOCSCTTY as _, 0) }).map(drop)
}
