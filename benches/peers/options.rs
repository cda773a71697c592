//! The benchmark's own command line: what follows `--` in `cargo bench --bench peers -- …`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::ValueExt;
use lexopt::prelude::{Long, Short};

use crate::bench::Scale;

/// The names for `--only`.
const TABLES: [&str; 7] = ["start", "endpoint", "health", "idle", "reap", "latency", "early"];

const HELP: &str = "\
Compares epitaph with the other inits that are installed.

cargo bench --bench peers -- [OPTIONS]
  --quick         less of everything, under 20 s
  --runs N        rounds of starts (1000); the other counts go with it
  --epitaph PATH  this binary; without it a static one is built into target/static
  --only TABLE    only this measurement; may be repeated
                  (start, endpoint, health, idle, reap, latency, early)";

const FULL: Scale = Scale {
    budget: Duration::from_secs(25),
    starts: 1000,
    idle: Duration::from_secs(5),
    reap_rounds: 21,
    backlog: 4000,
    orphans: 100,
    signals: 10_000,
    races: 600,
};

const QUICK: Scale = Scale {
    budget: Duration::from_millis(2500),
    starts: 100,
    idle: Duration::from_secs(2),
    reap_rounds: 5,
    backlog: 1000,
    orphans: 50,
    signals: 200,
    races: 80,
};

/// What to do.
pub enum Request {
    /// Measure.
    Run(Options),
    /// Only say this.
    Say(&'static str),
}

/// What to measure.
pub struct Options {
    /// epitaph's file, where it is not to be built.
    pub epitaph: Option<PathBuf>,
    /// How much.
    pub scale: Scale,
    only: Vec<String>,
}

impl Options {
    /// Whether a measurement was asked for.
    pub fn wants(&self, table: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == table)
    }
}

/// Reads the command line.
///
/// # Errors
/// A sentence that names the word that is wrong.
pub fn parse(args: Vec<OsString>) -> Result<Request, String> {
    let (mut epitaph, mut only, mut scale, mut runs, mut measure) = (None, Vec::new(), FULL, None, false);
    let mut parser = lexopt::Parser::from_args(args);
    let text = |error: lexopt::Error| format!("{error}; see --help");
    while let Some(arg) = parser.next().map_err(text)? {
        match arg {
            // cargo bench says it, cargo test does not.
            Long("bench") => measure = true,
            Long("quick") => scale = QUICK,
            Long("runs") => {
                runs = Some(parser.value().and_then(|value| value.parse::<usize>()).map_err(text)?)
            }
            Long("epitaph") => epitaph = Some(PathBuf::from(parser.value().map_err(text)?)),
            Long("only") => only.push(parser.value().and_then(|value| value.string()).map_err(text)?),
            Short('h') | Long("help") => return Ok(Request::Say(HELP)),
            other => return Err(text(other.unexpected())),
        }
    }
    if let Some(unknown) = only.iter().find(|name| !TABLES.contains(&name.as_str())) {
        return Err(format!("--only {unknown}: not one of {}", TABLES.join(", ")));
    }
    match runs {
        Some(0) => return Err("--runs 0: at least 1".to_owned()),
        Some(runs) => scale = scaled(scale, runs),
        None => {}
    }
    if !measure {
        return Ok(Request::Say("nothing measured: run `cargo bench --bench peers`"));
    }
    Ok(Request::Run(Options { epitaph, scale, only }))
}

/// The same proportions with another number of starts. A backlog keeps its size: its rate depends on it.
fn scaled(scale: Scale, runs: usize) -> Scale {
    let share = |count: usize| (count * runs / scale.starts).max(1);
    Scale {
        starts: runs,
        reap_rounds: share(scale.reap_rounds),
        signals: share(scale.signals),
        races: share(scale.races),
        ..scale
    }
}
