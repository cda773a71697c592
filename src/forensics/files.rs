//! Reading small files of the kernel without the heap.

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::ops::ControlFlow;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// How much is read of a small file, in bytes. The largest, `memory.stat` of version 1, has some 1,500, and
/// what matters of it stands in the first 600.
pub(super) const BUFFER: usize = 1024;

/// The longest line of a table that is read, in bytes.
pub(super) const LONGEST_LINE: usize = 4096;

/// The most that is read of one table, in bytes: thousands of mounts, or 100,000 process IDs.
const LONGEST_TABLE: usize = 1 << 20;

/// What `parse` makes of a small text file; `None` where it cannot be read or is not UTF-8.
///
/// Of a file that is longer than [`BUFFER`] it gets the first whole lines, so that no number is half of
/// another.
pub(super) fn read_text<T>(path: &Path, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
    read_bytes(path, |bytes| parse(std::str::from_utf8(bytes).ok()?))
}

/// As [`read_text`], for what may hold any bytes.
pub(super) fn read_bytes<T>(path: &Path, parse: impl FnOnce(&[u8]) -> Option<T>) -> Option<T> {
    let (mut parse, mut result) = (Some(parse), None);
    read_to(path, &mut |bytes| result = parse.take().and_then(|parse| parse(bytes)));
    result
}

/// Not inlined: several readings in one function would else have several buffers on the stack, and the pages
/// of a stack that were used once stay in memory.
#[inline(never)]
fn read_to(path: &Path, take: &mut dyn FnMut(&[u8])) -> Option<()> {
    let file = open(path)?;
    let mut buffer = [0; BUFFER];
    // One read: the kernel gives a small file whole, and a second one only to be told that it has ended would
    // be a system call more for every file there is.
    let filled = read(&file, &mut buffer)?;
    take(whole_lines(&buffer, filled)?);
    Some(())
}

/// `Path::join` in one allocation, which is given back as it was. Where the path grows while it is made, the
/// heap grows by a path with each, and PID 1 keeps it.
pub(super) fn join(directory: &Path, name: &str) -> PathBuf {
    let mut path = PathBuf::with_capacity(directory.as_os_str().len() + 1 + name.len());
    path.push(directory);
    path.push(name);
    path
}

/// A directory of small files that are read more than once. Each stays open from its first reading on: to
/// open a file costs more than to read it.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) path: PathBuf,
    open: RefCell<Vec<(&'static str, File)>>,
}

impl Directory {
    pub(super) fn new(path: PathBuf) -> Directory {
        Directory { path, open: RefCell::new(Vec::new()) }
    }

    /// The path of the file `name`.
    pub(super) fn place(&self, name: &str) -> PathBuf {
        join(&self.path, name)
    }

    /// As [`read_text`], of the file `name`.
    pub(super) fn read_text<T>(
        &self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let (mut parse, mut result) = (Some(parse), None);
        self.read_to(name, &mut |bytes| {
            let text = std::str::from_utf8(bytes).ok();
            result = parse.take().zip(text).and_then(|(parse, text)| parse(text));
        });
        result
    }

    /// Not inlined, as [`read_to`].
    #[inline(never)]
    fn read_to(&self, name: &'static str, take: &mut dyn FnMut(&[u8])) -> Option<()> {
        self.with(name, &mut |file| {
            let mut buffer = [0; BUFFER];
            let filled = file.read_at(&mut buffer, 0).ok()?;
            take(whole_lines(&buffer, filled)?);
            Some(())
        })
    }

    /// The numbers beside some names in the file `name`, of `name number` lines, that may be longer than
    /// [`BUFFER`].
    pub(super) fn figures<const N: usize>(&self, name: &'static str, names: [&str; N]) -> [Option<u64>; N] {
        let mut found = [None; N];
        let mut take = |line: &[u8]| {
            for (name, place) in names.iter().zip(&mut found) {
                *place = place.or_else(|| super::figures::keyed(line, name));
            }
            if found.iter().all(Option::is_some) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let _ = self.with(name, &mut |file| for_each_line_of(file, &mut take));
        found
    }

    fn with(&self, name: &'static str, read: &mut dyn FnMut(&File) -> Option<()>) -> Option<()> {
        let mut files = self.open.borrow_mut();
        let place = files.iter().position(|(known, _)| *known == name);
        if place.is_none() {
            files.push((name, open(&self.place(name))?));
        }
        let (_, file) = place.map_or_else(|| files.last(), |place| files.get(place))?;
        read(file)
    }
}

/// What was read, without the half line at the end where the file is longer than the buffer.
fn whole_lines(buffer: &[u8; BUFFER], filled: usize) -> Option<&[u8]> {
    let text = buffer.get(..filled)?;
    let end = if filled < BUFFER { filled } else { text.iter().rposition(|byte| *byte == b'\n')? };
    text.get(..end)
}

/// Calls `each` for the lines of a file, without their line ends, until it breaks; `None` where the file
/// cannot be read.
///
/// A line longer than [`LONGEST_LINE`] is left out (an overlay mount of many layers has such lines in
/// mountinfo), and so is what comes after the first mebibyte.
pub(super) fn for_each_line(path: &Path, each: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) -> Option<()> {
    for_each_line_of(&open(path)?, each)
}

#[inline(never)]
fn for_each_line_of(file: &File, each: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) -> Option<()> {
    let mut buffer = [0; LONGEST_LINE];
    // How many bytes at the start of the buffer were read before and belong to an unfinished line.
    let mut kept = 0;
    let mut overlong = false;
    let mut total = 0;
    while total < LONGEST_TABLE {
        let filled = fill(file, total, &mut buffer, kept)?;
        total += filled - kept;
        let at_end = filled < LONGEST_LINE;
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

/// Calls `each` for the numbers of a file that holds nothing else, in pieces as small as the buffer, until it
/// breaks.
#[inline(never)]
pub(super) fn for_each_number(path: &Path, each: &mut dyn FnMut(i32) -> ControlFlow<()>) -> Option<()> {
    let file = open(path)?;
    let mut buffer = [0; 256];
    let mut number: Option<i32> = None;
    let mut total = 0;
    while total < LONGEST_TABLE {
        let filled = read(&file, &mut buffer)?;
        total += filled;
        for byte in buffer.get(..filled)? {
            if byte.is_ascii_digit() {
                let digit = i32::from(byte - b'0');
                number = Some(number.unwrap_or(0).saturating_mul(10).saturating_add(digit));
            } else if number.take().is_some_and(|number| each(number).is_break()) {
                return Some(());
            }
        }
        if filled == 0 {
            if let Some(number) = number {
                let _ = each(number);
            }
            return Some(());
        }
    }
    Some(())
}

/// `O_NONBLOCK` so that not even a FIFO in the place of the file could make PID 1 wait.
fn open(path: &Path) -> Option<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path).ok()
}

/// Reads from `place` in the file on until the buffer is full or the file ends; the end of what is in the
/// buffer then.
fn fill(file: &File, place: usize, buffer: &mut [u8], from: usize) -> Option<usize> {
    let mut end = from;
    while let Some(room) = buffer.get_mut(end..).filter(|room| !room.is_empty()) {
        match retried(|| file.read_at(room, (place + end - from) as u64))? {
            0 => break,
            count => end += count,
        }
    }
    Some(end)
}

fn read(mut file: &File, room: &mut [u8]) -> Option<usize> {
    retried(|| file.read(room))
}

fn retried(mut read: impl FnMut() -> std::io::Result<usize>) -> Option<usize> {
    loop {
        match read() {
            Ok(count) => return Some(count),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests;
