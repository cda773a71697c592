//! The cases on cgroup v1, in a real Docker engine.

use crate::case::{Case, LARGE, Step};
use crate::cases::CASES;
use crate::found::{Found, hog};
use crate::running;
use crate::support::archive::Tree;
use crate::support::docker::{Engine, Stream};
use crate::support::process;
use crate::support::require::require;
use crate::support::static_binary::static_binary;
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

const IMAGE: &str = "epitaph-test-verdicts";
const SOON: Duration = Duration::from_secs(60);
const HIERARCHY: &str = "/sys/fs/cgroup/memory";

/// The engine with the image; a skip where there is none, or where it uses version 2.
pub fn engine() -> Option<&'static Engine> {
    let v1 = Path::new(HIERARCHY).join("memory.limit_in_bytes").exists();
    if !v1 {
        // No error ever: no machine has both versions, and the other one is in the virtual machine.
        let _ =
            std::io::stderr().write_all(b"SKIPPED cgroup v1: the memory controller is in version 2 here\n");
        return None;
    }
    let epitaph = require("static binary", static_binary())?;
    let engine = require("docker", Engine::shared())?;
    let tree = || {
        let tree = Tree::default().busybox()?.program("epitaph", epitaph)?.program("bin/hog", hog())?;
        Ok(tree.file("plain-file", 0o644, "nothing to execute\n"))
    };
    require("busybox", engine.import(IMAGE, tree, &["ENV PATH=/bin"]))?;
    Some(engine)
}

/// All cases, run once.
pub fn run() -> Option<&'static [Option<Found>]> {
    static FOUND: OnceLock<Option<Vec<Option<Found>>>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let engine = engine()?;
        // Two at once: most of a container's time is the engine's.
        let (left, right) = CASES.split_at(CASES.len() / 2);
        let run = |cases: &[Case]| -> Vec<Option<Found>> {
            cases.iter().map(|case| (!case.kills_group).then(|| run_case(engine, case))).collect()
        };
        std::thread::scope(|scope| {
            let left = scope.spawn(|| run(left));
            let right = run(right);
            Some(left.join().expect("a case stopped").into_iter().chain(right).collect())
        })
    });
    found.as_deref()
}

pub fn run_case(engine: &Engine, case: &Case) -> Found {
    let above = case.limit_is_above.then(|| Above::new(case.limit));
    let own = if case.limit_is_above { LARGE } else { case.limit };
    let mut options = vec![format!("--memory={own}m"), "--ulimit=core=0:-1".to_owned()];
    options.push("--env=EPITAPH_INTROSPECTION=off".to_owned());
    options.extend(case.most_processes.map(|most| format!("--pids-limit={most}")));
    if case.makes_cgroups {
        options.push("--volume=/sys/fs/cgroup:/sys/fs/cgroup".to_owned());
    }
    options.extend(above.iter().map(|above| format!("--cgroup-parent={}", above.name())));
    options.extend(case.environment.iter().map(|variable| format!("--env={variable}")));
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let container = engine.run(IMAGE, &options, &super::command_line(case));
    for step in case.steps {
        match step {
            Step::Line(line) => drop(container.wait_for_line(Stream::Stdout, SOON, |found| found == *line)),
            Step::Record(kind) => {
                let kind = format!("\"epitaph\":\"{kind}\"");
                container.wait_for_line(Stream::Stderr, SOON, |found| found.contains(&kind));
            }
            Step::Signal(name) => container.kill(name),
            Step::KillProgram => {
                let is_start = |line: &str| line.contains(r#""epitaph":"start""#);
                let start = container.wait_for_line(Stream::Stderr, SOON, is_start);
                let start: Value = serde_json::from_str(&start).unwrap();
                let pid = start["pid"].to_string();
                // How it ends itself tells nothing: with the program the container ends, and takes it along.
                let mut kill = engine.command();
                kill.args(["exec", container.id(), "kill", "-9", &pid]);
                process::output(&mut kill, SOON).unwrap();
            }
            // Not `docker exec`: its process would need more memory than may be left.
            Step::Exec(script) => drop(container.exec(&["sh", "-c", script])),
            Step::Freeze(ms) => {
                engine.docker(&["pause", container.id()]);
                // Not a wait for something but what is done to the container.
                std::thread::sleep(Duration::from_millis(u64::from(*ms)));
                engine.docker(&["unpause", container.id()]);
            }
            Step::Go => std::fs::write(format!("/proc/{}/root/go", container.pid()), "").unwrap(),
        }
    }
    let code = i32::try_from(container.wait(SOON)).unwrap();
    let logs = container.logs();
    // The container's cgroup is gone with it, so the kernel cannot be asked any more.
    Found { code, stdout: logs.stdout, stderr: logs.stderr, kernel_kills: None }
}

/// A cgroup above a container's, with a limit.
struct Above(PathBuf);

impl Above {
    fn new(mebibytes: u32) -> Above {
        let path = Path::new(HIERARCHY).join(format!("epitaph-verdicts-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("memory.limit_in_bytes"), format!("{mebibytes}M")).unwrap();
        Above(path)
    }

    fn name(&self) -> String {
        format!("/{}", self.0.file_name().unwrap().to_string_lossy())
    }
}

impl Drop for Above {
    fn drop(&mut self) {
        // The engine removes the container's cgroup a moment after its end. In the other hierarchies the
        // engine itself has made the parent, and leaves it there.
        let name = self.0.file_name().unwrap();
        let all = std::fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten();
        for hierarchy in all.map(|entry| entry.path()).chain(["/sys/fs/cgroup".into()]) {
            let own = hierarchy.join(name);
            let removed = || (!own.exists() || std::fs::remove_dir(&own).is_ok()).then_some(());
            let removed = process::wait_until("a cgroup to be empty", SOON, removed);
            assert!(removed.is_ok() || std::thread::panicking(), "{}: {removed:?}", own.display());
        }
    }
}

/// The wake-ups of an idle PID 1 with a limit, in just below 10 s.
pub fn idle_wake_ups() -> Option<u64> {
    let container = engine()?.run(
        IMAGE,
        &["--memory=16m", "--env=EPITAPH_INTROSPECTION=off"],
        &["/epitaph", "--", "sh", "-c", "echo ready; exec sleep 600"],
    );
    container.wait_for_line(Stream::Stdout, SOON, |line| line == "ready");
    let pid = i32::try_from(container.pid()).unwrap();
    // Each sleep that ends is one. A switch that it did not ask for is another's doing, on a busy machine.
    let count = || running::status(pid, "voluntary_ctxt_switches").unwrap().parse::<u64>().unwrap();
    let mut last = (0, std::time::Instant::now());
    running::wait_for("epitaph to settle", || {
        // Who has been woken and waits for a processor is none that has settled.
        let sleeps = running::status(pid, "State").is_some_and(|state| state.starts_with('S'));
        if count() != last.0 || !sleeps {
            last = (count(), std::time::Instant::now());
        }
        (last.1.elapsed() > Duration::from_millis(500)).then_some(())
    });
    let before = count();
    // Not a wait for something but the time over which is measured. A whole 10 s could hold two looks.
    std::thread::sleep(Duration::from_millis(9_900));
    let wake_ups = count() - before;
    container.kill("TERM");
    assert_eq!(container.wait(SOON), 143);
    Some(wake_ups)
}
