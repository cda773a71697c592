//! A file server that stops answering: a FUSE file system of one file, served by a thread of the test.
//!
//! Format: struct fuse_in_header and what follows it in `include/uapi/linux/fuse.h` of the kernel, version
//! 7.23 or newer.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

/// The inode numbers of the directory and of the file `log` in it.
const ROOT: u64 = 1;
const LOG: u64 = 2;

/// Requests, by their numbers in `enum fuse_opcode`.
const LOOKUP: u32 = 1;
const FORGET: u32 = 2;
const GETATTR: u32 = 3;
const OPEN: u32 = 14;
const WRITE: u32 = 16;
const RELEASE: u32 = 18;
const FLUSH: u32 = 25;
const INIT: u32 = 26;
const INTERRUPT: u32 = 36;
const BATCH_FORGET: u32 = 42;

/// Larger than any request: the most that is written at once is a page.
const BUFFER: usize = 1 << 17;

/// A mounted file server, which answers again and is unmounted when this is dropped.
pub struct Server {
    directory: tempfile::TempDir,
    state: Arc<Mutex<State>>,
}

struct State {
    device: File,
    /// whether it wants to be told of each close, as NFS does: then a process that ends waits for it too
    is_told_of_closes: bool,
    hangs: bool,
    /// requests that it has taken and not answered
    held: Vec<Vec<u8>>,
    content: Vec<u8>,
}

impl Server {
    pub fn mount(is_told_of_closes: bool) -> Result<Server, String> {
        let text = |error: std::io::Error| error.to_string();
        let device = File::options().read(true).write(true).open("/dev/fuse");
        let device = device.map_err(|error| format!("/dev/fuse: {error}"))?;
        let directory = tempfile::tempdir_in("/var/tmp").map_err(text)?;
        let options = format!("fd={},rootmode=40000,user_id=0,group_id=0,allow_other", device.as_raw_fd());
        let options = CString::new(options).expect("no NUL");
        let point = CString::new(directory.path().to_str().expect("UTF-8")).expect("no NUL");
        let flags = libc::MS_NOSUID | libc::MS_NODEV;
        // SAFETY: strings that live as long as the call.
        let result = unsafe {
            libc::mount(c"test".as_ptr(), point.as_ptr(), c"fuse".as_ptr(), flags, options.as_ptr().cast())
        };
        if result < 0 {
            return Err(format!("mount: {}", std::io::Error::last_os_error()));
        }
        let mut requests = device.try_clone().map_err(text)?;
        let state = State { device, is_told_of_closes, hangs: false, held: Vec::new(), content: Vec::new() };
        let server = Server { directory, state: Arc::new(Mutex::new(state)) };
        let state = server.state.clone();
        // It ends when the file system is unmounted: ENODEV.
        std::thread::spawn(move || {
            let mut buffer = vec![0; BUFFER];
            while let Ok(length) = requests.read(&mut buffer) {
                lock(&state).take(buffer[..length].to_vec());
            }
        });
        Ok(server)
    }

    /// The file.
    pub fn log(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    /// What was written to it, without asking the server.
    pub fn content(&self) -> String {
        String::from_utf8_lossy(&lock(&self.state).content).into_owned()
    }

    /// From now on it takes requests and answers none.
    pub fn hang(&self) {
        lock(&self.state).hangs = true;
    }

    /// Whether somebody waits for an answer to a write.
    pub fn holds_a_write(&self) -> bool {
        lock(&self.state).held.iter().any(|request| number(request, 4) == WRITE)
    }

    /// It answers again, what waits first.
    pub fn go_on(&self) {
        let mut state = lock(&self.state);
        state.hangs = false;
        for request in std::mem::take(&mut state.held) {
            state.take(request);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.go_on();
        let _ = std::process::Command::new("umount").arg("-l").arg(self.directory.path()).status();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn number(request: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(request[at..at + 4].try_into().expect("4 bytes"))
}

fn long(request: &[u8], at: usize) -> u64 {
    u64::from_ne_bytes(request[at..at + 8].try_into().expect("8 bytes"))
}

impl State {
    fn take(&mut self, request: Vec<u8>) {
        if self.hangs {
            self.held.push(request);
            return;
        }
        let (code, unique, node) = (number(&request, 4), long(&request, 8), long(&request, 16));
        let answer = match code {
            FORGET | INTERRUPT | BATCH_FORGET => return,
            _ => self.answer(code, node, &request[40..]),
        };
        let (error, body) = match answer {
            Ok(body) => (0, body),
            Err(errno) => (-errno, Vec::new()),
        };
        let mut reply = (16 + u32::try_from(body.len()).expect("short")).to_ne_bytes().to_vec();
        reply.extend(error.to_ne_bytes());
        reply.extend(unique.to_ne_bytes());
        reply.extend(body);
        // ENOENT for one that was interrupted meanwhile.
        let _ = self.device.write(&reply);
    }

    fn answer(&mut self, code: u32, node: u64, body: &[u8]) -> Result<Vec<u8>, i32> {
        match code {
            // Version 7.31, and the smallest of everything else.
            INIT => {
                let mut out = numbers(&[7, 31, 0, 0, 0, 4096, 1]);
                out.resize(64, 0);
                Ok(out)
            }
            LOOKUP if body.starts_with(b"log\0") => {
                // Nothing may be remembered: each look is a request.
                let mut out = longs(&[LOG, 0, 0, 0, 0]);
                out.extend(self.attributes(LOG));
                Ok(out)
            }
            LOOKUP => Err(libc::ENOENT),
            GETATTR => {
                let mut out = longs(&[0, 0]);
                out.extend(self.attributes(node));
                Ok(out)
            }
            // FOPEN_DIRECT_IO: each write is a request.
            OPEN => Ok([longs(&[0]), numbers(&[1, 0])].concat()),
            WRITE => {
                let (offset, size) = (long(body, 8), number(body, 16));
                let offset = usize::try_from(offset).expect("small");
                self.content.resize(offset, 0);
                self.content.extend(&body[40..40 + size as usize]);
                Ok(numbers(&[size, 0]))
            }
            FLUSH if self.is_told_of_closes => Ok(Vec::new()),
            RELEASE => Ok(Vec::new()),
            _ => Err(libc::ENOSYS),
        }
    }

    /// struct fuse_attr
    fn attributes(&self, node: u64) -> Vec<u8> {
        let (mode, size) = match node {
            ROOT => (libc::S_IFDIR | 0o755, 0),
            _ => (libc::S_IFREG | 0o644, self.content.len() as u64),
        };
        [longs(&[node, size, 0, 0, 0, 0]), numbers(&[0, 0, 0, mode, 1, 0, 0, 0, 4096, 0])].concat()
    }
}

fn longs(values: &[u64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_ne_bytes()).collect()
}

fn numbers(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_ne_bytes()).collect()
}
