//! The program that the inits start: this test binary, called with a hidden first argument.
//!
//! It tells on stdout what it was given and what it receives, a line in a single write each, and ends when its
//! stdin is closed, so that nothing is left over when a test fails.

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::SigSet;
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

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
        ["size", ..] => sizes(&words[1..]),
        ["environment"] => environment(),
        ["state", what @ ..] => what.iter().for_each(|what| say(&state(what))),
        ["state-to", path, what @ ..] => {
            let lines: Vec<String> = what.iter().map(|what| state(what)).collect();
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
        ["run-with-terminal", rest @ ..] => run_with_terminal(rest),
        ["run-in-background", rest @ ..] => run_in_background(rest),
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

fn sizes(args: &[&OsStr]) {
    let bytes: usize = args.iter().map(|arg| arg.len()).sum();
    let sum = args
        .iter()
        .flat_map(|arg| arg.as_bytes())
        .fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(*byte)));
    say(&format!("{} arguments, {bytes} bytes, checksum {sum:08x}", args.len()));
}

fn environment() {
    let mut count = 0;
    let mut sum = 0_u32;
    let mut entries: Vec<_> = std::env::vars_os().collect();
    // What epitaph finds out about the machine is not what is compared.
    entries.retain(|(name, _)| name != "DOCKER_CONTAINER_ID" && name != "ECS_TASK_ARN");
    entries.sort();
    for byte in entries.iter().flat_map(|(name, value)| name.as_bytes().iter().chain(value.as_bytes())) {
        count += 1;
        sum = sum.wrapping_mul(31).wrapping_add(u32::from(*byte));
    }
    say(&format!("{count} bytes, checksum {sum:08x}"));
}

fn status(key: &str) -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line.unwrap_or("unknown").trim().to_owned()
}

/// The signals of a mask in /proc, as numbers. 32 and 33 are the C library's own.
fn mask(key: &str) -> String {
    let bits = u64::from_str_radix(&status(key), 16).unwrap_or(0);
    let numbers: Vec<String> = (1..=64).filter(|number| ![32, 33].contains(number)).filter(|number| bits >> (number - 1) & 1 == 1)
        .map(|number: i32| number.to_string())
        .collect();
    if numbers.is_empty() { "none".to_owned() } else { numbers.join(" ") }
}

/// One thing about the process, as the table says it.
fn state(what: &str) -> String {
    // SAFETY: calls without memory of their own, on this process and its parent.
    unsafe {
        let own = libc::getpid();
        let whose = |id: i32, parents: i32| {
            if id == own {
                "its own"
            } else if id == parents {
                "the init's"
            } else {
                "another"
            }
        };
        match what {
            "group" => whose(libc::getpgrp(), libc::getpgid(libc::getppid())).to_owned(),
            "session" => whose(libc::getsid(0), libc::getsid(libc::getppid())).to_owned(),
            "foreground" => match libc::tcgetpgrp(0) {
                -1 => "no terminal".to_owned(),
                group if group == libc::getpgrp() => "in the foreground".to_owned(),
                _ => "in the background".to_owned(),
            },
            "controlling" => match std::fs::File::open("/dev/tty") {
                Ok(_) => "has a controlling terminal".to_owned(),
                Err(_) => "has no controlling terminal".to_owned(),
            },
            "blocked" => mask("SigBlk"),
            "ignored" => mask("SigIgn"),
            "caught" => mask("SigCgt"),
            "directory" => std::env::current_dir().unwrap_or_default().display().to_string(),
            "umask" => format!("{:03o}", libc::umask(0)),
            "nice" => libc::getpriority(libc::PRIO_PROCESS, 0).to_string(),
            "oom" => {
                std::fs::read_to_string("/proc/self/oom_score_adj").unwrap_or_default().trim().to_owned()
            }
            "nofile" => nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE)
                .unwrap()
                .0
                .to_string(),
            "stack" => nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_STACK)
                .unwrap()
                .0
                .to_string(),
            "fds" => {
                let open: Vec<String> = (0..256)
                    .filter(|fd| libc::fcntl(*fd, libc::F_GETFD) >= 0)
                    .map(|fd| fd.to_string())
                    .collect();
                open.join(" ")
            }
            "nonblocking" => {
                let nonblocking =
                    (0..3).filter(|fd| libc::fcntl(*fd, libc::F_GETFL) & libc::O_NONBLOCK != 0).count();
                nonblocking.to_string()
            }
            "dumpable" => libc::prctl(libc::PR_GET_DUMPABLE).to_string(),
            "no_new_privs" => libc::prctl(libc::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0).to_string(),
            "subreaper" => {
                let mut is: libc::c_int = 0;
                libc::prctl(libc::PR_GET_CHILD_SUBREAPER, &raw mut is);
                is.to_string()
            }
            "pdeathsig" => {
                let mut signal: libc::c_int = 0;
                libc::prctl(libc::PR_GET_PDEATHSIG, &raw mut signal);
                signal.to_string()
            }
            "policy" => libc::sched_getscheduler(0).to_string(),
            "threads" => status("Threads"),
            _ => format!("what is {what}?"),
        }
    }
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
        let mut fds = [PollFd::new(fd.as_fd(), PollFlags::POLLIN), PollFd::new(stdin.as_fd(), PollFlags::empty())];
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
                        crate::call::within(Duration::from_secs(20), || (libc::getppid() != parent).then_some(()));
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
    let gone = crate::call::within(Duration::from_secs(20), || {
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

/// Runs a command in its own process group, as a script does, and tells whether the terminal is its own after.
fn run_with_terminal(command: &[&str]) {
    let status = std::process::Command::new(command[0]).args(&command[1..]).status().unwrap();
    let held = nix::unistd::tcgetpgrp(std::io::stdin()).is_ok_and(|group| group == nix::unistd::getpgrp());
    let whose = if held { "given back" } else { "not given back" };
    say(&format!("\nterminal {whose} after {}", crate::call::describe(status)));
}

/// Runs a command as a shell's job in the background, and tells how it got on with the terminal.
fn run_in_background(command: &[&str]) {
    use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
    use std::os::unix::process::CommandExt;
    let job = std::process::Command::new(command[0]).args(&command[1..]).process_group(0).spawn().unwrap();
    let pid = nix::unistd::Pid::from_raw(i32::try_from(job.id()).unwrap());
    let how = match waitpid(pid, Some(WaitPidFlag::WUNTRACED)) {
        Ok(WaitStatus::Exited(_, code)) => format!("exit {code}"),
        Ok(WaitStatus::Stopped(..)) => {
            crate::call::kill(pid.as_raw(), libc::SIGKILL);
            "stopped".to_owned()
        }
        other => format!("{other:?}"),
    };
    let held = nix::unistd::tcgetpgrp(std::io::stdin()).is_ok_and(|group| group == nix::unistd::getpgrp());
    say(&format!("\njob: {how}, {} the terminal", if held { "leaves" } else { "takes" }));
}
