//! `--health`: runs a command as a container's health check.
//!
//! The command is bounded, nothing of it is left behind for PID 1, its output is passed on, and what changed
//! is recorded in the container's log, where the platform shows only "unhealthy". The exit code is Docker's:
//! 0 or 1.

mod container;
mod due;
mod ending;
mod probe;
mod report;
mod state;

pub use due::Outcome;

use self::due::{drawn_from, milliseconds};
use self::probe::End;
use self::report::Check;
use crate::identity::{Deadline, Field, System, local};
use crate::launch::{Inherited, name};
use crate::options::{Launch, Records, Signal};
use crate::record::Value;
use crate::sys::{reason, since_boot};
use std::io::Write;
use std::time::{Duration, Instant};

/// Runs the health check and returns its exit code: 0 when it passed, else 1.
#[inline(never)]
pub fn run(launch: &Launch, records: &Records, inherited: &Inherited) -> u8 {
    let system = System::of_process();
    let budget = Deadline::after(records.stats.health_timeout);
    let pid_1 = container::started();
    let check = match expired(launch, &system, &pid_1) {
        Some(check) => check,
        None => match probed(launch, records.stats.health_timeout, inherited) {
            Some(check) => check,
            // Asked to end: it is not the container that failed.
            None => return 1,
        },
    };
    let code = u8::from(check.outcome != Outcome::Passed);
    report::report(records, &system, check, pid_1.ok(), budget);
    code
}

/// Whether the container is older than `--max-lifetime`. What cannot be told is not.
fn expired(launch: &Launch, system: &System, pid_1: &std::io::Result<Duration>) -> Option<Check> {
    let lifetime = launch.max_lifetime?;
    let started = match pid_1 {
        Ok(started) => *started,
        Err(error) => {
            log::warn!(
                "--max-lifetime: the container's age is not known, since /proc/1/stat: {}",
                reason(error)
            );
            return None;
        }
    };
    let age = since_boot().saturating_sub(started);
    // Without a spread nothing is drawn, and the ID need not be looked for.
    let drawn = if lifetime.spread.is_zero() {
        0
    } else {
        let identity = local(system).identity;
        let id = identity.get(Field::ContainerId).or_else(|| identity.get(Field::Hostname));
        drawn_from(id.unwrap_or_default())
    };
    let limit = lifetime.drawn(drawn);
    if age < limit {
        return None;
    }
    let shown = |duration: Duration| humantime::format_duration(Duration::from_secs(duration.as_secs()));
    let text = format!("the container is {} old, and --max-lifetime is {}", shown(age), shown(limit));
    // The platform shows it with the check. Nobody need read it.
    let _ = writeln!(std::io::stdout(), "{text}");
    let fields =
        vec![("age_ms", Value::from(milliseconds(age))), ("lifetime_ms", Value::from(milliseconds(limit)))];
    Some(Check { outcome: Outcome::Expired, fields, output: None })
}

/// Runs the command, if there is one; `None` when we were told to end.
fn probed(launch: &Launch, timeout: Duration, inherited: &Inherited) -> Option<Check> {
    let Some(program) = launch.program.first() else {
        return Some(Check { outcome: Outcome::Passed, fields: Vec::new(), output: None });
    };
    let began = Instant::now();
    let deadline = began.checked_add(timeout).unwrap_or(began);
    let run = match probe::run(&launch.program, inherited, deadline) {
        Ok(run) => run,
        Err(error) => {
            let why = format!("the health check cannot be started: {}", reason(&error));
            log::error!("{why}");
            return Some(Check { outcome: Outcome::NotStarted, fields: Vec::new(), output: Some(why) });
        }
    };
    let took = began.elapsed();
    let mut output = run.output.text();
    let mut fields = Vec::new();
    let outcome = match run.end {
        End::Exited(code) => {
            fields.push(("code", Value::from(i64::from(code))));
            if code == 0 { Outcome::Passed } else { Outcome::Failed }
        }
        End::Signaled(number) => {
            let signal = Signal::new(number).map_or_else(|| number.to_string(), |signal| signal.to_string());
            fields.push(("signal", Value::from(signal)));
            Outcome::Failed
        }
        End::TimedOut => {
            let limit = humantime::format_duration(timeout);
            log::warn!("the health check was ended, since it took longer than --timeout ({limit})");
            Outcome::TimedOut
        }
        End::NotStarted(code, why) => {
            log::error!("{why}");
            fields.push(("code", Value::from(i64::from(code))));
            output = Some(why);
            Outcome::NotStarted
        }
        End::Interrupted => return None,
    };
    fields.push(("took_ms", Value::from(milliseconds(took))));
    fields.push(("ended", Value::from(run.ended)));
    fields.push(("program", Value::from(name(program))));
    Some(Check { outcome, fields, output })
}
