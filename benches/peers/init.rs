//! The inits that are compared, where they are, and how each is called.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use crate::support::measure::spawn::Place;

/// One column of the tables.
pub struct Init {
    /// Its name; a column's heading.
    pub name: &'static str,
    /// Its file; `None` where it is not installed.
    pub path: Option<PathBuf>,
    /// What it knows of `-s`.
    subreaper: Subreaper,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Subreaper {
    /// `-s` makes it one.
    Flag,
    /// It makes itself one.
    Always,
    /// It cannot be one.
    Never,
}

/// epitaph's name among the inits.
pub const EPITAPH: &str = "epitaph";
/// The init whose figures the ratios are made with.
pub const BASELINE: &str = "tini";
/// The column without any init: what the machine itself takes.
pub const NO_INIT: &str = "no init";

impl Init {
    /// All columns: epitaph, the others in `PATH`, and the one without an init.
    pub fn all(epitaph: PathBuf) -> Vec<Self> {
        let peer = |name, subreaper| Self { name, path: in_path(name), subreaper };
        vec![
            Self { name: EPITAPH, path: Some(epitaph), subreaper: Subreaper::Flag },
            peer(BASELINE, Subreaper::Flag),
            peer("tini-static", Subreaper::Flag),
            peer("dumb-init", Subreaper::Never),
            peer("catatonit", Subreaper::Always),
            Self { name: NO_INIT, path: Some(PathBuf::new()), subreaper: Subreaper::Never },
        ]
    }

    /// epitaph under dumb-init's name, with which it has dumb-init's habits: a session of its own for the
    /// program.
    pub fn epitaph_as_dumb_init(link: PathBuf) -> Self {
        Self { name: "epitaph as dumb-init", path: Some(link), subreaper: Subreaper::Never }
    }

    /// Whether this is the column without an init.
    pub fn is_none(&self) -> bool {
        self.name == NO_INIT
    }

    /// Whether orphans come to it where it is not PID 1.
    pub fn can_reap(&self, place: Place) -> bool {
        !self.is_none() && (place == Place::Pid1 || self.subreaper != Subreaper::Never)
    }

    /// The whole command line that runs `program` under it.
    pub fn argv(&self, program: &[OsString], place: Place) -> Vec<OsString> {
        let mut argv = Vec::new();
        if let Some(path) = self.path.as_ref().filter(|_| !self.is_none()) {
            argv.push(path.into());
            if place == Place::Ordinary && self.subreaper == Subreaper::Flag {
                argv.push("-s".into());
            }
            argv.push("--".into());
        }
        argv.extend_from_slice(program);
        argv
    }

    /// The version in what it says to `--version`.
    pub fn version(said: &[u8]) -> Option<String> {
        let text = String::from_utf8_lossy(said);
        let is_version = |word: &&str| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.');
        let number = text.split_whitespace().map(|word| word.trim_start_matches('v')).find(is_version)?;
        number.split(|c: char| !c.is_ascii_digit() && c != '.').next().map(str::to_owned)
    }
}

fn in_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}
