//! The records are the one thing that is new, and disturb nothing.

use crate::call::{BOUND, Call, within};
use crate::init::Init;
use crate::table::{ALL, Row, row};

const SUBJECT: &str = "Records";

pub fn rows() -> Vec<Row> {
    vec![
        row(SUBJECT, "stdout, with records on", ALL, |init| {
            with(init).args(["--", "echo", "a"]).run().told()
        }),
        row(SUBJECT, "stderr, with records on", ALL, |init| {
            let done = with(init).args(["--", "sh", "-c", "echo a >&2"]).run();
            let lines: Vec<&str> = done.err.lines().collect();
            // A record after something else begins with an empty line: what was before may have ended within
            // a line.
            let all_json = lines.iter().enumerate().all(|(number, line)| match *line {
                "a" => true,
                "" => lines.get(number + 1).is_some_and(|next| next.starts_with("{\"epitaph\":")),
                line => line.starts_with("{\"epitaph\":"),
            });
            let records = lines.iter().filter(|line| line.starts_with("{\"epitaph\":")).count();
            format!("the program's line and {records} records{}", if all_json { "" } else { ", and more" })
        })
        .differs(
            ALL,
            "the program's line and 0 records",
            "the program's line and 2 records",
            "What epitaph is for. `EPITAPH_RECORDS=off` turns them off.",
        ),
        row(SUBJECT, "stderr, with `EPITAPH_RECORDS=off`", ALL, |init| {
            init.call().env("TINI_VERBOSITY", "0").args(["--", "sh", "-c", "echo a >&2"]).run().err
        }),
        row(SUBJECT, "stderr is a full pipe that nobody reads: the program runs and ends", ALL, full_pipe),
        row(SUBJECT, "stderr is a pipe that nobody reads any more", ALL, |init| broken_pipe(init, 2)),
        row(SUBJECT, "stdout is a pipe that nobody reads any more", ALL, |init| broken_pipe(init, 1)),
        row(SUBJECT, "stderr is a full disk (/dev/full)", ALL, |init| {
            with(init).setup(|| crate::setup::open_at(2, c"/dev/full")).probe("exit 7").run().end()
        }),
        row(SUBJECT, "stderr is closed, with records on", ALL, |init| {
            with(init).setup(|| crate::setup::close(2)).probe("exit 7").run().end()
        }),
    ]
}

/// A call with records, and without tini's warning.
fn with(init: &Init) -> Call {
    init.call().env("EPITAPH_RECORDS", "json").env("TINI_VERBOSITY", "0")
}

/// A pipe without room on stderr, and with the other end open.
fn full_pipe(init: &Init) -> String {
    let (read, write) =
        nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC | nix::fcntl::OFlag::O_NONBLOCK).unwrap();
    while nix::unistd::write(&write, &[0; 4096]).is_ok() {}
    nix::fcntl::fcntl(&write, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::empty())).unwrap();
    let end = with(init)
        .with(|command| command.stderr(std::process::Stdio::from(write)))
        .own_stderr()
        .probe("exit 7")
        .run()
        .end();
    drop(read);
    end
}

/// A pipe whose reader has gone: neither the init nor the program is ended by it, unless the program writes.
fn broken_pipe(init: &Init, fd: i32) -> String {
    let call = with(init).setup(move || crate::setup::broken_pipe_at(fd));
    let mut running = call.probe("default").held().start();
    if fd == 2 {
        running.wait_for("ready");
    }
    running.stdin.take();
    let end = within(BOUND, || running.poll());
    end.map_or_else(|| "does not end".to_owned(), crate::call::describe)
}
