//! Where options end and the program begins.

use std::ffi::OsStr;
use super::start::NOT_FOUND;
use crate::table::{ALL, CATATONIT, DUMB_INIT, GROUP_INITS, Row, TINI, row};

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
        args("`PROGRAM a -- b`", "", "args a -- b"),
        row(SUBJECT, "`PROGRAM -- a`, as tini's usage shows it", ALL, |init| {
            init.call().words("/bin/echo -- a").run().told()
        }),
        row(SUBJECT, "`PROGRAM -x`", ALL, |init| init.call().words("/bin/echo -n a").run().told())
            .differs(GROUP_INITS, "(exit 1)", "a", SWALLOWED),
        row(SUBJECT, "`PROGRAM --version`", ALL, |init| {
            let done = init.call().words("/bin/echo --version x").run();
            if done.told().starts_with("--version x") { "the program gets it".to_owned() } else { format!("the init takes it ({})", done.end()) }
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
        row(SUBJECT, "An empty argument, blanks, bytes that are no UTF-8", ALL, |init| {
            use std::os::unix::ffi::OsStrExt;
            let odd = OsStr::from_bytes(b"\xff\xfe");
            init.call().probe("size").args([OsStr::new(""), OsStr::new(" a  b "), odd]).run().told()
        }),
        row(SUBJECT, "64 KB of arguments in 1,000 pieces", ALL, |init| {
            let pieces = (0..1000).map(|number| format!("{number:064}"));
            init.call().probe("size").args(pieces).run().told()
        }),
        row(SUBJECT, "One argument of 120 KB", ALL, |init| {
            init.call().probe("size").args(["x".repeat(120_000)]).run().told()
        }),
        row(SUBJECT, "1 MB of environment", ALL, |init| {
            let call = (0..1000)
                .fold(init.call(), |call, number| call.env(&format!("VARIABLE_{number}"), "v".repeat(1000)));
            call.probe("environment").run().told()
        }),
    ]
}
