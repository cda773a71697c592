//! The calls that need `unsafe`: those that `nix` does not cover, or not for real-time signals.
//!
//! Everything else in the crate is safe code on top of `nix`, `std` and this module.
#![allow(unsafe_code)]

mod clock;
mod descriptors;
mod directory;
mod errno;
mod file;
mod process;
mod random;
mod signal;
mod terminal;
mod time;
mod xattr;

pub use clock::since_boot;
pub use descriptors::{close_inherited_descriptors, own_pidfd_inode, protect, unread};
pub use directory::{Entries, Entry, entries};
pub use errno::reason;
pub use file::{
    has_room, is_mount_root, reserve_standard_descriptors, stderr_descriptor, stdin_descriptor, write,
    write_nowait,
};
pub use process::{
    Ended, Environment, Fork, Usage, args, execve, exit_now, fork, has_children, is_anybody_else_here, reap,
    reap_with_usage, stay_in_memory, variable,
};
pub use random::random;
pub use signal::{
    ALL_SIGNALS, Taken, ignores, kill, set_ignored, set_parent_death_signal, signal_descriptor,
    swap_signal_mask, wait_for_signal,
};
pub use terminal::{give_up_terminal, take_terminal};
pub use time::time_since_boot;
pub use xattr::{attribute, is_in_bounding_set};

use errno::check;
