//! What a health check sees of the container that it runs in: PID 1's age, its log, and the mount namespace.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::time::Duration;

/// When PID 1 was started, counted from the machine's start; it is the container's start.
///
/// # Errors
/// Those of open(2) and read(2), and `InvalidData` where `/proc/1/stat` is not what proc_pid_stat(5) says.
pub(super) fn started() -> io::Result<Duration> {
    let stat = fs::read_to_string("/proc/1/stat")?;
    start_ticks(&stat).map(from_ticks).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Field 22. The second one, the name, stands in parentheses and may hold anything.
fn start_ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(19)?.parse().ok()
}

fn from_ticks(ticks: u64) -> Duration {
    let a_second = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok().flatten();
    let a_second =
        a_second.and_then(|ticks| u64::try_from(ticks).ok()).filter(|ticks| *ticks > 0).unwrap_or(100);
    Duration::from_millis(ticks.saturating_mul(1000) / a_second)
}

/// The inode of our mount namespace; 0 without /proc.
pub(super) fn mount_namespace() -> u64 {
    fs::metadata("/proc/self/ns/mnt").map_or(0, |namespace| namespace.ino())
}

/// The container's log: PID 1's stderr, opened anew so that writing to it never waits.
///
/// `None` where PID 1 is another container's (a shared PID namespace) and where it is not ours to open.
pub(super) fn log() -> Option<File> {
    let namespace =
        |pid: &str| fs::metadata(format!("/proc/{pid}/ns/mnt")).ok().map(|file| (file.dev(), file.ino()));
    if namespace("1")? != namespace("self")? {
        return None;
    }
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    OpenOptions::new().append(true).custom_flags(flags).open("/proc/1/fd/2").ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_stands_in_field_22() {
        let stat = "1 (a) b (c) S 0 1 1 0 -1 4194560 5 6 7 8 9 10 11 12 20 0 1 0 4711 1000 200 18446744073709551615 1";
        assert_eq!(start_ticks(stat), Some(4711));
        for wrong in ["", "1 (a", "1 (a) S 0 1", "1 (a) S 0 1 1 0 -1 4194560 5 6 7 8 9 10 11 12 20 0 1 0 x 1"]
        {
            assert_eq!(start_ticks(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn pid_1_is_older_than_we_are() {
        let started = started().expect("/proc");
        assert!(started <= crate::sys::since_boot());
        assert_ne!(mount_namespace(), 0);
    }
}
