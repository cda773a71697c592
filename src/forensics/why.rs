//! The sentence beside a verdict.

mod words;

use self::words::{Begun, Counter, Long, Sentence, Size, Span, Word};
use super::facts::{Drained, Facts, Outcome, SPARED};
use super::figures::{LimitBelow, Memory};
use super::verdict::{FAULTS, KILLED_CODE, Verdict, near_limit};
use std::fmt::{self, Write};

/// One sentence with the figures that the verdict rests on.
pub(super) fn sentence(verdict: Verdict, facts: &Facts) -> String {
    let mut text = Sentence::new();
    // Writing to a `Sentence` does not fail: what has no room is cut.
    let _ = write(&mut text, verdict, facts);
    let _ = drained(&mut text, facts);
    text.end()
}

fn write(to: &mut Sentence, verdict: Verdict, facts: &Facts) -> fmt::Result {
    match verdict {
        Verdict::NotStarted => return Ok(()),
        Verdict::OomKilled => {
            write!(to, "The kernel's OOM killer took {}", whom(facts))?;
            limit_below(to, facts)?;
            write!(to, ": SIGKILL, and ")?;
            rise(to, facts)?;
            if let Some(others) = facts.kills.map(|kills| kills.others).filter(|others| *others > 0) {
                write!(to, " ({others} for other processes)")?;
            }
            // A kill of another process in that time and a SIGKILL from elsewhere would look the same.
            let earliest = facts.kills.and_then(|kills| kills.earliest);
            if let Some(earliest) = earliest.filter(|earliest| *earliest >= SPARED && !facts.is_alone) {
                write!(to, ", last within {} of the end", Span(earliest))?;
            }
            after_stop(to, facts, ", ")?;
            peak(to, facts)?;
            shared(to, facts)?;
            return left_behind(to, facts);
        }
        Verdict::KillAfter => {
            let limit = Span(facts.kill_after.map(|kill| kill.after).unwrap_or_default());
            if let Some(reason) = facts.kill_after.and_then(|kill| kill.refused) {
                write!(
                    to,
                    "{} still ran {limit} after {}, and epitaph may not signal it ",
                    capital(facts),
                    Begun(facts)
                )?;
                write!(to, "({}), so epitaph ended and the kernel killed the rest", Word(reason))?;
            } else {
                write!(
                    to,
                    "epitaph sent SIGKILL because {} still ran {limit} after {}",
                    whom(facts),
                    Begun(facts)
                )?;
                after_stop(to, facts, "; it ended ")?;
            }
            refused(to, facts)?;
        }
        Verdict::OomChild => {
            write!(to, "The kernel's OOM killer took another process")?;
            if let Some(victim) = facts.victim {
                write!(to, " (pid {}", victim.pid)?;
                if let Some(command) = victim.command {
                    write!(to, ", {}", Word(command))?;
                }
                write!(to, ")")?;
            }
            limit_below(to, facts)?;
            write!(to, ": ")?;
            rise(to, facts)?;
            if let Some(last) = facts.kills.and_then(|kills| kills.last) {
                write!(to, ", last seen {} before the end", Span(last))?;
            }
            write!(to, "; {} then ", whom(facts))?;
            ending(to, facts)?;
            peak(to, facts)?;
            shared(to, facts)?;
            return left_behind(to, facts);
        }
        Verdict::OomSuspected => {
            subject(to, facts)?;
            ending(to, facts)?;
            if let Some((used, limit)) = near_limit(facts) {
                write!(to, ", with memory near its limit ({} used of {})", Size(used), Size(limit))?;
            }
            if facts.kills.is_none() {
                write!(to, "; no OOM kill counter is readable that could tell whether it was memory")?;
                shared(to, facts)?;
                return left_behind(to, facts);
            }
        }
        Verdict::Killed => {
            write!(to, "SIGKILL ended {} after {}", whom(facts), Span(facts.runtime))?;
            not_by_the_engine(to, facts)?;
            refused(to, facts)?;
            held(to, facts)?;
        }
        Verdict::Expired => {
            subject(to, facts)?;
            ending(to, facts)?;
            if let Some(expiry) = facts.expiry {
                let (ago, lifetime) = (Span(expiry.before_end), Long(expiry.lifetime));
                write!(to, ", {ago} after --max-lifetime ({lifetime}) was over")?;
            }
            if let Some(stop) = facts.stop {
                write!(to, " and epitaph sent {}", Word(stop.signal.name))?;
            }
            refused(to, facts)?;
        }
        Verdict::Stopped => {
            subject(to, facts)?;
            ending(to, facts)?;
            after_stop(to, facts, ", ")?;
            how_it_stopped(to, facts)?;
        }
        Verdict::Ok | Verdict::Failed | Verdict::Crashed | Verdict::Signaled => {
            subject(to, facts)?;
            ending(to, facts)?;
            write!(to, " after {}", Span(facts.runtime))?;
            refused(to, facts)?;
            if !held(to, facts)? {
                other_signal(to, facts)?;
            }
        }
    }
    other_kills(to, verdict, facts)?;
    if verdict != Verdict::Ok {
        scarce_processes(to, facts)?;
    }
    if !matches!(verdict, Verdict::Ok | Verdict::Stopped) {
        shared(to, facts)?;
    }
    left_behind(to, facts)
}

/// Who sent a SIGKILL is not known, but who did not.
fn not_by_the_engine(to: &mut Sentence, facts: &Facts) -> fmt::Result {
    if !facts.is_pid_1 {
        return Ok(());
    }
    write!(to, "; PID 1 (epitaph) got none, as it does from docker stop, docker kill and ECS: ")?;
    write!(to, "this one was sent to this process")
}

/// A stop that ended in another way than a stop does.
fn how_it_stopped(to: &mut Sentence, facts: &Facts) -> fmt::Result {
    let Some(stop) = facts.stop else { return Ok(()) };
    match facts.outcome {
        // Programs end so that handle the signal and then tell of it.
        Outcome::Exited(code) if USUAL_CODES.contains(&code) || code == 128 + stop.signal.number => Ok(()),
        Outcome::Exited(KILLED_CODE) | Outcome::StillRuns => Ok(()),
        Outcome::Exited(_) => write!(to, "; so it failed while it stopped"),
        Outcome::Signaled(signal) if signal.number == libc::SIGKILL => not_by_the_engine(to, facts),
        Outcome::Signaled(signal) if FAULTS.contains(&signal.number) => {
            write!(to, "; so it crashed while it stopped")
        }
        Outcome::Signaled(_) => Ok(()),
    }
}

/// 0, and 128 and the number of SIGHUP, SIGINT, SIGQUIT and SIGTERM.
const USUAL_CODES: [i32; 5] = [0, 129, 130, 131, 143];

/// The program was not all that ran: a wrapper that has started the real one, and did not wait for it.
fn left_behind(to: &mut Sentence, facts: &Facts) -> fmt::Result {
    let Some(left) = facts.left.filter(|_| facts.outcome != Outcome::StillRuns) else { return Ok(()) };
    let (pid, name) = (left.largest.0, Word(left.largest.1));
    match left.count {
        1 => write!(to, "; it left {name} (pid {pid}) running"),
        count => write!(to, "; it left {count} processes running, the largest {name} (pid {pid})"),
    }
}

/// Where the verdict itself is not about an OOM kill: what the counter says, if that matters.
fn other_kills(to: &mut Sentence, verdict: Verdict, facts: &Facts) -> fmt::Result {
    let looks_killed = match facts.outcome {
        Outcome::Exited(code) => code == KILLED_CODE,
        Outcome::Signaled(signal) => signal.number == libc::SIGKILL || verdict == Verdict::OomSuspected,
        Outcome::StillRuns => false,
    };
    match facts.kills {
        Some(kills) if kills.total() > 0 => {
            let whom = if kills.of_children() > 0 { "another process" } else { "a helper of epitaph" };
            write!(to, "; the OOM killer took {whom}")?;
            limit_below(to, facts)?;
            if let Some(last) = kills.last {
                write!(to, ", last seen {} before the end", Span(last))?;
            }
            write!(to, ": ")?;
            rise(to, facts)
        }
        Some(kills) if looks_killed && verdict != Verdict::KillAfter => {
            write!(to, "; no OOM kill was counted: {} stayed at {}", Counter(facts), kills.after)
        }
        None if looks_killed && verdict == Verdict::Stopped => {
            write!(to, "; no OOM kill counter is readable that could tell whether it was memory")
        }
        _ => Ok(()),
    }
}

fn whom(facts: &Facts) -> &'static str {
    if facts.executed { "the program" } else { "the process that was to become the program" }
}

fn capital(facts: &Facts) -> &'static str {
    if facts.executed { "The program" } else { "The process that was to become the program" }
}

fn subject(to: &mut Sentence, facts: &Facts) -> fmt::Result {
    write!(to, "{} ", capital(facts))
}

/// "ended with exit code 3", "was ended by SIGSEGV".
fn ending(to: &mut Sentence, facts: &Facts) -> fmt::Result {
    match facts.outcome {
        Outcome::Exited(code) => write!(to, "ended with exit code {code}"),
        Outcome::Signaled(signal) => write!(to, "was ended by {}", Word(signal.name)),
        Outcome::StillRuns => write!(to, "still ran"),
    }
}

fn after_stop(to: &mut Sentence, facts: &Facts, lead: &str) -> fmt::Result {
    let Some(stop) = facts.stop else { return Ok(()) };
    let name = Word(stop.signal.name);
    if stop.forwarded {
        // What --max-lifetime sent, nobody had sent to epitaph.
        let was = if facts.expiry.is_some() { "sent" } else { "forwarded" };
        write!(to, "{lead}{} after {name} was {was}", Span(stop.before_end))?;
        match facts.held.filter(|held| held.released) {
            Some(held) => write!(to, " (held for {} by --stop-delay)", Span(held.time)),
            None => Ok(()),
        }
    } else {
        write!(to, "{lead}as {name} reached epitaph too, which did not have to forward it any more")
    }
}

/// A stop signal that did not reach the program.
fn refused(to: &mut Sentence, facts: &Facts) -> fmt::Result {
    let Some(refused) = facts.refused else { return Ok(()) };
    let (name, ago) = (Word(refused.signal.name), Span(refused.before_end));
    write!(to, "; {name}, {ago} before, could not be forwarded: {}", Word(refused.reason))
}

/// A stop signal that was still held back, which is then no reason of the end.
fn held(to: &mut Sentence, facts: &Facts) -> Result<bool, fmt::Error> {
    let Some(held) = facts.held.filter(|held| !held.released) else { return Ok(false) };
    let (name, time) = (Word(held.signal.name), Span(held.time));
    write!(to, "; {name} had come {time} before, and was still held by --stop-delay: nothing was sent")?;
    Ok(true)
}

/// What came after the end.
fn drained(to: &mut Sentence, facts: &Facts) -> fmt::Result {
    let Some(Drained { ended, took, complete }) = facts.drained else { return Ok(()) };
    let processes = if ended == 1 { "process" } else { "processes" };
    write!(to, "; then {ended} more {processes} ended in {} of --drain", Span(took))?;
    if complete { Ok(()) } else { write!(to, ", and others did not") }
}

/// Another signal, which may be why.
fn other_signal(to: &mut Sentence, facts: &Facts) -> fmt::Result {
    let Some(other) = facts.other else { return Ok(()) };
    write!(to, ", {} after {}{}", Span(other.before_end), Word(other.signal.name), other.from)?;
    write!(to, "; it is no stop signal here (EPITAPH_STOP_SIGNAL)")
}

fn rise(to: &mut Sentence, facts: &Facts) -> fmt::Result {
    let Some(kills) = facts.kills else { return Ok(()) };
    write!(to, "{} rose from {} to {}", Counter(facts), kills.before, kills.after)
}

/// Whose limit it was, where that is not the one that everybody thinks of.
fn limit_below(to: &mut Sentence, facts: &Facts) -> fmt::Result {
    match facts.after.map(|after| after.below).unwrap_or_default() {
        LimitBelow::None => Ok(()),
        LimitBelow::Somewhere => write!(to, " for the limit of a cgroup below the container's"),
        LimitBelow::Of(limit) => {
            write!(to, " for the limit of a cgroup below the container's ({})", Size(limit))
        }
    }
}

fn peak(to: &mut Sentence, facts: &Facts) -> fmt::Result {
    // The container's own limit had no part in it, where it was another.
    let is_own = |after: &Memory| after.below == LimitBelow::None;
    let Some(after) = facts.after.filter(is_own) else { return Ok(()) };
    match (after.peak, after.limit) {
        (Some(peak), Some(limit)) => write!(to, "; usage peaked at {} of {}", Size(peak), Size(limit)),
        (Some(peak), None) => write!(to, "; usage peaked at {}", Size(peak)),
        (None, Some(limit)) => write!(to, "; the limit is {}", Size(limit)),
        (None, None) => Ok(()),
    }
}

/// A process that could not be started, for which programs have many words.
fn scarce_processes(to: &mut Sentence, facts: &Facts) -> fmt::Result {
    let Some(hits) = facts.pids.and_then(|pids| pids.limit_hits).filter(|hits| *hits > 0) else {
        return Ok(());
    };
    write!(to, "; starting a process or thread failed ")?;
    match hits {
        1 => write!(to, "once")?,
        hits => write!(to, "{hits} times")?,
    }
    write!(to, ": the limit of processes")?;
    match facts.pids.and_then(|pids| pids.limit) {
        Some(limit) => write!(to, " is {limit}"),
        None => write!(to, " was hit"),
    }
}

/// A tmpfs that has filled up: no process shows that memory as its own, and the end of a process does not
/// free it.
fn shared(to: &mut Sentence, facts: &Facts) -> fmt::Result {
    let Some((shared, limit)) = facts.after.and_then(|after| after.shmem.zip(after.limit)) else {
        return Ok(());
    };
    if shared < limit / 2 || shared == 0 {
        return Ok(());
    }
    write!(to, "; {} of the limit of {} is shared memory (tmpfs, /dev/shm)", Size(shared), Size(limit))
}

#[cfg(test)]
mod tests;
