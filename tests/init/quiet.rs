//! What PID 1 does not do: wake up, start threads, open sockets.

use crate::endpoint::{Endpoint, Task};
use crate::identity::proc_tree;
use crate::init::{Form, Launch, has_namespaces};
use crate::probe::probe;
use crate::records;
use crate::running::{status, wait_for};
use crate::trace::Trace;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

in_both_forms! {
    idle_is_one_thread_that_never_wakes_up
    no_socket_outside_of_ecs
    sockets_in_the_child_alone
}

fn wake_ups(pid: i32) -> u64 {
    let count = |key: &str| status(pid, key).and_then(|text| text.parse::<u64>().ok()).unwrap();
    count("voluntary_ctxt_switches") + count("nonvoluntary_ctxt_switches")
}

/// What the descriptors of a process are open on.
fn files(pid: i32) -> Vec<String> {
    let links = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    let target = |entry: std::fs::DirEntry| std::fs::read_link(entry.path()).ok();
    links.filter_map(target).map(|target| target.to_string_lossy().into_owned()).collect()
}

fn idle_is_one_thread_that_never_wakes_up(form: Form) {
    let program = probe(&["ready"]);
    let running = Launch::new(form, program).start().ready();
    let pid = running.pid();
    // The news of the exec has to arrive first: until nothing has happened for a tenth of a second.
    let mut last = (0, Instant::now());
    wait_for("epitaph to settle", || {
        let now = wake_ups(pid);
        // Who has been woken and waits for a processor is none that has settled.
        if now != last.0 || status(pid, "State").is_none_or(|state| !state.starts_with('S')) {
            last = (now, Instant::now());
        }
        (last.1.elapsed() > Duration::from_millis(100)).then_some(())
    });
    let before = wake_ups(pid);
    // Not a wait for something but the time over which is measured.
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(wake_ups(pid) - before, 0, "wake-ups in 2 s");
    assert_eq!(status(pid, "Threads").as_deref(), Some("1"));
    // The next event, whatever it is, closes the pipe on which the child told who it is.
    running.signal(libc::SIGCHLD);
    wait_for("one more wake-up", || (wake_ups(pid) > before).then_some(()));
    wait_for("sleep", || status(pid, "State")?.starts_with('S').then_some(()));
    // Whatever files the test itself was started with, the program has them too.
    let theirs = files(running.program());
    let own: Vec<String> = files(pid).into_iter().filter(|file| !theirs.contains(file)).collect();
    let is_counter = |file: &str| file.starts_with("/sys/fs/cgroup/") && file.contains("/memory.");
    let is_known = |file: &String| file == "anon_inode:[signalfd]" || is_counter(file);
    assert!(own.iter().all(is_known), "{own:?}");
    running.signal(libc::SIGTERM);
    assert_eq!(running.finish().code, Some(143));
}

fn no_socket_outside_of_ecs(form: Form) {
    if !has_namespaces() {
        return;
    }
    // In plain Docker, where the ID is known and a host could be guessed that knows more.
    let proc = proc_tree("/", &format!("0::/system.slice/docker-{}.scope\n", "0123456789abcdef".repeat(4)));
    let launch = Launch::new(form, ["/bin/true"]).proc(proc.path()).without_network();
    let launch = launch.env("EPITAPH_INTROSPECTION", "");
    let Some((trace, ended)) = Trace::of(launch) else { return };
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(trace.epitaph() > 0);
    assert_eq!(trace.with_sockets(), BTreeSet::new());
}

fn sockets_in_the_child_alone(form: Form) {
    let endpoint = Endpoint::start(Task::default());
    let launch = Launch::new(form, ["/bin/true"]).env("ECS_CONTAINER_METADATA_URI_V4", endpoint.uri_v4());
    let Some((trace, ended)) = Trace::of(launch) else { return };
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(records::record(&ended.stderr, "start")["task_arn"], Task::default().arn);
    let (epitaph, with_sockets) = (trace.epitaph(), trace.with_sockets());
    assert_eq!(with_sockets.len(), 1, "the child, which then becomes the program");
    assert!(!with_sockets.contains(&epitaph), "PID 1 itself opened a socket");
}
