//! Whether another epitaph is the init of this one already: that of the engine (`docker run --init`) around
//! that of an image.

use nix::unistd::{getpid, getppid};
use std::fs::File;
use std::io::Read;

/// What `entry.rs` puts into the ELF file as a note: name and description.
const NOTE: &[u8] = b"epitaph\0container init 1";

/// Notes stand behind the program headers, in the first page.
const PAGE: u64 = 4096;

/// Whether our parent is an epitaph, so that we are the program of that one.
///
/// PID 1 has no parent here and need not look. Where /proc is not there or the parent belongs to another
/// user, nobody knows, and the answer is no.
pub fn has_init_above() -> bool {
    if getpid().as_raw() == 1 {
        return false;
    }
    let mut head = Vec::new();
    let Ok(parent) = File::open(format!("/proc/{}/exe", getppid())) else { return false };
    let read = parent.take(PAGE).read_to_end(&mut head).is_ok();
    read && head.windows(NOTE.len()).any(|window| window == NOTE)
}
