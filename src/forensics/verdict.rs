//! The verdict on an end.

use super::facts::{CAUSES, Facts, Outcome, Signal};
use super::figures::Memory;

/// How a program ended, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// exit code 0
    Ok,
    /// another exit code
    Failed,
    /// ended in a stop, whatever the code
    Stopped,
    /// ended after `--max-lifetime` was over, for which epitaph stopped it, whatever the code
    Expired,
    /// the kernel's OOM killer took the program
    OomKilled,
    /// the OOM killer took another process, and the program failed shortly after
    OomChild,
    /// looks like memory, and no counter can prove it
    OomSuspected,
    /// SIGKILL from elsewhere
    Killed,
    /// SIGKILL from epitaph, after `--kill-after`
    KillAfter,
    /// ended by a signal that stands for a fault of the program
    Crashed,
    /// ended by any other signal
    Signaled,
    /// not found, or not executable
    NotStarted,
}

impl Verdict {
    /// The word in `verdict` of a record.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Failed => "failed",
            Verdict::Expired => "expired",
            Verdict::Stopped => "stopped",
            Verdict::OomKilled => "oom_killed",
            Verdict::OomChild => "oom_child",
            Verdict::OomSuspected => "oom_suspected",
            Verdict::Killed => "killed",
            Verdict::KillAfter => "kill_after",
            Verdict::Crashed => "crashed",
            Verdict::Signaled => "signaled",
            Verdict::NotStarted => "not_started",
        }
    }
}

/// The first rule that holds decides:
///
/// 1. SIGKILL that epitaph sent is `kill_after`. PID 1 saw itself do it, to a program that was still there;
///    nothing weaker may contradict that. An OOM kill shortly before was then of another process, since its
///    victim would have been dead already. It is `kill_after` too when the kernel refused that SIGKILL and
///    PID 1 ended instead.
/// 2. SIGKILL with a kill that is not explained by other processes is `oom_killed`, while stopping too: that
///    a server died for memory as it wrote its state down is what one has to know, and that it was being
///    stopped is in the record anyway. Old kills (before the start, or outlived) and victims that PID 1
///    reaped explain nothing here.
/// 3. After `--max-lifetime` was over any other end is `expired`, and in another stop it is `stopped`,
///    whatever the code. In a stop any other end is `stopped`, whatever the code. SIGKILL too: who sent it is
///    not known, and the sentence says that it was one.
/// 4. Exit code 0 is `ok`, even if workers were killed: the program coped.
/// 5. SIGKILL: without a readable counter `oom_suspected`; if a kill of another process was, or may have
///    been, within [`CAUSES`] of the end, `oom_child` (either that kill led to this end or it was this end;
///    it was about memory both ways); else `killed`.
/// 6. An exit code other than 0: `oom_child` for such a kill too, since a program that exits was not itself
///    the victim; for 137 without a readable counter `oom_suspected` (a shell turns its child's SIGKILL into
///    137); else `failed`.
/// 7. SIGABRT at 95 % of the limit or above is `oom_suspected`: a failed allocation ends in abort(3) in many
///    languages.
/// 8. The signals of a fault are `crashed`, all others `signaled`. A worker's OOM kill is in the sentence but
///    does not change the word: the signal is the program's own, and tells more than a kill that may be hours
///    old.
///
/// A kill that took a helper of epitaph is no cause of anything here.
pub(super) fn decide(facts: &Facts) -> Verdict {
    let is_kill =
        matches!(facts.outcome, Outcome::Signaled(Signal { number, .. }) if number == libc::SIGKILL);
    let is_caused = facts
        .kills
        .is_some_and(|kills| kills.of_children() > 0 && kills.last.is_some_and(|last| last <= CAUSES));
    match facts.outcome {
        Outcome::StillRuns => Verdict::KillAfter,
        _ if is_kill && facts.kill_after.is_some_and(|kill| kill.refused.is_none()) => Verdict::KillAfter,
        _ if is_kill && facts.kills.is_some_and(|kills| kills.unexplained() > 0) => Verdict::OomKilled,
        _ if facts.expiry.is_some() => Verdict::Expired,
        _ if facts.stop.is_some() => Verdict::Stopped,
        Outcome::Exited(0) => Verdict::Ok,
        Outcome::Signaled(_) if is_kill && facts.kills.is_none() => Verdict::OomSuspected,
        Outcome::Signaled(_) if is_kill && is_caused => Verdict::OomChild,
        Outcome::Signaled(_) if is_kill => Verdict::Killed,
        Outcome::Exited(KILLED_CODE) if facts.kills.is_none() => Verdict::OomSuspected,
        Outcome::Exited(_) if is_caused => Verdict::OomChild,
        Outcome::Exited(_) => Verdict::Failed,
        Outcome::Signaled(Signal { number: libc::SIGABRT, .. }) if near_limit(facts).is_some() => {
            Verdict::OomSuspected
        }
        Outcome::Signaled(Signal { number, .. }) if FAULTS.contains(&number) => Verdict::Crashed,
        Outcome::Signaled(_) => Verdict::Signaled,
    }
}

/// What a shell makes of a child that SIGKILL ended.
pub(super) const KILLED_CODE: i32 = 128 + libc::SIGKILL;

pub(super) const FAULTS: [i32; 7] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGABRT, libc::SIGSYS, libc::SIGTRAP];

/// How far memory was used and the limit, both in bytes, if that is 95 % or more.
///
/// The peak counts only where it is this program's: it rose since the start, or the limit was hit since. By
/// the time of this reading the program's own memory is gone, so the usage is mostly too low.
pub(super) fn near_limit(facts: &Facts) -> Option<(u64, u64)> {
    let after = facts.after?;
    let limit = after.limit.filter(|limit| *limit > 0)?;
    let rose = |of: fn(&Memory) -> Option<u64>| {
        facts.before.is_some_and(|before| of(&after).zip(of(&before)).is_some_and(|(now, then)| now > then))
    };
    let own_peak = after.peak.filter(|_| rose(|memory| memory.peak) || rose(|memory| memory.limit_hits));
    let used = own_peak.into_iter().chain(after.usage).max()?;
    (u128::from(used) * 100 >= u128::from(limit) * 95).then_some((used, limit))
}
