//! The process group, session and terminal of the program.

use crate::options::Isolation;
use nix::errno::Errno;
use nix::unistd::{Pid, getpgrp, getpid, setpgid, setsid, tcgetpgrp, tcsetpgrp};
use std::io::stdin;

/// In the child, with signals still blocked, so that SIGTTOU cannot stop it here.
pub fn in_child(isolation: Isolation) {
    match isolation {
        Isolation::None => {}
        Isolation::Session => {
            if let Err(error) = setsid() {
                log::warn!("setsid for the program failed: {error}");
            }
            if let Err(error) = crate::sys::take_terminal()
                && !matches!(error.raw_os_error(), Some(libc::ENOTTY | libc::EBADF | libc::EIO | libc::EPERM))
            {
                log::warn!("the program cannot have the terminal: {error}");
            }
        }
        Isolation::Group => {
            // Only who holds the terminal may pass it on: a background job that takes it would stop the shell.
            let holds_terminal = tcgetpgrp(stdin()).is_ok_and(|foreground| foreground == getpgrp());
            if let Err(error) = setpgid(Pid::from_raw(0), Pid::from_raw(0)) {
                log::warn!("a process group of its own for the program failed: {error}");
            }
            if holds_terminal
                && let Err(error) = tcsetpgrp(stdin(), getpid())
                && !matches!(error, Errno::ENOTTY | Errno::ENXIO | Errno::EBADF | Errno::EIO)
            {
                log::warn!("the foreground of the terminal for the program failed: {error}");
            }
        }
    }
}

/// In the parent: the same group, so that it exists from the fork on, whichever side runs first.
pub fn in_parent(isolation: Isolation, child: Pid) {
    if isolation == Isolation::Group {
        // EACCES: the child was faster and has executed the program already. ESRCH: it has ended.
        let _ = setpgid(child, child);
    }
}

/// Takes the terminal back from the program's group, which has ended.
pub fn take_terminal_back(program: Pid) {
    if tcgetpgrp(stdin()).is_ok_and(|foreground| foreground == program) {
        // Fails where our own group is outside of our PID namespace; whoever is there takes it back itself.
        let _ = tcsetpgrp(stdin(), getpgrp());
    }
}
