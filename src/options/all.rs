//! All options, with what they are where nobody sets them.

use super::{Lifetime, Persona, Signal, Stats};
use crate::identity::{ExportList, whoami};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Everything that can be set, in the parts that the rooms take.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// what is to be done
    pub mode: Mode,
    /// `EPITAPH_PROTECT`: nobody without CAP_SYS_PTRACE may trace epitaph or open what it has open
    pub protect: bool,
    /// for the diagnostics
    pub diagnostics: Diagnostics,
    /// for what becomes the program
    pub launch: Launch,
    /// for PID 1
    pub supervision: Supervision,
    /// for who writes records
    pub records: Records,
    /// what was wrong in the environment, a line each
    pub warnings: Vec<String>,
}

/// What epitaph says beside its records.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnostics {
    /// `-v`: the level of the diagnostics
    pub verbosity: log::LevelFilter,
    /// `EPITAPH_LOG`
    pub log_filter: Option<String>,
}

/// What the start of the program needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Launch {
    /// PROGRAM and its arguments; never empty where the mode has a program
    pub program: Vec<OsString>,
    /// `--identity-timeout`: how long the start may wait for the identity
    pub identity_timeout: Duration,
    /// `--require-identity`: without the task ARN the program is not started
    pub require_identity: bool,
    /// `--export`: variables beyond the two standard ones
    pub export: ExportList,
    /// `--max-lifetime`: how old the container may become; `None` is as old as it wants
    pub max_lifetime: Option<Lifetime>,
}

/// What PID 1 needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Supervision {
    /// whose habits apply
    pub persona: Persona,
    /// `-s`: become a subreaper; catatonit does so by itself
    pub subreaper: bool,
    /// `-p`: the signal that ends us when our parent dies
    pub parent_death_signal: Option<Signal>,
    /// `-w`: warn of every process reaped other than the program
    pub warn_on_reap: bool,
    /// `-g`, `-c`: who gets the signals
    pub target: Target,
    /// what the program is put into
    pub isolation: Isolation,
    /// dumb-init: a stop signal from the terminal suspends program and init
    pub suspends_itself: bool,
    /// dumb-init: the rest of the session gets SIGTERM when the program is gone
    pub terminates_rest: bool,
    /// `-e`: exit codes that become 0
    pub success_codes: Vec<u8>,
    /// `-r`: signals that become another, or none
    pub rewrites: Vec<(Signal, Option<Signal>)>,
    /// `--stop-signal`: the signals that stop this program
    pub stop_signals: Vec<Signal>,
    /// `EPITAPH_STUCK_AFTER`: from the forwarded stop signal to the `stuck` record; zero is never, and
    /// where it is not set it is half of the grace: of `--kill-after`, or of the 10 s that Docker gives
    pub stuck_after: Option<Duration>,
    /// `EPITAPH_OOM_POLL`: how often cgroup v1 is looked at; `None` is at reaps alone
    pub oom_poll: Option<Duration>,
    /// `EPITAPH_LATE_LOOK`: how long after the start the endpoint is asked once more for what it could not
    /// know by then; `None` is never
    pub late_look: Option<Duration>,
    /// `EPITAPH_STOP_LOOK`: whether the endpoint is asked who stopped the task
    pub stop_look: bool,
    /// `--kill-after`: from the forwarded stop signal to SIGKILL
    pub kill_after: Option<Duration>,
    /// `--stop-delay`, `--grace` and `--drain`
    pub stop: StopTimes,
    /// `--close-fds`: after the fork epitaph keeps nothing open that it was given but 0, 1 and 2; catatonit
    /// by itself
    pub close_fds: bool,
}

/// What is written down, how and where.
#[derive(Debug, Clone, PartialEq)]
pub struct Records {
    /// `--records`; `None` is the default, which depends on what stderr is
    pub format: Option<RecordFormat>,
    /// `--journal`: the directory, absolute
    pub journal: Option<PathBuf>,
    /// `--stats`, `--stats-format` and what belongs to a health check
    pub stats: Stats,
}

/// The steps of a stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StopTimes {
    /// `--stop-delay`: how long a stop signal from outside is held back; zero is not at all
    pub delay: Duration,
    /// `--grace`: what the platform gives from the stop signal to SIGKILL
    pub grace: Option<Duration>,
    /// `--drain`: how long those that are left are waited for when the program has ended; zero is not at all
    pub drain: Duration,
    /// whether `--kill-after` was set; if not, the grace gives it
    pub(super) has_kill_after: bool,
}

/// What epitaph does with the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// starts it as a child and looks after it
    Supervise,
    /// `--exec`: becomes it
    Exec,
    /// `-P`: there is none; reaps until it is stopped
    Pause,
    /// `--whoami`: there is none; tells who this container is
    WhoAmI(whoami::Format),
    /// `--health`: runs it as a health check
    Health,
    /// `--task-stats`: there is none; writes the statistics of the whole task this often, or once where it is
    /// zero
    TaskStats(Duration),
}

impl Mode {
    /// Whether it needs a PROGRAM.
    pub(super) fn has_program(self) -> bool {
        matches!(self, Mode::Supervise | Mode::Exec)
    }
}

/// Who gets the signals that are forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// the program
    Program,
    /// its process group
    Group,
}

/// What the program is put into at its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// a process group of its own, in the foreground of the terminal
    Group,
    /// a session of its own that owns the terminal
    Session,
    /// what we are in ourselves
    None,
}

/// How records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordFormat {
    /// one JSON object a line: `json-compact`, and the journal, which has its file for itself
    Json,
    /// the same, on a line that it begins itself: `json`
    JsonApart,
    /// logfmt: `key=value` pairs, on a line that it begins itself
    Text,
    /// not at all
    Off,
}

impl RecordFormat {
    /// Whether a record in it is a JSON object.
    pub fn is_json(self) -> bool {
        matches!(self, RecordFormat::Json | RecordFormat::JsonApart)
    }

    /// Whether a record in it begins with a line end, if the program may have left a line open before it.
    pub fn begins_its_line(self) -> bool {
        matches!(self, RecordFormat::JsonApart | RecordFormat::Text)
    }
}

/// What a command line comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// run the program
    Run(Box<Options>),
    /// print this and end with the code
    Print {
        /// the text, with its line ends
        text: String,
        /// whether it goes to stderr
        to_stderr: bool,
        /// the exit code
        code: u8,
    },
}

/// How long the identity is looked for where nothing else is said.
pub const IDENTITY_TIMEOUT: Duration = Duration::from_secs(1);

impl Options {
    pub(super) fn new(persona: Persona) -> Options {
        let dumb_init = persona == Persona::DumbInit;
        Options {
            mode: Mode::Supervise,
            protect: false,
            diagnostics: Diagnostics { verbosity: log::LevelFilter::Warn, log_filter: None },
            launch: Launch {
                program: Vec::new(),
                identity_timeout: IDENTITY_TIMEOUT,
                require_identity: false,
                export: ExportList::default(),
                max_lifetime: None,
            },
            supervision: Supervision {
                persona,
                subreaper: persona == Persona::Catatonit,
                parent_death_signal: None,
                warn_on_reap: false,
                target: if dumb_init { Target::Group } else { Target::Program },
                isolation: if dumb_init { Isolation::Session } else { Isolation::Group },
                suspends_itself: dumb_init,
                terminates_rest: dumb_init,
                success_codes: Vec::new(),
                rewrites: Vec::new(),
                stop_signals: vec![Signal::TERM, Signal::INT],
                stuck_after: None,
                oom_poll: Some(Duration::from_secs(10)),
                late_look: Some(Duration::from_secs(10)),
                stop_look: true,
                kill_after: None,
                stop: StopTimes::default(),
                close_fds: persona == Persona::Catatonit,
            },
            records: Records { format: None, journal: None, stats: Stats::default() },
            warnings: Vec::new(),
        }
    }

    /// Whether `-s` was given: catatonit is a subreaper without being asked.
    pub fn asks_for_subreaper(&self) -> bool {
        self.supervision.subreaper && self.supervision.persona != Persona::Catatonit
    }

    /// What was asked of an init that will not be there; not what comes from a variable that `is_set` knows,
    /// where another init has read it.
    pub fn without_effect(&self, is_set: &dyn Fn(&str) -> bool) -> Vec<&'static str> {
        let asked = [
            (self.asks_for_subreaper(), "-s", "TINI_SUBREAPER"),
            (
                self.supervision.target == Target::Group && self.supervision.persona != Persona::DumbInit,
                "-g",
                "TINI_KILL_PROCESS_GROUP",
            ),
            (self.supervision.parent_death_signal.is_some(), "-p", ""),
            (self.supervision.warn_on_reap, "-w", ""),
            (!self.supervision.success_codes.is_empty(), "-e", ""),
            (!self.supervision.rewrites.is_empty(), "-r", ""),
            (self.supervision.kill_after.is_some(), "--kill-after", "EPITAPH_KILL_AFTER"),
            (!self.supervision.stop.delay.is_zero(), "--stop-delay", "EPITAPH_STOP_DELAY"),
            (self.supervision.stop.grace.is_some(), "--grace", "EPITAPH_GRACE"),
            (!self.supervision.stop.drain.is_zero(), "--drain", "EPITAPH_DRAIN"),
            (self.launch.max_lifetime.is_some(), "--max-lifetime", "EPITAPH_MAX_LIFETIME"),
            (self.records.stats.every.is_some(), "--stats", "EPITAPH_STATS"),
            (
                self.supervision.close_fds && self.supervision.persona != Persona::Catatonit,
                "--close-fds",
                "EPITAPH_CLOSE_FDS",
            ),
            (
                self.supervision.stop_signals != [Signal::TERM, Signal::INT],
                "--stop-signal",
                "EPITAPH_STOP_SIGNAL",
            ),
        ];
        let told = asked.into_iter().filter(|(is_asked, _, variable)| *is_asked && !is_set(variable));
        told.map(|(_, name, _)| name).collect()
    }

    /// Sets `--kill-after`, where 0 is never.
    pub(super) fn set_kill_after(&mut self, duration: Duration) {
        self.supervision.kill_after = Some(duration).filter(|duration| !duration.is_zero());
        self.supervision.stop.has_kill_after = true;
    }

    /// Sets `--grace`, where 0 is that it is not known.
    pub(super) fn set_grace(&mut self, duration: Duration) {
        self.supervision.stop.grace = Some(duration).filter(|duration| !duration.is_zero());
    }

    /// Sets `--journal`. PID 1 leaves its working directory, so the path must not hang on that.
    pub(super) fn set_journal(&mut self, directory: OsString) {
        let directory = PathBuf::from(directory);
        self.records.journal = std::path::absolute(&directory).ok();
        if self.records.journal.is_none() {
            self.warnings.push(format!(
                "ignored the journal \"{}\": it is relative to the working directory, which is not there",
                crate::shown::Shown::new(&directory)
            ));
        }
    }

    /// dumb-init's `-c`: signals go to the program alone, which stays in our session.
    pub(super) fn single_child(&mut self) {
        self.supervision.target = Target::Program;
        self.supervision.isolation = Isolation::None;
    }
}

/// tini's verbosity 0 to 3 and above as a level. Errors are always told.
pub(super) fn level(verbosity: usize) -> log::LevelFilter {
    use log::LevelFilter::{Debug, Error, Info, Trace, Warn};
    [Error, Warn, Info, Debug, Trace].get(verbosity).copied().unwrap_or(Trace)
}

/// The format of this name.
pub(super) fn record_format(text: &str) -> Option<RecordFormat> {
    match text {
        "json" => Some(RecordFormat::JsonApart),
        "json-compact" => Some(RecordFormat::Json),
        "text" => Some(RecordFormat::Text),
        "off" => Some(RecordFormat::Off),
        _ => None,
    }
}
