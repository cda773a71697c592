//! The count of the kills.

use crate::forensics::{self, SPARED};
use std::time::{Duration, Instant};

/// A program that lives on for this long after the counter rose was not the victim, unless it is seen being
/// killed.
///
/// Within some three seconds after the kill the kernel's OOM reaper has taken a victim's memory or given up
/// on it (mm/oom_kill.c).
const OUTLIVED: Duration = Duration::from_secs(5);

/// The count of the kills, and whose they can have been.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tally {
    pub(super) baseline: u64,
    pub(super) seen: u64,
    /// whether the last reading told the counter
    pub(super) is_known: bool,
    pub(super) risen_at: Option<Instant>,
    /// the last rise in which not only helpers of ours were killed
    pub(super) child_risen_at: Option<Instant>,
    /// the kills of the last rise that are not known to be a helper's, and `child_risen_at` before that rise
    pub(super) last_rise: (u64, Option<Instant>),
    /// the last reading that still showed `seen`
    pub(super) unchanged_at: Instant,
    /// the last reading before the first of the kills that are not explained
    pub(super) before_unexplained: Instant,
    /// kills that were certainly not the program's
    pub(super) others: u64,
    /// those of them that were our helpers'
    pub(super) helpers: u64,
    /// kills of unknown victims that were not the program, and when that was found
    pub(super) anonymous: Option<(u64, Instant)>,
    /// processes that died of SIGKILL while nobody could see whether the program was being killed too, and
    /// since when
    pub(super) unsure: Option<(u64, Instant)>,
    /// whether the program was seen being killed after a rise
    pub(super) doomed: bool,
    /// how long the machine stood still since the last rise
    pub(super) not_lived: Duration,
}

impl Tally {
    pub(super) fn new(now: Instant, baseline: u64) -> Tally {
        Tally {
            baseline,
            seen: baseline,
            is_known: true,
            risen_at: None,
            child_risen_at: None,
            last_rise: (0, None),
            unchanged_at: now,
            before_unexplained: now,
            others: 0,
            helpers: 0,
            anonymous: None,
            unsure: None,
            doomed: false,
            not_lived: Duration::ZERO,
        }
    }

    pub(super) fn total(&self) -> u64 {
        self.seen.saturating_sub(self.baseline)
    }

    pub(super) fn unexplained(&self) -> u64 {
        self.total().saturating_sub(self.others)
    }

    pub(super) fn unchanged(&mut self, now: Instant) {
        self.unchanged_at = now;
    }

    /// Takes note of the counter, and returns how many kills are new since the last reading.
    pub(super) fn observe(&mut self, now: Instant, counter: u64) -> u64 {
        self.is_known = true;
        self.outlive(now);
        let new = counter.saturating_sub(self.seen);
        if new > 0 {
            if self.unexplained() == 0 {
                self.before_unexplained = self.unchanged_at;
            }
            self.seen = counter;
            self.risen_at = Some(now);
            self.not_lived = Duration::ZERO;
            self.last_rise = (new, self.child_risen_at);
            self.child_risen_at = Some(now);
        }
        self.unchanged_at = now;
        new
    }

    /// A helper died of a SIGKILL that was not ours. `true` where it is the victim of a kill that was not
    /// explained yet.
    ///
    /// Reaped after the program, or where all kills are explained, it may be the victim of an older one, of
    /// which nobody knew whose it was.
    pub(super) fn took_helper(&mut self, now: Instant, program_is_gone: bool) -> bool {
        let is_near = |at: Instant| now.saturating_duration_since(at) < OUTLIVED + self.not_lived;
        let older = self.anonymous.filter(|(count, at)| *count > 0 && is_near(*at));
        let is_new = match older {
            Some((count, at)) if program_is_gone || self.unexplained() == 0 => {
                self.anonymous = Some((count - 1, at));
                false
            }
            _ if self.unexplained() > 0 => true,
            _ => return false,
        };
        self.helpers += 1;
        self.last_rise.0 = self.last_rise.0.saturating_sub(1);
        if self.last_rise.0 == 0 {
            self.child_risen_at = self.last_rise.1;
        }
        is_new
    }

    /// The program is not being killed: all kills up to now were of others.
    pub(super) fn spared(&mut self, now: Instant) {
        if self.unexplained() > 0 {
            self.anonymous = Some((self.unexplained(), now));
        }
        self.others = self.total();
        self.unsure = None;
    }

    pub(super) fn is_outlived(&self, now: Instant) -> bool {
        let time = OUTLIVED + self.not_lived;
        self.risen_at.is_some_and(|risen| now.saturating_duration_since(risen) >= time)
    }

    pub(super) fn outlive(&mut self, now: Instant) {
        if self.is_outlived(now) && !self.doomed {
            self.spared(now);
        }
    }

    /// `None` where the last reading failed and no rise was seen before: then nobody knows.
    pub(super) fn at_end(mut self, end: Instant) -> Option<forensics::Kills> {
        if !self.is_known && self.total() == 0 {
            return None;
        }
        self.outlive(end);
        // Whoever could not be seen to die with the program and died well before it did not.
        if let Some((count, since)) = self.unsure
            && end.saturating_duration_since(since) > SPARED + self.not_lived
        {
            self.others += count.min(self.unexplained());
        }
        let before = |moment: Instant| end.saturating_duration_since(moment);
        Some(forensics::Kills {
            before: self.baseline,
            after: self.seen,
            others: self.others,
            helpers: self.helpers,
            last: self.child_risen_at.or(self.risen_at).map(before),
            earliest: self.risen_at.map(|_| before(self.before_unexplained)),
        })
    }
}
