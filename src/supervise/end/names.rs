//! The signals of the facts, by their names.

use crate::forensics::{self, Outcome};
use crate::options::Signal;
use crate::supervise::core::stop::Other;
use crate::supervise::core::{Child, Core, Ending, Over, Sender};
use nix::errno::Errno;
use std::time::Instant;

/// The names of the signals in the facts, which only point to them.
pub(super) struct Names {
    outcome: Option<String>,
    stop: Option<String>,
    refused: Option<String>,
    other: Option<String>,
    held: Option<String>,
}

impl Names {
    pub(super) fn of(core: &Core, over: Over, at: Instant) -> Names {
        let outcome = match over {
            Over::Ended(Child { ending: Ending::Signaled(number), .. }) => Signal::new(number),
            _ => None,
        };
        Names {
            outcome: outcome.map(|signal| signal.to_string()),
            stop: core.stops.current().map(|stop| stop.signal.to_string()),
            refused: core.stops.refused().map(|refused| refused.signal.to_string()),
            other: core.stops.last_other(at).map(|other| other.signal.to_string()),
            held: core.stops.held().map(|held| held.sent.to_string()),
        }
    }

    pub(super) fn outcome(&self, over: Over) -> Outcome<'_> {
        match over {
            Over::Ended(Child { ending: Ending::Exited(code), .. }) => Outcome::Exited(code),
            Over::Ended(Child { ending: Ending::Signaled(number), .. }) => {
                let name = self.outcome.as_deref().unwrap_or("a signal");
                Outcome::Signaled(forensics::Signal { number, name })
            }
            Over::KillRefused { .. } | Over::PauseEnded => Outcome::StillRuns,
        }
    }

    pub(super) fn stop(&self, core: &Core, at: Instant) -> Option<forensics::Stop<'_>> {
        let (stop, name) = core.stops.current().zip(self.stop.as_deref())?;
        Some(forensics::Stop {
            signal: forensics::Signal { number: stop.signal.number(), name },
            before_end: at.saturating_duration_since(stop.at),
            forwarded: stop.forwarded,
        })
    }

    pub(super) fn refused(&self, core: &Core, at: Instant) -> Option<forensics::Refused<'_>> {
        let (refused, name) = core.stops.refused().zip(self.refused.as_deref())?;
        Some(forensics::Refused {
            signal: forensics::Signal { number: refused.signal.number(), name },
            before_end: at.saturating_duration_since(refused.at),
            reason: Errno::from_raw(refused.errno).desc(),
        })
    }

    pub(super) fn held(&self, core: &Core, at: Instant) -> Option<forensics::Held<'_>> {
        let (held, name) = core.stops.held().zip(self.held.as_deref())?;
        let until = held.released.unwrap_or(at);
        Some(forensics::Held {
            signal: forensics::Signal { number: held.sent.number(), name },
            time: until.saturating_duration_since(held.arrival.at),
            released: held.released.is_some(),
        })
    }

    pub(super) fn other(&self, core: &Core, at: Instant) -> Option<forensics::Other<'_>> {
        let (other, name) = core.stops.last_other(at).zip(self.other.as_deref())?;
        let Other { signal, sender, at: came } = other;
        Some(forensics::Other {
            signal: forensics::Signal { number: signal.number(), name },
            before_end: at.saturating_duration_since(came),
            from: match sender {
                Sender::Outside => " from outside",
                Sender::Terminal => " from the terminal",
                Sender::Inside(_) => " from inside",
                Sender::Unknown => "",
            },
        })
    }
}
