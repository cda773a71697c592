//! epitaph beside the inits that it replaces, measured in one go: `cargo bench --bench peers`.
//!
//! Prints a Markdown table. Machines are noisy, so nothing is measured one init after the other: the inits
//! take turns, a round at a time, and what the machine does besides falls on all alike. Compare the ratios;
//! the times themselves are this machine's.
//!
//! | file | measures |
//! | --- | --- |
//! | `start` | start-up, with and without an ECS endpoint, and a health check |
//! | `idle` | memory, threads and wake-ups while the program sleeps, in an ECS task and with statistics too |
//! | `reap` | orphans |
//! | `signal` | latency, and signals that come before the init is ready |

// clone, kill and shared memory: the benchmark measures below what the standard library offers.
#![allow(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod bench;
mod idle;
mod init;
mod options;
mod reap;
mod signal;
mod start;
#[path = "../../tests/support/mod.rs"]
mod support;
mod table;
mod watchdog;
mod workload;

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bench::{Bench, Scale};
use init::Init;
use options::{Options, Request};
use support::archive::is_static;
use support::measure::endpoint::Endpoint;
use support::measure::spawn::{Command, Place};
use support::static_binary::{copy_as_shipped, static_binary};
use table::{Cell, Row};
use tempfile::TempDir;
use watchdog::Watchdog;

fn main() -> ExitCode {
    let mut args: Vec<OsString> = env::args_os().skip(1).collect();
    if args.first().is_some_and(|first| first == workload::FLAG) {
        return workload::run(&args.split_off(1));
    }
    let result = match options::parse(args) {
        Ok(Request::Run(options)) => run(&options),
        Ok(Request::Say(text)) => {
            println!("{text}");
            Ok(())
        }
        Err(error) => Err(error),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("peers: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), String> {
    let epitaph = match &options.epitaph {
        Some(path) => path.clone(),
        None => {
            eprintln!("building: the static epitaph");
            static_binary()?.to_owned()
        }
    };
    let text = |error: std::io::Error| error.to_string();
    let copies = Copies::of(&epitaph).map_err(|error| format!("{}: {error}", epitaph.display()))?;
    let bench = Bench::new(Init::all(copies.epitaph()), options.scale).map_err(text)?;
    let endpoint = Endpoint::start().map_err(text)?;
    let watchdog = Watchdog::start();

    watchdog.watch("versions");
    let mut rows = files(&bench);
    watchdog.rest();
    let mut notes = vec![machine(), method(&options.scale)];
    // One failing measurement does not take the others with it, but it does fail the run.
    let mut failed = Vec::new();
    let mut measure = |name: &str, what: &mut dyn FnMut() -> std::io::Result<Vec<Row>>| {
        if options.wants(name) {
            eprintln!("measuring: {name}");
            watchdog.watch(name);
            match what() {
                Ok(measured) => rows.extend(measured),
                Err(error) => {
                    eprintln!("FAILED: {name}: {error}");
                    failed.push(name.to_owned());
                }
            }
            watchdog.rest();
        }
    };
    measure("start", &mut || start::rows(&bench));
    measure("endpoint", &mut || {
        let (row, note) = start::with_endpoint(&bench, &endpoint)?;
        notes.push(note);
        Ok(vec![row])
    });
    measure("health", &mut || {
        notes.push(start::health(&bench)?);
        Ok(Vec::new())
    });
    measure("idle", &mut || idle::rows(&bench, &endpoint));
    measure("reap", &mut || reap::rows(&bench));
    measure("latency", &mut || {
        let (rows, note) = signal::latency(&bench, &Init::epitaph_as_dumb_init(copies.dumb_init()))?;
        notes.push(note);
        Ok(rows)
    });
    measure("early", &mut || signal::early(&bench));

    notes.extend(bench.cut_short());
    println!("{}", table::medians(&bench.inits, &rows));
    println!(
        "Medians; in parentheses how many times {}'s figure it is. KB are 1,024 bytes.\n",
        init::BASELINE
    );
    println!("{}\n", notes.join("\n\n"));
    let quartiles = table::quartiles(&bench.inits, &rows);
    println!("The first and the third quartile of what was measured often:\n\n{quartiles}");
    if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", "))) }
}

/// epitaph's file under two names.
struct Copies(TempDir);

impl Copies {
    fn of(file: &Path) -> std::io::Result<Self> {
        let copies = Self(TempDir::with_prefix("epitaph-bench-")?);
        copy_as_shipped(file, copies.0.path())?;
        symlink(init::EPITAPH, copies.dumb_init())?;
        Ok(copies)
    }

    fn epitaph(&self) -> PathBuf {
        self.0.path().join(init::EPITAPH)
    }

    fn dumb_init(&self) -> PathBuf {
        self.0.path().join("dumb-init")
    }
}

/// What needs no measuring: versions, sizes, and what the files need at run time.
fn files(bench: &Bench) -> Vec<Row> {
    let of = |cell: &dyn Fn(&Init, &Path) -> Option<Cell>| {
        let dash = || Cell::text("–");
        let one =
            |init: &Init, ()| init.path.as_deref().and_then(|path| cell(init, path)).unwrap_or_else(dash);
        bench.cells(vec![(); bench.inits.len()], one)
    };
    vec![
        Row::plain(
            "Version",
            of(&|_, path| {
                let command = Command::new(&[path.into(), "--version".into()], &[], Place::Ordinary).ok()?;
                Init::version(&bench.output(&command).ok()?).map(Cell::Text)
            }),
        ),
        Row::plain(
            "File, KB",
            of(&|_, path| {
                let size = fs::metadata(path).ok().filter(fs::Metadata::is_file)?.len();
                Some(Cell::Number((size as f64 / 1024.0).ceil()))
            }),
        ),
        Row::plain(
            "Needs at run time",
            of(&|_, path| Some(Cell::text(if is_static(path).ok()? { "nothing" } else { "libc" }))),
        ),
    ]
}

/// What a reader must know to judge the figures.
fn method(scale: &Scale) -> String {
    let count = |count: usize| table::grouped(count as f64);
    format!(
        "The inits took turns, once in each of {} rounds of starts, {} of reaping, {} of signals and {} of early \
         SIGTERMs; the idle ones were watched in the same {} s. Orphans and signals had one CPU for all. PID 1 is \
         in a PID namespace of its own; making the namespace is in its start. `{}` is what the program and the \
         machine take by themselves.",
        count(scale.starts),
        count(scale.reap_rounds),
        count(scale.signals),
        count(scale.races),
        scale.idle.as_secs(),
        init::NO_INIT,
    )
}

/// Kernel, CPU and day.
fn machine() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let day = humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string();
    format!(
        "Linux {} on {}, {} ({cpus} CPUs), {}.",
        read("/proc/sys/kernel/osrelease").trim(),
        env::consts::ARCH,
        model.map_or("an unnamed CPU", |(_, name)| name),
        day.get(..10).unwrap_or(&day),
    )
}
