#![allow(clippy::unwrap_used, clippy::panic, clippy::type_complexity)]

use super::Hierarchy::{Unified, V1Memory};
use super::{Hierarchy, Mount, below, parse_membership, parse_mount};

#[test]
fn membership_lines() {
    let cases: [(&[u8], Option<(Hierarchy, &[u8])>); 11] = [
        (b"4:memory:/docker/5f3c", Some((V1Memory, b"/docker/5f3c"))),
        (b"9:hugetlb,memory,cpu:/a", Some((V1Memory, b"/a"))),
        (b"0::/", Some((Unified, b"/"))),
        (b"0::/a:b", Some((Unified, b"/a:b"))),
        (b"9:name=systemd:/x", None),
        (b"9:name=memory:/x", None),
        (b"3:cpuset:/", None),
        (b"0::", None),
        (b"0:memory", None),
        (b"", None),
        (b"4:memory:\xff\xff", None),
    ];
    for (line, expected) in cases {
        assert_eq!(parse_membership(line), expected, "{:?}", String::from_utf8_lossy(line));
    }
}

#[test]
fn mount_lines() {
    let mount = |hierarchy, root: &[u8], point: &[u8]| {
        Some(Mount { hierarchy, root: root.to_vec(), point: point.to_vec() })
    };
    let cases: [(&[u8], Option<Mount>); 10] = [
        (
            b"35 31 0:32 /docker/5f3c /sys/fs/cgroup/memory ro,nosuid master:11 - cgroup cgroup rw,memory",
            mount(V1Memory, b"/docker/5f3c", b"/sys/fs/cgroup/memory"),
        ),
        (
            b"1 2 0:3 / /sys/fs/cgroup rw - cgroup2 cgroup rw,nsdelegate",
            mount(Unified, b"/", b"/sys/fs/cgroup"),
        ),
        (
            b"1 2 0:3 / /c rw shared:1 master:2 propagate_from:3 - cgroup2 none rw",
            mount(Unified, b"/", b"/c"),
        ),
        // a systemd name with a backslash, and a mount point with a blank
        (
            br"1 2 0:3 /a\134x2db.slice /with\040blank\011\012 rw - cgroup2 none rw",
            mount(Unified, br"/a\x2db.slice", b"/with blank\t\n"),
        ),
        (b"1 2 0:3 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu", None),
        (b"1 2 0:3 / /sys/fs/cgroup/x rw - cgroup cgroup rw,name=memory", None),
        (b"1 2 0:3 / /tmp rw - tmpfs cgroup2 rw,memory", None),
        (b"1 2 0:3 / /sys/fs/cgroup rw cgroup2 none rw", None),
        (b"1 2 0:3 /", None),
        (b"", None),
    ];
    for (line, expected) in cases {
        assert_eq!(parse_mount(line), expected, "{:?}", String::from_utf8_lossy(line));
    }
}

#[test]
fn paths_below_a_mount() {
    let cases: [(&[u8], &[u8], Option<&[u8]>); 14] = [
        (b"/", b"/", Some(b"")),
        (b"/", b"/docker/a", Some(b"docker/a")),
        (b"/docker/a", b"/docker/a", Some(b"")),
        (b"/docker/a", b"/docker/a/workers", Some(b"workers")),
        (b"/docker/a", b"/docker/ab", None),
        (b"/docker/a", b"/docker", None),
        (b"/docker/a", b"/docker/b", None),
        (b"/docker/a", b"/", None),
        // seen from a private namespace: a mount of the host's hierarchy, and cgroups outside
        (b"/../..", b"/", None),
        (b"/..", b"/../b", Some(b"b")),
        (b"/../b", b"/../b/c", Some(b"c")),
        (b"/", b"/../b", None),
        (b"/a", b"/a/../../etc", None),
        (b"", b"", Some(b"")),
    ];
    for (root, path, expected) in cases {
        assert_eq!(below(root, path), expected, "{root:?} {path:?}");
    }
}

#[test]
fn no_bytes_make_it_panic() {
    // Every prefix of a line, and every line with one byte replaced.
    let line = br"35 31 0:32 /do\040ck\13 /sys/fs/cgroup master:11 - cgroup cgroup rw,memory";
    for end in 0..line.len() {
        let _ = parse_mount(&line[..end]);
        let _ = parse_membership(&line[..end]);
        for byte in [0, b' ', b'\\', b':', 0xff] {
            let mut changed = line.to_vec();
            changed[end] = byte;
            let _ = parse_mount(&changed);
        }
    }
}
