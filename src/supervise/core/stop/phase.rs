//! The phases of a stop, and what is done about what happens in each.
//!
//! *running* → (*held*) → *stopping* → (*draining*). A stop that lapses is *running* again.

/// Where a stop stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// no stop is under way
    Running,
    /// a stop signal is held back: `--stop-delay`
    Held,
    /// a stop signal was sent to the program
    Stopping,
    /// the program has ended, and the rest is waited for: `--drain`
    Draining,
}

/// What happens in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// a stop signal, from anybody but a terminal
    Stop,
    /// a stop signal from the terminal, at which somebody waits
    TerminalStop,
    /// any other signal
    OtherSignal,
    /// the time of `--stop-delay` is over
    DelayOver,
    /// the container is as old as `--max-lifetime`
    LifetimeOver,
}

/// What is done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// the signal goes to the program after `--stop-delay`; at once where there is none
    Hold,
    /// the signal goes to the program
    Forward,
    /// what is held goes to the program now, and the signal as well, if it is another one
    Hurry,
    /// what is held goes to the program
    Release,
    /// a `lifetime` record, and the stop signal to the program
    Expire,
    /// the signal goes to all that are left; the second stop signal ends the wait for them
    ToAll,
    /// nothing
    Nothing,
}

/// The table.
pub fn deed(phase: Phase, moment: Moment) -> Deed {
    match (phase, moment) {
        (Phase::Running, Moment::Stop) => Deed::Hold,
        (Phase::Held, Moment::Stop | Moment::TerminalStop) => Deed::Hurry,
        (Phase::Held, Moment::DelayOver) => Deed::Release,
        (Phase::Running, Moment::LifetimeOver) => Deed::Expire,
        (Phase::Draining, Moment::Stop | Moment::TerminalStop | Moment::OtherSignal) => Deed::ToAll,
        (Phase::Running | Phase::Stopping, Moment::Stop | Moment::TerminalStop)
        | (Phase::Running | Phase::Held | Phase::Stopping, Moment::OtherSignal) => Deed::Forward,
        // A stop is under way, which is what the end of the life time would lead to.
        (Phase::Held | Phase::Stopping | Phase::Draining, Moment::LifetimeOver)
        | (Phase::Running | Phase::Stopping | Phase::Draining, Moment::DelayOver) => Deed::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cell_by_cell() {
        use Deed::{Expire, Forward, Hold, Hurry, Nothing, Release, ToAll};
        let moments = [
            Moment::Stop,
            Moment::TerminalStop,
            Moment::OtherSignal,
            Moment::DelayOver,
            Moment::LifetimeOver,
        ];
        for (phase, row) in [
            (Phase::Running, [Hold, Forward, Forward, Nothing, Expire]),
            (Phase::Held, [Hurry, Hurry, Forward, Release, Nothing]),
            (Phase::Stopping, [Forward, Forward, Forward, Nothing, Nothing]),
            (Phase::Draining, [ToAll, ToAll, ToAll, Nothing, Nothing]),
        ] {
            for (moment, expected) in moments.into_iter().zip(row) {
                assert_eq!(deed(phase, moment), expected, "{phase:?}, {moment:?}");
            }
        }
    }
}
