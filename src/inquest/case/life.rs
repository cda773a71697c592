//! A life: one run of epitaph, from its start to its end.

use super::conclusion::Conclusion;
use super::event::{Event, Exit, Kind, Memory};
use super::identity::Identity;
use super::maybe::Maybe;
use super::once::Once;
use super::remark::Remark;
use super::sighting::{LastLine, Place, Said};
use crate::inquest::text::Text;
use foldhash::quality::RandomState;
use smallvec::SmallVec;
use std::hash::BuildHasher;
use std::ops::Deref;
use std::sync::LazyLock;

/// Most have a start and an exit, which are kept in the life itself.
const USUAL: usize = 2;

/// One run of epitaph in one container.
#[derive(Debug, Clone, Default)]
pub struct Life {
    /// its records, in order of time
    pub records: SmallVec<[Once; USUAL]>,
    /// the container's ID
    pub container: Option<Text>,
    /// the task's ID
    pub task: Option<Text>,
    /// the task's ARN
    pub task_arn: Option<Text>,
    pid: Maybe,
    /// which run of the container it is, where its records tell
    pub run: Option<Text>,
    begun: Maybe,
    /// whether there is a start record
    pub has_start: bool,
    pub(super) next: Maybe,
    pub(super) last_sign: Maybe,
    /// what is concluded about its end
    pub conclusion: Conclusion,
    rare: Option<Box<Rare>>,
}

/// What is known of few of very many lives.
#[derive(Debug, Clone, Default)]
pub struct Rare {
    /// the container's name in its engine, as Docker or Podman tell it
    pub name: Option<Text>,
    /// where the last sign stands, if it is no record
    pub sign_place: Option<Place>,
    /// the first line of its stream is later than its start
    pub cut: Option<i64>,
    /// why its records cannot all be true
    pub disputed: Vec<String>,
    /// what others said
    pub said: Vec<Said>,
    /// the end that an engine tells of, where there is no exit record
    pub witnessed: Option<Box<Witnessed>>,
    /// what is not to be overlooked beside the verdict
    pub remarks: Box<[Remark]>,
    /// what its program wrote last, where that was looked at
    pub last_lines: Option<Box<[LastLine]>>,
}

impl Deref for Life {
    type Target = Rare;

    fn deref(&self) -> &Rare {
        static NOTHING: LazyLock<Rare> = LazyLock::new(Rare::default);
        self.rare.as_deref().unwrap_or(&NOTHING)
    }
}

/// An end by the word of its engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Witnessed {
    /// milliseconds since 1970
    pub time: i64,
    /// where it says so
    pub place: Place,
}

/// Of how many tasks `lives` are, or containers where there is no task.
pub fn tasks(lives: &[&Life]) -> usize {
    // There may be very many, and their texts lie far apart.
    let seed = RandomState::default();
    let mut hashes: Vec<u64> = lives.iter().map(|life| seed.hash_one(life.task.or(life.container))).collect();
    hashes.sort_unstable();
    hashes.dedup();
    hashes.len()
}

impl Life {
    /// What is known of few lives, to be written.
    pub(super) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// The program's process ID.
    pub fn pid(&self) -> Option<i64> {
        self.pid.get()
    }

    /// When it began, in milliseconds since 1970: the start record's time, or the end less the runtime.
    pub fn begun(&self) -> Option<i64> {
        self.begun.get()
    }

    /// When the next life in the same container began.
    pub fn next_begun(&self) -> Option<i64> {
        self.next.get()
    }

    /// The last that was seen of it, in milliseconds since 1970.
    pub fn last_sign(&self) -> Option<i64> {
        self.last_sign.get()
    }

    /// The exit record, where there is one and only one.
    pub fn exit(&self) -> Option<Exit> {
        self.exit_record().and_then(|record| record.event().exit)
    }

    /// The same with its places.
    pub fn exit_record(&self) -> Option<&Once> {
        self.last(&Kind::Exit)
    }

    /// When it ended, by its own record.
    pub fn ended(&self) -> Option<i64> {
        self.exit_record().map(Once::time)
    }

    /// When it ended, by its own record, else by the word of its engine.
    pub fn died(&self) -> Option<i64> {
        self.ended().or_else(|| Some(self.witnessed.as_ref()?.time))
    }

    /// How long it ran, in milliseconds.
    pub fn ran(&self) -> Option<i64> {
        self.ran_to(self.exit().as_ref())
    }

    /// The same where the exit is known.
    pub fn ran_to(&self, exit: Option<&Exit>) -> Option<i64> {
        exit.and_then(Exit::runtime).or_else(|| Some(self.ended()? - self.begun()?))
    }

    /// Whether there is a record of this kind.
    pub fn has(&self, kind: &Kind) -> bool {
        self.records.iter().any(|record| record.kind() == *kind)
    }

    /// The last record of this kind.
    pub fn last(&self, kind: &Kind) -> Option<&Once> {
        self.records.iter().rev().find(|record| record.kind() == *kind)
    }

    /// The most that is known of who it was.
    pub fn identity(&self) -> &'static Identity {
        let most = self.records.iter().map(Once::whose).reduce(|most, other| {
            // Most often it is the same in all of them.
            let is_less = other.number() == most.number() || other.len() < most.len();
            if is_less { most } else { other }
        });
        most.unwrap_or_default().identity()
    }

    /// A key of the identity.
    pub fn get(&self, key: &str) -> Option<&'static str> {
        self.identity().get(key)
    }

    /// The program.
    pub fn program(&self) -> Option<&'static str> {
        self.records.iter().find_map(|record| Some(record.event().program?.as_str()))
    }

    /// The memory as it was last told.
    pub fn memory(&self) -> Option<Memory> {
        self.records.iter().rev().find_map(|record| record.event().memory)
    }

    /// The verdict of its own record.
    pub fn verdict(&self) -> Option<&'static str> {
        self.exit()?.verdict.map(|verdict| verdict.as_str())
    }

    /// By when it is sorted: its end, or the last that was seen of it.
    pub fn at(&self) -> Option<i64> {
        self.died().or(self.last_sign()).or(self.begun())
    }

    /// The order of lives.
    pub fn order(&self) -> (Option<i64>, Option<i64>, Option<&str>, Option<Place>) {
        let place = self.records.first().map(Once::first_place);
        (self.at(), self.begun(), self.container.as_deref(), place)
    }

    /// `family:revision/container`, or what of it is known.
    pub fn label(&self) -> Option<String> {
        let identity = self.identity();
        match (identity.get("family"), identity.get("container_name")) {
            (Some(family), name) => {
                let mut label = String::with_capacity(64);
                label.push_str(family);
                for (before, text) in [(':', identity.get("revision")), ('/', name)] {
                    if let Some(text) = text {
                        label.push(before);
                        label.push_str(text);
                    }
                }
                Some(label)
            }
            (None, Some(name)) => Some(name.to_owned()),
            (None, None) => self.runtime_name().or(self.program()).map(str::to_owned),
        }
    }

    /// The container's name at its runtime: what the engine calls it, else what its records say.
    pub fn runtime_name(&self) -> Option<&str> {
        self.name.as_deref().or_else(|| self.get("docker_name"))
    }

    /// Whether something failed that its verdict does not tell.
    pub fn has_grave_remark(&self) -> bool {
        self.remarks.iter().any(|remark| remark.grave)
    }

    /// All names by which somebody may ask for it.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.own_names().chain(self.name.as_deref())
    }

    /// Those of them that its own records tell.
    pub fn own_names(&self) -> impl Iterator<Item = &str> {
        ["docker_name", "container_name", "log_stream"].into_iter().filter_map(|key| self.get(key))
    }

    /// The life that this record alone tells of.
    pub(super) fn of(record: Once) -> Life {
        let event = record.event();
        let begun = match event.kind {
            Kind::Start => Some(event.time),
            Kind::Exit => event.exit.and_then(|exit| Some(event.time - exit.runtime()?)),
            _ => None,
        };
        let has_start = event.kind == Kind::Start;
        let mut life =
            Life { begun: begun.into(), has_start, pid: event.pid.into(), run: event.run, ..Life::default() };
        life.add(record, &event);
        life
    }

    /// One record more.
    pub(super) fn take(&mut self, record: Once) {
        let event = record.event();
        self.add(record, &event);
    }

    fn add(&mut self, record: Once, event: &Event) {
        self.container = self.container.or(event.container);
        self.task = self.task.or(event.task);
        self.task_arn = self.task_arn.or(event.task_arn);
        self.run = self.run.or(event.run);
        self.last_sign = self.last_sign().max(Some(event.time)).into();
        self.records.push(record);
    }

    /// Whether the record may be of this run. None where its keys do not tell for certain.
    pub(super) fn is_of_run(&self, event: &Event) -> Option<bool> {
        match (&self.run, &event.run) {
            (Some(own), Some(other)) => Some(own == other),
            _ if self.pid().is_some() && event.pid.is_some() && self.pid() != event.pid => Some(false),
            _ => None,
        }
    }
}
