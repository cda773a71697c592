//! How a stop goes, step by step: delay, grace, drain.

use super::{Mode, Options, StopTimes};
use std::time::Duration;

/// What the exit record and the end of epitaph itself get of the grace.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The least that a program gets between the stop signal and the SIGKILL that `--grace` leads to.
const LEAST: Duration = Duration::from_millis(500);

/// Puts what follows from `--grace` into the options, and warns where the steps do not fit into it.
pub(super) fn settle(options: &mut Options) {
    let StopTimes { delay, grace, drain, has_kill_after } = options.supervision.stop;
    let Some(grace) = grace.filter(|_| matches!(options.mode, Mode::Supervise | Mode::TaskStats(_))) else {
        return;
    };
    let around = delay.saturating_add(drain).saturating_add(LAST_WORDS);
    if !has_kill_after {
        options.supervision.kill_after = Some(grace.saturating_sub(around).max(LEAST));
    }
    let kill = options.supervision.kill_after.unwrap_or_default();
    let sum = delay.saturating_add(kill).saturating_add(drain);
    if sum.saturating_add(if has_kill_after { Duration::ZERO } else { LAST_WORDS }) <= grace {
        return;
    }
    let mut parts = Vec::new();
    for (name, part) in [("held", delay), ("kill", kill), ("drain", drain)] {
        if !part.is_zero() {
            parts.push(format!("{name} {}", humantime::format_duration(part)));
        }
    }
    let grace = humantime::format_duration(grace);
    options.warnings.push(format!(
        "{} is more than --grace {grace}, or leaves no second of it: the platform's SIGKILL may come before the exit record",
        parts.join(" + ")
    ));
}

#[cfg(test)]
mod tests {
    use super::super::{Command, parse};
    use super::*;

    fn run(line: &str) -> Options {
        let words = line.split(' ').map(Into::into).collect();
        let Command::Run(options) = parse(words, &|_| None) else { unreachable!("{line}") };
        *options
    }

    #[test]
    fn the_grace_gives_what_is_not_set() {
        for (line, ms) in [
            ("epitaph --grace 5s true", Some(4000)),
            ("epitaph --grace 30s true", Some(29_000)),
            ("epitaph --grace 30s --stop-delay 10s --drain 5s true", Some(14_000)),
            ("epitaph --grace 30s --kill-after 20s true", Some(20_000)),
            ("epitaph --grace 30s --kill-after 0 true", None),
            ("epitaph --grace 1500ms true", Some(500)),
            ("epitaph --stop-delay 10s true", None),
            ("epitaph --grace 0 true", None),
        ] {
            let options = run(line);
            assert_eq!(options.supervision.kill_after.map(|after| after.as_millis()), ms, "{line}");
            assert_eq!(options.warnings, [""; 0], "{line}");
        }
    }

    #[test]
    fn steps_that_do_not_fit_are_one_warning_with_the_sum() {
        for (line, sum) in [
            (
                "epitaph --grace 30s --stop-delay 30s --kill-after 20s --drain 5s true",
                "held 30s + kill 20s + drain 5s is more than --grace 30s",
            ),
            ("epitaph --grace 5s --kill-after 6s true", "kill 6s is more than --grace 5s"),
            ("epitaph --grace 10s --stop-delay 9s true", "held 9s + kill 500ms is more than --grace 10s"),
            ("epitaph --grace 1s true", "kill 500ms is more than --grace 1s"),
        ] {
            let warnings = run(line).warnings;
            assert!(warnings.len() == 1 && warnings[0].starts_with(sum), "{line}: {warnings:?}");
        }
    }
}
