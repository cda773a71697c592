//! What one health check leaves to the next: a small file in `/dev/shm`.
//!
//! It holds how it has gone lately, who the container is, and the last sample of the statistics. Its name has
//! the mount namespace, since `/dev/shm` may be shared by the containers of a task, and what is in it counts
//! only for the PID 1 that was there when it was written. A file that is not as we write it is written anew.

use super::due::{Outcome, Streak};
use crate::forensics::Sample;
use crate::record::{Frames, RenderedIdentity};
use nix::fcntl::{Flock, FlockArg};
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The most that is read of the file, in bytes.
const LONGEST: u64 = 16 * 1024;

/// The first line.
const MAGIC: &str = "epitaph-health 1";

/// How many figures a [`Sample`] has.
const FIGURES: usize = 25;

/// What is kept.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct State {
    pub(super) streak: Option<Streak>,
    /// how often the endpoint was asked who the container is
    pub(super) asked: u64,
    pub(super) identity: RenderedIdentity,
    /// the last sample, and when it was, since the machine's start
    pub(super) sample: Option<(Duration, Sample)>,
}

/// The file, ours alone while this lives.
#[derive(Debug)]
pub(super) struct StateFile(Flock<File>);

/// The file of this mount namespace.
pub(super) fn path(directory: &Path, mount_namespace: u64) -> PathBuf {
    directory.join(format!("epitaph-health.{mount_namespace}"))
}

impl StateFile {
    /// Opens and locks it, without waiting.
    ///
    /// # Errors
    /// Those of open(2), and of flock(2) when another health check is at it; `PermissionDenied` where the
    /// file is not such that only we can have written it.
    pub(super) fn open(path: &Path) -> io::Result<StateFile> {
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(flags)
            .open(path)?;
        let metadata = file.metadata()?;
        let is_ours = metadata.is_file()
            && metadata.nlink() == 1
            && metadata.uid() == nix::unistd::geteuid().as_raw()
            && metadata.mode() & 0o077 == 0;
        if !is_ours {
            return Err(ErrorKind::PermissionDenied.into());
        }
        let locked = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| error)?;
        Ok(StateFile(locked))
    }

    /// What was left, if it was for the PID 1 that was started at `pid_1`.
    pub(super) fn read(&mut self, pid_1: Duration) -> State {
        let mut bytes = Vec::new();
        // What cannot be read is as good as not there.
        let _ = (&*self.0).take(LONGEST).read_to_end(&mut bytes);
        State::decode(&bytes, pid_1).unwrap_or_default()
    }

    /// Replaces it.
    ///
    /// # Errors
    /// Those of lseek(2), ftruncate(2) and write(2).
    pub(super) fn write(&mut self, state: &State, pid_1: Duration) -> io::Result<()> {
        let bytes = state.encode(pid_1);
        let mut file = &*self.0;
        file.rewind()?;
        file.set_len(0)?;
        file.write_all(&bytes)
    }
}

impl State {
    fn encode(&self, pid_1: Duration) -> Vec<u8> {
        let mut text = format!("{MAGIC}\n{} {}\n", pid_1.as_millis(), self.asked);
        if let Some(Streak { outcome, length, since }) = self.streak {
            let since = since.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            // Writing to a String cannot fail.
            let _ = write!(text, "{} {length} {}", outcome.name(), since.as_millis());
        }
        text.push('\n');
        if let Some((at, sample)) = &self.sample {
            let _ = write!(text, "{}", at.as_millis());
            for figure in figures(sample) {
                let _ = match figure {
                    Some(figure) => write!(text, " {figure}"),
                    None => write!(text, " -"),
                };
            }
        }
        text.push('\n');
        [text.into_bytes(), self.identity.encode()].concat()
    }

    fn decode(bytes: &[u8], pid_1: Duration) -> Option<State> {
        let mut parts = bytes.splitn(5, |byte| *byte == b'\n');
        let mut line = || std::str::from_utf8(parts.next()?).ok();
        if line()? != MAGIC {
            return None;
        }
        let (begun, asked) = line()?.split_once(' ')?;
        if begun.parse::<u128>().ok()? != pid_1.as_millis() {
            return None;
        }
        let mut words = line()?.split_ascii_whitespace();
        let streak = match words.next() {
            None => None,
            Some(outcome) => Some(Streak {
                outcome: Outcome::from_name(outcome)?,
                length: words.next()?.parse().ok()?,
                since: SystemTime::UNIX_EPOCH
                    .checked_add(Duration::from_millis(words.next()?.parse().ok()?))?,
            }),
        };
        let mut words = line()?.split_ascii_whitespace();
        let sample = match words.next() {
            None => None,
            Some(at) => {
                let mut read = [None; FIGURES];
                for place in &mut read {
                    *place = match words.next()? {
                        "-" => None,
                        figure => Some(figure.parse().ok()?),
                    };
                }
                Some((Duration::from_millis(at.parse().ok()?), sample_of(read)))
            }
        };
        let mut identity = RenderedIdentity::default();
        for (frame, bytes) in Frames::default().push(parts.next()?) {
            identity.absorb(frame, bytes);
        }
        Some(State { streak, asked: asked.parse().ok()?, identity, sample })
    }
}

/// The figures of a sample, in an order that [`sample_of`] knows.
#[rustfmt::skip]
fn figures(sample: &Sample) -> [Option<u64>; FIGURES] {
    let Sample {
        cpu_ns, throttled_ns, throttled_periods, periods, cpu_limit_milli, memory_usage, memory_anon, memory_file,
        memory_shmem, inactive_file, memory_limit, memory_peak, swap, memory_and_swap, oom_kills, limit_hits, pids,
        pids_limit, read_bytes, write_bytes, net_rx_bytes, net_tx_bytes, cpu_stall_us, memory_stall_us, io_stall_us,
    } = *sample;
    [
        cpu_ns, throttled_ns, throttled_periods, periods, cpu_limit_milli, memory_usage, memory_anon, memory_file,
        memory_shmem, inactive_file, memory_limit, memory_peak, swap, memory_and_swap, oom_kills, limit_hits, pids,
        pids_limit, read_bytes, write_bytes, net_rx_bytes, net_tx_bytes, cpu_stall_us, memory_stall_us, io_stall_us,
    ]
}

#[rustfmt::skip]
fn sample_of(figures: [Option<u64>; FIGURES]) -> Sample {
    let [
        cpu_ns, throttled_ns, throttled_periods, periods, cpu_limit_milli, memory_usage, memory_anon, memory_file,
        memory_shmem, inactive_file, memory_limit, memory_peak, swap, memory_and_swap, oom_kills, limit_hits, pids,
        pids_limit, read_bytes, write_bytes, net_rx_bytes, net_tx_bytes, cpu_stall_us, memory_stall_us, io_stall_us,
    ] = figures;
    Sample {
        cpu_ns, throttled_ns, throttled_periods, periods, cpu_limit_milli, memory_usage, memory_anon, memory_file,
        memory_shmem, inactive_file, memory_limit, memory_peak, swap, memory_and_swap, oom_kills, limit_hits, pids,
        pids_limit, read_bytes, write_bytes, net_rx_bytes, net_tx_bytes, cpu_stall_us, memory_stall_us, io_stall_us,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Field, Identity, Source};
    use crate::record::Formats;

    const PID_1: Duration = Duration::from_millis(4711);

    fn state() -> State {
        let mut identity = Identity::default();
        identity.offer(Field::ContainerId, &"a".repeat(64), Source::Cgroup).expect("an ID");
        State {
            streak: Some(Streak {
                outcome: Outcome::TimedOut,
                length: 3,
                since: SystemTime::UNIX_EPOCH + Duration::from_millis(1_234_567),
            }),
            asked: 1,
            identity: RenderedIdentity::of(&identity, Formats { json: true, text: false }).without_rest(),
            sample: Some((
                Duration::from_secs(7),
                Sample { cpu_ns: Some(u64::MAX), io_stall_us: Some(0), ..Sample::default() },
            )),
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for state in [state(), State::default()] {
            assert_eq!(State::decode(&state.encode(PID_1), PID_1), Some(state));
        }
    }

    #[test]
    fn another_pid_1_has_no_past() {
        assert_eq!(State::decode(&state().encode(PID_1), Duration::ZERO), None);
    }

    #[test]
    fn half_a_file_and_nonsense_are_no_state() {
        let whole = state().encode(PID_1);
        for end in 0..whole.len() {
            // Whole frames may be there; what stands before them is all or nothing.
            if let Some(read) = State::decode(&whole[..end], PID_1) {
                assert_eq!((read.streak, read.sample), (state().streak, state().sample));
            }
        }
        for wrong in
            ["", "x", "epitaph-health 1\nx 1\n\n\n", "epitaph-health 1\n4711 x\n\n\n", "\u{0}\n\n\n\n\n"]
        {
            assert_eq!(State::decode(wrong.as_bytes(), PID_1), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_file_that_others_can_have_made_is_not_taken() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().expect("a directory");
        let file = path(directory.path(), 1);
        std::fs::write(&file, "x").expect("written");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).expect("a mode");
        assert!(StateFile::open(&file).is_err());
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("a mode");
        assert!(StateFile::open(&file).is_ok());
        std::fs::hard_link(&file, directory.path().join("other")).expect("a link");
        assert!(StateFile::open(&file).is_err());
        let link = path(directory.path(), 2);
        std::os::unix::fs::symlink("elsewhere", &link).expect("a link");
        assert!(StateFile::open(&link).is_err());
    }

    #[test]
    fn only_one_is_at_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = path(directory.path(), 1);
        let mut first = StateFile::open(&file).expect("the file");
        assert!(StateFile::open(&file).is_err());
        assert_eq!(first.read(PID_1), State::default());
        first.write(&state(), PID_1).expect("written");
        drop(first);
        assert_eq!(StateFile::open(&file).expect("the file").read(PID_1), state());
    }
}
