//! Where something is scarce: processes, descriptors, time to reap.

use crate::init::{Form, Launch};
use crate::probe::probe;
use crate::process::write_program;
use crate::records;
use crate::require::require;
use crate::running::{send, status};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

in_both_forms! {
    with_five_descriptors_the_program_starts
    a_storm_of_orphans_hides_no_signal_and_no_end
}

fn own() -> i32 {
    i32::try_from(std::process::id()).unwrap()
}

/// A user of its own with so many processes at most, and a place where it may write.
fn limited(processes: u32, program: &[&str]) -> Option<(Launch, tempfile::TempDir)> {
    require("root", status(own(), "Uid").filter(|uid| uid.starts_with('0')).ok_or("not root"))?;
    let place = tempfile::tempdir_in("/tmp").unwrap();
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let copy = place.path().join("epitaph");
    write_program(&copy, &std::fs::read(crate::binary::epitaph()).unwrap());
    let user = (50_000 + std::process::id() % 10_000 + processes * 3 + program.len() as u32).to_string();
    let before = [
        "setpriv".to_owned(),
        format!("--reuid={user}"),
        format!("--regid={user}"),
        "--clear-groups".to_owned(),
        "prlimit".to_owned(),
        format!("--nproc={processes}"),
    ];
    let launch = Launch::new(Form::Subreaper, program).under(before).init(&copy.to_string_lossy());
    let journal = place.path().join("journal");
    Some((launch.options(["--journal", &journal.to_string_lossy()]), place))
}

fn journal(place: &Path) -> String {
    let day = std::fs::read_dir(place.join("journal")).unwrap().next().unwrap().unwrap().path();
    let file = std::fs::read_dir(day).unwrap().next().unwrap().unwrap().path();
    std::fs::read_to_string(file).unwrap()
}

#[test]
fn a_process_limit_of_one_is_an_exit_record_on_stderr_and_in_the_journal() {
    let Some((launch, place)) = limited(1, &["true"]) else { return };
    let ended = launch.run();
    assert_eq!((ended.code, records::kinds(&ended.stderr)), (Some(1), vec!["exit".to_owned()]));
    let exit = records::exit(&ended.stderr);
    assert_eq!(exit["verdict"], "not_started");
    let why = exit["why"].as_str().unwrap();
    assert!(why.contains("cannot start a process: ") && !why.contains("os error"), "{why}");
    assert_eq!(records::kinds(&journal(place.path())), ["exit"]);
}

/// epitaph and the program are all that the user may have: no helper can be started until the program has
/// ended.
#[test]
fn where_no_helper_can_be_started_nothing_is_lost() {
    let script = "trap 'exit 9' USR2; trap '' TERM; echo ready; while :; do read -r line; done";
    let Some((launch, place)) = limited(2, &["sh", "-c", script]) else { return };
    let running = launch.env("EPITAPH_STUCK_AFTER", "50ms").start().ready();
    send(running.pid(), libc::SIGTERM);
    running.stderr.wait_for("\"epitaph\":\"stuck\"");
    send(running.pid(), libc::SIGUSR2);
    let ended = running.finish();
    assert_eq!(records::story(&ended.stderr), ["start", "stop", "stuck", "exit"]);
    let stuck = records::record(&ended.stderr, "stuck");
    assert!(stuck["processes"].as_array().is_some_and(|processes| !processes.is_empty()), "{stuck}");
    assert_eq!(records::exit(&ended.stderr)["records_lost"], 0);
    assert_eq!(
        records::story(&journal(place.path())),
        ["start", "stop", "stuck", "exit"],
        "{}",
        ended.stderr
    );
    let mut told = records::diagnostics(&ended.stderr);
    // A disk that is slow to sync at the end is another story, and a true one.
    told.retain(|line| !line.ends_with("it took longer than a second"));
    assert_eq!(told.len(), 1, "one warning: {told:?}");
    assert!(told[0].contains("cannot start a helper process") && !told[0].contains("os error"), "{told:?}");
}

/// A stderr that is a file has a process of its own that writes to it.
#[test]
fn where_no_helper_can_ever_be_started_a_file_has_the_records() {
    // The limit is epitaph's alone.
    let script =
        "prlimit --pid $PPID --nproc=1:1 && trap 'exit 9' USR2 && trap 'echo term' TERM && echo ready
                  while :; do read -r line; done";
    let Some((launch, place)) = limited(20, &["sh", "-c", script]) else { return };
    let log = place.path().join("log");
    let running = launch.stderr(std::fs::File::create(&log).unwrap()).start().ready();
    send(running.pid(), libc::SIGTERM);
    running.stdout.wait_for("term\n");
    send(running.pid(), libc::SIGUSR2);
    assert_eq!(running.finish().code, Some(9));
    let text = std::fs::read_to_string(&log).unwrap();
    assert_eq!(records::story(&text), ["start", "stop", "exit"], "{text}");
}

fn with_five_descriptors_the_program_starts(form: Form) {
    let launch = Launch::new(form, ["sh", "-c", "exit 7"]).with("files=5");
    let ended = launch.run();
    assert_eq!(ended.code, Some(7), "{}", ended.stderr);
    assert_eq!(records::kinds(&ended.stderr), ["start", "exit"]);
    assert_eq!(records::exit(&ended.stderr)["verdict"], "failed");
    // The pipe from the child needs two for a moment: without, the story is told with less.
    let ended = Launch::new(form, ["sh", "-c", "exit 7"]).with("files=4").run();
    assert_eq!(ended.code, Some(7), "{}", ended.stderr);
    assert_eq!(records::kinds(&ended.stderr), ["start", "exit"]);
    let told = records::diagnostics(&ended.stderr);
    assert!(told.len() == 1 && told[0].contains("no pipe from the program's start"), "{told:?}");
}

/// Orphans end faster than one that reaps only could reap them, and a signal, or the program's end, is seen
/// all the same.
fn a_storm_of_orphans_hides_no_signal_and_no_end(form: Form) {
    let running = Launch::new(form, probe(&["storm", "8"])).options(["-w"]).start().ready();
    running.stderr.wait_for("reaped process ");
    running.signal(libc::SIGTERM);
    let exit = records::exit(&running.finish().stderr);
    assert_eq!((&exit["verdict"], &exit["code"]), (&"stopped".into(), &5.into()), "{exit}");
    assert!(exit["reaped"].as_u64().is_some_and(|reaped| reaped > 0), "{exit}");
}
