//! epitaph at work, from its first line to its last, with nothing but a terminal: no root, no Docker, no AWS.
//!
//! `cargo run --example ecs_task`; `-- --raw` prints what epitaph and its programs print, and nothing else.
//! What is shown is checked as well: it ends with 1 when anything is not as told.

#![allow(clippy::print_stdout)]

use std::cell::RefCell;
use std::error::Error;
use std::fmt::Debug;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use nix::sys::signal::Signal;

#[path = "ecs_task/cargo.rs"]
mod cargo;
#[path = "ecs_task/cgroup.rs"]
mod cgroup;
#[path = "../tests/support/endpoint/mod.rs"]
mod endpoint;
#[path = "ecs_task/page.rs"]
mod page;
#[path = "ecs_task/stage.rs"]
mod stage;
#[path = "ecs_task/statistics.rs"]
mod statistics;

use endpoint::{Endpoint, Task};
use page::{Node, Page};
use stage::{Ended, Place, Stage, Whom};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const HELP: &str = "\
Usage: cargo run --example ecs_task -- [OPTIONS]

  --raw        print what epitaph and its programs print, each to its own stream, and nothing else
  --inquest    at the end, let inquest read what the containers have left
  --stats      another story, of some 12 s: two containers of a task with their statistics, a sidecar that hears of both,
               and a leak that the OOM killer ends (this one wants root, for cgroups with limits)
  --subreaper  do without a PID namespace, as where the machine allows none
";

/// The program of the first act.
const PROGRAM: &str = "\
echo \"DOCKER_CONTAINER_ID=$DOCKER_CONTAINER_ID\"
echo \"ECS_TASK_ARN=$ECS_TASK_ARN\"
orphan=$( (sleep 5 >/dev/null & echo $!) )    # who started it is gone at once
parent=$(sed -n 's/^PPid:[^0-9]*//p' /proc/$orphan/status)
echo \"process $orphan is an orphan, its parent is now process $parent\"
kill $orphan
tries=0
while [ -e /proc/$orphan ] && [ $tries -lt 200 ]; do sleep 0.01; tries=$((tries + 1)); done
[ -e /proc/$orphan ] || echo \"process $orphan has ended and has been reaped\"
exit 3";

/// A program that tidies up when it is asked to stop. (It looks for the request rather than wait in a child:
/// a child that is signalled before its exec still has the shell's trap and may swallow the signal.)
const OBEDIENT: &str = "\
trap stop=1 TERM
echo ready
tries=0
while [ -z \"$stop\" ] && [ $tries -lt 400 ]; do sleep 0.01; tries=$((tries + 1)); done
[ -n \"$stop\" ] || exit 1
sleep 0.2";

/// A program that only SIGKILL will end.
const VICTIM: &str = "echo ready; exec sleep 5";

fn main() -> ExitCode {
    let (mut raw, mut subreaper, mut inquest, mut stats) = (false, false, false, false);
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--raw" => raw = true,
            "--subreaper" => subreaper = true,
            "--inquest" => inquest = true,
            "--stats" => stats = true,
            "-h" | "--help" => {
                print!("{HELP}");
                return ExitCode::SUCCESS;
            }
            other => return failure(&format!("{other:?} is no option; --help shows what there is")),
        }
    }
    if raw && inquest {
        return failure(
            "--raw shows nothing but what epitaph and its programs print, so there is no --inquest with it",
        );
    }
    if stats && inquest {
        return failure("--stats is a story of its own, so there is no --inquest with it");
    }
    let page = Page::new(raw);
    let shown =
        if stats { show_statistics(&page, raw, subreaper) } else { show(&page, raw, subreaper, inquest) };
    match shown {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure(&error.to_string()),
    }
}

fn failure(text: &str) -> ExitCode {
    use std::io::Write;
    // Not eprintln!, which panics when nobody reads it.
    let _ = writeln!(std::io::stderr(), "ecs_task: {text}");
    ExitCode::FAILURE
}

fn show(page: &Page, raw: bool, subreaper: bool, inquest: bool) -> Result<()> {
    page.text(
        "epitaph is the first process of a container: it finds out which container and which ECS task it is in, \
         starts the program, looks after it, and writes down how it ended. Here it does so on this machine alone, \
         without root, Docker or AWS, in about a second.",
    )?;
    page.heading("1. What is started")?;
    let epitaph = built(page)?;

    // The limit of this machine's cgroup is what the kernel acts on here, not one that a task tells.
    let endpoint = Endpoint::start(Task { memory_limit: None, ..Task::default().just_created() });
    page.text(
        "Then an HTTP server on loopback, which answers as the Amazon ECS agent does for a task. As in a real \
         task, one variable tells where, and the agent does not know yet that the container runs (so `started_at` and \
         `network_wait_ms` below are by epitaph's own clock):",
    )?;
    let environment = vec![("ECS_CONTAINER_METADATA_URI_V4", endpoint.uri_v4())];
    page.lines(environment.iter().map(|(name, value)| format!("{name}={value}")))?;
    let place = place(subreaper);
    page.text(&match &place {
        Place::Namespace(_) => "And epitaph, as PID 1 of a PID namespace of its own, as in a container \
                                (-w has it tell of each orphan):"
            .to_owned(),
        Place::Subreaper(reason) => format!(
            "And epitaph, not as PID 1 but as a child subreaper (-s), to which orphans come all the same, since \
             {reason} (-w has it tell of each orphan):"
        ),
    })?;
    let stage = Stage { epitaph, place, environment, raw, log: RefCell::default() };
    let (before, epitaph) = stage.command(&["-w"]);
    let epitaph = format!("{} sh -c \"$PROGRAM\"", epitaph.join(" "));
    if before.is_empty() {
        page.lines([epitaph])?;
    } else {
        page.lines([format!("{} \\", before.join(" ")), format!("    {epitaph}")])?;
    }
    page.text("where PROGRAM is:")?;
    page.lines(PROGRAM.lines())?;

    let ended = stage.run(&["-w"], PROGRAM, None)?;
    first_act(page, &endpoint, &ended)?;
    stopped(page, &stage, &endpoint)?;
    killed(page, &stage, &endpoint)?;
    if inquest {
        asked(page, &stage, &endpoint)?;
    }

    page.heading("Where to go from here")?;
    page.text("All of this was checked as it was shown. To see what epitaph printed, as it printed it:")?;
    page.lines(["cargo run --example ecs_task -- --raw"])?;
    if !inquest {
        page.text("To see what can be found out later from the log of these containers:")?;
        page.lines(["cargo run --example ecs_task -- --inquest"])?;
    }
    page.text("To try epitaph by hand against the same endpoint, which can also fail in many ways:")?;
    page.lines(["cargo run --example ecs_endpoint -- --help"])?;
    Ok(())
}

/// The other story: statistics.
fn show_statistics(page: &Page, raw: bool, subreaper: bool) -> Result<()> {
    page.text(
        "epitaph can write down what a container uses (--stats), and what all containers of a task do (--task-stats, in a \
         sidecar). Here it does both on this machine, without Docker or AWS, in some 12 s.",
    )?;
    page.heading("1. What is built")?;
    let epitaph = built(page)?;
    let stage =
        Stage { epitaph, place: place(subreaper), environment: Vec::new(), raw, log: RefCell::default() };
    statistics::show(page, &stage)?;
    page.heading("Where to go from here")?;
    page.text("All of this was checked as it was shown. To see what epitaph printed, as it printed it:")?;
    page.lines(["cargo run --example ecs_task -- --stats --raw"])?;
    page.text("To try the statistics by hand, on an endpoint whose containers move by a script:")?;
    page.lines(["cargo run --example ecs_endpoint"])?;
    Ok(())
}

/// Builds the binary; where it is.
fn built(page: &Page) -> Result<PathBuf> {
    let mut build = ["build", "--quiet", "--bin", "epitaph"].map(str::to_owned).to_vec();
    build.extend(cargo::same_place(&std::env::current_exe()?));
    page.text("First the binary is built, which `cargo run --example` does not do by itself:")?;
    page.lines([format!("cargo {}", build.join(" "))])?;
    Ok(from_here(cargo::build(&build, "epitaph")?))
}

fn place(subreaper: bool) -> Place {
    if subreaper { Place::Subreaper("--subreaper was given".to_owned()) } else { Place::find() }
}

/// The path as it would be typed in the working directory.
fn from_here(path: PathBuf) -> PathBuf {
    let here = std::env::current_dir().ok();
    match here.and_then(|here| path.strip_prefix(here).ok()) {
        // A single word would be looked for in PATH.
        Some(short) if short.components().count() > 1 => short.to_owned(),
        _ => path,
    }
}

/// Who the program is, and how it ends by itself.
fn first_act(page: &Page, endpoint: &Endpoint, ended: &Ended) -> Result<()> {
    let [start, exit] = &records(ended, endpoint, ["start", "exit"])?;

    page.heading("2. The program knows who it is")?;
    page.text("What it printed first. Neither variable was there when epitaph was started:")?;
    let (variables, rest) = ended.stdout.split_at_checked(2).ok_or("the program printed too little")?;
    page.lines(variables)?;
    let task = endpoint.task();
    let id = task.subject().map(|container| container.docker_id.clone()).unwrap_or_default();
    let told = [format!("DOCKER_CONTAINER_ID={id}"), format!("ECS_TASK_ARN={}", task.arn)];
    check("what the program was told", variables, &told)?;
    page.text("Between fork and exec, epitaph asked the endpoint for them:")?;
    page.lines(endpoint.exchanges().iter().map(|one| format!("{} -> {}", one.request, one.answer)))?;

    page.heading("3. The start record")?;
    page.text(
        "Who this container is, in its logs from the first moment on. ECS forgets a task about an hour after it has \
         stopped; this line does not.",
    )?;
    page.record(&start.node, &[])?;
    page.text(&start.origin)?;

    page.heading("4. An orphan, reaped")?;
    page.text("What the program printed next:")?;
    page.lines(rest)?;
    let orphan = rest.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
    let parent = rest.first().and_then(|line| line.rsplit(' ').next()).unwrap_or_default();
    let expected = [
        format!("process {orphan} is an orphan, its parent is now process {parent}"),
        format!("process {orphan} has ended and has been reaped"),
    ];
    check("what the program saw of its orphan", rest, &expected)?;
    page.text("And what epitaph said of it, on stderr:")?;
    let warnings: Vec<&String> =
        ended.stderr.iter().filter(|line| !line.is_empty() && Node::record(line).is_none()).collect();
    page.lines(&warnings)?;
    let warning = format!("[WARN epitaph ({parent})] reaped process {orphan}");
    check("what epitaph said beside its records", &warnings, &vec![&warning])?;

    page.heading("5. The exit record")?;
    page.text("How it ended, and what epitaph concludes that from:")?;
    let same = identity_in_both(&start.node, &exit.node);
    page.record(&exit.node, &same)?;
    page.text(&format!(
        "The record also repeats the {} other keys of the identity, so that this one line is enough.",
        same.len()
    ))?;
    page.text(&exit.origin)?;
    if !exit.node.get("memory").is_empty() {
        page.text(
            "(memory is what the kernel has counted for the cgroup: the container's in a container, that of this \
             terminal here. It is what tells an OOM kill from any other SIGKILL.)",
        )?;
    }
    page.text(&format!("epitaph itself ended as the program did: with exit code {}.", ended.code))?;
    check("epitaph's exit code", &ended.code, &3)?;
    check("the code in the exit record", &exit.node.get("exit.code"), "3")?;
    check("the verdict", &exit.node.get("exit.verdict"), "failed")?;
    check("the number of orphans in the exit record", &exit.node.get("exit.reaped"), "1")?;
    Ok(())
}

/// The same container, asked to stop.
fn stopped(page: &Page, stage: &Stage, endpoint: &Endpoint) -> Result<()> {
    page.heading("6. The same container, asked to stop")?;
    page.text(
        "SIGTERM from outside, as from `docker stop` or ECS. The program takes a moment to tidy up. From the stop \
         record, written as the signal is forwarded:",
    )?;
    let ended = stage.run(&[], OBEDIENT, Some((Signal::SIGTERM, Whom::Epitaph)))?;
    let [_, stop, exit] = &records(&ended, endpoint, ["start", "stop", "exit"])?;
    page.excerpt(&stop.node, &["time", "signal"])?;
    page.text("And from the exit record:")?;
    page.excerpt(&exit.node, &["exit.code", "exit.verdict", "exit.why", "exit.stop_ms"])?;
    check("the signal of the stop record", &stop.node.get("signal"), "SIGTERM")?;
    check("the verdict", &exit.node.get("exit.verdict"), "stopped")?;
    check("epitaph's exit code", &ended.code, &0)
}

/// The same container, killed by somebody.
fn killed(page: &Page, stage: &Stage, endpoint: &Endpoint) -> Result<()> {
    page.heading("7. The same container, killed")?;
    page.text(
        "SIGKILL from outside. Usually this leaves an exit code of 137, and the question whether it was memory. \
         epitaph has looked at the kernel's count of OOM kills before and after:",
    )?;
    let ended = stage.run(&[], VICTIM, Some((Signal::SIGKILL, Whom::Program)))?;
    let [_, exit] = &records(&ended, endpoint, ["start", "exit"])?;
    page.excerpt(&exit.node, &["exit.code", "exit.signal", "exit.verdict", "exit.why"])?;
    // Outside of containers not every machine has the counter, and a verdict without it would be a guess.
    let verdict = if exit.node.get("memory.oom_kills").is_empty() {
        page.text(
            "On this machine there is no such count to be read, and epitaph says so rather than guess.",
        )?;
        "oom_suspected"
    } else {
        "killed"
    };
    check("the verdict", &exit.node.get("exit.verdict"), verdict)?;
    check("the signal in the exit record", &exit.node.get("exit.signal"), "SIGKILL")?;
    check("epitaph's exit code", &ended.code, &137)
}

/// What somebody finds out later, who has the task's ID and the log.
fn asked(page: &Page, stage: &Stage, endpoint: &Endpoint) -> Result<()> {
    page.heading("8. Days later: inquest")?;
    page.text(
        "Somebody has the task's ID, from an alarm or an event, and the log of the container, in which the lines above are \
         among all others. `inquest` is built by:",
    )?;
    let mut build =
        ["build", "--quiet", "--features", "inquest", "--bin", "inquest"].map(str::to_owned).to_vec();
    build.extend(cargo::same_place(&std::env::current_exe()?));
    page.lines([format!("cargo {}", build.join(" "))])?;
    let inquest = cargo::build(&build, "inquest")?;
    let folder = tempfile::tempdir()?;
    let log = stage.log.borrow().join("\n") + "\n";
    std::fs::write(folder.path().join("server.log"), log)?;
    let task = endpoint.task();
    let id = task.arn.rsplit('/').next().unwrap_or_default();
    let asked = Command::new(inquest).args([id, "server.log"]).current_dir(folder.path()).output()?;
    let told = String::from_utf8(asked.stdout)?;
    page.text("and asked with:")?;
    page.lines([format!("inquest {id} server.log")])?;
    page.text(
        "It lists the three lives of the container, and then tells of the newest, with where it says so:",
    )?;
    page.lines(told.lines())?;
    check("inquest's exit code", &asked.status.code(), &Some(0))?;
    let has = |text: &str| told.contains(text);
    for text in
        ["3 lives of 1 task, 0 without an end", " failed ", " stopped ", "killed, exit code 137 (SIGKILL)"]
    {
        check(&format!("{text:?} in what inquest says"), &has(text), &true)?;
    }
    check("that inquest disputes something", &has("DISPUTED"), &false)
}

/// A record, and a sentence about where it stood.
struct Record {
    node: Node,
    origin: String,
}

/// The records on stderr, which must be these, of this container, in this order.
fn records<const N: usize>(ended: &Ended, endpoint: &Endpoint, kinds: [&str; N]) -> Result<[Record; N]> {
    let lines = &ended.stderr;
    let numbered = lines.iter().enumerate().filter_map(|(index, line)| {
        let (node, number) = (Node::record(line)?, index + 1);
        let origin = format!(
            "(Spread out for reading; it is line {number} of {} on stderr, {} bytes of JSON. --raw shows it as it is.)",
            lines.len(),
            line.len()
        );
        Some(Record { node, origin })
    });
    // Whether the answer to "who stopped me?" comes before the end is chance, since nothing waits for it.
    // --raw shows it.
    let records: Vec<Record> = numbered.filter(|record| record.node.get("epitaph") != "task").collect();
    let found: Vec<String> = records.iter().map(|record| record.node.get("epitaph")).collect();
    check("the order of the records", &found, &kinds.map(str::to_owned).to_vec())?;
    let task = endpoint.task();
    let id = task.subject().map(|container| container.docker_id.clone()).unwrap_or_default();
    for record in &records {
        check("the container ID in a record", &record.node.get("container_id"), &id)?;
        check("the task ARN in a record", &record.node.get("task_arn"), &task.arn)?;
    }
    Ok(records.try_into().map_err(|_| "the number of records is wrong")?)
}

/// The keys that stand in both records with the same value, beside those that every record has.
fn identity_in_both<'a>(start: &'a Node, exit: &Node) -> Vec<&'a str> {
    const COMMON: [&str; 7] = ["epitaph", "schema", "time", "container_id", "task_arn", "task_id", "pid"];
    let is_same = |(key, node): &&(String, Node)| {
        !COMMON.contains(&key.as_str())
            && exit.fields().iter().any(|other| (&other.0, &other.1) == (key, node))
    };
    start.fields().iter().filter(is_same).map(|(key, _)| key.as_str()).collect()
}

/// An error that tells what is not as it should be.
fn check<T, U>(what: &str, found: &T, expected: &U) -> Result<()>
where
    T: PartialEq<U> + Debug + ?Sized,
    U: Debug + ?Sized,
{
    if found == expected {
        return Ok(());
    }
    Err(format!("{what}: {found:?} was found, and {expected:?} was expected").into())
}
