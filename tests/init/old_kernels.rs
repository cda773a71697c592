//! The main cases on kernels that know none of the newer system calls: 3.10, the oldest one that containers
//! ran on, and 4.14, that of Amazon Linux 2. A filter answers ENOSYS as they do. (What they do differently in
//! a call that they have, it cannot show.)

use crate::endpoint::{Endpoint, Task};
use crate::identity::{TELL, VARIABLE, assert_told};
use crate::init::{Form, Launch};
use crate::probe::{probe, receiver};
use crate::records;
use crate::running::{children, wait_for};

in_both_forms! {
    the_filter_refuses_what_is_newer
    exit_codes_and_records
    signals_are_forwarded
    deaths_by_signals
    orphans_are_reaped
    the_identity_of_the_endpoint
    a_journal
    kill_after
    a_program_that_is_not_there
}

/// The names, and the numbers of the last system calls: arch/x86/entry/syscalls/syscall_64.tbl (in 3.10
/// arch/x86/syscalls), finit_module and statx; the same in include/uapi/asm-generic/unistd.h.
#[cfg(target_arch = "x86_64")]
const KERNELS: [(&str, i32); 2] = [("3.10", 313), ("4.14", 332)];
#[cfg(not(target_arch = "x86_64"))]
const KERNELS: [(&str, i32); 2] = [("3.10", 273), ("4.14", 291)];

fn on(last: i32, form: Form, program: impl IntoIterator<Item = impl AsRef<std::ffi::OsStr>>) -> Launch {
    Launch::new(form, program).with(format!("kernel={last}"))
}

fn the_filter_refuses_what_is_newer(form: Form) {
    for (kernel, last) in KERNELS {
        let ended = on(last, form, ["grep", "^Seccomp:", "/proc/self/status"]).run();
        assert_eq!(ended.stdout.trim_end(), "Seccomp:\t2", "{kernel}: {}", ended.stderr);
        let missing = probe(&["calls", &(last + 1).to_string()]);
        assert_eq!(on(last, form, missing).run().stdout, "ENOSYS\n", "{kernel}");
    }
}

fn exit_codes_and_records(form: Form) {
    for (kernel, last) in KERNELS {
        for code in [0, 3, 255] {
            let ended = on(last, form, ["sh", "-c", &format!("exit {code}")]).run();
            assert_eq!(ended.code, Some(code), "{kernel}: {}", ended.stderr);
            assert_eq!(records::kinds(&ended.stderr), ["start", "exit"], "{kernel}");
            assert_eq!(records::diagnostics(&ended.stderr), Vec::<&str>::new(), "{kernel}");
            assert_eq!(records::exit(&ended.stderr)["records_lost"], 0, "{kernel}");
        }
    }
}

fn signals_are_forwarded(form: Form) {
    for (kernel, last) in KERNELS {
        let running = on(last, form, receiver()).start().ready();
        for signal in [libc::SIGTERM, libc::SIGHUP, 34, 64] {
            running.signal(signal);
            running.stdout.wait_for(&format!("signal {signal}\n"));
        }
        running.signal(libc::SIGUSR2);
        let ended = running.finish();
        assert_eq!(ended.code, Some(42), "{kernel}: {}", ended.stderr);
        assert_eq!(records::exit(&ended.stderr)["stop_signal"], "SIGTERM", "{kernel}");
    }
}

fn deaths_by_signals(form: Form) {
    for (kernel, last) in KERNELS {
        let ended = on(last, form, ["sh", "-c", "kill -s KILL $$"]).run();
        assert_eq!(ended.code, Some(137), "{kernel}: {}", ended.stderr);
        assert_eq!(records::exit(&ended.stderr)["signal"], "SIGKILL", "{kernel}");
    }
}

fn orphans_are_reaped(form: Form) {
    for (kernel, last) in KERNELS {
        let running = on(last, form, probe(&["orphans", "50"])).start().ready();
        // Whoever is not reaped when the program ends is left.
        let init = running.pid();
        wait_for("the orphans to be reaped", || (children(init).len() == 1).then_some(()));
        running.signal(libc::SIGTERM);
        let ended = running.finish();
        assert_eq!(ended.code, Some(143), "{kernel}: {}", ended.stderr);
        assert_eq!(records::exit(&ended.stderr)["reaped"], 50, "{kernel}");
    }
}

fn the_identity_of_the_endpoint(form: Form) {
    for (_, last) in KERNELS {
        let endpoint = Endpoint::start(Task::default());
        let ended = on(last, form, TELL).env(VARIABLE, endpoint.uri_v4()).run();
        assert_told(&ended, &Task::default());
        assert_eq!(records::exit(&ended.stderr)["verdict"], "ok");
    }
}

fn a_journal(form: Form) {
    for (kernel, last) in KERNELS {
        let directory = tempfile::tempdir().unwrap();
        let ended = on(last, form, ["true"]).options(["--journal", directory.path().to_str().unwrap()]).run();
        assert_eq!(ended.code, Some(0), "{kernel}: {}", ended.stderr);
        let journal = crate::lines::journal(directory.path());
        assert_eq!(records::kinds(&journal), ["start", "exit"], "{kernel}: {}", ended.stderr);
    }
}

fn kill_after(form: Form) {
    for (kernel, last) in KERNELS {
        let deaf = probe(&["deaf", &libc::SIGTERM.to_string()]);
        let running = on(last, form, deaf).options(["--kill-after", "200ms"]).start().ready();
        running.signal(libc::SIGTERM);
        let ended = running.finish();
        assert_eq!(ended.code, Some(137), "{kernel}: {}", ended.stderr);
        assert_eq!(records::exit(&ended.stderr)["verdict"], "kill_after", "{kernel}");
    }
}

fn a_program_that_is_not_there(form: Form) {
    for (kernel, last) in KERNELS {
        let ended = on(last, form, ["/no/such/program"]).run();
        assert_eq!(ended.code, Some(127), "{kernel}: {}", ended.stderr);
        assert_eq!(records::exit(&ended.stderr)["verdict"], "not_started", "{kernel}");
    }
}
