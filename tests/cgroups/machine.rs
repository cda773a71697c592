//! The other tests of this program once more, on version 2.

use crate::support::process::stdout;
use crate::support::qemu::Machine;
use crate::support::require::require;
use std::process::Command;
use std::time::Duration;

#[test]
fn version_2() {
    let own = std::env::current_exe().unwrap();
    let others = ["--skip", "machine::"];
    let list = stdout(Command::new(&own).arg("--list").args(others), Duration::from_secs(30)).unwrap();
    let tests: Vec<&str> = list.lines().filter_map(|line| line.strip_suffix(": test")).collect();
    assert!(tests.contains(&"watch::a_real_kill_wakes_the_watch"), "{list}");

    let Some(machine) = require("qemu", Machine::new()) else { return };
    let machine = machine.memory(512).bound(Duration::from_secs(180)).program("cgroups", &own).unwrap();
    let boot = machine.boot(&format!(
        "export EPITAPH_TEST_REQUIRE_ALL=1
         /cgroups --test-threads 1 {} 2>&1",
        others.join(" ")
    ));
    assert_eq!(boot.code, 0, "{boot:#?}");
    for test in tests {
        assert!(boot.output.contains(&format!("test {test} ... ok")), "{test}: {boot:#?}");
    }
    assert!(!boot.output.contains("version 1"), "{boot:#?}");
}
