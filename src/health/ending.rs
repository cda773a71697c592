//! The end of whatever a health check has started: killed and reaped here, so that nothing of it reaches PID
//! 1.

use crate::sys;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::Pid;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

/// How often all children are killed at most: each time the next generation comes to us.
const PASSES: usize = 100;

/// How long that may take; a process that the kernel holds fast dies later.
const PATIENCE: Duration = Duration::from_millis(500);

/// Kills all descendants and reaps them. Returns how many others than `command` had to be killed.
///
/// Only children can be killed without danger, since no other process can take their number. Their children
/// come to us, as their subreaper, when they are dead.
pub(super) fn end_all(command: Pid, signals: &OwnedFd) -> u64 {
    let deadline = Instant::now() + PATIENCE;
    let mut ended = 0;
    for _ in 0..PASSES {
        while let Some(dead) = sys::reap() {
            let was_killed = dead.status.signal() == Some(libc::SIGKILL);
            ended += u64::from(was_killed && dead.pid != command);
        }
        if !sys::has_children() {
            break;
        }
        for child in children() {
            let _ = sys::kill(child, libc::SIGKILL);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        // A SIGCHLD comes when one is dead.
        let timeout = PollTimeout::try_from(left.min(Duration::from_millis(20))).unwrap_or(PollTimeout::ZERO);
        let _ = poll(&mut [PollFd::new(signals.as_fd(), PollFlags::POLLIN)], timeout);
        was_asked_to_end(signals);
    }
    ended
}

/// Our children, from `/proc/thread-self/children`, or from the whole of /proc where the kernel has no such
/// file.
fn children() -> Vec<Pid> {
    let own = nix::unistd::getpid().as_raw();
    if let Ok(text) = fs::read_to_string(format!("/proc/{own}/task/{own}/children")) {
        return text.split_ascii_whitespace().filter_map(|pid| pid.parse().ok().map(Pid::from_raw)).collect();
    }
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let is_child = |pid: &i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The name stands in parentheses and may hold anything; after it the state and the parent.
        let parent =
            stat.rsplit_once(')').and_then(|(_, rest)| rest.split_ascii_whitespace().nth(1)?.parse().ok());
        parent == Some(own)
    };
    pids.filter(is_child).map(Pid::from_raw).collect()
}

/// Takes the signals that have come; whether one of them asks us to end.
pub(super) fn was_asked_to_end(signals: &OwnedFd) -> bool {
    let mut asked = false;
    let mut info = [0; 128];
    // One signal is 128 bytes, of which the first four are its number: signalfd(2).
    while let Ok(128) = nix::unistd::read(signals, &mut info) {
        let number = info.first_chunk::<4>().map_or(0, |bytes| u32::from_ne_bytes(*bytes)).cast_signed();
        asked |= matches!(number, libc::SIGTERM | libc::SIGINT | libc::SIGQUIT | libc::SIGHUP);
    }
    asked
}

/// The end of an output, 256 bytes.
#[derive(Debug, Default)]
pub(super) struct Kept(Vec<u8>);

impl Kept {
    const LONGEST: usize = 256;

    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
        let surplus = self.0.len().saturating_sub(Kept::LONGEST);
        self.0.drain(..surplus);
    }

    /// As text, without white space around it; `None` when nothing is left. A character that was cut goes
    /// too.
    pub(super) fn text(&self) -> Option<String> {
        let is_part = |byte: &u8| byte & 0b1100_0000 == 0b1000_0000;
        let start = if self.0.len() < Kept::LONGEST {
            0
        } else {
            self.0.iter().take_while(|byte| is_part(byte)).count()
        };
        let text = String::from_utf8_lossy(self.0.get(start..).unwrap_or_default());
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_an_output_is_kept() {
        let mut kept = Kept::default();
        assert_eq!(kept.text(), None);
        kept.add(b" \n");
        assert_eq!(kept.text(), None);
        kept.add(b"connection refused\n");
        assert_eq!(kept.text().as_deref(), Some("connection refused"));
        kept.add("é".repeat(1000).as_bytes());
        kept.add(b"x");
        let text = kept.text().expect("a text");
        assert_eq!(text, "é".repeat(127) + "x");
    }
}
