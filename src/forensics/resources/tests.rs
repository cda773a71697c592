#![allow(clippy::unwrap_used, clippy::panic)]

use super::{Resources, Sample, parse};
use crate::forensics::testing::Tree;
use std::fs;

const V2_FILES: [(&str, &str); 14] = [
    (
        "cpu.stat",
        "usage_usec 1170000\nuser_usec 900000\nsystem_usec 270000\nnr_periods 30\nnr_throttled 29\n\
         throttled_usec 1450000\nnr_bursts 0\nburst_usec 0\n",
    ),
    ("cpu.max", "50000 100000\n"),
    ("memory.current", "17825792\n"),
    (
        "memory.stat",
        "anon 8388608\nfile 8454144\nkernel 983040\nshmem 4096\nfile_mapped 0\ninactive_anon 8400896\n\
         active_anon 0\ninactive_file 4194304\nactive_file 4194304\n",
    ),
    ("memory.max", "67108864\n"),
    ("memory.peak", "20971520\n"),
    ("memory.events", "low 0\nhigh 0\nmax 12\noom 5\noom_kill 3\noom_group_kill 0\n"),
    ("memory.swap.current", "4096\n"),
    ("pids.current", "7\n"),
    ("pids.max", "max\n"),
    (
        "io.stat",
        "8:0 rbytes=1000 wbytes=2000 rios=1 wios=2 dbytes=9 dios=9\n8:16 rbytes=30 wbytes=40 rios=1 wios=2 dbytes=0 dios=0\n",
    ),
    (
        "cpu.pressure",
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=7012\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=1\n",
    ),
    ("memory.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=5\n"),
    ("io.pressure", "some avg10=99.00 avg60=0.00 avg300=0.00 total=123456789\n"),
];

const NET_DEV: &str = "Inter-|   Receive                                                |  Transmit\n \
    face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n    \
    lo: 99999       9    0    0    0     0          0         0    99999       9    0    0    0     0       0          0\n  \
    eth0: 1296      16    0    0    0     0          0         0      656       8    0    0    0     0       0          0\n\
    ecs-eth0:4      16    0    0    0     0          0         0        5       8    0    0    0     0       0          0\n";

const V2_SAMPLE: Sample = Sample {
    cpu_ns: Some(1_170_000_000),
    throttled_ns: Some(1_450_000_000),
    throttled_periods: Some(29),
    periods: Some(30),
    cpu_limit_milli: Some(500),
    memory_usage: Some(17_825_792),
    memory_anon: Some(8_388_608),
    memory_file: Some(8_454_144),
    memory_shmem: Some(4096),
    inactive_file: Some(4_194_304),
    memory_limit: Some(67_108_864),
    memory_peak: Some(20_971_520),
    swap: Some(4096),
    memory_and_swap: None,
    oom_kills: Some(3),
    limit_hits: Some(12),
    pids: Some(7),
    pids_limit: None,
    read_bytes: Some(1030),
    write_bytes: Some(2040),
    net_rx_bytes: Some(1300),
    net_tx_bytes: Some(661),
    cpu_stall_us: Some(7012),
    memory_stall_us: Some(5),
    io_stall_us: Some(123_456_789),
};

fn sample(tree: &Tree) -> Sample {
    Resources::open(tree.path(), &tree.membership()).sample()
}

fn v2(path: &str) -> Tree {
    Tree::new()
        .file("proc/self/cgroup", format!("0::{path}\n"))
        .file("proc/self/mountinfo", "4 3 0:26 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw,nsdelegate\n")
        .file("proc/net/dev", NET_DEV)
}

#[test]
fn version_2() {
    let tree = v2("/").files("sys/fs/cgroup", &V2_FILES);
    assert_eq!(sample(&tree), V2_SAMPLE);
}

#[test]
fn the_smallest_limit_above_counts_too() {
    let tree = v2("/ecs/task")
        .files("sys/fs/cgroup/ecs/task", &V2_FILES)
        .files(
            "sys/fs/cgroup/ecs",
            &[("cpu.max", "25000 100000\n"), ("memory.max", "1048576\n"), ("pids.max", "9\n")],
        )
        .files("sys/fs/cgroup", &[("cpu.max", "max 100000\n")]);
    let found = sample(&tree);
    let expected =
        Sample { cpu_limit_milli: Some(250), memory_limit: Some(1 << 20), pids_limit: Some(9), ..V2_SAMPLE };
    assert_eq!(found, expected);
}

#[test]
fn limits_are_read_again_in_turns() {
    let tree = v2("/").files("sys/fs/cgroup", &V2_FILES);
    let resources = Resources::open(tree.path(), &tree.membership());
    assert_eq!(resources.sample(), V2_SAMPLE);
    fs::write(tree.path().join("sys/fs/cgroup/memory.max"), "1000\n").unwrap();
    fs::write(tree.path().join("sys/fs/cgroup/cpu.max"), "max 100000\n").unwrap();
    let limits: Vec<_> = (0..3)
        .map(|_| resources.sample())
        .map(|sample| (sample.cpu_limit_milli, sample.memory_limit))
        .collect();
    assert_eq!(limits.last(), Some(&(None, Some(1000))), "{limits:?}");
}

#[test]
fn version_1_with_each_controller_in_its_own_cgroup() {
    // The memory limit that applies stands after byte 1,024 there.
    let stat = format!(
        "cache 8192\n{}hierarchical_memory_limit 67108864\ntotal_cache 8454144\ntotal_rss 8388608\n\
         total_shmem 4096\ntotal_inactive_file 4194304\n",
        "total_something 9999999999999\n".repeat(40)
    );
    let tree = Tree::new()
        .file("proc/self/cgroup", "9:cpu,cpuacct:/docker/a\n8:pids:/p\n7:blkio:/docker/a\n4:memory:/docker/m\n0::/x\n")
        .file(
            "proc/self/mountinfo",
            "6 4 0:30 /docker/a /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n\
             7 4 0:31 / /sys/fs/cgroup/pids ro - cgroup cgroup rw,pids\n\
             8 4 0:32 /docker/a /sys/fs/cgroup/blkio ro - cgroup cgroup rw,blkio\n\
             9 4 0:33 /docker/m /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
        )
        .file("proc/net/dev", NET_DEV)
        .files(
            "sys/fs/cgroup/cpu,cpuacct",
            &[
                ("cpuacct.usage", "1170000000\n"),
                ("cpu.stat", "nr_periods 30\nnr_throttled 29\nthrottled_time 1450000000\n"),
                ("cpu.cfs_quota_us", "50000\n"),
                ("cpu.cfs_period_us", "100000\n"),
            ],
        )
        .files("sys/fs/cgroup/pids/p", &[("pids.current", "7\n"), ("pids.max", "max\n")])
        .files("sys/fs/cgroup/pids", &[("cgroup.procs", "1\n")])
        .files(
            "sys/fs/cgroup/blkio",
            &[(
                "blkio.throttle.io_service_bytes_recursive",
                "8:0 Read 1000\n8:0 Write 2000\n8:0 Sync 1\n8:0 Total 3000\n8:16 Read 30\n8:16 Write 40\nTotal 3070\n",
            )],
        )
        .files(
            "sys/fs/cgroup/memory",
            &[
                ("memory.usage_in_bytes", "17825792\n"),
                ("memory.memsw.usage_in_bytes", "17829888\n"),
                ("memory.max_usage_in_bytes", "20971520\n"),
                ("memory.failcnt", "12\n"),
                ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"),
                ("memory.stat", stat.as_str()),
            ],
        );
    let expected = Sample {
        memory_and_swap: Some(17_829_888),
        cpu_stall_us: None,
        memory_stall_us: None,
        io_stall_us: None,
        ..V2_SAMPLE
    };
    assert_eq!(sample(&tree), expected);
}

#[test]
fn a_missing_file_loses_only_itself() {
    let tree = v2("/").files("sys/fs/cgroup", &V2_FILES[..1]).unreadable("sys/fs/cgroup/memory.current");
    let found = sample(&tree);
    assert_eq!((found.cpu_ns, found.memory_usage, found.read_bytes), (Some(1_170_000_000), None, None));
    assert_eq!(sample(&Tree::new()), Sample::default());
    assert!(!Resources::open(Tree::new().path(), b"0::/\n").is_known());
}

#[test]
fn half_a_table_is_no_sum() {
    let line = "8:0 rbytes=1 wbytes=1 rios=1 wios=1 dbytes=1 dios=1\n";
    let tree = v2("/").file("sys/fs/cgroup/io.stat", line.repeat(100));
    assert_eq!(sample(&tree).read_bytes, None);
    let tree = v2("/").file("sys/fs/cgroup/io.stat", line.repeat(50));
    assert_eq!(sample(&tree).read_bytes, Some(50));
}

#[test]
fn nonsense_is_not_told() {
    for text in
        ["", "max", "max max", "1", "x 1", "1 0", "0 100", "-1 100000", "1 2 3", "99999999999999999999 1"]
    {
        assert_eq!(parse::cpu_max(text), None, "{text}");
    }
    assert_eq!(parse::cpu_max("18446744073709551615 1"), None);
    for text in ["", "lo: 1 2 3 4 5 6 7 8 9 10", "eth0: 1 2", "eth0: x 2 3 4 5 6 7 8 9", "eth0"] {
        assert_eq!(parse::net_dev(text), None, "{text}");
    }
    for text in ["", "full total=3", "some avg10=0", "some total=x", "sometotal=3"] {
        assert_eq!(parse::stall(text), None, "{text}");
    }
    assert_eq!(parse::io_stat("8:0 rbytes=x wbytes= xrbytes=3"), Some((0, 0)));
}
