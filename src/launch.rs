//! What the child does between fork and exec: it finds out who it is, tells so, and becomes the program.
//!
//! The HTTP client, the JSON parser and all that they allocate live in this process and are gone at the exec.
//! A hang in them is the hang of an ordinary child, which SIGTERM ends. `--exec` is the same without a fork.

use crate::identity::otel::VARIABLE as OTEL_VARIABLE;
use crate::identity::{Deadline, Field, Identity, Surroundings, local, resolve, whoami};
use crate::options::{IDENTITY_TIMEOUT, Options, RecordFormat, Signal};
use crate::record::{Dossier, Formats, Frame, Kind, Record, Value, journal, stderr};
use crate::sys::{self, Environment, reason};
use std::env::VarError;
use std::ffi::{CString, OsStr, OsString};
use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Instant, SystemTime};

/// What epitaph was started with and the program is to find again.
#[derive(Debug, Clone, Copy)]
pub struct Inherited {
    /// the signals that were blocked: bit n-1 for signal n
    mask: u64,
    ignores_sigpipe: bool,
    ignores_sigxfsz: bool,
    ignores_sigchld: bool,
}

impl Inherited {
    /// Blocks every signal, and remembers how things stood before. `mask` is how they did if they are blocked
    /// already: bit n-1 for signal n.
    ///
    /// The kernel drops a signal to PID 1 that is neither blocked nor handled, so this comes first of all.
    pub fn take(mask: Option<u64>) -> Inherited {
        let mask = mask.unwrap_or_else(|| sys::swap_signal_mask(sys::ALL_SIGNALS));
        let inherited = Inherited {
            mask,
            ignores_sigpipe: sys::ignores(libc::SIGPIPE),
            ignores_sigxfsz: sys::ignores(libc::SIGXFSZ),
            ignores_sigchld: sys::ignores(libc::SIGCHLD),
        };
        if inherited.ignores_sigchld {
            // Ignored, it makes the kernel reap our children, and waiting for them fails.
            sys::set_ignored(libc::SIGCHLD, false);
        }
        inherited
    }

    /// Lets signals through again, as they were when epitaph was started.
    pub fn unblock(&self) {
        sys::swap_signal_mask(self.mask);
    }

    /// Lets signals through, but for those that our own writing could bring upon us, which must neither end nor stop us
    /// before the program has begun: a reader of stderr or of the pipe may be gone, a log file may be as large as it may
    /// become, and a terminal may stop who writes to it from the background.
    fn unblock_for_writing(&self) {
        for number in [libc::SIGPIPE, libc::SIGXFSZ] {
            sys::set_ignored(number, true);
        }
        sys::swap_signal_mask(self.mask | 1 << (libc::SIGTTOU - 1));
    }

    /// As epitaph was started, for the program.
    fn restore(&self) {
        sys::set_ignored(libc::SIGPIPE, self.ignores_sigpipe);
        sys::set_ignored(libc::SIGXFSZ, self.ignores_sigxfsz);
        if self.ignores_sigchld {
            sys::set_ignored(libc::SIGCHLD, true);
        }
        self.unblock();
    }
}

/// The way from the child up to PID 1. The pipe closes at the exec, which tells PID 1 that the program runs.
#[derive(Debug, Default)]
pub struct Report {
    pipe: Option<File>,
    /// frames that are not sent yet
    frames: Vec<u8>,
}

impl Report {
    /// Frames go into `pipe`.
    pub fn to(pipe: File) -> Report {
        Report { pipe: Some(pipe), frames: Vec::new() }
    }

    fn add(&mut self, frames: &[u8]) {
        self.frames.extend_from_slice(frames);
    }

    fn send(&mut self) {
        // When PID 1 is gone, nobody is left to tell.
        if let Some(pipe) = &mut self.pipe
            && pipe.write_all(&self.frames).is_err()
        {
            self.pipe = None;
        }
        self.frames.clear();
    }
}

/// Why the program was not started.
#[derive(Debug)]
pub struct NotStarted {
    /// the exit code: 127 not found, 126 not executable, 78 no identity
    pub code: u8,
    /// a sentence for the exit record
    pub why: String,
}

impl NotStarted {
    fn exec(program: &OsStr, path: &OsStr, error: &std::io::Error) -> NotStarted {
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

    fn no_identity(options: &Options, in_time: bool) -> NotStarted {
        let why = if in_time {
            let limit = humantime::format_duration(options.identity_timeout);
            format!("the ECS task ARN was not known within {limit}, and --require-identity demands it")
        } else {
            "no source tells the ECS task ARN, and --require-identity demands it".to_owned()
        };
        NotStarted { code: 78, why }
    }

    /// The frame that tells PID 1.
    fn frame(&self) -> Vec<u8> {
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

/// Becomes the program. Returns only when that failed, with the exit code.
///
/// The order is a promise, see `docs/design.md`: signals through, local identity, endpoint, identity to PID 1,
/// environment, start record, dispositions, exec.
#[inline(never)]
pub fn launch(
    options: &Options,
    inherited: &Inherited,
    format: RecordFormat,
    surroundings: &Surroundings,
    mut report: Report,
) -> u8 {
    inherited.unblock_for_writing();
    let formats = Formats::new(format, options.journal.is_some());
    let began = Instant::now();
    let local = local(surroundings);
    if local.ecs_is_evident {
        // The endpoint may take its time, and what is known by now is worth having if we are ended meanwhile.
        report.add(&Dossier::of(&local.identity, formats).encode());
        report.send();
    }
    let outcome = resolve(surroundings, local, Deadline::after(options.identity_timeout));
    outcome.log_warnings();
    let identity = outcome.identity;
    let identity_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let dossier = Dossier::of(&identity, formats);
    report.add(&dossier.encode());
    if !outcome.try_again {
        report.add(&Frame::Resolved.encode(b""));
    }
    if options.require_identity && identity.get(Field::TaskArn).is_none() {
        let failure = NotStarted::no_identity(options, outcome.try_again);
        return refuse(options, &failure, format, &dossier, report);
    }
    let variables = variables(options, &identity);
    let environment = environment(&variables);
    start_record(options, identity_ms).write(options, format, &dossier, &mut report);
    report.add(&Frame::Executing.encode(b""));
    report.send();
    inherited.restore();
    let path = search_path();
    let mut error = exec(&options.program, &path, &environment);
    // What follows happens only when there is no program.
    inherited.unblock_for_writing();
    if error.raw_os_error() == Some(libc::E2BIG) {
        let names: Vec<String> = variables.into_iter().map(|(name, _)| name).collect();
        if !names.is_empty() {
            log::warn!(
                "there is no room in the environment for {}; the program does without",
                names.join(", ")
            );
            inherited.restore();
            error = exec(&options.program, &path, &Environment::of_process());
            inherited.unblock_for_writing();
        }
    }
    let program = options.program.first().map_or(OsStr::new(""), OsString::as_os_str);
    let failure = NotStarted::exec(program, &path, &error);
    refuse(options, &failure, format, &dossier, report)
}

/// Tells why there is no program, and returns the exit code.
fn refuse(
    options: &Options,
    failure: &NotStarted,
    format: RecordFormat,
    dossier: &Dossier,
    mut report: Report,
) -> u8 {
    log::error!("{}", failure.why);
    if report.pipe.is_some() {
        report.add(&failure.frame());
        report.send();
    } else {
        not_started_record(failure).write(options, format, dossier, &mut report);
    }
    failure.code
}

fn start_record(options: &Options, identity_ms: u64) -> Record {
    let program = options.program.first().map(|program| program.to_string_lossy()).unwrap_or_default();
    let fields = vec![("program", Value::from(&*program)), ("identity_ms", Value::from(identity_ms))];
    Record { kind: Kind::Start, time: SystemTime::now(), pid: Some(own_pid()), fields }
}

/// The exit record of a program that `--exec` could not become. PID 1 writes that of its own child itself.
fn not_started_record(failure: &NotStarted) -> Record {
    let exit = Value::Object(vec![
        ("code", Value::from(u64::from(failure.code))),
        ("verdict", Value::from("not_started")),
        ("why", Value::from(failure.why.as_str())),
    ]);
    Record { kind: Kind::Exit, time: SystemTime::now(), pid: Some(own_pid()), fields: vec![("exit", exit)] }
}

fn own_pid() -> i32 {
    nix::unistd::getpid().as_raw()
}

impl Record {
    fn write(&self, options: &Options, format: RecordFormat, dossier: &Dossier, report: &mut Report) {
        if format != RecordFormat::Off {
            let line = self.render(format, dossier);
            if !stderr().write_record(line.clone()) {
                // stderr has no room now; PID 1 can wait for it, and the program need not.
                report.add(&Frame::StderrLine.encode(&line));
            }
        }
        let Some(directory) = &options.journal else { return };
        let line = self.render(RecordFormat::Json, dossier);
        if report.pipe.is_some() {
            // Where the journal is can be slow or away; PID 1 has helpers for that.
            report.add(&Frame::JournalLine.encode(&line));
            return;
        }
        let host = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
        let host = host.as_deref().unwrap_or("unknown");
        let path = journal::path(directory, self.time, dossier.container_id(), host);
        match journal::append_bounded(&path, &line) {
            Err(error) if error.kind() != std::io::ErrorKind::WriteZero => {
                log::warn!("the journal {} cannot be written: {}", path.display(), reason(&error));
            }
            _ => {}
        }
    }
}

/// What the program is told of the identity.
fn variables(options: &Options, identity: &Identity) -> Vec<(String, String)> {
    match std::env::var(OTEL_VARIABLE) {
        Err(VarError::NotUnicode(_)) => {
            let mut variables = options.export.variables(identity, "");
            let known = variables.len();
            variables.retain(|(name, _)| name != OTEL_VARIABLE);
            if variables.len() < known {
                log::warn!("{OTEL_VARIABLE} is not UTF-8 and stays as it is");
            }
            variables
        }
        attributes => options.export.variables(identity, &attributes.unwrap_or_default()),
    }
}

/// The environment of the program: ours, with `variables`.
fn environment(variables: &[(String, String)]) -> Environment {
    let mut environment = Environment::of_process();
    for (name, value) in variables {
        let Some(old) = environment.set(name, value) else { continue };
        // Attributes are added to, which replaces nothing.
        if name != OTEL_VARIABLE && old != *value {
            log::warn!(
                "{name} was \"{}\" and is now \"{value}\", which is what this container is",
                old.escape_debug()
            );
        }
    }
    environment
}

/// Where a program without a slash in its name is looked for; where PATH is not set, as the C library of the other inits
/// does.
fn search_path() -> OsString {
    std::env::var_os("PATH").unwrap_or_else(|| "/bin:/usr/bin".into())
}

/// NAME_MAX of Linux, in bytes.
const LONGEST_NAME: usize = 255;

/// execvp(3) with an environment. Returns only when it failed, with the error to tell.
///
/// Written out since musl's does not run a script without `#!` through the shell, as POSIX demands and the
/// C library of the other inits does.
fn exec(program: &[OsString], path: &OsStr, environment: &Environment) -> std::io::Error {
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

/// `--exec`: becomes the program without a fork. Returns only when that failed, with the exit code.
///
/// Until the exec, SIGTERM, SIGINT, SIGQUIT and SIGHUP end the process with 128 + n, as PID 1 too, for which
/// the kernel knows no default action. What ignores them was asked to by `nohup` or the like.
#[inline(never)]
pub fn exec_mode(options: &Options, inherited: &Inherited, format: RecordFormat) -> u8 {
    for number in [libc::SIGTERM, libc::SIGINT, libc::SIGQUIT, libc::SIGHUP] {
        if sys::ignores(number) {
            continue;
        }
        let always = Arc::new(AtomicBool::new(true));
        if let Err(error) = signal_hook::flag::register_conditional_shutdown(number, 128 + number, always) {
            let name = Signal::new(number).map(|signal| signal.to_string()).unwrap_or_default();
            log::warn!("{name} cannot stop epitaph before the program runs: {error}");
        }
    }
    launch(options, inherited, format, &Surroundings::of_process(), Report::default())
}

/// `--whoami`: resolves afresh. Returns what there is to print, and the exit code: 0 when the container ID is
/// known, else 3.
#[inline(never)]
pub fn whoami(options: &Options, format: whoami::Format) -> (String, u8) {
    let surroundings = Surroundings::of_process();
    // 0 is for a start that must not wait. Who asks here does.
    let limit = if options.identity_timeout.is_zero() { IDENTITY_TIMEOUT } else { options.identity_timeout };
    let outcome = resolve(&surroundings, local(&surroundings), Deadline::after(limit));
    outcome.log_warnings();
    let attributes = std::env::var(OTEL_VARIABLE).unwrap_or_default();
    let text = whoami::render(&outcome.identity, format, &options.export, &attributes);
    let is_known = outcome.identity.get(Field::ContainerId).is_some();
    if !is_known && outcome.warnings.is_empty() {
        log::warn!(
            "the container ID is not known: no endpoint of ECS is set, and /proc/self names no container"
        );
    }
    (text, if is_known { 0 } else { 3 })
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
