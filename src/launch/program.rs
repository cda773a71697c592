//! How the program is found and executed, and what is told where it cannot be.

use crate::options::Options;
use crate::record::Frame;
use crate::sys::{self, Environment, reason};
use std::ffi::{CString, OsStr, OsString};
use std::fmt::{self, Write as _};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Why the program was not started.
#[derive(Debug)]
pub struct NotStarted {
    /// the exit code: 127 not found, 126 not executable, 78 no identity
    pub code: u8,
    /// a sentence for the exit record
    pub why: String,
}

impl NotStarted {
    pub(crate) fn exec(program: &OsStr, path: &OsStr, error: &std::io::Error) -> NotStarted {
        let errno = error.raw_os_error();
        let code = match errno {
            Some(libc::ENOENT | libc::ENOTDIR) => 127,
            _ => 126,
        };
        let name = program.to_string_lossy();
        let hint = match errno {
            Some(libc::ENOENT) if name.is_empty() => "; PROGRAM is empty".to_owned(),
            Some(libc::ENOENT) if name.contains(' ') => {
                "; is it one word by mistake, a command and its arguments?".to_owned()
            }
            Some(libc::ENOENT) if name.contains('/') => {
                "; it is missing, or the interpreter that it names".to_owned()
            }
            Some(libc::ENOENT) => {
                format!("; it is in no directory of PATH ({})", Shown(&path.to_string_lossy()))
            }
            Some(libc::EACCES) => {
                "; it is not executable, or a directory above it is not accessible".to_owned()
            }
            Some(libc::ENOEXEC) => "; is it for another processor architecture?".to_owned(),
            _ => String::new(),
        };
        NotStarted { code, why: format!("exec {} failed: {}{hint}", Shown(&name), reason(error)) }
    }

    pub(super) fn no_identity(options: &Options, in_time: bool) -> NotStarted {
        let why = if in_time {
            let limit = humantime::format_duration(options.identity_timeout);
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

/// A word of a user's in a sentence of ours: escaped, and cut to [`LONGEST_WORD`].
struct Shown<'a>(&'a str);

/// In bytes; two of them and the rest of a sentence are no longer than the other sentences in `why`.
const LONGEST_WORD: usize = 80;

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let mut room = LONGEST_WORD;
        for letter in self.0.chars() {
            let letter = letter.escape_debug();
            let length: usize = letter.clone().map(char::len_utf8).sum();
            if length > room {
                return f.write_char('…');
            }
            room -= length;
            letter.fmt(f)?;
        }
        Ok(())
    }
}

/// Where a program without a slash in its name is looked for; where PATH is not set, as the C library of the other inits
/// does.
pub(crate) fn search_path() -> OsString {
    std::env::var_os("PATH").unwrap_or_else(|| "/bin:/usr/bin".into())
}

/// NAME_MAX of Linux, in bytes.
const LONGEST_NAME: usize = 255;

/// execvp(3) with an environment. Returns only when it failed, with the error to tell.
///
/// Written out since musl's does not run a script without `#!` through the shell, as POSIX demands and the
/// C library of the other inits does.
pub(crate) fn exec(program: &[OsString], path: &OsStr, environment: &Environment) -> std::io::Error {
    let args: Result<Vec<CString>, _> =
        program.iter().map(|arg| CString::new(arg.clone().into_vec())).collect();
    // The arguments came from the kernel as strings that end at the first NUL byte.
    let (Ok(args), Some(name)) = (args, program.first()) else {
        return std::io::Error::from_raw_os_error(libc::EINVAL);
    };
    if name.is_empty() {
        return std::io::Error::from_raw_os_error(libc::ENOENT);
    }
    if name.as_bytes().contains(&b'/') {
        return exec_file(name.as_bytes(), &args, environment);
    }
    let mut last = std::io::Error::from_raw_os_error(libc::ENOENT);
    if name.len() > LONGEST_NAME {
        return std::io::Error::from_raw_os_error(libc::ENAMETOOLONG);
    }
    for directory in path.as_bytes().split(|byte| *byte == b':') {
        // The kernel would refuse the path, and a mistake in one part of PATH is none in the others.
        if directory.len() >= libc::PATH_MAX as usize {
            continue;
        }
        // An empty part of PATH is the working directory.
        let directory = if directory.is_empty() { b"." } else { directory };
        let error = exec_file(&[directory, b"/", name.as_bytes()].concat(), &args, environment);
        match error.raw_os_error() {
            // The search goes on, but if nothing else is found, this is what there is to tell.
            Some(libc::EACCES) => last = error,
            Some(libc::ENOENT | libc::ENOTDIR | libc::ESTALE | libc::ENODEV | libc::ETIMEDOUT) => {}
            _ => return error,
        }
    }
    last
}

fn exec_file(path: &[u8], args: &[CString], environment: &Environment) -> std::io::Error {
    let Ok(path) = CString::new(path) else { return std::io::Error::from_raw_os_error(libc::EINVAL) };
    let error = sys::execve(&path, args, environment);
    if error.raw_os_error() != Some(libc::ENOEXEC) {
        return error;
    }
    // A script without `#!` is one of the shell.
    let mut shell_args = vec![c"/bin/sh".to_owned(), path];
    shell_args.extend(args.iter().skip(1).cloned());
    match sys::execve(c"/bin/sh", &shell_args, environment) {
        shell if shell.raw_os_error() == Some(libc::ENOENT) => error,
        shell => shell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_a_program_was_not_started() {
        let why = |name: &str, errno| {
            let error = std::io::Error::from_raw_os_error(errno);
            NotStarted::exec(OsStr::new(name), OsStr::new("/bin:/usr/bin"), &error).why
        };
        let table = [
            ("sh", libc::ENOENT, "No such file or directory; it is in no directory of PATH (/bin:/usr/bin)"),
            (
                "./sh",
                libc::ENOENT,
                "No such file or directory; it is missing, or the interpreter that it names",
            ),
            (
                "sh -c true",
                libc::ENOENT,
                "No such file or directory; is it one word by mistake, a command and its arguments?",
            ),
            ("", libc::ENOENT, "No such file or directory; PROGRAM is empty"),
            (
                "/sh",
                libc::EACCES,
                "Permission denied; it is not executable, or a directory above it is not accessible",
            ),
            ("/sh", libc::ENOEXEC, "Exec format error; is it for another processor architecture?"),
            ("/sh", libc::E2BIG, "Argument list too long"),
        ];
        for (name, errno, expected) in table {
            assert_eq!(why(name, errno), format!("exec {name} failed: {expected}"));
        }
    }

    #[test]
    fn a_strange_name_is_one_short_line() {
        let error = std::io::Error::from_raw_os_error(libc::ENOENT);
        for letter in ["a", "\n", "\u{10ffff}", "🦀"] {
            let long = letter.repeat(1000);
            let why = NotStarted::exec(OsStr::new(&long), OsStr::new(&long), &error).why;
            assert!(why.len() <= 300 && !why.contains('\n') && why.contains('…'), "{why}");
        }
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
