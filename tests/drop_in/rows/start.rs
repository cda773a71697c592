//! How the program is found and started, and what its end becomes.

use crate::init::Init;
use crate::table::{ALL, CATATONIT, DUMB_INIT, Row, TINI, row};
use std::os::unix::fs::PermissionsExt;

const SUBJECT: &str = "Start and exit code";
/// Why 127 and 126.
pub const NOT_FOUND: &str = "127 and 126 as in tini and in shells, so that the code tells what is wrong.";

/// tini's codes under every name.
fn fails(row: Row, told: &str, code: u8) -> Row {
    row.differs(DUMB_INIT, format!("{told}exit 2"), format!("{told}exit {code}"), NOT_FOUND).differs(
        CATATONIT,
        format!("{told}exit 1"),
        format!("{told}exit {code}"),
        NOT_FOUND,
    )
}

pub fn rows() -> Vec<Row> {
    let cannot_start = [
        ("A program that is not in PATH", "no-such-program", 127),
        ("A path that does not exist", "/no/such/program", 127),
        ("A path through a file", "/etc/passwd/x", 127),
        ("A file that is not executable", "/etc/passwd", 126),
        ("A directory", "/etc", 126),
        ("An empty name", "", 127),
    ];
    let mut rows: Vec<Row> = Vec::new();
    for (what, program, code) in cannot_start {
        let about = row(SUBJECT, what, ALL, move |init| init.call().args(["--", program]).run().end());
        let about = fails(about, "", code);
        rows.push(match program {
            "/etc/passwd/x" => about.differs(TINI, "exit 1", "exit 127", NOT_FOUND),
            _ => about,
        });
    }
    rows.extend(found());
    rows.extend(ends());
    rows
}

fn found() -> Vec<Row> {
    vec![
        row(SUBJECT, "A script without `#!`", ALL, |init| {
            script(init, "echo \"$0 $1\" | sed 's,.*/,,'; exit 5\n")
        }),
        fails(
            row(SUBJECT, "A script with a `#!` that does not exist", ALL, |init| {
                script(init, "#!/no/such/shell\n")
            }),
            "",
            127,
        ),
        row(SUBJECT, "An empty executable file", ALL, |init| script(init, "")),
        row(SUBJECT, "A file that is no program (binary rubbish)", ALL, |init| {
            script(init, "\u{7f}ELFrubbish\0\0\0\0")
        })
        .differs(
            ALL,
            "exit 127",
            "exit 126",
            "It calls itself an ELF file, so it is for another machine, or damaged. The originals give it to a shell, \
             which takes its bytes for the name of a command; epitaph says what it is.",
        ),
        row(
            SUBJECT,
            "A program in the second directory of PATH, a file that cannot be executed in the first",
            ALL,
            |init| {
                let call = init.call();
                let (first, second) = (call.dir().join("1"), call.dir().join("2"));
                write(&first.join("tool"), "#!/bin/sh\nexit 1\n", 0o644);
                write(&second.join("tool"), "#!/bin/sh\nexit 6\n", 0o755);
                let path = format!("{}:{}", first.display(), second.display());
                call.env("PATH", path).words("-- tool").run().end()
            },
        ),
        fails(
            row(SUBJECT, "… and none in the second", ALL, |init| {
                let call = init.call();
                let first = call.dir().join("1");
                write(&first.join("tool"), "#!/bin/sh\nexit 1\n", 0o644);
                call.env("PATH", format!("{}:/nowhere", first.display())).words("-- tool").run().end()
            }),
            "",
            126,
        ),
        row(SUBJECT, "A part of PATH that is longer than a path may be", ALL, |init| {
            let path = format!("/{}:/usr/bin:/bin", "x".repeat(5000));
            init.call().env("PATH", path).words("-- true").run().end()
        }),
        row(SUBJECT, "A program in the working directory, PATH with an empty part", ALL, |init| {
            let call = init.call();
            let dir = call.dir().join("work");
            write(&dir.join("tool"), "#!/bin/sh\nexit 6\n", 0o755);
            call.env("PATH", "/nowhere::/nowhere")
                .with(|command| command.current_dir(dir))
                .words("-- tool")
                .run()
                .end()
        }),
        row(SUBJECT, "A relative path", ALL, |init| {
            let call = init.call();
            let dir = call.dir().join("work");
            write(&dir.join("tool"), "#!/bin/sh\nexit 6\n", 0o755);
            call.with(|command| command.current_dir(dir)).words("-- ./tool").run().end()
        }),
        row(SUBJECT, "No PATH at all", ALL, |init| {
            init.call().with(|command| command.env_remove("PATH")).words("-- true").run().end()
        }),
        row(SUBJECT, "A descriptor limit of 8", ALL, |init| {
            let limit = || crate::setup::set_limit(nix::sys::resource::Resource::RLIMIT_NOFILE, 8);
            init.call().setup(limit).probe("exit 7").run().end()
        }),
    ]
}

fn ends() -> Vec<Row> {
    vec![
        row(SUBJECT, "Exit codes 0 to 255", &["tini", "dumb-init", "catatonit"], codes),
        row(SUBJECT, "Deaths by every signal that ends a process", ALL, deaths),
        row(SUBJECT, "Exit code 7, as PID 1", ALL, |init| init.call().pid_1().probe("exit 7").run().end()),
        row(SUBJECT, "Death by SIGKILL, as PID 1", ALL, |init| {
            init.call().pid_1().probe("die 9").run().end()
        }),
        row(SUBJECT, "Death by SIGSEGV, as PID 1", ALL, |init| {
            init.call().pid_1().probe("die 11").run().end()
        }),
    ]
}

fn write(path: &std::path::Path, text: &str, mode: u32) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    // Written by another process: a thread that forks while this one holds the file open for writing would
    // make its execution fail with ETXTBSY.
    let status = std::process::Command::new("sh")
        .args(["-c", "printf '%b' \"$2\" > \"$1\"", "sh"])
        .arg(path)
        .arg(text.replace('\\', "\\\\").replace('\0', "\\0000"))
        .status();
    assert!(status.unwrap().success());
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn script(init: &Init, text: &str) -> String {
    let call = init.call();
    let path = call.dir().join("script");
    write(&path, text, 0o755);
    let done = call.args(["--".into(), path.into_os_string(), "one".into()]).run();
    format!("{} {}", done.out.trim_end(), done.end()).trim().to_owned()
}

fn codes(init: &Init) -> String {
    let changed: Vec<String> = (0..256)
        .filter_map(|code| {
            let end = init.call().args(["--", "sh", "-c", &format!("exit {code}")]).run().end();
            (end != format!("exit {code}")).then(|| format!("{code} becomes {end}"))
        })
        .collect();
    if changed.is_empty() { "all come back".to_owned() } else { changed.join(", ") }
}

fn deaths(init: &Init) -> String {
    let harmless = [
        libc::SIGCHLD,
        libc::SIGCONT,
        libc::SIGSTOP,
        libc::SIGTSTP,
        libc::SIGTTIN,
        libc::SIGTTOU,
        libc::SIGURG,
        libc::SIGWINCH,
        32,
        33,
    ];
    let changed: Vec<String> = (1..=64)
        .filter(|number| !harmless.contains(number))
        .filter_map(|number| {
            let end = init.call().probe(&format!("die {number}")).run().end();
            (end != format!("exit {}", 128 + number)).then(|| format!("{number} becomes {end}"))
        })
        .collect();
    if changed.is_empty() { "128 + the number".to_owned() } else { changed.join(", ") }
}
