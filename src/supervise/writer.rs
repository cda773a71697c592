//! The process that writes to stderr where that is a file: how it is started.

use super::core::Event;
use super::core::helpers::Purpose;
use super::helper;
use crate::record::{stderr, writer};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use std::fs::File;
use std::time::Duration;

/// Starts it for the lines that wait.
pub fn start() -> Option<Event> {
    let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC).ok()?;
    // Of this end alone: the other one waits for what comes. Fails only for a flag that does not exist.
    let _ = fcntl(&write, FcntlArg::F_SETFL(OFlag::O_NONBLOCK));
    let mut ends = (Some(read), Some(write));
    let event = helper::start(Purpose::Writer, Duration::MAX, || {
        // With an end to write to of its own it would wait for itself.
        drop(ends.1.take());
        ends.0.take().map_or(1, |read| writer::run(File::from(read)))
    });
    if matches!(event, Event::HelperStarted { .. })
        && let Some(write) = ends.1.take()
    {
        stderr().write_through(write);
    }
    Some(event)
}
