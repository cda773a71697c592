//! Whether another epitaph is the init of this one already: that of the engine (`docker run --init`) around
//! that of an image.

use nix::unistd::{getpid, getppid};
use std::fs::File;
use std::io::Read;

/// What `entry.rs` puts into the ELF file as a note: name and description.
const NOTE: &[u8] = b"epitaph\0container init 1";

/// Notes stand behind the program headers, in the first page.
const PAGE: usize = 4096;

/// Whether our parent is an epitaph, so that we are the program of that one.
///
/// PID 1 has no parent here and need not look. Where /proc is not there or the parent belongs to another
/// user, nobody knows, and the answer is no.
///
/// Not inlined: the page is to be on the stack for a moment only.
#[inline(never)]
pub fn has_init_above() -> bool {
    if getpid().as_raw() == 1 {
        return false;
    }
    let mut head = [0; PAGE];
    let Ok(mut parent) = File::open(format!("/proc/{}/exe", getppid())) else { return false };
    // Of a file one read gives all that there is.
    let read = parent.read(&mut head).unwrap_or(0);
    head.get(..read).is_some_and(|head| head.windows(NOTE.len()).any(|window| window == NOTE))
}
