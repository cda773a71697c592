//! What a machine may refuse: room in a file, in the environment, or a system call. The program starts and is
//! looked after all the same.

use crate::init::{Form, Launch};
use crate::probe::receiver;
use crate::records;
use crate::trace::has_strace;
use std::fs::{File, OpenOptions};
use std::path::Path;
use std::process::{Command, Stdio};

in_both_forms! {
    a_file_that_may_not_grow_does_not_keep_the_program_from_starting
    a_file_that_may_not_grow_any_more_is_not_the_programs_affair
    no_room_in_the_environment_is_a_warning
    no_poll
    no_sigtimedwait
    neither
}

/// What makes a shell set a limit and become the rest of the line.
fn limit(limit: &str) -> [String; 4] {
    ["sh".to_owned(), "-c".to_owned(), format!("ulimit {limit}; exec \"$@\""), "sh".to_owned()]
}

fn appended(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(path).unwrap()
}

fn a_file_that_may_not_grow_does_not_keep_the_program_from_starting(form: Form) {
    let directory = tempfile::tempdir().unwrap();
    let launch = Launch::new(form, ["sh", "-c", "echo alive; exit 7"]).under(limit("-f 0"));
    let ended = launch.stderr(appended(&directory.path().join("log"))).run();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(7), "alive\n"));
}

fn a_file_that_may_not_grow_any_more_is_not_the_programs_affair(form: Form) {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    // With room for the start record, and then for nothing: a block has 512 bytes, or 1,024.
    std::fs::write(&log, "#".repeat(4096 - 400)).unwrap();
    let blocks = if block_size() == 512 { "-f 8" } else { "-f 4" };
    let running = Launch::new(form, receiver()).under(limit(blocks)).stderr(appended(&log)).start().ready();
    running.signal(libc::SIGTERM);
    running.stdout.wait_for(&format!("signal {}\n", libc::SIGTERM));
    // The kernel hands it out after SIGXFSZ, were there one.
    running.signal(libc::SIGWINCH);
    running.stdout.wait_for(&format!("signal {}\n", libc::SIGWINCH));
    running.signal(libc::SIGUSR2);
    let ended = running.finish();
    assert_eq!(ended.code, Some(42));
    assert!(!ended.stdout.contains(&format!("signal {}\n", libc::SIGXFSZ)), "{}", ended.stdout);
    assert_eq!(std::fs::read(&log).unwrap().len(), 4096, "it was full");
}

/// Of `ulimit -f` in this machine's `sh`, in bytes.
fn block_size() -> u64 {
    let file = tempfile::NamedTempFile::new().unwrap();
    let script = "ulimit -f 1; trap '' XFSZ; head -c 2000 /dev/zero";
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).stdout(file.reopen().unwrap()).stderr(Stdio::null()).status().unwrap();
    file.path().metadata().unwrap().len()
}

/// The variables for the program must not be what makes the exec fail: the limit of arguments and environment
/// together is a quarter of the stack's, and 128 KiB at least.
fn no_room_in_the_environment_is_a_warning(form: Form) {
    let directory = tempfile::tempdir().unwrap();
    let metadata = directory.path().join("metadata");
    let id = "0123456789abcdef".repeat(4);
    let arn = format!("arn:aws:ecs:eu-central-1:123456789012:task/default/{}", "0123456789abcdef".repeat(2));
    let text = format!(r#"{{"ContainerID":"{id}","TaskARN":"{arn}","MetadataFileStatus":"READY"}}"#);
    std::fs::write(&metadata, text).unwrap();
    // The kernel counts the path of what is started too. The program's is longer than epitaph's, wherever
    // that lies: otherwise epitaph itself would not start before there is no room for the variables.
    let shell = format!("/{}bin/sh", "./".repeat(1_500));
    let start = |filler: usize, metadata: &Path| {
        let launch = Launch::new(form, [shell.as_str(), "-c", "echo ${ECS_TASK_ARN:-none}; exit 7"]);
        let launch = launch.under(limit("-s 512")).env("ECS_CONTAINER_METADATA_FILE", metadata);
        // One string may have 128 KiB, so there are two.
        launch.env("FILLER", "x".repeat(60_000)).env("MORE", "x".repeat(filler)).run()
    };
    // The most with which it starts where nothing is known and so nothing is added. The paths are equally
    // long.
    let unknown = directory.path().join("no-where");
    assert_eq!(unknown.as_os_str().len(), metadata.as_os_str().len());
    let (mut fits, mut too_many) = (50_000, 80_000);
    while too_many - fits > 1 {
        let middle = usize::midpoint(fits, too_many);
        if start(middle, &unknown).code == Some(7) { fits = middle } else { too_many = middle }
    }
    assert!(fits > 50_000 && too_many < 80_000, "{fits}");
    let ended = start(fits, &metadata);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(7), "none\n"), "{}", ended.stderr);
    let expected =
        "there is no room in the environment for DOCKER_CONTAINER_ID, ECS_TASK_ARN; the program does without";
    assert!(ended.stderr.contains(expected), "{}", ended.stderr);
    assert_eq!(records::record(&ended.stderr, "exit")["task_arn"], arn);
}

/// Has strace(1) refuse `calls`, as a seccomp profile does that does not know them.
fn refuse(form: Form, calls: &str) {
    let inject = format!("inject={calls}:error=EPERM");
    let strace = |file: &str| ["strace", "-f", "-qq", "-o", file, "-e", &inject].map(str::to_owned);
    if !has_strace() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let trace = directory.path().join("trace");
    let launch = Launch::new(form, ["sh", "-c", "(exit 0) & sleep 0.5; exit 7"]);
    let ended = launch.under(strace(trace.to_str().unwrap())).run();
    assert_eq!(ended.code, Some(7), "{}", ended.stderr);
    let told = records::diagnostics(&ended.stderr).into_iter().filter(|line| line.contains("is refused"));
    // sigtimedwait is asked for by itself where no memory is watched: on cgroup v1, and without one.
    let told = told.count();
    assert!(told == 1 || told == 0 && calls == "rt_sigtimedwait", "{}", ended.stderr);
    // It looks ten times a second, and does not spin.
    let refused =
        std::fs::read_to_string(&trace).unwrap().lines().filter(|line| line.contains("EPERM")).count();
    assert!(refused < 60, "{refused} calls were refused in half a second");
}

fn no_poll(form: Form) {
    refuse(form, "?poll,ppoll");
}

fn no_sigtimedwait(form: Form) {
    refuse(form, "rt_sigtimedwait");
}

fn neither(form: Form) {
    refuse(form, "?poll,ppoll,rt_sigtimedwait");
}
