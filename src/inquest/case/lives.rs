//! Lives: one run of epitaph each, from its start to its end.

use super::conclude::Conclusion;
use super::event::{Event, Exit, Identity, Kind, Memory, Place, Said};
use super::once::Once;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// How far the times of one run may be apart from what its records compute, in milliseconds.
const SLACK: i64 = 2_000;

/// One run of epitaph in one container.
#[derive(Debug, Clone, Default)]
pub struct Life {
    /// its records, in order of time
    pub records: Vec<Once>,
    /// the container's ID
    pub container: Option<Arc<str>>,
    /// the task's ID
    pub task: Option<Arc<str>>,
    /// the task's ARN
    pub task_arn: Option<Arc<str>>,
    /// the program's process ID
    pub pid: Option<i64>,
    /// which run of the container it is, where its records tell
    pub run: Option<Arc<str>>,
    /// when it began, in milliseconds since 1970: the start record's time, or the end less the runtime
    pub begun: Option<i64>,
    /// whether there is a start record
    pub has_start: bool,
    /// when the next life in the same container began
    pub next: Option<i64>,
    /// the last that was seen of it, in milliseconds since 1970
    pub last_sign: Option<i64>,
    /// the file that has the last sign
    pub sign_place: Option<Place>,
    /// the first line of its stream is later than its start
    pub cut: Option<i64>,
    /// why its records cannot all be true
    pub disputed: Vec<String>,
    /// what others said
    pub said: Vec<Said>,
    /// what is concluded about its end
    pub conclusion: Conclusion,
}

impl Life {
    /// The exit record, where there is one and only one.
    pub fn exit(&self) -> Option<&Exit> {
        self.exit_record().and_then(|record| record.event.exit.as_deref())
    }

    /// The same with its places.
    pub fn exit_record(&self) -> Option<&Once> {
        self.records.iter().rev().find(|record| record.event.kind == Kind::Exit)
    }

    /// When it ended, by its own record.
    pub fn ended(&self) -> Option<i64> {
        self.exit_record().map(|record| record.event.time)
    }

    /// How long it ran, in milliseconds.
    pub fn ran(&self) -> Option<i64> {
        self.exit().and_then(|exit| exit.runtime).or_else(|| Some(self.ended()? - self.begun?))
    }

    /// Whether there is a record of this kind.
    pub fn has(&self, kind: &Kind) -> bool {
        self.records.iter().any(|record| record.event.kind == *kind)
    }

    /// The last record of this kind.
    pub fn last(&self, kind: &Kind) -> Option<&Once> {
        self.records.iter().rev().find(|record| record.event.kind == *kind)
    }

    /// The most that is known of who it was.
    pub fn identity(&self) -> &Identity {
        static NOBODY: Identity = Identity::nobody();
        self.records
            .iter()
            .map(|record| &*record.event.identity)
            .max_by_key(|identity| identity.len())
            .unwrap_or(&NOBODY)
    }

    /// A key of the identity.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.identity().get(key)
    }

    /// The program.
    pub fn program(&self) -> Option<&str> {
        self.records.iter().find_map(|record| record.event.program.as_deref())
    }

    /// The memory as it was last told.
    pub fn memory(&self) -> Option<&Memory> {
        self.records.iter().rev().find_map(|record| record.event.memory.as_deref())
    }

    /// The verdict of its own record.
    pub fn verdict(&self) -> Option<&str> {
        self.exit()?.verdict.as_deref()
    }

    /// By when it is sorted: its end, or the last that was seen of it.
    pub fn at(&self) -> Option<i64> {
        self.ended().or(self.last_sign).or(self.begun)
    }

    /// The order of lives.
    pub fn order(&self) -> (Option<i64>, Option<i64>, Option<&str>, Option<Place>) {
        let place = self.records.first().and_then(|record| record.places.first()).copied();
        (self.at(), self.begun, self.container.as_deref(), place)
    }

    /// `family:revision/container`, or what of it is known.
    pub fn label(&self) -> Option<String> {
        let family = match (self.get("family"), self.get("revision")) {
            (Some(family), Some(revision)) => Some(format!("{family}:{revision}")),
            (family, _) => family.map(str::to_owned),
        };
        match (family, self.get("container_name")) {
            (Some(family), Some(name)) => Some(format!("{family}/{name}")),
            (Some(family), None) => Some(family),
            (None, Some(name)) => Some(name.to_owned()),
            (None, None) => self.get("docker_name").or(self.program()).map(str::to_owned),
        }
    }

    fn of(record: Once) -> Life {
        let begun = match record.event.kind {
            Kind::Start => Some(record.event.time),
            Kind::Exit => record.event.exit.as_ref().and_then(|exit| Some(record.event.time - exit.runtime?)),
            _ => None,
        };
        let has_start = record.event.kind == Kind::Start;
        let mut life = Life {
            begun,
            has_start,
            pid: record.event.pid,
            run: record.event.run.clone(),
            ..Life::default()
        };
        life.take(record);
        life
    }

    fn take(&mut self, record: Once) {
        let event = &record.event;
        self.container = self.container.take().or_else(|| event.container.clone());
        self.task = self.task.take().or_else(|| event.task.clone());
        self.task_arn = self.task_arn.take().or_else(|| event.task_arn.clone());
        self.run = self.run.take().or_else(|| event.run.clone());
        self.last_sign = self.last_sign.max(Some(event.time));
        self.records.push(record);
    }

    /// Whether the record may be of this run. None where its keys do not tell for certain.
    fn is_of_run(&self, event: &Event) -> Option<bool> {
        match (&self.run, &event.run) {
            (Some(own), Some(other)) => Some(own == other),
            _ if self.pid.is_some() && event.pid.is_some() && self.pid != event.pid => Some(false),
            _ => None,
        }
    }
}

/// Whose records belong together.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Owner {
    Container(Arc<str>),
    /// Without an ID: those of one run,
    Run(Arc<str>),
    /// or of one file.
    File(u32),
}

/// The lives that `records` tell of, and the records that tell of none of them: what was said of containers that wrote nothing
/// themselves, and of tasks.
pub fn of(records: Vec<Once>) -> (Vec<Life>, Vec<Once>) {
    let mut groups: BTreeMap<Owner, Vec<Once>> = BTreeMap::new();
    let mut loose = Vec::new();
    for record in records {
        let event = &record.event;
        let owner = match (&event.container, &event.run) {
            (Some(id), _) => Owner::Container(id.clone()),
            (None, _) if event.is_hearsay() => {
                loose.push(record);
                continue;
            }
            (None, Some(run)) => Owner::Run(run.clone()),
            (None, None) => Owner::File(record.places.first().map_or(0, |place| place.file)),
        };
        groups.entry(owner).or_default().push(record);
    }
    let lives = groups.into_values().flat_map(|records| of_container(records, &mut loose)).collect();
    (lives, loose)
}

/// The lives of one container.
fn of_container(records: Vec<Once>, loose: &mut Vec<Once>) -> Vec<Life> {
    let (starts, rest): (Vec<Once>, Vec<Once>) =
        records.into_iter().partition(|record| record.event.kind == Kind::Start);
    let (exits, others): (Vec<Once>, Vec<Once>) =
        rest.into_iter().partition(|record| record.event.kind == Kind::Exit);
    let mut lives: Vec<Life> = starts.into_iter().map(Life::of).collect();
    merge_contradicting_starts(&mut lives);
    for exit in exits {
        match life_of_exit(&lives, &exit) {
            Some(place) if let Some(life) = lives.get_mut(place) => life.take(exit),
            _ => lives.push(Life::of(exit)),
        }
    }
    lives.sort_by_key(|life| (life.begun, life.ended()));
    for record in others {
        match life_of_event(&lives, &record) {
            Some(place) if let Some(life) = lives.get_mut(place) => life.take(record),
            _ if record.event.is_hearsay() => loose.push(record),
            _ => lives.push(Life::of(record)),
        }
    }
    lives.sort_by_key(|life| (life.begun.or(life.last_sign), life.ended()));
    let begins: Vec<Option<i64>> = lives.iter().map(|life| life.begun.or(life.last_sign)).collect();
    for (place, life) in lives.iter_mut().enumerate() {
        life.records.sort_by(|one, other| {
            (one.event.time, &one.event.kind).cmp(&(other.event.time, &other.event.kind))
        });
        let later = begins.get(place + 1..).unwrap_or_default().iter().flatten();
        life.next = later.copied().find(|begun| Some(*begun) > life.begun);
        life.disputed = disputes(life);
    }
    lives
}

/// Two starts of one run, or of one moment, are one life, and a disputed one.
fn merge_contradicting_starts(lives: &mut Vec<Life>) {
    let mut merged: Vec<Life> = Vec::new();
    let mut runs: HashMap<Arc<str>, usize> = HashMap::new();
    for life in lives.drain(..) {
        let of_moment = || {
            let last = merged.last()?;
            let same = last.begun == life.begun && last.pid == life.pid && last.run.is_none();
            same.then(|| merged.len() - 1)
        };
        let known = match &life.run {
            Some(run) => runs.get(run).copied(),
            None => of_moment(),
        };
        match known.and_then(|place| merged.get_mut(place)) {
            Some(same) => same.records.extend(life.records),
            None => {
                runs.extend(life.run.clone().map(|run| (run, merged.len())));
                merged.push(life);
            }
        }
    }
    *lives = merged;
}

/// The start that is nearest to where the exit says that it began. A second exit for the same start goes there too: one
/// of them is not true.
fn life_of_exit(lives: &[Life], exit: &Once) -> Option<usize> {
    let end = exit.event.time;
    let runtime = exit.event.exit.as_ref().and_then(|exit| exit.runtime);
    let fits = |life: &Life| {
        let of_run = life.is_of_run(&exit.event);
        if of_run == Some(true) {
            return Some((false, 0));
        }
        let begun = life.begun?;
        if begun > end + SLACK || of_run == Some(false) {
            return None;
        }
        let distance = match runtime {
            Some(runtime) => (begun - (end - runtime)).abs(),
            None => (end - begun).abs(),
        };
        let without_start = !life.has_start;
        (runtime.is_none() || distance <= SLACK).then_some((without_start, distance))
    };
    let nearest = lives.iter().enumerate().filter_map(|(place, life)| Some((fits(life)?, place))).min();
    nearest.map(|(_, place)| place)
}

/// The life that was there at the time; else the last one before it, whose end it contradicts.
fn life_of_event(lives: &[Life], record: &Once) -> Option<usize> {
    let time = record.event.time;
    if let Some(place) = lives.iter().rposition(|life| life.is_of_run(&record.event) == Some(true)) {
        return Some(place);
    }
    let same = |life: &Life| life.is_of_run(&record.event) != Some(false);
    let there = |life: &Life| {
        let begun = life.begun.is_none_or(|begun| begun <= time + SLACK);
        begun && life.ended().is_none_or(|ended| time <= ended + SLACK)
    };
    let last = |fits: &dyn Fn(&Life) -> bool| lives.iter().rposition(|life| same(life) && fits(life));
    last(&there).or_else(|| last(&|life| life.begun.is_some_and(|begun| begun <= time)))
}

/// Why the records of a life cannot all be true.
fn disputes(life: &Life) -> Vec<String> {
    let mut disputes = Vec::new();
    let count = |kind: &Kind| life.records.iter().filter(|record| record.event.kind == *kind).count();
    let (starts, exits) = (count(&Kind::Start), count(&Kind::Exit));
    if starts > 1 {
        disputes.push(format!("there are {starts} different start records"));
    }
    if exits > 1 {
        disputes.push(format!("there are {exits} different exit records"));
    }
    let end = life
        .records
        .iter()
        .filter(|record| record.event.kind == Kind::Exit)
        .map(|record| record.event.time)
        .min();
    let after = |record: &&Once| {
        end.is_some_and(|end| record.event.time > end + SLACK) && record.event.kind != Kind::Exit
    };
    let later = life.records.iter().filter(after).count();
    if later > 0 {
        let s = if later == 1 { "record comes" } else { "records come" };
        disputes.push(format!("{later} {s} after its end"));
    }
    let foreign: Vec<&Once> = life.records.iter().filter(|record| record.foreign.is_some()).collect();
    if let [first, ..] = foreign.as_slice() {
        let of = if foreign.len() == life.records.len() {
            "all of its".to_owned()
        } else {
            format!("{} of its", foreign.len())
        };
        let whose = first.foreign.as_deref().unwrap_or_default();
        disputes.push(format!("{of} records stand in the log of another container, {whose}"));
    }
    disputes
}
