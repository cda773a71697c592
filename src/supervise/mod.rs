//! PID 1: starts the program, and looks after it and all orphans until it ends.
//!
//! [`run`] is the sequence, `core` decides what is done about signals and time, and the rest carries it out.
//! Nothing here parses what a network told, waits without a bound, or gives up once the program is started.

mod core;
mod ending;
mod evidence;
mod helper;
mod isolate;
mod late;
mod observe;
mod signals;
mod spawn;
mod table;
mod write;

use self::core::{Action, Core};
use self::evidence::Evidence;
use self::helper::{Helpers, Purpose};
use self::signals::{Batch, Signals};
use self::write::Journal;
use crate::identity::System;
use crate::launch::{Inherited, NotStarted};
use crate::options::{Mode, Options, RecordFormat, Signal, Target};
use crate::record::{Frame, Frames, RenderedIdentity, stderr};
use crate::sys::{self, Ended, reason};
use arrayvec::ArrayVec;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{Pid, getpid};
use std::cell::Cell;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::mem::ManuallyDrop;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// Starts the program, supervises it, and returns the exit code.
///
/// The order is a promise, see `docs/design.md`.
pub fn run(options: &Options, inherited: &Inherited, format: RecordFormat) -> u8 {
    let adopts = spawn::prepare(options);
    let failed = |error: std::io::Error| {
        // Nothing has been started yet, and nothing can be.
        log::error!("cannot start a process: {error}");
        1
    };
    let signals = match Signals::open() {
        Ok(signals) => signals,
        Err(error) => return failed(error),
    };
    // The process ends after it, and the kernel takes everything back faster than we could give it.
    let mut supervisor = ManuallyDrop::new(Supervisor::new(options, format, signals, adopts));
    if options.mode == Mode::Pause {
        supervisor.enter_supervision();
    } else if let Err(error) = spawn::start(&mut supervisor, options, inherited, format) {
        return failed(error);
    }
    supervisor.supervise()
}

struct Supervisor {
    core: Core,
    signals: Signals,
    report: Option<File>,
    /// whether that can hold all that the child sends
    report_is_roomy: bool,
    frames: Frames,
    identity: RenderedIdentity,
    /// whether nothing more can be learned of the identity
    resolved: bool,
    late: Option<File>,
    late_frames: Frames,
    evidence: Option<Evidence>,
    helpers: Helpers,
    journal: Option<Journal>,
    program: Option<Pid>,
    program_name: String,
    ended: Option<(Ended, Instant)>,
    pause_is_over: bool,
    executed: bool,
    /// whether a way to wait was refused, which is told once
    cannot_wait: Cell<bool>,
    not_started: Option<NotStarted>,
    started: Instant,
    /// whether orphans come to us: as PID 1, or as a subreaper
    adopts: bool,
    reaped: u64,
    format: RecordFormat,
    waits_for_identity: bool,
    oom_poll: Option<Duration>,
    warn_on_reap: bool,
    terminates_rest: bool,
    success_codes: Vec<u8>,
}

/// How often to look where the kernel does not let us wait.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// From how many orphans at once on their usage is not asked for.
const STORM: u64 = 8;

impl Supervisor {
    /// The state before there is a program.
    #[inline(never)]
    fn new(options: &Options, format: RecordFormat, signals: Signals, adopts: bool) -> Supervisor {
        Supervisor {
            core: Core::new(options, options.mode != Mode::Pause, getpid().as_raw()),
            signals,
            report: None,
            report_is_roomy: false,
            frames: Frames::default(),
            identity: RenderedIdentity::default(),
            resolved: false,
            late: None,
            late_frames: Frames::default(),
            evidence: None,
            helpers: Helpers::default(),
            journal: options.journal.clone().map(Journal::new),
            program: None,
            program_name: options
                .program
                .first()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default(),
            ended: None,
            pause_is_over: false,
            executed: false,
            cannot_wait: Cell::new(false),
            not_started: None,
            started: Instant::now(),
            adopts,
            reaped: 0,
            format,
            waits_for_identity: !options.identity_timeout.is_zero(),
            oom_poll: options.oom_poll,
            warn_on_reap: options.warn_on_reap,
            terminates_rest: options.terminates_rest,
            success_codes: options.success_codes.clone(),
        }
    }

    /// From here on PID 1 does not give up: whatever fails is logged and survived.
    fn enter_supervision(&mut self) {
        self.started = Instant::now();
        stderr().queue_what_does_not_fit();
        // A working directory keeps its file system from being unmounted.
        let _ = nix::unistd::chdir(c"/");
    }

    #[inline(never)]
    fn supervise(&mut self) -> u8 {
        while self.ended.is_none() && !self.pause_is_over {
            // A child's end that comes after the signals were taken is another signal, so none is missed.
            let (batch, memory_changed) = self.wait();
            // The identity first, so that whatever is written next has it.
            self.take_frames();
            self.take_late_frames();
            if batch.children {
                self.reap(batch.killed, batch.at);
            }
            if self.ended.is_some() {
                // Signals of this batch came too late to stop anything.
                break;
            }
            self.act_on(&batch);
            self.observe_memory(memory_changed, batch.at);
            self.on_time(batch.at);
            stderr().flush();
        }
        self.end()
    }

    /// Waits until something happens, without a time limit when there is nothing to time. Returns the signals, and
    /// whether the memory has something to tell.
    fn wait(&self) -> (Batch, bool) {
        let evidence = self.evidence.as_ref();
        let deadline = [self.core.next_deadline(), self.helpers.next_deadline()]
            .into_iter()
            .chain([evidence.and_then(Evidence::next_deadline)])
            .flatten()
            .min();
        let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        let watch = evidence.and_then(Evidence::watch);
        let has_pending = stderr().has_pending();
        if watch.is_none() && self.report.is_none() && self.late.is_none() && !has_pending {
            match self.signals.wait(left) {
                Ok(batch) => return (batch, false),
                Err(_) if self.cannot_wait.get() => {}
                Err(error) => self.explain_refusal("sigtimedwait", &reason(&error)),
            }
        }
        let mut fds = ArrayVec::<PollFd, 5>::new();
        // There is room for all.
        let mut add = |fd, events| drop(fds.try_push(PollFd::new(fd, events)));
        add(self.signals.as_fd(), PollFlags::POLLIN);
        if let Some(watch) = watch {
            add(watch, PollFlags::POLLPRI);
        }
        // Its end is what is waited for: the exec. What the child has sent by then fits into the pipe, and to wake up
        // for it would be to take the CPU from the child, which is about to go on.
        if let Some(report) = &self.report {
            let events = if self.report_is_roomy { PollFlags::empty() } else { PollFlags::POLLIN };
            add(report.as_fd(), events);
        }
        if let Some(late) = &self.late {
            add(late.as_fd(), PollFlags::POLLIN);
        }
        if has_pending {
            add(sys::stderr_descriptor(), PollFlags::POLLOUT);
        }
        // poll(2) counts whole milliseconds; rounded down, the last one would be spent spinning.
        let timeout = left.map_or(PollTimeout::NONE, |left| {
            PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
        });
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => {
                self.explain_refusal("poll", error.desc());
                return (self.signals.look(left.map_or(LOOK_EVERY, |left| left.min(LOOK_EVERY))), false);
            }
        }
        let has = |fd: &PollFd, flag| fd.revents().is_some_and(|events| events.contains(flag));
        let has_signals = fds.first().is_some_and(|fd| has(fd, PollFlags::POLLIN));
        let has_memory = fds.iter().any(|fd| has(fd, PollFlags::POLLPRI));
        (if has_signals { self.signals.read() } else { Batch::empty() }, has_memory)
    }

    /// The kernel refuses to let us wait, and rather than spin or give up PID 1 goes on with what it has.
    fn explain_refusal(&self, call: &str, reason: &str) {
        if !self.cannot_wait.replace(true) {
            log::warn!("{call} is refused ({reason}); does a seccomp profile forbid it? Going on with less");
        }
    }

    /// Reaps all that have ended. `killed` is one that SIGKILL has ended, and that can still be looked at before.
    fn reap(&mut self, killed: Option<Pid>, now: Instant) {
        // Once it is reaped it has no name any more.
        let named = killed
            .zip(self.evidence.as_ref())
            .and_then(|(pid, evidence)| Some((pid, evidence.name_of(pid)?)));
        let mut reaped = 0;
        // What a process has used is worth knowing of the program alone, and costs time with each of a storm of
        // orphans. Should the program end in the middle of one, its usage is not known.
        while let Some(ended) = if reaped < STORM { sys::reap_with_usage() } else { sys::reap() } {
            let pid = ended.pid;
            let is_program = Some(pid) == self.program;
            if !is_program && let Some((purpose, code)) = self.helpers.ended(&ended) {
                self.helper_ended(purpose, code);
                continue;
            }
            // Of several that have ended the signal tells of one alone, and not always of one that is still there.
            if ended.status.signal() == Some(libc::SIGKILL)
                && let Some(evidence) = &mut self.evidence
            {
                let name = named.as_ref().filter(|(named, _)| *named == pid).map(|(_, name)| *name);
                evidence.killed(pid, is_program, name, now);
            }
            if is_program {
                self.program = None;
                self.ended = Some((ended, now));
            } else {
                reaped += 1;
                let level = if self.warn_on_reap { log::Level::Warn } else { log::Level::Debug };
                log::log!(level, "reaped process {pid}");
            }
        }
        self.reaped += reaped;
        if reaped > 0
            && self.ended.is_none()
            && let Some(evidence) = &mut self.evidence
        {
            evidence.reaped(now);
        }
    }

    fn act_on(&mut self, batch: &Batch) {
        for arrival in &batch.arrivals {
            if self.core.is_of_our_writing(arrival) {
                continue;
            }
            log::debug!("received {} from process {}", arrival.signal, arrival.sender);
            for action in self.core.on_signal(*arrival) {
                self.act(action);
            }
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Send { signal, target } => self.send(signal, target),
            Action::RecordStop(arrival) => self.record_stop(arrival),
            Action::RecordStuck => self.record_stuck(),
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

    /// Takes what the child has sent up. The end of the pipe is the exec, or the child's end.
    fn take_frames(&mut self) {
        if self.report.is_none() {
            return;
        }
        while let Some(frames) = read_frames(&mut self.report, &mut self.frames) {
            for (frame, bytes) in frames {
                self.take_frame(frame, bytes);
            }
        }
        if self.report.is_none() {
            self.frames = Frames::default();
            self.look_for_late_identity();
        }
    }

    fn take_frame(&mut self, frame: Frame, bytes: Vec<u8>) {
        match frame {
            Frame::Resolved => self.resolved = true,
            Frame::Executing => {
                self.executed = true;
                self.settle_evidence();
            }
            Frame::StderrLine => drop(stderr().write_record(bytes)),
            Frame::JournalLine => self.write_journal(bytes),
            Frame::NotStarted => self.not_started = Some(NotStarted::from_frame(&bytes)),
            other => drop(self.identity.absorb(other, bytes)),
        }
    }

    /// The program is on its way, or has ended: PID 1 has time.
    fn settle_evidence(&mut self) {
        let Some(evidence) = &mut self.evidence else { return };
        if !evidence.settle() {
            let system = System::of_process();
            self.evidence = Evidence::search(Path::new("/"), system.cgroup(), self.oom_poll);
        }
    }

    fn on_time(&mut self, now: Instant) {
        for action in self.core.on_time(now) {
            self.act(action);
        }
        self.helpers.on_time(now);
    }

    /// The program has ended: what is left to do, and the exit code.
    ///
    /// Not inlined: the stack that it needs would be PID 1's for life.
    #[inline(never)]
    fn end(&mut self) -> u8 {
        self.helpers.end(Purpose::Identity);
        let Some((ended, at)) = self.ended.clone() else { return 0 };
        self.take_frames();
        if self.terminates_rest {
            // Nobody waits for them: this is a request to those that will outlive us, and it is rewritten as one to the
            // program would have been.
            if let Some(signal) = self.core.rewritten(Signal::TERM) {
                let _ = sys::kill(Pid::from_raw(-ended.pid.as_raw()), signal.number());
            }
        }
        isolate::take_terminal_back(ended.pid);
        let code = ending::exit_code(&ended, self.not_started.as_ref());
        self.try_identity_once_more(at);
        self.record_exit(&ended, at, code);
        if self.success_codes.contains(&code) { 0 } else { code }
    }
}

/// Reads a piece of what there is, and returns the frames that are complete by it. `None` when there is no more for now;
/// at its end the pipe is closed.
fn read_frames(pipe: &mut Option<File>, frames: &mut Frames) -> Option<Vec<(Frame, Vec<u8>)>> {
    let mut buffer = [0; 1024];
    loop {
        match pipe.as_mut()?.read(&mut buffer) {
            Ok(0) => *pipe = None,
            Ok(length) => return Some(frames.push(buffer.get(..length).unwrap_or_default())),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
            Err(error) => {
                log::warn!("the pipe from the child failed: {error}");
                *pipe = None;
            }
        }
    }
}
