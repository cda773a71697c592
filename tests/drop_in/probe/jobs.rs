//! What calls an init from a terminal, as a script or a shell does.

use super::say;

/// Runs a command in its own process group, as a script does, and tells whether the terminal is its own
/// after.
pub fn run_with_terminal(command: &[&str]) {
    let status = std::process::Command::new(command[0]).args(&command[1..]).status().unwrap();
    let held = nix::unistd::tcgetpgrp(std::io::stdin()).is_ok_and(|group| group == nix::unistd::getpgrp());
    let whose = if held { "given back" } else { "not given back" };
    say(&format!("\nterminal {whose} after {}", crate::call::describe(status)));
}

/// Runs a command as a shell's job in the background, and tells how it got on with the terminal.
pub fn run_in_background(command: &[&str]) {
    use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
    use std::os::unix::process::CommandExt;
    // Waited for below, where a stop is an answer as well.
    #[allow(clippy::zombie_processes)]
    let job = std::process::Command::new(command[0]).args(&command[1..]).process_group(0).spawn().unwrap();
    let pid = nix::unistd::Pid::from_raw(i32::try_from(job.id()).unwrap());
    let how = match waitpid(pid, Some(WaitPidFlag::WUNTRACED)) {
        Ok(WaitStatus::Exited(_, code)) => format!("exit {code}"),
        Ok(WaitStatus::Stopped(..)) => {
            crate::call::kill(pid.as_raw(), libc::SIGKILL);
            "stopped".to_owned()
        }
        other => format!("{other:?}"),
    };
    let held = nix::unistd::tcgetpgrp(std::io::stdin()).is_ok_and(|group| group == nix::unistd::getpgrp());
    say(&format!("\njob: {how}, {} the terminal", if held { "leaves" } else { "takes" }));
}
