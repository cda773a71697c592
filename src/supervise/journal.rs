//! The lines on their way to the journal, and the helper that appends them.

use super::core::Event;
use super::core::helpers::Purpose;
use super::helper;
use crate::record::{journal, stderr};
use crate::shown::Shown;
use crate::sys::reason;
use nix::unistd::gethostname;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How long an append may take.
pub const APPEND: Duration = Duration::from_secs(1);

/// The most that waits, in bytes.
const BACKLOG: usize = 64 * 1024;

/// What is to be appended, and where.
#[derive(Debug)]
pub struct Queue {
    directory: PathBuf,
    started: SystemTime,
    /// where, from the first line on: all records of a container are in one file
    path: Option<PathBuf>,
    waiting: Vec<u8>,
    writing: Vec<u8>,
    /// whether the last line is among them: from then on what is written is brought to the disk too
    is_last: bool,
    failed: bool,
}

impl Queue {
    /// For the journal below `directory`.
    pub fn new(directory: PathBuf) -> Queue {
        Queue {
            directory,
            started: SystemTime::now(),
            path: None,
            waiting: Vec::new(),
            writing: Vec::new(),
            is_last: false,
            failed: false,
        }
    }

    /// Has a line wait; `None` where there is no room, and it is lost.
    pub fn push(&mut self, line: &[u8]) -> Option<Event> {
        if self.waiting.len() + line.len() > BACKLOG {
            stderr().count_lost(1);
            return None;
        }
        self.waiting.extend_from_slice(line);
        Some(Event::LineQueued)
    }

    /// The exit record comes next.
    pub fn expect_last(&mut self) {
        self.is_last = true;
    }

    /// Starts a helper that appends all lines that wait.
    pub fn append(&mut self, container_id: Option<&str>) -> Event {
        let path = self.path(container_id);
        let (lines, warn, sync) = (&self.waiting, !self.failed, self.is_last);
        let event = helper::start(Purpose::Journal, APPEND, || append(&path, lines, sync, warn));
        if matches!(event, Event::HelperStarted { .. }) {
            self.writing = std::mem::take(&mut self.waiting);
        }
        event
    }

    /// Appends all lines that wait in this process, for as long as it takes.
    pub fn append_alone(&mut self, container_id: Option<&str>) {
        let path = self.path(container_id);
        append(&path, &self.waiting, true, true);
    }

    fn path(&mut self, container_id: Option<&str>) -> PathBuf {
        let path = self.path.get_or_insert_with(|| {
            let host = gethostname().ok().and_then(|name| name.into_string().ok());
            journal::path(&self.directory, self.started, container_id, host.as_deref().unwrap_or("unknown"))
        });
        path.clone()
    }

    /// Puts the lines of the last append back before those that wait.
    pub fn take_back(&mut self) {
        let mut lines = std::mem::take(&mut self.writing);
        lines.append(&mut self.waiting);
        self.waiting = lines;
    }

    /// The helper has ended. One that was killed at its work had no chance to warn.
    pub fn ended(&mut self, is_done: bool, in_time: bool) {
        if !in_time
            && !self.failed
            && let Some(path) = &self.path
        {
            log::warn!("the journal {} cannot be written: it took longer than a second", Shown::new(path));
        }
        self.failed |= !is_done;
        self.writing = Vec::new();
    }
}

fn append(path: &Path, lines: &[u8], sync: bool, warn: bool) -> u8 {
    match journal::append(path, lines, sync) {
        Ok(()) => 0,
        Err(error) => {
            if warn {
                log::warn!("the journal {} cannot be written: {}", Shown::new(path), reason(&error));
            }
            1
        }
    }
}
