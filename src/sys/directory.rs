//! What is in a directory, without the C library, whose opendir(3) allocates: where memory is short that can
//! be a sleep.

use super::check;
use std::ffi::{CString, OsString};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// Of an entry of getdents64(2), in bytes: where its length, its type and its name are.
const LENGTH: usize = 16;
const KIND: usize = 18;
const NAME: usize = 19;

/// A name in a directory.
#[derive(Debug)]
pub struct Entry {
    /// what it is called
    pub name: OsString,
    /// whether it is a directory itself; `false` too where the file system does not tell
    pub is_directory: bool,
}

/// The entries of a directory but `.` and `..`, in the order of the kernel.
#[derive(Debug)]
pub struct Entries {
    directory: OwnedFd,
    buffer: [u8; 1024],
    /// what of the buffer was read and not given yet
    rest: std::ops::Range<usize>,
    failed: bool,
}

/// Opens a directory for its entries. The list ends with the first error of getdents64(2).
///
/// # Errors
/// Those of open(2), and `InvalidInput` for a path with a NUL.
pub fn entries(path: &Path) -> io::Result<Entries> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: the path ends with a NUL.
    let fd =
        check(unsafe { libc::open(path.as_ptr(), libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC) })?;
    // SAFETY: it was just opened, for nobody else.
    let directory = unsafe { OwnedFd::from_raw_fd(fd) };
    Ok(Entries { directory, buffer: [0; 1024], rest: 0..0, failed: false })
}

impl Entries {
    fn fill(&mut self) -> io::Result<usize> {
        let (fd, room) = (self.directory.as_raw_fd(), self.buffer.len());
        // SAFETY: the buffer has this room.
        let read = unsafe { libc::syscall(libc::SYS_getdents64, fd, self.buffer.as_mut_ptr(), room) };
        usize::try_from(read).map_err(|_| io::Error::last_os_error())
    }
}

/// One entry at the head of `bytes`, and how long it is; `None` for what is none.
fn parse(bytes: &[u8]) -> Option<(Entry, usize)> {
    let length = usize::from(u16::from_ne_bytes([*bytes.get(LENGTH)?, *bytes.get(LENGTH + 1)?]));
    let kind = *bytes.get(KIND)?;
    let name = bytes.get(NAME..length)?.split(|byte| *byte == 0).next()?;
    let name = OsString::from_vec(name.to_vec());
    Some((Entry { name, is_directory: kind == libc::DT_DIR }, length))
}

impl Iterator for Entries {
    type Item = io::Result<Entry>;

    fn next(&mut self) -> Option<io::Result<Entry>> {
        while !self.failed {
            if let Some((entry, length)) = self.buffer.get(self.rest.clone()).and_then(parse) {
                self.rest.start += length;
                if entry.name != "." && entry.name != ".." {
                    return Some(Ok(entry));
                }
                continue;
            }
            match self.fill() {
                Ok(0) => return None,
                Ok(read) => self.rest = 0..read,
                Err(error) => {
                    self.failed = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn more_than_one_buffer_full() {
        let place = tempfile::tempdir().unwrap();
        let mut made = BTreeSet::new();
        for number in 0..200 {
            let name = format!("{number}{}", "x".repeat(number));
            if number % 2 == 0 {
                std::fs::create_dir(place.path().join(&name)).unwrap();
            } else {
                std::fs::write(place.path().join(&name), "").unwrap();
            }
            made.insert((OsString::from(name), number % 2 == 0));
        }
        let found =
            entries(place.path()).unwrap().map(|entry| entry.map(|entry| (entry.name, entry.is_directory)));
        assert_eq!(found.collect::<io::Result<BTreeSet<_>>>().unwrap(), made);
    }

    #[test]
    fn errors() {
        let place = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(entries(place.path()).unwrap_err().kind(), io::ErrorKind::NotADirectory);
        assert_eq!(entries(Path::new("/no\0where")).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(entries(Path::new("/no/where")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
