//! Descriptors that were inherited, the one that stands for the process itself, and who may look at them all.

use super::check;
use nix::sys::stat::fstat;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

/// How far to look where there is no /proc: the usual soft limit of descriptors, getrlimit(2).
const WITHOUT_PROC: RawFd = 1024;

/// Closes what the process was given open beyond 0, 1 and 2, and nothing that it has opened itself: that is
/// all close-on-exec, and what came through an exec is not. For the process that is not the program's, after
/// the fork.
pub fn close_inherited_descriptors() {
    let mut open: Vec<RawFd> = match std::fs::read_dir("/proc/self/fd") {
        Ok(entries) => {
            entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
        }
        Err(_) => (0..WITHOUT_PROC).collect(),
    };
    open.retain(|fd| *fd > libc::STDERR_FILENO && is_inherited(*fd));
    for fd in open {
        // SAFETY: nothing of ours uses it, as its flag tells.
        unsafe { libc::close(fd) };
    }
}

/// How many bytes wait in a pipe to be read, by either end of it: FIONREAD, ioctl(2).
pub fn unread(pipe: &OwnedFd) -> usize {
    let mut count: libc::c_int = 0;
    // SAFETY: the number is valid for the call. Its request has another type on musl.
    let result = unsafe { libc::ioctl(pipe.as_raw_fd(), libc::FIONREAD as _, &raw mut count) };
    if result < 0 { 0 } else { usize::try_from(count).unwrap_or(0) }
}

/// Whether it is open and passes an exec.
fn is_inherited(fd: RawFd) -> bool {
    // SAFETY: only asks.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
    flags >= 0 && flags & libc::FD_CLOEXEC == 0
}

/// The inode number of this process's pidfd, by which systemd names a process that cannot be mistaken for
/// another (`LISTEN_PIDFDID` in sd_listen_fds(3)): pidfd_open(2), unique since Linux 6.9.
///
/// # Errors
/// ENOSYS before Linux 5.3, EMFILE.
pub fn own_pidfd_inode() -> io::Result<u64> {
    // SAFETY: the arguments are numbers, and the descriptor is new and ours.
    let fd = unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, libc::c_long::from(libc::getpid()), 0 as libc::c_long);
        OwnedFd::from_raw_fd(check(libc::c_int::try_from(fd).unwrap_or(-1))?)
    };
    Ok(fstat(fd.as_fd())?.st_ino)
}

/// Keeps others of the same user from tracing this process and from opening what it has open, through
/// /proc/PID/fd and /proc/PID/mem, unless they have CAP_SYS_PTRACE: PR_SET_DUMPABLE, prctl(2). There are no
/// core dumps of it then. It passes a fork, and ends with an exec.
///
/// # Errors
/// Where the call itself is refused, as by a seccomp profile.
pub fn protect() -> io::Result<()> {
    // SAFETY: the arguments are numbers.
    check(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0 as libc::c_ulong) }).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::fcntl::{FcntlArg, FdFlag, fcntl};

    #[test]
    fn what_passes_an_exec_was_inherited() {
        let own = tempfile::tempfile().expect("a file");
        let given = tempfile::tempfile().expect("a file");
        fcntl(&given, FcntlArg::F_SETFD(FdFlag::empty())).expect("a flag");
        assert!(is_inherited(given.as_raw_fd()) && !is_inherited(own.as_raw_fd()) && !is_inherited(99_999));
    }

    #[test]
    fn a_process_has_one_inode() {
        if let Ok(inode) = own_pidfd_inode() {
            assert_eq!(inode, own_pidfd_inode().expect("once more"));
        }
    }
}
