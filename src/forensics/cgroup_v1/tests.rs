#![allow(clippy::unwrap_used, clippy::panic)]

use super::{parse_hierarchical_limit, parse_oom_control};

#[test]
fn oom_control() {
    assert_eq!(parse_oom_control("oom_kill_disable 0\nunder_oom 0\noom_kill 12\n"), Some(12));
    for text in
        ["", "oom_kill_disable 1\nunder_oom 0\n", "oom_kill\n", "oom_kill \n", "oom_kill x", "oom_kill -1"]
    {
        assert_eq!(parse_oom_control(text), None, "{text:?}");
    }
}

#[test]
fn hierarchical_limit() {
    let text = "cache 1\nhierarchical_memory_limit 33554432\nhierarchical_memsw_limit 1\n";
    assert_eq!(parse_hierarchical_limit(text), Some(33_554_432));
    assert_eq!(parse_hierarchical_limit("hierarchical_memsw_limit 1\n"), None);
}
