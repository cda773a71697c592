//! What systemd tells the process that it starts, which is the init: whom the variables name, sockets, who
//! says that it is ready. And what the init keeps open that is the program's.
//!
//! `tests/systemd.rs` has systemd itself start the same inits by its units, in a virtual machine.

use crate::call::{BOUND, Call, Running, within};
use crate::init::Init;
use crate::probe::systemd::Inbox;
use crate::setup;
use crate::table::{ALL, CATATONIT, Row, row};
use std::io::Read;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

const SUBJECT: &str = "Started by systemd";
const NOT_ALL: &[&str] = &["tini", "tini-static", "dumb-init"];
const NAMES_THE_PROGRAM: &str = "The variable is for the process that was started, and that it is meant for is the \
                                 program: so a program takes its sockets and talks to its watchdog behind an init.";

pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, theirs) in
        [("LISTEN_PID", NOT_ALL), ("WATCHDOG_PID", ALL), ("LISTEN_PIDFDID", ALL), ("SYSTEMD_EXEC_PID", &[])]
    {
        for as_pid_1 in [false, true] {
            let what = format!(
                "`{name}` names the init{}: whom the program finds in it",
                if as_pid_1 { ", which is PID 1" } else { "" }
            );
            let row = row(SUBJECT, what, ALL, move |init| named(init, name, as_pid_1));
            rows.push(row.only_if(!theirs.is_empty(), |row| {
                row.differs(theirs, "the init", "the program", NAMES_THE_PROGRAM)
            }));
        }
    }
    for name in ["LISTEN_PID", "WATCHDOG_PID"] {
        rows.push(row(SUBJECT, format!("`{name}` names neither"), ALL, move |init| {
            let call = init.call().env(name, "99999").env("LISTEN_FDS", "1");
            call.probe(&format!("names {name}")).run().told()
        }));
    }
    rows.push(row(
        SUBJECT,
        "The other variables: `LISTEN_FDS`, `LISTEN_FDNAMES`, `WATCHDOG_USEC`",
        ALL,
        |init| {
            let call =
                init.call().env("LISTEN_FDS", "2").env("LISTEN_FDNAMES", "a:b").env("WATCHDOG_USEC", "9");
            call.args(["--", "sh", "-c", "echo $LISTEN_FDS $LISTEN_FDNAMES $WATCHDOG_USEC"]).run().told()
        },
    ));
    for as_pid_1 in [false, true] {
        let what = format!(
            "`systemd-socket-activate` starts the init{}, and somebody connects",
            if as_pid_1 { " as PID 1" } else { "" }
        );
        let row = row(SUBJECT, what, ALL, move |init| activated(init, as_pid_1));
        rows.push(row.differs(
            NOT_ALL,
            "the program finds no socket of its own",
            "the program answers",
            NAMES_THE_PROGRAM,
        ));
    }
    rows.push(row(
        SUBJECT,
        "The program says `READY=1`: whom systemd takes for the sender (`NotifyAccess=main` hears the init alone, \
         `all` the program too)",
        ALL,
        notifier,
    ));
    rows.push(row(
        SUBJECT,
        "A descriptor (9) that the init was given, while the program runs",
        ALL,
        |init| kept(init, ""),
    ));
    rows.push(row(SUBJECT, "… with `EPITAPH_CLOSE_FDS=1`", ALL, |init| kept(init, "1")).differs(
        NOT_ALL,
        KEEPS,
        CLOSES,
        "`--close-fds` asks for what catatonit does.",
    ));
    rows.push(row(SUBJECT, "… with `EPITAPH_CLOSE_FDS=0`", CATATONIT, |init| kept(init, "0")).differs(
        CATATONIT,
        CLOSES,
        KEEPS,
        "Who counts on a descriptor that the init holds can have it so.",
    ));
    rows
}

/// The init as systemd starts a process: the variables name it (see `probe::systemd`).
fn started(init: &Init, as_pid_1: bool) -> Call {
    let call = Call::new(&crate::probe::path()).words(crate::probe::MARK).words("as-systemd");
    let call = call.args([&init.path]);
    if as_pid_1 { call.pid_1() } else { call }
}

fn named(init: &Init, name: &str, as_pid_1: bool) -> String {
    if name == "LISTEN_PIDFDID" && !crate::probe::systemd::numbers_are_unique() {
        // Not for want of a package, so it is no error where all is to be there.
        println!("skipped: LISTEN_PIDFDID: before Linux 6.9 the inode of a pidfd is no name of a process");
        return if init.is_epitaph { "the program" } else { "the init" }.to_owned();
    }
    started(init, as_pid_1).probe(&format!("names {name}")).run().told()
}

/// The name of an abstract socket for one call. No port, which another could take, and no path, which has at
/// most 107 bytes (unix(7)) and could be longer below the directory of temporary files.
fn socket_name() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("epitaph-test-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

fn activated(init: &Init, as_pid_1: bool) -> String {
    let tool = Path::new("/usr/bin/systemd-socket-activate");
    if !tool.exists() {
        crate::runner::skip("systemd-socket-activate is not installed (apt-get install systemd)");
        let takes = init.is_epitaph || init.name == "catatonit";
        return if takes { "the program answers" } else { "the program finds no socket of its own" }
            .to_owned();
    }
    let name = socket_name();
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let call = Call::new(tool).args([format!("--listen=@{name}")]);
    let call = call.words("--setenv=EPITAPH_RECORDS=off").args([&init.path]).probe("answer");
    let mut running = if as_pid_1 { call.pid_1() } else { call }.start();
    let connected = within(BOUND, || {
        let connected = UnixStream::connect_addr(&address).ok();
        (connected.is_some() || running.poll().is_some()).then_some(connected)
    });
    let Some(Some(mut connected)) = connected else { panic!("no socket: {}", running.err()) };
    connected.set_read_timeout(Some(BOUND)).unwrap();
    let mut answer = String::new();
    connected.read_to_string(&mut answer).unwrap();
    assert_eq!(running.end(), "exit 0", "{}", running.err());
    answer
}

/// systemd tells by the process ID that the kernel adds to the message.
fn notifier(init: &Init) -> String {
    let name = socket_name();
    let inbox = Inbox::new(&name);
    let mut running = init.call().env("NOTIFY_SOCKET", format!("@{name}")).probe("notify").held().start();
    running.wait_for("told");
    let (text, sender) = inbox.receive();
    assert_eq!(text, "READY=1");
    let status = std::fs::read_to_string(format!("/proc/{sender}/status")).unwrap();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap().trim();
    if sender == running.init {
        "the init".to_owned()
    } else if parent == running.init.to_string() {
        "the program".to_owned()
    } else {
        format!("process {sender}")
    }
}

const KEEPS: &str = "the init has it too";
const CLOSES: &str = "the program alone has it";

/// Who has the descriptor 9 that the init was started with.
fn kept(init: &Init, variable: &str) -> String {
    let call = init.call().env("EPITAPH_CLOSE_FDS", variable).setup(|| setup::open_at(9, c"/dev/null"));
    let mut running = call.probe("default").held().start();
    running.wait_for("ready");
    // The program may be ready before its init has done what it does after the fork.
    Running::wait_for_state(running.init, 'S');
    let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", running.init)).unwrap();
    // A file of the init's own may have the number afterwards.
    let has = |pid: &str| {
        std::fs::read_link(format!("/proc/{pid}/fd/9")).is_ok_and(|file| file == Path::new("/dev/null"))
    };
    assert!(has(children.trim()), "the program has what it was given");
    if has(&running.init.to_string()) { KEEPS } else { CLOSES }.to_owned()
}
