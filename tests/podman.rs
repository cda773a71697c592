//! epitaph as the init of Podman: `podman run --init` gives an image that knows nothing of epitaph its
//! identity.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

#[path = "support/podman.rs"]
mod podman;
mod support;

use std::time::{Duration, Instant};

use podman::{CALL_BOUND, IMAGE, Podman, call};
use serde_json::Value;
use support::process;
use support::require::require;
use support::static_binary::static_binary;

/// After how many seconds `podman stop` would kill; what heeds the signal has ended long before.
const GRACE: &str = "30";

#[test]
fn podman_init_gives_an_unchanged_image_its_id() {
    let Some(podman) = require("podman", Podman::new()) else { return };
    let Some(()) = require("busybox", podman.import()) else { return };
    let Some(init) = require("static binary", init_path()) else { return };
    for (number, options) in [
        &[][..],
        &["--cgroupns=private", "--hostname=web"],
        &["--cgroupns=host"],
        &["--read-only", "--user=65534:65534", "--cap-drop=ALL"],
    ]
    .into_iter()
    .enumerate()
    {
        let id_file = podman.directory.path().join(format!("id-{number}"));
        let id_option = format!("--cidfile={}", id_file.display());
        let mut run = podman.run(&["--rm", "--init", &init, &id_option]);
        let output = call(run.args(options).args([IMAGE, "/bin/env"]));
        assert_eq!(output.status.code(), Some(0), "{options:?}: {output:?}");
        let id = std::fs::read_to_string(id_file).unwrap();
        assert_eq!(id.len(), 64, "{id}");

        let stdout = String::from_utf8(output.stdout).unwrap();
        let given = stdout.lines().find_map(|line| line.strip_prefix("DOCKER_CONTAINER_ID="));
        assert_eq!(given, Some(id.as_str()), "{options:?}: {stdout}");
        let records = records(&String::from_utf8(output.stderr).unwrap());
        let kinds: Vec<&Value> = records.iter().map(|record| &record["epitaph"]).collect();
        assert_eq!(kinds, ["start", "exit"], "{options:?}");
        for record in &records {
            assert_eq!(record["container_id"], id, "{options:?}: {record}");
        }
    }
}

#[test]
fn under_the_name_that_podman_gives_it_has_catatonits_habits() {
    let Some(podman) = require("podman", Podman::new()) else { return };
    let Some(()) = require("busybox", podman.import()) else { return };
    let Some(init) = require("static binary", init_path()) else { return };
    let mut run =
        podman.run(&["--rm", "--init", &init, "--env=CATATONIT_DEBUG=1", "--env=EPITAPH_RECORDS=off"]);
    let output = call(run.args([IMAGE, "/bin/cat", "/proc/1/cmdline"]));
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(stdout.split('\0').next(), Some("/run/podman-init"), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("[INFO epitaph (1)] started "), "{output:?}");
}

#[test]
fn podman_stop_reaches_the_program() {
    let Some(podman) = require("podman", Podman::new()) else { return };
    let Some(()) = require("busybox", podman.import()) else { return };
    let Some(init) = require("static binary", init_path()) else { return };
    let script = "trap 'exit 7' TERM; echo ready; sleep 1000 & wait";
    let name = "stopped";
    let mut run = podman.run(&["--detach", "--name", name, "--init", &init]);
    podman.succeed(run.args([IMAGE, "/bin/sh", "-c", script]));
    let logs = || call(podman.command().args(["logs", name]));
    process::wait_until("the program's line", CALL_BOUND, || {
        String::from_utf8_lossy(&logs().stdout).contains("ready").then_some(())
    })
    .unwrap_or_else(|error| panic!("{error}: {:?}", logs()));

    let asked = Instant::now();
    podman.succeed(podman.command().args(["stop", "--time", GRACE, name]));
    assert!(asked.elapsed() < Duration::from_secs(GRACE.parse().unwrap()), "it was killed: {:?}", logs());
    let code = podman.succeed(podman.command().args(["inspect", "--format={{.State.ExitCode}}", name]));
    assert_eq!(code, "7", "{:?}", logs());
    let records = records(&String::from_utf8(logs().stderr).unwrap());
    let exit = records.iter().find(|record| record["epitaph"] == "exit");
    let exit = exit.unwrap_or_else(|| panic!("no record of the end: {records:?}"));
    assert_eq!(exit["exit"]["code"], 7, "{exit}");
    assert_eq!(exit["exit"]["verdict"], "stopped", "{exit}");
}

fn init_path() -> Result<String, &'static str> {
    Ok(format!("--init-path={}", static_binary()?.display()))
}

/// The records in a program's stderr that holds nothing else.
fn records(stderr: &str) -> Vec<Value> {
    let parsed =
        stderr.lines().filter(|line| !line.is_empty()).map(serde_json::from_str).collect::<Result<_, _>>();
    parsed.unwrap_or_else(|error| panic!("not a record: {error}\n{stderr}"))
}
