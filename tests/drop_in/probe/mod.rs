//! The program that the inits start: this test binary, called with a hidden first argument.
//!
//! It tells on stdout what it was given and what it receives, a line in a single write each, and ends when
//! its stdin is closed, so that nothing is left over when a test fails.

mod given;
mod jobs;
pub mod systemd;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::SigSet;
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// The argument that makes this binary the probe.
pub const MARK: &str = "=as-the-program=";

/// Where the probe is.
pub fn path() -> PathBuf {
    std::env::current_exe().unwrap()
}

/// Does what the words say, and returns the exit code.
pub fn main(words: &[OsString]) -> i32 {
    let words: Vec<&OsStr> = words.iter().map(OsString::as_os_str).collect();
    let text: Vec<&str> = words.iter().map(|word| word.to_str().unwrap_or_default()).collect();
    match text.as_slice() {
        ["exit", code] => return code.parse().unwrap(),
        ["die", number] => die(number.parse().unwrap()),
        ["args", rest @ ..] => say(&rest.iter().map(|arg| format!("[{arg}]")).collect::<Vec<_>>().join("")),
        ["size", ..] => say(&sizes(&words[1..])),
        ["environment"] => say(&environment(std::env::vars_os().collect())),
        ["state", what @ ..] => what.iter().for_each(|what| say(&given::state(what))),
        ["state-to", path, what @ ..] => {
            let lines: Vec<String> = what.iter().map(|what| given::state(what)).collect();
            std::fs::write(path, lines.join(", ")).unwrap();
        }
        ["signals"] => signals(""),
        ["family"] => family(),
        ["leftover", place] => leftover(place),
        ["default"] => until_stdin_closes("ready"),
        ["orphans-then-wait", count] => {
            say("ready");
            let _ = nix::unistd::read(std::io::stdin(), &mut [0]);
            orphans(count.parse().unwrap());
            until_stdin_closes("");
        }
        ["count", number] => count_signals(number.parse().unwrap()),
        ["orphans", count] => orphans(count.parse().unwrap()),
        ["write-to-closed-pipe"] => write_to_closed_pipe(),
        ["as-systemd", init, rest @ ..] => systemd::start(init, rest),
        ["names", name] => say(systemd::named(name)),
        ["answer"] => systemd::answer(),
        ["notify"] => {
            systemd::notify();
            until_stdin_closes("told");
        }
        ["run-with-terminal", rest @ ..] => jobs::run_with_terminal(rest),
        ["run-in-background", rest @ ..] => jobs::run_in_background(rest),
        other => {
            say(&format!("the probe does not know {other:?}"));
            return 99;
        }
    }
    0
}

/// Prints a line in one write.
fn say(line: &str) {
    let line = format!("{line}\n");
    let mut rest = line.as_bytes();
    while !rest.is_empty() {
        let Ok(count) = nix::unistd::write(std::io::stdout(), rest) else { return };
        rest = &rest[count..];
    }
}

fn die(number: i32) {
    let _ = crate::setup::no_core();
    let _ = SigSet::empty().thread_set_mask();
    // SAFETY: the default action needs no handler.
    unsafe {
        libc::signal(number, libc::SIG_DFL);
        libc::kill(libc::getpid(), number);
    }
    say("alive");
}

fn checksum<'a>(bytes: impl Iterator<Item = &'a u8>) -> u32 {
    bytes.fold(0, |sum: u32, byte| sum.wrapping_mul(31).wrapping_add(u32::from(*byte)))
}

/// Arguments in short: their number, bytes, and a checksum.
pub fn sizes(args: &[&OsStr]) -> String {
    let bytes: usize = args.iter().map(|arg| arg.len()).sum();
    let sum = checksum(args.iter().flat_map(|arg| arg.as_bytes()));
    format!("{} arguments, {bytes} bytes, checksum {sum:08x}", args.len())
}

/// An environment in short.
pub fn environment(mut entries: Vec<(OsString, OsString)>) -> String {
    // What epitaph finds out about the machine is not what is compared.
    entries.retain(|(name, _)| name != "DOCKER_CONTAINER_ID" && name != "ECS_TASK_ARN");
    entries.sort();
    let sum =
        checksum(entries.iter().flat_map(|(name, value)| name.as_bytes().iter().chain(value.as_bytes())));
    format!("{} variables, checksum {sum:08x}", entries.len())
}

/// Tells each signal that arrives, by its number, until stdin closes.
fn signals(prefix: &str) {
    let all = SigSet::all();
    all.thread_set_mask().unwrap();
    let fd = SignalFd::with_flags(&all, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK).unwrap();
    say(&format!("{prefix}ready {}", std::process::id()));
    loop {
        let stdin = std::io::stdin();
        let mut fds =
            [PollFd::new(fd.as_fd(), PollFlags::POLLIN), PollFd::new(stdin.as_fd(), PollFlags::empty())];
        let _ = poll(&mut fds, PollTimeout::NONE);
        let closed = fds[1].revents().is_some_and(|events| !events.is_empty());
        let mut info = [0_u8; 128];
        // One at a time, in the kernel's order: the lowest number first.
        while nix::unistd::read(&fd, &mut info) == Ok(128) {
            let number = i32::from_ne_bytes(info[..4].try_into().unwrap());
            if number != libc::SIGCHLD {
                say(&format!("{prefix}{number}"));
            }
        }
        if closed {
            return;
        }
    }
}

/// Counts a signal until stdin closes; tells the count whenever no more of it is there.
fn count_signals(counted: i32) {
    let all = SigSet::all();
    all.thread_set_mask().unwrap();
    let fd = SignalFd::with_flags(&all, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK).unwrap();
    let mut count = 0;
    say("ready");
    loop {
        let stdin = std::io::stdin();
        let mut fds =
            [PollFd::new(fd.as_fd(), PollFlags::POLLIN), PollFd::new(stdin.as_fd(), PollFlags::empty())];
        let _ = poll(&mut fds, PollTimeout::NONE);
        if fds[1].revents().is_some_and(|events| !events.is_empty()) {
            return;
        }
        let mut info = [0_u8; 128 * 64];
        let mut last = false;
        while let Ok(length @ 1..) = nix::unistd::read(&fd, &mut info) {
            for info in info[..length].chunks(128) {
                let number = i32::from_ne_bytes(info[..4].try_into().unwrap());
                count += usize::from(number == counted);
                last |= number == 64;
            }
        }
        say(&format!("seen {count}"));
        if last {
            say("last");
        }
    }
}

/// A child in the same process group and one in a group of its own, and what each of the three receives.
fn family() {
    for (name, own_group) in [("child ", false), ("other ", true)] {
        // SAFETY: one thread.
        if unsafe { libc::fork() } == 0 {
            if own_group {
                let _ = nix::unistd::setpgid(nix::unistd::Pid::from_raw(0), nix::unistd::Pid::from_raw(0));
            }
            signals(name);
            return;
        }
    }
    signals("");
    // As the program of a PID 1 its end would be theirs too.
    // SAFETY: no status is asked for.
    unsafe { while libc::wait(std::ptr::null_mut()) > 0 {} }
}

/// Ends, and leaves a child in the same group or in one of its own.
fn leftover(place: &str) {
    SigSet::all().thread_set_mask().unwrap();
    let (read, write) = nix::unistd::pipe().unwrap();
    // SAFETY: one thread.
    if unsafe { libc::fork() } == 0 {
        if place == "elsewhere" {
            let _ = nix::unistd::setpgid(nix::unistd::Pid::from_raw(0), nix::unistd::Pid::from_raw(0));
        }
        drop((read, write));
        signals("");
        return;
    }
    drop(write);
    // Until the child stands where it should.
    let _ = nix::unistd::read(&read, &mut [0]);
}

fn until_stdin_closes(line: &str) {
    say(line);
    let stdin = std::io::stdin();
    loop {
        let mut fds = [PollFd::new(stdin.as_fd(), PollFlags::empty())];
        if poll(&mut fds, PollTimeout::NONE).is_ok_and(|count| count > 0) {
            return;
        }
    }
}

/// Makes `count` orphans that end at once, and waits until the init has none of them left as a zombie.
fn orphans(count: usize) {
    let (read, write) = nix::unistd::pipe().unwrap();
    let (adopted_read, adopted_write) = nix::unistd::pipe().unwrap();
    // SAFETY: one thread, here and in each child.
    unsafe {
        let middle = libc::fork();
        if middle == 0 {
            drop(write);
            let parent = libc::getpid();
            for place in 0..count {
                if libc::fork() == 0 {
                    // All wait for the same moment: the end of the probe's end of the pipe.
                    let _ = nix::unistd::read(&read, &mut [0]);
                    if place == 0 {
                        crate::call::within(crate::call::BOUND, || (libc::getppid() != parent).then_some(()));
                        let _ = nix::unistd::write(&adopted_write, &libc::getppid().to_ne_bytes());
                    }
                    libc::_exit(0);
                }
            }
            libc::_exit(0);
        }
        let mut status = 0;
        libc::waitpid(middle, &mut status, 0);
    }
    drop((read, write, adopted_write));
    let init = nix::unistd::getppid().as_raw();
    let mut adopter = [0; 4];
    let _ = nix::unistd::read(&adopted_read, &mut adopter);
    if i32::from_ne_bytes(adopter) != init {
        return say("go elsewhere");
    }
    let own = std::process::id().to_string();
    let gone = crate::call::within(crate::call::BOUND, || {
        let children = std::fs::read_to_string(format!("/proc/{init}/task/{init}/children")).ok()?;
        children.split_ascii_whitespace().all(|child| child == own).then_some(())
    });
    say(if gone.is_some() { "all reaped" } else { "zombies left" });
}

fn write_to_closed_pipe() {
    let (read, write) = nix::unistd::pipe().unwrap();
    drop(read);
    let written = nix::unistd::write(&write, b"x");
    say(&format!("written: {written:?}"));
}
