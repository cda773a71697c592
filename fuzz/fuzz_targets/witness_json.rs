//! The documents of ECS, EventBridge, CloudTrail, Docker, Podman and journald.

#![no_main]

use epitaph::inquest::witness::{TEXT_LIMIT, from_json};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for value in serde_json::Deserializer::from_slice(data).into_iter::<serde_json::Value>() {
        let Ok(value) = value else { return };
        for statement in from_json(&value) {
            assert!(statement.text.len() <= TEXT_LIMIT);
            for id in [&statement.task_id, &statement.container_id].into_iter().flatten() {
                assert!(id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-'), "{id}");
            }
        }
    }
});
