//! What epitaph keeps open that it was given: all, or with `--close-fds` nothing but 0, 1 and 2.

use crate::init::{Form, Launch};
use crate::probe::probe;
use crate::running::wait_for;
use std::path::Path;

in_both_forms! {
    epitaph_lets_go_of_what_the_program_was_given
}

fn epitaph_lets_go_of_what_the_program_was_given(form: Form) {
    let directory = tempfile::tempdir().unwrap();
    let catatonit = directory.path().join("catatonit");
    std::os::unix::fs::symlink(crate::binary::epitaph(), &catatonit).unwrap();
    let epitaph = crate::binary::epitaph().to_str().unwrap();
    for (init, options, variable, is_kept) in [
        (epitaph, &[][..], "", true),
        (epitaph, &["--close-fds"], "", false),
        (epitaph, &[], "1", false),
        (catatonit.to_str().unwrap(), &[], "", false),
        (catatonit.to_str().unwrap(), &[], "0", true),
    ] {
        let launch = Launch::new(form, probe(&["ready"])).with("open=90:/dev/null").options(options);
        let running = launch.init(init).env("EPITAPH_CLOSE_FDS", variable).start().ready();
        let own = running.id();
        let epitaph = if form == Form::PidOne {
            wait_for("epitaph", || crate::running::children(own).first().copied())
        } else {
            own
        };
        let program = wait_for("the program", || crate::running::children(epitaph).first().copied());
        let has = |pid: i32| Path::new(&format!("/proc/{pid}/fd/90")).symlink_metadata().is_ok();
        assert!(has(program), "{init} {options:?} {variable}: the program has what it was given");
        if is_kept {
            assert!(has(epitaph), "{init} {options:?} EPITAPH_CLOSE_FDS={variable}");
        } else {
            // The program may be quicker than the other side of the fork.
            let what = format!("{init} {options:?} EPITAPH_CLOSE_FDS={variable} to close it");
            wait_for(&what, || (!has(epitaph)).then_some(()));
        }
    }
}
