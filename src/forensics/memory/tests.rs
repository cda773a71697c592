#![allow(clippy::unwrap_used, clippy::panic)]

use super::super::figures::{LimitBelow, Memory, parse_keyed, parse_limit, parse_number};
use super::MemoryCgroup;
use crate::forensics::testing::Tree;
use std::fs;

const ID: &str = "5f3c1e7a9b2d4f60817263544536271809afbecd1029384756abcdef01234567";
const MIB: u64 = 1 << 20;

/// `/proc/self/cgroup` of version 1 with one path for every controller.
fn v1_membership(path: &str) -> String {
    let controllers = ["pids", "hugetlb", "net_cls,net_prio", "memory", "cpu,cpuacct", "name=systemd"];
    let lines = controllers.iter().zip(1..).map(|(name, number)| format!("{number}:{name}:{path}\n"));
    lines.collect::<String>() + "0::/system.slice/containerd.service\n"
}

/// `/proc/self/mountinfo` of a container in which each controller's hierarchy is mounted with one root.
fn v1_mounts(root: &str) -> String {
    let layers = "/var/lib/docker/overlay2/l/ABCDEFGHIJKLMNOPQRSTUVWXYZ:".repeat(100);
    format!(
        "1 0 0:50 / / rw,relatime master:9 - overlay overlay rw,lowerdir={layers}\n\
         2 1 0:51 / /proc rw,nosuid - proc proc rw\n\
         3 1 0:52 / /sys ro,nosuid - sysfs sysfs ro\n\
         4 3 0:53 / /sys/fs/cgroup rw,nosuid - tmpfs tmpfs rw,mode=755\n\
         5 4 0:27 {root} /sys/fs/cgroup/systemd ro,nosuid master:7 - cgroup cgroup rw,xattr,name=systemd\n\
         6 4 0:30 {root} /sys/fs/cgroup/cpu,cpuacct ro,nosuid master:8 - cgroup cgroup rw,cpu,cpuacct\n\
         7 4 0:32 {root} /sys/fs/cgroup/memory ro,nosuid master:11 - cgroup cgroup rw,memory\n"
    )
}

const V1_FILES: [(&str, &str); 6] = [
    ("memory.limit_in_bytes", "67108864\n"),
    ("memory.usage_in_bytes", "33554432\n"),
    ("memory.max_usage_in_bytes", "50331648\n"),
    ("memory.failcnt", "12\n"),
    ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"),
    ("memory.stat", "cache 0\nrss 4096\nhierarchical_memory_limit 67108864\ntotal_cache 0\n"),
];
const V1_READ: Memory = Memory {
    cgroup: 1,
    limit: Some(64 * MIB),
    usage: Some(32 * MIB),
    peak: Some(48 * MIB),
    oom_kills: Some(3),
    limit_hits: Some(12),
    high_hits: None,
    anon: None,
    file: None,
    shmem: None,
    swap: None,
    below: LimitBelow::None,
};

const V2_EVENTS: &str = "low 0\nhigh 0\nmax 12\noom 5\noom_kill 3\noom_group_kill 0\n";
const V2_FILES: [(&str, &str); 4] = [
    ("memory.max", "67108864\n"),
    ("memory.current", "33554432\n"),
    ("memory.peak", "50331648\n"),
    ("memory.events", V2_EVENTS),
];
const V2_READ: Memory = Memory { cgroup: 2, high_hits: Some(0), ..V1_READ };

/// A unified hierarchy, mounted at /sys/fs/cgroup.
fn v2(path: &str, mount_root: &str) -> Tree {
    Tree::new().file("proc/self/cgroup", format!("0::{path}\n")).file(
        "proc/self/mountinfo",
        format!(
            "2 1 0:51 / /proc rw - proc proc rw\n\
             4 3 0:26 {mount_root} /sys/fs/cgroup ro,nosuid,nodev - cgroup2 cgroup rw,nsdelegate\n"
        ),
    )
}

fn read(tree: &Tree) -> Option<Memory> {
    MemoryCgroup::find(tree.path(), &tree.membership()).map(|cgroup| cgroup.read())
}

/// Cgroups below on version 2, by name: the limit, and how often it was met in vain.
fn v2_with_below(all: u64, own: u64, below: &[(&str, &str, u64)]) -> (Tree, MemoryCgroup) {
    let local = |ooms: u64| format!("max 9\noom {ooms}\noom_kill 1\n");
    let mut tree = v2("/a", "/").files("sys/fs/cgroup/a", &V2_FILES);
    tree = tree.file("sys/fs/cgroup/a/memory.events", local(all));
    tree = tree.file("sys/fs/cgroup/a/memory.events.local", local(own));
    for (name, limit, ooms) in below {
        let files = [("memory.max", *limit), ("memory.events.local", &local(*ooms))];
        tree = tree.files(&format!("sys/fs/cgroup/a/{name}"), &files);
    }
    let cgroup = MemoryCgroup::find(tree.path(), &tree.membership()).unwrap();
    (tree, cgroup)
}

#[test]
fn v2_tells_whose_limit_it_was() {
    let nothing = Some((0, 0));
    let met = |all, own, below: &[_], before| v2_with_below(all, own, below).1.limit_below(before);
    let jobs = ("jobs", "8388608\n", 1);
    assert_eq!(met(1, 0, &[jobs, ("idle", "4194304\n", 0)], nothing), LimitBelow::Of(8 * MIB));
    assert_eq!(met(1, 0, &[("a", "max\n", 0), ("a/b", "8388608\n", 1)], nothing), LimitBelow::Of(8 * MIB));
    // Gone, and one of two.
    assert_eq!(met(1, 0, &[], nothing), LimitBelow::Somewhere);
    assert_eq!(met(2, 0, &[jobs, ("more", "4194304\n", 1)], nothing), LimitBelow::Somewhere);
    assert_eq!(met(2, 0, &[jobs, ("more", "8388608\n", 1)], nothing), LimitBelow::Of(8 * MIB));
    // Our own was met, or one above, or all of that was before.
    assert_eq!(met(2, 1, &[jobs], nothing), LimitBelow::None);
    assert_eq!(met(0, 0, &[jobs], nothing), LimitBelow::None);
    assert_eq!(met(1, 0, &[jobs], Some((1, 0))), LimitBelow::None);
    assert_eq!(met(1, 0, &[jobs], None), LimitBelow::None);
}

#[test]
fn v1_counts_the_kills_below_and_tells_whose_limit_it_was_if_it_is_certain() {
    let jobs = |kills: u64, peak: u64| {
        [
            ("memory.limit_in_bytes", (8 * MIB).to_string()),
            ("memory.max_usage_in_bytes", peak.to_string()),
            ("memory.oom_control", format!("oom_kill_disable 0\nunder_oom 0\noom_kill {kills}\n")),
        ]
    };
    let with = |own_peak: u64, kills, peak| {
        let jobs = jobs(kills, peak);
        let jobs = jobs.each_ref().map(|(name, text)| (*name, text.as_str()));
        let own_peak = own_peak.to_string();
        let tree = Tree::new()
            .file("proc/self/cgroup", v1_membership("/"))
            .file("proc/self/mountinfo", v1_mounts("/"))
            .files("sys/fs/cgroup/memory", &V1_FILES)
            .files("sys/fs/cgroup/memory", &[("memory.max_usage_in_bytes", &own_peak)])
            .files("sys/fs/cgroup/memory/jobs", &jobs);
        let cgroup = MemoryCgroup::find(tree.path(), &tree.membership()).unwrap();
        (tree, cgroup)
    };
    let (tree, cgroup) = with(48 * MIB, 2, 8 * MIB - 65536);
    assert_eq!((cgroup.oom_kills(), cgroup.read().oom_kills), (Some(5), Some(5)));
    assert_eq!((cgroup.counters().oom_kills, cgroup.read_kills().oom_kills), (Some(5), Some(5)));
    assert_eq!(cgroup.limit_below(None), LimitBelow::Of(8 * MIB));
    // What is gone was counted all the same.
    fs::remove_dir_all(tree.path().join("sys/fs/cgroup/memory/jobs")).unwrap();
    assert_eq!(cgroup.oom_kills(), Some(5));

    assert_eq!(with(63 * MIB, 2, 8 * MIB).1.limit_below(None), LimitBelow::None);
    assert_eq!(with(48 * MIB, 2, 4 * MIB).1.limit_below(None), LimitBelow::None);
    assert_eq!(with(48 * MIB, 0, 8 * MIB).1.limit_below(None), LimitBelow::None);
}

#[test]
fn docker_on_v1_binds_the_containers_own_cgroup() {
    let path = format!("/docker/{ID}");
    let tree = Tree::new()
        .file("proc/self/cgroup", v1_membership(&path))
        .file("proc/self/mountinfo", v1_mounts(&path))
        .files("sys/fs/cgroup/memory", &V1_FILES);
    assert_eq!(read(&tree), Some(V1_READ));
    let cgroup = MemoryCgroup::find(tree.path(), &tree.membership()).unwrap();
    assert_eq!(cgroup.oom_kills(), Some(3));
    assert_eq!(cgroup.events_path(), None);
    assert!(cgroup.watch().is_none());
}

#[test]
fn ecs_on_v1_has_the_tasks_limit_above() {
    let path = format!("/ecs/0123456789abcdef0123456789abcdef/{ID}");
    let stat = "rss 1\nhierarchical_memory_limit 41943040\nhierarchical_memsw_limit 9223372036854771712\n";
    let tree = Tree::new()
        .file("proc/self/cgroup", v1_membership(&path))
        .file("proc/self/mountinfo", v1_mounts(&path))
        .files("sys/fs/cgroup/memory", &V1_FILES)
        .files(
            "sys/fs/cgroup/memory",
            &[("memory.stat", stat), ("memory.limit_in_bytes", "9223372036854771712\n")],
        );
    assert_eq!(read(&tree), Some(Memory { limit: Some(40 * MIB), ..V1_READ }));
}

#[test]
fn v1_in_a_private_namespace_and_below_the_mount() {
    let private = Tree::new()
        .file("proc/self/cgroup", v1_membership("/"))
        .file("proc/self/mountinfo", v1_mounts("/"))
        .files("sys/fs/cgroup/memory", &V1_FILES);
    assert_eq!(read(&private), Some(V1_READ));
    let on_a_host = Tree::new()
        .file("proc/self/cgroup", v1_membership("/user/a"))
        .file("proc/self/mountinfo", v1_mounts("/"))
        .files("sys/fs/cgroup/memory/user/a", &V1_FILES)
        .files("sys/fs/cgroup/memory", &[("memory.usage_in_bytes", "1\n")]);
    assert_eq!(read(&on_a_host), Some(V1_READ));
}

#[test]
fn v1_without_a_limit_has_none() {
    // The second is that of a kernel with pages of 64 KiB.
    for none in ["9223372036854771712", "9223372036854710272", "18446744073709551615"] {
        let stat = format!("hierarchical_memory_limit {none}\n");
        let tree = Tree::new()
            .file("proc/self/cgroup", v1_membership("/a"))
            .file("proc/self/mountinfo", v1_mounts("/a"))
            .files("sys/fs/cgroup/memory", &V1_FILES)
            .files("sys/fs/cgroup/memory", &[("memory.stat", &stat), ("memory.limit_in_bytes", none)]);
        assert_eq!(read(&tree), Some(Memory { limit: None, ..V1_READ }), "{none}");
    }
}

#[test]
fn v1_of_an_old_kernel_and_with_unreadable_files() {
    let tree = Tree::new()
        .file("proc/self/cgroup", v1_membership("/a"))
        .file("proc/self/mountinfo", v1_mounts("/a"))
        .files("sys/fs/cgroup/memory", &[("memory.usage_in_bytes", "4096\n")])
        // before Linux 4.13
        .files("sys/fs/cgroup/memory", &[("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\n")])
        .unreadable("sys/fs/cgroup/memory/memory.limit_in_bytes")
        .unreadable("sys/fs/cgroup/memory/memory.stat");
    assert_eq!(read(&tree), Some(Memory { cgroup: 1, usage: Some(4096), ..Memory::default() }));
}

#[test]
fn v1_with_only_its_own_limit_readable_has_that() {
    let path = format!("/docker/{ID}");
    let tree = Tree::new()
        .file("proc/self/cgroup", v1_membership(&path))
        .file("proc/self/mountinfo", v1_mounts(&path))
        .files("sys/fs/cgroup/memory", &V1_FILES[..5]);
    assert_eq!(read(&tree), Some(V1_READ));
}

#[test]
fn docker_on_v2_has_a_private_namespace() {
    let tree = v2("/", "/").files("sys/fs/cgroup", &V2_FILES);
    assert_eq!(read(&tree), Some(V2_READ));
    let cgroup = MemoryCgroup::find(tree.path(), &tree.membership()).unwrap();
    assert_eq!(cgroup.oom_kills(), Some(3));
    assert_eq!(cgroup.events_path(), Some(tree.path().join("sys/fs/cgroup/memory.events")));
    assert_eq!(cgroup.watch().unwrap().read().unwrap().oom_kills, Some(3));
}

#[test]
fn v2_in_the_hosts_namespace_has_its_ancestors_limits() {
    let scope = format!("system.slice/ecstasks.slice/docker-{ID}.scope");
    let visible = |scope_limit, slice_limit| {
        let limits = [("memory.max", slice_limit), ("memory.events", V2_EVENTS)];
        v2(&format!("/{scope}"), "/")
            .files("sys/fs/cgroup/system.slice/ecstasks.slice", &limits)
            .files("sys/fs/cgroup/system.slice", &[("memory.max", "max\n")])
            .files(&format!("sys/fs/cgroup/{scope}"), &V2_FILES)
            .files(&format!("sys/fs/cgroup/{scope}"), &[("memory.max", scope_limit)])
            // outside the hierarchy
            .files("sys/fs", &[("memory.max", "1\n")])
    };
    assert_eq!(read(&visible("67108864", "41943040")), Some(Memory { limit: Some(40 * MIB), ..V2_READ }));
    assert_eq!(read(&visible("67108864", "max")), Some(V2_READ));
    assert_eq!(read(&visible("max", "67108864")), Some(V2_READ));
    assert_eq!(read(&visible("max", "max")), Some(Memory { limit: None, ..V2_READ }));
    // The container's own cgroup bound to the mount point.
    let bound = v2(&format!("/{scope}"), &format!("/{scope}")).files("sys/fs/cgroup", &V2_FILES);
    assert_eq!(read(&bound), Some(V2_READ));
    // The mount shows another container's cgroup.
    let other = v2(&format!("/{scope}"), "/system.slice/other.scope").files("sys/fs/cgroup", &V2_FILES);
    assert_eq!(read(&other), None);
}

#[test]
fn podman_on_v2_has_a_cgroup_inside_its_scope() {
    let path = format!("user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope/container");
    let tree = v2(&format!("/{path}"), "/").files(&format!("sys/fs/cgroup/{path}"), &V2_FILES);
    assert_eq!(read(&tree), Some(V2_READ));
}

#[test]
fn v2_of_an_old_kernel_has_no_peak() {
    let files = [("memory.max", "max\n"), ("memory.current", "8192\n"), ("memory.events", "oom_kill 0\n")];
    let tree = v2("/", "/").files("sys/fs/cgroup", &files);
    let expected = Memory { cgroup: 2, usage: Some(8192), oom_kills: Some(0), ..Memory::default() };
    assert_eq!(read(&tree), Some(expected));
}

#[test]
fn hybrid_the_version_with_the_controller_counts() {
    let path = format!("/docker/{ID}");
    let unified = "8 4 0:33 / /sys/fs/cgroup/unified ro - cgroup2 cgroup rw,nsdelegate\n";
    let hybrid = |mounts: String| {
        Tree::new()
            .file("proc/self/cgroup", v1_membership(&path))
            .file("proc/self/mountinfo", mounts)
            .files("sys/fs/cgroup/unified/system.slice/containerd.service", &V2_FILES)
            .files("sys/fs/cgroup/memory", &V1_FILES)
    };
    assert_eq!(read(&hybrid(v1_mounts(&path) + unified)), Some(V1_READ));
    assert_eq!(read(&hybrid(unified.to_string() + &v1_mounts(&path))), Some(V1_READ));
    // Not even if the mount of version 2 had such files.
    let decoy = hybrid(v1_mounts(&path) + unified)
        .files(&format!("sys/fs/cgroup/unified{path}"), &[("memory.usage_in_bytes", "1\n")]);
    assert_eq!(read(&decoy), Some(V1_READ));
    // The controller is in version 1, and not mounted here: version 2 cannot stand in for it.
    assert_eq!(read(&hybrid(unified.into())), None);
}

#[test]
fn a_later_mount_hides_an_earlier_one_and_one_elsewhere_is_as_good() {
    let path = format!("/docker/{ID}");
    let host = "9 1 0:32 / /host/sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
    let tree = |mounts: String| {
        Tree::new().file("proc/self/cgroup", v1_membership(&path)).file("proc/self/mountinfo", mounts)
    };
    let only_host = tree(host.into()).files(&format!("host/sys/fs/cgroup/memory{path}"), &V1_FILES);
    assert_eq!(read(&only_host), Some(V1_READ));
    // Below the host's mount the path is not there (it was mounted over): the other one is left.
    let both = tree(v1_mounts(&path) + host).files("sys/fs/cgroup/memory", &V1_FILES);
    assert_eq!(read(&both), Some(V1_READ));
}

#[test]
fn the_hosts_hierarchy_mounted_over_the_containers_own() {
    let path = format!("/docker/{ID}");
    let host = "9 7 0:32 / /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
    let tree = Tree::new()
        .file("proc/self/cgroup", v1_membership(&path))
        .file("proc/self/mountinfo", v1_mounts(&path) + host)
        .files(&format!("sys/fs/cgroup/memory{path}"), &V1_FILES)
        // What the earlier line would lead to is the root of the host now.
        .files("sys/fs/cgroup/memory", &[("memory.usage_in_bytes", "99999999\n")]);
    assert_eq!(read(&tree), Some(V1_READ));
}

#[test]
fn where_nothing_is_to_be_found() {
    let path = format!("/docker/{ID}");
    let trees = [
        ("no /proc", Tree::new()),
        ("no mountinfo", Tree::new().file("proc/self/cgroup", v1_membership(&path))),
        ("no mounts", Tree::new().file("proc/self/cgroup", "0::/\n").file("proc/self/mountinfo", "")),
        ("empty", Tree::new().file("proc/self/cgroup", "").file("proc/self/mountinfo", v1_mounts("/"))),
        (
            "no memory controller on v1",
            Tree::new()
                .file("proc/self/cgroup", "3:cpuset:/\n1:name=systemd:/\n")
                .file("proc/self/mountinfo", v1_mounts("/"))
                .files("sys/fs/cgroup/memory", &V1_FILES),
        ),
        ("the root of v2", v2("/", "/").files("sys/fs/cgroup", &[("memory.stat", "anon 0\n")])),
        ("memory not enabled on v2", v2("/a", "/").files("sys/fs/cgroup/a", &[("cgroup.procs", "1\n")])),
        ("unreadable", v2("/", "/").unreadable("sys/fs/cgroup/memory.events")),
        ("a cgroup outside", v2("/../other", "/").files("sys/fs/other", &V2_FILES)),
        ("a deleted cgroup", v2("/a (deleted)", "/").files("sys/fs/cgroup/a", &V2_FILES)),
        (
            "nonsense",
            Tree::new().file("proc/self/cgroup", [0, 255, 10]).file("proc/self/mountinfo", [255; 9000]),
        ),
    ];
    for (name, tree) in trees {
        assert!(MemoryCgroup::find(tree.path(), &tree.membership()).is_none(), "{name}");
    }
}

#[test]
fn a_cgroup_that_vanishes_is_not_known_any_more() {
    let tree = v2("/", "/").files("sys/fs/cgroup", &V2_FILES);
    let cgroup = MemoryCgroup::find(tree.path(), &tree.membership()).unwrap();
    fs::remove_dir_all(tree.path().join("sys")).unwrap();
    assert_eq!(cgroup.read(), Memory { cgroup: 2, ..Memory::default() });
    assert_eq!(cgroup.oom_kills(), None);
}

#[test]
fn what_is_presumed_is_ours_only_if_it_lists_us() {
    let path = format!("/docker/{ID}");
    let elsewhere = "9 1 0:32 / /host/memory ro - cgroup cgroup rw,memory\n";
    let own = format!("{}\n", std::process::id());
    let tree = Tree::new()
        .file("proc/self/cgroup", v1_membership(&path))
        .file("proc/self/mountinfo", elsewhere)
        .files(
            "sys/fs/cgroup/memory",
            &[("memory.oom_control", "oom_kill 9\n"), ("cgroup.procs", "4000000\n")],
        )
        .files(&format!("host/memory{path}"), &V1_FILES);
    let (presumed, counters) = MemoryCgroup::presume(tree.path(), &tree.membership()).unwrap();
    assert_eq!((counters.oom_kills, presumed.is_ours()), (Some(9), false));
    assert_eq!(read(&tree), Some(V1_READ));
    let many: String = (4_000_000..4_001_000).map(|pid| format!("{pid}\n")).collect();
    let tree = tree.file("sys/fs/cgroup/memory/cgroup.procs", many.clone());
    assert!(!presumed.is_ours());
    let tree = tree.file("sys/fs/cgroup/memory/cgroup.procs", many + &own);
    assert!(presumed.is_ours());
    assert_eq!(read(&tree).unwrap().oom_kills, Some(9));
}

#[test]
fn on_v1_the_limit_is_looked_for_again_only_when_the_own_one_changes() {
    let path = format!("/docker/{ID}");
    let tree = Tree::new()
        .file("proc/self/cgroup", v1_membership(&path))
        .file("proc/self/mountinfo", v1_mounts(&path))
        .files("sys/fs/cgroup/memory", &V1_FILES);
    let cgroup = MemoryCgroup::find(tree.path(), &tree.membership()).unwrap();
    assert_eq!(cgroup.limit(), Some(64 * MIB));
    let file = |name: &str| tree.path().join("sys/fs/cgroup/memory").join(name);
    fs::write(file("memory.stat"), "hierarchical_memory_limit 33554432\n").unwrap();
    assert_eq!(cgroup.limit(), Some(64 * MIB));
    fs::write(file("memory.limit_in_bytes"), "50331648\n").unwrap();
    assert_eq!(cgroup.limit(), Some(32 * MIB));
}

#[test]
fn counts_since_a_baseline() {
    let earlier = Memory { oom_kills: Some(1), limit_hits: Some(20), usage: Some(1), ..V1_READ };
    assert_eq!(V1_READ.since(&earlier), Memory { oom_kills: Some(2), limit_hits: Some(0), ..V1_READ });
    let unknown = Memory { oom_kills: None, limit_hits: None, ..V1_READ };
    assert_eq!(V1_READ.since(&unknown), unknown);
    assert_eq!(unknown.since(&V1_READ), unknown);
}

#[test]
fn the_tasks_limit_counts_if_it_is_smaller() {
    let limit = |own, task| Memory { limit: own, ..V1_READ }.limited_to(task).limit;
    assert_eq!(limit(Some(64), Some(32)), Some(32));
    assert_eq!(limit(Some(32), Some(64)), Some(32));
    assert_eq!(limit(None, Some(64)), Some(64));
    assert_eq!(limit(Some(64), None), Some(64));
    assert_eq!(limit(Some(64), Some(0)), Some(64), "0 is how an endpoint says none");
    assert_eq!(limit(None, Some(1 << 63)), None);
}

#[test]
fn numbers() {
    for (text, expected) in [
        ("0", Some(0)),
        ("67108864\n", Some(67_108_864)),
        ("4611686018427387903", Some((1 << 62) - 1)),
        ("4611686018427387904", None),
        ("max\n", None),
        ("", None),
        ("\n", None),
        ("-1", None),
        ("+1", None),
        ("12 34", None),
        ("1e3", None),
        ("99999999999999999999999", None),
    ] {
        assert_eq!(parse_limit(text), expected, "{text:?}");
    }
    assert_eq!(parse_number("18446744073709551615"), Some(u64::MAX));
    let text = "oom_kill_disable 0\nunder_oom 1\noom_kill 7\noom_kills 8\nbad x\nempty\n";
    for (name, expected) in [
        ("oom_kill", Some(7)),
        ("under_oom", Some(1)),
        ("oom", None),
        ("bad", None),
        ("empty", None),
        ("missing", None),
    ] {
        assert_eq!(parse_keyed(text, name), expected, "{name}");
    }
}

#[test]
fn what_the_memory_is_of() {
    let whole = |tree: &Tree| MemoryCgroup::find(tree.path(), &tree.membership()).unwrap().read_whole();
    let path = format!("/docker/{ID}");
    // The totals stand behind more than 1 KiB.
    let own = (0..40).map(|number| format!("a_figure_with_a_long_name_{number} 9223372036854771712\n"));
    let stat = own.collect::<String>()
        + "hierarchical_memory_limit 67108864\ntotal_cache 9\ntotal_rss 7\ntotal_shmem 5\ntotal_swap 3\n";
    let v1 = Tree::new()
        .file("proc/self/cgroup", v1_membership(&path))
        .file("proc/self/mountinfo", v1_mounts(&path))
        .files("sys/fs/cgroup/memory", &V1_FILES)
        .files("sys/fs/cgroup/memory", &[("memory.stat", &stat), ("memory.memsw.failcnt", "30\n")]);
    let parts = |memory: Memory| [memory.anon, memory.file, memory.shmem, memory.swap];
    assert_eq!(parts(whole(&v1)), [Some(7), Some(9), Some(5), Some(3)]);
    assert_eq!(whole(&v1).limit_hits, Some(42), "that of memory and swap together counts too");
    let stat = "anon 7\nfile 9\nkernel 1\nshmem 5\nfile_mapped 1\n";
    let v2 = v2("/a", "/")
        .files("sys/fs/cgroup/a", &V2_FILES)
        .files("sys/fs/cgroup/a", &[("memory.stat", stat), ("memory.swap.current", "3\n")]);
    assert_eq!(parts(whole(&v2)), [Some(7), Some(9), Some(5), Some(3)]);
    let bare = super::tests::v2("/a", "/").files("sys/fs/cgroup/a", &V2_FILES);
    assert_eq!(whole(&bare), V2_READ);
}

#[test]
fn cgroups_below_are_listed_and_bounded() {
    let tree = v2("/a", "/").files("sys/fs/cgroup/a", &V2_FILES);
    let lists = |tree: &Tree, most| {
        let cgroup = MemoryCgroup::find(tree.path(), &tree.membership()).unwrap();
        let paths = cgroup.procs_paths(most);
        let root = tree.path().join("sys/fs/cgroup/a");
        paths.iter().map(|path| path.strip_prefix(&root).unwrap().display().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(lists(&tree, 8), ["cgroup.procs"]);
    let tree = tree
        .file("sys/fs/cgroup/a/one/two/cgroup.procs", "7\n")
        .file("sys/fs/cgroup/a/b/cgroup.procs", "8\n");
    let mut all = lists(&tree, 8);
    all.sort();
    assert_eq!(all, ["b/cgroup.procs", "cgroup.procs", "one/cgroup.procs", "one/two/cgroup.procs"]);
    assert_eq!(lists(&tree, 2).len(), 3);
}
