//! What the program can do to epitaph as the same user, and what it cannot.

use crate::endpoint::{Endpoint, Fault, Task};
use crate::init::{Form, Launch};
use crate::process::write_program;
use crate::records;
use crate::require::require;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

in_both_forms! {
    frames_that_are_forged_cannot_break_a_line
    a_protected_process_1_cannot_be_looked_into
    what_named_epitaph_names_the_program
}

/// Writes the bytes of a printf(1) format into every pipe that epitaph has open beyond 0, 1 and 2.
fn forge(format: &str) -> String {
    // The pipe of the start may be closed meanwhile; the one of the late identity comes after it.
    let script = r#"trap '' PIPE
        until [ "$done" ]; do
            for fd in /proc/$PPID/fd/*; do
                case ${fd##*/} in 0|1|2) continue;; esac
                case $(readlink $fd) in pipe:*) printf 'FORMAT' 2>/dev/null > $fd && done=1;; esac
            done
        done; echo forged; exit 3"#;
    script.replace("FORMAT", format)
}

/// A frame as printf(1) writes it.
fn frame(kind: u8, content: &str, length: usize) -> String {
    format!("\\{kind:03o}\\{:03o}\\{:03o}{content}", length % 256, length / 256)
}

fn frames_that_are_forged_cannot_break_a_line(form: Form) {
    let endpoint = Endpoint::start(Task::default());
    endpoint.set_fault(Some(Fault::Silent));
    let lie = r#""image":"a lie""#;
    // A line end that would begin a record of its own; the length counts it as one byte.
    let broken = r#""image":"a"}\012{"epitaph":"exit""#;
    let path = r"../../../tmp/elsewhere";
    let journal = tempfile::tempdir().unwrap();
    for (format, is_taken) in [
        (frame(2, lie, lie.len()), true),
        (frame(2, broken, broken.len() - 3), false),
        (frame(5, path, path.len()), false),
        (frame(200, "", 0), false),
    ] {
        let launch = Launch::new(form, ["sh", "-c", &forge(&format)]);
        let launch = launch.env("ECS_CONTAINER_METADATA_URI_V4", endpoint.uri_v4());
        let launch = launch.options(["--identity-timeout=50ms", "--records=json", "--journal"]);
        let ended = launch.options([journal.path()]).run();
        assert_eq!(ended.code, Some(3), "{}", ended.stderr);
        assert!(ended.stdout.contains("forged"), "no pipe was found: {}", ended.stderr);
        // Each line is a record or a diagnostic, or this panics.
        let exit = records::record(&ended.stderr, "exit");
        assert_eq!(exit["image"] == "a lie", is_taken, "{exit}");
        let told = records::diagnostics(&ended.stderr);
        let told = told.iter().filter(|line| line.contains("not from epitaph")).count();
        assert_eq!(told > 0, !is_taken, "{}", ended.stderr);
    }
    let days = std::fs::read_dir(journal.path()).unwrap().flatten();
    assert!(days.flat_map(|day| std::fs::read_dir(day.path()).unwrap()).count() > 0, "it was written");
}

fn a_protected_process_1_cannot_be_looked_into(form: Form) {
    let is_root = nix::unistd::geteuid().is_root().then_some(()).ok_or("the test is not run by root");
    if require("root", is_root).is_none() {
        return;
    }
    let directory = tempfile::tempdir_in("/var/tmp").unwrap();
    std::fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    let epitaph = directory.path().join("epitaph");
    write_program(&epitaph, &std::fs::read(crate::binary::epitaph()).unwrap());
    // As the same user, and without the capability that root has.
    let as_user = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
    let look = "ls /proc/$PPID/fd/ >/dev/null && echo fd; cat /proc/$PPID/environ >/dev/null && echo environ; \
                true </proc/$PPID/mem && echo mem; cat /proc/$PPID/comm";
    for (value, seen) in [("0", "fd\nenviron\nmem\nepitaph\n"), ("1", "epitaph\n")] {
        let launch = Launch::new(form, ["sh", "-c", &format!("exec 2>/dev/null; {look}")]);
        let launch = launch.init(epitaph.to_str().unwrap()).within(as_user).env("EPITAPH_PROTECT", value);
        let ended = launch.run();
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (Some(0), seen),
            "EPITAPH_PROTECT={value}: {}",
            ended.stderr
        );
        assert_eq!(records::kinds(&ended.stderr), ["start", "exit"]);
        // The program itself is as it would be without.
        let own = Launch::new(
            form,
            ["sh", "-c", "ls /proc/self/fd/ >/dev/null && cat /proc/$$/environ >/dev/null"],
        );
        let own = own.init(epitaph.to_str().unwrap()).within(as_user).env("EPITAPH_PROTECT", value);
        assert_eq!(own.run().code, Some(0));
    }
}

fn what_named_epitaph_names_the_program(form: Form) {
    let given = ["sh", "-c", "LISTEN_PID=$$ WATCHDOG_PID=$$ LISTEN_FDS=1 exec \"$@\"", "sh"];
    let tell = ["sh", "-c", "echo $LISTEN_PID $WATCHDOG_PID $LISTEN_FDS $$"];
    let ended = Launch::new(form, tell).within(given).run();
    let words: Vec<&str> = ended.stdout.split_whitespace().collect();
    assert!(words.len() == 4 && words[0] == words[3] && words[1] == words[3], "{words:?}");
    assert_eq!(words[2], "1");
    // What names another stays.
    let ended = Launch::new(form, tell).env("LISTEN_PID", "99999").env("WATCHDOG_PID", "99999").run();
    assert!(ended.stdout.starts_with("99999 99999 "), "{}", ended.stdout);
    // --exec becomes the program that was named.
    let ended = Launch::new(form, tell).within(given).options(["--exec"]).run();
    let words: Vec<&str> = ended.stdout.split_whitespace().collect();
    assert!(words.len() == 4 && words[0] == words[3], "{words:?}");
}
