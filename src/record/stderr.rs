//! stderr, written to without ever waiting for long.
//!
//! stderr is shared with the program and may be a pipe that nobody empties. A write there can block for ever,
//! and the flag that would prevent it, O_NONBLOCK, belongs to the open file and so to the program as well. So
//! a line is written with RWF_NOWAIT where the kernel knows it on such a file; where not, only when poll(2)
//! sees room, and through an open file of our own, which /proc gives.
//!
//! PID 1 queues what has no room and writes it when there is some. All others wait a moment and give up.
//!
//! A file on a disk or a server has no room to ask for: a write there takes as long as it takes, for ever
//! where the file system is frozen or its server away, and no signal ends it. So PID 1 does not write to one:
//! another process does, which gets the lines through a pipe, see [`super::writer`].

use crate::sys;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::stat::{Mode, SFlag, fstat};
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How many records PID 1 keeps for a stderr that has no room, and how many lines at most with diagnostics.
const QUEUE: usize = 16;

/// How long others than PID 1 wait for room.
const PATIENCE: Duration = Duration::from_millis(100);

/// The one stderr of the process.
pub fn stderr() -> MutexGuard<'static, Stderr> {
    static STDERR: Mutex<Stderr> = Mutex::new(Stderr::new());
    // There is one thread, and a panic aborts.
    STDERR.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lines on their way to stderr.
#[derive(Debug)]
pub struct Stderr {
    /// what waits for room, when waiting is not for us
    queue: Option<VecDeque<Pending>>,
    /// whether stderr is a file, which PID 1 has another process write to
    is_file: bool,
    /// the pipe to that process, while it runs and lines go to it
    writer: Option<OwnedFd>,
    /// how many records it has got
    in_flight: u64,
    lost: u64,
}

#[derive(Debug)]
struct Pending {
    line: Vec<u8>,
    written: usize,
    is_record: bool,
}

impl Stderr {
    const fn new() -> Stderr {
        Stderr { queue: None, is_file: false, writer: None, in_flight: 0, lost: 0 }
    }

    /// Whether lines wait for a process that writes them to a file. For PID 1.
    pub fn wants_writer(&self) -> bool {
        self.is_file && self.writer.is_none() && self.queue.as_ref().is_some_and(|queue| !queue.is_empty())
    }

    /// Records that were lost, and those that a writer has not written yet.
    pub fn lost_so_far(&self) -> u64 {
        self.lost + self.in_flight
    }

    /// Writes what waits in this process, where there is nobody whom a slow file could keep waiting.
    pub fn write_alone(&mut self) {
        self.is_file = false;
        self.drain(PATIENCE);
    }

    /// Lines that wait go into `pipe`, at whose other end [`super::writer::run`] writes them; it is closed
    /// behind the last one. It must not block (O_NONBLOCK), and not pass an exec. For PID 1.
    pub fn write_through(&mut self, pipe: OwnedFd) {
        self.writer = Some(pipe);
        self.flush();
    }

    /// The writer has ended, or will not be waited for any more. Where it has not written all, none of its
    /// records counts as written: the number may be too large, and never too small.
    pub fn writer_ended(&mut self, has_written_all: bool) {
        let records = std::mem::take(&mut self.in_flight);
        self.lost += if has_written_all { 0 } else { records };
        self.writer = None;
    }

    /// What to wait for with POLLOUT while lines are pending.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        match &self.writer {
            Some(pipe) => pipe.as_fd(),
            None => sys::stderr_descriptor(),
        }
    }

    /// From now on lines that find no room are queued rather than waited for. For PID 1.
    pub fn queue_what_does_not_fit(&mut self) {
        self.queue = Some(VecDeque::new());
        self.is_file = is_file();
    }

    /// From now on lines that find no room are waited for, and what is queued is another's to write. For
    /// helpers.
    pub fn wait_for_room(&mut self) {
        self.queue = None;
        (self.is_file, self.writer, self.in_flight) = (false, None, 0);
        self.lost = 0;
    }

    /// Counts records that were lost elsewhere.
    pub fn count_lost(&mut self, records: u64) {
        self.lost += records;
    }

    /// Writes a record; `false` when it is lost.
    pub fn write_record(&mut self, line: Vec<u8>) -> bool {
        self.put(Pending { line, written: 0, is_record: true })
    }

    /// Whether lines wait for room.
    pub fn has_pending(&self) -> bool {
        // What waits for a writer that is not there is not waited for.
        self.may_write() && self.queue.as_ref().is_some_and(|queue| !queue.is_empty())
    }

    fn may_write(&self) -> bool {
        !self.is_file || self.writer.is_some()
    }

    /// Writes what waits, as far as there is room.
    pub fn flush(&mut self) {
        if !self.may_write() {
            return;
        }
        let to = To::of(self.writer.as_ref());
        while let Some(first) = self.queue.as_mut().and_then(VecDeque::front_mut) {
            match first.advance(&to) {
                Ok(true) if self.writer.is_some() => self.in_flight += u64::from(first.is_record),
                Ok(true) => {}
                Ok(false) => return,
                Err(_) => self.lost += u64::from(first.is_record),
            }
            self.queue.as_mut().and_then(VecDeque::pop_front);
        }
        // The writer ends behind the last line.
        self.writer = None;
    }

    /// Writes what waits, for at most `patience`; what is left then is lost.
    pub fn drain(&mut self, patience: Duration) {
        let deadline = Instant::now() + patience;
        self.flush();
        while self.has_pending() && has_room_before(self.descriptor(), deadline) {
            self.flush();
        }
        for pending in self.queue.iter_mut().flat_map(std::mem::take) {
            self.lost += u64::from(pending.is_record);
        }
    }

    fn put(&mut self, mut pending: Pending) -> bool {
        let Some(queue) = &mut self.queue else {
            let deadline = Instant::now() + PATIENCE;
            loop {
                match pending.advance(&To::Stderr) {
                    Ok(true) => return true,
                    Ok(false) if has_room_before(sys::stderr_descriptor(), deadline) => {}
                    _ => return false,
                }
            }
        };
        if !make_room(queue, pending.is_record) {
            self.lost += u64::from(pending.is_record);
            return false;
        }
        queue.push_back(pending);
        self.flush();
        true
    }
}

/// Whether one more line may wait. A record takes the place of diagnostics, of which there can be any number;
/// of records the newest is left out: what came first explains what came later.
fn make_room(queue: &mut VecDeque<Pending>, is_record: bool) -> bool {
    if queue.len() < QUEUE {
        return true;
    }
    // A line that is half written has to be finished.
    let spare = queue.iter().rposition(|waiting| !waiting.is_record && waiting.written == 0);
    match spare.filter(|_| is_record) {
        Some(place) => queue.remove(place).is_some(),
        None => false,
    }
}

/// Where a line goes.
#[derive(Debug, Clone, Copy)]
enum To {
    Stderr,
    /// to the writer: a pipe of ours, which does not block
    Pipe(RawFd),
}

impl To {
    fn of(writer: Option<&OwnedFd>) -> To {
        writer.map_or(To::Stderr, |pipe| To::Pipe(pipe.as_raw_fd()))
    }

    fn write_if_room(self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            To::Stderr => write_if_room(libc::STDERR_FILENO, bytes),
            To::Pipe(fd) => sys::write(fd, bytes),
        }
    }
}

impl Pending {
    /// Writes on; `true` when all is written, `false` when there is no room.
    fn advance(&mut self, to: &To) -> io::Result<bool> {
        while let Some(rest) = self.line.get(self.written..).filter(|rest| !rest.is_empty()) {
            match to.write_if_room(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

/// Waits for room up to the deadline. After it there is none, whatever poll(2) says: a file may have room
/// that it does not give.
fn has_room_before(descriptor: BorrowedFd, deadline: Instant) -> bool {
    deadline
        .checked_duration_since(Instant::now())
        .is_some_and(|patience| has_room(descriptor, patience) == Ok(true))
}

/// Whether there is room, or an error that the write will tell; an error where poll(2) itself is refused.
fn has_room(descriptor: BorrowedFd, patience: Duration) -> nix::Result<bool> {
    let timeout = PollTimeout::try_from(patience).unwrap_or(PollTimeout::ZERO);
    let mut fds = [PollFd::new(descriptor, PollFlags::POLLOUT)];
    nix::poll::poll(&mut fds, timeout)?;
    Ok(!fds[0].revents().unwrap_or(PollFlags::empty()).is_empty())
}

fn write_if_room(fd: RawFd, bytes: &[u8]) -> io::Result<usize> {
    match sys::write_nowait(fd, bytes) {
        // A file on a disk has no reader that could let us wait; it only takes its time for a new page.
        Err(error) if error.kind() == ErrorKind::WouldBlock && is_file() => return sys::write(fd, bytes),
        Err(error) if error.kind() == ErrorKind::Unsupported => {}
        result => return result,
    }
    let has_room = has_room(sys::stderr_descriptor(), Duration::ZERO);
    if has_room == Ok(false) {
        return Err(ErrorKind::WouldBlock.into());
    }
    let flags = OFlag::O_WRONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC | OFlag::O_NOCTTY;
    match nix::fcntl::open("/proc/self/fd/2", flags, Mode::empty()) {
        // This tells of no room by itself, so it does also where poll(2) is refused, as by a seccomp profile.
        Ok(own) if !is_file() => sys::write(own.as_raw_fd(), bytes),
        _ if has_room.is_err() && !is_file() => Err(ErrorKind::WouldBlock.into()),
        // No /proc, or the terminal of another user. There is room, but nobody knows how much.
        _ if nix::unistd::isatty(sys::stderr_descriptor()) == Ok(true) => {
            sys::write(fd, bytes.get(..1).unwrap_or(bytes))
        }
        // A file, which the second opening would write from its start; no /proc; or a socket: what poll(2)
        // said must do.
        _ => sys::write(fd, bytes),
    }
}

fn is_file() -> bool {
    let kind =
        |stat: nix::sys::stat::FileStat| SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits());
    fstat(sys::stderr_descriptor()).map(kind) == Ok(SFlag::S_IFREG)
}

/// What `log` says goes to the same stderr: `line` is one, with its end.
pub fn write_log_line(line: String) {
    stderr().put(Pending { line: line.into_bytes(), written: 0, is_record: false });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(queue: &mut VecDeque<Pending>, line: &str, is_record: bool) -> bool {
        let has_room = make_room(queue, is_record);
        if has_room {
            queue.push_back(Pending { line: line.as_bytes().to_vec(), written: 0, is_record });
        }
        has_room
    }

    #[test]
    fn records_take_the_place_of_diagnostics_and_never_of_records() {
        let mut queue = VecDeque::new();
        assert!((0..QUEUE).all(|_| put(&mut queue, "diagnostics", false)));
        assert!(!put(&mut queue, "one more", false));
        queue[0].written = 3;
        assert!((0..QUEUE - 1).all(|_| put(&mut queue, "record", true)));
        assert!(!put(&mut queue, "too many", true), "a line that is half written stays");
        assert_eq!(queue.len(), QUEUE);
        assert_eq!(queue.iter().filter(|waiting| waiting.is_record).count(), QUEUE - 1);
    }

    fn waiting(lines: usize) -> Stderr {
        let mut stderr = Stderr::new();
        stderr.queue_what_does_not_fit();
        stderr.is_file = true;
        for number in 0..lines {
            assert!(stderr.write_record(line(number)));
        }
        assert!(
            stderr.wants_writer() && !stderr.has_pending(),
            "nobody waits for a writer that is not there"
        );
        stderr
    }

    fn line(number: usize) -> Vec<u8> {
        format!("{number:04000}\n").into_bytes()
    }

    #[test]
    fn a_writer_gets_lines_in_order_and_the_end_of_the_pipe_behind_the_last() {
        let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).expect("a pipe");
        let mut stderr = waiting(3);
        stderr.write_through(write);
        assert!(!stderr.wants_writer() && !stderr.has_pending());
        let mut come = Vec::new();
        io::Read::read_to_end(&mut std::fs::File::from(read), &mut come).expect("all of it, and the end");
        assert_eq!(come, (0..3).flat_map(line).collect::<Vec<u8>>());
        assert_eq!(stderr.lost_so_far(), 3, "as long as the writer is at it");
        stderr.writer_ended(true);
        assert_eq!(stderr.lost_so_far(), 0);
    }

    #[test]
    fn what_a_writer_did_not_write_is_counted() {
        let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).expect("a pipe");
        let mut stderr = waiting(2);
        stderr.write_through(write);
        drop(read);
        stderr.writer_ended(false);
        assert_eq!(stderr.lost_so_far(), 2);
        // One that is gone before.
        let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).expect("a pipe");
        drop(read);
        let mut stderr = waiting(1);
        stderr.write_through(write);
        assert_eq!(stderr.lost_so_far(), 1);
        // More than the queue holds, and no writer.
        let mut stderr = waiting(QUEUE);
        assert!(!stderr.write_record(line(0)));
        assert_eq!(stderr.lost_so_far(), 1);
    }
}
