//! What is done between fork and exec of an init. System calls alone: the test has threads.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::fs::File;
use std::io;
use std::os::fd::{FromRawFd, RawFd};

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Goes on as PID 1 of a new PID namespace, and writes its process ID out here to `write`.
///
/// The process itself stays behind, and ends as PID 1 does.
pub fn become_pid_1(write: RawFd, with_proc: bool) -> io::Result<()> {
    // SAFETY: system calls on this process, which has one thread; the numbers are their arguments.
    unsafe {
        let alone = libc::CLONE_NEWPID | libc::CLONE_NEWNS;
        if libc::unshare(alone) < 0 {
            check(libc::unshare(alone | libc::CLONE_NEWUSER))?;
        }
        let pid = check(libc::fork())?;
        if pid == 0 && !with_proc {
            return Ok(());
        }
        if pid == 0 {
            libc::mount(
                std::ptr::null(),
                c"/".as_ptr(),
                std::ptr::null(),
                libc::MS_REC | libc::MS_PRIVATE,
                std::ptr::null(),
            );
            libc::mount(c"proc".as_ptr(), c"/proc".as_ptr(), c"proc".as_ptr(), 0, std::ptr::null());
            return Ok(());
        }
        let bytes = pid.to_ne_bytes();
        libc::write(write, bytes.as_ptr().cast(), bytes.len());
        // Nothing may be held open here that somebody waits for, such as the pipe that the exec closes.
        libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0);
        let mut status = 0;
        while libc::waitpid(pid, &mut status, 0) < 0 && *libc::__errno_location() == libc::EINTR {}
        if libc::WIFEXITED(status) {
            libc::_exit(libc::WEXITSTATUS(status));
        }
        let number = libc::WTERMSIG(status);
        no_core()?;
        libc::signal(number, libc::SIG_DFL);
        libc::kill(libc::getpid(), number);
        libc::_exit(255);
    }
}

/// Closes at the exec what this test was itself started with beyond the standard descriptors.
pub fn keep_only_standard() -> io::Result<()> {
    // SAFETY: the numbers are the arguments of close_range(2).
    unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    Ok(())
}

/// No core dumps.
pub fn no_core() -> io::Result<()> {
    set_limit(Resource::RLIMIT_CORE, 0)
}

/// Sets a soft limit.
pub fn set_limit(which: Resource, soft: u64) -> io::Result<()> {
    let (_, hard) = getrlimit(which)?;
    Ok(setrlimit(which, soft, hard)?)
}

/// Ignores a signal.
pub fn ignore(number: i32) -> io::Result<()> {
    // SAFETY: no handler is involved.
    unsafe { libc::signal(number, libc::SIG_IGN) };
    Ok(())
}

/// Blocks signals.
pub fn block(numbers: &[i32]) -> io::Result<()> {
    // SAFETY: the set is valid for all calls.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        for number in numbers {
            libc::sigaddset(&mut set, *number);
        }
        check(libc::sigprocmask(libc::SIG_BLOCK, &set, std::ptr::null_mut())).map(drop)
    }
}

/// Closes a descriptor.
pub fn close(fd: RawFd) -> io::Result<()> {
    // SAFETY: in the new process the descriptor belongs to nobody.
    check(unsafe { libc::close(fd) }).map(drop)
}

/// Puts a pipe that nobody reads at the descriptor `fd`.
pub fn broken_pipe_at(fd: RawFd) -> io::Result<()> {
    let mut ends = [0; 2];
    // SAFETY: the array is valid for the call, and the numbers in it are new descriptors.
    unsafe {
        check(libc::pipe(ends.as_mut_ptr()))?;
        check(libc::close(ends[0]))?;
        check(libc::dup2(ends[1], fd))?;
        check(libc::close(ends[1])).map(drop)
    }
}

/// Mounts something empty over /proc, /sys and /dev of this mount namespace.
pub fn hide_system_directories() -> io::Result<()> {
    private_mounts()?;
    for path in [c"/proc", c"/sys", c"/dev"] {
        // SAFETY: all strings end with a NUL byte.
        let mounted = unsafe {
            libc::mount(c"none".as_ptr(), path.as_ptr(), c"tmpfs".as_ptr(), libc::MS_RDONLY, std::ptr::null())
        };
        check(mounted)?;
    }
    Ok(())
}

/// Makes the root of this mount namespace read-only.
pub fn read_only_root() -> io::Result<()> {
    private_mounts()?;
    let flags = libc::MS_BIND | libc::MS_REMOUNT | libc::MS_RDONLY;
    // SAFETY: the path ends with a NUL byte.
    check(unsafe { libc::mount(std::ptr::null(), c"/".as_ptr(), std::ptr::null(), flags, std::ptr::null()) })
        .map(drop)
}

/// What is mounted from now on is mounted here alone.
fn private_mounts() -> io::Result<()> {
    let flags = libc::MS_REC | libc::MS_PRIVATE;
    // SAFETY: the path ends with a NUL byte.
    check(unsafe { libc::mount(std::ptr::null(), c"/".as_ptr(), std::ptr::null(), flags, std::ptr::null()) })
        .map(drop)
}

/// Opens `path` at the descriptor `fd`, to stay open across the exec.
pub fn open_at(fd: RawFd, path: &'static std::ffi::CStr) -> io::Result<()> {
    // SAFETY: the path ends with a NUL byte; the numbers are new descriptors.
    unsafe {
        let new = check(libc::open(path.as_ptr(), libc::O_RDWR))?;
        if new != fd {
            check(libc::dup2(new, fd))?;
            check(libc::close(new))?;
        }
        Ok(())
    }
}

/// Makes the terminal `slave` the controlling one of a new session, and all standard descriptors.
pub fn take_terminal(slave: RawFd) -> io::Result<()> {
    // SAFETY: the numbers are open descriptors.
    unsafe {
        check(libc::setsid())?;
        check(libc::ioctl(slave, libc::TIOCSCTTY as _, 0))?;
        for fd in 0..=2 {
            check(libc::dup2(slave, fd))?;
        }
    }
    Ok(())
}

/// Writes to a file of /proc about the process itself.
pub fn write_proc(path: &'static std::ffi::CStr, text: &'static str) -> io::Result<()> {
    use std::io::Write;
    // SAFETY: the path ends with a NUL byte; the number is a new descriptor.
    let mut file =
        unsafe { File::from_raw_fd(check(libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC))?) };
    file.write_all(text.as_bytes())
}
