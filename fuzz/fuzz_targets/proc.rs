//! The files of /proc: `cpuset`, `cgroup`, `mountinfo` and `route`. The first line is the cpuset.

#![no_main]

use epitaph::identity::{Field, Identity, cgroup, container_id, introspection, mountinfo};
use libfuzzer_sys::fuzz_target;

fn check(identity: &Identity) {
    let Some(id) = identity.get(Field::ContainerId) else { return };
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase());
    let whole = id.len() == 64 && is_hex(id);
    let of_task = id.split_once('-').is_some_and(|(task, number)| {
        task.len() == 32 && is_hex(task) && number.bytes().all(|byte| byte.is_ascii_digit())
    });
    assert!(whole || of_task, "{id}");
}

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let (cpuset, rest) = text.split_once('\n').unwrap_or((&text, ""));
    check(&cgroup::parse(cpuset, rest));
    check(&mountinfo::parse(&text));
    let _ = cgroup::shows_ecs(cpuset, rest);
    let _ = introspection::default_gateway(&text);
    for line in text.lines() {
        if let Some(task) = container_id::task_id(line) {
            assert!(container_id::container_id(line).is_some() && line.contains(task));
        }
    }
});
