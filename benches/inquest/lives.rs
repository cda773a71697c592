//! Many lives: `cargo bench --bench inquest -- --lives 100000`, time and memory of what tells of all of them.

use crate::{Random, median};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// The files of the heap.
const FILES: u64 = 8;

/// What each way to look at them costs, so many times each.
pub fn measure(inquest: &Path, lives: u64, rounds: u64) {
    let folder = tempfile::tempdir().expect("a directory");
    let bytes = generate(folder.path(), lives);
    println!("{lives} lives of two records each, {:.0} MB in {FILES} files\n", bytes as f64 / 1e6);
    println!("| | CPU s | wall s | MB of memory at most |\n| --- | ---: | ---: | ---: |");
    for way in ["list", "stats", "list --format csv", "timeline --format html"] {
        let mut costs: Vec<Cost> = (0..rounds).map(|_| run(inquest, way, folder.path())).collect();
        let mut of = |value: fn(&Cost) -> f64| {
            let mut pairs: Vec<(f64, f64)> = costs.iter_mut().map(|cost| (value(cost), 0.0)).collect();
            median(&mut pairs, |pair| pair.0)
        };
        let (cpu, wall, memory) = (of(|cost| cost.cpu), of(|cost| cost.wall), of(|cost| cost.memory));
        println!("| inquest {way} | {cpu:.2} | {wall:.2} | {memory:.0} |");
    }
}

struct Cost {
    /// in seconds
    cpu: f64,
    /// the same
    wall: f64,
    /// the largest resident set, in megabytes
    memory: f64,
}

// wait4 reaps it.
#[allow(clippy::zombie_processes)]
fn run(inquest: &Path, way: &str, folder: &Path) -> Cost {
    let begun = Instant::now();
    let mut command = Command::new(inquest);
    command.args(way.split(' ')).arg(folder).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().expect("inquest");
    let (status, usage) = wait(child.id());
    assert_eq!(status, 0, "inquest {way}");
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    Cost {
        cpu: seconds(usage.ru_utime) + seconds(usage.ru_stime),
        wall: begun.elapsed().as_secs_f64(),
        // In KiB, as getrusage(2) says.
        memory: usage.ru_maxrss as f64 * 1024.0 / 1e6,
    }
}

/// Waits for a child, and gives what it alone used.
#[allow(unsafe_code)]
fn wait(child: u32) -> (i32, libc::rusage) {
    let mut status = 0;
    let child = i32::try_from(child).expect("a process ID");
    // SAFETY: both places are ours, and a usage of zeros is one.
    let (waited, usage) = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        (libc::wait4(child, &mut status, 0, &mut usage), usage)
    };
    assert_eq!(waited, child, "wait4");
    (status, usage)
}

/// Logs of Docker with a start and an exit of each life, with all that ECS tells of it. Returns how many
/// bytes.
fn generate(folder: &Path, lives: u64) -> u64 {
    let mut random = Random(1);
    let mut hex = |digits: usize| -> String {
        (0..digits)
            .map(|_| char::from_digit(u32::try_from(random.below(16)).unwrap_or(0), 16).unwrap_or('0'))
            .collect()
    };
    let files = (0..FILES).map(|file| File::create(folder.join(format!("app-{file}.log"))).expect("a file"));
    let mut files: Vec<BufWriter<File>> = files.map(BufWriter::new).collect();
    let mut bytes = 0;
    for life in 0..lives {
        let (container, task, run) = (hex(64), hex(32), format!("{}-{life:x}", hex(8)));
        let (kind, revision, machine) = (life % 20, 26 + life / 5000, life / 1000);
        let who = json!({
            "run": run, "container_id": container, "task_id": task, "pid": 6,
            "task_arn": format!("arn:aws:ecs:eu-central-1:123456789012:task/default/{task}"),
            "container_name": "server", "cluster": "default", "family": format!("shop-{kind}"),
            "revision": revision.to_string(), "service": format!("service-{kind}"), "launch_type": "EC2",
            "availability_zone": "eu-central-1b", "region": "eu-central-1", "account": "123456789012",
            "instance_arn": format!("arn:aws:ecs:eu-central-1:123456789012:container-instance/default/{machine:032x}"),
            "docker_name": format!("ecs-shop-{kind}-26-server-{}", hex(20)),
            "image": format!("123456789012.dkr.ecr.eu-central-1.amazonaws.com/shop-{kind}:latest"),
            "image_id": format!("sha256:{kind:032x}{revision:032x}"), "hostname": "ip-10-0-2-100",
            "ip": "10.0.2.100", "log_group": "/ecs/shop", "log_stream": format!("web/server/{task}"),
        });
        let (verdict, code) =
            [("ok", 0), ("stopped", 0), ("failed", 1), ("oom_killed", 137)][(life % 4) as usize];
        let exit = json!({
            "exit": {"code": code, "verdict": verdict, "why": "What was seen of its end, in a sentence.", "runtime_ms": 90_000},
            "memory": {"limit": 536_870_912, "peak": 200_000_000 + life, "oom_kills": u64::from(code == 137)},
        });
        for (name, seconds, more) in
            [("start", life * 17, json!({"program": "serve"})), ("exit", life * 17 + 90, exit)]
        {
            let text = line(name, seconds, &who, &more);
            bytes += text.len() as u64;
            if let Some(file) = files.get_mut((life % FILES) as usize) {
                file.write_all(text.as_bytes()).expect("written");
            }
        }
    }
    files.iter_mut().for_each(|file| file.flush().expect("written"));
    bytes
}

/// A record as Docker's json-file has it.
fn line(name: &str, seconds: u64, who: &Value, more: &Value) -> String {
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_795_453_200 + seconds);
    let time = humantime::format_rfc3339_millis(at).to_string();
    let mut parts = vec![format!(r#"{{"epitaph":"{name}","schema":1,"time":"{time}""#)];
    for object in [who, more] {
        let text = object.to_string();
        // Without its braces.
        parts.push(text[1..text.len() - 1].to_owned());
    }
    let record = parts.join(",") + "}\n";
    json!({"log": record, "stream": "stderr", "time": time}).to_string() + "\n"
}
