//! Signals on their way to the program.

use crate::init::{Form, Launch};
use crate::probe::receiver;
use crate::records;
use crate::running::Running;
use std::ffi::OsString;

in_both_forms! {
    each_signal_is_forwarded
    fault_signals_and_sigchld_are_not
    real_time_signals_keep_their_count
    each_stop_signal_is_recorded_and_another_one_where_it_comes_from_outside
    with_g_the_whole_group_gets_it
    rewritten_signals
}

fn received(stdout: &str) -> Vec<i32> {
    stdout
        .lines()
        .filter_map(|line| line.strip_prefix("signal "))
        .map(|number| number.parse().unwrap())
        .collect()
}

/// What is SIGRTMIN to SIGRTMAX with glibc, in whatever these tests are built with: musl's SIGRTMIN is 35.
const REAL_TIME: std::ops::RangeInclusive<i32> = 34..=64;

const FAULTS: [i32; 7] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGABRT, libc::SIGTRAP, libc::SIGSYS];

fn is_forwarded(signal: i32) -> bool {
    let never = [libc::SIGKILL, libc::SIGSTOP, libc::SIGCHLD];
    !FAULTS.contains(&signal) && !never.contains(&signal) && (signal < 32 || REAL_TIME.contains(&signal))
}

fn each_signal_is_forwarded(form: Form) {
    let running = Launch::new(form, receiver()).start().ready();
    let mut all: Vec<i32> =
        (1..=64).filter(|signal| is_forwarded(*signal) && *signal != libc::SIGUSR2).collect();
    for signal in &all {
        running.signal(*signal);
        // One at a time: SIGCONT takes back the stop signals that are still pending, and the reverse.
        running.stdout.wait_for(&format!("signal {signal}\n"));
    }
    running.signal(libc::SIGUSR2);
    all.push(libc::SIGUSR2);
    let ended = running.finish();
    assert_eq!((ended.code, received(&ended.stdout)), (Some(42), all), "{}", ended.stderr);
}

fn fault_signals_and_sigchld_are_not(form: Form) {
    let running = Launch::new(form, receiver()).start().ready();
    for signal in FAULTS.into_iter().chain([libc::SIGCHLD]) {
        running.signal(signal);
    }
    running.signal(libc::SIGUSR2);
    let ended = running.finish();
    assert_eq!((ended.code, received(&ended.stdout)), (Some(42), vec![libc::SIGUSR2]), "{}", ended.stderr);
}

fn real_time_signals_keep_their_count(form: Form) {
    let running = Launch::new(form, receiver()).start().ready();
    let epitaph = running.pid();
    let signals = [*REAL_TIME.start(), REAL_TIME.start() + 6, *REAL_TIME.end()];
    const EACH: usize = 100;
    for number in 0..EACH * signals.len() {
        let signal = signals[number % signals.len()];
        let value = libc::sigval { sival_ptr: std::ptr::null_mut() };
        // SAFETY: numbers only.
        #[allow(unsafe_code)]
        let sent = unsafe { libc::sigqueue(epitaph, signal, value) };
        assert_eq!(sent, 0, "{}", std::io::Error::last_os_error());
    }
    running.stdout.wait_until("every one of them", |text| received(text).len() == EACH * signals.len());
    running.signal(libc::SIGUSR2);
    let ended = running.finish();
    let count = |signal: i32| received(&ended.stdout).iter().filter(|one| **one == signal).count();
    assert_eq!(signals.map(count), [EACH; 3]);
    assert_eq!(ended.code, Some(42));
}

fn each_stop_signal_is_recorded_and_another_one_where_it_comes_from_outside(form: Form) {
    let running = Launch::new(form, receiver()).start().ready();
    for (count, signal) in
        [libc::SIGTERM, libc::SIGTERM, libc::SIGINT, libc::SIGQUIT, libc::SIGHUP].into_iter().enumerate()
    {
        running.signal(signal);
        running.stdout.wait_until("the signal", |text| received(text).len() == count + 1);
    }
    running.signal(libc::SIGUSR2);
    let ended = running.finish();
    let records = records::records(&ended.stderr);
    let told = |kind: &str| -> Vec<&serde_json::Value> {
        records.iter().filter(|record| record["epitaph"] == kind).collect()
    };
    let names = |kind: &str| -> Vec<&str> {
        told(kind).iter().map(|record| record["signal"].as_str().unwrap()).collect()
    };
    assert_eq!(names("stop"), ["SIGTERM", "SIGTERM", "SIGINT"]);
    // Who sent it is told where it is a process that the container can see.
    let outside = form == Form::PidOne;
    assert_eq!(names("signal"), if outside { vec!["SIGQUIT", "SIGHUP", "SIGUSR2"] } else { vec![] });
    let (stop, sender) = (told("stop")[0], i64::from(std::process::id()));
    assert_eq!(stop["sender"], if outside { "outside" } else { "inside" });
    assert_eq!(stop.get("sender_pid").and_then(|pid| pid.as_i64()), (!outside).then_some(sender));
    let own = std::fs::read_to_string("/proc/self/comm").unwrap();
    assert_eq!(stop.get("sender_name").and_then(|name| name.as_str()), (!outside).then_some(own.trim_end()));
    let parent = i64::from(std::os::unix::process::parent_id());
    assert_eq!(stop.get("sender_ppid").and_then(|pid| pid.as_i64()), (!outside).then_some(parent));
    let exit = records::exit(&ended.stderr);
    assert_eq!((&exit["stop_signal"], &exit["code"]), (&"SIGTERM".into(), &42.into()));
    assert_eq!(exit["last_signal"], "SIGUSR2");
}

/// A shell that starts a receiver and waits for it, in one process group.
fn receiver_within_a_shell(running: impl FnOnce(Vec<OsString>) -> Running) -> Running {
    let script = "trap '' USR1; trap 'echo \"shell got it\"' TERM; \"$@\" & while ! wait $!; do :; done";
    let shell = ["sh", "-c", script, "sh"].map(OsString::from);
    running(shell.into_iter().chain(receiver()).collect()).ready()
}

fn with_g_the_whole_group_gets_it(form: Form) {
    let running = receiver_within_a_shell(|program| Launch::new(form, program).options(["-g"]).start());
    running.signal(libc::SIGTERM);
    running.stdout.wait_for(&format!("signal {}\n", libc::SIGTERM));
    running.stdout.wait_for("shell got it\n");
}

fn rewritten_signals(form: Form) {
    let options = ["-r", "TERM:USR1", "--rewrite", "1:0"];
    let running = Launch::new(form, receiver()).options(options).start().ready();
    running.signal(libc::SIGHUP);
    running.signal(libc::SIGTERM);
    running.stdout.wait_for(&format!("signal {}\n", libc::SIGUSR1));
    running.signal(libc::SIGUSR2);
    let ended = running.finish();
    assert_eq!(received(&ended.stdout), [libc::SIGUSR1, libc::SIGUSR2]);
}
