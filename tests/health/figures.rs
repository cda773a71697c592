//! The figures of `stats`, on a real engine, against the kernel's own counters and against what Docker shows.

use crate::machine::{IMAGE, SOON, engine, exec};
use crate::records::records;
use crate::support::docker::Container;
use crate::support::process::{stdout, wait_until};
use serde_json::Value;

/// The newest `stats` record, when the container has `count` of them.
fn stats(container: &Container, count: usize) -> Option<Value> {
    let all = records(&container.logs().stderr);
    let mut all: Vec<Value> = all.into_iter().filter(|record| record["epitaph"] == "stats").collect();
    (all.len() >= count).then(|| all.pop())?
}

/// Runs checks until there is one record more.
fn sample(engine: &'static crate::support::docker::Engine, container: &Container, count: usize) -> Value {
    let check = ["--stats", "2s", "--", "true"];
    wait_until("statistics", SOON, || {
        assert_eq!(exec(engine, container, &[], &check).0, 0);
        stats(container, count)
    })
    .unwrap()
}

fn number(record: &Value, name: &str) -> u64 {
    record[name].as_u64().unwrap_or_else(|| panic!("no {name} in {record}"))
}

#[test]
fn cpu_and_throttling_are_the_kernels() {
    let Some(engine) = engine() else { return };
    let container = engine.run(IMAGE, &["--cpus=0.1"], &["sh", "-c", "while :; do :; done"]);
    let throttled = || {
        let text = container.exec(&[
            "sh",
            "-c",
            "cat /sys/fs/cgroup/cpu.stat /sys/fs/cgroup/cpu/cpu.stat 2>/dev/null; true",
        ]);
        text.lines()
            .find_map(|line| line.strip_prefix("nr_throttled ")?.parse::<u64>().ok())
            .expect("a counter")
    };
    let usage = || -> u64 {
        let file = "cat /sys/fs/cgroup/cpu.stat /sys/fs/cgroup/cpuacct/cpuacct.usage 2>/dev/null; true";
        let text = container.exec(&["sh", "-c", file]);
        let micro = text.lines().find_map(|line| line.strip_prefix("usage_usec ")?.parse::<u64>().ok());
        micro
            .map(|micro| micro / 1000)
            .unwrap_or_else(|| text.trim().parse::<u64>().expect("a counter") / 1_000_000)
    };
    let first = sample(engine, &container, 1);
    // A machine under load may give it less than its quota for a while.
    let at_first = throttled();
    wait_until("throttling", SOON, || (throttled() > at_first).then_some(())).unwrap();
    let before = usage();
    let second = sample(engine, &container, 2);
    let after = usage();
    let cpu_ms = number(&second, "cpu_ms");
    assert!((before..=after).contains(&cpu_ms), "{before} {cpu_ms} {after}");
    let (window, milli) = (number(&second, "window_ms"), number(&second, "cpu_milli"));
    let expected = (cpu_ms - number(&first, "cpu_ms")) * 1000 / window;
    assert!(milli.abs_diff(expected) <= 2, "{milli} {expected}: {second}");
    assert_eq!(number(&second, "cpu_limit_milli"), 100);
    assert_eq!(number(&second, "cpu_percent"), milli);
    assert!(number(&second, "throttled_ms") > 0 && number(&second, "throttled_periods") > 0, "{second}");
    assert!(number(&second, "periods") <= window / 100 + 2, "{second}");
}

/// `docker stats`' formula (calculateCPUPercentUnix in the source of its command line): growth of the
/// container's counter over growth of the machine's, times the CPUs. The windows are the same but for how
/// long it takes to see a record.
#[test]
fn cpu_is_what_docker_stats_shows() {
    let Some(engine) = engine() else { return };
    // A load that goes up and down: a share that hangs on nothing but the quota would be the same in any
    // window.
    let load = "while :; do i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; sleep 0.1; done";
    let options = ["--cpus=0.5", "--memory=64m", "--entrypoint=/epitaph"];
    let container = engine.run(IMAGE, &options, &["--stats", "5s", "--", "sh", "-c", load]);
    let docker = || {
        let all = engine.get(&format!("/v1.41/containers/{}/stats?stream=false&one-shot=1", container.id()));
        let of =
            |path: &str| all.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("{path}: {all}"));
        let used = of("/memory_stats/usage")
            - ["/memory_stats/stats/total_inactive_file", "/memory_stats/stats/inactive_file"]
                .iter()
                .find_map(|path| all.pointer(path).and_then(Value::as_f64))
                .unwrap_or(0.0);
        let cpus = of("/cpu_stats/online_cpus");
        (of("/cpu_stats/cpu_usage/total_usage"), of("/cpu_stats/system_cpu_usage"), cpus, used)
    };
    let record = |count| wait_until("statistics", SOON, || stats(&container, count)).unwrap();
    for first in [1, 2] {
        record(first);
        let before = docker();
        let told = record(first + 1);
        let after = docker();
        let shown = (after.0 - before.0) / (after.1 - before.1) * after.2 * 100.0;
        #[allow(clippy::cast_precision_loss)]
        let (cpu, used) = (number(&told, "cpu_milli") as f64 / 10.0, number(&told, "memory_used") as f64);
        let of_limit = (used - after.3).abs() / f64::from(64 << 20) * 100.0;
        crate::support::require::say(&format!(
            "CPU {cpu:.1} %, docker's formula {shown:.1} %; memory {of_limit:.1} points apart"
        ));
        assert!((cpu - shown).abs() < 2.0, "{cpu} {shown}: {told}");
        assert!(of_limit < 2.0, "{used} {}: {told}", after.3);
    }
}

#[test]
fn memory_is_what_docker_stats_shows() {
    let Some(engine) = engine() else { return };
    // 8 MiB in a file, read once; 8 MiB of shared memory; and the shell's own.
    let script = "dd if=/dev/zero of=/work/file bs=1M count=8 2>/dev/null; cat /work/file >/dev/null; \
                  dd if=/dev/zero of=/dev/shm/memory bs=1M count=8 2>/dev/null; touch /work/ready; exec sleep infinity";
    let container = engine.run(IMAGE, &["--memory=64m", "--pids-limit=50"], &["sh", "-c", script]);
    wait_until("its files", SOON, || container.exec(&["ls", "/work"]).contains("ready").then_some(()))
        .unwrap();
    let record = sample(engine, &container, 1);
    let of = |name| number(&record, name);
    assert!(of("memory_usage") >= of("memory_used") && of("memory_used") >= 8 << 20, "{record}");
    assert!(of("memory_shmem") >= 8 << 20 && of("memory_file") >= of("memory_shmem"), "{record}");
    assert!(of("memory_anon") < 8 << 20, "{record}");
    assert_eq!((of("memory_limit"), of("pids_limit")), (64 << 20, 50));
    assert_eq!(of("memory_percent"), (of("memory_used") * 100 + (32 << 20)) / (64 << 20));
    // What a moment later Docker makes of the same counters.
    let mut command = engine.command();
    command.args(["stats", "--no-stream", "--format", "{{.MemPerc}}", container.id()]);
    let percent: f64 = stdout(&mut command, SOON).unwrap().trim_end_matches('%').parse().unwrap();
    #[allow(clippy::cast_precision_loss)]
    let ours = of("memory_used") as f64 * 100.0 / f64::from(64 << 20);
    assert!((ours - percent).abs() < 2.0, "{ours} {percent}");
}

#[test]
fn without_a_network_there_is_none() {
    let Some(engine) = engine() else { return };
    let container = engine.run(IMAGE, &["--network=none"], &["sleep", "infinity"]);
    let record = sample(engine, &container, 1);
    assert_eq!(record.get("net_rx_bytes"), None, "{record}");
    assert_eq!(record.get("memory_limit"), None, "{record}");
    assert_eq!(record.get("throttled_ms"), None, "{record}");
    assert_eq!(record.get("cpu_percent"), None, "{record}");
}
