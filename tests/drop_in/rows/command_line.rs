//! Where options end and the program begins.

use super::start::NOT_FOUND;
use crate::init::Init;
use crate::probe;
use crate::table::{ALL, CATATONIT, DUMB_INIT, GROUP_INITS, Row, TINI, row};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;

const SUBJECT: &str = "Command line";
const SWALLOWED: &str = "What follows PROGRAM belongs to it, as under dumb-init and a tini built with musl; glibc's getopt takes it for the init's.";

pub fn rows() -> Vec<Row> {
    let args = |what: &'static str, before: &'static str, after: &'static str| {
        row(SUBJECT, what, ALL, move |init| init.call().words(before).bare_probe(after).run().told())
    };
    vec![
        args("`-- PROGRAM a b`", "--", "args a b"),
        args("`PROGRAM a b`", "", "args a b"),
        args("`-- PROGRAM -- a`", "--", "args -- a"),
        args("`PROGRAM a -- b`", "", "args a -- b").differs(GROUP_INITS, "[a][b]", "[a][--][b]", SWALLOWED),
        row(SUBJECT, "`PROGRAM -- a`, as tini's usage shows it", ALL, |init| {
            init.call().words("/bin/echo -- a").run().told()
        }),
        row(SUBJECT, "`PROGRAM -x`", ALL, |init| init.call().words("/bin/echo -n a").run().told()).differs(
            GROUP_INITS,
            "(exit 1)",
            "a",
            SWALLOWED,
        ),
        row(SUBJECT, "`PROGRAM --version`", ALL, |init| {
            let done = init.call().words("/bin/echo --version x").run();
            if done.told().starts_with("--version x") {
                "the program gets it".to_owned()
            } else {
                format!("the init takes it ({})", done.end())
            }
        })
        .differs(TINI, "the init takes it (exit 1)", "the program gets it", SWALLOWED)
        .differs(CATATONIT, "the init takes it (exit 0)", "the program gets it", SWALLOWED),
        row(SUBJECT, "`sh -c 'echo a; exit 3'`", ALL, |init| {
            init.call().args(["sh", "-c", "echo a; exit 3"]).run().told()
        })
        .differs(GROUP_INITS, "(exit 1)", "a (exit 3)", SWALLOWED),
        row(SUBJECT, "`-- sh -c 'echo a; exit 3'`", ALL, |init| {
            init.call().args(["--", "sh", "-c", "echo a; exit 3"]).run().told()
        }),
        row(SUBJECT, "`-- -x`: a program of that name", ALL, |init| init.call().words("-- -x").run().end())
            .differs(DUMB_INIT, "exit 2", "exit 127", NOT_FOUND)
            .differs(CATATONIT, "exit 1", "exit 127", NOT_FOUND),
        row(SUBJECT, "`-c`, an option of dumb-init", ALL, |init| {
            init.call().words("-c").probe("exit 7").run().end()
        })
        .differs(GROUP_INITS, "exit 1", "exit 7", "epitaph knows `-c` and `-r` under every name."),
        row(SUBJECT, "`-w`, an option of tini", ALL, |init| {
            init.call().words("-w").probe("exit 7").run().end()
        })
        .differs(DUMB_INIT, "exit 1", "exit 7", "epitaph knows tini's options under every name.")
        .differs(CATATONIT, "exit 1", "exit 7", "epitaph knows tini's options under every name."),
        row(SUBJECT, "An empty argument, blanks, bytes that are no UTF-8", ALL, |init| {
            let odd = OsString::from_vec(vec![0xff, 0xfe]);
            arrives(init, vec!["".into(), " a  b ".into(), odd])
        }),
        row(SUBJECT, "64 KB of arguments in 1,000 pieces", ALL, |init| {
            arrives(init, (0..1000).map(|number| format!("{number:064}").into()).collect())
        }),
        row(SUBJECT, "One argument of 120 KB", ALL, |init| arrives(init, vec!["x".repeat(120_000).into()])),
        row(SUBJECT, "1 MB of environment", ALL, environment_arrives),
    ]
}

/// Whether the program gets these arguments.
fn arrives(init: &Init, args: Vec<OsString>) -> String {
    let words: Vec<&OsStr> = args.iter().map(OsString::as_os_str).collect();
    let told = init.call().probe("size").args(&args).run().told();
    whole(&told, &probe::sizes(&words))
}

fn environment_arrives(init: &Init) -> String {
    let variables = (0..1000).map(|number| (format!("VARIABLE_{number}"), format!("{number:01000}")));
    let call = variables.fold(init.call(), |call, (name, value)| call.env(&name, value));
    let sent = call.environment();
    whole(&call.probe("environment").run().told(), &probe::environment(sent))
}

fn whole(told: &str, sent: &str) -> String {
    if told == sent { "the program gets it whole".to_owned() } else { told.to_owned() }
}
