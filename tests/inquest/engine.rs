//! Real containers, killed in real ways, and what inquest makes of what their engine has left on its disk.

use crate::parts::archive::Tree;
use crate::parts::docker::{Container, Engine, Stream};
use crate::parts::require::require;
use crate::parts::static_binary::static_binary;
use crate::support::{inquest, lives_of};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

pub const IMAGE: &str = "epitaph-test-inquest";

/// For what takes milliseconds on an idle machine.
pub const SOON: Duration = Duration::from_secs(60);

pub fn engine() -> Option<&'static Engine> {
    let engine = require("docker", Engine::shared())?;
    let epitaph = require("static binary", static_binary())?;
    let tree = || Tree::default().program("epitaph", epitaph)?.busybox();
    require("busybox", engine.import(IMAGE, tree, &[r#"ENTRYPOINT ["/epitaph", "--"]"#]))?;
    Some(engine)
}

/// Where the engine keeps what it has of a container: its log, packed and rotated, and its state.
pub fn left_by(engine: &Engine, container: &Container<'_>) -> PathBuf {
    let root = engine.docker(&["info", "--format", "{{.DockerRootDir}}"]);
    PathBuf::from(root.trim()).join("containers").join(container.id())
}

fn lives(engine: &Engine, container: &Container<'_>, more: &[&str]) -> Vec<Value> {
    let path = left_by(engine, container);
    let mut arguments = vec!["--format", "json"];
    arguments.extend(more);
    arguments.extend([container.id(), path.to_str().expect("UTF-8")]);
    lives_of(&inquest(&arguments))
}

fn wait_for_start(container: &Container<'_>) {
    container.wait_for_line(Stream::Stdout, SOON, |line| line == "up");
}

fn conclusion(life: &Value) -> (&str, &str) {
    let text = |key: &str| life["conclusion"][key].as_str().expect("a text");
    (text("word"), text("sure"))
}

#[test]
fn killed_when_the_grace_was_over() {
    let Some(engine) = engine() else { return };
    let program = "trap '' TERM; echo up; while :; do sleep 1; done";
    let container = engine.run(IMAGE, &["--env=EPITAPH_STUCK_AFTER=100ms"], &["sh", "-c", program]);
    wait_for_start(&container);
    container.stop(Duration::from_secs(2));
    let lives = lives(engine, &container, &[]);
    assert_eq!(lives.len(), 1, "{lives:#?}");
    assert_eq!(conclusion(&lives[0]), ("killed", "yes"), "{lives:#?}");
    assert_eq!(
        (&lives[0]["conclusion"]["witness"], &lives[0]["conclusion"]["code"]),
        (&Value::from("docker"), &Value::from(137))
    );
    let text = lives[0]["conclusion"]["text"].as_str().expect("a text");
    assert!(text.contains("SIGTERM") && text.contains("stuck record"), "{text}");
    // Without Docker's word it is the most likely.
    let alone = self::lives(engine, &container, &["--no-witness"]);
    assert_eq!(conclusion(&alone[0]), ("killed", "likely"), "{alone:#?}");
    let certificate = inquest(&[container.id(), left_by(engine, &container).to_str().expect("UTF-8")]).stdout;
    assert!(
        certificate.contains("Stuck:") && certificate.contains("Verdict: none (killed), exit code 137"),
        "{certificate}"
    );
}

/// What the command of docs/inquest.md for Docker's events prints, run as it stands there. It is to have what
/// happened in this second.
fn recorded_events(engine: &Engine) -> Vec<u8> {
    let document = include_str!("../../docs/inquest.md");
    let recipe = document.split('`').find(|code| code.starts_with("docker events ")).expect("a recipe");
    let docker = engine.command();
    let mut command = Command::new("sh");
    command.env("DOCKER", docker.get_program()).arg("-c");
    command.arg(format!("docker() {{ \"$DOCKER\" \"$@\"; }}; {recipe}"));
    for (name, value) in docker.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let output = command.output().expect("sh");
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

#[test]
fn pid_1_was_killed() {
    let Some(engine) = engine() else { return };
    let container = engine.run(IMAGE, &[], &["sh", "-c", "echo up; while :; do sleep 1; done"]);
    wait_for_start(&container);
    container.kill("KILL");
    container.wait(SOON);
    let events = recorded_events(engine);
    let lives = lives(engine, &container, &[]);
    assert_eq!(lives.len(), 1, "{lives:#?}");
    assert_eq!(conclusion(&lives[0]), ("killed", "witness"), "{lives:#?}");
    assert!(lives[0].get("verdict").is_none() && lives[0].get("ended").is_none(), "{lives:#?}");
    // Asked by the name that Docker gave it, with Docker's events: when it ended, and on whose word.
    let name = engine.docker(&["inspect", "--format", "{{.Name}}", container.id()]);
    let folder = tempfile::tempdir().expect("a directory");
    std::fs::write(folder.path().join("events.jsonl"), events).expect("a file");
    let (log, events) = (left_by(engine, &container), folder.path().to_str().expect("UTF-8"));
    let ran = inquest(&[name.trim().trim_start_matches('/'), log.to_str().expect("UTF-8"), events]);
    assert_eq!(ran.code, 0, "{ran:?}");
    for text in [
        "(by Docker's word)",
        "Docker was told to send SIGKILL to PID 1, ",
        name.trim().trim_start_matches('/'),
    ] {
        assert!(ran.stdout.contains(text), "{text}\n{}", ran.stdout);
    }
}

#[test]
fn a_restart_is_another_life() {
    let Some(engine) = engine() else { return };
    let program = "trap 'exit 0' TERM; echo up; while :; do sleep 0.1; done";
    let container = engine.run(IMAGE, &[], &["sh", "-c", program]);
    wait_for_start(&container);
    engine.docker(&["restart", "--time", "30", container.id()]);
    container.stop(Duration::from_secs(30));
    let lives = lives(engine, &container, &[]);
    let verdicts: Vec<&Value> = lives.iter().map(|life| &life["verdict"]).collect();
    assert_eq!(verdicts.len(), 2, "{lives:#?}");
    assert_eq!(verdicts[0], "stopped", "{lives:#?}");
    assert!(lives.iter().all(|life| life["disputed"] == Value::Array(Vec::new())), "{lives:#?}");
    assert!(lives[0]["ended"].as_str() <= lives[1]["started"].as_str(), "{lives:#?}");
}

#[test]
fn the_start_was_rotated_away() {
    let Some(engine) = engine() else { return };
    let options = [
        "--log-driver=json-file",
        "--log-opt=max-size=8k",
        "--log-opt=max-file=3",
        "--log-opt=compress=true",
    ];
    // On stderr, as the records are: the engine reads the two streams apart, and the last lines of the one
    // may come after the exit record on the other.
    let program =
        "i=0; while [ $i -lt 2000 ]; do echo a line of the program, number $i >&2; i=$((i+1)); done; exit 3";
    let container = engine.run(IMAGE, &options, &["sh", "-c", program]);
    assert_eq!(container.wait(SOON), 3);
    let lives = lives(engine, &container, &[]);
    assert_eq!(lives.len(), 1, "{lives:#?}");
    assert_eq!((&lives[0]["verdict"], &lives[0]["code"]), (&Value::from("failed"), &Value::from(3)));
    assert_eq!(lives[0]["started_from"], "exit", "{lives:#?}");
    let certificate = inquest(&[container.id(), left_by(engine, &container).to_str().expect("UTF-8")]).stdout;
    assert!(certificate.contains("(computed: there is no start record"), "{certificate}");
}
