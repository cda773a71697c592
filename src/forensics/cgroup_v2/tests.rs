#![allow(clippy::unwrap_used, clippy::panic)]

use super::{Counters, Watch, parse_events};
use crate::forensics::testing::Tree;
use std::fs;

#[test]
fn events() {
    let text = "low 0\nhigh 7\nmax 12\noom 5\noom_kill 3\noom_group_kill 1\n";
    assert_eq!(parse_events(text), Counters { limit_hits: Some(12), oom_kills: Some(3), high_hits: Some(7) });
    assert_eq!(parse_events("oom_group_kill 1\nhigher 3\n"), Counters::default());
    assert_eq!(parse_events("max max\noom_kill 18446744073709551616\n"), Counters::default());
    assert_eq!(
        parse_events("oom_kill 1"),
        Counters { limit_hits: None, oom_kills: Some(1), high_hits: None }
    );
}

#[test]
fn a_watch_needs_a_readable_file() {
    let tree = Tree::new().file("memory.events", "oom_kill 2\nmax 1\n").unreadable("directory");
    let watch = Watch::open(&tree.path().join("memory.events")).unwrap();
    assert_eq!(watch.read().and_then(|counters| counters.oom_kills), Some(2));
    // Every reading is from the start.
    fs::write(tree.path().join("memory.events"), "oom_kill 5\nmax 1\n").unwrap();
    assert_eq!(watch.read().and_then(|counters| counters.oom_kills), Some(5));
    assert!(Watch::open(&tree.path().join("directory")).is_none());
    assert!(Watch::open(&tree.path().join("missing")).is_none());
}
