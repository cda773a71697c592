//! The memory of the container, watched while the program runs.

use crate::forensics::{KillTally, Kills, Memory, MemoryCgroup, ShortName, Watch, name_of};
use crate::record::Value;
use nix::unistd::Pid;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long an `oom_kill` record waits for the victim to be reaped, so that it can name it.
const VICTIM_WAIT: Duration = Duration::from_millis(50);

/// A process that the OOM killer took.
#[derive(Debug, Clone, Copy)]
pub struct Victim {
    /// its process ID
    pub pid: Pid,
    /// what it called itself
    pub name: ShortName,
}

impl Victim {
    /// As it stands in a record.
    pub fn value(&self) -> Value {
        Value::Object(vec![
            ("pid", Value::from(i64::from(self.pid.as_raw()))),
            ("name", self.name.as_str().into()),
        ])
    }
}

/// What the kernel tells of this container's memory, from before the program's start on.
#[derive(Debug)]
pub struct Evidence {
    root: PathBuf,
    cgroup: MemoryCgroup,
    before: Memory,
    tally: Option<KillTally>,
    watch: Option<Watch>,
    started: Instant,
    /// a kill that was noticed and has no record yet, and until when the record waits
    unrecorded: Option<Instant>,
    victim: Option<Victim>,
    other_victim: Option<Victim>,
}

impl Evidence {
    /// Finds the memory cgroup and reads the state before the program. `None` where there is none to be seen.
    pub fn gather(root: &Path) -> Option<Evidence> {
        let cgroup = MemoryCgroup::find(root)?;
        let before = cgroup.read();
        Some(Evidence {
            root: root.to_owned(),
            watch: cgroup.watch(),
            tally: before.oom_kills.map(KillTally::new),
            cgroup,
            before,
            started: Instant::now(),
            unrecorded: None,
            victim: None,
            other_victim: None,
        })
    }

    /// What to poll for POLLPRI, on cgroup v2.
    pub fn watch(&self) -> Option<BorrowedFd<'_>> {
        self.watch.as_ref().map(AsFd::as_fd)
    }

    /// When [`Evidence::take_kill`] wants to be called next.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.unrecorded
    }

    /// Looks at the kill counter.
    pub fn look(&mut self) {
        let counter = match &self.watch {
            Some(watch) => {
                let counter = watch.oom_kills();
                if counter.is_none() {
                    // The cgroup is gone from sight, and poll(2) would return at once for ever.
                    self.watch = None;
                }
                counter
            }
            None => self.cgroup.oom_kills(),
        };
        self.observe(counter);
    }

    fn observe(&mut self, counter: Option<u64>) {
        let now = self.started.elapsed();
        if let Some((tally, counter)) = self.tally.as_mut().zip(counter)
            && tally.observe(now, counter) > 0
        {
            self.unrecorded = Some(Instant::now() + VICTIM_WAIT);
        }
    }

    /// Looks at the kill counter where nothing tells when it changes: on cgroup v1.
    pub fn look_where_nothing_watches(&mut self) {
        if self.watch.is_none() {
            self.look();
        }
    }

    /// A child that has died of SIGKILL and can still be looked at.
    pub fn killed(&mut self, pid: Pid, is_program: bool) {
        self.look();
        let is_victim = match &mut self.tally {
            Some(_) if is_program => self.unrecorded.is_some(),
            Some(tally) => tally.reaped(),
            None => false,
        };
        if !is_victim {
            return;
        }
        let name = name_of(&self.root, pid.as_raw()).unwrap_or_else(|| ShortName::new(b"?"));
        let victim = Victim { pid, name };
        self.victim = Some(victim);
        if !is_program {
            self.other_victim = Some(victim);
        }
    }

    /// A kill that is to be recorded now, with the victim when PID 1 has reaped it.
    pub fn take_kill(&mut self, now: Instant, is_last_chance: bool) -> Option<Option<Victim>> {
        let due = self.unrecorded?;
        if self.victim.is_none() && now < due && !is_last_chance {
            return None;
        }
        self.unrecorded = None;
        Some(self.victim.take())
    }

    /// The state now, the counters since the start, the limit no larger than the task's.
    pub fn memory(&self, task_limit: Option<u64>) -> Memory {
        self.cgroup.read().since(&self.before).limited_to(task_limit)
    }

    /// The state as the program was reaped at `at`.
    pub fn at_end(&self, at: Instant, task_limit: Option<u64>) -> AtEnd {
        let after = self.cgroup.read();
        let end = at.saturating_duration_since(self.started);
        AtEnd {
            before: self.before.limited_to(task_limit),
            after: after.limited_to(task_limit),
            kills: self.tally.and_then(|tally| tally.at_end(end, after.oom_kills)),
            other_victim: self.other_victim,
        }
    }
}

/// What the verdict is drawn from.
#[derive(Debug)]
pub struct AtEnd {
    /// the memory before the program's start, raw
    pub before: Memory,
    /// the memory at its end, raw
    pub after: Memory,
    /// the kills in between
    pub kills: Option<Kills>,
    /// the last victim that was not the program
    pub other_victim: Option<Victim>,
}

/// `memory` as it stands in a record. What is not known is left out.
pub fn memory_value(memory: &Memory) -> Value {
    let keys = [
        ("limit", memory.limit),
        ("usage", memory.usage),
        ("peak", memory.peak),
        ("oom_kills", memory.oom_kills),
        ("limit_hits", memory.limit_hits),
    ];
    let mut fields = vec![("cgroup", Value::from(u64::from(memory.cgroup)))];
    fields.extend(keys.into_iter().filter_map(|(key, value)| Some((key, Value::from(value?)))));
    Value::Object(fields)
}
