//! Carries out what `core` has decided. What came of it goes back as an event.

use super::core::helpers::Purpose;
use super::core::kills::Victim;
use super::core::stop::{Delivery, Told};
use super::core::{Action, Core, Event, Sender};
use super::helper::{self, Uplinks};
use super::journal::Queue;
use super::memory::{MemoryReader, memory_value, pids_value};
use super::stats::Statistics;
use super::{late, table};
use crate::forensics::{Memory, Pids, Process, name_and_parent};
use crate::identity::StoppedBy;
use crate::launch::{NotStarted, Start};
use crate::options::{RecordFormat, Signal, Target};
use crate::record::{Formats, Kind, Record, RenderedIdentity, Value, render_emf, stats, stderr};
use crate::sys::{self, Usage, reason};
use nix::errno::Errno;
use nix::unistd::{Pid, getpid};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

/// How many processes a record of memory pressure names, and one of a stuck program that no helper could
/// make.
const LARGEST: usize = 5;

/// How long a helper may look at the process table, and how long it may take in all.
const TABLE: (Duration, Duration) = (Duration::from_millis(1500), Duration::from_secs(3));

/// How long we may look for those that a signal is for, where they have to be looked for: as a subreaper.
const TABLE_TO_SIGNAL: Duration = Duration::from_secs(2);

/// How long PID 1 may look at the process table in a helper's place.
const TABLE_ALONE: Duration = Duration::from_millis(20);

/// What is needed to act: the program, the memory cgroup, the identity for records, and who helps.
#[derive(Debug)]
pub struct Hands {
    /// the program, until it is reaped
    pub program: Option<Pid>,
    /// its process ID, for records also of later
    pub program_pid: Option<i32>,
    /// as the command line names it
    pub program_name: String,
    /// when it was started
    pub started: Instant,
    /// what it has used, once it was reaped
    pub usage: Option<Usage>,
    /// whether it has dumped core
    pub core_dumped: bool,
    /// whether it had waited for children of its own; known where SIGKILL has ended it
    pub has_waited: Option<bool>,
    /// whether it was started with SIGCHLD ignored: then the kernel reaps its children, and it waits for none
    pub ignores_children: bool,
    /// why it could not be executed
    pub not_started: Option<NotStarted>,
    /// who stopped the task
    pub stopped_by: Option<StoppedBy>,
    /// what is sampled for statistics
    pub stats: Option<Statistics>,
    /// the memory cgroup
    pub memory: Option<MemoryReader>,
    /// who the container is
    pub identity: RenderedIdentity,
    /// on stderr
    pub format: RecordFormat,
    /// the lines for the journal, where there is one
    pub journal: Option<Queue>,
    /// the pipes from helpers
    pub uplinks: Uplinks,
    waits_for_identity: bool,
}

impl Hands {
    /// Before there is a program.
    pub fn new(start: &Start) -> Hands {
        let name = start.launch.program.first().map(|program| crate::launch::name(program));
        Hands {
            program: None,
            program_pid: None,
            program_name: name.unwrap_or_default(),
            started: Instant::now(),
            usage: None,
            core_dumped: false,
            has_waited: None,
            ignores_children: false,
            not_started: None,
            stopped_by: None,
            stats: None,
            memory: None,
            identity: RenderedIdentity::default(),
            format: start.format,
            journal: start.records.journal.clone().map(Queue::new),
            uplinks: Uplinks::default(),
            waits_for_identity: !start.launch.identity_timeout.is_zero(),
        }
    }

    /// Carries out one action; returns what came of it, where `core` waits for that.
    pub fn act(&mut self, action: Action, core: &Core) -> Option<Event> {
        match action {
            Action::Send { signal, target, order } => {
                let refused = self.send(signal, target)?;
                Some(Event::Sent { order, refused })
            }
            Action::SendToAll { signal } => {
                self.send_to_all(signal, core);
                None
            }
            Action::RecordLifetime { lifetime } => {
                self.write(Kind::Lifetime, vec![("lifetime_ms", milliseconds(lifetime))])
            }
            Action::RecordSignal(told) => self.record_signal(&told),
            Action::RecordStuck { late } => self.record_stuck(late, core),
            Action::RecordStuckAlone { late } => self.record_stuck_alone(late),
            Action::RecordKill { new, victim } => self.record_kill(new, victim),
            Action::RecordPressure => self.record_pressure(),
            Action::RecordIdentity => self.record_identity(),
            Action::RecordStats => {
                let event = self.record_stats();
                self.stats.as_mut()?.note_tick();
                event
            }
            Action::CountKills => Some(Event::Counted(self.memory.as_mut()?.count())),
            Action::CountSampledKills => {
                let sampled = self.stats.as_ref().and_then(Statistics::counters).map(Into::into);
                let counted = sampled.or_else(|| Some(self.memory.as_mut()?.count()));
                Some(Event::Counted(counted?))
            }
            Action::LookAtProgram => {
                let program = self.program?.as_raw();
                Some(Event::ProgramSeen(self.memory.as_ref().and_then(|memory| memory.is_ending(program))))
            }
            Action::SearchIdentity => Some(self.search_identity()),
            Action::LookAgain => Some(self.look_again()),
            Action::LookAtStop => Some(self.look_at_stop()),
            Action::Append => {
                self.wait_for_room();
                Some(self.journal.as_mut()?.append(self.identity.container_id()))
            }
            Action::TakeLinesBack => {
                self.journal.as_mut()?.take_back();
                None
            }
            Action::AppendEnded { is_done, in_time } => {
                self.journal.as_mut()?.ended(is_done, in_time);
                None
            }
            Action::EndHelper { pid } => {
                // The OOM killer may have been faster.
                let was_ending = self.memory.as_ref().and_then(|memory| memory.is_ending(pid)) == Some(true);
                let _ = sys::kill(Pid::from_raw(pid), libc::SIGKILL);
                was_ending.then_some(Event::HelperWasEnding { pid })
            }
            Action::WarnKillRefused { errno } => {
                let reason = Errno::from_raw(errno).desc();
                log::warn!("--kill-after: the program cannot be killed: {reason}; it goes on");
                None
            }
            Action::Suspend => {
                // STOP is the one signal that suspends whoever blocks all. CONT wakes it, and is forwarded.
                let _ = sys::kill(getpid(), Signal::STOP.number());
                None
            }
        }
    }

    /// Before a fork, and after a kill.
    pub fn wait_for_room(&self) {
        self.memory.iter().for_each(MemoryReader::wait_for_room);
    }

    /// Sends a signal. `None` without a program: it has been reaped, and its ID may be another process's by
    /// now. Else the errno, if the kernel refused it.
    fn send(&self, signal: Signal, target: Target) -> Option<Option<i32>> {
        let program = self.program?;
        let group = Pid::from_raw(-program.as_raw());
        let sent = match target {
            Target::Program => sys::kill(program, signal.number()),
            // Before the child has made its own session there is no such group, but the child is there.
            Target::Group => {
                sys::kill(group, signal.number()).or_else(|_| sys::kill(program, signal.number()))
            }
        };
        Some(match sent {
            Ok(()) => {
                log::debug!("sent {signal}");
                None
            }
            Err(error) => {
                log::warn!("sending {signal} to process {program} failed: {}", reason(&error));
                error.raw_os_error()
            }
        })
    }

    /// Sends a signal to all that are left: as PID 1 to the whole PID namespace, those included that left the
    /// program's session or came in from outside; else to our descendants. Helpers of ours have all signals
    /// blocked.
    pub fn send_to_all(&self, signal: Signal, core: &Core) {
        let own = table::own_pid();
        if own == 1 {
            let _ = sys::kill(Pid::from_raw(-1), signal.number());
            return;
        }
        let helpers: Vec<i32> = core.helpers.pids().collect();
        // All of the table, as no process may be missed; PID 1 has nothing else to do by then.
        let table = table::of_container(Path::new("/"), own, &helpers, TABLE_TO_SIGNAL, false);
        if table.count.is_none() {
            log::warn!("{signal} was not sent to all that are left: not all processes could be looked at");
        }
        for process in table.processes.iter().filter(|process| process.is_alive()) {
            let _ = sys::kill(Pid::from_raw(process.pid), signal.number());
        }
    }

    /// The formats in which the identity is needed.
    pub fn formats(&self) -> Formats {
        Formats::new(self.format, self.journal.is_some())
    }

    /// Whether records go anywhere.
    fn is_silent(&self) -> bool {
        self.format == RecordFormat::Off && self.journal.is_none()
    }

    /// Writes a record of now.
    pub fn write(&mut self, kind: Kind, fields: Vec<(&'static str, Value)>) -> Option<Event> {
        if self.is_silent() {
            return None;
        }
        let record = Record { kind, time: SystemTime::now(), pid: self.program_pid, fields };
        if self.format != RecordFormat::Off {
            stderr().write_record(record.render(self.format, &self.identity));
        }
        let queue = self.journal.as_mut()?;
        if kind == Kind::Exit {
            queue.expect_last();
        }
        queue.push(&record.render(RecordFormat::Json, &self.identity))
    }

    /// Takes a line that was made elsewhere.
    pub fn queue_line(&mut self, line: &[u8]) -> Option<Event> {
        self.journal.as_mut()?.push(line)
    }

    fn record_signal(&mut self, told: &Told) -> Option<Event> {
        let kind = if told.is_stop { Kind::Stop } else { Kind::Signal };
        let mut fields = vec![("signal", Value::from(told.sent.to_string()))];
        let sender = match told.arrival.sender {
            Sender::Outside => "outside",
            Sender::Terminal => "terminal",
            Sender::Inside(_) => "inside",
            Sender::Unknown => "unknown",
        };
        fields.push(("sender", Value::from(sender)));
        if let Sender::Inside(pid) = told.arrival.sender {
            fields.push(("sender_pid", Value::from(i64::from(pid))));
            if let Some((name, parent)) = name_and_parent(Path::new("/"), pid) {
                fields.push(("sender_name", Value::from(name.as_str())));
                fields.push(("sender_ppid", Value::from(i64::from(parent))));
            }
        }
        match told.delivery {
            Delivery::Forwarded => {}
            Delivery::Refused(errno) => fields.push(("refused", Errno::from_raw(errno).desc().into())),
            Delivery::Held(delay) => fields.push(("delay_ms", milliseconds(delay))),
            Delivery::ToAll => {
                fields.push(("refused", "the program had ended; it was sent to all that are left".into()));
            }
            Delivery::AfterEnd => fields.push(("refused", "the program had just ended".into())),
        }
        self.write(kind, fields)
    }

    /// The program is stuck: a helper looks at what everybody is doing.
    fn record_stuck(&mut self, late: Option<Duration>, core: &Core) -> Option<Event> {
        if self.is_silent() {
            return None;
        }
        self.wait_for_room();
        let init = table::own_pid();
        let mut others: Vec<i32> = core.helpers.pids().collect();
        let (pid, format, identity) = (self.program_pid, self.format, &self.identity);
        let has_journal = self.journal.is_some();
        let (memory, task_limit) = (self.memory.as_ref(), self.identity.task_memory_limit());
        let pids = self.scarce_pids();
        Some(helper::start_with_uplink(Purpose::Record, TABLE.1, &mut self.uplinks, |mut uplink| {
            others.push(table::own_pid());
            let table = table::of_container(Path::new("/"), init, &others, TABLE.0, true);
            let memory = memory.map(|memory| memory.since_start(task_limit));
            let fields = stuck_fields(late, memory, pids, &table.processes);
            let record = Record { kind: Kind::Stuck, time: SystemTime::now(), pid, fields };
            let frames = record.frames(format, has_journal, identity);
            u8::from(std::io::Write::write_all(&mut uplink, &frames).is_err())
        }))
    }

    /// The same where no helper can be started: the largest of the cgroup, or some of the table.
    fn record_stuck_alone(&mut self, late: Option<Duration>) -> Option<Event> {
        let listed = self.memory.as_ref().map(|memory| memory.largest(LARGEST, true)).unwrap_or_default();
        let processes = if listed.is_empty() {
            table::of_container(Path::new("/"), table::own_pid(), &[], TABLE_ALONE, true).processes
        } else {
            listed
        };
        let memory = self.memory_since_start();
        self.write(Kind::Stuck, stuck_fields(late, memory, self.scarce_pids(), &processes))
    }

    fn record_kill(&mut self, new: u64, victim: Option<Victim>) -> Option<Event> {
        self.wait_for_room();
        let memory = self.memory_since_start()?;
        let mut fields = vec![("memory", memory_value(&memory)), ("kills", Value::from(new))];
        if let Some(victim) = victim {
            let mut parts = vec![("pid", Value::from(i64::from(victim.pid)))];
            let own = victim.is_helper.then_some("epitaph");
            let name = own.or(victim.name.as_ref().map(|name| name.as_str()));
            parts.extend(name.map(|name| ("name", name.into())));
            fields.push(("victim", Value::Object(parts)));
        }
        self.write(Kind::OomKill, fields)
    }

    fn record_pressure(&mut self) -> Option<Event> {
        let memory = self.memory_since_start()?;
        // Not in a helper: in a cgroup that is full, the memory of a fork can be what makes the kernel kill.
        let processes = self.memory.as_ref()?.largest(LARGEST, memory.swap.is_some_and(|swap| swap > 0));
        let mut fields = vec![("memory", memory_value(&memory))];
        fields.extend(self.scarce_pids().map(|pids| ("pids", pids_value(&pids))));
        fields.extend(processes_field(&processes));
        self.write(Kind::MemoryPressure, fields)
    }

    fn memory_since_start(&self) -> Option<Memory> {
        Some(self.memory.as_ref()?.since_start(self.identity.task_memory_limit()))
    }

    /// The limit of processes, where it was hit.
    fn scarce_pids(&self) -> Option<Pids> {
        let pids = self.memory.as_ref().map(MemoryReader::pids);
        pids.filter(|pids| pids.limit_hits.is_some_and(|hits| hits > 0))
    }

    /// Writes what was used since the last such record.
    pub fn record_stats(&mut self) -> Option<Event> {
        let window = self.stats.as_mut()?.window(Instant::now(), &self.identity);
        let stats = self.stats.as_ref()?;
        if !stats.is_emf() {
            return self.write(Kind::Stats, stats::fields(&window));
        }
        let (time, pid) = (SystemTime::now(), self.program_pid);
        let record = Record { kind: Kind::Stats, time, pid, fields: stats::fields(&window) };
        let (namespace, dimensions) = (&stats.settings.namespace, self.identity.dimensions());
        let line = |format| render_emf(&record, format, &self.identity, namespace, &dimensions);
        if self.format != RecordFormat::Off {
            stderr().write_record(line(self.format));
        }
        let line = line(RecordFormat::Json);
        self.queue_line(&line)
    }

    fn record_identity(&mut self) -> Option<Event> {
        let ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let program = Value::from(self.program_name.as_str());
        self.write(Kind::Identity, vec![("program", program), ("identity_ms", Value::from(ms))])
    }

    fn search_identity(&mut self) -> Event {
        let (formats, pause_first) = (self.formats(), self.waits_for_identity);
        // The helper gives up by itself, with a warning.
        let time = late::PATIENCE + Duration::from_secs(10);
        helper::start_with_uplink(Purpose::Identity, time, &mut self.uplinks, |pipe| {
            late::search(pipe, formats, pause_first)
        })
    }

    fn look_again(&mut self) -> Event {
        let (formats, before) = (self.formats(), &self.identity);
        helper::start_with_uplink(Purpose::Look, late::LOOK, &mut self.uplinks, |pipe| {
            late::look_again(pipe, before, formats)
        })
    }

    fn look_at_stop(&mut self) -> Event {
        let (stopped, pid, identity) = (SystemTime::now(), self.program_pid, &self.identity);
        let formats = (self.format, self.journal.is_some());
        helper::start_with_uplink(Purpose::Look, late::LOOK, &mut self.uplinks, |pipe| {
            late::look_at_stop(pipe, identity, stopped, pid, formats)
        })
    }

    /// One last look for the identity, before the exit record.
    pub fn search_identity_once(&mut self) -> Event {
        let formats = self.formats();
        helper::start_with_uplink(Purpose::Identity, late::LAST_TRY, &mut self.uplinks, |pipe| {
            late::last_try(pipe, formats)
        })
    }
}

pub fn milliseconds(duration: Duration) -> Value {
    Value::from(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

fn stuck_fields(
    late: Option<Duration>,
    memory: Option<Memory>,
    pids: Option<Pids>,
    processes: &[Process],
) -> Vec<(&'static str, Value)> {
    let mut fields = Vec::new();
    if let Some(late) = late {
        fields.push(("late_ms", milliseconds(late)));
    }
    fields.extend(memory.map(|memory| ("memory", memory_value(&memory))));
    fields.extend(pids.map(|pids| ("pids", pids_value(&pids))));
    fields.extend(processes_field(processes));
    fields
}

/// `None` for an empty list: the program runs, so the table could not be read.
fn processes_field(processes: &[Process]) -> Option<(&'static str, Value)> {
    (!processes.is_empty()).then(|| ("processes", table::value(processes)))
}
