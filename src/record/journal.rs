//! The journal: the records once more, in files that outlive the container.

mod open;

use crate::shown::Shown;
use crate::sys::{self, Fork, reason};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The file of a container below `directory`: `YYYY-MM-DD/NAME.jsonl`, the day being the one in UTC on which
/// the container was started, so that all of its records are in one file.
pub fn path(directory: &Path, started: SystemTime, container_id: Option<&str>, host: &str) -> PathBuf {
    let time = humantime::format_rfc3339_seconds(started).to_string();
    let (day, _) = time.split_once('T').unwrap_or((&time, ""));
    let name = match container_id {
        Some(id) => format!("{id}.jsonl"),
        // A host name is no more than a label there, so it must not lead elsewhere.
        None => format!("{}-{}.jsonl", host.replace(['/', '\0'], "_"), time.replace(':', "")),
    };
    directory.join(day).join(name)
}

/// Appends whole lines to the file at `path`, which [`path`] has made. What is missing of it is made: the
/// file with mode 0640, the journal's directory with 0750, and the day's as that is, so that whoever may
/// write there may write here. A line that finds no room is not there in part either. With `sync` returns
/// only when they are on the disk.
///
/// Others may write to the same volume: what is not a plain file of ours is refused, see `journal/open.rs`.
/// The umask is set meanwhile, so this is for a process with one thread.
///
/// # Errors
/// Those of mkdir(2), openat2(2), write(2) and fdatasync(2), and one in words where something else stands in
/// the file's place. All of this can wait for a network volume without end.
pub fn append(path: &Path, lines: &[u8], sync: bool) -> io::Result<()> {
    let name = |path: &Path| path.file_name().and_then(OsStr::to_str).map(str::to_owned);
    let day = path.parent().unwrap_or(path);
    let (Some(directory), Some(day), Some(file)) = (day.parent(), name(day), name(path)) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let mut file = open::open(open::Place { directory, day: &day, file: &file })?;
    // One write for all: others may append to the same file, and O_APPEND keeps each write in one piece.
    let mut written = 0;
    while let Some(rest) = lines.get(written..).filter(|rest| !rest.is_empty()) {
        let result = match file.write(rest) {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            other => other,
        };
        match result {
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                take_back_half_a_line(&mut file, lines.get(..written).unwrap_or_default());
                return Err(error);
            }
        }
    }
    if sync { file.sync_data() } else { Ok(()) }
}

/// The disk is full: what had still room of a line would be glued to the next one. `written` is what we
/// appended last. Nothing is done where that is not the end of the file any more.
fn take_back_half_a_line(file: &mut File, written: &[u8]) {
    let half = written.iter().rev().take_while(|byte| **byte != b'\n').count();
    let end = file.stream_position().ok();
    let length = file.metadata().ok().map(|metadata| metadata.len());
    if let Some(end) = end.filter(|end| half > 0 && Some(*end) == length) {
        // There is nobody to tell who does not learn of the full disk anyway.
        let _ = file.set_len(end.saturating_sub(half as u64));
    }
}

/// How long [`append_bounded`] waits.
const PATIENCE: Duration = Duration::from_secs(1);

/// Appends from a child of ours, and waits for it for at most a second: for `--exec`, which has no PID 1 to
/// leave it to. `warn` has the child say why where it could not do it.
///
/// # Errors
/// TimedOut when it took longer, WriteZero when the child could not do it, and those of fork(2).
pub fn append_bounded(path: &Path, line: &[u8], warn: bool) -> io::Result<()> {
    let (read, write) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    let child = match sys::fork()? {
        Fork::Child => {
            let result = append(path, line, true);
            if let Err(error) = &result
                && warn
            {
                log::warn!("the journal {} cannot be written: {}", Shown::new(path), reason(error));
            }
            sys::exit_now(i32::from(result.is_err()));
        }
        Fork::Parent(child) => child,
    };
    drop(write);
    let timeout = PollTimeout::try_from(PATIENCE).unwrap_or(PollTimeout::ZERO);
    let mut fds = [PollFd::new(read.as_fd(), PollFlags::POLLIN)];
    let in_time = matches!(poll(&mut fds, timeout), Ok(1));
    if !in_time {
        let _ = sys::kill(child, libc::SIGKILL);
        // Dead or not: a process that a file system holds fast cannot be waited for.
        let _ = waitpid(child, Some(WaitPidFlag::WNOHANG));
        return Err(io::ErrorKind::TimedOut.into());
    }
    match waitpid(child, None) {
        Ok(WaitStatus::Exited(_, 0)) => Ok(()),
        _ => Err(io::ErrorKind::WriteZero.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_for_each_container_and_day() {
        let started = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let directory = Path::new("/j");
        assert_eq!(path(directory, started, Some("abc"), "host"), Path::new("/j/2023-11-14/abc.jsonl"));
        let unknown = path(directory, started, None, "../web/1");
        assert_eq!(unknown, Path::new("/j/2023-11-14/.._web_1-2023-11-14T221320Z.jsonl"));
    }

    #[test]
    fn lines_are_appended_and_modes_are_kept_from_others() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("journal/2023-11-14/abc.jsonl");
        append(&file, b"one\n", false).expect("written");
        append(&file, b"two\nthree\n", true).expect("written");
        assert_eq!(std::fs::read(&file).expect("read"), b"one\ntwo\nthree\n");
        let mode = |path: &Path| std::fs::metadata(path).expect("metadata").permissions().mode() & 0o7777;
        assert_eq!(mode(&file) & !0o640, 0);
        assert_eq!(mode(file.parent().expect("a directory")) & !0o750, 0);
    }
}
