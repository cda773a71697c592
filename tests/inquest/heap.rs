//! The heap as a whole: its order, its threads, its size.

use crate::support::{command, fixture, inquest, ran, record, time};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Stdio;

fn all_forms(paths: &[&str], threads: &str) -> Vec<String> {
    let forms: [&[&str]; 3] =
        [&["list", "--format", "json"], &["records"], &["9d4f1c7ab2e84c0f8a35d6e17b20c493"]];
    forms
        .into_iter()
        .map(|form| {
            let mut arguments = form.to_vec();
            arguments.extend(["--threads", threads]);
            arguments.extend(paths);
            inquest(&arguments).stdout
        })
        .collect()
}

#[test]
fn the_same_for_any_order_and_any_number_of_threads() {
    let names = ["shaped", "engine", "damaged"].map(|name| fixture(name).to_str().expect("UTF-8").to_owned());
    let [shaped, engine, damaged] = [&names[0], &names[1], &names[2]].map(String::as_str);
    let one = all_forms(&[shaped, engine, damaged], "1");
    assert!(one.iter().all(|output| output.len() > 1000));
    assert_eq!(one, all_forms(&[shaped, engine, damaged], "8"));
    assert_eq!(one, all_forms(&[damaged, shaped, engine, shaped], "3"));
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let mut command = command(&[
        "records",
        fixture("shaped").to_str().expect("UTF-8"),
        fixture("engine").to_str().expect("UTF-8"),
    ]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("inquest");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("its end");
    // xz and bzip2 are there too.
    assert_eq!(output.status.code(), Some(4));
    assert!(!String::from_utf8_lossy(&output.stderr).contains("write"), "{output:?}");
}

#[test]
fn zstd_is_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let source = fixture("shaped/plain/terminal.log");
    let text = std::fs::read(&source).expect("a file");
    let packed =
        ruzstd::encoding::compress_to_vec(text.as_slice(), ruzstd::encoding::CompressionLevel::Fastest);
    std::fs::write(directory.path().join("log.zst"), packed).expect("a file");
    let ran = inquest(&["records", directory.path().to_str().expect("UTF-8")]);
    assert_eq!(ran.stdout, inquest(&["records", source.to_str().expect("UTF-8")]).stdout);
    assert_eq!(ran.stdout.lines().count(), 3);
}

/// The largest resident set of a run, in KiB: `VmHWM` of proc_pid_status(5), asked for while it waits for its
/// input.
#[test]
fn memory_does_not_grow_with_what_is_read() {
    use std::io::Write;
    let mut child =
        command(&["list", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("inquest");
    let mut stdin = child.stdin.take().expect("a pipe");
    let line = "{\"log\":\"2026-11-23 17:02:10,123 INFO a line of a program\\n\",\"stream\":\"stdout\"}\n";
    let block = line.repeat(20_000);
    let record = std::fs::read(fixture("shaped/plain/terminal.log")).expect("a file");
    for _ in 0..100 {
        stdin.write_all(block.as_bytes()).expect("written");
        stdin.write_all(&record).expect("written");
    }
    // It has read all but what is in the pipe.
    let status = std::fs::read_to_string(Path::new("/proc").join(child.id().to_string()).join("status"))
        .expect("its status");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().expect("a number");
    drop(stdin);
    let output = child.wait_with_output().expect("its end");
    assert!(output.status.success());
    assert!(peak < 32 * 1024, "{peak} KiB");
}

/// A heap of this many lives, each with all that ECS tells of it.
fn lives(count: u64) -> tempfile::TempDir {
    let mut text = String::new();
    for life in 0..count {
        let id = life.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let (container, task) = (format!("{id:016x}").repeat(4), format!("{id:016x}").repeat(2));
        let kind = life % 20;
        for (name, second, more) in [
            ("start", life % 20_000, json!({"program": "serve", "identity_ms": 12})),
            (
                "exit",
                life % 20_000 + 90,
                json!({"exit": {"code": 0, "verdict": "ok", "why": "The program ended by itself.", "runtime_ms": 90_000},
                    "memory": {"limit": 536_870_912, "peak": 200_000_000 + life, "oom_kills": 0}}),
            ),
        ] {
            let mut record = record(name, &container, second, more);
            let who = json!({
                "run": format!("{id:08x}-{life:x}"), "task_id": task, "container_name": "server", "cluster": "default",
                "task_arn": format!("arn:aws:ecs:eu-central-1:123456789012:task/default/{task}"),
                "family": format!("shop-{kind}"), "revision": "26", "service": format!("service-{kind}"),
                "instance_arn": format!("arn:aws:ecs:eu-central-1:123456789012:container-instance/default/{kind:032x}"),
                "docker_name": format!("ecs-shop-{kind}-26-server-{id:020x}"), "hostname": "ip-10-0-2-100", "ip": "10.0.2.100",
                "image_id": format!("sha256:{kind:064x}"), "log_stream": format!("web/server/{task}"),
            });
            if let (Some(record), Value::Object(who)) = (record.as_object_mut(), who) {
                record.extend(who);
            }
            let line = json!({"log": format!("{record}\n"), "stream": "stderr", "time": time(second)});
            text.push_str(&line.to_string());
            text.push('\n');
        }
    }
    let folder = tempfile::tempdir().expect("a directory");
    std::fs::write(folder.path().join("app.log"), text).expect("a file");
    folder
}

/// The largest resident set in bytes of a list of so many lives, asked for while nobody reads what it prints.
fn peak_of_list(count: u64) -> u64 {
    use std::io::Read;
    let folder = lives(count);
    let path = folder.path().to_str().expect("UTF-8");
    let mut child =
        command(&["list", "--threads", "1", path]).stdout(Stdio::piped()).spawn().expect("inquest");
    let mut stdout = child.stdout.take().expect("a pipe");
    stdout.read_exact(&mut [0]).expect("a list");
    // More than a pipe holds is to come.
    let status = std::fs::read_to_string(Path::new("/proc").join(child.id().to_string()).join("status"))
        .expect("its status");
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).expect("the rest");
    assert!(child.wait().expect("its end").success());
    let sum = rest.lines().next_back();
    assert_eq!(sum, Some(format!("{0},000 lives of {0},000 tasks, 0 without an end", count / 1000).as_str()));
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
    1024 * peak.trim().trim_end_matches(" kB").parse::<u64>().expect("a number")
}

/// What is the same for many lives is there once, and what is not shown is not kept: docs/inquest.md has the
/// figure of 100,000 lives.
#[test]
fn a_life_takes_little_memory() {
    let (few, many) = (2_000, 14_000);
    let a_life = (peak_of_list(many) - peak_of_list(few)) / (many - few);
    assert!(a_life < LIFE, "{a_life} bytes a life");
}

/// The most that a life of two records may take in `list`, in bytes.
const LIFE: u64 = 580;

#[test]
fn an_interrupt_shows_what_was_found() {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    use std::io::{BufRead, BufReader, Write};
    let mut child = command(&["-v", "list", "--progress", "always", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("inquest");
    let mut stdin = child.stdin.take().expect("a pipe");
    let record = std::fs::read(fixture("shaped/plain/terminal.log")).expect("a file");
    // More than a window, so that the record has been looked at when the progress tells of it.
    stdin.write_all(&record).expect("written");
    stdin.write_all("x\n".repeat(1 << 19).as_bytes()).expect("written");
    let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut shown = Vec::new();
    while !String::from_utf8_lossy(&shown).contains("3 records") {
        shown.clear();
        assert!(
            stderr.read_until(b'K', &mut shown).expect("progress") > 0,
            "the progress tells of the records"
        );
    }
    kill(Pid::from_raw(i32::try_from(child.id()).expect("a PID")), Signal::SIGINT).expect("sent");
    // One is enough, although the pipe stays open and nothing more comes.
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut stderr, &mut rest).expect("stderr");
    let output = child.wait_with_output().expect("its end");
    assert_eq!(output.status.code(), Some(130));
    assert!(rest.contains("interrupted: this is what was found so far"), "{rest}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("oom_killed"), "{output:?}");
    drop(stdin);
}

#[test]
fn colours_are_asked_for() {
    let mut command = command(&[
        "list",
        "--color",
        "always",
        fixture("shaped/plain/terminal.log").to_str().expect("UTF-8"),
    ]);
    command.env("NO_COLOR", "1");
    assert!(ran(command).stdout.contains('\u{1b}'), "what is asked for on the command line wins");
}
