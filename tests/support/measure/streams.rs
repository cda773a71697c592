//! The standard streams of what is measured.

use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read};
use std::os::fd::AsFd;
use std::time::Instant;

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::spawn::{Command, Stdio};

/// Nothing to read, and a pipe for what is said: a write to it costs what it costs in a container, and nobody
/// is waiting at its other end.
pub struct Streams {
    null: File,
    sink: (PipeReader, PipeWriter),
}

impl Streams {
    /// Opens them.
    ///
    /// # Errors
    /// The error of the system call that failed.
    pub fn new() -> io::Result<Self> {
        let sink = io::pipe()?;
        // Only our end: the programs' end is another open file description and stays as they expect it.
        fcntl(&sink.0, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        Ok(Self { null: File::options().read(true).write(true).open("/dev/null")?, sink })
    }

    /// For a program.
    pub fn stdio(&self) -> Stdio<'_> {
        Stdio { stdin: self.null.as_fd(), stdout: self.sink.1.as_fd(), stderr: self.sink.1.as_fd() }
    }

    /// What programs said since the last call.
    pub fn drain(&self) -> Vec<u8> {
        let mut said = Vec::new();
        // It always ends with WouldBlock: we hold a writing end ourselves.
        let _ = (&self.sink.0).read_to_end(&mut said);
        said
    }

    /// Runs a command to its end: the microseconds from just before its start until its end has been waited
    /// for, and what it said, which may not be more than a pipe holds, 64 KB.
    ///
    /// # Errors
    /// That it could not be started, or ended with another code than 0.
    pub fn run(&self, command: &Command) -> io::Result<(f64, Vec<u8>)> {
        let begin = Instant::now();
        let status = command.spawn(self.stdio())?.wait()?;
        let time = begin.elapsed();
        let said = self.drain();
        if status.success() {
            return Ok((time.as_secs_f64() * 1e6, said));
        }
        Err(io::Error::other(format!("{status}; it said: {}", String::from_utf8_lossy(&said))))
    }
}
