//! The exit code of the container is the program's, as other inits would give it.

use crate::init::{Form, Launch};
use crate::probe::probe;
use crate::process::write_program;
use crate::records;
use crate::require::require;
use std::path::Path;

in_both_forms! {
    every_exit_code_comes_back
    every_death_by_a_signal_comes_back
    a_program_that_is_not_there_is_127
    a_program_that_cannot_be_executed_is_126
    a_script_without_an_interpreter_line_is_one_of_the_shell
    chosen_codes_become_0
    a_program_name_beyond_all_bounds_is_an_exit_record_too
}

/// Runs `case` for each number, two at a time.
fn for_each(numbers: impl Iterator<Item = i32>, case: impl Fn(i32) + Sync) {
    let numbers: Vec<i32> = numbers.collect();
    std::thread::scope(|scope| {
        for half in numbers.chunks(numbers.len().div_ceil(2)) {
            let case = &case;
            scope.spawn(move || half.iter().for_each(|number| case(*number)));
        }
    });
}

fn every_exit_code_comes_back(form: Form) {
    for_each(0..=255, |code| {
        let ended = Launch::new(form, ["sh", "-c", &format!("exit {code}")]).run();
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
        let exit = records::exit(&ended.stderr);
        assert_eq!(exit["code"], code);
        assert_eq!(exit["verdict"], if code == 0 { "ok" } else { "failed" });
    });
}

/// Those that end a process which does nothing about them: signal(7). 32 and 33 belong to the C library.
fn lethal() -> impl Iterator<Item = i32> {
    let harmless = [
        libc::SIGCHLD,
        libc::SIGCONT,
        libc::SIGSTOP,
        libc::SIGTSTP,
        libc::SIGTTIN,
        libc::SIGTTOU,
        libc::SIGURG,
        libc::SIGWINCH,
    ];
    (1..=64).filter(move |signal| !harmless.contains(signal) && ![32, 33].contains(signal))
}

fn every_death_by_a_signal_comes_back(form: Form) {
    let tini = "/usr/bin/tini";
    let found = Path::new(tini).exists().then_some(()).ok_or("it is not installed (apt-get install tini)");
    let has_tini = require("tini, to compare with", found).is_some();
    for_each(lethal(), |signal| {
        let program = || probe(&["die", &signal.to_string()]);
        let ended = Launch::new(form, program()).run();
        assert_eq!(ended.code, Some(128 + signal), "{}", ended.stderr);
        let exit = records::exit(&ended.stderr);
        assert_eq!(exit["code"], 128 + signal);
        let names_it =
            |name: &str| epitaph::options::Signal::parse(name).is_some_and(|it| it.number() == signal);
        assert!(exit["signal"].as_str().is_some_and(names_it), "{exit}");
        if has_tini {
            assert_eq!(Launch::new(form, program()).init(tini).run().code, ended.code, "as tini");
        }
    });
}

fn assert_not_started(form: Form, program: &[&str], code: i32, error: &str) {
    // A directory in PATH that we may not look into would make "not found" a "permission denied".
    let ended = Launch::new(form, program).env("PATH", "/usr/bin:/bin").run();
    assert_eq!(ended.code, Some(code), "{}", ended.stderr);
    let exit = records::exit(&ended.stderr);
    assert_eq!(exit["code"], code);
    assert_eq!(exit["verdict"], "not_started");
    let why = exit["why"].as_str().unwrap();
    assert!(why.contains(program[0]) && why.contains(error), "{why}");
    assert_eq!(records::diagnostics(&ended.stderr).len(), 1, "one line tells a person: {}", ended.stderr);
}

fn a_program_that_is_not_there_is_127(form: Form) {
    assert_not_started(form, &["no-such-program-anywhere"], 127, "No such file or directory");
    assert_not_started(form, &["/no/such/program"], 127, "No such file or directory");
    assert_not_started(form, &["/etc/passwd/program"], 127, "Not a directory");
}

fn a_program_that_cannot_be_executed_is_126(form: Form) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("data");
    std::fs::write(&file, "not a program\n").unwrap();
    assert_not_started(form, &[file.to_str().unwrap()], 126, "Permission denied");
    assert_not_started(form, &[directory.path().to_str().unwrap()], 126, "Permission denied");
}

fn executable(directory: &Path, text: &str) -> String {
    let file = directory.join("script");
    write_program(&file, text.as_bytes());
    file.to_str().unwrap().to_owned()
}

fn a_script_without_an_interpreter_line_is_one_of_the_shell(form: Form) {
    let directory = tempfile::tempdir().unwrap();
    let script = executable(directory.path(), "echo \"got $1\"; exit 7\n");
    let ended = Launch::new(form, [&script, "this"]).run();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(7), "got this\n"), "{}", ended.stderr);
    let script = executable(directory.path(), "#!/no/such/interpreter\n");
    assert_not_started(form, &[&script], 127, "No such file or directory");
}

fn chosen_codes_become_0(form: Form) {
    for (code, expected) in [(3, 0), (143, 0), (4, 4)] {
        let program = ["sh", "-c", &format!("exit {code}")];
        let ended = Launch::new(form, program).options(["-e", "3", "-e", "143"]).run();
        assert_eq!(ended.code, Some(expected));
        assert_eq!(records::exit(&ended.stderr)["code"], code, "the record tells the program's own");
    }
}

fn a_program_name_beyond_all_bounds_is_an_exit_record_too(form: Form) {
    let ended = Launch::new(form, ["x".repeat(20_000)]).run();
    assert_eq!(ended.code, Some(126), "{}", ended.stderr);
    let exit = records::exit(&ended.stderr);
    assert_eq!(exit["verdict"], "not_started");
    assert!(exit["why"].as_str().unwrap().contains("File name too long"), "{exit}");
    records::record(&ended.stderr, "start");
}
