//! The programs that run under the inits: this binary again, called with a hidden first argument.
//!
//! Each tells on its standard output that it is ready, and then answers there. Each dies with its init
//! and, should that fail, of an alarm.

use std::ffi::{OsString, c_int, c_void};
use std::io::{self, Read, Write};
use std::process::ExitCode;
use std::ptr;
use std::slice;

use crate::support::measure::spawn::{clock_ns, exact_sleeps, now_ns, vfork};

/// The hidden first argument; the workload's name and its numbers follow.
pub const FLAG: &str = "--workload";
/// Says that it is ready and sleeps.
pub const IDLE: &str = "idle";
/// Answers every SIGUSR1 with the time at which it came.
pub const SIGNALS: &str = "signals";
/// Makes orphans and measures how they are reaped.
pub const ORPHANS: &str = "orphans";
/// Tells which came first: SIGTERM or SIGWINCH.
pub const TERM: &str = "term";
/// What a workload says when it is ready.
pub const READY: [u8; 8] = *b"ready...";

const LIFETIME_S: u32 = 180;

/// Runs the workload that the arguments name.
pub fn run(args: &[OsString]) -> ExitCode {
    // SAFETY: no memory is touched; the alarm's default action ends us.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        libc::alarm(LIFETIME_S);
    }
    let number = |index: usize| args.get(index).and_then(|arg| arg.to_str()?.parse().ok()).unwrap_or(0);
    let result = match args.first().and_then(|name| name.to_str()) {
        Some(IDLE) => say(&READY).and_then(|()| sleep_for_ever()),
        Some(SIGNALS) => signals(),
        Some(ORPHANS) => orphans(number(1), number(2)),
        Some(TERM) => term(),
        _ => Err(io::Error::other("no such workload")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("workload {args:?}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn say(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()
}

fn sleep_for_ever() -> io::Result<()> {
    loop {
        // SAFETY: pause only waits.
        unsafe { libc::pause() };
    }
}

fn signals() -> io::Result<()> {
    let set = block(&[libc::SIGUSR1])?;
    say(&READY)?;
    loop {
        wait_signal(&set)?;
        let now = now_ns();
        say(&now.to_ne_bytes())?;
    }
}

fn term() -> io::Result<()> {
    let set = block(&[libc::SIGTERM, libc::SIGWINCH])?;
    say(&READY)?;
    // When both are pending the kernel hands out the lower number, SIGTERM, first.
    say(if wait_signal(&set)? == libc::SIGTERM { b"T" } else { b"W" })
}

/// `backlog` zombies at once, then `single` orphans one after the other.
///
/// Says, as native u64: the nanoseconds of CPU time that the init took to reap the backlog, then for each
/// single orphan the nanoseconds from just before its exit until it was reaped.
fn orphans(backlog: usize, single: usize) -> io::Result<()> {
    exact_sleeps();
    // SAFETY: getppid always succeeds.
    let init = unsafe { libc::getppid() };
    let mut shared = Shared::new(backlog.max(2))?;
    say(&READY)?;
    // The benchmark stops the init, then writes one byte.
    io::stdin().read_exact(&mut [0])?;

    // SAFETY: this process has one thread.
    let maker = check(unsafe { libc::fork() })?;
    if maker == 0 {
        let made = make_zombies(shared.words());
        // SAFETY: ends this process without running the parent's exit handlers.
        unsafe { libc::_exit(c_int::from(made.is_err())) };
    }
    reap(maker)?;
    let clock = cpu_clock(init)?;
    let begin = clock_ns(clock);
    // SAFETY: kill has no memory effects.
    check(unsafe { libc::kill(init, libc::SIGCONT) })?;
    // Mostly the last one made is the last one reaped: so few questions disturb the init.
    for pid in shared.words().iter().rev() {
        until_reaped(*pid as libc::pid_t, 500_000);
    }
    say(&(clock_ns(clock) - begin).to_ne_bytes())?;

    for _ in 0..single {
        say(&single_orphan(init, &mut shared)?.to_ne_bytes())?;
    }
    Ok(())
}

/// Fills `pids` with children that have ended and that nobody has waited for. When this process ends too,
/// they all become the init's.
fn make_zombies(pids: &mut [u64]) -> io::Result<()> {
    extern "C" fn exit_at_once(_: *mut c_void) -> c_int {
        // SAFETY: ends the child only: it has its own thread group.
        unsafe { libc::_exit(0) }
    }
    for pid in pids {
        // Without a copied address space their making and their end are cheap.
        let child = vfork(exit_at_once, 0, ptr::null_mut())?;
        // SAFETY: an all-zero siginfo_t is a valid place for the answer. WNOWAIT leaves the zombie.
        check(unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            libc::waitid(libc::P_PID, child as libc::id_t, &raw mut info, libc::WEXITED | libc::WNOWAIT)
        })?;
        *pid = child as u64;
    }
    Ok(())
}

/// One orphan; nanoseconds from just before its exit until the init had reaped it.
fn single_orphan(init: libc::pid_t, shared: &mut Shared) -> io::Result<u64> {
    // SAFETY: this process has one thread; so has the child that forks again.
    let parent = check(unsafe { libc::fork() })?;
    if parent == 0 {
        // SAFETY: as above; _exit ends the child only.
        unsafe {
            let orphan = libc::fork();
            if orphan == 0 {
                // Bounded, since an init that is gone never becomes the parent.
                for _ in 0..100_000 {
                    if libc::getppid() == init {
                        break;
                    }
                    sleep_ns(1_000);
                }
                shared.store(1, now_ns());
                libc::_exit(0);
            }
            shared.store(0, orphan as u64);
            libc::_exit(c_int::from(orphan < 0));
        }
    }
    reap(parent)?;
    until_reaped(shared.load(0) as libc::pid_t, 2_000);
    Ok(now_ns() - shared.load(1))
}

/// Waits until the process is gone: a zombie can still be signalled, a reaped one cannot.
fn until_reaped(pid: libc::pid_t, pause_ns: i64) {
    // SAFETY: signal 0 only asks whether the process is there.
    while unsafe { libc::kill(pid, 0) } == 0 {
        sleep_ns(pause_ns);
    }
}

/// The clock that shows the CPU time of a process.
fn cpu_clock(pid: libc::pid_t) -> io::Result<libc::clockid_t> {
    let mut clock = 0;
    // SAFETY: `clock` is a valid place for the answer.
    match unsafe { libc::clock_getcpuclockid(pid, &raw mut clock) } {
        0 => Ok(clock),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

fn sleep_ns(tv_nsec: i64) {
    let pause = libc::timespec { tv_sec: 0, tv_nsec: tv_nsec as _ };
    // SAFETY: `pause` is valid; the rest is not asked for.
    unsafe { libc::nanosleep(&raw const pause, ptr::null_mut()) };
}

fn reap(pid: libc::pid_t) -> io::Result<()> {
    let mut status = 0;
    // SAFETY: `status` is a valid place for the answer.
    check(unsafe { libc::waitpid(pid, &raw mut status, 0) })?;
    if status == 0 { Ok(()) } else { Err(io::Error::other("a process that makes orphans failed")) }
}

fn block(signals: &[c_int]) -> io::Result<libc::sigset_t> {
    // SAFETY: sigset_t is plain data that sigemptyset initialises.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in signals {
            libc::sigaddset(&raw mut set, *signal);
        }
        check(libc::sigprocmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut()))?;
        Ok(set)
    }
}

fn wait_signal(set: &libc::sigset_t) -> io::Result<c_int> {
    loop {
        // SAFETY: `set` is initialised; the details are not asked for.
        match check(unsafe { libc::sigwaitinfo(set, ptr::null_mut()) }) {
            // A stop and SIGCONT interrupt it.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

fn check(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Words that this process and its descendants share.
struct Shared {
    start: *mut u64,
    len: usize,
}

impl Shared {
    fn new(len: usize) -> io::Result<Self> {
        let (protection, flags) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        // SAFETY: a fresh mapping aliases nothing.
        let start = unsafe { libc::mmap(ptr::null_mut(), len * size_of::<u64>(), protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { start: start.cast(), len })
    }

    fn words(&mut self) -> &mut [u64] {
        // SAFETY: the mapping has `len` words and lives as long as the process; the process that filled
        // them has been waited for before another reads them.
        unsafe { slice::from_raw_parts_mut(self.start, self.len) }
    }

    fn load(&self, index: usize) -> u64 {
        debug_assert!(index < self.len);
        // SAFETY: inside the mapping; volatile because another process writes it.
        unsafe { self.start.add(index).read_volatile() }
    }

    fn store(&mut self, index: usize, value: u64) {
        debug_assert!(index < self.len);
        // SAFETY: as in `load`.
        unsafe { self.start.add(index).write_volatile(value) };
    }
}
