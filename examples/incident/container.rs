//! A container of its own: epitaph as PID 1 of a PID namespace, in a memory cgroup with a limit.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};

use crate::Result;
use crate::endpoint::{self, Endpoint, Task};

/// How long something may take that is there at once otherwise.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where the memory controller is: the hierarchy, and the file that has the limit.
fn hierarchy() -> Result<(&'static str, &'static str)> {
    if Path::new("/sys/fs/cgroup/memory/cgroup.procs").exists() {
        return Ok(("/sys/fs/cgroup/memory", "memory.limit_in_bytes"));
    }
    let list = fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").unwrap_or_default();
    if !list.contains("memory") {
        return Err("this machine has no memory cgroups".into());
    }
    fs::write("/sys/fs/cgroup/cgroup.subtree_control", "+memory")?;
    Ok(("/sys/fs/cgroup", "memory.max"))
}

/// Whether containers can be made here.
pub fn possible() -> Result<()> {
    if !geteuid().is_root() {
        return Err(
            "it makes memory cgroups and PID namespaces, which only root may: run it with sudo".into()
        );
    }
    hierarchy().map(drop)
}

/// What a container is called, and what it may have.
pub struct Container<'a> {
    /// makes its IDs
    pub number: usize,
    /// of the task definition
    pub family: &'a str,
    /// the same
    pub revision: &'a str,
    /// its name there
    pub name: &'a str,
    /// the service
    pub service: Option<&'a str>,
    /// of its memory, in bytes
    pub limit: u64,
    /// a hex digit that makes the image's digest
    pub image: char,
}

impl Container<'_> {
    fn task(&self) -> Task {
        // Looks like an ID, and is the same in each run.
        let id = |length: usize, seed: u64| -> String {
            let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d;
            let mut digit = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                char::from_digit((state >> 60) as u32, 16).unwrap_or('0')
            };
            (0..length).map(|_| digit()).collect()
        };
        let task_id = id(32, self.number as u64 * 2 + 1);
        let docker_id = id(64, self.number as u64 * 2 + 2);
        let arn = format!("arn:aws:ecs:eu-central-1:123456789012:task/default/{task_id}");
        let (family, revision, name) = (self.family, self.revision, self.name);
        let container = endpoint::Container {
            arn: Some(format!("{}/{docker_id:.8}", arn.replace(":task/", ":container/"))),
            docker_name: format!("ecs-{family}-{revision}-{name}-{docker_id:.20}"),
            docker_id,
            name: name.to_owned(),
            image: format!("123456789012.dkr.ecr.eu-central-1.amazonaws.com/{family}:{revision}"),
            image_id: format!("sha256:{}", id(64, u64::from(u32::from(self.image)))),
            memory_limit: None,
            log_options: Vec::new(),
            ..endpoint::Container::default()
        };
        let task = Task {
            arn,
            family: family.to_owned(),
            revision: revision.to_owned(),
            service: self.service.map(str::to_owned),
            // The cgroup's limit is what the kernel acts on.
            memory_limit: None,
            containers: vec![container],
            ..Task::default()
        };
        task.just_created()
    }
}

/// A container that runs.
pub struct Running {
    child: Child,
    stdout: Mutex<Option<BufReader<ChildStdout>>>,
    endpoint: Endpoint,
    cgroup: PathBuf,
}

impl Running {
    /// Starts a shell script under epitaph; its log is in `logs`.
    pub fn start(epitaph: &Path, logs: &Path, container: &Container<'_>, script: &str) -> Result<Running> {
        let endpoint = Endpoint::start(container.task());
        let (hierarchy, limit) = hierarchy()?;
        let cgroup =
            Path::new(hierarchy).join(format!("incident-{}-{}", std::process::id(), container.number));
        fs::create_dir(&cgroup)?;
        fs::write(cgroup.join(limit), container.limit.to_string())?;
        // Nothing of the limit is swapped out, where that is counted.
        let _ = fs::write(cgroup.join("memory.swap.max"), "0");
        let log = logs.join(format!("{}-{}.log", container.family, container.number));
        // The address space is bounded too, in case that the cgroup's limit fails.
        let enter = "ulimit -v 2000000 && echo $$ >\"$1/cgroup.procs\" && shift && exec \"$@\"";
        let mut child = Command::new("sh")
            .args(["-c", enter, "sh"])
            .arg(&cgroup)
            .args(["unshare", "--pid", "--fork", "--mount-proc"])
            .arg(epitaph)
            .args(["--stats", "1s", "--", "sh", "-c", script])
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("ECS_CONTAINER_METADATA_URI_V4", endpoint.uri_v4())
            .env("EPITAPH_STUCK_AFTER", "4s")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(log)?)
            .spawn()?;
        let stdout = child.stdout.take().map(BufReader::new);
        Ok(Running { child, stdout: Mutex::new(stdout), endpoint, cgroup })
    }

    /// Waits until the program says that it is ready.
    pub fn ready(&self) -> Result<()> {
        let mut stdout = self.stdout.lock().map_err(|_| "a thread panicked")?;
        let mut line = String::new();
        stdout.as_mut().ok_or("there is no output")?.read_line(&mut line)?;
        if line.trim() == "ready" { Ok(()) } else { Err(format!("the program said {line:?}").into()) }
    }

    /// What the endpoint tells from now on.
    pub fn asked_to_stop_by_ecs(&self) {
        self.endpoint.update(|task| task.desired_status = "STOPPED".to_owned());
    }

    /// Sends a signal to PID 1, as the engine does.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let parent = self.child.id();
        let deadline = Instant::now() + PATIENCE;
        loop {
            // The only child of unshare is the first of the namespace.
            let path = format!("/proc/{parent}/task/{parent}/children");
            let found = fs::read_to_string(&path).unwrap_or_default();
            if let Some(pid) = found.split_whitespace().next().and_then(|pid| pid.parse().ok()) {
                return Ok(kill(Pid::from_raw(pid), signal)?);
            }
            if Instant::now() > deadline {
                return Err(format!("there is no PID 1: {path} has {found:?}").into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Its container ID and its task's ARN.
    pub fn ids(&self) -> (String, String) {
        let task = self.endpoint.task();
        (task.subject().map(|container| container.docker_id.clone()).unwrap_or_default(), task.arn.clone())
    }

    /// Waits for the end.
    pub fn end(mut self) -> Result<()> {
        self.child.wait()?;
        let deadline = Instant::now() + PATIENCE;
        // What was in it is gone in a moment.
        while let Err(error) = fs::remove_dir(&self.cgroup) {
            if Instant::now() > deadline {
                return Err(format!("{}: {error}", self.cgroup.display()).into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}
