//! Command lines and variables that are wrong, and what epitaph says of itself.

use crate::init::{Form, Launch};
use crate::records;

in_both_forms! {
    a_wrong_command_line_is_one_line_and_1
    no_program_is_the_usage_and_1
    a_wrong_variable_is_one_warning_and_its_default
    help_and_version
}

fn a_wrong_command_line_is_one_line_and_1(form: Form) {
    for options in [
        &["-x"][..],
        &["--no-such-option"],
        &["--identity-timeout", "soon"],
        &["--kill-after", "-1s"],
        &["--records", "xml"],
        &["-e", "256"],
        &["-p", "SIGNONE"],
        &["-r", "TERM"],
        &["--exec=1"],
    ] {
        let ended = Launch::new(form, ["echo", "the program ran"]).options(options).run();
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{options:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        assert!(ended.stderr.starts_with("epitaph: "), "{}", ended.stderr);
    }
}

fn no_program_is_the_usage_and_1(form: Form) {
    let ended = Launch::new(form, [] as [&str; 0]).run();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
    assert!(ended.stderr.contains("Usage: epitaph"), "{}", ended.stderr);
}

fn a_wrong_variable_is_one_warning_and_its_default(form: Form) {
    for (name, value) in [
        ("EPITAPH_IDENTITY_TIMEOUT", "soon"),
        ("EPITAPH_KILL_AFTER", "10 parsecs"),
        ("EPITAPH_RECORDS", "xml"),
        ("EPITAPH_EXEC", "perhaps"),
        ("TINI_VERBOSITY", "loud"),
    ] {
        let ended = Launch::new(form, ["sh", "-c", "exit 6"]).env(name, value).run();
        assert_eq!(
            (ended.code, records::kinds(&ended.stderr)),
            (Some(6), vec!["start".into(), "exit".into()])
        );
        let warnings = records::diagnostics(&ended.stderr);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        for part in ["WARN", name, value, "expected"] {
            assert!(warnings[0].contains(part), "{part}: {warnings:?}");
        }
    }
}

fn help_and_version(form: Form) {
    let ended = Launch::new(form, ["true"]).options(["-h"]).run();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert!(ended.stdout.contains("--identity-timeout"), "{}", ended.stdout);
    let ended = Launch::new(form, ["true"]).options(["--version"]).run();
    assert_eq!(ended.stdout, format!("epitaph {}\n", env!("CARGO_PKG_VERSION")));
}
