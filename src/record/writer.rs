//! The process that writes to a stderr that is a file, so that PID 1 need not.
//!
//! One process from the start on, rather than one a line: in a full cgroup the memory of a fork can be what makes the
//! kernel kill, or wait. PID 1 gives it lines through a pipe, in which they keep their order. Where the file system holds
//! it fast the pipe fills up, then the queue of PID 1, and what has no room there is counted.

use crate::sys;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, Read};

/// How much is taken out of the pipe at once, in bytes: what the writer is at.
const PIECE: usize = 4096;

/// The most that can be on its way, in bytes: the largest pipe that an ordinary user gets (pipe-max-size in pipe(7)).
const MOST: usize = 1 << 20;

/// Writes what comes through `pipe` to stderr, until the other end is closed. Returns the exit code of the process: 1 when
/// something could not be written.
pub fn run(pipe: File) -> u8 {
    u8::from(copy(pipe, |bytes| sys::write(libc::STDERR_FILENO, bytes)).is_err())
}

fn copy(mut pipe: impl Read, write: impl Fn(&[u8]) -> io::Result<usize>) -> io::Result<()> {
    let mut buffer = [0; PIECE];
    let mut result = Ok(());
    loop {
        let length = match pipe.read(&mut buffer) {
            Ok(0) => return result,
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let mut rest = buffer.get(..length).unwrap_or_default();
        while !rest.is_empty() {
            match write(rest) {
                Ok(count) if count > 0 => rest = rest.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // The disk is full, say. It may have room for what comes next.
                Err(error) => {
                    result = Err(error);
                    break;
                }
                Ok(_) => {
                    result = Err(ErrorKind::WriteZero.into());
                    break;
                }
            }
        }
    }
}

/// The lines that went into the pipe last, as many as can be on their way.
#[derive(Debug)]
pub(super) struct InFlight {
    /// length in bytes, and whether it is a record
    lines: VecDeque<(usize, bool)>,
    bytes: usize,
}

impl InFlight {
    pub(super) const fn new() -> InFlight {
        InFlight { lines: VecDeque::new(), bytes: 0 }
    }

    pub(super) fn add(&mut self, length: usize, is_record: bool) {
        self.lines.push_back((length, is_record));
        self.bytes += length;
        while self.bytes > MOST + PIECE {
            let Some((length, _)) = self.lines.pop_front() else { return };
            self.bytes -= length;
        }
    }

    /// The records among those that may not be written: what is `unread` in the pipe, and the piece before it.
    pub(super) fn records(&self, unread: usize) -> u64 {
        let mut left = unread + PIECE;
        let mut count = 0;
        for (length, is_record) in self.lines.iter().rev() {
            if left == 0 {
                break;
            }
            count += u64::from(*is_record);
            left = left.saturating_sub(*length);
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn all_is_written_in_order_however_little_goes_at_once() {
        let text: Vec<u8> = (0..20_000_u32).flat_map(u32::to_le_bytes).collect();
        let written = RefCell::new(Vec::new());
        let write = |bytes: &[u8]| {
            let part = &bytes[..bytes.len().min(7)];
            written.borrow_mut().extend_from_slice(part);
            Ok(part.len())
        };
        copy(text.as_slice(), write).expect("written");
        assert_eq!(written.into_inner(), text);
    }

    #[test]
    fn what_cannot_be_written_does_not_keep_the_rest() {
        let calls = RefCell::new(0);
        let write = |bytes: &[u8]| {
            *calls.borrow_mut() += 1;
            if *calls.borrow() == 1 {
                Err(io::Error::from_raw_os_error(libc::ENOSPC))
            } else {
                Ok(bytes.len())
            }
        };
        assert!(copy([0; 3 * PIECE].as_slice(), write).is_err());
        assert_eq!(calls.into_inner(), 3);
    }

    #[test]
    fn what_may_not_have_been_written_is_counted() {
        let mut in_flight = InFlight::new();
        for _ in 0..100 {
            in_flight.add(1000, true);
            in_flight.add(1000, false);
        }
        // The piece that the writer is at is five lines, of which two or three are records.
        assert_eq!(in_flight.records(0), 2);
        assert_eq!(in_flight.records(10_000), 7);
        assert_eq!(in_flight.records(1 << 30), 100);
        assert_eq!(InFlight::new().records(5000), 0);
        for _ in 0..10_000 {
            in_flight.add(1000, false);
        }
        assert!(in_flight.bytes <= MOST + PIECE && in_flight.lines.len() <= 1100);
    }
}
