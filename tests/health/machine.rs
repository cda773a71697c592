//! The engine with its image, and what the tests ask a container.

use crate::support::archive::Tree;
use crate::support::docker::{Container, Engine};
use crate::support::process::wait_until;
use crate::support::require::require;
use crate::support::static_binary::static_binary;
use serde_json::Value;
use std::process::Command;
use std::time::Duration;

/// With busybox, and a PID 1 that is not epitaph.
pub const IMAGE: &str = "epitaph-test-health";

/// For things that take a second or two on an idle machine.
pub const SOON: Duration = Duration::from_secs(60);

/// The engine with the image, or a skip.
pub fn engine() -> Option<&'static Engine> {
    let engine = require("docker", Engine::shared())?;
    let epitaph = require("static binary", static_binary())?;
    let tree = || {
        // As an image may have it: who is not root may execute it and not read it.
        Tree::default()
            .program("epitaph", epitaph)?
            .directory("tmp", 0o1777)
            .directory("work", 0o1777)
            .busybox()
    };
    require("busybox", engine.import(IMAGE, tree, &["WORKDIR /work"]))?;
    Some(engine)
}

/// Runs a container that sleeps, with this health check in the exec form, checked every second.
pub fn checked<'e>(engine: &'e Engine, options: &[&str], check: &[&str]) -> Container<'e> {
    let image = with_check(engine, check);
    engine.run(&image, options, &["/bin/sleep", "infinity"])
}

/// An image of ours with a HEALTHCHECK: the command line of `docker create` knows only the form with a shell.
fn with_check(engine: &Engine, check: &[&str]) -> String {
    let words = serde_json::to_string(&[&["/epitaph", "--health"], check].concat()).unwrap();
    let name = format!("epitaph-test-health-{:016x}", hash(&words));
    let epitaph = static_binary().expect("the engine has one");
    let tree = || {
        Tree::default()
            .program("epitaph", epitaph)?
            .directory("tmp", 0o1777)
            .directory("work", 0o1777)
            .busybox()
    };
    let change = format!("HEALTHCHECK --interval=1s --timeout=10s --retries=1 CMD {words}");
    engine.import(&name, tree, &[&change, "WORKDIR /work"]).expect("busybox");
    name
}

fn hash(text: &str) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// Waits until the engine calls the container `healthy` or `unhealthy`; what it knows of its health then.
pub fn wait_for_health(container: &Container, status: &str) -> Value {
    let found = wait_until(&format!("{status} as health"), SOON, || {
        let health = container.state()["Health"].take();
        (health["Status"] == status).then_some(health)
    });
    found.unwrap_or_else(|error| panic!("{error}\n{:#?}\n{}", container.logs(), container.state()))
}

/// The newest run that the engine keeps: its exit code and its output.
pub fn last_run(health: &Value) -> (i64, String) {
    let run = health["Log"].as_array().and_then(|log| log.last()).expect("a run");
    (run["ExitCode"].as_i64().expect("a code"), run["Output"].as_str().expect("an output").to_owned())
}

/// Runs a health check by hand in a container: `docker exec`, with its exit code and output.
pub fn exec(engine: &Engine, container: &Container, options: &[&str], check: &[&str]) -> (i32, String) {
    let mut command: Command = engine.command();
    command.arg("exec").args(options).args([container.id(), "/epitaph", "--health"]).args(check);
    let output = crate::support::process::output(&mut command, SOON).expect("docker exec");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().expect("a code"), String::from_utf8_lossy(&text).into_owned())
}

/// The `health` records in the container's log.
pub fn health_records(container: &Container) -> Vec<Value> {
    crate::records::records(&container.logs().stderr)
        .into_iter()
        .filter(|record| record["epitaph"] == "health")
        .collect()
}
