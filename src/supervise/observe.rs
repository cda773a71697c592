//! What PID 1 notices while the program runs: memory, and an identity that comes late.

use super::evidence::memory_value;
use super::helper::Purpose;
use super::{Supervisor, late, read_frames, table};
use crate::record::{Formats, Frame, Frames, Kind, Value};
use crate::sys;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::fs::File;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// How many processes a record of memory pressure names.
const LARGEST: usize = 5;

impl Supervisor {
    /// Looks at the memory, where `changed` says that it told so, or where it is time to.
    pub(super) fn observe_memory(&mut self, changed: bool, now: Instant) {
        let Some(evidence) = &mut self.evidence else { return };
        if changed {
            evidence.look(now);
        }
        evidence.on_time(self.program, now);
        self.record_kill(now, false);
        let Some(evidence) = &mut self.evidence else { return };
        if evidence.take_pressure(now) {
            let memory = evidence.memory(self.identity.task_memory_limit());
            // Not in a helper: in a cgroup that is full, the memory of a fork can be what makes the kernel kill.
            let processes = evidence.largest(LARGEST);
            self.write(
                Kind::MemoryPressure,
                vec![("memory", memory_value(&memory)), ("processes", table::value(&processes))],
            );
        }
    }

    /// Writes of a kill that is due for it.
    pub(super) fn record_kill(&mut self, now: Instant, is_last_chance: bool) {
        let Some(evidence) = &mut self.evidence else { return };
        let Some(victim) = evidence.take_kill(now, is_last_chance) else { return };
        let memory = evidence.memory(self.identity.task_memory_limit());
        let mut fields = vec![("memory", memory_value(&memory))];
        fields.extend(victim.map(|victim| ("victim", victim.value())));
        self.write(Kind::OomKill, fields);
    }

    /// The program runs without its identity: a helper goes on looking for it.
    pub(super) fn look_for_late_identity(&mut self) {
        if self.resolved || !self.executed || self.not_started.is_some() || self.program.is_none() {
            return;
        }
        let (formats, pause_first) = (self.formats(), self.waits_for_identity);
        // The helper gives up by itself, with a warning.
        let time = late::PATIENCE + Duration::from_secs(10);
        self.late = self.spawn_searcher(time, |pipe| late::search(pipe, formats, pause_first));
    }

    fn spawn_searcher(&mut self, time: Duration, search: impl FnOnce(File) -> u8) -> Option<File> {
        let (read, write) = match nix::unistd::pipe2(OFlag::O_CLOEXEC) {
            Ok((read, write)) => (File::from(read), File::from(write)),
            Err(error) => {
                log::warn!("cannot look for the identity any longer: {error}");
                return None;
            }
        };
        // Of this end alone: the helper can wait for room. Fails only for a flag that does not exist.
        let _ = fcntl(&read, FcntlArg::F_SETFL(OFlag::O_NONBLOCK));
        self.late_frames = Frames::default();
        let runs = self.helpers.spawn(Purpose::Identity, time, || search(write));
        runs.then_some(read)
    }

    fn formats(&self) -> Formats {
        Formats::new(self.format, self.journal.is_some())
    }

    /// Takes what the helper has found.
    pub(super) fn take_late_frames(&mut self) {
        if self.late.is_none() {
            return;
        }
        while let Some(frames) = read_frames(&mut self.late, &mut self.late_frames) {
            for (frame, bytes) in frames {
                if frame == Frame::Resolved {
                    self.resolved = true;
                } else {
                    self.identity.absorb(frame, bytes);
                }
            }
        }
        if self.resolved {
            self.late = None;
            let ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
            let program = Value::from(self.program_name.as_str());
            self.write(Kind::Identity, vec![("program", program), ("identity_ms", Value::from(ms))]);
        }
    }

    /// One last try before the exit record, unless somebody waits for our end.
    pub(super) fn try_identity_once_more(&mut self, now: Instant) {
        let is_unknown = !self.resolved && self.executed && self.not_started.is_none();
        if !is_unknown || self.core.is_in_a_hurry(now, late::LAST_TRY) {
            return;
        }
        let formats = self.formats();
        self.late = self.spawn_searcher(late::LAST_TRY, |pipe| late::last_try(pipe, formats));
        let deadline = now + late::LAST_TRY;
        while let Some(pipe) = &self.late {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { break };
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
            let mut fds = [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)];
            if !matches!(poll(&mut fds, timeout), Ok(1)) {
                break;
            }
            self.take_late_frames();
        }
        self.helpers.end(Purpose::Identity);
    }

    /// Waits until no helper of `purpose` runs, to the deadline; those that still do are ended then.
    pub(super) fn wait_for_helper(&mut self, purpose: Purpose, deadline: Instant) {
        while self.helpers.any(purpose) {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                self.helpers.end(purpose);
                return;
            };
            let timeout = PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::ZERO);
            let mut fds = [PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
            // Whatever comes now is too late for the program; children still have to be reaped.
            match poll(&mut fds, timeout) {
                Ok(1) => drop(self.signals.read()),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(_) => drop(self.signals.look(left.min(Duration::from_millis(10)))),
            }
            while let Some(ended) = sys::reap() {
                if let Some((purpose, code)) = self.helpers.ended(&ended) {
                    self.helper_ended(purpose, code);
                } else {
                    self.reaped += 1;
                }
            }
        }
    }
}
