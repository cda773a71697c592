//! Which run of the container this is.
//!
//! Every run of a container has the same ID, so runs in one log come apart only by something of the run
//! itself: the time at which its first process began. The kernel knows it to 10 ms, in clock ticks since the
//! machine's boot (field 22 of `/proc/PID/stat`, proc_pid_stat(5)); with four digits of the boot's ID
//! (`/proc/sys/kernel/random/boot_id`, random(4)) before it, the runs on both sides of a reboot are apart
//! too.
//!
//! It is read once, before the first fork, and what is forked off has it.

use crate::sys;
use std::fs::File;
use std::io::Read;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

/// Clock ticks in a second: USER_HZ, which is 100 on every architecture that epitaph is built for.
const TICKS: u64 = 100;

/// One run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    token: String,
    /// since the machine's boot
    ticks: u64,
    is_pid_1: bool,
}

static RUN: OnceLock<Run> = OnceLock::new();

/// Takes down when this process began, which every record of it then tells. To be called before the first
/// fork.
pub fn begin() {
    RUN.get_or_init(|| Run::of("self", nix::unistd::getpid().as_raw() == 1));
}

/// Takes down when PID 1 began: for a process that is started in a container beside it, such as a health
/// check.
pub fn begin_beside_pid_1() {
    RUN.get_or_init(|| Run::of("1", true));
}

/// The run, once one of the above was called.
pub fn current() -> Option<&'static Run> {
    RUN.get()
}

impl Run {
    fn of(process: &str, is_pid_1: bool) -> Run {
        let mut buffer = [0; 1024];
        let ticks = start_ticks(read(&format!("/proc/{process}/stat"), &mut buffer));
        let boot = read("/proc/sys/kernel/random/boot_id", &mut buffer).get(..4);
        let boot = boot.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let boot = boot.and_then(|digits| std::str::from_utf8(digits).ok()).unwrap_or("0000");
        // Without /proc it is the time of this look, which is the same in all records all the same.
        let ticks = ticks.unwrap_or_else(|| {
            u64::try_from(sys::time_since_boot().as_millis()).unwrap_or(0) / (1000 / TICKS)
        });
        Run { token: format!("{boot}-{ticks:x}"), ticks, is_pid_1 }
    }

    /// The token: four hexadecimal digits of the boot, a hyphen, the ticks in hexadecimal.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Whether it began with PID 1, and so with the container.
    pub fn is_pid_1(&self) -> bool {
        self.is_pid_1
    }

    /// How long ago it began, to 10 ms, time in suspend included.
    pub fn age(&self) -> Duration {
        let began = Duration::from_millis(self.ticks.saturating_mul(1000 / TICKS));
        sys::time_since_boot().saturating_sub(began)
    }

    /// When it began by the clock, to 10 ms.
    pub fn started(&self) -> Option<SystemTime> {
        let began = Duration::from_millis(self.ticks.checked_mul(1000 / TICKS)?);
        SystemTime::now().checked_sub(sys::time_since_boot().checked_sub(began)?)
    }
}

fn read<'a>(path: &str, buffer: &'a mut [u8]) -> &'a [u8] {
    let length = File::open(path).and_then(|mut file| file.read(buffer)).unwrap_or(0);
    buffer.get(..length).unwrap_or_default()
}

/// Field 22 of the text of `/proc/PID/stat`. The second one is the name in parentheses, which may hold any of
/// these.
pub fn start_ticks(stat: &[u8]) -> Option<u64> {
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(stat.get(end + 1..)?).ok()?;
    // The first one after it is field 3.
    rest.split_ascii_whitespace().nth(22 - 3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_in_a_stat_line() {
        let stat = b"7 (a) b (c) R 1 7 7 0 -1 4194560 98 0 0 0 0 0 0 0 20 0 1 0 123456 2654208 200 1844 1 1";
        assert_eq!(start_ticks(stat), Some(123_456));
        for wrong in ["", "7", "7 (a)", "7 (a) R 1 2 3", "no parenthesis 1 2 3"] {
            assert_eq!(start_ticks(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn this_process_began_a_while_ago() {
        let run = Run::of("self", false);
        let started = run.started().expect("a time");
        let age = SystemTime::now().duration_since(started).unwrap_or_default();
        assert!(age < Duration::from_secs(600), "{age:?}");
        let (boot, ticks) = run.token().split_once('-').expect("two parts");
        assert!(boot.len() == 4 && u64::from_str_radix(ticks, 16) == Ok(run.ticks), "{}", run.token());
        assert_eq!(Run::of("self", false), run);
        assert_ne!(Run::of("1", true).token(), run.token());
    }
}
