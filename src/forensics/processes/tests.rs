#![allow(clippy::unwrap_used, clippy::panic)]

use super::{
    Limits, PF_EXITING, PF_SIGNALED, Stat, is_ending, largest, largest_listed, name_of, page_size,
    parse_stat, parse_statm, parse_wait_channel, snapshot,
};
use crate::forensics::ShortName;
use crate::forensics::testing::{Tree, wait_for};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const ALL: Limits = Limits { processes: 4096, time: Duration::from_secs(10), exclude: &[], closely: false };

fn stat(pid: i32, name: &str, state: char, ppid: i32, flags: u64, threads: u32, pages: u64) -> String {
    format!(
        "{pid} ({name}) {state} {ppid} 1 1 0 -1 {flags} 120 0 0 0 1 2 0 0 20 0 {threads} 0 4711 5000000 {pages} \
         18446744073709551615 1 1 0 0 0 0 0 4096 0 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
    )
}

#[test]
fn stat_lines() {
    let parsed = |name: &str| Stat {
        pid: 2,
        name: ShortName::new(name.as_bytes()),
        state: 'S',
        ppid: 1,
        flags: 0x40_0000,
        faults_of_children: 0,
        threads: 3,
        began: 4711,
        resident_pages: 250,
        pending: 0,
    };
    for name in ["server", "", "a) S 9 (b", "((", "))) ", "two\nlines", " 1 2 3 "] {
        let line = stat(2, name, 'S', 1, 0x40_0000, 3, 250);
        assert_eq!(parse_stat(line.as_bytes()), Some(parsed(name)), "{name:?}");
    }
    let line = stat(2, "server", 'S', 1, 0x40_0000, 3, 250);
    let mut invalid = line.clone().into_bytes();
    invalid[3..5].copy_from_slice(&[0xff, 0xfe]);
    assert_eq!(parse_stat(&invalid).unwrap().name.as_str(), "\u{fffd}\u{fffd}rver");
    // Cut anywhere before the field that is needed last, nothing is made up.
    let needed = line.find(" 0 0 4096 ").unwrap() + 1;
    for end in 0..needed {
        assert_eq!(parse_stat(&line.as_bytes()[..end]), None, "{}", &line[..end]);
    }
    for garbage in ["", "()", ")(", "x (y) S 1", "1 (y) S one 1 1 1 1 1"] {
        assert_eq!(parse_stat(garbage.as_bytes()), None, "{garbage:?}");
    }
}

#[test]
fn a_process_that_is_about_to_end() {
    let as_told = |state, flags, pending: &str| {
        let line =
            stat(7, "server", state, 1, flags, 3, 250).replace(" 0 0 4096 ", &format!(" {pending} 0 4096 "));
        let tree = Tree::new().link("proc/self", std::process::id().to_string()).file("proc/7/stat", line);
        assert_eq!(is_ending(tree.path(), 8), None);
        is_ending(tree.path(), 7)
    };
    assert_eq!(as_told('S', 0x40_0000, "0"), Some(false));
    // SIGTERM and SIGUSR1 wait.
    assert_eq!(as_told('D', 0x40_0000, &(1 << 14 | 1 << 9).to_string()), Some(false));
    assert_eq!(as_told('D', 0x40_0000, "256"), Some(true));
    assert_eq!(as_told('R', 0x40_0000 | PF_EXITING, "0"), Some(true));
    assert_eq!(as_told('R', 0x40_0000 | PF_SIGNALED, "0"), Some(true));
    // The first thread has ended: by itself, others may go on; by a signal, all do end.
    assert_eq!(as_told('Z', 0x40_0000 | PF_EXITING, "0"), None);
    assert_eq!(as_told('Z', 0x40_0000 | PF_EXITING | PF_SIGNALED, "0"), Some(true));

    let root = Path::new("/");
    let mut child = Command::new("sleep").arg("60").spawn().unwrap();
    let pid = i32::try_from(child.id()).unwrap();
    assert_eq!(is_ending(root, pid), Some(false));
    child.kill().unwrap();
    assert_ne!(is_ending(root, pid), Some(false), "from the kill until it is reaped");
    child.wait().unwrap();
    assert_eq!(is_ending(root, pid), None);
}

#[test]
fn statm_lines() {
    assert_eq!(parse_statm("50000 9064 12 3 0 100 0\n"), Some(9064));
    for garbage in ["", "5", "5 x", "5 -1", "\n"] {
        assert_eq!(parse_statm(garbage), None, "{garbage:?}");
    }
}

#[test]
fn wait_channels() {
    assert_eq!(parse_wait_channel("0"), None);
    assert_eq!(parse_wait_channel(""), None);
    assert_eq!(parse_wait_channel("do_epoll_wait"), Some(ShortName::new(b"do_epoll_wait")));
}

/// A container: epitaph is 1, the program is 2, and what 2 starts is no kernel thread.
fn container() -> Tree {
    Tree::new()
        .file("proc/1/stat", stat(1, "epitaph", 'S', 0, 0x40_0100, 1, 20))
        .file("proc/1/wchan", "do_sys_poll")
        .file("proc/2/stat", stat(2, "server", 'D', 1, 0x40_0000, 8, 3000))
        .file("proc/2/wchan", "nfs_wait_bit_killable")
        .file("proc/7/stat", stat(7, "worker", 'R', 2, 0x40_0000, 1, 9000))
        .file("proc/7/wchan", "0")
        .file("proc/7/statm", "50000 9064 12 3 0 100 0\n")
        .file("proc/8/stat", stat(8, "worker", 'S', 2, 0x40_0000, 1, 3000))
        .file("proc/9/stat", stat(9, "dead", 'Z', 2, 0x40_000c, 0, 0))
        .file("proc/9/wchan", "do_exit")
        .file("proc/9/comm", "dead\n")
        .file("proc/20/stat", stat(20, "kworker/0:1", 'I', 2, 0x420_8060, 1, 0))
        .file("proc/21/comm", "vanishing\n")
        .unreadable("proc/22/stat")
        .file("proc/23/stat", "nonsense")
        .link("proc/self", std::process::id().to_string())
        .file("proc/meminfo", "MemTotal: 1 kB\n")
}

#[test]
fn a_table_of_a_container() {
    let tree = container();
    let mut table = snapshot(tree.path(), Limits { exclude: &[1], ..ALL });
    assert!(!table.truncated && table.unreadable, "21 to 23 are there and cannot be read");
    let page = page_size().unwrap();
    let rows: Vec<String> = largest(&mut table.processes, 10)
        .iter()
        .map(|process| {
            let wait = process.wait_channel.map(|name| name.to_string()).unwrap_or_default();
            let pages = process.memory / page;
            let (pid, ppid, state) = (process.pid, process.ppid, process.state);
            format!("{pid} {ppid} {} {state} {wait} {pages} {}", process.name, process.threads)
        })
        .collect();
    assert_eq!(
        rows,
        [
            "7 2 worker R  9064 1",
            "2 1 server D nfs_wait_bit_killable 3000 8",
            "8 2 worker S  3000 1",
            "9 2 dead Z  0 0"
        ]
    );
    assert_eq!(
        largest(&mut table.processes, 2).iter().map(|process| process.pid).collect::<Vec<_>>(),
        [7, 2]
    );
    assert_eq!(largest(&mut [], 5), []);
}

#[test]
fn a_table_is_bounded() {
    let tree = container();
    let few = snapshot(tree.path(), Limits { processes: 3, ..ALL });
    assert_eq!((few.processes.len(), few.truncated), (3, true));
    let late = snapshot(tree.path(), Limits { time: Duration::ZERO, ..ALL });
    assert_eq!((late.processes.len(), late.truncated), (0, true));
    assert!(snapshot(Tree::new().path(), ALL).unreadable, "without /proc nobody knows");
    let exact = snapshot(tree.path(), Limits { processes: 5, exclude: &[20, 21, 22, 23], ..ALL });
    assert_eq!((exact.processes.len(), exact.truncated), (5, false));
}

#[test]
fn names() {
    let tree = container().file("proc/5/comm", b"\xff(a)\n\n").file("proc/6/comm", "");
    assert_eq!(name_of(tree.path(), 9), Some(ShortName::new(b"dead")));
    assert_eq!(name_of(tree.path(), 5).unwrap().as_str(), "\u{fffd}(a)\u{fffd}");
    assert_eq!(name_of(tree.path(), 6).unwrap().as_str(), "");
    assert_eq!(name_of(tree.path(), 4), None);
    assert_eq!(name_of(tree.path(), -1), None);
}

#[test]
fn real_processes() {
    let tree = Tree::new();
    // A file's name becomes the process's.
    let program = tree.path().join("a) S 1\n(b");
    fs::copy("/bin/sleep", &program).unwrap();
    let mut sleeper = Command::new(&program).arg("60").stdin(Stdio::null()).spawn().unwrap();
    let mut dead = Command::new("true").spawn().unwrap();
    let (sleeper_pid, dead_pid) = (sleeper.id() as i32, dead.id() as i32);
    let root = Path::new("/");
    let find = |pid, exclude: &[i32]| {
        let table = snapshot(root, Limits { exclude, ..ALL });
        assert!(!table.truncated);
        table.processes.into_iter().find(|process| process.pid == pid)
    };
    let settled = wait_for(Duration::from_secs(10), || {
        find(dead_pid, &[]).is_some_and(|process| process.state == 'Z')
            && find(sleeper_pid, &[]).is_some_and(|process| {
                process.state == 'S' && process.name.as_str() == "a) S 1\u{fffd}(b" && process.threads == 1
            })
    });
    assert!(settled, "{:?} {:?}", find(dead_pid, &[]), find(sleeper_pid, &[]));

    let own_pid = std::process::id() as i32;
    let own = find(own_pid, &[]).unwrap();
    assert!(own.threads > 1, "the test harness has threads");
    assert!((1 << 20..1 << 30).contains(&own.memory), "{own:?}");
    let asleep = find(sleeper_pid, &[]).unwrap();
    assert_eq!(asleep.ppid, own_pid);
    assert!((1 << 16..1 << 26).contains(&asleep.memory), "{asleep:?}");
    assert_eq!(find(sleeper_pid, &[sleeper_pid]), None);
    // The same figure as the kernel shows in its own words (a process that sleeps does not change it).
    let status = fs::read_to_string(format!("/proc/{sleeper_pid}/status")).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let resident: u64 = resident.trim().trim_end_matches(" kB").parse().unwrap();
    assert_eq!(asleep.memory, resident * 1024);

    // A zombie has no memory and no threads any more, and still its name.
    let zombie = find(dead_pid, &[]).unwrap();
    assert_eq!((zombie.memory, zombie.wait_channel), (0, None));
    assert_eq!(name_of(root, dead_pid).unwrap().as_str(), "true");
    dead.wait().unwrap();
    assert_eq!(name_of(root, dead_pid), None);
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
}

#[test]
fn the_largest_of_a_list_longer_than_the_buffer() {
    let mut tree = Tree::new().link("proc/self", std::process::id().to_string());
    let mut list = String::new();
    for pid in 1000..1200 {
        list.push_str(&format!("{pid}\n"));
        // 1199 is listed, but gone.
        if pid != 1199 {
            let (stat, statm) =
                (stat(pid, "p", 'S', 1, 0, 1, 1), format!("9 {} 1 1 0 1 0\n", (pid * 7) % 1201));
            tree = tree.files(&format!("proc/{pid}"), &[("stat", &stat), ("statm", &statm)]);
        }
    }
    let tree = tree.files("sys", &[("cgroup.procs", &list)]);
    let mut all: Vec<i32> = (1000..1199).filter(|pid| *pid != 1029).collect();
    all.sort_by_key(|pid| std::cmp::Reverse((pid * 7) % 1201));
    let limits = Limits { exclude: &[1029], ..ALL };
    let found = largest_listed(tree.path(), &[tree.path().join("sys/cgroup.procs")], 5, limits);
    assert_eq!(found.iter().map(|process| process.pid).collect::<Vec<_>>(), all[..5]);
    assert!(largest_listed(tree.path(), &[tree.path().join("nothing")], 5, limits).is_empty());
    // A slow machine: no time is left, and the first that are listed are named all the same.
    let late = Limits { time: Duration::ZERO, ..limits };
    assert_eq!(largest_listed(tree.path(), &[tree.path().join("sys/cgroup.procs")], 5, late).len(), 5);
}

#[test]
fn the_proc_of_another_pid_namespace_is_not_ours() {
    let tree = Tree::new()
        .link("proc/self", "4711")
        .file("proc/2/stat", stat(2, "host", 'S', 1, 0x40_0000, 8, 3000))
        .file("proc/2/comm", "host\n")
        .file("sys/cgroup.procs", "2\n");
    let (root, list) = (tree.path(), tree.path().join("sys/cgroup.procs"));
    let table = snapshot(root, ALL);
    assert!(table.unreadable && table.processes.is_empty());
    assert_eq!(super::count(root, |_| true), None);
    assert_eq!(largest_listed(root, &[list], 5, ALL), []);
    assert_eq!((name_of(root, 2), is_ending(root, 2), super::name_and_parent(root, 2)), (None, None, None));
}

#[test]
fn who_has_waited_for_children() {
    let tree = |faults: &str| {
        let line =
            stat(7, "server", 'Z', 1, 0, 0, 0).replace(" 120 0 0 0 1 2 ", &format!(" 120 {faults} 1 2 "));
        Tree::new().link("proc/self", std::process::id().to_string()).file("proc/7/stat", line)
    };
    for (faults, waited) in [("0 9 0", false), ("1 9 0", true), ("0 0 1", true)] {
        assert_eq!(super::has_waited(tree(faults).path(), 7), Some(waited), "{faults}");
    }
    assert_eq!(super::has_waited(tree("0 0 0").path(), 8), None);
}
