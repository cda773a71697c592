//! The steps of a stop in real containers: what `docker stop` finds, what a proxy sees, and who holds nothing
//! up.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod support;

use serde_json::Value;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use support::archive::Tree;
use support::docker::{Container, Engine, Stream};
use support::endpoint::closed_port;
use support::process::find_program;
use support::require::require;
use support::static_binary::static_binary;

/// With busybox, for programs.
const BUSYBOX: &str = "epitaph-test-busybox";

/// For things that take milliseconds on an idle machine.
const SOON: Duration = Duration::from_secs(60);

fn engine() -> Option<&'static Engine> {
    let engine = require("docker", Engine::shared())?;
    let epitaph = require("static binary", static_binary())?;
    let entrypoint = [r#"ENTRYPOINT ["/epitaph", "--"]"#];
    let busybox = || Tree::default().program("epitaph", epitaph)?.busybox();
    require("busybox", engine.import(BUSYBOX, busybox, &entrypoint))?;
    Some(engine)
}

/// The kinds of the records in a container's log, and `exit` of the last one.
fn told(container: &Container) -> (Vec<String>, Value) {
    let stderr = container.logs().stderr;
    let lines = stderr.lines().filter(|line| line.starts_with("{\"epitaph\""));
    let records: Vec<Value> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds = records.iter().map(|record| record["epitaph"].as_str().unwrap().to_owned()).collect();
    let exit = records.last().map_or(Value::Null, |record| record["exit"].clone());
    (kinds, exit)
}

/// How many stops the test below makes, ten at a time. `EPITAPH_TEST_STOPS` asks for more.
fn stops() -> usize {
    std::env::var("EPITAPH_TEST_STOPS").ok().and_then(|count| count.parse().ok()).unwrap_or(10)
}

#[test]
fn a_program_that_ignores_sigterm_has_its_exit_record_before_the_engines_sigkill() {
    let Some(engine) = engine() else { return };
    let deaf = ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"];
    let mut left = stops();
    while left > 0 {
        let count = left.min(10);
        left -= count;
        let run = |_| engine.run(BUSYBOX, &["--env=EPITAPH_GRACE=5s"], &deaf);
        let containers: Vec<Container> = (0..count).map(run).collect();
        for container in &containers {
            container.wait_for_line(Stream::Stdout, SOON, |line| line == "ready");
        }
        std::thread::scope(|scope| {
            for container in &containers {
                scope.spawn(|| container.stop(Duration::from_secs(5)));
            }
        });
        for container in &containers {
            let (kinds, exit) = told(container);
            assert_eq!(kinds, ["start", "stop", "stuck", "exit"], "{:#?}", container.logs());
            assert_eq!((&exit["verdict"], &exit["code"]), (&"kill_after".into(), &137.into()), "{exit}");
            assert!((4000..5000).contains(&exit["stop_ms"].as_u64().unwrap()), "{exit}");
        }
    }
}

#[test]
fn a_drain_waits_for_the_containers_own_and_for_no_session_from_outside() {
    let Some(engine) = engine() else { return };
    let worker = "trap 'sleep 1; echo saved; exit 0' TERM; echo ready; while :; do sleep 0.1; done";
    let program = format!("setsid sh -c \"{worker}\" & trap 'exit 0' TERM; while :; do sleep 0.1; done");
    let container = engine.run(BUSYBOX, &["--env=EPITAPH_DRAIN=20s"], &["sh", "-c", &program]);
    container.wait_for_line(Stream::Stdout, SOON, |line| line == "ready");
    let session = "trap '' TERM; touch /tmp/session; while :; do sleep 0.1; done";
    let mut exec = engine
        .command()
        .args(["exec", container.id(), "sh", "-c", &format!("mkdir -p /tmp; {session}")])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while container.exec(&["sh", "-c", "ls /tmp/session 2>/dev/null || true"]).is_empty() {
        assert!(begun.elapsed() < SOON, "the session did not begin");
    }
    let stopped = container.stop(Duration::from_secs(25));
    let _ = exec.wait();
    let (_, exit) = told(&container);
    assert!(container.logs().stdout.contains("saved"), "{:#?}", container.logs());
    assert!(stopped.took < Duration::from_secs(15), "{stopped:?}");
    assert_eq!((&exit["verdict"], &exit["code"]), (&"stopped".into(), &0.into()), "{exit}");
    assert!(exit["drained"].as_u64().unwrap() >= 1 && exit["drain_ms"].as_u64().unwrap() >= 1000, "{exit}");
    assert!(exit["left"].as_u64().unwrap() >= 1, "the session is still there: {exit}");
}

#[test]
fn the_life_time_of_a_sidecar_ends_it_with_0() {
    let Some(engine) = engine() else { return };
    let container = engine.run(BUSYBOX, &["--entrypoint=/epitaph"], &["-P", "--max-lifetime", "1s"]);
    assert_eq!(container.wait(SOON), 0);
    assert_eq!(told(&container).0, ["lifetime"], "{:#?}", container.logs());
    let sleeper = engine.run(BUSYBOX, &["--env=EPITAPH_MAX_LIFETIME=1s"], &["sleep", "1000"]);
    assert_eq!(sleeper.wait(SOON), 143);
    let (kinds, exit) = told(&sleeper);
    assert_eq!(
        (kinds, &exit["verdict"]),
        (vec!["start".into(), "lifetime".into(), "exit".into()], &"expired".into())
    );
}

/// What is killed when it is dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// haproxy on `port` before two servers, which it asks every 200 ms whether they are there, and takes out
/// after three failures.
fn proxy(haproxy: &std::path::Path, port: u16, servers: [u16; 2]) -> (Killed, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = servers;
    let settings = format!(
        "defaults\n mode http\n timeout connect 1s\n timeout client 5s\n timeout server 5s\n retries 0\n\
         listen web\n bind 127.0.0.1:{port}\n option httpchk GET /health.txt\n \
         default-server check inter 200ms fall 3 rise 1\n \
         server a 127.0.0.1:{first}\n server b 127.0.0.1:{second}\n"
    );
    let path = folder.path().join("haproxy.cfg");
    std::fs::write(&path, settings).unwrap();
    let child = Command::new(haproxy).arg("-f").arg(&path).stderr(Stdio::null()).spawn().unwrap();
    (Killed(child), folder)
}

fn get(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET /index.txt HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.0 200") || answer.starts_with("HTTP/1.1 200"))
}

/// How many requests fail of those that are made from before the stop of one of two servers until it has
/// ended.
///
/// The server ends its health answer at once when the stop is asked for, as one does that is deregistered,
/// and goes on serving; it ends at SIGTERM.
fn failed(haproxy: &std::path::Path, delay: &str) -> (usize, usize) {
    let folder = tempfile::tempdir().unwrap();
    let serve = |name: &str, port: u16| {
        let root = folder.path().join(name);
        std::fs::create_dir(&root).unwrap();
        for file in ["index.txt", "health.txt"] {
            std::fs::write(root.join(file), "here\n").unwrap();
        }
        let mut command = Command::new(support::binary::epitaph());
        command.args(["-s", "--records", "off", "--stop-delay", delay, "--", "busybox", "httpd", "-f", "-p"]);
        command.arg(format!("127.0.0.1:{port}")).arg("-h").arg(&root);
        Killed(command.spawn().unwrap())
    };
    let ports = [closed_port().port(), closed_port().port()];
    let mut first = serve("a", ports[0]);
    let _second = serve("b", ports[1]);
    let port = closed_port().port();
    let (_proxy, _settings) = proxy(haproxy, port, ports);
    let begun = Instant::now();
    // Both of them are known to be there: round robin.
    let mut good = 0;
    while good < 4 {
        assert!(begun.elapsed() < SOON, "the proxy does not serve");
        good = if get(port) { good + 1 } else { 0 };
    }
    std::fs::remove_file(folder.path().join("a/health.txt")).unwrap();
    let pid = i32::try_from(first.0.id()).unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGTERM).unwrap();
    let (mut made, mut failed) = (0, 0);
    // To its end, and 50 more.
    let mut more = 50;
    while more > 0 && made < 20_000 {
        made += 1;
        failed += usize::from(!get(port));
        if matches!(first.0.try_wait(), Ok(Some(_))) {
            more -= 1;
        }
    }
    (made, failed)
}

#[test]
fn behind_a_proxy_no_request_fails_with_a_delay_and_some_without() {
    let Some(haproxy) = require("haproxy", find_program("haproxy", "haproxy")) else { return };
    if require("busybox", find_program("busybox", "busybox-static")).is_none() {
        return;
    }
    let (made, failures) = failed(&haproxy, "0");
    assert!(failures > 0, "{made} requests without a delay");
    let (made, failures) = failed(&haproxy, "2s");
    assert_eq!(failures, 0, "of {made} requests");
    assert!(made > 100, "{made} requests");
}
