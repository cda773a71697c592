//! The inits that are compared, where they are, and how each is called.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command as Tool;

use crate::process::Place;

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

/// What an executable needs at run time besides the kernel.
#[derive(Debug, PartialEq, Eq)]
pub enum Needs {
    /// A static file: fit for an image that holds nothing else.
    Nothing,
    /// A dynamic one: the loader that it names, and that loader's libc.
    Libc,
}

/// Reads from the program headers whether a native ELF file names a loader (`PT_INTERP`, elf(5)).
///
/// # Errors
/// The error of reading it; `InvalidData` where it is no ELF file of this machine's byte order.
pub fn needs(path: &Path) -> io::Result<Needs> {
    const PT_INTERP: u64 = 3;
    let file = fs::read(path)?;
    let bad =
        || io::Error::new(io::ErrorKind::InvalidData, format!("{}: not a native ELF file", path.display()));
    let number = |at: usize, size: usize| -> io::Result<u64> {
        let bytes = file.get(at..at.saturating_add(size)).ok_or_else(bad)?;
        // Little-endian, as all that Rust's container targets but s390x are; the check below sees to it.
        Ok(bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    };
    // e_ident: the magic, then the class (1 = 32 bit, 2 = 64 bit), then the byte order (1 = little).
    let is_64 = match file.get(..6) {
        Some([0x7f, b'E', b'L', b'F', 2, 1]) => true,
        Some([0x7f, b'E', b'L', b'F', 1, 1]) => false,
        _ => return Err(bad()),
    };
    // e_phoff, e_phentsize, e_phnum
    let (offset, entry, count) = if is_64 {
        (number(32, 8)?, number(54, 2)?, number(56, 2)?)
    } else {
        (number(28, 4)?, number(42, 2)?, number(44, 2)?)
    };
    for index in 0..count {
        // p_type is the first word of each entry.
        if number((offset + index * entry) as usize, 4)? == PT_INTERP {
            return Ok(Needs::Libc);
        }
    }
    Ok(Needs::Nothing)
}

/// Builds the static epitaph with the documented command, into a target directory of its own, so that the
/// other build does not wait for it.
///
/// # Errors
/// A sentence that says what failed.
pub fn build_epitaph() -> Result<PathBuf, String> {
    let text = |error: io::Error| format!("cannot build epitaph: {error}");
    let rustc = Tool::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .arg("-vV")
        .output()
        .map_err(text)?;
    let about = String::from_utf8_lossy(&rustc.stdout).into_owned();
    let host = about.lines().find_map(|line| line.strip_prefix("host: ")).ok_or("rustc -vV names no host")?;

    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = manifest.join("target/static");
    // An explicit --target keeps the flags away from proc-macros, which cannot be static.
    let built = Tool::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--quiet", "--release", "--bin", EPITAPH, "--target", host, "--manifest-path"])
        .arg(manifest.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        // It would win over RUSTFLAGS.
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .status()
        .map_err(text)?;
    if !built.success() {
        return Err(format!("cannot build epitaph: cargo: {built}"));
    }
    Ok(target.join(host).join("release").join(EPITAPH))
}

fn in_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}
