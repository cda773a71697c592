//! What the child does between fork and exec: it finds out who it is, tells so, and becomes the program.
//!
//! The HTTP client, the JSON parser and all that they allocate live in this process and are gone at the exec.
//! A hang in them is the hang of an ordinary child, which SIGTERM ends. `--exec` is the same without a fork.

mod above;
mod elf;
mod environment;
mod hints;
mod look;
mod own_pid;
mod program;
mod whoami;

pub use self::above::has_init_above;
pub use self::look::{StopRecord, look_again, look_at_stop};
pub use self::program::{NotStarted, name};
pub use self::whoami::whoami;

use self::environment::{environment, unverified, variables};
pub(crate) use self::program::{exec, search_path};
use crate::identity::{Deadline, Field, System, local, resolve};
use crate::options::{Launch, Mode, RecordFormat, Records, Signal, StatsFormat};
use crate::record::{Dimensions, Formats, Frame, Kind, Record, RenderedIdentity, Value, journal, stderr};
use crate::shown::Shown;
use crate::sys::{self, reason};
use crate::task;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write;
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
    /// Whether SIGCHLD was ignored, and so is in the program.
    pub fn ignores_sigchld(&self) -> bool {
        self.ignores_sigchld
    }

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

    /// Lets signals through, but for those that our own writing could bring upon us, which must neither end
    /// nor stop us before the program has begun: a reader of stderr or of the pipe may be gone, a log file
    /// may be as large as it may become, and a terminal may stop who writes to it from the background.
    fn unblock_for_writing(&self) {
        for number in [libc::SIGPIPE, libc::SIGXFSZ] {
            sys::set_ignored(number, true);
        }
        sys::swap_signal_mask(self.mask | 1 << (libc::SIGTTOU - 1));
    }

    /// As epitaph was started, for the program.
    pub(crate) fn restore(&self) {
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
    /// whether PID 1 writes the exit record, although there is no pipe to it
    is_supervised: bool,
    /// frames that are not sent yet
    frames: Vec<u8>,
}

/// What a start is made of.
#[derive(Debug, Clone, Copy)]
pub struct Start<'a> {
    /// what is to become of the process: the program, or the collector of `--task-stats`
    pub mode: Mode,
    /// how it is started
    pub launch: &'a Launch,
    /// what is written down
    pub records: &'a Records,
    /// what was found when epitaph began
    pub inherited: &'a Inherited,
    /// of the records on stderr
    pub format: RecordFormat,
}

impl Report {
    /// Frames go into `pipe`.
    pub fn to(pipe: File) -> Report {
        Report { pipe: Some(pipe), is_supervised: true, frames: Vec::new() }
    }

    /// PID 1 has no pipe to give.
    pub fn without_pipe() -> Report {
        Report { is_supervised: true, ..Report::default() }
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

/// Becomes the program. Returns only when that failed, with the exit code.
///
/// The order is a promise, see `docs/design.md`: signals through, local identity, endpoint, identity to PID
/// 1, environment, start record, dispositions, exec.
#[inline(never)]
pub fn launch(start: &Start, system: &System, mut report: Report) -> u8 {
    let Start { launch: options, records, inherited, format, .. } = *start;
    inherited.unblock_for_writing();
    let formats = Formats::new(format, records.journal.is_some());
    let began = Instant::now();
    let local = local(system);
    if local.ecs_is_evident {
        // The endpoint may take its time, and what is known by now is worth having if we are ended meanwhile.
        report.add(&RenderedIdentity::of(&local.identity, formats).encode());
        report.send();
    }
    let outcome = resolve(system, local, Deadline::after(options.identity_timeout));
    outcome.log_warnings();
    let identity = outcome.identity;
    let identity_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let mut rendered = RenderedIdentity::of(&identity, formats);
    if records.stats.every.is_some() && records.stats.format == StatsFormat::Emf {
        rendered = rendered.with_dimensions(&Dimensions::of(&identity, &records.stats.dimensions, &[], &[]));
    }
    report.add(&rendered.encode());
    if outcome.heard_endpoint {
        report.add(&Frame::Endpoint.encode(&[u8::from(outcome.look_again)]));
    }
    if !outcome.try_again {
        report.add(&Frame::Resolved.encode(b""));
    }
    if options.require_identity && identity.get(Field::TaskArn).is_none() {
        let failure = NotStarted::no_identity(options.identity_timeout, outcome.try_again);
        return refuse(start, &failure, &rendered, report);
    }
    let variables = variables(&options.export, &identity);
    let environment = environment(&variables, report.is_supervised);
    let unverified = unverified(&identity);
    write(&start_record(options, identity_ms, &unverified), start, &rendered, &mut report);
    report.add(&Frame::Executing.encode(b""));
    report.send();
    if let Mode::TaskStats(every) = start.mode {
        // The end of the pipe tells PID 1 that the program runs, which the collector is.
        drop(report);
        let started = SystemTime::now() - began.elapsed();
        let journal = records.journal.as_deref();
        let journal =
            journal.map(|directory| task::Journal::new(directory, started, rendered.container_id()));
        return task::collect(records, every, format, system, journal);
    }
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
            error = exec(&options.program, &path, &self::environment(&[], report.is_supervised));
            inherited.unblock_for_writing();
        }
    }
    let program = options.program.first().map_or(OsStr::new(""), OsString::as_os_str);
    let failure = NotStarted::exec(program, error.path(), error.raw_os_error());
    refuse(start, &failure, &rendered, report)
}

/// Tells why there is no program, and returns the exit code.
fn refuse(start: &Start, failure: &NotStarted, identity: &RenderedIdentity, mut report: Report) -> u8 {
    log::error!("{}", failure.why);
    if report.pipe.is_some() {
        report.add(&failure.frame());
        report.send();
    } else if !report.is_supervised {
        write(&not_started_record(failure), start, identity, &mut report);
    }
    failure.code
}

fn start_record(options: &Launch, identity_ms: u64, unverified: &[&str]) -> Record {
    let program = options.program.first().map(|program| name(program)).unwrap_or_default();
    let mut fields = vec![("program", Value::from(program)), ("identity_ms", Value::from(identity_ms))];
    if let Some(lifetime) = options.max_lifetime {
        let ms = u64::try_from(lifetime.base.as_millis()).unwrap_or(u64::MAX);
        fields.push(("lifetime_ms", Value::from(ms)));
    }
    if !unverified.is_empty() {
        let names = unverified.iter().map(|&name| Value::from(name)).collect();
        fields.push(("environment_unverified", Value::List(names)));
    }
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

/// Writes a record to stderr, and to the journal if there is one; or sends it to PID 1, where this process is
/// not the one that may wait.
fn write(record: &Record, start: &Start, identity: &RenderedIdentity, report: &mut Report) {
    let format = start.format;
    if format != RecordFormat::Off {
        let line = record.render(format, identity);
        if !stderr().write_record(line.clone()) {
            // stderr has no room now; PID 1 can wait for it, and the program need not.
            report.add(&Frame::StderrLine.encode(&line));
        }
    }
    let Some(directory) = &start.records.journal else { return };
    let line = record.render(RecordFormat::Json, identity);
    if report.pipe.is_some() {
        // Where the journal is can be slow or away; PID 1 has helpers for that.
        report.add(&Frame::JournalLine.encode(&line));
        return;
    }
    let host = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    let host = host.as_deref().unwrap_or("unknown");
    let path = journal::path(directory, record.time, identity.container_id(), host);
    match journal::append_bounded(&path, &line, true) {
        Err(error) if error.kind() != std::io::ErrorKind::WriteZero => {
            log::warn!("the journal {} cannot be written: {}", Shown::new(&path), reason(&error));
        }
        _ => {}
    }
}

/// `--exec`: becomes the program without a fork. Returns only when that failed, with the exit code.
///
/// Until the exec, SIGTERM, SIGINT, SIGQUIT and SIGHUP end the process with 128 + n, as PID 1 too, for which
/// the kernel knows no default action. What ignores them was asked to by `nohup` or the like.
#[inline(never)]
pub fn exec_mode(start: &Start) -> u8 {
    for number in [libc::SIGTERM, libc::SIGINT, libc::SIGQUIT, libc::SIGHUP] {
        if sys::ignores(number) {
            continue;
        }
        let always = Arc::new(AtomicBool::new(true));
        if let Err(error) = signal_hook::flag::register_conditional_shutdown(number, 128 + number, always) {
            let name = Signal::new(number).map(|signal| signal.to_string()).unwrap_or_default();
            log::warn!("{name} cannot stop epitaph before the program runs: {}", reason(&error));
        }
    }
    launch(start, &System::of_process(), Report::default())
}
