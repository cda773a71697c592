//! Starts a program with as little of our own in the measured time as can be, and ends what it started.
//!
//! `clone` with `CLONE_VM | CLONE_VFORK` is what `posix_spawn` uses: no page table is copied, so the size of
//! this process is not in the figures. `posix_spawn` itself cannot ask for a new PID namespace; `clone` can.

use std::ffi::{CString, OsStr, OsString, c_char, c_int, c_void};
use std::io;
use std::mem::{self, MaybeUninit};
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::ptr;

/// Where an init runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// As PID 1 of a PID namespace of its own, as in a container.
    Pid1,
    /// As an ordinary process; with `-s` where the init knows it.
    Ordinary,
}

/// A command whose every pointer is ready before the clock starts.
pub struct Command {
    argv: Vec<CString>,
    env: Vec<CString>,
    flags: c_int,
}

/// The standard streams that a command gets.
#[derive(Clone, Copy)]
pub struct Stdio<'fd> {
    /// Descriptor 0.
    pub stdin: BorrowedFd<'fd>,
    /// Descriptor 1.
    pub stdout: BorrowedFd<'fd>,
    /// Descriptor 2.
    pub stderr: BorrowedFd<'fd>,
}

/// What the child needs between clone and exec; the parent sleeps meanwhile, so it may be borrowed.
struct Plan {
    argv: *const *const c_char,
    env: *const *const c_char,
    stdio: [RawFd; 3],
    errno: c_int,
}

impl Command {
    /// `argv[0]` is the path of the program. The environment is `PATH` and `extra` only, so that every
    /// init starts with the same few bytes and none finds another's variables.
    ///
    /// # Errors
    /// `InvalidInput` for an argument with a NUL byte.
    pub fn new(argv: &[OsString], extra: &[(&str, &str)], place: Place) -> io::Result<Self> {
        let path = [("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")];
        let env =
            path.iter().chain(extra).map(|(name, value)| c_string(OsStr::new(&format!("{name}={value}"))));
        Ok(Self {
            argv: argv.iter().map(|word| c_string(word)).collect::<io::Result<_>>()?,
            env: env.collect::<io::Result<_>>()?,
            flags: if place == Place::Pid1 { libc::CLONE_NEWPID } else { 0 },
        })
    }

    /// Starts the command; returns when the exec has happened.
    ///
    /// # Errors
    /// The error of `clone(2)` (`EPERM`: a PID namespace without the right to make one) or of `execve(2)`.
    pub fn spawn(&self, stdio: Stdio) -> io::Result<Child> {
        let argv = pointers(&self.argv);
        let env = pointers(&self.env);
        let mut plan = Plan {
            argv: argv.as_ptr(),
            env: env.as_ptr(),
            stdio: [stdio.stdin, stdio.stdout, stdio.stderr].map(|fd| fd.as_raw_fd()),
            errno: 0,
        };
        let pid = vfork(become_program, self.flags, ptr::from_mut(&mut plan).cast())?;
        let mut child = Child { pid, over: false };
        // SAFETY: a live local; read as volatile because the child, not this thread, wrote it.
        match unsafe { ptr::read_volatile(&raw const plan.errno) } {
            0 => Ok(child),
            errno => {
                child.wait()?;
                Err(io::Error::from_raw_os_error(errno))
            }
        }
    }
}

/// Runs `entry` in a child that shares our memory, and returns when the child has called exec or has ended.
///
/// # Errors
/// The error of `clone(2)`.
pub fn vfork(
    entry: extern "C" fn(*mut c_void) -> c_int,
    flags: c_int,
    arg: *mut c_void,
) -> io::Result<libc::pid_t> {
    const STACK_WORDS: usize = 4096;
    // u128 gives the alignment of 16 bytes that the ABIs of x86-64 and aarch64 ask for.
    let mut stack = [const { MaybeUninit::<u128>::uninit() }; STACK_WORDS];
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD | flags;
    // SAFETY: because of CLONE_VFORK this frame, and with it the stack and `arg`, outlives the child's use of
    // them. The stack grows down from its end.
    let pid = unsafe { libc::clone(entry, stack.as_mut_ptr().add(STACK_WORDS).cast(), flags, arg) };
    if pid < 0 { Err(io::Error::last_os_error()) } else { Ok(pid) }
}

extern "C" fn become_program(plan: *mut c_void) -> c_int {
    let plan = plan.cast::<Plan>();
    // SAFETY: the parent sleeps until our exec, so the plan is ours; every call below is async-signal-safe.
    unsafe {
        // A benchmark that is interrupted leaves nothing behind.
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        // Rust's runtime ignores SIGPIPE, which an exec keeps.
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        for (target, source) in (0..).zip((*plan).stdio) {
            libc::dup2(source, target);
        }
        libc::execve(*(*plan).argv, (*plan).argv, (*plan).env);
        (*plan).errno = io::Error::last_os_error().raw_os_error().unwrap_or(libc::EINVAL);
        libc::_exit(127)
    }
}

fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect()
}

fn c_string(text: &OsStr) -> io::Result<CString> {
    CString::new(text.as_bytes()).map_err(|_| io::ErrorKind::InvalidInput.into())
}

/// A process that we started; dropped before its end was seen, it is killed.
pub struct Child {
    pid: libc::pid_t,
    over: bool,
}

impl Child {
    /// Its process ID as we see it.
    pub fn pid(&self) -> libc::pid_t {
        self.pid
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// The error of `kill(2)`.
    pub fn signal(&self, signal: c_int) -> io::Result<()> {
        // SAFETY: kill has no memory effects; the process is ours and not reaped, so the number is not
        // reused.
        if unsafe { libc::kill(self.pid, signal) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Waits for its end. The watchdog of the table bounds it.
    ///
    /// # Errors
    /// The error of `waitpid(2)`.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.wait_for(0)?;
        self.over = true;
        Ok(status)
    }

    /// Stops it and returns when it stands still.
    ///
    /// # Errors
    /// The error of `kill(2)` or `waitpid(2)`, or that it ended.
    pub fn freeze(&mut self) -> io::Result<()> {
        self.signal(libc::SIGSTOP)?;
        let status = self.wait_for(libc::WUNTRACED)?;
        if status.stopped_signal().is_some() {
            return Ok(());
        }
        self.over = true;
        Err(io::Error::other(format!("ended ({status}) where it was to be stopped")))
    }

    /// Ends it and what it runs: the kernel kills a whole PID namespace with its PID 1; elsewhere the init
    /// is asked to end its program, so that none is left to be reaped by a stranger.
    ///
    /// # Errors
    /// The error of `kill(2)` or `waitpid(2)`.
    pub fn end(mut self, place: Place) -> io::Result<()> {
        self.signal(if place == Place::Pid1 { libc::SIGKILL } else { libc::SIGTERM })?;
        self.wait().map(drop)
    }

    fn wait_for(&self, options: c_int) -> io::Result<ExitStatus> {
        let mut status = 0;
        loop {
            // SAFETY: `status` is a valid place for the answer.
            if unsafe { libc::waitpid(self.pid, &raw mut status, options) } == self.pid {
                return Ok(ExitStatus::from_raw(status));
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.over && self.signal(libc::SIGKILL).is_ok() {
            // Nothing useful is left to do with an error here.
            let _ = self.wait();
        }
    }
}

/// Keeps this thread, and what it starts, on one CPU for as long as it lives.
pub struct OneCpu {
    before: libc::cpu_set_t,
}

impl OneCpu {
    /// Stays on the CPU that the thread is on.
    ///
    /// # Errors
    /// The error of `sched_getaffinity(2)` or `sched_setaffinity(2)`.
    pub fn pin() -> io::Result<Self> {
        // SAFETY: cpu_set_t is plain data, for which all-zero means no CPU.
        let (mut before, mut one) = unsafe { mem::zeroed::<(libc::cpu_set_t, libc::cpu_set_t)>() };
        // SAFETY: `before` is a valid place for an answer of that size.
        if unsafe { libc::sched_getaffinity(0, size_of_val(&before), &raw mut before) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: sched_getcpu takes nothing.
        let cpu = usize::try_from(unsafe { libc::sched_getcpu() }).unwrap_or(0);
        // SAFETY: `one` is valid, and CPU_SET checks the number.
        unsafe { libc::CPU_SET(cpu, &mut one) };
        set_affinity(&one)?;
        Ok(Self { before })
    }
}

impl Drop for OneCpu {
    fn drop(&mut self) {
        // It was allowed before, so it is now.
        let _ = set_affinity(&self.before);
    }
}

fn set_affinity(set: &libc::cpu_set_t) -> io::Result<()> {
    // SAFETY: `set` is valid and of that size.
    let result = unsafe { libc::sched_setaffinity(0, size_of_val(set), set) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Makes sleeps end within a microsecond or so of their time instead of the usual 50 (PR_SET_TIMERSLACK).
pub fn exact_sleeps() {
    // SAFETY: no memory is touched.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1) };
}

/// CLOCK_MONOTONIC in nanoseconds: the same clock in every process.
pub fn now_ns() -> u64 {
    clock_ns(libc::CLOCK_MONOTONIC)
}

/// A clock's time in nanoseconds.
pub fn clock_ns(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the answer. Zero would be the time of a clock that is not there.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
