//! The figures of `stats` on cgroup v2, in the virtual machine, against the kernel's own counters.

use crate::records::records;
use crate::support::qemu::Machine;
use crate::support::require::require;
use crate::support::static_binary::static_binary;
use std::time::Duration;

#[test]
fn figures_are_the_kernels() {
    let Some(machine) = require("qemu", Machine::new()) else { return };
    let Some(epitaph) = require("static binary", static_binary()) else { return };
    let machine = machine.bound(Duration::from_secs(180)).program("epitaph", epitaph).unwrap();
    let boot = machine.boot(
        r#"export EPITAPH_RECORDS=json
         mkdir -p /dev/shm
         mount -t tmpfs tmpfs /dev/shm
         mkdir -p /sys/fs/cgroup/task/one
         echo "+cpu +memory +pids +io" >/sys/fs/cgroup/task/cgroup.subtree_control
         echo "80000 100000" >/sys/fs/cgroup/task/cpu.max
         echo "30000 100000" >/sys/fs/cgroup/task/one/cpu.max
         echo 64M >/sys/fs/cgroup/task/one/memory.max
         echo 50 >/sys/fs/cgroup/task/one/pids.max
         for namespace in private host; do
             contain $namespace task/one sh -c '
                 own=/sys/fs/cgroup
                 [ -e $own/task ] && own=$own/task/one
                 mount -t tmpfs tmpfs /tmp
                 dd if=/dev/zero of=/tmp/8m bs=1M count=8 2>/dev/null
                 (while :; do :; done) &
                 /epitaph --health --stats 1s -- true
                 sleep 3
                 sed "s/^/before /" $own/cpu.stat
                 /epitaph --health --stats 1s -- true
                 sed "s/^/after /" $own/cpu.stat $own/memory.stat
                 kill $!
             ' 2>&1
             echo end
         done"#,
    );
    let runs: Vec<&str> = boot.output.split("end\n").filter(|run| !run.trim().is_empty()).collect();
    assert_eq!(runs.len(), 2, "{boot:#?}");
    for run in runs {
        let json: Vec<&str> = run.lines().filter(|line| line.starts_with('{')).collect();
        let stats = records(&json.join("\n")).into_iter().find(|record| record["epitaph"] == "stats");
        let stats = stats.unwrap_or_else(|| panic!("no statistics: {run}"));
        let of = |name: &str| stats[name].as_u64().unwrap_or_else(|| panic!("no {name} in {stats}"));
        let kernel = |when: &str, name: &str| -> u64 {
            let prefix = format!("{when} {name} ");
            let value = run.lines().find_map(|line| line.strip_prefix(&prefix)?.parse().ok());
            value.unwrap_or_else(|| panic!("no {prefix} in {run}"))
        };
        let cpu = kernel("before", "usage_usec") / 1000..=kernel("after", "usage_usec") / 1000;
        assert!(cpu.contains(&of("cpu_ms")), "{cpu:?}: {stats}");
        assert!((240..=330).contains(&of("cpu_milli")), "{stats}");
        assert_eq!(
            (of("cpu_limit_milli"), of("memory_limit"), of("pids_limit")),
            (300, 64 << 20, 50),
            "{stats}"
        );
        assert!(of("throttled_ms") > 0 && of("throttled_periods") * 10 >= of("periods") * 8, "{stats}");
        assert!(of("memory_shmem") >= 8 << 20, "{stats}");
        // A page or two come and go between the two readings.
        assert!(of("memory_anon").abs_diff(kernel("after", "anon")) < 1 << 20, "{stats}");
        assert!(of("memory_file").abs_diff(kernel("after", "file")) < 1 << 20, "{stats}");
        assert_eq!(stats.get("net_rx_bytes"), None, "{stats}");
        assert!(of("pids") >= 3 && of("uptime_ms") >= of("window_ms"), "{stats}");
    }
}
