//! The lines of the kernel, the ECS agent, service events and the engines' events, through the joining of the
//! kernel's.

#![no_main]

use epitaph::inquest::witness::{KernelPair, Statement, TEXT_LIMIT, from_line};
use libfuzzer_sys::fuzz_target;

fn check(statement: &Statement) {
    assert!(statement.text.len() <= TEXT_LIMIT);
    assert!(statement.time.is_none() || statement.clock.is_none());
    for id in [&statement.task_id, &statement.container_id].into_iter().flatten() {
        assert!(id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-'), "{id}");
    }
}

fuzz_target!(|data: &[u8]| {
    let mut pair = KernelPair::default();
    let (mut read, mut told) = (0, 0);
    for line in data.split(|byte| *byte == b'\n') {
        for statement in from_line(line) {
            read += 1;
            for statement in pair.push(statement) {
                told += 1;
                check(&statement);
            }
        }
    }
    let left = pair.finish();
    left.iter().for_each(check);
    // Joining makes no statement out of nothing.
    assert!(told + left.len() <= read);
});
