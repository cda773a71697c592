//! dumb-init's options, variables and habits.

use crate::call::{BOUND, Running, within};
use crate::init::Init;
use crate::table::{DUMB_INIT, Row, row};

const SUBJECT: &str = "Options and habits of dumb-init";

pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for options in [
        "-v",
        "--verbose",
        "-c",
        "--single-child",
        "-cv",
        "-r 15:3",
        "-r15:3",
        "--rewrite=15:3",
        "--rewrite 15:3",
        "-cvr 15:3",
    ] {
        rows.push(
            row(SUBJECT, format!("`{options}`: the program runs"), DUMB_INIT, move |init| {
                init.call().words(options).probe("exit 7").run().end()
            })
            .only_if(options == "--verbose", |row| {
                row.own("exit 1", "By its own name epitaph has tini's `-v`.")
            }),
        );
    }
    for options in ["--verb", "--single", "--rew 15:3", "--rew=15:3", "--s", "--ver", "--records"] {
        let about = row(SUBJECT, format!("`{options}`: accepted?"), DUMB_INIT, move |init| {
            init.call().words(options).probe("exit 7").run().end()
        });
        rows.push(match options {
            "--verb" | "--single" | "--rew 15:3" | "--rew=15:3" | "--s" => {
                about.own("exit 1", "By its own name epitaph wants long options whole.")
            }
            _ => about,
        });
    }
    rows.push(
        row(SUBJECT, "Neither PID 1 nor a subreaper: what it says of that", DUMB_INIT, |init| {
            let err = init.call().probe("exit 0").run().err;
            if err.is_empty() { "nothing".to_owned() } else { "a warning".to_owned() }
        })
        .own("a warning", "By its own name epitaph warns as tini does."),
    );
    for options in ["", "-r 15:10", "-r 15:0"] {
        let with = if options.is_empty() { String::new() } else { format!(", with `{options}`") };
        rows.push(
            row(
                SUBJECT,
                format!("What the rest of the session gets at the end{with}"),
                DUMB_INIT,
                move |init| at_the_end(init, options),
            )
            .own(
                "nothing",
                "By its own name epitaph has tini's habits: the kernel alone ends the rest, with PID 1.",
            ),
        );
    }
    for (options, number) in [
        ("-r 15:3", 15),
        ("-r 15:3", 10),
        ("-r 15:0", 15),
        ("-r 15:3 -r 3:15", 3),
        ("-r 15:3 -r 15:10", 15),
        ("-r 10:15", 10),
        ("-r 34:10", 34),
        ("-r 10:34", 10),
        ("-r 17:10", 17),
        ("-r 20:15", 20),
        ("-r 20:20", 20),
    ] {
        let what = format!("`{options}`, and signal {number} arrives");
        let about = row(SUBJECT, what, DUMB_INIT, move |init| received(init, options, number));
        rows.push(match (options, number) {
            ("-r 34:10", _) => about.differs(DUMB_INIT, "exit 1", "10", "dumb-init rewrites 1 to 31 alone."),
            ("-r 10:34", _) => about.differs(DUMB_INIT, "exit 1", "34", "dumb-init rewrites 1 to 31 alone."),
            (_, 20) => {
                let own = if options == "-r 20:20" { "20" } else { "15" };
                about.own(own, "By its own name epitaph does not suspend itself, so there is no SIGCONT.")
            }
            _ => about,
        });
    }
    for options in [
        "-r TERM:QUIT",
        "-r SIGTERM:SIGQUIT",
        "-r TERM:0",
        "-r 15",
        "-r 15:",
        "-r :3",
        "-r 0:3",
        "-r 99:3",
        "-r 15:99",
        "-r x:y",
        "-r -1:3",
        "-r 15:3x",
    ] {
        let about = row(SUBJECT, format!("`{options}`: accepted?"), DUMB_INIT, move |init| {
            init.call().words(options).probe("exit 7").run().end()
        });
        rows.push(match options {
            "-r TERM:QUIT" | "-r SIGTERM:SIGQUIT" | "-r TERM:0" => {
                about.differs(DUMB_INIT, "exit 1", "exit 7", "dumb-init knows numbers alone.")
            }
            "-r 15:3x" => about.differs(
                DUMB_INIT,
                "exit 7",
                "exit 1",
                "dumb-init ignores what follows the number; here it is a usage error.",
            ),
            _ => about,
        });
    }
    for (what, options, variable) in [
        ("The program's session and group", "", None),
        ("… with `-c`", "-c", None),
        ("… with `DUMB_INIT_SETSID=0`", "", Some(("DUMB_INIT_SETSID", "0"))),
        ("… with `DUMB_INIT_SETSID=1`", "", Some(("DUMB_INIT_SETSID", "1"))),
        ("… with `DUMB_INIT_SETSID=x`", "", Some(("DUMB_INIT_SETSID", "x"))),
        ("… with `DUMB_INIT_SETSID=` (empty)", "", Some(("DUMB_INIT_SETSID", ""))),
    ] {
        let about = row(SUBJECT, what, DUMB_INIT, move |init| {
            let call = init.call().words(options);
            let call = variable.into_iter().fold(call, |call, (name, value)| call.env(name, value));
            let told = call.probe("state session group").run().told();
            told.replacen(", ", " session, ", 1) + " group"
        });
        let own = if options == "-c" {
            about
        } else {
            about.own("the init's session, its own group", "By its own name epitaph has tini's habits.")
        };
        rows.push(own);
    }
    for (what, options, variable) in [
        ("Who gets SIGUSR1", "", None),
        ("… with `-c`", "-c", None),
        ("… with `DUMB_INIT_SETSID=0`", "", Some(("DUMB_INIT_SETSID", "0"))),
    ] {
        let about =
            row(SUBJECT, what, DUMB_INIT, move |init| super::forwarding::who_gets(init, options, variable));
        rows.push(if options.is_empty() && variable.is_none() {
            about
                .own("the program", "By its own name epitaph has tini's habits; `-g` is what dumb-init does.")
        } else {
            about
        });
    }
    for (what, options, variable) in [
        ("Debugging output: none without an option", "", None),
        ("Debugging output with `-v` goes to", "-v", None),
        ("Debugging output with `DUMB_INIT_DEBUG=1` goes to", "", Some(("DUMB_INIT_DEBUG", "1"))),
        ("Debugging output with `DUMB_INIT_DEBUG=0`", "", Some(("DUMB_INIT_DEBUG", "0"))),
    ] {
        rows.push(
            row(SUBJECT, what, DUMB_INIT, move |init| {
                let call = init.call().words(options).env("TINI_SUBREAPER", "");
                let call = variable.into_iter().fold(call, |call, (name, value)| call.env(name, value));
                let done = call.probe("exit 0").run();
                match (
                    done.out.is_empty(),
                    done.err.contains("child") || done.err.contains("started") || done.err.contains("DEBUG"),
                ) {
                    (true, false) => "nothing".to_owned(),
                    (true, true) => "stderr".to_owned(),
                    _ => "stdout".to_owned(),
                }
            })
            .only_if(variable.is_some_and(|(_, value)| value == "1"), |row| {
                row.own("nothing", "The variables of dumb-init count when it is called so.")
            }),
        );
    }
    for (name, number) in [("SIGTSTP", libc::SIGTSTP), ("SIGTTIN", libc::SIGTTIN), ("SIGTTOU", libc::SIGTTOU)]
    {
        rows.push(
            row(SUBJECT, format!("{name} suspends, SIGCONT resumes"), DUMB_INIT, move |init| {
                suspend(init, "", number, false)
            })
            .own(
                "program runs, init runs; after SIGCONT: program runs, init runs",
                "By its own name epitaph passes the signal on, as tini does.",
            ),
        );
        rows.push(
            row(SUBJECT, format!("{name}, as PID 1"), DUMB_INIT, move |init| suspend(init, "", number, true))
                .own("program runs, init runs; after SIGCONT: program runs, init runs", "The same."),
        );
        rows.push(row(SUBJECT, format!("{name} with `-c`"), DUMB_INIT, move |init| {
            suspend(init, "-c", number, false)
        }));
    }
    rows
}

/// What the program receives when the signal arrives at the init.
pub fn received(init: &Init, options: &str, number: i32) -> String {
    let mut running = init.call().words(options).probe("signals").held().start();
    within(BOUND, || (running.out().contains("ready") || running.poll().is_some()).then_some(()));
    if running.poll().is_some() {
        return running.end();
    }
    let child = child(&running);
    running.signal(number);
    // All inits take the lowest number first, so what is sent before the last signal arrives before it.
    running.signal(64);
    let told = within(BOUND, || {
        // The init has suspended itself. SIGCONT takes away a stop signal that the program has not seen yet.
        let told = running.out().lines().count() > 1;
        if Running::state(running.init) == 'T' && (told || Running::state(child) == 'T') {
            running.signal(libc::SIGCONT);
        }
        running.out().contains("\n64\n").then(|| running.out())
    });
    let told = told.unwrap_or_else(|| "no answer".to_owned());
    let numbers: Vec<&str> = told.lines().skip(1).filter(|line| *line != "64").collect();
    if numbers.is_empty() { "nothing".to_owned() } else { numbers.join(" ") }
}

/// The process ID of the program.
fn child(running: &Running) -> i32 {
    let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", running.init)).unwrap();
    children.trim().parse().unwrap()
}

/// The states of program and init after a stop signal and after SIGCONT.
fn suspend(init: &Init, options: &str, number: i32, as_pid_1: bool) -> String {
    let call = init.call().words(options).probe("signals").held();
    let mut running = if as_pid_1 { call.pid_1() } else { call }.start();
    running.wait_for("ready");
    let child = child(&running);
    let states = |running: &Running| {
        let word = |pid| if Running::state(pid) == 'T' { "stops" } else { "runs" };
        format!("program {}, init {}", word(child), word(running.init))
    };
    running.signal(number);
    // Either it suspends both, or the program tells that it has received the signal.
    within(BOUND, || {
        let received = running.out().contains(&format!("\n{number}\n"));
        let both = Running::state(running.init) == 'T' && Running::state(child) == 'T';
        let as_1 = as_pid_1 && Running::state(child) == 'T' && Running::state(running.init) == 'S';
        (received || both || as_1).then_some(())
    });
    if !running.out().contains(&format!("\n{number}\n")) {
        // The group is stopped first, and the init after that.
        if !as_pid_1 {
            Running::wait_for_state(running.init, 'T');
        }
    } else {
        // Suspending itself comes after forwarding; another signal tells that it is past that, or it has
        // stopped.
        running.signal(64);
        within(BOUND, || {
            (running.out().contains("\n64\n") || Running::state(running.init) == 'T').then_some(())
        });
    }
    let before = states(&running);
    running.signal(libc::SIGCONT);
    within(BOUND, || running.out().contains("\n18\n").then_some(()));
    format!("{before}; after SIGCONT: {}", states(&running))
}

/// A process that is left when the program ends, and the signal that it gets.
fn at_the_end(init: &Init, options: &str) -> String {
    let call = init.call();
    let told = call.dir().join("told");
    let script = "(trap 'echo 15 >told; exit' TERM; trap 'echo 10 >told; exit' USR1; : >ready; \
                  while [ ! -e over ]; do sleep 0.02; done; echo nothing >told) & \
                  while [ ! -e ready ]; do sleep 0.02; done";
    let dir = call.dir().to_owned();
    let mut running = call
        .words(options)
        .args(["--", "sh", "-c", script])
        .with(|command| command.current_dir(&dir))
        .start();
    assert!(running.wait(BOUND).is_some(), "the init does not end");
    // What was sent, was sent before the init ended; the shell sees it before it sees the file.
    std::fs::write(dir.join("over"), "").unwrap();
    within(BOUND, || std::fs::read_to_string(&told).ok().filter(|text| text.ends_with('\n')))
        .map_or_else(|| "?".to_owned(), |text| text.trim().to_owned())
}
