//! Opens an input and finds out by its first bytes how it is packed.

use super::inflate::{GZIP, Gunzip};
use super::utf16::Utf16;
use super::walk::Input;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How deep gz within gz is followed (Firehose makes two).
const DEEPEST: usize = 3;

/// What a gz within another one inflates to, at most: one byte of a bomb of bombs stands for a million
/// others.
const LARGEST_WITHIN: u64 = 1 << 30;

/// The bytes of an input.
pub enum Opened {
    /// to be read
    Bytes(Box<dyn Read>),
    /// of a kind that another program reads: how
    Foreign(&'static str),
}

/// Opens `input`; what is read from it, packed, is added to `read`. Once `stop` is set, nothing more is
/// waited for.
///
/// # Errors
/// Those of open(2) and read(2).
pub fn open(input: &Input, read: &Arc<AtomicU64>, stop: &Arc<AtomicBool>) -> io::Result<Opened> {
    let source: Box<dyn Read> = match input {
        Input::Stdin => Box::new(Stdin { stop: stop.clone() }),
        Input::File(path) => Box::new(File::open(path)?),
    };
    unpack(Box::new(Counted { source, read: read.clone() }), 0)
}

/// The standard input. A read of a pipe may wait without end, and the handler of a signal has it go on: so it
/// is only read where there is something.
struct Stdin {
    stop: Arc<AtomicBool>,
}

/// How long an interrupt may go unseen that came between two looks, in milliseconds.
const LOOK: u16 = 100;

impl Read for Stdin {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let stdin = io::stdin();
        while !self.stop.load(Ordering::Relaxed) {
            let mut wanted = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
            match poll(&mut wanted, LOOK) {
                Ok(0) | Err(Errno::EINTR) => {}
                // What cannot be polled can be read without waiting.
                Ok(_) | Err(_) => return stdin.lock().read(buffer),
            }
        }
        Err(io::Error::other("interrupted"))
    }
}

/// Counts what was read, for the progress.
struct Counted {
    source: Box<dyn Read>,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

fn unpack(mut source: Box<dyn Read>, depth: usize) -> io::Result<Opened> {
    let mut head = Vec::with_capacity(8);
    source.by_ref().take(8).read_to_end(&mut head)?;
    let is = |magic: &[u8]| head.starts_with(magic);
    if is(&[0xfd, b'7', b'z', b'X', b'Z']) {
        return Ok(Opened::Foreign("xz: xzcat FILE | inquest …"));
    } else if is(b"BZh") {
        return Ok(Opened::Foreign("bzip2: bzcat FILE | inquest …"));
    } else if is(&[0x04, 0x22, 0x4d, 0x18]) {
        return Ok(Opened::Foreign("lz4: lz4cat FILE | inquest …"));
    } else if is(b"PK\x03\x04") {
        return Ok(Opened::Foreign("zip: unzip -p FILE | inquest …"));
    } else if is(b"LPKSHHRH") {
        return Ok(Opened::Foreign("a file of journald: journalctl -o json --file FILE | inquest …"));
    }
    // Of a file that was cut there, two bytes are all there is.
    let (gzip, zstd) = (is(&GZIP) || head == [0x1f, 0x8b], is(&[0x28, 0xb5, 0x2f, 0xfd]));
    // A log of UTF-16 begins with an ASCII letter; other bytes may look like the mark.
    let byte_order = match head.as_slice() {
        [0xff, 0xfe, _, 0, ..] => Some(false),
        [0xfe, 0xff, 0, _, ..] => Some(true),
        _ => None,
    };
    if depth >= DEEPEST || !(gzip || zstd || byte_order.is_some()) {
        return Ok(Opened::Bytes(Box::new(Cursor::new(head).chain(source))));
    }
    if let Some(big_endian) = byte_order {
        let text = head.split_off(2);
        return Ok(Opened::Bytes(Box::new(Utf16::new(Cursor::new(text).chain(source), big_endian))));
    }
    let packed = Cursor::new(head).chain(source);
    let inflated: Box<dyn Read> = if gzip {
        Box::new(Gunzip::new(packed))
    } else {
        let decoder = ruzstd::decoding::StreamingDecoder::new(packed).map_err(io::Error::other)?;
        Box::new(decoder)
    };
    let bounded: Box<dyn Read> =
        if depth == 0 { inflated } else { Box::new(Bounded { source: inflated, left: LARGEST_WITHIN }) };
    unpack(bounded, depth + 1)
}

/// Ends with an error, not in silence, where it is too much.
struct Bounded {
    source: Box<dyn Read>,
    left: u64,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 && self.source.read(&mut [0])? > 0 {
            return Err(io::Error::other(
                "a gz within a gz inflates to more than 1 GiB; the rest is left out",
            ));
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let count = match buffer.get_mut(..most) {
            Some(part) => self.source.read(part)?,
            None => 0,
        };
        self.left -= count as u64;
        Ok(count)
    }
}
