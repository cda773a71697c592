//! The process that writes to a stderr that is a file, so that PID 1 need not enter the file system.
//!
//! It is begun when there are lines and ends behind the last one, as a helper for the journal does; one at a
//! time, so the lines keep their order. Where the file system holds it fast, lines wait in the queue of PID
//! 1, and what has no room there is counted.

use crate::sys;
use std::fs::File;
use std::io::{self, ErrorKind, Read};

/// How much is taken out of the pipe at once, in bytes: what the writer is at.
const PIECE: usize = 4096;

/// Writes what comes through `pipe` to stderr, until the other end is closed. Returns the exit code of the
/// process: 1 when something could not be written.
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
}
