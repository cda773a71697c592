//! The memory of the container, watched while the program runs.

use super::table;
use crate::forensics::{
    Counters, KillTally, Kills, Limits, Memory, MemoryCgroup, Process, SPARED, ShortName, Watch, is_ending,
    largest_listed, name_of,
};
use crate::record::Value;
use nix::unistd::Pid;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long an `oom_kill` record waits for the victim to be reaped, so that it can name it.
const VICTIM_WAIT: Duration = Duration::from_millis(50);

/// How often at most the counter is read because of reaping, where nothing watches it.
const REAP_LOOK: Duration = Duration::from_millis(100);

/// How long a record of memory pressure waits, from the limit hit or the last kill on.
///
/// Reading of processes takes the kernel a little memory, and in a cgroup that is full any may make it look for a
/// victim. Where it would find one anyway it does so meanwhile; where it finds memory to take back, there is room then.
const PRESSURE_WAIT: Duration = Duration::from_millis(50);

/// How long PID 1 may look for the largest processes.
const LARGEST_TIME: Duration = Duration::from_millis(20);

/// The pause between two records of memory pressure: the first, and the longest.
const PRESSURE_PAUSE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3600));

/// A process that the OOM killer took.
#[derive(Debug, Clone, Copy)]
pub struct Victim {
    /// its process ID
    pub pid: Pid,
    /// what it called itself, where that was known before it was reaped
    pub name: Option<ShortName>,
}

impl Victim {
    /// As it stands in a record.
    pub fn value(&self) -> Value {
        let pid = Value::from(i64::from(self.pid.as_raw()));
        let mut fields = vec![("pid", pid)];
        fields.extend(self.name.map(|name| ("name", name.as_str().into())));
        Value::Object(fields)
    }
}

/// What the kernel tells of this container's memory, from before the program's start on.
#[derive(Debug)]
pub struct Evidence {
    root: PathBuf,
    cgroup: MemoryCgroup,
    /// whether that is certainly ours
    certain: bool,
    before: Memory,
    /// as the program was reaped
    after: Option<Memory>,
    tally: Option<KillTally>,
    watch: Option<Watch>,
    started: Instant,
    /// how often to look where nothing can be watched and there is a limit
    poll: Option<Duration>,
    next_look: Option<Instant>,
    last_look: Instant,
    /// a kill that was noticed and has no record yet, and until when the record waits
    unrecorded: Option<Instant>,
    /// when to see whether the program was spared by the kills up to now
    spared_at: Option<Instant>,
    victim: Option<Victim>,
    other_victim: Option<Victim>,
    limit_hits: Option<u64>,
    pressure: Pressure,
}

#[derive(Debug)]
struct Pressure {
    /// when the record of a limit hit is due
    due: Option<Instant>,
    quiet_until: Option<Instant>,
    pause: Duration,
}

impl Evidence {
    /// Finds the memory cgroup by the content of `/proc/self/cgroup`, and reads the state before the program. `None`
    /// where there is none to be seen.
    ///
    /// The program's start waits for this. So where the cgroup is as good as certain the last doubt is left to
    /// [`settle`](Self::settle), and so is all but the kills.
    pub fn gather(root: &Path, membership: &[u8], poll: Option<Duration>) -> Option<Evidence> {
        if let Some((cgroup, before)) = MemoryCgroup::presume(root, membership) {
            return Some(Evidence::of(root, cgroup, before, poll));
        }
        Evidence::search(root, membership, poll)
    }

    /// Finds the memory cgroup whatever it takes.
    pub fn search(root: &Path, membership: &[u8], poll: Option<Duration>) -> Option<Evidence> {
        let cgroup = MemoryCgroup::find(root, membership)?;
        let before = cgroup.read_kills();
        let mut evidence = Evidence::of(root, cgroup, before, poll);
        evidence.begin();
        Some(evidence)
    }

    fn of(root: &Path, cgroup: MemoryCgroup, before: Memory, poll: Option<Duration>) -> Evidence {
        let watch = cgroup.watch();
        let now = Instant::now();
        let poll = poll.filter(|_| watch.is_none());
        Evidence {
            root: root.to_owned(),
            tally: before.oom_kills.map(KillTally::new),
            cgroup,
            certain: false,
            before,
            after: None,
            watch,
            started: now,
            poll,
            next_look: poll.and_then(|poll| now.checked_add(poll)),
            last_look: now,
            unrecorded: None,
            spared_at: None,
            victim: None,
            other_victim: None,
            limit_hits: before.limit_hits,
            pressure: Pressure { due: None, quiet_until: None, pause: PRESSURE_PAUSE.0 },
        }
    }

    /// What to poll for POLLPRI, on cgroup v2.
    pub fn watch(&self) -> Option<BorrowedFd<'_>> {
        self.watch.as_ref().map(AsFd::as_fd)
    }

    /// When [`Evidence::on_time`] wants to be called next.
    pub fn next_deadline(&self) -> Option<Instant> {
        [self.unrecorded, self.next_look, self.pressure.due, self.spared_at].into_iter().flatten().min()
    }

    /// Makes sure of the cgroup, when nobody waits for us any more. `false` where it is another's: then only
    /// [`search`](Self::search) can tell. Called again it does nothing.
    ///
    /// Takes down the rest of the state, which is that of the program's first moment, and opens what will be read at
    /// the end. Stops looking by the clock where there is no limit: nothing is likely to be killed there, and what is,
    /// is noticed at the next reap.
    pub fn settle(&mut self) -> bool {
        if self.certain {
            return true;
        }
        if !self.cgroup.is_ours() {
            return false;
        }
        self.begin();
        true
    }

    fn begin(&mut self) {
        let now = self.cgroup.read();
        self.before = Memory { oom_kills: self.before.oom_kills, ..now };
        self.limit_hits = now.limit_hits;
        self.certain = true;
        if now.limit.is_none() {
            self.poll = None;
            self.next_look = None;
        }
    }

    /// Looks where nothing can be watched, and at the program after a kill, when it is time to.
    pub fn on_time(&mut self, program: Option<Pid>, now: Instant) {
        if self.next_look.is_some_and(|at| at <= now) {
            self.look(now);
        }
        if self.spared_at.is_some_and(|at| at <= now) {
            self.spared_at = None;
            let is_ending = program.and_then(|program| is_ending(&self.root, program.as_raw()));
            match (&mut self.tally, is_ending) {
                (Some(tally), Some(false)) => tally.spared(),
                (Some(tally), Some(true)) => tally.doomed(),
                _ => {}
            }
        }
    }

    /// Looks at the counters.
    pub fn look(&mut self, now: Instant) {
        let counters = match &self.watch {
            Some(watch) => watch.read(),
            None => Some(self.cgroup.counters()),
        };
        if counters.is_none() {
            // The cgroup is gone from sight, and poll(2) would return at once for ever.
            self.watch = None;
        }
        self.last_look = now;
        self.next_look = self.poll.and_then(|poll| now.checked_add(poll));
        self.take(counters.unwrap_or_default(), now);
    }

    fn take(&mut self, counters: Counters, now: Instant) {
        let age = now.saturating_duration_since(self.started);
        if let Some(tally) = self.tally.as_mut().filter(|_| self.watch.is_some()) {
            tally.known(age);
        }
        if let Some((tally, counter)) = self.tally.as_mut().zip(counters.oom_kills)
            && tally.observe(age, counter) > 0
        {
            self.unrecorded = now.checked_add(VICTIM_WAIT);
            self.spared_at = now.checked_add(SPARED);
            self.pressure.due = self.pressure.due.and(now.checked_add(PRESSURE_WAIT));
        }
        if let Some(hits) = counters.limit_hits
            && self.limit_hits.replace(hits).is_some_and(|before| before < hits)
            && self.pressure.quiet_until.is_none_or(|until| until <= now)
        {
            self.pressure.due = now.checked_add(PRESSURE_WAIT);
            self.pressure.quiet_until = now.checked_add(self.pressure.pause);
            self.pressure.pause = (self.pressure.pause * 2).min(PRESSURE_PAUSE.1);
        }
    }

    /// Other processes were reaped: where nothing watches, a look is due, but not for each of thousands.
    pub fn reaped(&mut self, now: Instant) {
        if self.watch.is_some() {
            return;
        }
        let due = self.last_look + REAP_LOOK;
        if due <= now {
            self.look(now);
        } else {
            self.next_look = Some(self.next_look.map_or(due, |next| next.min(due)));
        }
    }

    /// What a process calls itself that is not reaped yet.
    pub fn name_of(&self, pid: Pid) -> Option<ShortName> {
        name_of(&self.root, pid.as_raw())
    }

    /// A child that has died of SIGKILL and was just reaped, with its name if that is known.
    pub fn killed(&mut self, pid: Pid, is_program: bool, name: Option<ShortName>, now: Instant) {
        self.look(now);
        let is_victim = match &mut self.tally {
            // A victim of its own: whether the kill was the program's is for the verdict to say.
            Some(_) if is_program => self.unrecorded.is_some(),
            Some(tally) => tally.reaped(),
            None => false,
        };
        if !is_victim {
            return;
        }
        let victim = Victim { pid, name };
        // The record of this kill may have been written already, and the next one is not of this victim.
        self.victim = self.unrecorded.map(|_| victim);
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

    /// Whether the limit was hit and that is to be recorded now.
    pub fn take_pressure(&mut self, now: Instant) -> bool {
        let is_due = |pressure: &Pressure| pressure.due.is_some_and(|due| due <= now);
        if is_due(&self.pressure) {
            // A kill since the last look puts it off.
            self.look(now);
        }
        let due = is_due(&self.pressure);
        if due {
            self.pressure.due = None;
        }
        due
    }

    /// The `count` largest processes of the container but ourselves.
    pub fn largest(&self, count: usize) -> Vec<Process> {
        let own = [table::own_pid()];
        let limits = Limits { processes: 1000, time: LARGEST_TIME, exclude: &own };
        largest_listed(&self.root, &self.cgroup.procs_path(), count, limits)
    }

    /// The state now, the counters since the start, the limit no larger than the task's.
    pub fn memory(&self, task_limit: Option<u64>) -> Memory {
        self.cgroup.read().since(&self.before).limited_to(task_limit)
    }

    /// Reads the state as the program was reaped at `at`, and takes note of a kill that it outlived by a moment only.
    pub fn read_at_end(&mut self, at: Instant) {
        let after = self.cgroup.read();
        self.take(Counters { oom_kills: after.oom_kills, limit_hits: after.limit_hits }, at);
        self.after = Some(after);
    }

    /// That state, and what is known besides.
    pub fn at_end(&self, at: Instant, task_limit: Option<u64>) -> AtEnd {
        let after = self.after.unwrap_or_else(|| self.cgroup.read());
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
    /// the counters before the program's start
    pub before: Memory,
    /// the memory at its end, the counters not relative to the start
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn another_ones_cgroup_in_the_usual_place_is_given_up() {
        let tree = tempfile::tempdir().expect("a directory");
        let file = |path: &str, content: &str| {
            let path = tree.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            fs::write(path, content).expect("a file");
        };
        let membership = b"0::/own\n";
        file("sys/fs/cgroup/own/memory.events", "max 0\noom_kill 7\n");
        file("sys/fs/cgroup/own/cgroup.procs", "4000000\n");
        file("proc/self/mountinfo", "9 1 0:33 / /elsewhere rw - cgroup2 cgroup rw\n");
        file("elsewhere/own/memory.events", "max 0\noom_kill 2\n");
        let kills = |evidence: &Evidence| evidence.before.oom_kills;

        let mut evidence = Evidence::gather(tree.path(), membership, None).expect("a cgroup");
        assert_eq!((kills(&evidence), evidence.certain), (Some(7), false));
        assert!(!evidence.settle());
        let mut found = Evidence::search(tree.path(), membership, None).expect("a cgroup");
        assert_eq!((kills(&found), found.certain, found.settle()), (Some(2), true, true));

        file("sys/fs/cgroup/own/cgroup.procs", &format!("{}\n", std::process::id()));
        assert!(evidence.settle() && evidence.certain);
    }

    #[test]
    fn a_victim_that_is_reaped_late_is_counted_and_names_no_later_kill() {
        let tree = tempfile::tempdir().expect("a directory");
        let own = tree.path().join("sys/fs/cgroup/own");
        fs::create_dir_all(&own).expect("a directory");
        let kills = |count| {
            fs::write(own.join("memory.events"), format!("max 0\noom_kill {count}\n")).expect("a file")
        };
        fs::write(own.join("cgroup.procs"), format!("{}\n", std::process::id())).expect("a file");
        kills(0);
        let mut evidence = Evidence::gather(tree.path(), b"0::/own\n", None).expect("a cgroup");
        let at = |ms| evidence_start(&evidence) + Duration::from_millis(ms);
        let (seen, recorded, reaped, later) = (at(10), at(70), at(100), at(3_600_000));
        let end = later + Duration::from_millis(100);

        kills(1);
        evidence.look(seen);
        assert!(evidence.take_kill(seen, false).is_none(), "the record waits for the victim");
        assert!(evidence.take_kill(recorded, false).is_some_and(|victim| victim.is_none()));
        evidence.killed(Pid::from_raw(77), false, Some(ShortName::new(b"worker")), reaped);
        kills(2);
        evidence.look(later);
        assert!(evidence.take_kill(later, false).is_none(), "its victim is not known yet");
        evidence.killed(Pid::from_raw(78), false, None, later);
        let victim = evidence.take_kill(later, false).flatten().expect("a victim");
        assert_eq!((victim.pid.as_raw(), victim.name.is_none()), (78, true));
        let kills = evidence.at_end(end, None).kills.expect("a counter");
        assert_eq!((kills.total(), kills.unexplained()), (2, 0));
    }

    fn evidence_start(evidence: &Evidence) -> Instant {
        evidence.started
    }
}
