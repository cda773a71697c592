//! The virtual machine that stands in for a host with cgroup v2: what it must have for the tests that rely on
//! it.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod support;

use std::time::Duration;

use support::qemu::Machine;
use support::require::require;
use support::static_binary::static_binary;

/// The value of `key` in a file such as `memory.events`, as the script's output holds it.
fn counter(output: &str, key: &str) -> u64 {
    let value = output.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {key} in:\n{output}")).parse().unwrap()
}

#[test]
fn the_kernel_kills_what_grows_beyond_its_cgroup_and_counts_it() {
    let Some(machine) = require("qemu", Machine::new()) else { return };
    let boot = machine.boot(
        "mkdir /sys/fs/cgroup/small
         echo 24M >/sys/fs/cgroup/small/memory.max
         contain private small tail /dev/zero
         echo code $?
         cat /sys/fs/cgroup/small/memory.events
         cat /sys/fs/cgroup/small/memory.max
         exit 7",
    );
    assert_eq!(counter(&boot.output, "code"), 137, "{boot:#?}");
    assert_eq!(counter(&boot.output, "oom_kill"), 1, "{boot:#?}");
    assert!(boot.output.lines().any(|line| line == "25165824"), "{boot:#?}");
    assert!(boot.kernel_log.contains("Memory cgroup out of memory: Killed process"), "{boot:#?}");
    assert_eq!(boot.code, 7, "{boot:#?}");
}

#[test]
fn a_container_has_either_kind_of_cgroup_namespace() {
    let Some(machine) = require("qemu", Machine::new()) else { return };
    let boot = machine.boot(
        r#"mkdir -p /sys/fs/cgroup/task/one
         echo +memory >/sys/fs/cgroup/task/cgroup.subtree_control
         echo 64M >/sys/fs/cgroup/task/one/memory.max
         for namespace in private host; do
             contain $namespace task/one sh -c '
                 echo "pid $$"
                 cat /proc/self/cgroup
                 cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/task/one/memory.max
                 : >/sys/fs/cgroup/cgroup.procs
             ' 2>/dev/null
             echo "ended $?"
         done"#,
    );
    let private = "pid 1\n0::/\n67108864\nended 1\n";
    let host = "pid 1\n0::/task/one\n67108864\nended 1\n";
    assert_eq!(boot.output.trim_end(), format!("{private}{host}").trim_end(), "{boot:#?}");
}

#[test]
fn epitaph_is_pid_1_of_a_container_there() {
    let Some(machine) = require("qemu", Machine::new()) else { return };
    let Some(epitaph) = require("static binary", static_binary()) else { return };
    let boot = machine.program("epitaph", epitaph).unwrap().boot(
        r#"mkdir /sys/fs/cgroup/one
         for namespace in private host; do
             contain $namespace one /epitaph -- sh -c 'echo "parent $PPID"; exit 3' 2>/tmp/records
             echo "ended $?"
             grep . /tmp/records | cut -d , -f 1
         done"#,
    );
    let each = "parent 1\nended 3\n{\"epitaph\":\"start\"\n{\"epitaph\":\"exit\"\n";
    assert_eq!(boot.output.trim_end(), each.repeat(2).trim_end(), "{boot:#?}");
}

#[test]
fn a_machine_that_hangs_is_ended_and_an_error() {
    let Some(machine) = require("qemu", Machine::new()) else { return };
    let machine = machine.bound(Duration::from_secs(1));
    let boot = std::panic::catch_unwind(|| machine.boot("while :; do :; done"));
    let panic = boot.expect_err("a machine that hangs was waited for");
    let message = panic.downcast_ref::<String>().map_or("", String::as_str);
    assert!(message.contains("did not come to its end: waited 1s"), "{message}");
}
