//! Real HEALTHCHECKs: as root and not, with everything that can be taken away.

use crate::machine::{IMAGE, checked, engine, exec, health_records, last_run, wait_for_health};
use crate::records::records;

/// Writes a line of its own and fails while there is no such file.
const PROBE: &str = "test -e /work/up || { echo not up; exit 3; }";

#[test]
fn changes_are_in_the_log_and_the_output_is_with_the_check() {
    let Some(engine) = engine() else { return };
    for (options, uid) in [(&["--user=0"][..], 0), (&["--user=1000:1000"], 1000)] {
        let container = checked(engine, options, &["--", "sh", "-c", PROBE]);
        let health = wait_for_health(&container, "unhealthy");
        assert_eq!(last_run(&health), (1, "not up\n".to_owned()), "uid {uid}");
        container.exec(&["touch", "/work/up"]);
        wait_for_health(&container, "healthy");
        container.exec(&["rm", "/work/up"]);
        wait_for_health(&container, "unhealthy");
        let records = health_records(&container);
        let first = &records[0];
        assert_eq!((first["outcome"].as_str(), first["code"].as_i64()), (Some("failed"), Some(3)), "{first}");
        assert_eq!((first["output"].as_str(), first["program"].as_str()), (Some("not up"), Some("sh")));
        assert_eq!(first["container_id"], container.id());
        assert_eq!(first["streak"], 1);
        let told: Vec<_> = records.iter().filter(|record| record["streak"] == 1).collect();
        let outcomes: Vec<_> = told.iter().map(|record| record["outcome"].as_str().unwrap()).collect();
        assert_eq!(outcomes, ["failed", "passed", "failed"], "uid {uid}: {records:#?}");
        assert!(told[1].get("output").is_none(), "{}", told[1]);
    }
}

#[test]
fn what_goes_on_is_told_less_and_less_often() {
    let Some(engine) = engine() else { return };
    let container = engine.run(IMAGE, &[], &["/bin/sleep", "infinity"]);
    for _ in 0..9 {
        assert_eq!(exec(engine, &container, &[], &["--", "true"]).0, 0);
    }
    for _ in 0..9 {
        assert_eq!(exec(engine, &container, &[], &["--", "false"]).0, 1);
    }
    let told: Vec<_> = health_records(&container)
        .iter()
        .map(|record| (record["outcome"].as_str().unwrap().to_owned(), record["streak"].as_u64().unwrap()))
        .collect();
    let failed = |streak| ("failed".to_owned(), streak);
    assert_eq!(told, [("passed".to_owned(), 1), failed(1), failed(2), failed(4), failed(8)]);
}

#[test]
fn with_everything_taken_away() {
    let Some(engine) = engine() else { return };
    let options = [
        "--read-only",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
        "--user=1000",
        "--pids-limit=20",
        "--memory=32m",
    ];
    let container = checked(engine, &options, &["--", "sh", "-c", "echo no; exit 1"]);
    let health = wait_for_health(&container, "unhealthy");
    assert_eq!(last_run(&health), (1, "no\n".to_owned()));
    assert_eq!(health_records(&container)[0]["outcome"], "failed");
}

#[test]
fn without_a_place_for_the_state_each_failure_is_told_and_no_pass() {
    let Some(engine) = engine() else { return };
    // Over /dev/shm, a directory that nobody may write to.
    let options = ["--user=1000", "--tmpfs=/dev/shm:ro"];
    let container = engine.run(IMAGE, &options, &["/bin/sleep", "infinity"]);
    for check in ["true", "false", "false", "true", "false"] {
        let (code, output) = exec(engine, &container, &["--user=1000"], &["--", check]);
        assert_eq!((code, output.as_str()), (i32::from(check == "false"), ""));
    }
    let told: Vec<_> = health_records(&container)
        .iter()
        .map(|record| record["outcome"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(told, ["failed"; 3]);
}

#[test]
fn a_program_that_is_not_readable_keeps_its_log_to_itself() {
    let Some(engine) = engine() else { return };
    // PID 1 is root's, so its log cannot be opened by another: the record is with the check.
    let container = engine.run(IMAGE, &[], &["/bin/sleep", "infinity"]);
    let (code, output) = exec(engine, &container, &["--user=1000"], &["--", "false"]);
    assert_eq!(code, 1);
    assert_eq!(records(&output)[0]["outcome"], "failed", "{output}");
    assert_eq!(health_records(&container).len(), 0);
}

#[test]
fn in_a_shared_pid_namespace_the_others_log_is_left_alone() {
    let Some(engine) = engine() else { return };
    let owner = engine.run(IMAGE, &[], &["/bin/sleep", "infinity"]);
    let option = format!("--pid=container:{}", owner.id());
    let container = engine.run(IMAGE, &[&option], &["/bin/sleep", "infinity"]);
    let (code, output) = exec(engine, &container, &[], &["--", "false"]);
    assert_eq!(code, 1);
    let record = &records(&output)[0];
    assert_eq!(
        (record["outcome"].as_str(), record["container_id"].as_str()),
        (Some("failed"), Some(container.id()))
    );
    assert_eq!(owner.logs().stderr, "");
    assert_eq!(container.logs().stderr, "");
}

#[test]
fn a_full_log_is_not_waited_for() {
    let Some(engine) = engine() else { return };
    // PID 1's stderr is a FIFO that a process has open and nobody reads, and that is full.
    let script = "mkfifo /work/log; exec 3<>/work/log; dd if=/dev/zero of=/work/log bs=4096 count=16 2>/dev/null; \
                  exec 2>/work/log; touch /work/full; exec sleep infinity";
    let container = engine.run(IMAGE, &[], &["/bin/sh", "-c", script]);
    crate::support::process::wait_until("the full log", crate::machine::SOON, || {
        let state = container.exec(&["sh", "-c", "ls /work"]);
        state.contains("full").then_some(())
    })
    .unwrap();
    let (code, output) = exec(engine, &container, &[], &["--", "false"]);
    assert_eq!(code, 1);
    assert_eq!(records(&output)[0]["outcome"], "failed", "{output}");
}

#[test]
fn what_cannot_be_started_is_told() {
    let Some(engine) = engine() else { return };
    let container = engine.run(IMAGE, &[], &["/bin/sleep", "infinity"]);
    let (code, output) = exec(engine, &container, &[], &["--", "/nothing"]);
    assert_eq!(code, 1);
    assert!(output.contains("exec /nothing failed"), "{output}");
    let record = &health_records(&container)[0];
    assert_eq!((record["outcome"].as_str(), record["code"].as_i64()), (Some("not_started"), Some(127)));
    assert!(record["output"].as_str().unwrap().contains("exec /nothing failed"), "{record}");
}

#[test]
fn output_stays_out_of_the_record_when_asked() {
    let Some(engine) = engine() else { return };
    let container = engine.run(IMAGE, &[], &["/bin/sleep", "infinity"]);
    let check = ["--", "sh", "-c", "echo secret >&2; exit 7"];
    let (code, output) = exec(engine, &container, &["--env=EPITAPH_HEALTH_OUTPUT=0"], &check);
    assert_eq!((code, output.as_str()), (1, "secret\n"));
    assert!(!container.logs().stderr.contains("secret"));
    assert_eq!(health_records(&container)[0]["code"], 7);
}

#[test]
fn variables_of_pid_1_do_not_make_the_check_another() {
    let Some(engine) = engine() else { return };
    let container = engine.run(IMAGE, &[], &["/bin/sleep", "infinity"]);
    let options =
        ["EPITAPH_EXEC=1", "EPITAPH_STATS=nonsense", "EPITAPH_MAX_LIFETIME=1ms", "EPITAPH_KILL_AFTER=x"]
            .map(|variable| format!("--env={variable}"));
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    assert_eq!(exec(engine, &container, &options, &["--", "true"]), (0, String::new()));
}

#[test]
fn statistics_come_with_the_check() {
    let Some(engine) = engine() else { return };
    let container = checked(engine, &["--memory=32m", "--cpus=0.5"], &["--stats", "2s", "--", "true"]);
    let line =
        container.wait_for_line(crate::support::docker::Stream::Stderr, crate::machine::SOON, |line| {
            line.contains("\"epitaph\":\"stats\"")
        });
    let record = records(&line).remove(0);
    assert_eq!(record["memory_limit"], 32 << 20, "{record}");
    assert_eq!(record["cpu_limit_milli"], 500, "{record}");
    assert!(record["window_ms"].as_u64().unwrap() >= 1900, "{record}");
    assert!(record["uptime_ms"].as_u64().unwrap() >= 1900, "{record}");
    assert!(record["pids"].as_u64().unwrap() >= 1, "{record}");
}
