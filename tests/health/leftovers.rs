//! What a check starts ends with it.

use crate::machine::{IMAGE, engine, exec, health_records};
use crate::support::docker::Container;

/// The process IDs in the container, as its own PID namespace has them.
fn processes(container: &Container) -> Vec<String> {
    // The listing's own processes are a shell that becomes `ls`: one, which ends.
    let listed = container.exec(&["sh", "-c", "cd /proc; echo [0-9]*; echo $$"]);
    let mut lines = listed.lines();
    let pids = lines.next().expect("a list").split(' ').map(str::to_owned);
    let own = lines.next().expect("a shell").to_owned();
    pids.filter(|pid| *pid != own).collect()
}

#[test]
fn hundreds_of_checks_leave_the_process_table_as_it_was() {
    let Some(engine) = engine() else { return };
    // PID 1 is a shell that reaps nothing but its own child: a leftover would stay for ever.
    let container = engine.run(IMAGE, &[], &["/bin/sleep", "infinity"]);
    let before = processes(&container);
    // In one `docker exec`, which costs a hundred times as much as a check: every kind of leftover.
    let kinds = [
        "sleep 1000 & exit 0",
        "setsid sleep 1000 & exit 1",
        // There for certain when the check ends; that of the last but one may be cut off before it has begun.
        "setsid sh -c \"sleep 1000 & sleep 1000 & : >/both; wait\" & until [ -e /both ]; do :; done; rm /both; exit 0",
        "(setsid sh -c \"sleep 1000 & sleep 1000\" &) ; exit 0",
        "sh -c \"trap : TERM INT HUP; sleep 1000\" & sleep 0.01; exit 0",
    ];
    let lines: String = kinds.iter().map(|kind| format!("/epitaph --health -- sh -c '{kind}';\n")).collect();
    let script = format!("i=0; while [ $i -lt 50 ]; do i=$((i+1)); {lines} done; true");
    container.exec(&["sh", "-c", &script]);
    assert_eq!(processes(&container), before);
    let ended = health_records(&container).iter().map(|record| record["ended"].as_u64().unwrap()).max();
    assert!(ended >= Some(2), "{ended:?}");
}

#[test]
fn a_check_that_hangs_is_ended_before_the_engine_does() {
    let Some(engine) = engine() else { return };
    let container = engine.run(IMAGE, &[], &["/bin/sleep", "infinity"]);
    let before = processes(&container);
    let check = [
        "--timeout",
        "300ms",
        "--",
        "sh",
        "-c",
        "trap '' TERM; echo begun; sleep 1000 & setsid sleep 1000 & wait",
    ];
    let (code, output) = exec(engine, &container, &[], &check);
    assert_eq!(code, 1);
    assert!(
        output.starts_with("begun\n") && output.contains("took longer than --timeout (300ms)"),
        "{output}"
    );
    assert_eq!(processes(&container), before);
    let record = &health_records(&container)[0];
    assert_eq!(record["outcome"], "timed_out");
    assert_eq!(record["output"], "begun");
    assert_eq!(record["ended"], 2, "{record}");
    let took = record["took_ms"].as_u64().unwrap();
    assert!((300..2000).contains(&took), "{took}");
}

#[test]
fn a_flood_of_output_is_cut_and_ends_with_the_time() {
    let Some(engine) = engine() else { return };
    let container = engine.run(IMAGE, &[], &["/bin/sleep", "infinity"]);
    let (code, output) = exec(engine, &container, &[], &["--timeout", "300ms", "--", "yes", "flood"]);
    assert_eq!(code, 1);
    let flood = output.lines().filter(|line| *line == "flood").count() * 6;
    assert!((4000..=4096).contains(&flood), "{flood}");
    assert_eq!(health_records(&container)[0]["outcome"], "timed_out");
}

#[test]
fn who_forks_without_end_is_ended_too() {
    let Some(engine) = engine() else { return };
    let container = engine.run(IMAGE, &["--pids-limit=60"], &["/bin/sleep", "infinity"]);
    let before = processes(&container);
    // Each one leaves two others, in sessions of their own, and the limit of processes stops them from being
    // too many.
    let bomb = "b() { setsid sh -c \"$B\" & }; B='(sleep 0.05; eval \"$C\") & sleep 0.05; eval \"$C\"'; \
                C='setsid sh -c \"$B\" 2>/dev/null'; export B C; b; sleep 0.5";
    let (code, _) = exec(engine, &container, &[], &["--timeout", "400ms", "--", "sh", "-c", bomb]);
    assert_eq!(code, 1);
    assert_eq!(processes(&container), before);
}
