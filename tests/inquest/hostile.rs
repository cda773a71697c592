//! Logs that somebody wrote to do harm.

use crate::support::{ID, TASK, fixture, inquest, inquest_reading, record};
use serde_json::{Value, json};
use std::io::Write;
use std::time::{Duration, Instant};

const HARM: &str = "\u{1b}]0;title\u{7}\u{1b}[2J\u{9b}31m\u{202e}</script>]]>\r\n\u{200b}";

/// What a terminal obeys, or what turns other text around.
fn is_harmful(letter: char) -> bool {
    (letter.is_control() && letter != '\n')
        || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn hostile_log() -> String {
    let start = json!({"program": HARM, "family": HARM, "revision": "1", "container_name": HARM, "hostname": HARM, "image": HARM,
        "docker_name": HARM, "log_group": HARM, "cluster": HARM, "instance_arn": HARM});
    let exit = json!({"exit": {"code": 1, "verdict": HARM, "why": HARM, "signal": HARM, "runtime_ms": 1000, "stop_signal": HARM, "stop_ms": 5,
        "left_processes": [{"pid": 1, "name": HARM, "state": HARM, "wait_channel": HARM}]}});
    let lines = [
        record("start", ID, 0, start),
        record("stop", ID, 1, json!({"signal": HARM})),
        record(
            "stuck",
            ID,
            1,
            json!({"processes": [{"pid": 1, "name": HARM, "state": "D", "wait_channel": HARM}]}),
        ),
        record("oom_kill", ID, 1, json!({"victim": {"pid": 1, "name": HARM}})),
        record("exit", ID, 1, exit),
        json!({"detail-type": "ECS Task State Change", "source": "aws.ecs", "detail": {
            "taskArn": format!("arn:aws:ecs:eu-central-1:123456789012:task/default/{TASK}"), "lastStatus": "STOPPED", "stoppedReason": HARM,
            "containers": [{"name": HARM, "exitCode": 1, "reason": HARM, "runtimeId": ID}]}}),
    ];
    lines.iter().map(|line| line.to_string() + "\n").collect()
}

#[test]
fn no_control_byte_reaches_the_terminal() {
    let log = hostile_log();
    let forms: [&[&str]; 10] = [
        &[TASK],
        &["list"],
        &["list", "--wide"],
        &["timeline", "--wide"],
        &["records"],
        &["--format", "json", TASK],
        &["list", "--format", "json"],
        &["list", "--format", "csv"],
        &["--format", "csv", TASK],
        &["-v", TASK],
    ];
    for arguments in forms {
        let mut arguments = arguments.to_vec();
        arguments.push("-");
        let ran = inquest_reading(&arguments, log.as_bytes());
        assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
        for text in [&ran.stdout, &ran.stderr] {
            assert!(!text.chars().any(is_harmful), "{arguments:?}: {text:?}");
        }
        // It is shown, not left out.
        assert!(ran.stdout.contains("</script>"), "{arguments:?}: {}", ran.stdout);
    }
    let ran = inquest(&["list", fixture("damaged/forged.log").to_str().expect("UTF-8")]);
    assert!(!ran.stdout.chars().any(is_harmful), "{:?}", ran.stdout);
}

#[test]
fn a_file_name_is_hostile_too() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("a\u{1b}[2J.log");
    std::fs::write(&path, &hostile_log().as_bytes()[..hostile_log().len() - 40]).expect("a file");
    for arguments in [&[TASK][..], &["-v", "list"], &["--format", "json", TASK]] {
        let mut arguments = arguments.to_vec();
        arguments.push(directory.path().to_str().expect("UTF-8"));
        let ran = inquest(&arguments);
        assert!(!ran.stdout.chars().chain(ran.stderr.chars()).any(is_harmful), "{ran:?}");
    }
}

#[test]
fn a_forged_end_is_disputed() {
    let line = |value: Value| value.to_string() + "\n";
    let start = line(record("start", ID, 0, json!({"program": "serve"})));
    let exit = |second, verdict: &str, code| {
        line(record(
            "exit",
            ID,
            second,
            json!({"exit": {"code": code, "verdict": verdict, "why": "", "runtime_ms": second * 1000}}),
        ))
    };
    let stop = line(record("stop", ID, 60, json!({"signal": "SIGTERM"})));
    for (log, dispute) in [
        (
            start.clone() + &exit(20, "ok", 0) + &exit(90, "oom_killed", 137),
            "there are 2 different exit records",
        ),
        (
            start.clone() + &exit(90, "ok", 0) + &exit(90, "oom_killed", 137),
            "there are 2 different exit records",
        ),
        (start.clone() + &exit(20, "ok", 0) + &stop, "1 record comes after its end"),
    ] {
        let ran = inquest_reading(&[TASK, "-"], log.as_bytes());
        assert!(
            ran.stdout.starts_with(&format!("      DISPUTED: {dispute}: do not believe all of this\n")),
            "{}",
            ran.stdout
        );
        let ran = inquest_reading(&["list", "-"], log.as_bytes());
        assert!(ran.stdout.contains(&format!("disputed: {dispute}")), "{}", ran.stdout);
    }
    // The same record twice is no contradiction.
    let ran =
        inquest_reading(&[TASK, "-"], (start.clone() + &exit(90, "ok", 0) + &exit(90, "ok", 0)).as_bytes());
    assert!(!ran.stdout.contains("DISPUTED"), "{}", ran.stdout);
}

#[test]
fn a_record_in_the_log_of_another_container_is_disputed() {
    let directory = tempfile::tempdir().expect("a directory");
    let other = ID.replace('4', "5");
    let log = record("exit", ID, 5, json!({"exit": {"code": 0, "verdict": "ok", "runtime_ms": 5}}))
        .to_string()
        + "\n";
    let at = |id: &str| {
        let path = directory.path().join("containers").join(id);
        std::fs::create_dir_all(&path).expect("a directory");
        std::fs::write(
            path.join(format!("{id}-json.log")),
            json!({"log": log, "stream": "stderr", "time": crate::support::time(5)}).to_string(),
        )
        .expect("a file");
    };
    at(&other);
    let path = directory.path().to_str().expect("UTF-8");
    let ran = inquest(&[TASK, path]);
    assert!(
        ran.stdout.contains(&format!(
            "DISPUTED: all of its records stand in the log of another container, {other}"
        )),
        "{}",
        ran.stdout
    );
    // Where the container's own log has it too, somebody has copied it.
    at(ID);
    assert!(!inquest(&[TASK, path]).stdout.contains("DISPUTED"));
}

#[test]
fn nothing_takes_long() {
    let begun = Instant::now();
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let zeros = vec![0; 1 << 20];
    for _ in 0..16 {
        bomb.write_all(&zeros).expect("written");
    }
    let bomb = bomb.finish().expect("gz");
    let needles = "{\"epitaph\":\"".repeat(50_000);
    let open = "{\"a\":".repeat(400_000) + "\"epitaph\":\"exit\"";
    let quotes = "\\".repeat(2 << 20) + "\"epitaph\\\":\\\"";
    let numbers = "[".to_owned() + &"101,112,105,116,97,112,104,".repeat(40_000);
    let base64 = "\"H4sI".repeat(50_000);
    let documents = "{\"taskArn\":\"".repeat(50_000);
    let kernel = "oom-kill:".repeat(50_000);
    let inputs = [
        bomb,
        needles.into_bytes(),
        open.into_bytes(),
        quotes.into_bytes(),
        numbers.into_bytes(),
        base64.into_bytes(),
        documents.into_bytes(),
        kernel.into_bytes(),
    ];
    for (place, input) in inputs.iter().enumerate() {
        let ran = inquest_reading(&["list", "-"], input);
        assert!(matches!(ran.code, 1 | 4), "{place}: {ran:?}");
    }
    assert!(begun.elapsed() < Duration::from_secs(240), "{:?}", begun.elapsed());
}

/// A program may print what the kernel prints; its log is no kernel's log, whatever is around the line.
#[test]
fn no_program_speaks_for_the_kernel() {
    let kernels = format!(
        "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset={ID},mems_allowed=0,oom_memcg=/docker/{ID},task_memcg=/docker/{ID},task=serve,pid=11516,uid=0"
    );
    let begun = record("start", ID, 0, json!({"program": "serve"})).to_string();
    let at = crate::support::time(51);
    let whole = format!("{at} vm kernel: {kernels}");
    let json = |value: Value| value.to_string() + "\n";
    let forged = [
        ("a.log", format!("{begun}\n{whole}\n")),
        ("containers/x-json.log", json(json!({"log": format!("{whole}\n"), "stream": "stdout", "time": at}))),
        ("fluentd.jsonl", json(json!({"log": whole, "container_id": ID, "source": "stdout"}))),
        ("cloudwatch.jsonl", json(json!({"message": whole, "logStreamName": format!("web/server/{TASK}")}))),
        ("cri.log", format!("{at} stdout F {whole}\n")),
        ("syslog", format!("<30>Nov 23 17:00:51 vm 408255f9fa13[811]: {whole}\n")),
        ("syslog-5424", format!("<30>1 {at} vm 408255f9fa13 811 408255f9fa13 - {whole}\n")),
        ("tail", format!("{at} web/server/{TASK} {whole}\n")),
        (
            "export",
            format!("__CURSOR=s=1\n_TRANSPORT=journal\nMESSAGE={whole}\nSYSLOG_IDENTIFIER=kernel\n\n"),
        ),
        (
            "journal.jsonl",
            json(json!({"_TRANSPORT": "stdout", "SYSLOG_IDENTIFIER": "kernel", "MESSAGE": whole})),
        ),
        (&format!("web-server-{TASK}/000000.log"), format!("{whole}\n")),
    ];
    let said = |name: &str, text: &str| {
        let directory = tempfile::tempdir().expect("a directory");
        let write = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
            std::fs::write(path, text).expect("a file");
        };
        write("start.jsonl", &format!("{begun}\n"));
        write(name, text);
        let lives = crate::support::lives(directory.path());
        assert_ne!(lives[0]["conclusion"]["sure"], "witness", "{name}");
        // What may be the program's own is told, and marked.
        let told = lives[0]["witnesses"].as_array().expect("a list");
        told.iter().filter(|said| said["unconfirmed"] == false).count()
    };
    for (name, text) in &forged {
        assert_eq!(said(name, text), 0, "{name}: {text}");
    }
    // The same in what the kernel's log is like.
    for (name, text) in [
        ("kern.log", format!("{whole}\n")),
        ("cloudwatch.jsonl", json(json!({"message": whole, "logStreamName": "i-0123456789abcdef0"}))),
        ("export", format!("__CURSOR=s=1\n_TRANSPORT=kernel\nMESSAGE={kernels}\n\n")),
        ("journal.jsonl", json(json!({"_TRANSPORT": "kernel", "MESSAGE": kernels}))),
    ] {
        assert_eq!(said(name, &text), 1, "{name}: {text}");
    }
}

#[test]
fn who_is_not_believed_is_told() {
    let line = "[   51.000000] oom-kill:constraint=CONSTRAINT_MEMCG,oom_memcg=/x,task_memcg=/x,task=serve,pid=1,uid=0\n";
    let begun = record("start", ID, 0, json!({})).to_string();
    let log = crate::support::docker_log(&[(0, begun.clone()), (1, line.trim_end().to_owned())]);
    let ran = inquest_reading(&["list", "-"], log.as_bytes());
    assert!(ran.stderr.contains("1 line that looks like the kernel's cannot be believed"), "{}", ran.stderr);
    assert_eq!(ran.code, 0);
    let ran = inquest_reading(&["list", "-"], (begun + "\n" + line).as_bytes());
    assert!(
        ran.stderr.contains("1 statement of other witnesses stands among the lines of a container"),
        "{}",
        ran.stderr
    );
    assert_eq!(ran.code, 0);
}
