//! Reading small files of the kernel without the heap.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::ops::ControlFlow;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The size of the buffer on the stack, in bytes. No file that is read whole comes near it: `memory.stat` of
/// version 1, the largest, has some 1,500.
pub(super) const BUFFER: usize = 4096;

/// The most that [`for_each_line`] reads of one file, in bytes: thousands of mounts.
const LONGEST_TABLE: usize = 1 << 20;

/// Reads the first [`BUFFER`] bytes of a text file; `None` where it cannot be read or is not UTF-8.
///
/// A file that fills the buffer is cut after its last whole line, so that no number is half of another.
pub(super) fn read_text<'a>(path: &Path, buffer: &'a mut [u8; BUFFER]) -> Option<&'a str> {
    std::str::from_utf8(read_bytes(path, buffer)?).ok()
}

/// As [`read_text`], for what may hold any bytes.
pub(super) fn read_bytes<'a>(path: &Path, buffer: &'a mut [u8; BUFFER]) -> Option<&'a [u8]> {
    let mut file = open(path)?;
    let filled = fill(&mut file, buffer, 0)?;
    let text = buffer.get(..filled)?;
    if filled < BUFFER {
        return Some(text);
    }
    let end = text.iter().rposition(|byte| *byte == b'\n')?;
    text.get(..end)
}

/// Calls `each` for the lines of a file, without their line ends, until it breaks; `None` where the file
/// cannot be read.
///
/// A line longer than [`BUFFER`] is left out (an overlay mount of many layers has such lines in mountinfo), and
/// so is what comes after the first mebibyte.
pub(super) fn for_each_line(path: &Path, each: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) -> Option<()> {
    let mut file = open(path)?;
    let mut buffer = [0; BUFFER];
    // How many bytes at the start of the buffer were read before and belong to an unfinished line.
    let mut kept = 0;
    let mut overlong = false;
    let mut total = 0;
    while total < LONGEST_TABLE {
        let filled = fill(&mut file, &mut buffer, kept)?;
        total += filled - kept;
        let at_end = filled < BUFFER;
        let mut start = 0;
        while let Some(rest) = buffer.get(start..filled) {
            let Some(length) = rest.iter().position(|byte| *byte == b'\n') else { break };
            let line = rest.get(..length).unwrap_or_default();
            start += length + 1;
            // The first line end after an overlong start ends that line, not a line of its own.
            if !std::mem::take(&mut overlong) && each(line).is_break() {
                return Some(());
            }
        }
        if at_end {
            let rest = buffer.get(start..filled).unwrap_or_default();
            if !rest.is_empty() && !overlong {
                let _ = each(rest);
            }
            return Some(());
        }
        if start == 0 {
            overlong = true;
            kept = 0;
        } else {
            buffer.copy_within(start..filled, 0);
            kept = filled - start;
        }
    }
    Some(())
}

/// `O_NONBLOCK` so that not even a FIFO in the place of the file could make PID 1 wait.
fn open(path: &Path) -> Option<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path).ok()
}

/// Reads until the buffer is full or the file ends; the end of what is in the buffer then.
fn fill(file: &mut File, buffer: &mut [u8; BUFFER], from: usize) -> Option<usize> {
    let mut end = from;
    while let Some(room) = buffer.get_mut(end..).filter(|room| !room.is_empty()) {
        match file.read(room) {
            Ok(0) => break,
            Ok(count) => end += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
    Some(end)
}

#[cfg(test)]
mod tests;
