//! Runs the command of a health check: bounded, its output passed on, and nothing of it left behind.

use super::ending::{self, Kept};
use crate::launch::{Inherited, NotStarted, exec, search_path};
use crate::sys::{self, Environment, Fork};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, dup2_stderr, dup2_stdout, getpid, getppid, pipe2, setpgid};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::time::Instant;

/// How much of the output is passed on, in bytes: what Docker keeps of it.
const PASSED_ON: usize = 4096;

/// How the command went.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) end: End,
    /// processes that it left behind and that had to be killed
    pub(super) ended: u64,
    /// the end of what it wrote
    pub(super) output: Kept,
}

/// How it ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    Exited(i32),
    /// by this signal
    Signaled(i32),
    /// it was still running at the deadline
    TimedOut,
    /// we were told to end first
    Interrupted,
    /// it was not executed: the code that a shell would end with, and why
    NotStarted(u8, String),
}

/// Runs `program` until it ends or `deadline`. All signals must be blocked.
///
/// # Errors
/// Those of pipe(2), fork(2) and signalfd(2).
pub(super) fn run(program: &[OsString], inherited: &Inherited, deadline: Instant) -> io::Result<Run> {
    // Who is orphaned below us comes to us rather than to PID 1. Fails only before Linux 3.4.
    let _ = nix::sys::prctl::set_child_subreaper(true);
    let signals = sys::signal_descriptor(sys::ALL_SIGNALS)?;
    let (out, out_end) = pipe2(OFlag::O_CLOEXEC)?;
    let (err, err_end) = pipe2(OFlag::O_CLOEXEC)?;
    let (failure, failure_end) = pipe2(OFlag::O_CLOEXEC)?;
    let parent = getpid();
    let child = match sys::fork()? {
        Fork::Child => {
            drop((signals, out, err, failure));
            become_program(program, inherited, parent, &out_end, &err_end, File::from(failure_end))
        }
        Fork::Parent(child) => child,
    };
    // As the child does: whoever is first.
    let _ = setpgid(child, child);
    drop((out_end, err_end, failure_end));
    let mut streams = [Stream::new(out, libc::STDOUT_FILENO), Stream::new(err, libc::STDERR_FILENO)];
    let mut output = Output { kept: Kept::default(), room: PASSED_ON };
    let end = wait(child, &signals, &mut streams, &mut output, deadline);
    let ended = ending::end_all(child, &signals);
    for stream in &mut streams {
        stream.read(&mut output);
    }
    let end = match not_started(failure) {
        Some((code, why)) if !matches!(end, End::TimedOut | End::Interrupted) => End::NotStarted(code, why),
        _ => end,
    };
    Ok(Run { end, ended, output: output.kept })
}

/// In the child: never returns.
fn become_program(
    program: &[OsString],
    inherited: &Inherited,
    parent: Pid,
    out: &OwnedFd,
    err: &OwnedFd,
    mut failure: File,
) -> ! {
    let _ = setpgid(Pid::from_raw(0), Pid::from_raw(0));
    // Between the fork and this line the parent may have gone, which no signal tells then.
    if sys::set_parent_death_signal(libc::SIGKILL).is_err() || getppid() != parent {
        sys::exit_now(1);
    }
    if dup2_stdout(out).is_err() || dup2_stderr(err).is_err() {
        sys::exit_now(126);
    }
    let path = search_path();
    inherited.restore();
    let error = exec(program, &path, &Environment::of_process());
    let name = program.first().map_or(OsStr::new(""), OsString::as_os_str);
    let told = NotStarted::exec(name, error.path(), error.raw_os_error());
    // A pipe takes this much at once; who reads it is the parent, which lives.
    let _ = failure.write_all(&[&[told.code], told.why.as_bytes()].concat());
    sys::exit_now(i32::from(told.code))
}

fn not_started(failure: OwnedFd) -> Option<(u8, String)> {
    set_nonblocking(&failure);
    let mut told = Vec::new();
    // What was read before an error counts too.
    let _ = File::from(failure).take(1024).read_to_end(&mut told);
    let (code, why) = told.split_first()?;
    Some((*code, String::from_utf8_lossy(why).into_owned()))
}

/// Passes output on until the command ends, the deadline, or a signal that asks us to end.
fn wait(
    child: Pid,
    signals: &OwnedFd,
    streams: &mut [Stream; 2],
    output: &mut Output,
    deadline: Instant,
) -> End {
    loop {
        // Without waiting for a descendant that is not the command.
        match waitpid(child, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(_, code)) => return End::Exited(code),
            Ok(WaitStatus::Signaled(_, signal, _)) => return End::Signaled(signal as i32),
            Ok(_) | Err(nix::Error::EINTR) => {}
            // nix knows no real-time signals; wait4(2) has taken it all the same.
            Err(_) => return End::Signaled(libc::SIGKILL),
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return End::TimedOut;
        }
        // Rounded up, or the last part of a millisecond would be spent with looking again and again.
        let timeout =
            PollTimeout::try_from(left + std::time::Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
        let mut fds = vec![PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        fds.extend(
            streams
                .iter()
                .filter_map(|stream| Some(PollFd::new(stream.pipe.as_ref()?.as_fd(), PollFlags::POLLIN))),
        );
        if poll(&mut fds, timeout).is_err_and(|error| error != nix::Error::EINTR) {
            return End::TimedOut;
        }
        for stream in &mut *streams {
            stream.read(output);
        }
        if ending::was_asked_to_end(signals) {
            return End::Interrupted;
        }
    }
}

/// What is written, and how much of it may still be passed on.
struct Output {
    kept: Kept,
    room: usize,
}

/// One of the command's streams.
struct Stream {
    pipe: Option<File>,
    /// where it is passed on to
    to: RawFd,
}

impl Stream {
    fn new(pipe: OwnedFd, to: RawFd) -> Stream {
        set_nonblocking(&pipe);
        Stream { pipe: Some(File::from(pipe)), to }
    }

    /// Reads what there is, without waiting; at most 64 KiB at once, so that a flood cannot hold us.
    fn read(&mut self, output: &mut Output) {
        let mut buffer = [0; 4096];
        for _ in 0..16 {
            let Some(pipe) = &mut self.pipe else { return };
            match pipe.read(&mut buffer) {
                Ok(0) => self.pipe = None,
                Ok(count) => {
                    let bytes = buffer.get(..count).unwrap_or_default();
                    output.kept.add(bytes);
                    let part = bytes.get(..count.min(output.room)).unwrap_or(bytes);
                    output.room -= part.len();
                    pass_on(self.to, part);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.pipe = None,
            }
        }
    }
}

/// Writes as far as there is room: whoever runs the check may not read.
fn pass_on(to: RawFd, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let written = match sys::write_nowait(to, bytes) {
            Err(error) if error.kind() == ErrorKind::Unsupported && sys::has_room(to) => {
                sys::write(to, bytes)
            }
            other => other,
        };
        match written {
            Ok(count) if count > 0 => bytes = bytes.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            _ => return,
        }
    }
}

fn set_nonblocking(pipe: &OwnedFd) {
    // Fails only for a flag that does not exist. The pipe's other end is another open file and stays as it
    // is.
    let _ = fcntl(pipe.as_fd(), FcntlArg::F_SETFL(OFlag::O_NONBLOCK));
    debug_assert!(pipe.as_raw_fd() > 2);
}
