//! How the program is found and executed, and what is told where it cannot be.

use super::hints;
use crate::record::Frame;
use crate::shown::{LONGEST, Shown, cut_with_mark};
use crate::sys::{self, Environment};
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why the program was not started.
#[derive(Debug)]
pub struct NotStarted {
    /// the exit code: 127 not found, 126 not executable, 78 no identity
    pub code: u8,
    /// a sentence for the exit record
    pub why: String,
}

/// The longest `why`, in bytes: what the schema of the records allows.
const LONGEST_WHY: usize = 300;

impl NotStarted {
    /// Why execve(2) refused the program: `errno`, and what is to be seen at `path`, the file that was tried
    /// last; `None` where no directory of PATH has one.
    pub fn exec(program: &OsStr, path: Option<&Path>, errno: Option<i32>) -> NotStarted {
        let code = match errno {
            Some(libc::ENOENT | libc::ENOTDIR) => 127,
            _ => 126,
        };
        let hint = match errno {
            _ if program.is_empty() => Some("PROGRAM is empty".to_owned()),
            // What stands behind the blank is not looked at either: a hint could tell of it.
            _ if first_word(program).is_some() => {
                Some("is it one word by mistake, a command and its arguments?".to_owned())
            }
            Some(libc::ENOENT) if path.is_none() => Some("it is in no directory of PATH".to_owned()),
            _ => path.and_then(|path| hints::look(path, errno?)),
        };
        let name = name(program);
        let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
        let name = Shown::at_most(&name, hints::LONGEST_WORD);
        let mut why = format!(
            "exec {name} failed: {}{hint}",
            errno.map_or("unknown", |errno| nix::Error::from_raw(errno).desc())
        );
        cut_with_mark(&mut why, LONGEST_WHY);
        NotStarted { code, why }
    }

    pub(super) fn no_identity(timeout: Duration, in_time: bool) -> NotStarted {
        let why = if in_time {
            let limit = humantime::format_duration(timeout);
            format!("the ECS task ARN was not known within {limit}, and --require-identity demands it")
        } else {
            "no source tells the ECS task ARN, and --require-identity demands it".to_owned()
        };
        NotStarted { code: 78, why }
    }

    /// The frame that tells PID 1.
    pub(super) fn frame(&self) -> Vec<u8> {
        Frame::NotStarted.encode(&[&[self.code], self.why.as_bytes()].concat())
    }

    /// Reads what the child has put into the frame.
    pub fn from_frame(bytes: &[u8]) -> NotStarted {
        let (code, why) = bytes.split_first().map_or((126, bytes), |(code, why)| (*code, why));
        NotStarted { code, why: String::from_utf8_lossy(why).into_owned() }
    }
}

/// The program's name as it may be told: the first word of the command line, at most 256 bytes of it.
///
/// A whole command line may have come as that one word, by mistake, with secrets in it (`'mysql -u root
/// -psecret'`, `'PASSWORD=secret server'`). So the name ends at the first blank or `=`, unless there is a
/// file of the whole name.
pub fn name(program: &OsStr) -> String {
    let mut name = first_word(program).unwrap_or_else(|| program.to_string_lossy().into_owned());
    cut_with_mark(&mut name, LONGEST);
    name
}

/// The first word of a name that is none, but a whole command line or a variable.
fn first_word(program: &OsStr) -> Option<String> {
    let is_end = |letter: char| letter.is_whitespace() || letter == '=';
    let whole = program.to_string_lossy();
    if !whole.contains(is_end) || is_there(program) {
        return None;
    }
    whole.trim_start().split(is_end).next().map(str::to_owned)
}

/// Whether there is a file that the name leads to.
fn is_there(program: &OsStr) -> bool {
    if program.as_bytes().contains(&b'/') {
        return Path::new(program).metadata().is_ok();
    }
    std::env::split_paths(&search_path()).any(|directory| directory.join(program).metadata().is_ok())
}

/// Where a program without a slash in its name is looked for; where PATH is not set, as the C library of the
/// other inits does.
pub(crate) fn search_path() -> OsString {
    sys::variable("PATH").unwrap_or_else(|| "/bin:/usr/bin".into())
}

/// NAME_MAX of Linux, in bytes.
const LONGEST_NAME: usize = 255;

/// Why an exec failed, and which file it was about.
#[derive(Debug)]
pub(crate) struct ExecError {
    error: io::Error,
    /// `None` where there was none
    path: Option<PathBuf>,
}

impl ExecError {
    fn new(errno: i32) -> ExecError {
        ExecError { error: io::Error::from_raw_os_error(errno), path: None }
    }

    /// The file that it was about, the last of those that were tried.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The errno of execve(2).
    pub(crate) fn raw_os_error(&self) -> Option<i32> {
        self.error.raw_os_error()
    }
}

/// execvp(3) with an environment. Returns only when it failed, with the error to tell.
///
/// Written out since musl's does not run a script without `#!` through the shell, as POSIX demands and the
/// C library of the other inits does.
pub(crate) fn exec(program: &[OsString], path: &OsStr, environment: &Environment) -> ExecError {
    let args: Result<Vec<CString>, _> =
        program.iter().map(|arg| CString::new(arg.clone().into_vec())).collect();
    // The arguments came from the kernel as strings that end at the first NUL byte.
    let (Ok(args), Some(name)) = (args, program.first()) else {
        return ExecError::new(libc::EINVAL);
    };
    if name.is_empty() {
        return ExecError::new(libc::ENOENT);
    }
    if name.as_bytes().contains(&b'/') {
        return exec_file(name.as_bytes(), &args, environment);
    }
    let mut last = ExecError::new(libc::ENOENT);
    if name.len() > LONGEST_NAME {
        return ExecError::new(libc::ENAMETOOLONG);
    }
    for directory in path.as_bytes().split(|byte| *byte == b':') {
        // The kernel would refuse the path, and a mistake in one part of PATH is none in the others.
        if directory.len() >= libc::PATH_MAX as usize {
            continue;
        }
        // An empty part of PATH is the working directory.
        let directory = if directory.is_empty() { b"." } else { directory };
        let failure = exec_file(&[directory, b"/", name.as_bytes()].concat(), &args, environment);
        match failure.raw_os_error() {
            // The search goes on, but if nothing else is found, this is what there is to tell.
            Some(libc::EACCES) => last = failure,
            Some(libc::ENOENT) => {
                // Where the file is there, it is its interpreter that is not, and that is to be told.
                let is_there = failure.path.as_deref().is_some_and(|path| path.symlink_metadata().is_ok());
                if is_there && last.path.is_none() {
                    last = failure;
                }
            }
            Some(libc::ENOTDIR | libc::ESTALE | libc::ENODEV | libc::ETIMEDOUT) => {}
            _ => return failure,
        }
    }
    last
}

fn exec_file(path: &[u8], args: &[CString], environment: &Environment) -> ExecError {
    let file = Some(PathBuf::from(OsStr::from_bytes(path)));
    let Ok(path) = CString::new(path) else { return ExecError::new(libc::EINVAL) };
    let error = sys::execve(&path, args, environment);
    // A script without `#!` is one of the shell. A program for another machine is not, and a shell would try
    // to read it.
    if error.raw_os_error() != Some(libc::ENOEXEC) || file.as_deref().is_some_and(hints::is_elf) {
        return ExecError { error, path: file };
    }
    let mut shell_args = vec![c"/bin/sh".to_owned(), path];
    shell_args.extend(args.iter().skip(1).cloned());
    match sys::execve(c"/bin/sh", &shell_args, environment) {
        shell if shell.raw_os_error() == Some(libc::ENOENT) => ExecError { error, path: file },
        shell => ExecError { error: shell, path: Some("/bin/sh".into()) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(name: &str, path: Option<&str>, errno: i32) -> String {
        NotStarted::exec(OsStr::new(name), path.map(Path::new), Some(errno)).why
    }

    #[test]
    fn what_no_look_can_tell() {
        for (name, errno, expected) in [
            ("sh", libc::ENOENT, "exec sh failed: No such file or directory; it is in no directory of PATH"),
            ("", libc::ENOENT, "exec  failed: No such file or directory; PROGRAM is empty"),
            ("sh", libc::E2BIG, "exec sh failed: Argument list too long"),
        ] {
            assert_eq!(why(name, None, errno), expected);
        }
    }

    #[test]
    fn a_strange_name_is_one_short_line() {
        for letter in ["a", "\n", "\u{10ffff}", "🦀", "\u{202e}", "\u{9b}"] {
            let long = letter.repeat(1000);
            for path in [None, Some(&*long)] {
                let why = why(&long, path, libc::ENOENT);
                assert!(why.len() <= 300 && !why.contains(crate::shown::is_forbidden), "{why}");
            }
        }
    }

    #[test]
    fn arguments_in_the_name_are_not_told() {
        for (line, told) in [
            ("mysql -u root -psecret", "mysql"),
            ("  mysql\t-psecret", "mysql"),
            ("/opt/no such/server --token=secret", "/opt/no"),
            (&format!("/opt/none --token=secret/{}", "x".repeat(300)), "/opt/none"),
            ("mysql\n-psecret", "mysql"),
            ("PASSWORD=secret mysql", "PASSWORD"),
            ("PASSWORD=se cret", "PASSWORD"),
            ("PASSWORD=secret", "PASSWORD"),
            ("mysql", "mysql"),
            ("\u{a0}mysql secret", "mysql"),
        ] {
            assert_eq!(name(OsStr::new(line)), told);
            let why = why(line, None, libc::ENOENT);
            assert!(why.starts_with(&format!("exec {told} failed: No such file or directory; ")), "{why}");
            assert!(!why.contains("secret"));
        }
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("with a blank");
        std::fs::write(&file, "").expect("written");
        assert_eq!(name(file.as_os_str()), file.to_string_lossy());
        assert_eq!(name(OsStr::new(&"x".repeat(1000))), format!("{}…", "x".repeat(253)));
    }

    #[test]
    fn not_started_survives_the_pipe() {
        let told = NotStarted { code: 127, why: "exec x failed: No such file or directory".to_owned() };
        let mut frames = crate::record::Frames::default();
        let (frame, bytes) = frames.push(&told.frame()).pop().expect("a frame");
        assert_eq!(frame, Frame::NotStarted);
        let heard = NotStarted::from_frame(&bytes);
        assert_eq!((heard.code, heard.why), (told.code, told.why));
    }
}
