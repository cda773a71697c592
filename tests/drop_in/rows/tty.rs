//! The program on a terminal.

use crate::call::{BOUND, Call, Running, within};
use crate::init::Init;
use crate::probe;
use crate::table::{ALL, CATATONIT, DUMB_INIT, GROUP_INITS, Row, row};
use crate::terminal::Terminal;

const SUBJECT: &str = "Terminal";
const SUSPENDED: &str = "the program stops, the init does not; then it goes on";
const LEFT_BLOCKED: &str = "catatonit leaves TSTP blocked in the program.";

pub fn rows() -> Vec<Row> {
    vec![
        row(SUBJECT, "The program's place", ALL, |init| place(init, "", false)),
        row(SUBJECT, "… as PID 1", ALL, |init| place(init, "", true)),
        row(SUBJECT, "… with `-c`", DUMB_INIT, |init| place(init, "-c", false)),
        row(SUBJECT, "… when stdin is no terminal, but there is one", ALL, no_stdin),
        row(SUBJECT, "^C reaches the program", ALL, |init| keys(init, "\x03", false)),
        row(SUBJECT, "^C reaches the program, as PID 1", ALL, |init| keys(init, "\x03", true)),
        row(SUBJECT, "^\\ reaches the program", ALL, |init| keys(init, "\x1c", false)),
        row(SUBJECT, "The window changes its size", ALL, |init| resize(init, false)),
        row(SUBJECT, "The window changes its size, as PID 1", ALL, |init| resize(init, true)),
        row(SUBJECT, "^Z, and SIGCONT to the init", ALL, |init| suspend(init, false)).differs(
            CATATONIT,
            "the program goes on",
            SUSPENDED,
            LEFT_BLOCKED,
        ),
        row(SUBJECT, "^Z, and SIGCONT to the init, as PID 1", ALL, |init| suspend(init, true)).differs(
            CATATONIT,
            "the program goes on",
            SUSPENDED,
            LEFT_BLOCKED,
        ),
        row(SUBJECT, "An interactive shell: ^Z, `fg`, ^C, `exit 7`", ALL, |init| shell(init, false)),
        row(SUBJECT, "An interactive shell, as PID 1", ALL, |init| shell(init, true)),
        row(SUBJECT, "The terminal after the end, for the script that called the init", ALL, given_back)
            .differs(
                GROUP_INITS,
                "not given back after exit 0",
                "given back after exit 0",
                "A script that reads from the terminal after that is not stopped.",
            ),
        row(SUBJECT, "The terminal is hung up", ALL, |init| hung_up(init, false)),
        row(SUBJECT, "The terminal is hung up, as PID 1", ALL, |init| hung_up(init, true)),
        row(SUBJECT, "The init as a job in the background", ALL, |init| background(init, false)).differs(
            GROUP_INITS,
            "exit 7, takes the terminal",
            "exit 7, leaves the terminal",
            "A job that takes the terminal stops the shell that has it.",
        ),
        row(SUBJECT, "… with `stty tostop`, and records on the terminal", ALL, |init| {
            background(init, true)
        })
        .differs(
            GROUP_INITS,
            "who had the terminal is stopped",
            "exit 7, leaves the terminal",
            "A job that takes the terminal stops the shell that has it.",
        ),
        row(
            SUBJECT,
            "^Z from an interactive shell that called the init with `-c`",
            DUMB_INIT,
            called_by_shell,
        ),
    ]
}

fn start(terminal: &Terminal, call: Call, as_pid_1: bool) -> Running {
    let call = terminal.of(call);
    if as_pid_1 { call.pid_1() } else { call }.start()
}

fn place(init: &Init, options: &str, as_pid_1: bool) -> String {
    let terminal = Terminal::open();
    let call = init
        .call()
        .env("TINI_VERBOSITY", "0")
        .words(options)
        .probe("state session group foreground controlling");
    let end = start(&terminal, call, as_pid_1).end();
    told_place(&terminal.seen(), &end)
}

fn told_place(text: &str, end: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('[')).collect();
    match lines.as_slice() {
        [session, group, foreground, controlling] if end == "exit 0" => {
            format!("{session} session, {group} group, {foreground}, {controlling}")
        }
        other => format!("{other:?} ({end})"),
    }
}

fn no_stdin(init: &Init) -> String {
    let terminal = Terminal::open();
    let call = terminal.of(init.call()).setup(|| {
        crate::setup::close(0)?;
        crate::setup::open_at(0, c"/dev/null")
    });
    let end = call.probe("state controlling").start().end();
    let seen = terminal.seen();
    format!("{} ({end})", seen.lines().rfind(|line| !line.starts_with('[')).unwrap_or_default())
}

/// The signals that arrive at the program for keys that are typed.
fn keys(init: &Init, keys: &str, as_pid_1: bool) -> String {
    let terminal = Terminal::open();
    let mut running = start(&terminal, init.call().probe("signals"), as_pid_1);
    terminal.wait_for(&mut running, "ready");
    terminal.type_in(keys);
    arrived(&terminal, &mut running)
}

fn resize(init: &Init, as_pid_1: bool) -> String {
    let terminal = Terminal::open();
    let mut running = start(&terminal, init.call().probe("signals"), as_pid_1);
    terminal.wait_for(&mut running, "ready");
    terminal.resize(50, 132);
    arrived(&terminal, &mut running)
}

/// The signals before the last one, which the test sends.
fn arrived(terminal: &Terminal, running: &mut Running) -> String {
    running.signal(64);
    terminal.wait_for(running, "\n64\n");
    let seen = terminal.seen();
    let after = seen.split_once("ready").map_or("", |(_, after)| after);
    let numbers: Vec<&str> = after.lines().skip(1).filter(|line| *line != "64").collect();
    if numbers.is_empty() {
        "nothing arrives".to_owned()
    } else {
        format!("{} arrives once", numbers.join(" "))
    }
}

/// ^Z while a program reads: it stops, or reads on.
fn suspend(init: &Init, as_pid_1: bool) -> String {
    let terminal = Terminal::open();
    let call = init.call().args(["--", "sh", "-c", "echo ready; exec cat"]);
    let mut running = start(&terminal, call, as_pid_1);
    terminal.wait_for(&mut running, "ready");
    let children = format!("/proc/{0}/task/{0}/children", running.init);
    let child: i32 = std::fs::read_to_string(children).unwrap().trim().parse().unwrap();
    within(BOUND, || {
        let name = std::fs::read_to_string(format!("/proc/{child}/comm")).unwrap_or_default();
        (name.trim() == "cat").then_some(())
    });
    terminal.type_in("\x1a");
    terminal.type_in("hello\n");
    let stopped = within(BOUND, || {
        if terminal.seen().contains("hello") {
            return Some(false);
        }
        (Running::state(child) == 'T').then_some(true)
    });
    if stopped != Some(true) {
        return "the program goes on".to_owned();
    }
    let init_stops = Running::state(running.init) == 'T';
    running.signal(libc::SIGCONT);
    let goes_on = terminal.shows(&mut running, "hello");
    format!(
        "the program stops, the init {}; then {}",
        if init_stops { "too" } else { "does not" },
        if goes_on { "it goes on" } else { "it stays stopped" }
    )
}

/// Job control in a shell that is the program.
fn shell(init: &Init, as_pid_1: bool) -> String {
    let terminal = Terminal::open();
    let call = init.call().env("PS1", "prompt> ").env("TINI_VERBOSITY", "0").args(["--", "sh", "-i"]);
    let mut running = start(&terminal, call, as_pid_1);
    terminal.wait_for(&mut running, "prompt> ");
    if terminal.seen().contains("job control turned off") {
        return "no job control".to_owned();
    }
    let shell = terminal.foreground();
    let job_in_front =
        |terminal: &Terminal| within(BOUND, || (![shell, 0].contains(&terminal.foreground())).then_some(()));
    terminal.type_in("sleep 1000\n");
    if job_in_front(&terminal).is_none() {
        return format!("no job in the foreground: {:?}", terminal.seen());
    }
    terminal.type_in("\x1a");
    terminal.wait_for(&mut running, "Stopped");
    terminal.type_in("fg\n");
    if job_in_front(&terminal).is_none() {
        return "fg does nothing".to_owned();
    }
    terminal.type_in("\x03");
    if within(BOUND, || (terminal.foreground() == shell).then_some(())).is_none() {
        return "^C does nothing".to_owned();
    }
    terminal.type_in("echo code $?\n");
    terminal.wait_for(&mut running, "code 130");
    terminal.type_in("exit 7\n");
    format!("works, {}", running.end())
}

fn given_back(init: &Init) -> String {
    let terminal = Terminal::open();
    let call =
        Call::new(&probe::path()).args([probe::MARK, "run-with-terminal"]).args([init.path.as_os_str()]);
    let mut running = start(&terminal, call.words("-- true"), false);
    running.end();
    let seen = terminal.seen();
    seen.lines().find_map(|line| line.strip_prefix("terminal ")).unwrap_or(&seen).to_owned()
}

fn hung_up(init: &Init, as_pid_1: bool) -> String {
    let terminal = Terminal::open();
    let call = init.call().args(["--", "sh", "-c", "echo ready; exec sleep 1000"]);
    let mut running = start(&terminal, call, as_pid_1);
    terminal.wait_for(&mut running, "ready");
    drop(terminal);
    running.end()
}

/// A job in the background neither stops nor takes the terminal from the shell.
fn background(init: &Init, stops_writers: bool) -> String {
    let terminal = Terminal::open();
    if stops_writers {
        terminal.stop_background_writers();
    }
    let call =
        Call::new(&probe::path()).args([probe::MARK, "run-in-background"]).args([init.path.as_os_str()]);
    let call = call.env("EPITAPH_RECORDS", if stops_writers { "json" } else { "off" });
    let mut running = start(&terminal, call.words("-- sh -c").args(["exit 7"]), false);
    running.end();
    let seen = terminal.seen();
    let told = seen.lines().find_map(|line| line.strip_prefix("job: "));
    told.unwrap_or("who had the terminal is stopped").to_owned()
}

fn called_by_shell(init: &Init) -> String {
    let terminal = Terminal::open();
    let call = Call::new(std::path::Path::new("/bin/sh"))
        .env("PS1", "prompt> ")
        .env("TINI_VERBOSITY", "0")
        .words("-i");
    let mut running = start(&terminal, call, false);
    terminal.wait_for(&mut running, "prompt> ");
    let shell = terminal.foreground();
    terminal.type_in(&format!("{} -c sh -c 'echo r''eady; exec sleep 1000'\n", init.path.display()));
    terminal.wait_for(&mut running, "ready");
    terminal.type_in("\x1a");
    let stopped = terminal.shows(&mut running, "Stopped");
    let group = terminal.foreground();
    if !stopped {
        // What hangs there ends with the terminal, but not the init: it may be the one that does not listen.
        let _ = (group != shell && group > 1).then(|| crate::call::kill(group, libc::SIGKILL));
        return "the shell waits".to_owned();
    }
    terminal.type_in("fg\n");
    within(BOUND, || (terminal.foreground() != shell).then_some(()));
    terminal.type_in("\x03");
    within(BOUND, || (terminal.foreground() == shell).then_some(()));
    terminal.type_in("echo code $?; exit\n");
    terminal.wait_for(&mut running, "code ");
    running.end();
    let code =
        terminal.seen().split_once("code ").map(|(_, rest)| rest.lines().next().unwrap_or("").to_owned());
    format!("gives the prompt back; then `fg` and ^C: {}", code.unwrap_or_default())
}
