//! A terminal: the test holds the other end of it, as a terminal emulator or `docker run -it` does.

use crate::call::{BOUND, Call, Running, within};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::pty::{PtyMaster, grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::termios::{LocalFlags, OutputFlags, SetArg, tcgetattr, tcsetattr};
use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;

/// The terminal that an init and its program run on.
pub struct Terminal {
    master: PtyMaster,
    slave: File,
    seen: RefCell<String>,
}

impl Terminal {
    /// A new one, without echo.
    pub fn open() -> Terminal {
        let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let path = ptsname_r(&master).unwrap();
        let slave =
            OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOCTTY).open(path).unwrap();
        let mut settings = tcgetattr(&slave).unwrap();
        settings.local_flags.remove(LocalFlags::ECHO);
        settings.output_flags.remove(OutputFlags::OPOST);
        tcsetattr(&slave, SetArg::TCSANOW, &settings).unwrap();
        fcntl(&master, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        Terminal { master, slave, seen: RefCell::default() }
    }

    /// The call with this terminal as the controlling one and as all its standard descriptors.
    pub fn of(&self, call: Call) -> Call {
        let slave = self.slave.as_raw_fd();
        call.own_stdio().setup(move || crate::setup::take_terminal(slave))
    }

    /// Types.
    pub fn type_in(&self, keys: &str) {
        assert_eq!(nix::unistd::write(&self.master, keys.as_bytes()), Ok(keys.len()));
    }

    /// What has been shown so far.
    pub fn seen(&self) -> String {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = nix::unistd::read(&self.master, &mut buffer) {
            self.seen.borrow_mut().push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
        self.seen.borrow().clone()
    }

    /// Whether `text` is shown within the time that anything may take, or the init has ended.
    pub fn shows(&self, running: &mut Running, text: &str) -> bool {
        within(BOUND, || (self.seen().contains(text) || running.poll().is_some()).then_some(()));
        self.seen().contains(text)
    }

    /// Waits until `text` is shown.
    pub fn wait_for(&self, running: &mut Running, text: &str) {
        assert!(self.shows(running, text), "no {text:?} on the terminal: {:?}", self.seen());
    }

    /// From now on who writes from the background is stopped: `stty tostop`.
    pub fn stop_background_writers(&self) {
        let mut settings = tcgetattr(&self.slave).unwrap();
        settings.local_flags.insert(LocalFlags::TOSTOP);
        tcsetattr(&self.slave, SetArg::TCSANOW, &settings).unwrap();
    }

    /// The process group in the foreground.
    pub fn foreground(&self) -> i32 {
        nix::unistd::tcgetpgrp(&self.master).map_or(0, nix::unistd::Pid::as_raw)
    }

    /// Changes the size of the window.
    pub fn resize(&self, rows: u16, columns: u16) {
        let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: the size is valid for the call.
        assert_eq!(unsafe { libc::ioctl(self.master.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) }, 0);
    }
}
