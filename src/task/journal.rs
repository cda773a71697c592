//! The collector's records once more, in the file of its container: the one that PID 1 writes to as well.

use crate::record::journal;
use crate::shown::Shown;
use crate::sys::reason;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Where they go.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    failing: bool,
}

impl Journal {
    /// That of the container `container_id` below `directory`, which began at `started`.
    pub fn new(directory: &Path, started: SystemTime, container_id: Option<&str>) -> Journal {
        let host = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
        let host = host.as_deref().unwrap_or("unknown");
        Journal { path: journal::path(directory, started, container_id, host), failing: false }
    }

    /// Appends the lines of a tick, in a process that has a second for it: a volume that is away holds up no
    /// tick. Returns whether they are there. The first failure of several in a row is a warning.
    pub(super) fn append(&mut self, lines: &[u8]) -> bool {
        let appended = journal::append_bounded(&self.path, lines, !self.failing);
        if let Err(error) = &appended
            && error.kind() != ErrorKind::WriteZero
            && !self.failing
        {
            log::warn!("the journal {} cannot be written: {}", Shown::new(&self.path), reason(error));
        }
        self.failing = appended.is_err();
        !self.failing
    }
}
