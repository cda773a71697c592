//! `--exec`: epitaph becomes the program.

use crate::endpoint::{Endpoint, Fault, Task};
use crate::init::{Form, Launch};
use crate::records;
use crate::running::{LIMIT, send};

in_both_forms! {
    the_program_has_our_process_id
    by_the_environment_too
    the_identity_is_there
    a_signal_of_the_program_is_its_own_end
    sigterm_ends_the_resolve_phase
    an_ignored_signal_does_not_end_the_resolve_phase
    a_program_that_is_not_there_is_127
}

/// `--exec` without the option `-s`, which a subreaper test would add: it means nothing here.
fn launch(form: Form, program: &[&str]) -> Launch {
    Launch::new(form, program).options(["--exec"])
}

fn the_program_has_our_process_id(form: Form) {
    let running = launch(form, &["sh", "-c", "echo $$; read line; exit 5"]).start();
    let pid = running.stdout.wait_for("\n").trim().parse::<i32>().unwrap();
    match form {
        Form::PidOne => assert_eq!(pid, 1),
        Form::Subreaper => assert_eq!(pid, running.id()),
    }
    drop(running.stdin.as_ref().map(|mut stdin| std::io::Write::write_all(&mut stdin, b"\n")));
    let ended = running.finish();
    assert_eq!(ended.code, Some(5));
    assert_eq!(records::kinds(&ended.stderr), ["start"]);
    assert_eq!(records::record(&ended.stderr, "start")["pid"], pid);
}

fn by_the_environment_too(form: Form) {
    let ended = Launch::new(form, ["true"]).env("EPITAPH_EXEC", "1").run();
    assert_eq!((ended.code, records::kinds(&ended.stderr)), (Some(0), vec!["start".to_owned()]));
}

fn the_identity_is_there(form: Form) {
    let endpoint = Endpoint::start(Task::default());
    let launch = launch(form, &["sh", "-c", "echo \"$ECS_TASK_ARN\""]);
    let ended = launch.env("ECS_CONTAINER_METADATA_URI_V4", endpoint.uri_v4()).run();
    assert_eq!(ended.stdout.trim(), Task::default().arn, "{}", ended.stderr);
}

fn a_signal_of_the_program_is_its_own_end(form: Form) {
    let ended = launch(form, &["sh", "-c", "kill -s KILL $$; echo unkillable"]).run();
    // PID 1 cannot kill itself; anybody else can, and no init makes 128 + n of it.
    match form {
        Form::PidOne => assert_eq!(ended.stdout, "unkillable\n"),
        Form::Subreaper => assert_eq!(ended.signal, Some(libc::SIGKILL)),
    }
}

fn sigterm_ends_the_resolve_phase(form: Form) {
    let endpoint = Endpoint::start(Task::default());
    endpoint.set_fault(Some(Fault::Silent));
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGQUIT, libc::SIGHUP] {
        let before = endpoint.requests().len();
        let launch = launch(form, &["echo", "the program ran"]).options(["--identity-timeout", "60s"]);
        let running = launch.env("ECS_CONTAINER_METADATA_URI_V4", endpoint.uri_v4()).start();
        assert!(endpoint.wait_for_requests(before + 1, LIMIT));
        running.signal(signal);
        let ended = running.finish();
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(128 + signal), ""), "{}", ended.stderr);
    }
}

fn an_ignored_signal_does_not_end_the_resolve_phase(form: Form) {
    let endpoint = Endpoint::start(Task::default());
    endpoint.set_fault(Some(Fault::Silent));
    let launch = launch(form, &["echo", "the program ran"]).options(["--identity-timeout", "1s"]);
    let launch = launch.with(format!("ignore={}", libc::SIGHUP));
    let running = launch.env("ECS_CONTAINER_METADATA_URI_V4", endpoint.uri_v4()).start();
    let pid = running.pid();
    assert!(endpoint.wait_for_requests(1, LIMIT));
    send(pid, libc::SIGHUP);
    let ended = running.finish();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "the program ran\n"), "{}", ended.stderr);
}

fn a_program_that_is_not_there_is_127(form: Form) {
    let ended = launch(form, &["/no/such/program"]).run();
    assert_eq!(ended.code, Some(127));
    assert_eq!(records::kinds(&ended.stderr), ["start", "exit"]);
    assert_eq!(records::exit(&ended.stderr)["verdict"], "not_started");
}
