//! tini's options and variables.

use crate::init::Init;
use crate::table::{Row, TINI, row};

const SUBJECT: &str = "Options of tini";

pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for options in ["-s", "-g", "-w", "-v", "-vvv", "-sgwv", "-s -g -w -vv", "-sge3"] {
        rows.push(row(SUBJECT, format!("`{options}`: the program runs"), TINI, move |init| {
            init.call().words(options).probe("exit 7").run().end()
        }));
    }
    for (options, code) in [
        ("-e 3", 3),
        ("-e 3", 4),
        ("-e 3 -e 4", 4),
        ("-e3 -e4", 3),
        ("-e 143", 143),
        ("-e 0", 0),
        ("-e 255", 255),
        ("-e 256", 3),
        ("-e -1", 3),
        ("-e x", 3),
        ("-e 3x", 3),
        ("-e ''", 3),
        ("-e 3-5", 4),
        ("-e 3 -e 5", 4),
    ] {
        rows.push(
            row(SUBJECT, format!("`{options}`, and the program ends with {code}"), TINI, move |init| {
                let options = options.split(' ').map(|word| if word == "''" { "" } else { word });
                init.call().args(options).probe(&format!("exit {code}")).run().end()
            })
            .only_if(options == "-e ''", |row| {
                row.differs(
                    TINI,
                    "exit 3",
                    "exit 1",
                    "tini takes an empty code for 0; here it is a usage error.",
                )
            }),
        );
    }
    rows.push(row(SUBJECT, "`-e 143`, and SIGTERM ends the program", TINI, |init| {
        init.call().words("-e 143").probe("die 15").run().end()
    }));
    rows.push(row(SUBJECT, "`-e` at the end of the line", TINI, |init| init.call().words("-e").run().end()));
    for signal in ["SIGKILL", "SIGTERM", "TERM", "15", "SIGRTMIN", "SIGFOO", "0", "99", "''"] {
        rows.push(
            row(SUBJECT, format!("`-p {signal}`"), TINI, move |init| {
                let signal = if signal == "''" { "" } else { signal };
                init.call().args(["-p", signal]).probe("exit 7").run().end()
            })
            .only_if(["TERM", "15", "SIGRTMIN"].contains(&signal), |row| {
                row.differs(
                    TINI,
                    "exit 1",
                    "exit 7",
                    "tini knows names with SIG alone, and no real-time signals.",
                )
            }),
        );
    }
    rows.push(row(SUBJECT, "`-p SIGUSR1`, and the parent dies", TINI, parent_dies));
    rows.push(row(SUBJECT, "`-p SIGUSR1` is not handed on to the program", TINI, |init| {
        init.call().words("-p SIGUSR1").probe("state pdeathsig").run().told()
    }));
    for (what, options, variable) in [
        ("No subreaper and not PID 1", "", None),
        ("`-s`, not PID 1", "-s", None),
        ("`TINI_SUBREAPER=1`", "", Some(("TINI_SUBREAPER", "1"))),
        ("`TINI_SUBREAPER=` (empty)", "", Some(("TINI_SUBREAPER", ""))),
        ("`TINI_SUBREAPER=0`", "", Some(("TINI_SUBREAPER", "0"))),
    ] {
        rows.push(row(SUBJECT, what, TINI, move |init| orphan(init, options, variable)));
    }
    for (what, options, variable) in [
        ("`TINI_VERBOSITY=0`: no warning of a missing subreaper", "", ("TINI_VERBOSITY", "0")),
        ("`TINI_VERBOSITY=1`", "", ("TINI_VERBOSITY", "1")),
        ("`TINI_VERBOSITY=3`", "", ("TINI_VERBOSITY", "3")),
        ("`TINI_VERBOSITY=0 -v`", "-v", ("TINI_VERBOSITY", "0")),
        ("`TINI_VERBOSITY=x`", "", ("TINI_VERBOSITY", "x")),
        ("`TINI_VERBOSITY=` (empty)", "", ("TINI_VERBOSITY", "")),
    ] {
        let about = row(SUBJECT, what, TINI, move |init| {
            let done = init.call().words(options).env(variable.0, variable.1).probe("exit 7").run();
            let says = |word: &str| done.out.contains(word) || done.err.contains(word);
            let warns = if says("[WARN") { "warns" } else { "no warning" };
            format!("{}, {warns}", done.end())
        });
        let why = match (variable.1, options) {
            ("0", "-v") => "In tini the variable beats the option; here an option beats every variable.",
            ("x", _) => "tini takes what is no number for 0; here it is a warning, and the default holds.",
            ("", _) => "tini takes nothing for 0; here an empty variable is one that is not set.",
            _ => "",
        };
        rows.push(
            about.only_if(!why.is_empty(), |row| {
                row.differs(TINI, "exit 7, no warning", "exit 7, warns", why)
            }),
        );
    }
    for value in ["1", "", "0"] {
        rows.push(row(
            SUBJECT,
            format!("`TINI_KILL_PROCESS_GROUP={value}`: who gets SIGUSR1"),
            TINI,
            move |init| super::forwarding::who_gets(init, "", Some(("TINI_KILL_PROCESS_GROUP", value))),
        ));
    }
    for (options, what) in [("-w", "with `-w`"), ("", "without `-w`")] {
        rows.push(row(SUBJECT, format!("An orphan is reaped, {what}"), TINI, move |init| {
            let done = init.call().words(options).words("-s").probe("orphans 1").run();
            let text = format!("{}{}", done.out, done.err);
            format!("{}, {}", done.end(), if text.contains("[WARN") { "warns" } else { "says nothing" })
        }));
    }
    rows.push(
        row(SUBJECT, "Informal messages (`-vvv`) go to", TINI, |init| {
            let done = init.call().words("-svvv").probe("exit 0").run();
            let at =
                |text: &str| text.contains("[INFO") || text.contains("[DEBUG") || text.contains("[TRACE");
            match (at(&done.out), at(&done.err)) {
                (true, false) => "stdout".to_owned(),
                (false, true) => "stderr".to_owned(),
                other => format!("{other:?}"),
            }
        })
        .differs(TINI, "stdout", "stderr", "stdout is the program's, whose reader may parse it."),
    );
    rows
}

fn orphan(init: &Init, options: &str, variable: Option<(&str, &str)>) -> String {
    let call = init.call().words(options);
    let call = variable.into_iter().fold(call, |call, (name, value)| call.env(name, value));
    let done = call.probe("orphans 1").run();
    let warns = if done.err.contains("subreaper") { "warns" } else { "says nothing" };
    format!("orphans: {}; {warns}", done.told())
}

/// A parent that starts the init, waits until the program runs, and is killed.
fn parent_dies(init: &Init) -> String {
    let call = crate::call::Call::new(std::path::Path::new("/bin/sh"));
    let command = format!(
        "{} -s -p SIGUSR1 -- {} {} signals & echo $!; wait",
        init.path.display(),
        crate::probe::path().display(),
        crate::probe::MARK
    );
    let call = call.args(["-c", &format!("exec 3<&0; {}", command.replace(" & ", " <&3 & "))]).held();
    let mut running = call.start();
    running.wait_for("ready");
    running.signal(libc::SIGKILL);
    let got = crate::call::within(crate::call::BOUND, || running.out().contains("\n10\n").then_some(()));
    if got.is_some() { "the program gets it" } else { "the program does not get it" }.to_owned()
}
