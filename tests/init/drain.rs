//! `--drain` around real programs: what a shell leaves behind when it is stopped comes to its own end, with
//! the request that it is at.

use crate::endpoint::closed_port;
use crate::init::{Form, Launch, has_namespaces};
use crate::records;
use crate::require::require;
use crate::running::{Finished, Running, wait_for};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

in_both_forms! {
    gunicorn_answers_the_request_that_it_is_at
    php_fpm_answers_the_request_that_it_is_at
    jobs_of_a_shell_save_their_work
}

/// A shell that starts a program in the background, as many entry points do, and does not pass its stop
/// signal on.
fn behind_a_shell(command: &str, signal: &str) -> [String; 3] {
    ["sh".into(), "-c".into(), format!("trap 'exit 0' {signal}; {command} & wait")]
}

/// Sends a request and returns what comes back, to the end.
fn ask(address: SocketAddr, request: &[u8]) -> String {
    let ask = || -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        stream.write_all(request)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    };
    ask().map(|answer| String::from_utf8_lossy(&answer).into_owned()).unwrap_or_default()
}

/// Stops a server while it is at a request that takes a second, which makes the file `begun` first. Returns
/// the answer, and how it ended.
fn stopped_at_a_request(
    running: Running,
    address: SocketAddr,
    request: &[u8],
    begun: &Path,
) -> (String, Finished) {
    wait_for("the server", || TcpStream::connect(address).ok());
    std::thread::scope(|scope| {
        let answer = scope.spawn(|| ask(address, request));
        wait_for("the request", || begun.exists().then_some(()));
        running.signal(libc::SIGTERM);
        let ended = running.finish();
        (answer.join().unwrap(), ended)
    })
}

/// The end of a shell that left others behind, all of which came to their end.
fn check(ended: &Finished, least: u64) {
    let exit = records::exit(&ended.stderr);
    assert_eq!((ended.code, &exit["verdict"]), (Some(0), &Value::from("stopped")), "{}", ended.stderr);
    assert!(exit["drained"].as_u64() >= Some(least), "{exit}");
    assert_eq!(exit["left"], 0, "{exit}");
    let why = exit["why"].as_str().unwrap();
    assert!(why.contains(" of --drain") && !why.contains("did not"), "{why}");
}

fn gunicorn_answers_the_request_that_it_is_at(form: Form) {
    let gunicorn = crate::process::find_program("gunicorn", "gunicorn");
    let Some(gunicorn) = require("gunicorn", gunicorn) else { return };
    for drain in ["20s", "0"] {
        // Without a drain nothing ends what a subreaper leaves behind.
        if drain == "0" && (form != Form::PidOne || !has_namespaces()) {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        let (begun, address) = (folder.path().join("begun"), closed_port());
        // Each worker imports it when it has set its handlers. A worker that has only just been forked loses
        // SIGTERM: it still has the handler of the first process.
        let app = format!(
            "import os, time\nopen({folder:?} + '/ready.' + str(os.getpid()), 'w').close()\ndef app(environ, start):\n    if environ['PATH_INFO'] == '/slow':\n        open({begun:?}, 'w').close()\n        \
             time.sleep(1)\n    start('200 OK', [])\n    return [b'all of it']\n",
            folder = folder.path()
        );
        std::fs::write(folder.path().join("application.py"), app).unwrap();
        let command = format!(
            "{} --workers 2 --worker-tmp-dir {folder} --chdir {folder} --bind {address} application:app 2>/dev/null",
            gunicorn.display(),
            folder = folder.path().display()
        );
        let launch = Launch::new(form, behind_a_shell(&command, "TERM")).options(["--drain", drain]);
        let request = b"GET /slow HTTP/1.0\r\n\r\n";
        let running = launch.start();
        wait_for("both workers", || {
            let files = std::fs::read_dir(folder.path()).unwrap().flatten();
            let ready = files.filter(|file| file.file_name().as_encoded_bytes().starts_with(b"ready."));
            (ready.count() == 2).then_some(())
        });
        let (answer, ended) = stopped_at_a_request(running, address, request, &begun);
        if drain == "0" {
            assert!(!answer.contains("all of it"), "this shows nothing of --drain: {answer}");
            continue;
        }
        assert!(answer.ends_with("all of it"), "{answer:?}\n{}", ended.stderr);
        // The first process, which has waited for its workers.
        check(&ended, 1);
    }
}

/// A record of FastCGI 1.0, of request 1.
fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[1, kind, 0, 1, high, low, 0, 0], content].concat()
}

fn php_fpm_answers_the_request_that_it_is_at(form: Form) {
    let named = std::fs::read_dir("/usr/sbin").into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found = named
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("php-fpm")));
    let found = found.next().ok_or("it is not in /usr/sbin (Debian: php-fpm)");
    let Some(php) = require("php-fpm", found) else { return };
    let folder = tempfile::tempdir().unwrap();
    // Its workers have another user.
    let path = |name: &str| folder.path().join(name);
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let (begun, address) = (path("begun"), closed_port());
    let settings = format!(
        "[global]\nerror_log = {}\ndaemonize = no\nprocess_control_timeout = 10s\n[www]\nlisten = {address}\nuser = nobody\ngroup = nogroup\n\
         pm = static\npm.max_children = 2\n",
        path("log").display()
    );
    std::fs::write(path("fpm.conf"), settings).unwrap();
    let script = path("slow.php");
    std::fs::write(&script, format!("<?php $end = microtime(true) + 1; touch('{}'); while (microtime(true) < $end) usleep(10000); echo 'all of it';", begun.display())).unwrap();
    let root = if nix::unistd::geteuid().is_root() { "--allow-to-run-as-root" } else { "" };
    let command =
        format!("{} {root} --nodaemonize --fpm-config {}", php.display(), path("fpm.conf").display());
    // SIGQUIT is its graceful stop: what is sent to all is rewritten as any other.
    let launch = Launch::new(form, behind_a_shell(&format!("{command} 2>/dev/null"), "QUIT"));
    let launch = launch.options(["--drain", "20s", "-r", "TERM:QUIT"]);
    let name = script.to_str().unwrap();
    let pairs = [("SCRIPT_FILENAME", name), ("REQUEST_METHOD", "GET"), ("SCRIPT_NAME", "/slow.php")];
    let pair = |(name, value): (&str, &str)| {
        let lengths = [u8::try_from(name.len()).unwrap(), u8::try_from(value.len()).unwrap()];
        [&lengths, name.as_bytes(), value.as_bytes()].concat()
    };
    let parameters: Vec<u8> = pairs.into_iter().flat_map(pair).collect();
    let request =
        [record(1, &[0, 1, 0, 0, 0, 0, 0, 0]), record(4, &parameters), record(4, &[]), record(5, &[])]
            .concat();
    let (answer, ended) = stopped_at_a_request(launch.start(), address, &request, &begun);
    let log = std::fs::read_to_string(path("log")).unwrap_or_default();
    assert!(answer.contains("all of it"), "{answer:?}\n{}\n{log}", ended.stderr);
    check(&ended, 1);
}

/// Each job in a place of its own: of the shell's group, of a session of its own, and a grandchild.
fn jobs_of_a_shell_save_their_work(form: Form) {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let job = |name: &str| {
        let file = file(name);
        format!(
            "trap \"sleep 0.3; echo saved > {0}; exit 0\" TERM; touch {0}.ready; while :; do sleep 0.05; done",
            file.display()
        )
    };
    let program = format!(
        "exec 2>/dev/null; trap 'exit 0' TERM; sh -c '{}' & setsid sh -c '{}' & sh -c \"sh -c '{}' & exit 0\" & wait",
        job("group"),
        job("session"),
        job("grandchild").replace('"', "\\\"")
    );
    let running = Launch::new(form, ["sh", "-c", &program]).options(["--drain", "20s"]).start();
    for name in ["group", "session", "grandchild"] {
        let ready = file(&format!("{name}.ready"));
        wait_for(name, || ready.exists().then_some(()));
    }
    running.signal(libc::SIGTERM);
    let ended = running.finish();
    check(&ended, 3);
    let exit = records::exit(&ended.stderr);
    assert!(exit["drain_ms"].as_u64() >= Some(300), "{exit}");
    for name in ["group", "session", "grandchild"] {
        assert_eq!(
            std::fs::read_to_string(file(name)).unwrap_or_default(),
            "saved\n",
            "{name}: {}",
            ended.stderr
        );
    }
}
