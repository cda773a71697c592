//! The program that epitaph runs in these tests, and the one that starts epitaph in a known state.
//!
//! Both are this test binary, called with `--probe`: a function that runs before `main`, so that neither
//! Rust's start-up (which ignores SIGPIPE and opens closed descriptors) nor the threads of the test harness
//! are there. What the program is given can thus be looked at exactly as it arrived.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, OsString, c_char, c_int};
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The first argument that makes this binary a probe.
pub const FLAG: &str = "--probe";

#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn(c_int, *const *const c_char) = before_main;

extern "C" fn before_main(argc: c_int, argv: *const *const c_char) {
    let args = arguments(argc, argv);
    if args.get(1).is_none_or(|first| first.as_bytes() != FLAG.as_bytes()) {
        return;
    }
    let text =
        |place: usize| args.get(place).map(|arg| arg.to_string_lossy().into_owned()).unwrap_or_default();
    let number = |place: usize| text(place).parse().expect("a number");
    match text(2).as_str() {
        "with" => with(&args[3..]),
        "state" => state(Path::new(&text(3))),
        "receive" => receive(number(3), number(4)),
        "receive-locked" => {
            // All that is mapped, read or not: a page that is not there yet is not to be had later.
            // SAFETY: a number only.
            if unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE) } != 0 {
                fail("mlockall");
            }
            receive(number(3), number(4));
        }
        "die" => die(number(3)),
        "ready" => ready(),
        "deaf" => deaf(number(3)),
        "orphans" => {
            orphans(number(3));
            ready();
        }
        "orphans-receive" => {
            orphans(number(3));
            receive(number(4), number(5));
        }
        "storm" => storm(number(3)),
        "linger" => linger(),
        "calls" => calls(number(3)),
        other => fail(&format!("no probe is named {other:?}")),
    }
    exit(0);
}

/// glibc gives a constructor what it gives to `main`; other C libraries give it nothing.
#[cfg(target_env = "gnu")]
fn arguments(argc: c_int, argv: *const *const c_char) -> Vec<CString> {
    // SAFETY: the C runtime passes the `argc` strings of the process.
    let arg = |place| unsafe { CStr::from_ptr(*argv.add(place)).to_owned() };
    (0..usize::try_from(argc).unwrap_or(0)).map(arg).collect()
}

#[cfg(not(target_env = "gnu"))]
fn arguments(_: c_int, _: *const *const c_char) -> Vec<CString> {
    let bytes = std::fs::read("/proc/self/cmdline").unwrap_or_default();
    bytes
        .split_inclusive(|byte| *byte == 0)
        .filter_map(|arg| CString::from_vec_with_nul(arg.to_vec()).ok())
        .collect()
}

/// Makes the system call of this number without arguments, and tells whether there is one.
fn calls(number: c_int) {
    // SAFETY: it is one that a filter refuses.
    unsafe { libc::syscall(libc::c_long::from(number)) };
    let is_missing = std::io::Error::last_os_error().raw_os_error() == Some(libc::ENOSYS);
    say(if is_missing { "ENOSYS\n" } else { "it is there\n" });
}

fn say(text: &str) {
    // SAFETY: the bytes are only read. One write, so that a reader sees whole lines.
    unsafe { libc::write(1, text.as_ptr().cast(), text.len()) };
}

fn fail(why: &str) -> ! {
    let text = format!("probe: {why}\n");
    // SAFETY: the bytes are only read.
    unsafe { libc::write(2, text.as_ptr().cast(), text.len()) };
    exit(99)
}

fn exit(code: c_int) -> ! {
    // SAFETY: ends the process at once; the test harness has not begun.
    unsafe { libc::_exit(code) }
}

fn pause() -> ! {
    loop {
        // SAFETY: only waits.
        unsafe { libc::pause() };
    }
}

/// Has the kernel answer ENOSYS to system calls of higher numbers than `last`, as one does that is older than
/// they are: seccomp(2). What is executed from here on inherits it.
fn know_no_call_above(last: c_int) -> c_int {
    const LOAD_WORD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const JUMP_IF_GREATER: u16 = (libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let instruction = |code, jf, k| libc::sock_filter { code, jt: 0, jf, k };
    let mut program = [
        // `nr` is the first word of struct seccomp_data.
        instruction(LOAD_WORD, 0, 0),
        instruction(JUMP_IF_GREATER, 1, last as u32),
        instruction(RETURN, 0, libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32),
        instruction(RETURN, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: the filter lives as long as the calls.
    unsafe {
        if libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 {
            return -1;
        }
        libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter)
    }
}

/// `with SETTING... -- COMMAND ARG...`: becomes the command in a state that a test wants.
fn with(args: &[CString]) {
    let end = args.iter().position(|arg| arg.as_bytes() == b"--").expect("-- before the command");
    let mut blocked = MaybeUninit::uninit();
    // SAFETY: sigemptyset fills the set; all calls get valid pointers and numbers.
    let mut blocked: libc::sigset_t = unsafe {
        libc::sigemptyset(blocked.as_mut_ptr());
        blocked.assume_init()
    };
    for arg in &args[..end] {
        let text = arg.to_string_lossy();
        let (name, value) = text.split_once('=').expect("NAME=VALUE");
        let number = || value.parse::<c_int>().expect("a number");
        let path = || CString::new(value).expect("a path");
        // SAFETY: as above; nothing else runs in this process.
        let result = unsafe {
            match name {
                "block" => libc::sigaddset(&mut blocked, number()),
                "ignore" => -c_int::from(libc::signal(number(), libc::SIG_IGN) == libc::SIG_ERR),
                "close" => libc::close(number()),
                "umask" => libc::umask(libc::mode_t::from_str_radix(value, 8).expect("octal")) as c_int,
                "directory" => libc::chdir(path().as_ptr()),
                "open" => {
                    let (fd, path) = value.split_once(':').expect("FD:PATH");
                    let path = CString::new(path).expect("a path");
                    libc::dup2(libc::open(path.as_ptr(), libc::O_RDONLY), fd.parse().expect("a number"))
                }
                "files" => {
                    let limit = libc::rlimit { rlim_cur: number() as _, rlim_max: number() as _ };
                    libc::setrlimit(libc::RLIMIT_NOFILE, &limit)
                }
                "pipes" => {
                    crowd_with_pipes(number());
                    0
                }
                // The number of its last system call.
                "kernel" => know_no_call_above(number()),
                "proc" => {
                    let none = std::ptr::null();
                    let flags = libc::MS_BIND | libc::MS_REC;
                    libc::mount(path().as_ptr(), c"/proc".as_ptr(), none, flags, none.cast())
                }
                other => fail(&format!("no setting is named {other:?}")),
            }
        };
        if result < 0 {
            fail(&format!("{text}: {}", std::io::Error::last_os_error()));
        }
    }
    let command = &args[end + 1..];
    let mut pointers: Vec<_> = command.iter().map(|arg| arg.as_ptr()).collect();
    pointers.push(std::ptr::null());
    // SAFETY: the strings live, and the array ends with a null pointer.
    unsafe {
        libc::sigprocmask(libc::SIG_SETMASK, &blocked, std::ptr::null_mut());
        libc::execvp(pointers[0], pointers.as_ptr());
    }
    fail(&format!("{:?}: {}", command[0], std::io::Error::last_os_error()));
}

/// Makes pipes, which the command inherits, and takes it the privilege to make as many as it likes: from some
/// number on the kernel gives smaller ones to others (pipe(7), pipe-user-pages-soft).
fn crowd_with_pipes(count: c_int) {
    const CAP_SYS_ADMIN: c_int = 21;
    const CAP_SYS_RESOURCE: c_int = 24;
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: valid places for the answers, and numbers.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        for _ in 0..count {
            if libc::pipe([0; 2].as_mut_ptr()) < 0 {
                fail(&format!("a pipe: {}", std::io::Error::last_os_error()));
            }
        }
        // Who has not the right to give them up has them not.
        libc::prctl(libc::PR_CAPBSET_DROP, CAP_SYS_ADMIN);
        libc::prctl(libc::PR_CAPBSET_DROP, CAP_SYS_RESOURCE);
    }
}

/// `state FILE`: writes what the process was given as one JSON object.
fn state(file: &Path) {
    let read = |name: &str| std::fs::read(format!("/proc/self/{name}")).unwrap_or_default();
    let list = |name: &str| {
        let bytes = read(name);
        let parts = bytes.split(|byte| *byte == 0).map(|part| part.escape_ascii().to_string());
        parts.collect::<Vec<_>>()
    };
    let status = String::from_utf8_lossy(&read("status")).into_owned();
    let of_status = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"));
        line.unwrap_or("absent").to_owned()
    };
    let mut fds: Vec<(i32, String)> = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd").expect("/proc").flatten() {
        let target = std::fs::read_link(entry.path()).unwrap_or_default().to_string_lossy().into_owned();
        // The descriptor of this very listing.
        if !(target.starts_with("/proc/") && target.ends_with("/fd")) {
            fds.push((entry.file_name().to_string_lossy().parse().expect("a number"), target));
        }
    }
    fds.sort();
    // SAFETY: these calls only tell.
    let (pid, ppid, pgrp, nice) = unsafe {
        (libc::getpid(), libc::getppid(), libc::getpgrp(), libc::getpriority(libc::PRIO_PROCESS, 0))
    };
    let told = serde_json::json!({
        "blocked": of_status("SigBlk"), "ignored": of_status("SigIgn"), "caught": of_status("SigCgt"),
        "pending": of_status("SigPnd"), "no_new_privs": of_status("NoNewPrivs"), "umask": of_status("Umask"),
        "args": list("cmdline"), "environment": list("environ"), "fds": fds,
        "directory": std::env::current_dir().unwrap_or_default(),
        "limits": String::from_utf8_lossy(&read("limits")),
        "oom_score_adj": String::from_utf8_lossy(&read("oom_score_adj")),
        "nice": nice, "pid": pid, "ppid": ppid, "pgrp": pgrp,
    });
    std::fs::write(file, told.to_string()).expect("a place for the state");
}

/// `receive LAST CODE`: says each signal that arrives, and ends with the code after the signal LAST.
fn receive(last: c_int, code: c_int) {
    let mut all = MaybeUninit::uninit();
    // SAFETY: sigfillset fills the set, and the others only read it.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, all.as_ptr(), std::ptr::null_mut());
    }
    say("ready\n");
    loop {
        // SAFETY: the set was filled above.
        let signal = unsafe { libc::sigwaitinfo(all.as_ptr(), std::ptr::null_mut()) };
        if signal > 0 {
            say(&format!("signal {signal}\n"));
        }
        if signal == last {
            exit(code);
        }
    }
}

/// `die N`: ends by the signal N, without leaving a core file.
fn die(signal: c_int) {
    // SAFETY: numbers only, but for the set, which sigfillset fills.
    unsafe {
        libc::prctl(libc::PR_SET_DUMPABLE, 0);
        let mut all = MaybeUninit::uninit();
        libc::sigfillset(all.as_mut_ptr());
        libc::sigprocmask(libc::SIG_UNBLOCK, all.as_ptr(), std::ptr::null_mut());
        libc::signal(signal, libc::SIG_DFL);
        libc::kill(libc::getpid(), signal);
    }
    fail("survived its own signal");
}

/// `ready`: says so, and waits to be ended.
fn ready() {
    say("ready\n");
    pause();
}

/// `deaf N`: ignores the signal N.
fn deaf(signal: c_int) {
    // SAFETY: numbers only.
    unsafe { libc::signal(signal, libc::SIG_IGN) };
    ready();
}

/// `orphans N`: has a child that leaves N ended children of its own behind.
fn orphans(count: c_int) {
    // SAFETY: one thread, and the children do nothing but end.
    unsafe {
        let child = libc::fork();
        if child == 0 {
            for _ in 0..count {
                match libc::fork() {
                    0 => exit(0),
                    -1 => exit(1),
                    _ => {}
                }
            }
            exit(0);
        }
        let mut status = 0;
        if libc::waitpid(child, &mut status, 0) != child || status != 0 {
            fail("not all of the children could be made");
        }
    }
}

/// `storm N`: has N children that leave ended children of their own behind as fast as they can, for five
/// seconds at most; ends with 5 at SIGTERM.
fn storm(children: c_int) {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(5);
    for _ in 0..children {
        // SAFETY: one thread, and the children do nothing but fork and end.
        unsafe {
            if libc::fork() != 0 {
                continue;
            }
            while std::time::Instant::now() < end {
                let between = libc::fork();
                if between == 0 {
                    libc::fork();
                    exit(0);
                }
                libc::waitpid(between, std::ptr::null_mut(), 0);
            }
            exit(0);
        }
    }
    receive(libc::SIGTERM, 5);
}

/// `linger`: ends with 0 and leaves a child that lives until stdin ends.
fn linger() {
    // SAFETY: one thread, and a buffer of one byte.
    unsafe {
        if libc::fork() == 0 {
            let mut byte = 0_u8;
            while libc::read(0, (&raw mut byte).cast(), 1) > 0 {}
            exit(0);
        }
    }
}

/// The command line of a probe.
pub fn probe(words: &[&str]) -> Vec<OsString> {
    let own = std::env::current_exe().expect("the path of the test");
    assert!(!own.as_os_str().as_bytes().ends_with(b" (deleted)"), "the test was rebuilt while it ran");
    let words = words.iter().map(OsString::from);
    [own.into_os_string(), FLAG.into()].into_iter().chain(words).collect()
}

/// A program that says each signal it gets, and ends with 42 after SIGUSR2.
pub fn receiver() -> Vec<OsString> {
    probe(&["receive", &libc::SIGUSR2.to_string(), "42"])
}

/// The same, with all its memory locked: it needs no page more.
pub fn locked_receiver() -> Vec<OsString> {
    probe(&["receive-locked", &libc::SIGUSR2.to_string(), "42"])
}
