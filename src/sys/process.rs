//! Processes: what `main` was given, fork, exec, the end, and the children.

use super::{check, kill};
use nix::unistd::Pid;
use std::ffi::{CStr, CString, OsString};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

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

/// The entries of this process's environment, each a string that ends with a NUL byte.
fn environment() -> impl Iterator<Item = *const libc::c_char> {
    unsafe extern "C" {
        static environ: *const *const libc::c_char;
    }
    // SAFETY: `environ` is null or an array of strings that ends with a null pointer (environ(7)); nothing in
    // this program changes it.
    let mut next = unsafe { environ };
    std::iter::from_fn(move || {
        // SAFETY: the same, and no further than that null pointer.
        let entry = unsafe { next.as_ref() }.copied().filter(|entry| !entry.is_null())?;
        next = next.wrapping_add(1);
        Some(entry)
    })
}

/// The value of a variable of this process: the first of that name.
///
/// Some fifty variables are asked for at the start of every container, most of which are not there. This
/// takes a look at the first byte of each entry then, a third of the steps of `std::env::var_os`.
pub fn variable(name: &str) -> Option<OsString> {
    let (first, others) = name.as_bytes().split_first()?;
    let value_in = |entry: *const libc::c_char| {
        let mut rest = entry.cast::<u8>();
        for byte in others.iter().chain(b"=") {
            // SAFETY: the string goes on, since what was compared is none of it NUL.
            unsafe {
                rest = rest.add(1);
                if *rest != *byte || *byte == 0 {
                    return None;
                }
            }
        }
        // SAFETY: what is behind the `=` is the end of a string.
        let value = unsafe { CStr::from_ptr(rest.add(1).cast()) };
        Some(OsString::from_vec(value.to_bytes().to_vec()))
    };
    for entry in environment() {
        // SAFETY: a string has at least its NUL byte.
        if unsafe { *entry.cast::<u8>() } == *first
            && *first != 0
            && let Some(value) = value_in(entry)
        {
            return Some(value);
        }
    }
    None
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
        let entries = environment().chain([std::ptr::null()]).collect();
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

/// Keeps all pages that the process has now in memory, and gives it those that it has not written to yet:
/// mlockall(2). It does not pass a fork.
///
/// # Errors
/// EPERM or ENOMEM where RLIMIT_MEMLOCK is smaller than that, and without CAP_IPC_LOCK.
pub fn stay_in_memory() -> io::Result<()> {
    crate::sys_heap::prefer_own();
    // For what the C library itself allocates: the piece goes back to its heap, not to the kernel, in glibc
    // at least.
    drop(std::hint::black_box(Vec::<u8>::with_capacity(64 << 10)));
    // SAFETY: a number.
    check(unsafe { libc::mlockall(libc::MCL_CURRENT) }).map(drop)
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

/// Whether there is any other process in the PID namespace that PID 1 of it, which asks, could send a signal
/// to or not.
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
