//! The command line.

use super::case::{Filter, Glob, verdicts};
use super::time::{asked, zone};
use super::witness::WitnessKind;
use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  inquest 9d4f1c7ab2e84c0f8a35d6e17b20c493 /var/log      what became of a task
  inquest list --verdict bad --since 2h /var/lib/docker/containers
  aws s3 cp --recursive s3://my-logs/ecs logs && inquest 9d4f1c7a logs

WHO is a task ARN, a task ID, a container ID, the beginning of one (4 digits or more), a container's name, a log
stream, or a link to the ECS console. PATH is a file or a directory, packed (gz, zstd) or not; '-' is the standard
input. Without one: the standard input if it is no terminal, else the current directory.

Exit codes: 0 found; 1 nothing fits; 2 wrong command line; 3 WHO is the beginning of several IDs;
4 something could not be read; 130 interrupted.";

/// What became of a container: finds the records of epitaph in whatever logs are left, and tells who it was,
/// when it died and why.
#[derive(Debug, Parser)]
#[command(name = "inquest", version, after_help = EXAMPLES, subcommand_precedence_over_arg = true)]
pub struct Cli {
    /// what to do; without it, WHO is asked about
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Who is asked about: an ID, the beginning of one, or a name
    pub who: Option<String>,

    /// Files and directories with logs; '-' is the standard input
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,

    /// Of several tasks that WHO may be, take the one that was there first
    #[arg(long, conflicts_with = "last")]
    pub first: bool,

    /// Of several tasks that WHO may be, take the one that was there last
    #[arg(long)]
    pub last: bool,

    /// Print the completions for a shell, and end
    #[arg(long, value_name = "SHELL", exclusive = true, hide_short_help = true)]
    pub completions: Option<clap_complete::Shell>,

    /// Print the man page, and end
    #[arg(long, exclusive = true, hide_short_help = true)]
    pub man_page: bool,

    /// options of all commands
    #[command(flatten)]
    pub common: Common,
}

/// The commands beside the question for somebody.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// A line for each container's life
    List(List),
    /// The same against time: a row for each life
    Timeline(Timeline),
    /// What many lives tell together: verdicts, crash loops, memory, stops, images
    Stats(Stats),
    /// The records themselves: JSON lines, in order of time, each once
    Records(Records),
}

/// `list`
#[derive(Debug, Args)]
pub struct List {
    /// Files and directories with logs; '-' is the standard input
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,

    /// The order of the lines
    #[arg(long, value_enum, default_value = "time")]
    pub sort: Sort,

    /// Show this many lines at most, the last ones; 0 is all
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub limit: usize,
}

/// `timeline`
#[derive(Debug, Args)]
pub struct Timeline {
    /// Files and directories with logs; '-' is the standard input
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,

    /// Draw with ASCII alone
    #[arg(long)]
    pub ascii: bool,
}

/// `stats`
#[derive(Debug, Args)]
pub struct Stats {
    /// Files and directories with logs; '-' is the standard input
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,

    /// Groups of lives by these: service, family, revision, container, verdict, cluster, az, host, image_id,
    /// program, hour, day
    #[arg(long, value_name = "KEYS", default_value = "service,family,revision,verdict")]
    pub by: String,
}

/// `records`
#[derive(Debug, Args)]
pub struct Records {
    /// Files and directories with logs; '-' is the standard input
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,

    /// Only those of this task or container
    #[arg(long, value_name = "WHO")]
    pub who: Option<String>,
}

/// The order of `list`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Sort {
    /// by the time of the death
    Time,
    /// by how long it ran
    Runtime,
    /// by the peak of its memory
    Peak,
}

/// In which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// for a person
    Text,
    /// one document
    Json,
    /// a line for each life, for a spreadsheet
    Csv,
    /// one page with the timeline, for a browser, to be mailed or printed
    Html,
    /// the timeline as a picture
    Svg,
}

/// When something is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// on a terminal
    Auto,
    /// also where there is none
    Always,
    /// not at all
    Never,
}

/// The options of all commands.
#[derive(Debug, Args)]
pub struct Common {
    /// Only lives that ended, or were last seen, at this time or later: 2026-11-23, 17:00, 2h (ago), RFC
    /// 3339, @seconds
    #[arg(global = true, long, value_name = "TIME", help_heading = "Which lives")]
    pub since: Option<String>,

    /// Only lives that began at this time or earlier
    #[arg(global = true, long, value_name = "TIME", help_heading = "Which lives")]
    pub until: Option<String>,

    /// The task definition's family, or FAMILY:REVISION; * is any text
    #[arg(global = true, long, value_name = "F[:REV]", help_heading = "Which lives")]
    pub family: Vec<String>,

    /// The ECS service
    #[arg(global = true, long, value_name = "S", help_heading = "Which lives")]
    pub service: Vec<String>,

    /// The container's name in the task definition, or at its runtime
    #[arg(global = true, long, value_name = "NAME", help_heading = "Which lives")]
    pub container: Vec<String>,

    /// The cluster
    #[arg(global = true, long, value_name = "C", help_heading = "Which lives")]
    pub cluster: Vec<String>,

    /// The availability zone
    #[arg(global = true, long, value_name = "AZ", help_heading = "Which lives")]
    pub az: Vec<String>,

    /// The host's name, address or container instance
    #[arg(global = true, long, value_name = "H", help_heading = "Which lives")]
    pub host: Vec<String>,

    /// The image, or its digest
    #[arg(global = true, long, value_name = "I", help_heading = "Which lives")]
    pub image: Vec<String>,

    /// Verdicts with commas between them; also none (no exit record), oom (all of them), bad (all but ok,
    /// stopped and expired)
    #[arg(global = true, long, value_name = "V,…", help_heading = "Which lives")]
    pub verdict: Vec<String>,

    /// Only what lived, died or was stopped about when this task or container ended
    #[arg(global = true, long, value_name = "WHO", help_heading = "Which lives")]
    pub around: Option<String>,

    /// How far from that, for --around: 30s, 5m, 1h
    #[arg(global = true, long, value_name = "TIME", default_value = "5m", help_heading = "Which lives")]
    pub within: String,

    /// The form of what is printed
    #[arg(global = true, long, value_enum, default_value = "text", help_heading = "How it is shown")]
    pub format: Format,

    /// The time zone of what is shown, and of times that are given without one: UTC, local, or such as
    /// Europe/Berlin
    #[arg(global = true, long, value_name = "ZONE", default_value = "UTC", help_heading = "How it is shown")]
    pub tz: String,

    /// Colours; NO_COLOR turns them off where this is auto
    #[arg(global = true, long, value_enum, default_value = "auto", help_heading = "How it is shown")]
    pub color: When,

    /// The progress on stderr, after a second
    #[arg(global = true, long, value_enum, default_value = "auto", help_heading = "How it is shown")]
    pub progress: When,

    /// Cut no column
    #[arg(global = true, long, help_heading = "How it is shown")]
    pub wide: bool,

    /// Print nothing; the exit code tells
    #[arg(global = true, short, long, help_heading = "How it is shown")]
    pub quiet: bool,

    /// Tell of each file what was found in it, on stderr
    #[arg(global = true, short, long, help_heading = "How it is shown")]
    pub verbose: bool,

    /// Who else may speak: kernel, docker, ecs, agent, cloudtrail
    #[arg(global = true, long, value_name = "LIST", value_delimiter = ',', help_heading = "How it is read")]
    pub witness: Vec<String>,

    /// Only epitaph's own records speak
    #[arg(global = true, long, conflicts_with = "witness", help_heading = "How it is read")]
    pub no_witness: bool,

    /// Follow links to files and directories
    #[arg(global = true, short = 'L', long, help_heading = "How it is read")]
    pub follow: bool,

    /// How many files are read at a time; by default as many as there are processors
    #[arg(global = true, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256), help_heading = "How it is read")]
    pub threads: Option<u16>,
}

impl Common {
    /// The zone of `--tz`.
    ///
    /// # Errors
    /// A sentence for the person.
    pub fn zone(&self) -> Result<TimeZone, String> {
        zone(&self.tz)
    }

    /// Which lives are asked for.
    ///
    /// # Errors
    /// A sentence for the person.
    pub fn filter(&self, now: Timestamp) -> Result<Filter, String> {
        let zone = self.zone()?;
        let time = |text: &Option<String>, option: &str| match text {
            Some(text) => asked(text, now, &zone).map(Some).map_err(|error| format!("{option}: {error}")),
            None => Ok(None),
        };
        let globs = |list: &[String]| list.iter().map(|pattern| Glob::new(pattern)).collect::<Vec<_>>();
        let mut verdict = Vec::new();
        for list in &self.verdict {
            verdict.extend(verdicts(list).map_err(|error| format!("--verdict: {error}"))?);
        }
        Ok(Filter {
            since: time(&self.since, "--since")?,
            until: time(&self.until, "--until")?,
            family: globs(&self.family),
            service: globs(&self.service),
            container: globs(&self.container),
            cluster: globs(&self.cluster),
            az: globs(&self.az),
            host: globs(&self.host),
            image: globs(&self.image),
            verdict,
        })
    }

    /// Which other witnesses may speak.
    ///
    /// # Errors
    /// A sentence for the person.
    pub fn witnesses(&self) -> Result<Vec<WitnessKind>, String> {
        if self.no_witness {
            return Ok(Vec::new());
        }
        if self.witness.is_empty() {
            return Ok(WitnessKind::ALL.to_vec());
        }
        let named = |name: &String| {
            let known = WitnessKind::ALL.into_iter().find(|kind| kind.name() == name.trim());
            known.ok_or_else(|| {
                let names: Vec<&str> = WitnessKind::ALL.iter().map(|kind| kind.name()).collect();
                format!("--witness: no witness {name:?}: there are {}", names.join(", "))
            })
        };
        self.witness.iter().map(named).collect()
    }
}
