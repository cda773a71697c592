//! epitaph for 64-bit Arm, in a virtual machine with such a processor: the whole of `tests/init`, built for
//! it, on the file for it. (`tests/verdicts` boots the same machine for the ways to die.)
//!
//! `packaging/arm64-tests.sh target/arm64` builds what is run, and `packaging/build.sh` the file, which goes
//! there too as `epitaph`.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use std::time::Duration;
use support::qemu::{Machine, arm64_folder};
use support::require::{require, say};

/// The guest takes a minute of its own time for it, and an emulated processor is slow.
const BOUND: Duration = Duration::from_secs(900);

/// The tests are in a cgroup of their own, since the root has no counters; the programs that the tests know
/// from a Debian come before busybox's. What is left out is about the kernel's loop device with ext4, which
/// needs a module, and about systemd's sockets, about cgroups of version 1, or needs a Python or a PHP: none
/// of it is in this machine, and no processor matters to it.
const SCRIPT: &str = "
mkdir -p /sys/fs/cgroup/tests /var/tmp
echo 0 >/sys/fs/cgroup/tests/cgroup.procs
export PATH=/usr/bin:/bin:/usr/sbin:/sbin EPITAPH_TEST_BINARY=/epitaph EPITAPH_TEST_REQUIRE_ALL=1
exec /tests/init --test-threads 1 --skip frozen:: --skip socket_activation:: --skip full:: --skip gunicorn --skip php_fpm
";

#[test]
fn all_that_holds_of_the_init_holds_on_arm64() {
    let Some(machine) = require("qemu for arm64", Machine::arm64()) else { return };
    let add = |machine: Machine, path: &str, file: &str| {
        let added = machine.program(path, &arm64_folder().join(file));
        added.map_err(|error| {
            format!("{error} (packaging/arm64-tests.sh target/arm64 and packaging/build.sh build it)")
        })
    };
    let machine = add(machine, "epitaph", "epitaph").and_then(|machine| add(machine, "tests/init", "init"));
    let Some(machine) = require("arm64 programs", machine) else { return };
    // Some tests look for a file that every system has.
    let machine =
        machine.link("usr/bin/sh", "/bin/dash").file("etc/passwd", 0o644, "root:x:0:0:root:/:/bin/sh\n");
    let machine = machine.memory(512).bound(BOUND);
    let boot = machine.boot(SCRIPT);
    assert_eq!(boot.code, 0, "{}\n{}", boot.output, boot.kernel_log);
    let result = boot.output.lines().find(|line| line.starts_with("test result: ok.")).unwrap();
    say(&format!("arm64: {} s, {result}", boot.took.as_secs()));
    let passed: usize = result.split_whitespace().nth(3).unwrap().parse().unwrap();
    assert!(passed > 150, "{result}");
}
