//! What the command line and the environment ask for.
//!
//! A flag beats its `EPITAPH_*` variable, which beats the `TINI_*` one. A command line that is wrong is
//! refused, as the other inits do, since nothing has been started yet and whoever wrote it is there to
//! see it. A variable that is wrong is a warning, and its default holds: variables are set far from here,
//! and must not keep a program from starting.

mod all;
mod command_line;
mod duration;
mod environment;
mod persona;
mod signal;
mod stats;
mod stop;
mod usage;

pub use all::{Command, Diagnostics, IDENTITY_TIMEOUT, Isolation, Launch, Mode, Options, RecordFormat};
pub use all::{Records, StopTimes, Supervision, Target};
pub use persona::Persona;
pub use signal::Signal;
pub use stats::{Lifetime, Stats, StatsFormat};

use self::all::{level, record_format};
use std::ffi::OsString;

/// Reads the command line `args`, the program's own name first, over the environment that `env` looks up.
///
/// Not inlined: the stack that it needs would be PID 1's for life.
#[inline(never)]
pub fn parse(args: Vec<OsString>, env: &dyn Fn(&str) -> Option<OsString>) -> Command {
    let mut args = args.into_iter();
    let argv0 = args.next().unwrap_or_default();
    let mut options = Options::new(Persona::from_name(&argv0));
    environment::apply(&mut options, env);
    command_line::apply(options, args)
}
