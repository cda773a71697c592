//! `--max-lifetime`: a container turns unhealthy when it is old, so that it is replaced in order.

use crate::machine::{IMAGE, engine, exec, health_records};
use crate::support::process::wait_until;

#[test]
fn an_old_container_is_unhealthy_and_its_check_is_not_run() {
    let Some(engine) = engine() else { return };
    let container = engine.run(IMAGE, &[], &["/bin/sleep", "infinity"]);
    let check = ["--max-lifetime", "1s", "--", "touch", "/work/ran"];
    wait_until("the end of its life", crate::machine::SOON, || {
        (exec(engine, &container, &[], &check).0 == 1).then_some(())
    })
    .unwrap();
    container.exec(&["rm", "-f", "/work/ran"]);
    let (code, output) = exec(engine, &container, &[], &check);
    assert_eq!(code, 1);
    assert!(output.contains("--max-lifetime is 1s"), "{output}");
    assert_eq!(container.exec(&["ls", "/work"]), "");
    let records = health_records(&container);
    let expired = records.iter().find(|record| record["outcome"] == "expired").expect("a record");
    assert_eq!(expired["lifetime_ms"], 1000, "{expired}");
    assert!(expired["age_ms"].as_u64() >= Some(1000), "{expired}");
}

#[test]
fn without_a_program_a_young_container_is_healthy() {
    let Some(engine) = engine() else { return };
    let container = engine.run(IMAGE, &[], &["/bin/sleep", "infinity"]);
    assert_eq!(exec(engine, &container, &[], &["--max-lifetime", "1h+1h"]), (0, String::new()));
    // 1 ms and a part of a year: the same in every run, and another in another container.
    let check = ["--max-lifetime", "1ms+360d", "--", "true"];
    assert_eq!(exec(engine, &container, &[], &check).0, exec(engine, &container, &[], &check).0);
}
