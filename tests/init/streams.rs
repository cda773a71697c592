//! A stderr that is closed, full, or read by nobody is no reason to hang, to die or to change the exit code.

use crate::init::{Form, Launch};
use crate::probe::{probe, receiver};
use crate::records;
use crate::running::Capture;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

in_both_forms! {
    a_closed_stderr_loses_the_records_and_nothing_else
    all_three_closed
    a_full_stderr_hangs_nobody
    records_outlast_a_full_stderr_and_a_storm_of_diagnostics
    a_stderr_without_a_reader_harms_nobody
    nor_does_one_with_much_to_say
    a_stderr_that_is_a_file_is_appended_to
}

/// A pipe: the end to read and the end to write.
fn pipe() -> (OwnedFd, OwnedFd) {
    nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).unwrap()
}

/// A pipe with no room left, and how many bytes fill it.
fn full_pipe() -> (OwnedFd, OwnedFd, usize) {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    let (read, write) = pipe();
    fcntl(&write, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    let mut filled = 0;
    for size in [4096, 1] {
        while let Ok(count) = nix::unistd::write(&write, &vec![b'#'; size]) {
            filled += count;
        }
    }
    // The flag belongs to the open file, and a program's stderr has it not.
    fcntl(&write, FcntlArg::F_SETFL(OFlag::empty())).unwrap();
    (read, write, filled)
}

fn a_closed_stderr_loses_the_records_and_nothing_else(form: Form) {
    let ended = Launch::new(form, ["sh", "-c", "echo alive; exit 3"]).with("close=2").run();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(3), "alive\n"));
    assert_eq!(ended.stderr, "");
}

fn all_three_closed(form: Form) {
    let launch = Launch::new(form, ["sh", "-c", "exit 3"]);
    let ended = launch.with("close=0").with("close=1").with("close=2").run();
    assert_eq!(ended.code, Some(3));
}

fn a_full_stderr_hangs_nobody(form: Form) {
    let (read, write, filled) = full_pipe();
    let began = Instant::now();
    let launch = Launch::new(form, ["sh", "-c", "echo alive; exit 3"]).stderr(write);
    let ended = launch.run();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(3), "alive\n"));
    // 100 ms for the start record, twice 250 ms for what is left at the end.
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let drained = Capture::of(Some(File::from(read))).to_the_end();
    assert_eq!(drained.len(), filled, "nothing was squeezed in: {:?}", drained.trim_start_matches('#'));
}

fn records_outlast_a_full_stderr_and_a_storm_of_diagnostics(form: Form) {
    let (read, write, filled) = full_pipe();
    // With -w each orphan is a line: more than are kept for a stderr that has no room. Records take their
    // place.
    let launch = Launch::new(form, probe(&["orphans-receive", "50", &libc::SIGUSR2.to_string(), "42"]))
        .options(["-w"])
        .stderr(write);
    let running = launch.start().ready();
    running.program();
    running.signal(libc::SIGTERM);
    // The record of it was due before it was sent on.
    running.stdout.wait_for(&format!("signal {}\n", libc::SIGTERM));
    let stderr = Capture::of(Some(File::from(read)));
    stderr.wait_for("\"epitaph\":\"start\"");
    running.signal(libc::SIGUSR2);
    let ended = running.finish();
    assert_eq!(ended.code, Some(42));
    let text = stderr.to_the_end();
    let text = &text[filled..];
    assert_eq!(records::story(text), ["start", "stop", "exit"], "{text}");
    assert_eq!(records::exit(text)["records_lost"], 0);
}

fn a_stderr_without_a_reader_harms_nobody(form: Form) {
    let (read, write) = pipe();
    drop(read);
    let running = Launch::new(form, receiver()).stderr(write).start().ready();
    running.signal(libc::SIGTERM);
    running.stdout.wait_for(&format!("signal {}\n", libc::SIGTERM));
    running.signal(libc::SIGUSR2);
    let ended = running.finish();
    // Above all no SIGPIPE, which is epitaph's own affair.
    let expected = format!("ready\nsignal {}\nsignal {}\n", libc::SIGTERM, libc::SIGUSR2);
    assert_eq!((ended.code, ended.stdout), (Some(42), expected));
}

/// What is said of our own SIGPIPE would bring the next one about, and its number is lower than SIGCHLD's.
fn nor_does_one_with_much_to_say(form: Form) {
    let (read, write) = pipe();
    drop(read);
    let ended = Launch::new(form, ["sh", "-c", "sleep 0.1; exit 7"]).options(["-vvv"]).stderr(write).run();
    assert_eq!(ended.code, Some(7));
}

fn a_stderr_that_is_a_file_is_appended_to(form: Form) {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"[before]\n").unwrap();
    let copy: OwnedFd = file.as_fd().try_clone_to_owned().unwrap();
    let ended = Launch::new(form, ["sh", "-c", "echo '[the program]' >&2; exit 3"]).stderr(copy).run();
    assert_eq!(ended.code, Some(3));
    let mut text = String::new();
    std::io::Seek::rewind(&mut file).unwrap();
    std::io::Read::read_to_string(&mut file, &mut text).unwrap();
    assert_eq!(records::kinds(&text), ["start", "exit"]);
    assert_eq!(records::diagnostics(&text), ["[before]", "[the program]"]);
}
