//! The calls that need `unsafe`: those that `nix` does not cover, or not for real-time signals.
//!
//! Everything else in the crate is safe code on top of `nix`, `std` and this module.
#![allow(unsafe_code)]

use nix::unistd::Pid;
use std::ffi::{CStr, CString, OsString};
use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// The text of an error without the standard library's `(os error 2)`, which tells nobody more.
pub fn reason(error: &io::Error) -> String {
    error
        .raw_os_error()
        .map_or_else(|| error.to_string(), |errno| nix::Error::from_raw(errno).desc().to_owned())
}

/// The arguments of `main`.
///
/// `std::env::args` is empty in a program without Rust's own start-up on libcs other than glibc.
///
/// # Safety
/// `argc` and `argv` must be those that the C runtime gave to `main`.
pub unsafe fn args(argc: libc::c_int, argv: *const *const libc::c_char) -> Vec<OsString> {
    let count = usize::try_from(argc).unwrap_or(0);
    // SAFETY: the C runtime gives `argc` pointers to strings that live as long as the process.
    let arg = |place| unsafe { CStr::from_ptr(*argv.add(place)) };
    (0..count).map(|place| OsString::from_vec(arg(place).to_bytes().to_vec())).collect()
}

/// An environment for the program: that of this process, with changes.
///
/// Entries are pointed to rather than copied, and those without a `=` are kept too.
pub struct Environment {
    /// pointers to strings, with a null pointer at the end
    entries: Vec<*const libc::c_char>,
    /// what those entries point to that are not of the process
    own: Vec<CString>,
}

impl Environment {
    /// As the process was given it.
    pub fn of_process() -> Environment {
        unsafe extern "C" {
            static environ: *const *const libc::c_char;
        }
        let mut entries = Vec::new();
        // SAFETY: `environ` is null or an array of strings that ends with a null pointer (environ(7)); nothing
        // in this program changes it.
        unsafe {
            let mut entry = environ;
            while !entry.is_null() && !(*entry).is_null() {
                entries.push(*entry);
                entry = entry.add(1);
            }
        }
        entries.push(std::ptr::null());
        Environment { entries, own: Vec::new() }
    }

    /// Sets a variable in place of all of its name, and returns the value that the first of them had.
    ///
    /// A name or value with a NUL byte cannot be an entry and changes nothing.
    pub fn set(&mut self, name: &str, value: &str) -> Option<String> {
        let entry = CString::new(format!("{name}={value}")).ok()?;
        let mut old = None;
        self.entries.retain(|entry| {
            if entry.is_null() {
                return false;
            }
            // SAFETY: all others point to strings that live as long as `self`, or the process.
            let bytes = unsafe { CStr::from_ptr(*entry) }.to_bytes();
            let found = bytes.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"="));
            if let Some(value) = found
                && old.is_none()
            {
                old = Some(String::from_utf8_lossy(value).into_owned());
            }
            found.is_none()
        });
        self.entries.extend([entry.as_ptr(), std::ptr::null()]);
        self.own.push(entry);
        old
    }
}

/// Puts something into those of the descriptors 0, 1 and 2 that are closed, so that no descriptor of
/// epitaph's own can land there and receive what is meant for stderr.
///
/// What is put there can be neither read nor written, and closes at the exec: the program finds the
/// descriptor closed, as it was given.
pub fn reserve_standard_descriptors() {
    for fd in 0..=2 {
        // SAFETY: F_GETFD only asks; a path descriptor is opened at the lowest free number, which is `fd`.
        unsafe {
            if libc::fcntl(fd, libc::F_GETFD) < 0 {
                libc::open(c"/".as_ptr(), libc::O_PATH | libc::O_CLOEXEC);
            }
        }
    }
}

/// Which side of a [`fork`] this is.
pub enum Fork {
    /// the new process
    Child,
    /// the old one, with the ID of the new one
    Parent(Pid),
}

/// fork(2). The process has one thread, so the child may do whatever the parent may.
///
/// # Errors
/// Those of fork(2): EAGAIN at a process limit, ENOMEM.
pub fn fork() -> io::Result<Fork> {
    // SAFETY: no other thread exists that could hold a lock at this moment.
    match check(unsafe { libc::fork() })? {
        0 => Ok(Fork::Child),
        pid => Ok(Fork::Parent(Pid::from_raw(pid))),
    }
}

/// _exit(2): ends the process without the C runtime's handlers, which belong to the parent in a forked child.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: never returns and touches no memory.
    unsafe { libc::_exit(code) }
}

/// execve(2). Returns only when it failed.
pub fn execve(path: &CStr, args: &[CString], environment: &Environment) -> io::Error {
    let args: Vec<_> = args.iter().map(|arg| arg.as_ptr()).chain([std::ptr::null()]).collect();
    // SAFETY: both arrays hold pointers to live strings and end with a null pointer.
    unsafe { libc::execve(path.as_ptr(), args.as_ptr(), environment.entries.as_ptr()) };
    io::Error::last_os_error()
}

/// kill(2) with any signal number, real-time signals too; a negative `pid` is a process group.
///
/// # Errors
/// ESRCH when there is no such process, EPERM, EINVAL for a number that is no signal.
pub fn kill(pid: Pid, signal: i32) -> io::Result<()> {
    // SAFETY: no memory is involved.
    check(unsafe { libc::kill(pid.as_raw(), signal) }).map(drop)
}

/// Every signal, in the form that the kernel has sets in: bit n-1 for signal n. 32 and 33 are left out, which belong to
/// the C library.
///
/// The system calls are made here without the C library: musl's functions leave out 34 as well, which is SIGRTMIN to a
/// program with glibc, and wait anew with the whole time after an interruption.
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

/// Waits for a signal of `set`, all of which must be blocked, and takes it: rt_sigtimedwait(2). `None` when `time`, if
/// there is one, was over before or a stop interrupted the waiting.
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
    // SAFETY: the pointers are valid for the call, or null for no time limit; a siginfo_t of all zeros is a valid one,
    // and si_pid and si_status may be read whatever the signal: what another kind of signal has there is a number too.
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

/// A child that has ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// its process ID, free for another process from now on
    pub pid: Pid,
    /// how it ended
    pub status: ExitStatus,
    /// what it used, when that was asked for
    pub usage: Option<Usage>,
}

/// What a process and the children that it waited for have used.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// user CPU time in milliseconds
    pub user_ms: u64,
    /// system CPU time in milliseconds
    pub system_ms: u64,
    /// the largest resident set of any of them, in bytes
    pub max_rss: u64,
}

/// Reaps one child that has ended, if there is one.
///
/// wait4(2) itself rather than `nix`, whose `waitpid` fails after reaping a child that a real-time signal
/// has killed.
pub fn reap() -> Option<Ended> {
    wait4(std::ptr::null_mut())
}

/// The same with what the child has used, which costs a little more.
pub fn reap_with_usage() -> Option<Ended> {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    let ended = wait4(usage.as_mut_ptr())?;
    // SAFETY: a rusage of all zeros is a valid one, and the kernel has filled it.
    let usage = unsafe { usage.assume_init() };
    // The widths of these fields differ between architectures and libcs.
    #[allow(clippy::unnecessary_cast)]
    let ms = |time: libc::timeval| time.tv_sec as u64 * 1000 + time.tv_usec as u64 / 1000;
    #[allow(clippy::unnecessary_cast)]
    let max_rss = usage.ru_maxrss as u64 * 1024;
    let usage = Usage { user_ms: ms(usage.ru_utime), system_ms: ms(usage.ru_stime), max_rss };
    Some(Ended { usage: Some(usage), ..ended })
}

fn wait4(usage: *mut libc::rusage) -> Option<Ended> {
    let mut status = 0;
    // SAFETY: `status` is valid for the call, and so is `usage`, or it is null.
    let pid = unsafe { libc::wait4(-1, &mut status, libc::WNOHANG, usage) };
    (pid > 0).then(|| Ended { pid: Pid::from_raw(pid), status: ExitStatus::from_raw(status), usage: None })
}

/// write(2) that fails with `WouldBlock` rather than wait, whatever the descriptor's own flags.
///
/// The O_NONBLOCK flag belongs to the open file, which the program shares, so it must not be set on an
/// inherited descriptor.
///
/// # Errors
/// Those of pwritev2(2) with RWF_NOWAIT; `Unsupported` where kernel or file do not know the flag (pipes do
/// since Linux 6.4).
pub fn write_nowait(fd: RawFd, bytes: &[u8]) -> io::Result<usize> {
    let part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: the vector points to `bytes`, which is only read. An offset of -1 is the file's own position.
    // The offset goes in two halves, the upper of which is not looked at where a register holds it all.
    let written = unsafe {
        libc::syscall(
            libc::SYS_pwritev2,
            libc::c_long::from(fd),
            &raw const part,
            1 as libc::c_long,
            -1 as libc::c_long,
            -1 as libc::c_long,
            libc::c_long::from(libc::RWF_NOWAIT),
        )
    };
    usize::try_from(written).map_err(|_| match io::Error::last_os_error() {
        error if error.raw_os_error() == Some(libc::EOPNOTSUPP) => io::ErrorKind::Unsupported.into(),
        error if error.raw_os_error() == Some(libc::ENOSYS) => io::ErrorKind::Unsupported.into(),
        error if error.raw_os_error() == Some(libc::EINVAL) => io::ErrorKind::Unsupported.into(),
        // A seccomp profile older than the call.
        error if error.raw_os_error() == Some(libc::EPERM) => io::ErrorKind::Unsupported.into(),
        error => error,
    })
}

/// write(2) on a descriptor of which nothing but the number is known.
///
/// # Errors
/// Those of write(2).
pub fn write(fd: RawFd, bytes: &[u8]) -> io::Result<usize> {
    // SAFETY: `bytes` is only read.
    usize::try_from(unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) })
        .map_err(|_| io::Error::last_os_error())
}

/// Descriptor 0, whatever it is open on. `std::io::stdin` would come with a buffer of 8 KB.
pub fn stdin_descriptor() -> BorrowedFd<'static> {
    // SAFETY: as for `stderr_descriptor`.
    unsafe { BorrowedFd::borrow_raw(libc::STDIN_FILENO) }
}

/// Descriptor 2, whatever it is open on.
pub fn stderr_descriptor() -> BorrowedFd<'static> {
    // SAFETY: `reserve_standard_descriptors` saw to it that 2 is open, and nothing here closes it.
    unsafe { BorrowedFd::borrow_raw(libc::STDERR_FILENO) }
}

/// Gives up the controlling terminal on stdin, if there is one, as the leader of the session: TIOCNOTTY,
/// ioctl_tty(2).
///
/// The kernel sends SIGHUP and SIGCONT to the foreground for that. Nobody has sent them, so they are taken back,
/// unless one was pending before. All signals must be blocked.
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

/// Whether there is any other process in the PID namespace that PID 1 of it, which asks, could send a signal to or not.
pub fn is_anybody_else_here() -> bool {
    !matches!(kill(Pid::from_raw(-1), 0), Err(error) if error.raw_os_error() == Some(libc::ESRCH))
}

/// Whether the process has children, ended ones that were not reaped included.
pub fn has_children() -> bool {
    let mut info = std::mem::MaybeUninit::<libc::siginfo_t>::zeroed();
    let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: `info` is valid for the call. Fails with ECHILD when there is none.
    unsafe { libc::waitid(libc::P_ALL, 0, info.as_mut_ptr(), flags) == 0 }
}

/// Has the kernel send `signal` when the parent dies: PR_SET_PDEATHSIG, prctl(2). Real-time signals too, which
/// `nix` cannot name.
///
/// # Errors
/// EINVAL for a number that is no signal.
pub fn set_parent_death_signal(signal: i32) -> io::Result<()> {
    let signal = libc::c_ulong::try_from(signal).unwrap_or(0);
    // SAFETY: the argument is a number.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal) }).map(drop)
}

/// Whether something is mounted at `path`: statx(2). `None` before Linux 5.8, which cannot tell; a file that is not
/// there is no mount.
pub fn is_mount_root(path: &CStr) -> Option<bool> {
    let mut file = std::mem::MaybeUninit::<libc::statx>::zeroed();
    // SAFETY: the path is a string and `file` is valid for the call, and when all zeros.
    let (result, file) = unsafe {
        let result = libc::syscall(
            libc::SYS_statx,
            libc::c_long::from(libc::AT_FDCWD),
            path.as_ptr(),
            libc::c_long::from(libc::AT_SYMLINK_NOFOLLOW),
            libc::c_long::from(libc::STATX_TYPE),
            file.as_mut_ptr(),
        );
        (result, file.assume_init())
    };
    if result != 0 {
        return (io::Error::last_os_error().raw_os_error() == Some(libc::ENOENT)).then_some(false);
    }
    let mount_root = u64::try_from(libc::STATX_ATTR_MOUNT_ROOT).unwrap_or(0);
    (file.stx_attributes_mask & mount_root != 0).then_some(file.stx_attributes & mount_root != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_replaces_all_of_its_name_and_nothing_else() {
        let given = [c"A=1", c"TASK=old", c"TASK_X=2", c"malformed", c"TASK=older"];
        let entries = given.iter().map(|entry| entry.as_ptr()).chain([std::ptr::null()]).collect();
        let mut environment = Environment { entries, own: Vec::new() };
        assert_eq!(environment.set("TASK", "new"), Some("old".to_owned()));
        assert_eq!(environment.set("B", "3"), None);
        let (last, texts) = environment.entries.split_last().expect("an end");
        assert!(last.is_null());
        // SAFETY: the entries point to the strings above and to those that the environment owns.
        let texts: Vec<_> = texts.iter().map(|entry| unsafe { CStr::from_ptr(*entry) }).collect();
        assert_eq!(texts, [c"A=1", c"TASK_X=2", c"malformed", c"TASK=new", c"B=3"]);
    }
}
