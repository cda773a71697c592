//! `inquest` beside `zcat | grep | jq` and `rg -z`, over one generated heap of logs: `cargo bench --bench
//! inquest`.
//!
//! The heap is eight files of Docker's json-file driver, 1 GB inflated, with one record in 100,000 lines;
//! once packed by gzip, once plain. `-- --megabytes N` makes it smaller, `-- --rounds N` measures more often.
//! Each way to find the records takes its turn in each round, with one thread or process at a time where it
//! can be told so, and what counts is the CPU time of all of its processes: machines are shared, and wall
//! times are not comparable on them.
//!
//! `-- --lives N` measures another thing: what it costs to tell of so many lives. `-- --binary FILE` takes
//! that inquest, such as one of a release, and not one that is built here.

#![allow(clippy::print_stdout, clippy::print_stderr, clippy::panic)]

mod lives;

use flate2::{Compression, write::GzEncoder};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The files of the heap.
const FILES: usize = 8;

/// Lines between two records.
const APART: u64 = 100_000;

fn main() {
    let option = |name: &str| std::env::args().skip_while(|argument| argument != name).nth(1);
    let number = |name: &str, default: u64| {
        option(name).map_or(default, |value| {
            value.parse().unwrap_or_else(|_| panic!("{name} takes a number, not {value}"))
        })
    };
    let (megabytes, rounds) = (number("--megabytes", 1000), number("--rounds", 5).max(1));
    let lives = number("--lives", 0);
    let inquest = option("--binary").map_or_else(build, PathBuf::from);
    if lives > 0 {
        return lives::measure(&inquest, lives, rounds);
    }
    let directory = tempfile::tempdir().expect("a directory");
    let heap = Heap::generate(directory.path(), megabytes * 1_000_000);
    println!(
        "{} lines, {} records, {:.0} MB, {:.0} MB of gz\n",
        heap.lines,
        heap.records,
        heap.bytes as f64 / 1e6,
        heap.packed as f64 / 1e6
    );

    let gz = heap.gz.to_str().expect("UTF-8");
    let plain = heap.plain.to_str().expect("UTF-8");
    let own = inquest.to_str().expect("UTF-8");
    let jq = "jq -r '.log | select(startswith(\"{\\\"epitaph\\\"\"))' | jq -c .epitaph";
    let ways = [
        Way::new(
            "inquest records, gz",
            format!("{own} records --threads 1 {gz} | wc -l"),
            Some(heap.records),
        ),
        Way::new(
            "inquest list, gz, one thread",
            format!("{own} list --threads 1 {gz} | wc -l"),
            Some(heap.records + 2),
        ),
        Way::new("inquest list, gz, all threads", format!("{own} list {gz} | wc -l"), Some(heap.records + 2)),
        Way::new(
            "zcat, grep, jq",
            format!("zcat {gz}/*.gz | grep -a epitaph | {jq} | wc -l"),
            Some(heap.records),
        ),
        Way::new(
            "zcat, jq on every line (a twentieth)",
            format!("zcat {gz}/app-0.log.gz | head -c {} | head -n -1 | {jq} | wc -l", heap.bytes / 20),
            None,
        )
        .of(20),
        Way::new("rg -z -j1", format!("rg -z -j1 --no-filename epitaph {gz} | wc -l"), Some(heap.records)),
        Way::new(
            "inquest list, plain, one thread",
            format!("{own} list --threads 1 {plain} | wc -l"),
            Some(heap.records + 2),
        ),
        Way::new(
            "rg -j1, plain",
            format!("rg -j1 --no-filename epitaph {plain} | wc -l"),
            Some(heap.records),
        ),
    ];
    let missing = ["zcat", "jq", "rg"].into_iter().filter(|program| !is_there(program)).collect::<Vec<_>>();
    let ways: Vec<Way> = ways
        .into_iter()
        .filter(|way| !missing.iter().any(|program| way.shell.contains(&format!("{program} "))))
        .collect();
    for program in &missing {
        eprintln!("SKIPPED {program}: it is not installed (apt-get install gzip jq ripgrep)");
    }
    let mut measured: Vec<Vec<(f64, f64)>> = ways.iter().map(|_| Vec::new()).collect();
    // The first round fills the page cache.
    for round in 0..=rounds {
        for (way, times) in ways.iter().zip(&mut measured) {
            let time = way.run();
            if round > 0 {
                times.push(time);
            }
        }
    }
    println!("| | CPU s | wall s | MB/s per CPU second, inflated |\n| --- | ---: | ---: | ---: |");
    let mut speeds = Vec::new();
    for (way, times) in ways.iter().zip(&mut measured) {
        let (cpu, wall) = (median(times, |time| time.0), median(times, |time| time.1));
        let speed = heap.bytes as f64 / way.parts / 1e6 / cpu;
        println!("| {} | {cpu:.2} | {wall:.2} | {speed:.0} |", way.name);
        speeds.push((way.name, speed));
    }
    let of = |name: &str| speeds.iter().find(|(way, _)| *way == name).map(|(_, speed)| *speed);
    let ratio = |one: &str, other: &str| Some(of(one)? / of(other)?);
    if let Some(ratio) = ratio("inquest list, gz, one thread", "rg -z -j1") {
        println!("\nOn gz it is {ratio:.1} times as fast per core as rg -z (goal: 2.5).");
    }
    if let Some(ratio) = ratio("inquest list, plain, one thread", "rg -j1, plain") {
        println!("On plain text it is {ratio:.1} times as fast per core as rg (goal: 0.6).");
    }
}

/// One way to find the records.
struct Way {
    name: &'static str,
    shell: String,
    /// what it prints: how many lines it found
    expected: Option<u64>,
    /// how much of the heap it reads: one part of so many
    parts: f64,
}

impl Way {
    fn new(name: &'static str, shell: String, expected: Option<u64>) -> Way {
        Way { name, shell, expected, parts: 1.0 }
    }

    fn of(self, parts: u32) -> Way {
        Way { parts: f64::from(parts), ..self }
    }

    /// The CPU time of all its processes, and the wall time, in seconds.
    fn run(&self) -> (f64, f64) {
        let before = cpu_of_children();
        let begun = std::time::Instant::now();
        let output = Command::new("sh").args(["-c", &self.shell]).stderr(Stdio::null()).output().expect("sh");
        let wall = begun.elapsed().as_secs_f64();
        let printed = String::from_utf8_lossy(&output.stdout);
        if let Some(expected) = self.expected {
            assert_eq!(printed.trim(), expected.to_string(), "{}: {}", self.name, self.shell);
        }
        (cpu_of_children() - before, wall)
    }
}

fn cpu_of_children() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("getrusage");
    (usage.user_time().num_microseconds() + usage.system_time().num_microseconds()) as f64 / 1e6
}

fn median(times: &mut [(f64, f64)], of: impl Fn(&(f64, f64)) -> f64) -> f64 {
    let mut values: Vec<f64> = times.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn is_there(program: &str) -> bool {
    let found =
        Command::new("sh").args(["-c", &format!("command -v {program}")]).stdout(Stdio::null()).status();
    found.is_ok_and(|status| status.success())
}

/// The release build, as it is shipped.
fn build() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target directory");
    let status = Command::new(env!("CARGO"))
        .args(["build", "--release", "--features", "inquest", "--bin", "inquest", "--target-dir"])
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .expect("cargo");
    assert!(status.success(), "inquest could not be built");
    target.join("release/inquest")
}

/// The generated logs.
struct Heap {
    gz: PathBuf,
    plain: PathBuf,
    lines: u64,
    records: u64,
    bytes: u64,
    packed: u64,
}

impl Heap {
    fn generate(directory: &Path, bytes: u64) -> Heap {
        let (gz, plain) = (directory.join("gz"), directory.join("plain"));
        for directory in [&gz, &plain] {
            std::fs::create_dir(directory).expect("a directory");
        }
        let mut heap = Heap { gz, plain, lines: 0, records: 0, bytes: 0, packed: 0 };
        let mut random = Random(1);
        let words: Vec<String> = (0..5000).map(|_| random.word()).collect();
        for file in 0..FILES {
            let name = format!("app-{file}.log");
            let mut text = BufWriter::new(File::create(heap.plain.join(&name)).expect("a file"));
            let packed = heap.gz.join(format!("{name}.gz"));
            let mut gz =
                GzEncoder::new(BufWriter::new(File::create(&packed).expect("a file")), Compression::new(6));
            let end = bytes * (file as u64 + 1) / FILES as u64;
            while heap.bytes < end {
                heap.lines += 1;
                let line = if heap.lines.is_multiple_of(APART) {
                    heap.records += 1;
                    record(heap.records)
                } else {
                    random.line(&words, heap.lines)
                };
                heap.bytes += line.len() as u64;
                text.write_all(line.as_bytes()).expect("written");
                gz.write_all(line.as_bytes()).expect("written");
            }
            text.flush().expect("written");
            gz.finish().and_then(|mut file| file.flush()).expect("written");
            heap.packed += std::fs::metadata(&packed).expect("a file").len();
        }
        heap
    }
}

/// A line of Docker's log with an exit record.
fn record(number: u64) -> String {
    let time =
        format!("2026-11-23T{:02}:{:02}:{:02}.691Z", number / 3600 % 24, number / 60 % 60, number % 60);
    let line = format!(
        "{{\"epitaph\":\"exit\",\"schema\":1,\"time\":\"{time}\",\"container_id\":\"{number:064x}\",\"pid\":6,\"exit\":{{\"code\":137,\
         \"signal\":\"SIGKILL\",\"verdict\":\"oom_killed\",\"why\":\"x\",\"runtime_ms\":78}}}}\n"
    );
    format!("{}\n", serde_json::json!({"log": line, "stream": "stderr", "time": time}))
}

/// Numbers that look like chance and are the same each time (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn word(&mut self) -> String {
        let length = 3 + self.below(8);
        (0..length).map(|_| char::from(b'a' + u8::try_from(self.below(26)).unwrap_or(0))).collect()
    }

    /// What a program prints.
    fn line(&mut self, words: &[String], number: u64) -> String {
        let count = 5 + self.below(25);
        let text: Vec<&str> = (0..count)
            .filter_map(|_| words.get(usize::try_from(self.below(words.len() as u64)).unwrap_or(0)))
            .map(String::as_str)
            .collect();
        format!(
            "{{\"log\":\"2026-11-23 17:02:10,{} INFO [worker-{}] {}\\n\",\"stream\":\"stdout\",\"time\":\"2026-11-23T17:02:10.{:09}Z\"}}\n",
            100 + self.below(900),
            number % 16,
            text.join(" "),
            number % 1_000_000_000
        )
    }
}
