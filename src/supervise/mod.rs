//! PID 1: starts the program, and looks after it and all orphans until it ends.
//!
//! [`run`] is the sequence, [`core`] decides what is done about signals and time, and the rest carries it out.
//! Nothing here parses what a network told, waits without a bound, or gives up once the program is started.

mod core;
mod ending;
mod evidence;
mod helper;
mod isolate;
mod signals;

use self::core::{Action, Arrival, Core};
use self::evidence::{Evidence, memory_value};
use self::helper::Helpers;
use self::signals::Signals;
use crate::launch::{Inherited, NotStarted, Report, launch};
use crate::options::{Mode, Options, RecordFormat, Signal, Target};
use crate::record::{Dossier, Frame, Frames, Kind, Record, Value, stderr};
use crate::sys::{self, Ended, Fork};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{Pid, getpid};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

/// How long the end may wait for a stderr that is full.
const LAST_WORDS: Duration = Duration::from_millis(250);

/// Starts the program, supervises it, and returns the exit code.
///
/// The order is a promise, see `docs/design.md`.
pub fn run(options: &Options, inherited: &Inherited, format: RecordFormat) -> u8 {
    prepare(options);
    let result = if options.mode == Mode::Pause {
        Signals::open().map(|signals| Supervisor::new(options, format, signals, None))
    } else {
        start(options, inherited, format)
    };
    match result {
        Ok(mut supervisor) => supervisor.supervise(),
        Err(error) => {
            // Nothing has been started yet, and nothing can be.
            log::error!("cannot start a process: {error}");
            1
        }
    }
}

/// Forks. The child finds out who it is at once; PID 1 meanwhile takes the state of the memory down, and the
/// child waits for that before the exec, so that every kill that is counted later is one since the start.
fn start(options: &Options, inherited: &Inherited, format: RecordFormat) -> std::io::Result<Supervisor> {
    let signals = Signals::open()?;
    let (report, report_end) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    let (ready, ready_end) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    match sys::fork()? {
        Fork::Child => {
            drop(ready_end);
            isolate::in_child(options.isolation);
            let report = Report::to(File::from(report_end), File::from(ready));
            sys::exit_now(i32::from(launch(options, inherited, format, report)))
        }
        Fork::Parent(child) => {
            drop((report_end, ready));
            isolate::in_parent(options.isolation, child);
            let program = Program { pid: child, report: File::from(report) };
            let supervisor = Supervisor::new(options, format, signals, Some(program));
            // The end of this pipe is the word that the child waits for.
            drop(ready_end);
            log::info!("started {} as process {child}", supervisor.program_name);
            Ok(supervisor)
        }
    }
}

fn prepare(options: &Options) {
    if let Some(signal) = options.parent_death_signal
        && let Err(error) = sys::set_parent_death_signal(signal.number())
    {
        log::warn!("{signal} at the death of the parent cannot be had: {error}");
    }
    let is_pid_1 = getpid().as_raw() == 1;
    if options.subreaper
        && let Err(error) = nix::sys::prctl::set_child_subreaper(true)
    {
        log::warn!("cannot become a child subreaper: {error}");
    }
    if !is_pid_1 && !nix::sys::prctl::get_child_subreaper().unwrap_or(false) {
        log::warn!(
            "epitaph is neither PID 1 nor a child subreaper, so orphans do not come to it and it cannot reap them; \
             use -s or TINI_SUBREAPER, or run it as PID 1"
        );
    }
}

/// A child that is to become the program, or has.
struct Program {
    pid: Pid,
    report: File,
}

struct Supervisor {
    core: Core,
    signals: Signals,
    report: Option<File>,
    frames: Frames,
    dossier: Dossier,
    evidence: Option<Evidence>,
    helpers: Helpers,
    program: Option<Pid>,
    program_name: String,
    ended: Option<(Ended, Instant)>,
    pause_is_over: bool,
    executed: bool,
    not_started: Option<NotStarted>,
    started: Instant,
    reaped: u64,
    format: RecordFormat,
    warn_on_reap: bool,
    terminates_rest: bool,
    success_codes: Vec<u8>,
}

impl Supervisor {
    /// From here on PID 1 does not give up: whatever fails is logged and survived.
    fn new(
        options: &Options,
        format: RecordFormat,
        signals: Signals,
        program: Option<Program>,
    ) -> Supervisor {
        stderr().queue_what_does_not_fit();
        // A working directory keeps its file system from being unmounted.
        let _ = nix::unistd::chdir("/");
        let (program, report) = program.map(|program| (program.pid, program.report)).unzip();
        if let Some(report) = &report {
            // Fails only for a flag that does not exist.
            let _ = nix::fcntl::fcntl(report, nix::fcntl::FcntlArg::F_SETFL(OFlag::O_NONBLOCK));
        }
        Supervisor {
            core: Core::new(options, program.is_some(), getpid().as_raw()),
            signals,
            report,
            frames: Frames::default(),
            dossier: Dossier::default(),
            evidence: program.and_then(|_| Evidence::gather(Path::new("/"))),
            helpers: Helpers::default(),
            program,
            program_name: options
                .program
                .first()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default(),
            ended: None,
            pause_is_over: false,
            executed: false,
            not_started: None,
            started: Instant::now(),
            reaped: 0,
            format,
            warn_on_reap: options.warn_on_reap,
            terminates_rest: options.terminates_rest,
            success_codes: options.success_codes.clone(),
        }
    }

    fn supervise(&mut self) -> u8 {
        while self.ended.is_none() && !self.pause_is_over {
            let memory_changed = self.wait();
            // Children first: a signal that comes after the program's end stops nothing any more.
            self.reap();
            if self.ended.is_some() {
                break;
            }
            self.take_signals();
            self.take_frames();
            if memory_changed && let Some(evidence) = &mut self.evidence {
                evidence.look();
            }
            self.on_time();
            stderr().flush();
        }
        self.end()
    }

    /// Waits until something happens, without a time limit when there is nothing to time.
    ///
    /// Returns whether it was the watch on memory.
    fn wait(&self) -> bool {
        let deadline = [self.core.next_deadline(), self.helpers.next_deadline()]
            .into_iter()
            .chain([self.evidence.as_ref().and_then(Evidence::next_deadline)])
            .flatten()
            .min();
        // poll(2) counts whole milliseconds; rounded down, the last one would be spent spinning.
        let left = deadline.map(|at| at.saturating_duration_since(Instant::now()) + Duration::from_millis(1));
        let timeout =
            left.map_or(PollTimeout::NONE, |left| PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX));
        let stderr_fd = stderr().has_pending().then(sys::stderr_descriptor);
        let mut fds = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        fds.extend(self.report.as_ref().map(|report| PollFd::new(report.as_fd(), PollFlags::POLLIN)));
        fds.extend(
            self.evidence.iter().filter_map(Evidence::watch).map(|fd| PollFd::new(fd, PollFlags::POLLPRI)),
        );
        fds.extend(stderr_fd.map(|fd| PollFd::new(fd, PollFlags::POLLOUT)));
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => log::warn!("poll: {error}"),
        }
        let priority = |fd: &PollFd| fd.revents().is_some_and(|events| events.contains(PollFlags::POLLPRI));
        fds.iter().any(priority)
    }

    fn reap(&mut self) {
        let mut any = false;
        while let Some((pid, signal)) = sys::peek_ended() {
            any = true;
            let is_program = Some(pid) == self.program;
            if signal == Some(libc::SIGKILL)
                && let Some(evidence) = &mut self.evidence
                && !self.helpers.has(pid)
            {
                evidence.killed(pid, is_program);
            }
            let Some(ended) = sys::reap(Some(pid)) else { return };
            if self.helpers.ended(&ended) {
                continue;
            }
            if is_program {
                self.program = None;
                self.ended = Some((ended, Instant::now()));
                continue;
            }
            self.reaped += 1;
            if self.warn_on_reap {
                log::warn!("reaped process {pid}");
            } else {
                log::debug!("reaped process {pid}");
            }
        }
        if any
            && self.ended.is_none()
            && let Some(evidence) = &mut self.evidence
        {
            evidence.look_where_nothing_watches();
        }
    }

    fn take_signals(&mut self) {
        loop {
            let mut arrivals: Vec<Arrival> = Vec::new();
            let may_be_more = self.signals.read(|arrival| arrivals.push(arrival));
            for arrival in arrivals {
                log::debug!("received {} from process {}", arrival.signal, arrival.sender);
                for action in self.core.on_signal(arrival) {
                    self.act(action);
                }
            }
            if !may_be_more {
                return;
            }
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Send { signal, target } => self.send(signal, target),
            Action::RecordStop(arrival) => self.record_stop(arrival),
            Action::Suspend => {
                // STOP is the one signal that suspends whoever blocks all; CONT wakes it, and is forwarded.
                let _ = sys::kill(getpid(), Signal::STOP.number());
            }
            Action::EndPause => self.pause_is_over = true,
        }
    }

    fn send(&self, signal: Signal, target: Target) {
        // No program: it has been reaped, and its ID may be another process's by now.
        let Some(program) = self.program else { return };
        let group = Pid::from_raw(-program.as_raw());
        let sent = match target {
            Target::Program => sys::kill(program, signal.number()),
            // Before the child has made its own session there is no such group, but the child is there.
            Target::Group => {
                sys::kill(group, signal.number()).or_else(|_| sys::kill(program, signal.number()))
            }
        };
        match sent {
            Ok(()) => log::debug!("forwarded {signal}"),
            Err(error) => log::warn!("forwarding {signal} to process {program} failed: {error}"),
        }
    }

    fn record_stop(&self, arrival: Arrival) {
        let mut fields = vec![("signal", Value::from(arrival.signal.to_string()))];
        // 0: from outside of the PID namespace, such as from `docker stop`.
        if arrival.sender > 0 {
            fields.push(("sender_pid", Value::from(i64::from(arrival.sender))));
        }
        self.write(Kind::Stop, fields);
    }

    fn write(&self, kind: Kind, fields: Vec<(&'static str, Value)>) {
        if self.format == RecordFormat::Off {
            return;
        }
        let pid = self.program.or(self.ended.as_ref().map(|(ended, _)| ended.pid)).map(Pid::as_raw);
        let record = Record { kind, time: SystemTime::now(), pid, fields };
        stderr().write_record(record.render(self.format, &self.dossier));
    }

    /// Takes what the child has sent up. The end of the pipe is the exec, or the child's end.
    fn take_frames(&mut self) {
        let mut buffer = [0; 4096];
        while let Some(report) = &mut self.report {
            match report.read(&mut buffer) {
                Ok(0) => self.report = None,
                Ok(length) => self.frames.push(buffer.get(..length).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => {
                    log::warn!("the pipe from the child failed: {error}");
                    self.report = None;
                }
            }
        }
        while let Some((frame, bytes)) = self.frames.take() {
            match frame {
                Frame::Resolved => {}
                Frame::Executing => self.executed = true,
                Frame::StderrLine => drop(stderr().write_record(bytes)),
                Frame::NotStarted => self.not_started = Some(NotStarted::from_frame(&bytes)),
                other => drop(self.dossier.absorb(other, &bytes)),
            }
        }
    }

    fn on_time(&mut self) {
        let now = Instant::now();
        for action in self.core.on_time(now) {
            self.act(action);
        }
        self.helpers.on_time(now);
        self.record_kill(now, false);
    }

    fn record_kill(&mut self, now: Instant, is_last_chance: bool) {
        let Some(evidence) = &mut self.evidence else { return };
        let Some(victim) = evidence.take_kill(now, is_last_chance) else { return };
        let memory = evidence.memory(self.dossier.task_memory_limit());
        let mut fields = vec![("memory", memory_value(&memory))];
        fields.extend(victim.map(|victim| ("victim", victim.value())));
        self.write(Kind::OomKill, fields);
    }

    /// The program has ended: what is left to do, and the exit code.
    fn end(&mut self) -> u8 {
        let Some((ended, at)) = self.ended.clone() else { return 0 };
        self.take_frames();
        if self.terminates_rest {
            // Nobody waits for them: this is a request to those that will outlive us.
            let _ = sys::kill(Pid::from_raw(-ended.pid.as_raw()), Signal::TERM.number());
        }
        isolate::take_terminal_back(ended.pid);
        let code = ending::exit_code(&ended, self.not_started.as_ref());
        self.record_kill(at, true);
        stderr().drain(LAST_WORDS);
        let exit = self.exit_fields(&ended, at, code);
        self.write(Kind::Exit, exit);
        stderr().drain(LAST_WORDS);
        if self.success_codes.contains(&code) { 0 } else { code }
    }
}
