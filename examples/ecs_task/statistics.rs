//! All containers of a task at once: what each of them writes about itself, what the sidecar hears of them,
//! and what the log then says of the one that leaked.

use std::process::Child;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::cgroup::Cgroup;
use crate::endpoint::{Container, Endpoint, Figures, Reading, Scripted, Task};
use crate::page::{Node, Page};
use crate::stage::{Stage, forward, kill_all, pass_on, start};
use crate::{Result, check};

const MIB: u64 = 1 << 20;

/// How long all of it may take. It takes some 12 s: the sidecar looks every 5 s.
const PATIENCE: Duration = Duration::from_secs(120);

/// How often the agent here looks at the containers. A real one does once a second.
const LOOK: Duration = Duration::from_millis(250);

/// A leak of 1 MiB at a time, in a limit of 64 MiB. (Should there be no such limit, it ends by itself.)
const LEAK: &str = "\
chunk=$(head -c 1048576 /dev/zero | tr '\\0' x)
i=0
while [ $i -lt 200 ]; do i=$((i + 1)); eval \"leak_$i=\\$chunk\"; sleep 0.1; done";

/// Takes all the CPU that it gets, and a second for its stop.
const LOAD: &str = "\
trap stop=1 TERM
while [ -z \"$stop\" ]; do :; done
sleep 1";

/// A container of the task, as a command that runs here.
struct Running<'s> {
    stage: &'s Stage,
    child: Child,
    cgroup: Cgroup,
    /// What it has written to stderr.
    log: Vec<String>,
    /// The last two readings of its counters.
    readings: Option<[Reading; 2]>,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            kill_all(&mut self.child);
        }
    }
}

impl Running<'_> {
    /// Its records of one kind.
    fn records(&self, kind: &str) -> Vec<Node> {
        let records = self.log.iter().filter_map(|line| Node::record(line));
        records.filter(|record| record.get("epitaph") == kind).collect()
    }

    fn stop(&self) -> Result<()> {
        let pid = self.stage.epitaph_of(&self.child)?;
        Ok(kill(Pid::from_raw(pid.cast_signed()), Signal::SIGTERM)?)
    }

    fn code(&mut self) -> Result<i32> {
        Ok(self.child.wait()?.code().unwrap_or(-1))
    }
}

/// Whose line it is, and whether it stood on stderr.
type Mark = (usize, bool);

/// What runs, in the order of the task's containers without the pause container.
struct Scene<'s> {
    stage: &'s Stage,
    endpoint: Endpoint,
    running: Vec<Running<'s>>,
    sender: Sender<(Mark, String)>,
    lines: Receiver<(Mark, String)>,
    deadline: Instant,
    looked: Instant,
}

const SERVER: usize = 0;
const WORKER: usize = 1;
const STATS: usize = 2;

impl<'s> Scene<'s> {
    fn new(stage: &'s Stage) -> Scene<'s> {
        let (sender, lines) = mpsc::channel();
        let now = Instant::now();
        let endpoint = Endpoint::start(task());
        Scene { stage, endpoint, running: Vec::new(), sender, lines, deadline: now + PATIENCE, looked: now }
    }

    fn uri(&self, index: usize) -> Vec<(&'static str, String)> {
        let task = self.endpoint.task();
        let id = task.containers.get(index + 1).map(|one| one.endpoint_id.clone()).unwrap_or_default();
        vec![("ECS_CONTAINER_METADATA_URI_V4", format!("{}/v4/{id}", self.endpoint.introspection_url()))]
    }

    /// Starts the next container.
    fn start(&mut self, cgroup: Cgroup, options: &[&str], program: &[&str]) -> Result<()> {
        let index = self.running.len();
        let (place, mut epitaph) = self.stage.command(options);
        if program.is_empty() {
            epitaph.pop();
        }
        let entry = cgroup.entry();
        let program: Vec<String> = program.iter().map(ToString::to_string).collect();
        let words = [entry, place, epitaph, program].concat();
        let mut child = start(&words, &self.uri(index))?;
        forward(child.stdout.take(), (index, false), self.sender.clone());
        forward(child.stderr.take(), (index, true), self.sender.clone());
        self.running.push(Running { stage: self.stage, child, cgroup, log: Vec::new(), readings: None });
        Ok(())
    }

    /// Takes what they write, and reads their counters for the endpoint, until `is_there`.
    fn until(&mut self, what: &str, is_there: impl Fn(&[Running]) -> bool) -> Result<()> {
        while !is_there(&self.running) {
            if Instant::now() >= self.deadline {
                return Err(format!("there was no {what} within {PATIENCE:?}").into());
            }
            match self.lines.recv_timeout(LOOK) {
                Ok(((index, is_stderr), line)) => {
                    if self.stage.raw {
                        pass_on(is_stderr, &line)?;
                    }
                    if let Some(one) = self.running.get_mut(index).filter(|_| is_stderr) {
                        one.log.push(line);
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
            if self.looked.elapsed() >= LOOK {
                self.looked = Instant::now();
                self.look();
            }
        }
        Ok(())
    }

    /// What the agent does: it reads the counters of each container.
    fn look(&mut self) {
        for (index, one) in self.running.iter_mut().enumerate() {
            let Some(now) = one.cgroup.read().ok() else { continue };
            let before = one.readings.take().map_or_else(|| now.clone(), |[last, _]| last);
            let readings = one.readings.insert([now, before]).clone();
            self.endpoint.update(|task| {
                let container = task.containers.get_mut(index + 1);
                if let Some(container) = container.filter(|container| container.known_status == "RUNNING") {
                    container.scripted.figures = Figures::Measured(Box::new(readings));
                }
            });
        }
    }
}

/// A server, a worker and the sidecar, in one network.
fn task() -> Task {
    let mut task = Task::default().just_started();
    let server = task.subject().cloned().unwrap_or_default();
    let another = |name: &str, digit: &str, memory_limit| Container {
        endpoint_id: format!("{digit}d1c9a52-3b64-4f0e-8a7d-5c6b7a8f9e01"),
        docker_id: digit.repeat(64),
        name: name.into(),
        docker_name: format!("ecs-shop-web-26-{name}-{digit}e81f3c5d0b7e2946a00"),
        arn: None,
        memory_limit: Some(memory_limit),
        ..server.clone()
    };
    task.containers.extend([another("worker", "b", 32), another("stats", "d", 32)]);
    task.known_status = "RUNNING".into();
    for container in &mut task.containers {
        container.scripted = Scripted { figures: Figures::Missing, ..Scripted::default() };
    }
    if let Some(server) = task.subject_mut() {
        server.memory_limit = Some(64);
    }
    task
}

/// Plays it, and tells it.
pub fn show(page: &Page, stage: &Stage) -> Result<()> {
    let no_cgroup = |why| {
        format!(
            "--stats wants cgroups of its own, so that the kernel acts on a limit and counts for each container, and this \
             machine gives none, since {why}. As root it mostly does"
        )
    };
    let server = Cgroup::new("server", 64 * MIB, None).map_err(no_cgroup)?;
    let worker = Cgroup::new("worker", 32 * MIB, Some(20_000)).map_err(no_cgroup)?;
    let sidecar = Cgroup::new("stats", 32 * MIB, None).map_err(no_cgroup)?;
    let mut scene = Scene::new(stage);
    page.heading("2. Two containers, and the sidecar")?;
    page.text(
        "Each of the three has a cgroup of this machine, and the endpoint tells of each what the kernel counts there. `server` may have 64 MiB of memory, and leaks. `worker` may have 0.2 of a CPU, and would take more. Each \
         of the two is started by",
    )?;
    page.lines([format!("{} sh -c \"$PROGRAM\"", stage.command(&["--stats", "1s"]).1.join(" "))])?;
    page.text("with these programs, the server's first:")?;
    page.lines(LEAK.lines())?;
    page.lines(LOAD.lines())?;
    page.text("`stats` has nothing but epitaph, which asks the endpoint every 5 s:")?;
    let mut words = stage.command(&["--task-stats", "5s"]).1;
    words.pop();
    page.lines([words.join(" ")])?;

    scene.start(server, &["--stats", "1s"], &["sh", "-c", LEAK])?;
    scene.start(worker, &["--stats", "1s"], &["sh", "-c", LOAD])?;
    scene.start(sidecar, &["--task-stats", "5s"], &[])?;
    let stats_of = |name: &'static str| {
        move |record: &Node| record.get("container_name") == name && !record.get("window_ms").is_empty()
    };
    scene.until("fourth tick", |running| {
        running[SERVER].records("stats").len() >= 4
            && running[STATS].records("stats").iter().any(stats_of("worker"))
    })?;
    let table = table(&mut scene)?;
    scene.until("exit record of the server", |running| !running[SERVER].records("exit").is_empty())?;
    let code = scene.running[SERVER].code()?;
    ended(&scene, page, code)?;
    seen(&mut scene, page, &table)?;
    stopped(&mut scene, page)
}

/// What a person sees who asks in one of the containers.
fn table(scene: &mut Scene) -> Result<String> {
    let mut environment = scene.uri(STATS);
    environment.push(("EPITAPH_RECORDS", "text".to_owned()));
    let epitaph = scene.stage.epitaph.to_string_lossy().into_owned();
    let words = [epitaph, "--task-stats".to_owned(), "0".to_owned()];
    let output = start(&words, &environment)?.wait_with_output()?;
    check("the exit code of --task-stats 0", &output.status.code(), &Some(0))?;
    Ok(String::from_utf8(output.stdout)?)
}

fn mib(bytes: &str) -> String {
    let bytes: u64 = bytes.parse().unwrap_or(0);
    format!("{}.{} MiB", bytes / MIB, bytes % MIB * 10 / MIB)
}

/// What the server's own log says.
fn ended(scene: &Scene, page: &Page, code: i32) -> Result<()> {
    page.heading("3. What the server wrote of itself")?;
    page.text("A `stats` record each second, read from its own cgroup; nobody is asked for that. Of these:")?;
    let server = &scene.running[SERVER];
    let ticks = server.records("stats");
    page.lines(ticks.iter().map(|record| {
        let of = |key: &str| record.get(key);
        format!(
            "{} uptime_ms: {:>6}, memory_used: {:>8}, memory_percent: {:>3}, cpu_milli: {}",
            of("time"),
            of("uptime_ms"),
            mib(&of("memory_used")),
            of("memory_percent"),
            of("cpu_milli")
        )
    }))?;
    page.text(
        "Then the OOM killer took it. The exit record tells who and why, and how the memory went before:",
    )?;
    let exit = server.records("exit").pop().ok_or("the server has no exit record")?;
    let paths =
        ["exit.code", "exit.verdict", "exit.why", "exit.memory_trend", "memory.limit", "memory.oom_kills"];
    page.excerpt(&exit, &paths)?;
    let trend = exit.get("exit.memory_trend");
    let trend: Vec<u64> =
        trend.trim_matches(['[', ']']).split("; ").filter_map(|one| one.parse().ok()).collect();
    page.text(
        "memory_trend is the memory_used (in bytes) of the last five ticks. It rose from tick to tick: a leak. Of a leap, such \
         as one request that wants too much, it would be level.",
    )?;
    check("the verdict on the server", &exit.get("exit.verdict"), "oom_killed")?;
    check("the server's exit code", &code, &137)?;
    check("the number of ticks in the trend", &trend.len(), &5)?;
    check("that the trend rises", &trend.is_sorted_by(|a, b| a < b), &true)?;
    Ok(())
}

/// What the sidecar heard of the others.
fn seen(scene: &mut Scene, page: &Page, table: &str) -> Result<()> {
    scene.endpoint.update(|task| {
        task.desired_status = "STOPPED".into();
        if let Some(server) = task.subject_mut() {
            server.end(137, Duration::ZERO);
            server.scripted.figures = Figures::YearOne;
        }
    });
    let is_over = |record: &Node| record.get("epitaph") == "stats" && record.get("status") == "STOPPED";
    scene.until("record of the server's end", |running| {
        let records: Vec<Node> = running[STATS].log.iter().filter_map(|line| Node::record(line)).collect();
        let end = records.iter().position(is_over);
        end.is_some_and(|end| records[end..].iter().any(|record| record.get("epitaph") == "task"))
    })?;
    page.heading("4. What the sidecar heard of them")?;
    page.text(
        "The worker, whose image need not have epitaph for this, at the last tick. Its limit of CPU is the task's here: its own \
         quota only the worker's own records can tell, from inside.",
    )?;
    let sidecar = &scene.running[STATS];
    let stats = sidecar.records("stats");
    let worker =
        stats.iter().rev().find(|record| record.get("container_name") == "worker").ok_or("no worker")?;
    page.excerpt(
        worker,
        &["container_name", "window_ms", "cpu_milli", "cpu_limit_milli", "memory_used", "memory_limit"],
    )?;
    page.text("The same in the worker's own record:")?;
    let own = scene.running[WORKER].records("stats").pop().ok_or("the worker has no statistics")?;
    page.excerpt(
        &own,
        &["window_ms", "cpu_milli", "cpu_limit_milli", "throttled_ms", "throttled_periods", "periods"],
    )?;
    page.text("The task as a whole, at the tick before the server's end and at the one after it:")?;
    let tasks = sidecar.records("task");
    let keys =
        ["time", "containers", "running", "cpu_milli", "memory_used", "memory_limit", "desired_status"];
    for record in tasks.iter().rev().take(2).rev() {
        page.excerpt(record, &keys)?;
    }
    page.text("And the server's end:")?;
    let end =
        stats.iter().find(|record| is_over(record)).ok_or("the sidecar did not tell of the server's end")?;
    page.excerpt(end, &["time", "container_name", "status", "exit_code"])?;
    check("the server's exit code in the sidecar's record", &end.get("exit_code"), "137")?;
    check("the worker's own limit of CPU", &own.get("cpu_limit_milli"), "200")?;
    check("the limit of CPU that the sidecar knows", &worker.get("cpu_limit_milli"), "250")?;
    check("that the worker was throttled", &(own.get("throttled_periods") != "0"), &true)?;
    page.text("A few seconds before, for a person on a terminal (`epitaph --task-stats 0`, by `docker exec` or ECS Exec):")?;
    page.lines(table.lines())?;
    let has = |name: &str| table.lines().any(|line| line.starts_with(name) && line.contains("iB of"));
    check("that the table shows the server and the worker", &(has("server"), has("worker")), &(true, true))
}

/// ECS then stops what is left.
fn stopped(scene: &mut Scene, page: &Page) -> Result<()> {
    page.heading("5. And what the others say of their end")?;
    page.text(
        "The server was essential to the task, so ECS stops the rest of it: SIGTERM. From the worker's records, of which the \
         second is there if the endpoint answered before its end:",
    )?;
    scene.running[WORKER].stop()?;
    scene.until("exit record of the worker", |running| !running[WORKER].records("exit").is_empty())?;
    scene.running[WORKER].code()?;
    let worker = &scene.running[WORKER];
    let stop = worker.records("stop").pop().ok_or("the worker has no stop record")?;
    page.excerpt(&stop, &["time", "epitaph", "signal"])?;
    let task = worker.records("task").pop();
    if let Some(task) = &task {
        page.excerpt(task, &["time", "epitaph", "why"])?;
        let names_it = task.get("why").starts_with("Container server of this task ended with 137");
        check("that the worker's record names the server", &names_it, &true)?;
    }
    let exit = worker.records("exit").pop().ok_or("the worker has no exit record")?;
    page.excerpt(&exit, &["time", "epitaph", "exit.code", "exit.verdict", "exit.why"])?;
    check("the verdict on the worker", &exit.get("exit.verdict"), "stopped")?;
    scene.running[STATS].stop()?;
    scene.until("exit record of the sidecar", |running| !running[STATS].records("exit").is_empty())?;
    check("the sidecar's exit code", &scene.running[STATS].code()?, &0)
}
