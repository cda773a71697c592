//! `inquest WHO`: the first command that somebody tries.

use crate::support::{ID, TASK, fixture, inquest, inquest_reading, lives_of, record};
use serde_json::json;

fn shaped() -> String {
    fixture("shaped/journal/2026-11-23").join(format!("{ID}.jsonl")).to_str().expect("UTF-8").to_owned()
}

#[test]
fn a_certificate() {
    let ran = inquest(&[TASK, &shaped()]);
    let expected = format!(
        "          Task: {TASK}  (default, eu-central-1, 123456789012)
     Container: server  {ID}  ecs-shop-web-26-server-ae81f3c5d0b7e2946a00
         Image: 123456789012.dkr.ecr.eu-central-1.amazonaws.com/shop-web:latest  sha256:3f8b2a6c915d04e7b8c2f1a0d9e6735481b2c3d4e5f60718293a4b5c6d7e8f90
      Revision: shop-web:26  Service: shop
       Program: serve
         Where: ip-10-0-2-100  10.0.2.100  eu-central-1b  EC2
          Logs: /ecs/shop  web/server/{TASK}
       Started: 2026-11-23 17:02:10.615Z  (waited 2.2s for the network, 2ms for its identity)
          Died: 2026-11-23 17:02:10.691Z  after 78ms
       Verdict: oom_killed, exit code 137 (SIGKILL)
           Why: The kernel's OOM killer took the program: SIGKILL, and oom_kill in memory.oom_control rose from 0 to 1; usage peaked at 32.0 MiB of 32.0 MiB.
        Memory: peak 32.0 MiB of 32.0 MiB, 1 OOM kill
        Before: 17:02:10.690 oom_kill  serve (6)  peak 32.0 MiB of 32.0 MiB, 1 OOM kill
       Records: start           {path}:1
                oom_kill        {path}:2
                exit            {path}:3
",
        path = shaped()
    );
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, expected.as_str(), ""));
}

#[test]
fn whoever_is_meant_is_found() {
    let path = shaped();
    let expected = inquest(&[TASK, &path]).stdout;
    for who in [
        "9d4f",
        "9d4f1c7a-b2e8-4c0f-8a35-d6e17b20c493",
        "arn:aws:ecs:eu-central-1:123456789012:task/default/9d4f1c7ab2e84c0f8a35d6e17b20c493",
        "web/server/9d4f1c7ab2e84c0f8a35d6e17b20c493",
        "ecs-shop-web-26-server-ae81f3c5d0b7e2946a00",
        ID,
        "408255f9fa13…",
        " \"9d4f1c7ab2e84c0f8a35d6e17b20c493\"",
    ] {
        let ran = inquest(&[who, &path]);
        assert_eq!((ran.code, ran.stdout.as_str()), (0, expected.as_str()), "{who}: {}", ran.stderr);
    }
    let ran = inquest(&["feed", &path]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""));
    assert!(
        ran.stderr.contains("nothing about feed in 1 file; 1 life of others there (inquest list)"),
        "{}",
        ran.stderr
    );
}

#[test]
fn other_zones_and_times() {
    let path = shaped();
    let berlin = inquest(&["--tz", "Europe/Berlin", TASK, &path]).stdout;
    assert!(berlin.contains("Died: 2026-11-23 18:02:10.691+01:00  after 78ms"), "{berlin}");
    for (since, code) in [("17:03", 1), ("2026-11-23T17:02:10Z", 0), ("2026-11-23", 0), ("@1795453331", 1)] {
        let since = if since.len() == 5 { format!("2026-11-23 {since}") } else { since.to_owned() };
        assert_eq!(inquest(&["list", "--since", &since, &path]).code, code, "{since}");
    }
    assert_eq!(inquest(&["list", "--until", "2026-11-23T17:02:10Z", &path]).code, 1);
}

#[test]
fn filters() {
    let path = shaped();
    for (option, value, code) in [
        ("--family", "shop-web", 0),
        ("--family", "shop-web:26", 0),
        ("--family", "shop*", 0),
        ("--family", "shop-web:27", 1),
        ("--service", "shop", 0),
        ("--container", "serv?r", 0),
        ("--cluster", "default", 0),
        ("--az", "eu-central-1b", 0),
        ("--host", "10.0.2.100", 0),
        ("--image", "sha256:3f8b*", 0),
        ("--image", "sha256:4*", 1),
        ("--verdict", "oom", 0),
        ("--verdict", "bad", 0),
        ("--verdict", "ok,none", 1),
        ("--verdict", "dead", 2),
        ("--tz", "Mars", 2),
        ("--since", "soon", 2),
        ("--witness", "kernel,ghost", 2),
        ("--threads", "0", 2),
    ] {
        let ran = inquest(&["list", option, value, &path]);
        assert_eq!(ran.code, code, "{option} {value}: {ran:?}");
        assert_eq!(ran.stdout.is_empty(), code != 0, "{option} {value}");
    }
}

#[test]
fn a_beginning_of_several_names_them() {
    let other = TASK.replace("9d4f1c7a", "9d4f0000");
    let line = |task: &str, id: &str, second| {
        let arn = format!("arn:aws:ecs:eu-central-1:123456789012:task/default/{task}");
        let more = json!({"task_id": task, "task_arn": arn, "family": "f", "exit": {"code": 0, "verdict": "ok", "runtime_ms": 5}});
        record("exit", id, second, more).to_string() + "\n"
    };
    let input = line(TASK, ID, 1) + &line(&other, &ID.replace('4', "5"), 2);
    let ran = inquest_reading(&["9d4f", "-"], input.as_bytes());
    assert_eq!((ran.code, ran.stdout.as_str()), (3, ""));
    assert!(
        ran.stderr.contains("9d4f may be 2 tasks: give more digits, or --first or --last"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains(&format!("{other}  f  2026-11-23 17:00:02.000Z  ok")), "{}", ran.stderr);
    for (option, task) in [("--first", TASK), ("--last", other.as_str())] {
        let ran = inquest_reading(&[option, "9d4f", "-"], input.as_bytes());
        assert_eq!(ran.code, 0);
        assert!(ran.stdout.contains(&format!("Task: {task}")), "{option}: {}", ran.stdout);
    }
    assert_eq!(inquest_reading(&[TASK, "-"], input.as_bytes()).code, 0);
    // As many containers of one task as there are: no ambiguity, but a list.
    let input = line(TASK, ID, 1) + &line(TASK, &ID.replace('4', "5"), 2);
    let ran = inquest_reading(&["9d4f"], input.as_bytes());
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("2 lives of 1 task, 0 without an end"), "{}", ran.stdout);
}

#[test]
fn wrong_command_lines() {
    for arguments in [&["abc"][..], &["list", "--nonsense"], &[], &["--first", "--last", TASK], &["/"]] {
        let ran = inquest(arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{arguments:?}: {ran:?}");
        assert!(!ran.stderr.is_empty());
    }
    let ran = inquest(&["9d4f"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("the standard input is empty: give a file or a directory"), "{}", ran.stderr);
}

#[test]
fn quiet_and_verbose() {
    let path = shaped();
    let ran = inquest(&["-q", TASK, &path]);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "", ""));
    let ran = inquest(&["-v", TASK, &path]);
    assert!(ran.stderr.contains("3 records, 0 statements of others"), "{}", ran.stderr);
}

#[test]
fn documents() {
    let ran = inquest(&["--format", "json", TASK, &shaped()]);
    let lives = lives_of(&ran);
    assert_eq!(lives.len(), 1);
    assert_eq!(lives[0]["conclusion"]["word"], "oom_killed");
    assert_eq!(lives[0]["records"][2]["places"][0], format!("{}@2060", shaped()));
    let ran = inquest(&["list", "--format", "csv", &shaped()]);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!(
        lines[0].starts_with("started,ended,") && lines[1].contains(",oom_killed,137,SIGKILL,33554432,"),
        "{lines:?}"
    );
}

#[test]
fn help_completions_and_man_page() {
    let help = inquest(&["--help"]).stdout;
    assert!(help.contains("Examples:\n  inquest 9d4f1c7ab2e84c0f8a35d6e17b20c493 /var/log"), "{help}");
    assert!(inquest(&["--completions", "bash"]).stdout.contains("_inquest"));
    assert!(inquest(&["--man-page"]).stdout.contains(".TH inquest"));
}

#[test]
fn a_table_as_wide_as_asked() {
    let path = shaped();
    let width = |columns: &str| {
        let mut command = crate::support::command(&["list", &path]);
        command.env("COLUMNS", columns);
        let ran = crate::support::ran(command);
        ran.stdout.lines().map(|line| line.chars().count()).max().expect("lines")
    };
    assert!(
        width("80") <= 80 && width("120") <= 120 && width("120") > 100,
        "{} {}",
        width("80"),
        width("120")
    );
    let colored = inquest(&["list", "--color", "always", &path]).stdout;
    assert!(colored.contains("\u{1b}[31moom_killed\u{1b}[0m"), "{colored}");
    assert!(!inquest(&["list", &path]).stdout.contains('\u{1b}'));
}
