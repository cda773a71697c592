//! Whose OOM kills they were, and when a kill is told.
//!
//! The kernel counts the kills of a cgroup and tells nobody who was killed. A program that SIGKILL has ended
//! may have been the victim, or the counter rose for one of its workers and the program was killed by
//! somebody else. These facts tell them apart:
//!
//! 1. a process that died of SIGKILL was reaped after the counter rose, while the program was not being
//!    killed: the kill was that process's. While the program is being killed, or after its end, a process
//!    that dies of SIGKILL may die with it (`PR_SET_PDEATHSIG`, prctl(2)), and proves nothing;
//! 2. a helper of ours died of a SIGKILL that we had not sent: the kill was the helper's;
//! 3. the program, 1 s after the rise, has no SIGKILL pending and is not exiting: the kill was another's.
//!
//! Where none is known, the time in which the rise can have been says how much the rest is worth.

mod tally;

pub use super::event::{Baseline, Counted, Victim};

use self::tally::Tally;
use super::event::{Action, Actions, Child, Ending, LATE, put};
use super::helpers::Finished;
use crate::forensics::{self, Counters, SPARED};
use std::time::{Duration, Instant};

/// How long an `oom_kill` record waits for the victim to be reaped, so that it can name it.
const VICTIM_WAIT: Duration = Duration::from_millis(50);

/// How often at most the counter is read because of reaping, where nothing watches it.
const REAP_LOOK: Duration = Duration::from_millis(100);

/// How long a record of memory pressure waits after the limit was hit or after the last kill.
///
/// To read the process table the kernel needs a little memory. In a full cgroup even that can make it kill
/// somebody. After this time it has killed whom it would have killed anyway, or has reclaimed memory.
const PRESSURE_WAIT: Duration = Duration::from_millis(50);

/// The pause between two records of memory pressure: the first, and the longest.
const PRESSURE_PAUSE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3600));

/// A process that died of SIGKILL, of which it is being found out whether the OOM killer took it.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    victim: Victim,
    is_program: bool,
}

/// The kills of a life.
#[derive(Debug)]
pub struct Kills {
    watched: bool,
    /// how often to look where nothing tells of changes and there is a limit
    poll: Option<Duration>,
    next_look: Option<Instant>,
    last_look: Instant,
    tally: Option<Tally>,
    candidate: Option<Candidate>,
    /// kills that have no record yet, and until when the record waits
    unrecorded: Option<(u64, Instant)>,
    /// when to see whether the program was spared by the kills up to now
    spared_at: Option<Instant>,
    /// the victim that the next record can name
    victim: Option<Victim>,
    last_other: Option<Victim>,
    hits: Option<u64>,
    pressure: Pressure,
    program_is_gone: bool,
}

#[derive(Debug)]
struct Pressure {
    /// when the record of a limit hit is due
    due: Option<Instant>,
    quiet_until: Option<Instant>,
    pause: Duration,
    /// whether a last look is under way, since a kill meanwhile puts the record off
    looking: bool,
}

impl Kills {
    /// Counts from `baseline`; where nothing tells of changes looks every `poll`.
    pub fn new(now: Instant, baseline: Baseline, poll: Option<Duration>) -> Kills {
        let poll = poll.filter(|_| !baseline.watched && baseline.limited);
        Kills {
            watched: baseline.watched,
            poll,
            next_look: poll.and_then(|poll| now.checked_add(poll)),
            last_look: now,
            tally: baseline.counters.oom_kills.map(|kills| Tally::new(now, kills)),
            candidate: None,
            unrecorded: None,
            spared_at: None,
            victim: None,
            last_other: None,
            hits: baseline.counters.hits(),
            pressure: Pressure { due: None, quiet_until: None, pause: PRESSURE_PAUSE.0, looking: false },
            program_is_gone: false,
        }
    }

    /// Whether it counts from that value of the kill counter.
    pub(super) fn counts_from(&self, baseline: &Baseline) -> bool {
        self.tally.map(|tally| tally.baseline) == baseline.counters.oom_kills
    }

    /// The cgroup is certainly ours, and the rest of the baseline is known.
    pub(super) fn confirm(&mut self, baseline: Baseline) {
        self.hits = baseline.counters.hits();
        if !baseline.limited {
            self.poll = None;
            self.next_look = None;
        }
    }

    /// Whether nobody tells of a kill (cgroup v1).
    pub(super) fn is_blind(&self) -> bool {
        !self.watched
    }

    /// The last victim that was not the program.
    pub fn last_other(&self) -> Option<Victim> {
        self.last_other
    }

    /// What is known of the kills at the program's end, after a last [`Counted`]. `None` where nobody knows.
    pub fn at_end(&self, end: Instant) -> Option<forensics::Kills> {
        self.tally?.at_end(end)
    }

    /// The record of kills that have none yet, when there will be no better moment.
    pub fn record_now(&mut self) -> Option<Action> {
        let (new, _) = self.unrecorded.take()?;
        Some(Action::RecordKill { new, victim: self.victim.take() })
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let unrecorded = self.unrecorded.map(|(_, due)| due);
        [unrecorded, self.next_look, self.pressure.due, self.spared_at].into_iter().flatten().min()
    }

    pub(super) fn on_counted(&mut self, now: Instant, counted: Counted, to: &mut Actions) {
        if counted.watch_is_gone {
            self.watched = false;
        }
        self.last_look = now;
        self.next_look = self.poll.and_then(|poll| now.checked_add(poll));
        self.observe(now, counted.counters);
        if std::mem::take(&mut self.pressure.looking) && self.pressure.due.is_some_and(|due| due <= now) {
            self.pressure.due = None;
            put(to, Some(Action::RecordPressure));
        }
        self.on_candidate(now, to);
        put(to, self.record_when_due(now));
    }

    /// Nobody outlives anything while the machine stands still: of the time up to a look that comes late
    /// none counts as lived.
    fn notice_a_freeze(&mut self, now: Instant) {
        if let Some((at, tally)) = self.spared_at.zip(self.tally.as_mut()) {
            let late = now.saturating_duration_since(at);
            if late >= LATE {
                tally.not_lived += late + SPARED;
                self.spared_at = Some(now);
            }
        }
    }

    fn observe(&mut self, now: Instant, counters: Counters) {
        self.notice_a_freeze(now);
        if let Some((tally, counter)) = self.tally.as_mut().zip(counters.oom_kills) {
            if self.watched {
                // The kernel would have told of a rise before this moment.
                tally.unchanged(now);
            }
            let new = tally.observe(now, counter);
            if new > 0 {
                let (waiting, due) = self.unrecorded.unwrap_or((0, now + VICTIM_WAIT));
                self.unrecorded = Some((waiting + new, due));
                self.spared_at = now.checked_add(SPARED).filter(|_| !self.program_is_gone);
                self.pressure.due = self.pressure.due.and(now.checked_add(PRESSURE_WAIT));
            }
        } else if let Some(tally) = &mut self.tally {
            tally.is_known = false;
        }
        if let Some(hits) = counters.hits()
            && self.hits.replace(hits).is_some_and(|before| before < hits)
            && self.pressure.quiet_until.is_none_or(|until| until <= now)
            && !self.program_is_gone
        {
            self.pressure.due = now.checked_add(PRESSURE_WAIT);
            self.pressure.quiet_until = now.checked_add(self.pressure.pause);
            self.pressure.pause = (self.pressure.pause * 2).min(PRESSURE_PAUSE.1);
        }
    }

    /// The program was reaped. A last look follows at the end; this one is for the name of a victim.
    pub(super) fn on_program_reaped(&mut self, now: Instant, child: Child, to: &mut Actions) {
        self.notice_a_freeze(now);
        self.program_is_gone = true;
        self.spared_at = None;
        self.next_look = None;
        self.poll = None;
        self.pressure.due = None;
        if child.ending == Ending::Signaled(libc::SIGKILL) {
            let victim = Victim { pid: child.pid, name: child.name, is_helper: false };
            self.candidate = Some(Candidate { victim, is_program: true });
            put(to, Some(Action::CountKills));
        }
    }

    /// Another child than the program was reaped while the program lives.
    pub(super) fn on_other_reaped(
        &mut self,
        now: Instant,
        child: Child,
        helper: Option<Finished>,
        to: &mut Actions,
    ) {
        let was_killed = match helper {
            Some(helper) => helper.was_killed_by_another(),
            None => child.ending == Ending::Signaled(libc::SIGKILL),
        };
        if was_killed && self.tally.is_some() {
            let victim = Victim { pid: child.pid, name: child.name, is_helper: helper.is_some() };
            self.candidate = Some(Candidate { victim, is_program: false });
            put(to, Some(Action::CountKills));
        } else if helper.is_none() && !self.watched {
            // A look is due, but not for each of thousands.
            let due = self.last_look + REAP_LOOK;
            if due <= now {
                put(to, Some(Action::CountKills));
            } else {
                self.next_look = Some(self.next_look.map_or(due, |next| next.min(due)));
            }
        }
    }

    fn on_candidate(&mut self, now: Instant, to: &mut Actions) {
        let Some((candidate, tally)) = self.candidate.zip(self.tally.as_mut()) else { return };
        if candidate.victim.is_helper {
            self.candidate = None;
            if tally.took_helper(now, self.program_is_gone) {
                self.explain(candidate.victim);
            }
        } else if tally.unexplained() == 0 {
            // All kills are explained, so this process was no victim.
            self.candidate = None;
        } else if candidate.is_program {
            self.candidate = None;
            // The verdict decides whether the program was the victim. A record of a kill of just now may name
            // the program.
            self.victim = self.unrecorded.map(|_| candidate.victim);
        } else {
            put(to, Some(Action::LookAtProgram));
        }
    }

    /// A kill was another's.
    fn explain(&mut self, victim: Victim) {
        if let Some(tally) = &mut self.tally {
            tally.others += 1;
            if tally.unexplained() == 0 {
                tally.unsure = None;
            }
        }
        // The record of this kill may have been written already, and the next one is not of this victim.
        self.victim = self.unrecorded.map(|_| victim);
        self.last_other = Some(victim);
    }

    pub(super) fn on_program_seen(&mut self, now: Instant, is_ending: Option<bool>, to: &mut Actions) {
        let Some(tally) = &mut self.tally else { return };
        let candidate = self.candidate.take();
        match (candidate, is_ending) {
            (Some(candidate), Some(false)) => self.explain(candidate.victim),
            (None, Some(false)) => tally.spared(now),
            (_, Some(true)) => tally.doomed = true,
            (Some(_), None) => {
                let (count, since) = tally.unsure.unwrap_or((0, now));
                tally.unsure = Some((count + 1, since));
            }
            (None, None) => {}
        }
        // Until it has outlived the kill: without a next look nobody would notice a freeze.
        let is_open =
            self.tally.as_ref().is_some_and(|tally| tally.unexplained() > 0 && !tally.is_outlived(now));
        if is_ending.is_none() && is_open {
            self.spared_at = self.spared_at.or_else(|| now.checked_add(SPARED));
        }
        put(to, self.record_when_due(now));
    }

    pub(super) fn on_time(&mut self, now: Instant, runs: bool, to: &mut Actions) {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        self.notice_a_freeze(now);
        if is_due(self.spared_at) {
            self.spared_at = None;
            put(to, runs.then_some(Action::LookAtProgram));
        }
        if is_due(self.pressure.due) {
            self.pressure.looking = true;
        }
        if is_due(self.next_look) || self.pressure.looking {
            self.next_look = None;
            put(to, Some(Action::CountKills));
        }
        put(to, self.record_when_due(now));
    }

    fn record_when_due(&mut self, now: Instant) -> Option<Action> {
        let (_, due) = self.unrecorded?;
        if self.victim.is_some() || due <= now { self.record_now() } else { None }
    }
}

#[cfg(test)]
mod tests;
