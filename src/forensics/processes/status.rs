//! What `/proc/PID/status` tells beyond `stat`: what SIGTERM does to a process, and how much of it is swapped
//! out.
//!
//! Format: proc_pid_status(5).

use crate::forensics::files::for_each_line;
use std::ops::ControlFlow;
use std::path::Path;

/// What SIGTERM does to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// it ends the process: nothing else was asked for
    Default,
    /// a handler of the process is called
    Caught,
    /// nothing
    Ignored,
    /// it waits: the first thread holds it back, and there is no other thread that a handler could run in
    Blocked,
}

impl Disposition {
    /// As it stands in a record.
    pub fn name(self) -> &'static str {
        match self {
            Disposition::Default => "default",
            Disposition::Caught => "caught",
            Disposition::Ignored => "ignored",
            Disposition::Blocked => "blocked",
        }
    }
}

/// What was found; what the kernel does not tell is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Status {
    /// bytes in swap, shared memory left aside
    pub(super) swap: Option<u64>,
    pub(super) sigterm: Option<Disposition>,
}

/// SIGTERM in a mask: signal n is bit n - 1.
const TERM: u64 = 1 << (libc::SIGTERM - 1);

/// Reads `status` in the directory of a process with so many threads.
pub(super) fn read(directory: &Path, threads: u32) -> Status {
    let (mut status, mut masks) = (Status::default(), [None; 3]);
    let [blocked, ignored, caught] = &mut masks;
    let _ = for_each_line(&directory.join("status"), &mut |line| {
        let Some((key, value)) = std::str::from_utf8(line).ok().and_then(|line| line.split_once(':')) else {
            return ControlFlow::Continue(());
        };
        let mask = || u64::from_str_radix(value.trim(), 16).ok().map(|mask| mask & TERM != 0);
        match key {
            "VmSwap" => status.swap = parse_kib(value),
            "SigBlk" => *blocked = mask(),
            "SigIgn" => *ignored = mask(),
            "SigCgt" => {
                *caught = mask();
                return ControlFlow::Break(());
            }
            _ => {}
        }
        ControlFlow::Continue(())
    });
    status.sigterm = match masks {
        [Some(_), Some(true), Some(_)] => Some(Disposition::Ignored),
        [Some(true), Some(false), Some(caught)] if threads <= 1 || !caught => Some(Disposition::Blocked),
        [Some(_), Some(false), Some(true)] => Some(Disposition::Caught),
        [Some(false), Some(false), Some(false)] => Some(Disposition::Default),
        _ => None,
    };
    status
}

/// `   1234 kB`, in bytes.
fn parse_kib(value: &str) -> Option<u64> {
    value.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forensics::testing::Tree;

    #[test]
    fn what_sigterm_does_and_what_is_in_swap() {
        let read = |threads, blocked: u64, ignored: u64, caught: u64| {
            let text = format!(
                "Name:\tSigCgt: x\nVmSwap:\t    1234 kB\nSigBlk:\t{blocked:016x}\nSigIgn:\t{ignored:016x}\n\
                 SigCgt:\t{caught:016x}\nSeccomp:\t0\n"
            );
            super::read(&Tree::new().file("1/status", text).path().join("1"), threads)
        };
        let others = !TERM;
        let sigterm = |threads, blocked, ignored, caught| read(threads, blocked, ignored, caught).sigterm;
        assert_eq!(read(1, others, others, others).swap, Some(1234 * 1024));
        assert_eq!(sigterm(1, others, others, others), Some(Disposition::Default));
        assert_eq!(sigterm(1, 0, TERM, 0), Some(Disposition::Ignored));
        assert_eq!(sigterm(1, TERM, TERM, 0), Some(Disposition::Ignored));
        assert_eq!(sigterm(1, 0, 0, TERM), Some(Disposition::Caught));
        assert_eq!(sigterm(1, TERM, 0, TERM), Some(Disposition::Blocked));
        assert_eq!(sigterm(8, TERM, 0, TERM), Some(Disposition::Caught), "another thread can take it");
        assert_eq!(sigterm(8, TERM, 0, 0), Some(Disposition::Blocked));
    }

    #[test]
    fn half_a_status_says_nothing() {
        for text in ["", "SigBlk:\t0\nSigIgn:\t0\n", "SigBlk:\tx\nSigIgn:\t0\nSigCgt:\t0\nVmSwap: 5 MB\n"] {
            assert_eq!(read(&Tree::new().file("1/status", text).path().join("1"), 1), Status::default());
        }
        assert_eq!(read(Path::new("/nowhere"), 1), Status::default());
    }
}
