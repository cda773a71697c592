//! The process group, session and terminal of the program.

use crate::options::Isolation;
use crate::sys;
use nix::errno::Errno;
use nix::unistd::{Pid, getpgrp, getpid, getsid, setpgid, setsid, tcgetpgrp, tcsetpgrp};

/// How the program is set apart, as decided before the fork.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    isolation: Isolation,
    /// whether our group is in the foreground, so that the terminal is ours to pass on
    holds_terminal: bool,
}

/// Decides, before the fork: after it the parent may have moved the child to its group already, and the child
/// could no longer tell whether the terminal was ours.
pub fn plan(isolation: Isolation) -> Plan {
    let is_leader = || getsid(None).is_ok_and(|session| session == getpid());
    if isolation == Isolation::Session && is_leader() {
        // A terminal controls one session, so ours lets it go for the program's to take.
        sys::give_up_terminal();
    }
    // Only who holds the terminal may pass it on: a background job that takes it would stop the shell.
    let holds_terminal = tcgetpgrp(sys::stdin_descriptor()).is_ok_and(|foreground| foreground == getpgrp());
    Plan { isolation, holds_terminal }
}

/// In the child, with signals still blocked, so that SIGTTOU cannot stop it here.
pub fn in_child(plan: Plan) {
    match plan.isolation {
        Isolation::None => {}
        Isolation::Session => {
            if let Err(error) = setsid() {
                log::warn!("cannot give the program a session of its own: {error}");
            }
            if let Err(error) = sys::take_terminal()
                && !matches!(error.raw_os_error(), Some(libc::ENOTTY | libc::EBADF | libc::EIO | libc::EPERM))
            {
                log::warn!("cannot give the program the terminal: {}", sys::reason(&error));
            }
        }
        Isolation::Group => {
            if let Err(error) = setpgid(Pid::from_raw(0), Pid::from_raw(0)) {
                log::warn!("cannot give the program a process group of its own: {error}");
            }
            if plan.holds_terminal
                && let Err(error) = tcsetpgrp(sys::stdin_descriptor(), getpid())
                && !matches!(error, Errno::ENOTTY | Errno::ENXIO | Errno::EBADF | Errno::EIO)
            {
                log::warn!("cannot put the program into the foreground of the terminal: {error}");
            }
        }
    }
}

/// In the parent: the same group, so that it exists from the fork on, whichever side runs first.
pub fn in_parent(plan: Plan, child: Pid) {
    if plan.isolation == Isolation::Group {
        // EACCES: the child was faster and has executed the program already. ESRCH: it has ended.
        let _ = setpgid(child, child);
    }
}

/// Takes the terminal back from the program's group, which has ended.
pub fn take_terminal_back(program: Pid) {
    if tcgetpgrp(sys::stdin_descriptor()).is_ok_and(|foreground| foreground == program) {
        // Fails where our own group is outside of our PID namespace; whoever is there takes it back itself.
        let _ = tcsetpgrp(sys::stdin_descriptor(), getpgrp());
    }
}
