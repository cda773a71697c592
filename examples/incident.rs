//! A real incident in half a minute, and what inquest makes of it: `cargo run --example incident`, as root.
//!
//! A crash loop, a stop that hangs, a worker that the OOM killer takes, and a container that is well: each is
//! epitaph as PID 1 of a PID namespace and in a memory cgroup, with real programs, real signals and real OOM
//! kills. Only ECS is not there: its endpoint and its events are answered and written as it would. Then
//! inquest reads the logs, and what it finds is checked.

#![allow(clippy::print_stdout)]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::thread;
use std::time::{Duration, SystemTime};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

#[path = "ecs_task/cargo.rs"]
mod cargo;
#[path = "incident/container.rs"]
mod container;
#[path = "../tests/support/endpoint/mod.rs"]
mod endpoint;

use container::{Container, Running};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const HELP: &str = "\
Usage: cargo run --example incident -- [OPTIONS]

  --out DIRECTORY  where the logs, the page, the picture and the texts go (target/incident)
  --svg FILE       put the picture there too
";

/// Grows until the kernel takes it: some 5 MiB a second.
const LEAK: &str = "echo ready; x=; while :; do x=\"$x$(printf %262144s)\"; sleep 0.05; done";

/// Does not hear.
const DEAF: &str = "trap '' TERM INT; echo ready; while :; do sleep 1; done";

/// Starts a worker that takes all of the memory, and lives on when that is killed.
const WITH_WORKER: &str = "echo ready; sleep 4; tail /dev/zero >/dev/null; sleep 6; exit 0";

/// Obeys.
const OBEDIENT: &str = "trap : HUP; trap 'exit 0' TERM; echo ready; while :; do sleep 0.1; done";

/// Starts of the crash loop.
const STARTS: usize = 5;

fn main() -> ExitCode {
    let (mut out, mut svg) = (None, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--out" => out = arguments.next().map(PathBuf::from),
            "--svg" => svg = arguments.next().map(PathBuf::from),
            "-h" | "--help" => {
                print!("{HELP}");
                return ExitCode::SUCCESS;
            }
            other => return failure(&format!("{other:?} is no option; --help shows what there is")),
        }
    }
    let out = out.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/incident"));
    match show(&out, svg.as_deref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure(&error.to_string()),
    }
}

fn failure(text: &str) -> ExitCode {
    use std::io::Write;
    // Not eprintln!, which panics when nobody reads it.
    let _ = writeln!(std::io::stderr(), "incident: {text}");
    ExitCode::FAILURE
}

fn show(out: &Path, svg: Option<&Path>) -> Result<()> {
    container::possible()?;
    let epitaph = build("epitaph", &[])?;
    let inquest = build("inquest", &["--features", "inquest"])?;
    let logs = out.join("logs");
    if logs.exists() {
        std::fs::remove_dir_all(&logs)?;
    }
    std::fs::create_dir_all(&logs)?;
    println!("Half a minute of an incident, with real processes:");
    println!("  a crash loop, a stop that hangs, a worker that is killed, a container that is well");
    let scene = Scene { epitaph, logs: logs.clone() };
    thread::scope(|scope| {
        let parts: [thread::ScopedJoinHandle<'_, Result<()>>; 4] = [
            scope.spawn(|| scene.crash_loop()),
            scope.spawn(|| scene.hung_stop()),
            scope.spawn(|| scene.killed_worker()),
            scope.spawn(|| scene.healthy()),
        ];
        parts.into_iter().try_for_each(|part| part.join().map_err(|_| "a part of it panicked")?)
    })?;

    let ask = |arguments: &[&str]| -> Result<String> {
        let asked = Command::new(&inquest)
            .args(arguments)
            .arg("logs")
            .current_dir(out)
            .env("COLUMNS", "120")
            .output()?;
        if asked.status.code() != Some(0) {
            let said = String::from_utf8_lossy(&asked.stderr).into_owned();
            return Err(format!("inquest {} ended with {}: {said}", arguments.join(" "), asked.status).into());
        }
        Ok(String::from_utf8(asked.stdout)?)
    };
    let timeline = ask(&["timeline"])?;
    let stats = ask(&["stats"])?;
    println!("\ninquest timeline logs\n\n{timeline}\ninquest stats logs\n\n{stats}");
    std::fs::write(out.join("timeline.txt"), &timeline)?;
    std::fs::write(out.join("stats.txt"), &stats)?;
    std::fs::write(out.join("incident.html"), ask(&["timeline", "--format", "html"])?)?;
    let picture = ask(&["timeline", "--format", "svg"])?;
    std::fs::write(out.join("incident.svg"), &picture)?;
    if let Some(svg) = svg {
        std::fs::write(svg, &picture)?;
    }
    check(&serde_json::from_str(&ask(&["list", "--format", "json"])?)?, &stats)?;
    println!("The page and the picture: {}/incident.html, incident.svg", out.display());
    Ok(())
}

fn build(name: &str, options: &[&str]) -> Result<PathBuf> {
    let mut words: Vec<String> = ["build", "--quiet"].map(str::to_owned).to_vec();
    words.extend(options.iter().chain(&["--bin", name]).map(ToString::to_string));
    words.extend(cargo::same_place(&std::env::current_exe()?));
    Ok(cargo::build(&words, name)?)
}

/// What runs, and where its logs are.
struct Scene {
    epitaph: PathBuf,
    logs: PathBuf,
}

impl Scene {
    fn start(&self, container: &Container<'_>, script: &str) -> Result<Running> {
        Running::start(&self.epitaph, &self.logs, container, script)
    }

    /// The new revision needs more than it may have.
    fn crash_loop(&self) -> Result<()> {
        thread::sleep(Duration::from_secs(3));
        let at = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        let deployment = json!({
            "version": "0", "detail-type": "ECS Deployment State Change", "source": "aws.ecs", "time": at,
            "resources": ["arn:aws:ecs:eu-central-1:123456789012:service/default/shop"],
            "detail": {"eventType": "INFO", "eventName": "SERVICE_DEPLOYMENT_IN_PROGRESS", "deploymentId": "ecs-svc/26", "reason": ""},
        });
        self.event("deployment", &deployment)?;
        for number in 0..STARTS {
            let container = Container {
                number: 10 + number,
                family: "shop-web",
                revision: "26",
                name: "server",
                service: Some("shop"),
                limit: 24 << 20,
                image: '9',
            };
            self.start(&container, LEAK)?.end()?;
            thread::sleep(Duration::from_millis(700));
        }
        Ok(())
    }

    /// SIGTERM does nothing, and when the grace is over the engine kills PID 1.
    fn hung_stop(&self) -> Result<()> {
        let container = Container {
            number: 2,
            family: "worker",
            revision: "8",
            name: "job",
            service: Some("jobs"),
            limit: 64 << 20,
            image: '7',
        };
        let running = self.start(&container, DEAF)?;
        running.ready()?;
        thread::sleep(Duration::from_secs(9));
        running.asked_to_stop_by_ecs();
        running.signal(Signal::SIGTERM)?;
        thread::sleep(Duration::from_secs(8));
        running.signal(Signal::SIGKILL)?;
        let (container_id, task_arn) = running.ids();
        running.end()?;
        // As the engine reports a PID 1 that SIGKILL has ended. (unshare(1) cannot pass that on: it ends with
        // 1.)
        let code = 128 + Signal::SIGKILL as i32;
        let stopped = json!({
            "version": "0", "detail-type": "ECS Task State Change", "source": "aws.ecs",
            "time": humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
            "detail": {
                "taskArn": task_arn, "clusterArn": "arn:aws:ecs:eu-central-1:123456789012:cluster/default",
                "group": "service:jobs", "lastStatus": "STOPPED", "desiredStatus": "STOPPED", "version": 6,
                "stopCode": "ServiceSchedulerInitiated", "stoppedReason": "Scaling activity initiated by deployment",
                "containers": [{"name": "job", "runtimeId": container_id, "exitCode": code, "lastStatus": "STOPPED"}],
            },
        });
        self.event("stopped", &stopped)
    }

    /// A process of the container is taken, and the program lives on.
    fn killed_worker(&self) -> Result<()> {
        let container = Container {
            number: 3,
            family: "images",
            revision: "3",
            name: "resize",
            service: None,
            limit: 24 << 20,
            image: '5',
        };
        self.start(&container, WITH_WORKER)?.end().map(drop)
    }

    /// The revision before, which is well.
    fn healthy(&self) -> Result<()> {
        let container = Container {
            number: 1,
            family: "shop-web",
            revision: "25",
            name: "server",
            service: Some("shop"),
            limit: 24 << 20,
            image: '3',
        };
        let running = self.start(&container, OBEDIENT)?;
        running.ready()?;
        thread::sleep(Duration::from_secs(6));
        running.signal(Signal::SIGHUP)?;
        thread::sleep(Duration::from_secs(14));
        running.asked_to_stop_by_ecs();
        running.signal(Signal::SIGTERM)?;
        running.end().map(drop)
    }

    fn event(&self, name: &str, event: &Value) -> Result<()> {
        Ok(std::fs::write(self.logs.join(format!("event-{name}.json")), event.to_string())?)
    }
}

/// Whether it happened as it was meant to, and was found.
fn check(list: &Value, stats: &str) -> Result<()> {
    let lives = list["lives"].as_array().ok_or("there are no lives")?;
    let of = |family: &str, revision: &str| {
        lives
            .iter()
            .filter(|life| life["family"] == family && life["revision"] == revision)
            .collect::<Vec<_>>()
    };
    let has = |life: &Value, kind: &str| {
        life["records"]
            .as_array()
            .is_some_and(|records| records.iter().any(|record| record["epitaph"] == kind))
    };
    let is =
        |what: &str, fits: bool| if fits { Ok(()) } else { Err(format!("{what}: it is not so in {list}")) };
    let crashes = of("shop-web", "26");
    is("five starts, all taken by the OOM killer", crashes.len() == STARTS)?;
    is("all taken by the OOM killer", crashes.iter().all(|life| life["verdict"] == "oom_killed"))?;
    is("the old revision was stopped", of("shop-web", "25").iter().all(|life| life["verdict"] == "stopped"))?;
    let hung = of("worker", "8");
    is("the stop hung", hung.len() == 1 && hung.iter().all(|life| has(life, "stuck") && !has(life, "exit")))?;
    is("PID 1 was killed", hung.iter().all(|life| life["conclusion"]["word"] == "killed"))?;
    let worker = of("images", "3");
    is(
        "a worker was killed, and the program went on",
        worker.len() == 1 && worker.iter().all(|life| has(life, "oom_kill")),
    )?;
    let told = format!("{STARTS} starts in");
    if stats.contains("CRASH LOOPS") && stats.contains(&told) {
        return Ok(());
    }
    Err(format!("the crash loop is not told of in {stats}").into())
}
