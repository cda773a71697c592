//! PID 1's records: to stderr, and to the journal through helpers.

use super::core::Arrival;
use super::helper::Purpose;
use super::{Supervisor, table};
use crate::options::RecordFormat;
use crate::record::{Kind, Record, Value, journal, stderr};
use crate::sys::{Ended, reason};
use nix::unistd::{Pid, gethostname};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// How long the end may wait for a stderr that is full.
const LAST_WORDS: Duration = Duration::from_millis(250);

/// How long an append to the journal may take.
const APPEND: Duration = Duration::from_secs(1);

/// How long a helper may look at the process table and write about it.
const TABLE: (Duration, Duration) = (Duration::from_millis(1500), Duration::from_secs(3));

/// How long the end may wait for such a helper.
const LAST_TABLE: Duration = Duration::from_millis(100);

/// The most that waits for the journal, in bytes.
const BACKLOG: usize = 64 * 1024;

/// What is to be appended, and where. Only one helper appends at a time, so the order of the records is kept.
#[derive(Debug)]
pub struct Journal {
    directory: PathBuf,
    started: SystemTime,
    /// where, from the first line on: all records of a container are in one file
    path: Option<PathBuf>,
    waiting: Vec<u8>,
    /// whether the last line is among what waits or was written: from then on what is written is brought to the disk too
    is_last: bool,
    failed: bool,
}

impl Journal {
    /// The journal below `directory`.
    pub fn new(directory: PathBuf) -> Journal {
        Journal {
            directory,
            started: SystemTime::now(),
            path: None,
            waiting: Vec::new(),
            is_last: false,
            failed: false,
        }
    }

    /// A helper was ended at its work, so it had no chance to warn.
    fn took_too_long(&mut self) {
        if let Some(path) = self.path.as_ref().filter(|_| !self.failed) {
            log::warn!("the journal {} cannot be written: it took longer than a second", path.display());
        }
        self.failed = true;
    }
}

impl Supervisor {
    /// Writes a record of now.
    pub(super) fn write(&mut self, kind: Kind, fields: Vec<(&'static str, Value)>) {
        if self.format == RecordFormat::Off && self.journal.is_none() {
            return;
        }
        let record = self.record(kind, fields);
        if self.format != RecordFormat::Off {
            stderr().write_record(record.render(self.format, &self.identity));
        }
        if self.journal.is_some() {
            if let Some(journal) = &mut self.journal {
                journal.is_last |= kind == Kind::Exit;
            }
            self.write_journal(record.render(RecordFormat::Json, &self.identity));
        }
    }

    fn record(&self, kind: Kind, fields: Vec<(&'static str, Value)>) -> Record {
        let pid = self.program.or(self.ended.as_ref().map(|(ended, _)| ended.pid)).map(Pid::as_raw);
        Record { kind, time: SystemTime::now(), pid, fields }
    }

    /// Appends a line to the journal, as soon as no helper is at it.
    pub(super) fn write_journal(&mut self, line: Vec<u8>) {
        let Some(journal) = &mut self.journal else { return };
        if journal.waiting.len() + line.len() > BACKLOG {
            stderr().count_lost(1);
            return;
        }
        journal.waiting.extend(line);
        self.append_to_journal();
    }

    fn append_to_journal(&mut self) {
        if self.helpers.any(Purpose::Journal) {
            return;
        }
        let Some(journal) = self.journal.as_mut().filter(|journal| !journal.waiting.is_empty()) else {
            return;
        };
        let path = journal.path.get_or_insert_with(|| {
            let host = gethostname().ok().and_then(|name| name.into_string().ok());
            let host = host.as_deref().unwrap_or("unknown");
            journal::path(&journal.directory, journal.started, self.identity.container_id(), host)
        });
        let (path, lines) = (path.clone(), std::mem::take(&mut journal.waiting));
        let (warn, sync) = (!journal.failed, journal.is_last);
        self.helpers.spawn(Purpose::Journal, APPEND, || match journal::append(&path, &lines, sync) {
            Ok(()) => 0,
            Err(error) => {
                if warn {
                    log::warn!("the journal {} cannot be written: {}", path.display(), reason(&error));
                }
                1
            }
        });
    }

    /// A helper has ended, with this exit code or before it had one.
    pub(super) fn helper_ended(&mut self, purpose: Purpose, code: Option<i32>) {
        if purpose != Purpose::Journal {
            return;
        }
        match (&mut self.journal, code) {
            (Some(journal), Some(code)) => journal.failed |= code != 0,
            (Some(journal), None) => journal.took_too_long(),
            (None, _) => {}
        }
        self.append_to_journal();
    }

    pub(super) fn record_stop(&mut self, arrival: Arrival) {
        let mut fields = vec![("signal", Value::from(arrival.signal.to_string()))];
        // 0: from outside of the PID namespace, such as from `docker stop`.
        if arrival.sender > 0 {
            fields.push(("sender_pid", Value::from(i64::from(arrival.sender))));
        }
        self.write(Kind::Stop, fields);
    }

    /// The program is stuck: a helper looks at what everybody is doing.
    pub(super) fn record_stuck(&mut self) {
        if self.format == RecordFormat::Off && self.journal.is_none() {
            return;
        }
        let init = table::own_pid();
        let record = self.record(Kind::Stuck, Vec::new());
        let mut others = self.helpers.pids();
        let (format, identity) = (self.format, &self.identity);
        let journal = self.journal.as_ref().and_then(|journal| journal.path.clone());
        self.helpers.spawn(Purpose::Record, TABLE.1, || {
            others.push(table::own_pid());
            let (processes, _) = table::of_container(Path::new("/"), init, &others, TABLE.0);
            let record = Record { fields: vec![("processes", table::value(&processes))], ..record };
            let mut lost = 0;
            if format != RecordFormat::Off && !stderr().write_record(record.render(format, identity)) {
                lost += 1;
            }
            if let Some(path) = journal {
                lost += u8::from(
                    journal::append(&path, &record.render(RecordFormat::Json, identity), false).is_err(),
                );
            }
            lost
        });
    }

    /// The last record, and what has to be done for it to arrive.
    pub(super) fn record_exit(&mut self, ended: &Ended, at: Instant, code: u8) {
        // What is being written of the time just before the end explains it best, and would end with us.
        self.wait_for_helper(Purpose::Record, Instant::now() + LAST_TABLE);
        if self.helpers.any(Purpose::Record) {
            stderr().count_lost(1);
        }
        // If the child has ended before it became the program, that has not been done yet.
        self.settle_evidence();
        if let Some(evidence) = &mut self.evidence {
            evidence.read_at_end(at);
        }
        self.record_kill(at, true);
        stderr().drain(LAST_WORDS);
        let exit = self.exit_fields(ended, at, code);
        self.write(Kind::Exit, exit);
        stderr().drain(LAST_WORDS);
        self.finish_journal();
    }

    fn finish_journal(&mut self) {
        if self.journal.is_none() {
            return;
        }
        let deadline = Instant::now() + APPEND;
        self.wait_for_helper(Purpose::Journal, deadline);
        self.append_to_journal();
        self.wait_for_helper(Purpose::Journal, deadline);
        if self.helpers.any(Purpose::Journal)
            && let Some(journal) = &mut self.journal
        {
            journal.took_too_long();
        }
    }
}
