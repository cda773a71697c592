//! The parts of PID 1, and one round of its loop.

use super::act::Hands;
use super::core::helpers::Purpose;
use super::core::{Child, Core, Ending, Event};
use super::memory::MemoryReader;
use super::signals::Batch;
use super::stats::Statistics;
use super::wait::{Ears, Heard, Sources};
use crate::forensics::has_waited;
use crate::identity::run::Run;
use crate::identity::{StoppedBy, System, local};
use crate::launch::{NotStarted, Start};
use crate::options::{Isolation, Mode, Stats, Supervision};
use crate::record::{Frame, Frames, RenderedIdentity, stderr};
use crate::sys::{self, Ended};
use nix::unistd::{Pid, getpid};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// What decides, what waits and what acts, and the child's pipe.
#[derive(Debug)]
pub(super) struct Supervisor {
    pub(super) core: Core,
    pub(super) ears: Option<Ears>,
    pub(super) hands: Hands,
    pub(super) report: Report,
    pub(super) setup: Setup,
    pub(super) warn_on_reap: bool,
    pub(super) terminates_rest: bool,
    pub(super) success_codes: Vec<u8>,
    pub(super) stats: Stats,
    pub(super) drain: Duration,
}

/// What epitaph itself is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setup {
    /// whether orphans come to us: as PID 1, or as a subreaper
    pub(super) adopts: bool,
    /// what the program is put into
    pub(super) isolation: Isolation,
}

/// The pipe from the child that becomes the program.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) pipe: Option<File>,
    /// whether there never was one
    pub(super) is_missing: bool,
    /// whether it can hold all that the child sends
    pub(super) is_roomy: bool,
    pub(super) frames: Frames,
}

/// How many are reaped before signals and the program's end are looked at again.
const REAP_ROUND: u64 = 256;

/// From how many orphans at once on their usage is not asked for.
const STORM: u64 = 8;

impl Supervisor {
    /// The state before there is a program.
    #[inline(never)]
    pub(super) fn new(options: &Supervision, start: &Start, setup: Setup) -> Supervisor {
        Supervisor {
            core: Core::new(options, start.records.stats.every, start.mode != Mode::Pause, getpid().as_raw()),
            ears: None,
            hands: Hands::new(start),
            report: Report::default(),
            setup,
            warn_on_reap: options.warn_on_reap,
            terminates_rest: options.terminates_rest,
            success_codes: options.success_codes.clone(),
            stats: start.records.stats.clone(),
            drain: options.stop.drain,
        }
    }

    /// From here on PID 1 does not give up: whatever fails is logged and survived.
    pub(super) fn enter_supervision(&mut self) {
        self.hands.started = Instant::now();
        // A working directory keeps its file system from being unmounted.
        let _ = nix::unistd::chdir(c"/");
    }

    /// Has lines written to a stderr that is a file, by a process of its own: see `record/writer.rs`.
    pub(super) fn write_to_file(&mut self) {
        if stderr().wants_writer() && !self.core.helpers.any(Purpose::Writer) {
            self.hands.wait_for_room();
            let Some(event) = super::writer::start() else { return };
            self.handle(Instant::now(), event);
        }
    }

    /// Sets the end of the life time, which counts from the start of PID 1, or of epitaph where that is
    /// another.
    pub(super) fn begin_lifetime(&mut self, start: &Start) {
        let Some(lifetime) = start.launch.max_lifetime.map(|lifetime| lifetime.base) else { return };
        if start.mode == Mode::Pause {
            // There is no child that would find it out.
            let system = System::of_process();
            self.hands.identity = RenderedIdentity::of(&local(&system).identity, self.hands.formats());
        }
        let age = crate::identity::run::current().map(Run::age).unwrap_or_default();
        self.handle(Instant::now(), Event::Lifetime { lifetime, left: lifetime.saturating_sub(age) });
    }

    /// One round: waits, and decides and acts on what has happened. Returns whether more children wait to be
    /// reaped.
    pub(super) fn round(&mut self, more_to_reap: bool, deadline: Option<Instant>) -> bool {
        let heard = self.wait(more_to_reap, deadline);
        let now = heard.signals.at;
        self.hands.memory.iter().for_each(MemoryReader::begin_round);
        if heard.signals.killed.is_some() {
            self.hands.wait_for_room();
        }
        // The identity first, so that whatever is written next has it.
        self.read_report(now);
        self.read_uplinks(now);
        let mut more = more_to_reap;
        if heard.signals.children || more_to_reap {
            more = self.reap(heard.signals.killed, now);
        }
        self.act_on(&heard.signals);
        if heard.memory_changed {
            self.handle(now, Event::MemoryChanged);
        }
        self.handle(now, Event::Time);
        more
    }

    /// Waits to the next deadline at most; not at all where more children wait to be reaped.
    pub(super) fn wait(&mut self, more_to_reap: bool, deadline: Option<Instant>) -> Heard {
        let now = more_to_reap.then(Instant::now);
        let deadline = [self.core.next_deadline(), deadline, now].into_iter().flatten().min();
        let memory = self.hands.memory.as_ref().and_then(MemoryReader::watch);
        let mut sources = Sources { memory, ..Sources::default() };
        // Of the child's pipe the end is waited for: the exec. What the child has sent by then fits into the
        // pipe, and to wake up for it would be to take the CPU from the child, which is about to go on.
        let report = self.report.pipe.as_ref().map(|pipe| (pipe.as_fd(), self.report.is_roomy));
        let uplinks = self.hands.uplinks.0.iter();
        let uplinks = uplinks.filter_map(|uplink| Some((uplink.pipe.as_ref()?.as_fd(), false)));
        for pipe in report.into_iter().chain(uplinks) {
            let _ = sources.pipes.try_push(pipe);
        }
        // A child's end that comes after the signals were taken is another signal, so none is missed.
        let has_warned = self.report.is_missing;
        self.ears.get_or_insert_with(|| Ears::new(!has_warned)).wait(&sources, deadline)
    }

    /// Decides on an event, acts, and decides on what came of it.
    pub(super) fn handle(&mut self, now: Instant, event: Event) {
        for action in self.core.step(now, event) {
            if let Some(result) = self.hands.act(action, &self.core) {
                self.handle(now, result);
            }
        }
    }

    /// Decides and acts on signals.
    pub(super) fn act_on(&mut self, signals: &Batch) {
        for arrival in &signals.arrivals {
            if self.core.is_of_our_writing(arrival) {
                continue;
            }
            log::debug!("received {} from {:?}", arrival.signal, arrival.sender);
            self.handle(signals.at, Event::Signal(*arrival));
        }
    }

    /// Reaps those that have ended, but no more than a storm lets us and still see signals in time. `killed`
    /// is one that SIGKILL has ended, and that can still be looked at before. Returns whether more may wait.
    pub(super) fn reap(&mut self, killed: Option<Pid>, now: Instant) -> bool {
        // Once it is reaped it has no name any more.
        let named = killed.and_then(|pid| Some((pid, self.hands.memory.as_ref()?.name_of(pid.as_raw())?)));
        if let Some(program) = killed.filter(|killed| Some(*killed) == self.hands.program) {
            self.hands.has_waited = has_waited(Path::new("/"), program.as_raw());
        }
        let mut reaped = 0;
        // What a process has used is worth knowing of the program alone, and costs time with each of a storm
        // of orphans. Should the program end in the middle of one, its usage is not known.
        while let Some(ended) = if reaped < STORM { sys::reap_with_usage() } else { sys::reap() } {
            let name = named.as_ref().filter(|(pid, _)| *pid == ended.pid).map(|(_, name)| *name);
            let child = Child { pid: ended.pid.as_raw(), ending: ending(&ended), name };
            let is_program = Some(child.pid) == self.core.program();
            if is_program {
                self.hands.program = None;
                self.hands.usage = ended.usage;
                self.hands.core_dumped = ended.status.core_dumped();
            }
            // What it has sent before its end.
            self.close_uplink(now, child.pid);
            if self.core.helpers.is(child.pid, Purpose::Writer) {
                stderr().writer_ended(child.ending == Ending::Exited(0));
            }
            let before = self.core.reaped();
            self.handle(now, Event::Reaped(child));
            if self.core.reaped() > before {
                let level = if self.warn_on_reap { log::Level::Warn } else { log::Level::Debug };
                log::log!(level, "reaped process {}", child.pid);
            }
            reaped += 1;
            if is_program || reaped >= REAP_ROUND {
                return true;
            }
        }
        false
    }

    /// Reads what the child has sent. The end of the pipe is the exec, or the child's end.
    pub(super) fn read_report(&mut self, now: Instant) {
        if self.report.pipe.is_none() {
            return;
        }
        while let Some(frames) = read_frames(&mut self.report.pipe, &mut self.report.frames) {
            for (frame, bytes) in frames {
                self.on_frame(now, frame, bytes);
            }
        }
        if self.report.pipe.is_none() {
            self.report.frames = Frames::default();
            self.handle(now, Event::ReportClosed);
        }
    }

    /// Reads what helpers have sent.
    pub(super) fn read_uplinks(&mut self, now: Instant) {
        for place in (0..self.hands.uplinks.0.len()).rev() {
            self.read_uplink(now, place);
        }
        self.hands.uplinks.0.retain(|uplink| uplink.pipe.is_some());
    }

    fn read_uplink(&mut self, now: Instant, place: usize) {
        while let Some(uplink) = self.hands.uplinks.0.get_mut(place)
            && let Some(frames) = read_frames(&mut uplink.pipe, &mut uplink.frames)
        {
            for (frame, bytes) in frames {
                self.on_frame(now, frame, bytes);
            }
        }
    }

    /// A helper has ended, so there is no more in its pipe than now.
    pub(super) fn close_uplink(&mut self, now: Instant, pid: i32) {
        if let Some(place) = self.hands.uplinks.0.iter().position(|uplink| uplink.pid == pid) {
            self.read_uplink(now, place);
            self.hands.uplinks.0.swap_remove(place);
        }
    }

    fn on_frame(&mut self, now: Instant, frame: Frame, bytes: Vec<u8>) {
        match frame {
            Frame::Resolved => self.handle(now, Event::Resolved),
            Frame::Endpoint => {
                self.handle(now, Event::Endpoint { look_again: bytes.first() == Some(&1) });
            }
            Frame::StoppedBy => {
                let is = |by: &StoppedBy| by.name().as_bytes() == bytes;
                self.hands.stopped_by = StoppedBy::ALL.into_iter().find(is);
            }
            Frame::Executing => {
                self.handle(now, Event::Executing);
                self.confirm_memory(now);
                self.begin_statistics(now);
            }
            Frame::StderrLine => drop(stderr().write_record(bytes)),
            Frame::JournalLine => {
                if let Some(event) = self.hands.queue_line(&bytes) {
                    self.handle(now, event);
                }
            }
            Frame::NotStarted => {
                self.hands.not_started = Some(NotStarted::from_frame(&bytes));
                self.handle(now, Event::NotStarted);
            }
            other => drop(self.hands.identity.absorb(other, bytes)),
        }
    }

    /// Takes the first sample, where statistics are wanted.
    pub(super) fn begin_statistics(&mut self, now: Instant) {
        if self.stats.every.is_some() {
            let (system, started) = (System::of_process(), self.hands.started);
            self.hands.stats = Statistics::begin(&self.stats, system.cgroup(), started, now);
        }
    }

    /// The program is on its way, or has ended: PID 1 has time to make sure of the memory cgroup.
    pub(super) fn confirm_memory(&mut self, now: Instant) {
        let Some(memory) = &mut self.hands.memory else { return };
        if !memory.confirm() {
            let system = System::of_process();
            self.hands.memory = MemoryReader::search(Path::new("/"), system.cgroup());
        }
        if let Some(baseline) = self.hands.memory.as_ref().map(MemoryReader::baseline) {
            self.handle(now, Event::MemoryFound(baseline));
        }
    }

    /// Goes on with rounds, without a program, to the deadline or until `is_done`.
    pub(super) fn go_on_until(
        &mut self,
        deadline: Instant,
        pause: Duration,
        is_done: impl Fn(&Supervisor) -> bool,
    ) {
        let mut more_to_reap = true;
        while !is_done(self) {
            let now = Instant::now();
            if now >= deadline {
                return;
            }
            more_to_reap = self.round(more_to_reap, Some(deadline.min(now + pause)));
        }
    }
}

fn ending(ended: &Ended) -> Ending {
    match ended.status.signal() {
        Some(signal) => Ending::Signaled(signal),
        None => Ending::Exited(ended.status.code().unwrap_or(0)),
    }
}

/// Reads a piece of what there is, and returns the frames that are complete by it. `None` when there is no
/// more for now; at its end the pipe is closed.
fn read_frames(pipe: &mut Option<File>, frames: &mut Frames) -> Option<Vec<(Frame, Vec<u8>)>> {
    let mut buffer = [0; 1024];
    loop {
        match pipe.as_mut()?.read(&mut buffer) {
            Ok(0) => *pipe = None,
            Ok(length) => return Some(frames.push(buffer.get(..length).unwrap_or_default())),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
            Err(error) => {
                log::warn!("the pipe from the child failed: {}", sys::reason(&error));
                *pipe = None;
            }
        }
    }
}
