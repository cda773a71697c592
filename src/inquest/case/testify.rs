//! Which life a statement of another witness is about, and when a life was last seen.

use super::life::Life;
use super::placing;
use super::sighting::{Place, Said, Stream};
use crate::inquest::text::Text;
use crate::inquest::witness::{LocalClock, Statement, What, WitnessKind};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::num::NonZeroU64;

/// How long before its start record a container's life may be spoken of, in milliseconds: it is created, its
/// image is pulled, its identity is looked for.
const BEFORE: i64 = 10 * 60_000;

/// Sets the last sign of each life: the last line of a log that has records of this container alone. And
/// tells a stream whose first line is later than the start. Returns the files in which one container alone
/// writes, and nobody else.
pub fn last_signs(lives: &mut [Life], streams: &[Stream]) -> BTreeSet<u32> {
    let streams: HashMap<u32, &Stream> = streams.iter().map(|stream| (stream.file, stream)).collect();
    // Of each file one owner, or none where it has several: there may be very many.
    let mut owners: HashMap<u32, Option<Option<Text>>> = HashMap::new();
    for life in lives.iter() {
        for place in life.records.iter().flat_map(|record| record.places()) {
            let owner = owners.entry(place.file).or_insert(Some(life.container));
            if *owner != Some(life.container) {
                *owner = None;
            }
        }
    }
    let single: BTreeSet<u32> =
        owners.iter().filter(|(_, owner)| owner.is_some()).map(|(file, _)| *file).collect();
    for life in lives.iter_mut() {
        let places: BTreeSet<_> = life
            .records
            .iter()
            .flat_map(|record| record.places())
            .filter(|place| single.contains(&place.file))
            .collect();
        if places.is_empty() {
            continue;
        }
        let writers: BTreeSet<(u32, NonZeroU64)> =
            life.records.iter().flat_map(|record| record.writers()).collect();
        // Of syslog and the like, who wrote the line must be the one who wrote the records.
        let is_own = |stream: &Stream| {
            let told = writers.iter().any(|(file, _)| *file == stream.file);
            !stream.mixed
                && (!told || stream.writer.is_some_and(|writer| writers.contains(&(stream.file, writer))))
        };
        let mut firsts = Vec::new();
        for place in &places {
            let Some(stream) = streams.get(&place.file) else { continue };
            if !stream.mixed {
                firsts.extend(stream.first);
            }
            if !is_own(stream) {
                continue;
            }
            // What follows the next start is a sign of that life.
            let own = stream.last.filter(|last| life.next_begun().is_none_or(|next| *last < next));
            if own > life.last_sign() {
                life.last_sign = own.into();
                life.rare().sign_place = Some(Place { file: place.file, offset: stream.last_at });
            }
        }
        if !life.has_start {
            let late = |first: &i64| life.begun().is_some_and(|begun| *first > begun + 1000);
            if let Some(first) = firsts.into_iter().min().filter(late) {
                life.rare().cut = Some(first);
            }
        }
    }
    let mixed = |file: &u32| streams.get(file).is_none_or(|stream| stream.mixed);
    single.into_iter().filter(|file| !mixed(file)).collect()
}

/// Gives each life what was said about it, and returns what is about somebody of whom there is no life here,
/// and what is about nobody in particular: services, instances.
pub fn join(lives: &mut [Life], mut said: Vec<Said>) -> (Vec<Said>, Vec<Said>) {
    if said.is_empty() {
        return (Vec::new(), Vec::new());
    }
    // Of the same in two files, the surer one is kept.
    said.sort_by_key(|said| (said.statement.time, said.unconfirmed, said.place));
    drop_repeated(&mut said);
    // Of very many lives, those that somebody speaks of.
    let mentioned = |id: fn(&Said) -> Option<&String>| -> HashMap<String, Vec<usize>> {
        said.iter().filter_map(|said| Some((id(said)?.clone(), Vec::new()))).collect()
    };
    let mut by_container = mentioned(|said| said.statement.container_id.as_ref());
    let mut by_task = mentioned(|said| said.statement.task_id.as_ref());
    for (place, life) in lives.iter().enumerate() {
        if let Some(id) = &life.container {
            // `docker events` and the daemon's log have the first 12 digits.
            let short = id.get(..12).filter(|_| id.len() == 64);
            for id in [Some(&**id), short].into_iter().flatten() {
                if let Some(places) = by_container.get_mut(id) {
                    places.push(place);
                }
            }
        }
        if let Some(places) = life.task.as_deref().and_then(|id| by_task.get_mut(id)) {
            places.push(place);
        }
    }
    let previous = previous(lives);
    let (mut strangers, mut general) = (Vec::new(), Vec::new());
    for said in said {
        let statement = &said.statement;
        let time = statement.time.map(|time| time.as_millisecond());
        let of_container = statement.container_id.as_ref().map(|id| by_container.get(id));
        let candidates: Vec<usize> = match of_container {
            Some(places) => places.cloned().unwrap_or_default(),
            None => {
                let of_task =
                    statement.task_id.as_ref().and_then(|id| by_task.get(id)).cloned().unwrap_or_default();
                let named = |place: &usize| match (&statement.container_name, lives.get(*place)) {
                    (Some(name), Some(life)) => life.get("container_name").is_none_or(|own| own == name),
                    _ => true,
                };
                of_task.into_iter().filter(named).collect()
            }
        };
        let about: Vec<(usize, Option<i64>)> = match (&statement.clock, time) {
            (Some(clock), None) => placed(lives, &candidates, clock),
            _ => {
                let before = |place: &usize| previous.get(*place).copied().flatten();
                let then = |place: &usize| {
                    let life = lives.get(*place);
                    life.is_some_and(|life| was_then(life, before(place), statement, time))
                };
                candidates.into_iter().filter(then).map(|place| (place, None)).collect()
            }
        };
        if about.is_empty() {
            if statement.names_somebody() {
                strangers.push(said)
            } else {
                general.push(said)
            }
            continue;
        }
        for (place, placed) in about {
            if let Some(life) = lives.get_mut(place) {
                life.rare().said.push(Said { placed, ..said.clone() });
            }
        }
    }
    for life in lives.iter_mut().filter(|life| !life.said.is_empty()) {
        life.rare().said.sort_by_key(|said| (said.at(), said.place));
        // A name that the engine's own log tells goes before one that a program may have written.
        let named = |unconfirmed: bool| {
            let of = life.said.iter().rev().filter(move |said| said.unconfirmed == unconfirmed);
            of.filter_map(|said| said.statement.engine_name.as_deref()).next()
        };
        let name = named(false).or_else(|| named(true)).map(Text::new);
        life.rare().name = name;
    }
    (strangers, general)
}

/// Of the lives at `candidates` those that a statement with a clock of its own is about, and when it was: of
/// one container the life that has a record of the same. Where no life can place it, it may be about each.
fn placed(lives: &[Life], candidates: &[usize], clock: &LocalClock) -> Vec<(usize, Option<i64>)> {
    let mut best: BTreeMap<Option<&str>, (placing::Placed, usize)> = BTreeMap::new();
    for place in candidates {
        let Some(life) = lives.get(*place) else { continue };
        let Some(here) = placing::place(life, clock).map(|placed| (placed, *place)) else { continue };
        let known = best.entry(life.container.as_deref()).or_insert(here);
        *known = here.min(*known);
    }
    if best.is_empty() {
        return candidates.iter().map(|place| (*place, None)).collect();
    }
    best.into_values().map(|(placed, place)| (place, Some(placed.time))).collect()
}

/// When the life before each one in the same container was over.
fn previous(lives: &[Life]) -> Vec<Option<i64>> {
    let mut last: HashMap<&str, (Option<i64>, i64)> = HashMap::new();
    // Those of one container stand in the order of their starts.
    let mut all = Vec::with_capacity(lives.len());
    for life in lives {
        let (begun, over) = (life.begun().or(life.last_sign()), life.ended().or(life.last_sign()));
        let Some(id) = life.container.as_deref() else {
            all.push(None);
            continue;
        };
        all.push(last.get(id).filter(|(before, _)| *before < begun).map(|(_, over)| *over));
        if let Some(over) = over {
            last.insert(id, (begun, over));
        }
    }
    all
}

/// Whether something at `time` can be about this life of its container.
fn was_then(life: &Life, previous: Option<i64>, statement: &Statement, time: Option<i64>) -> bool {
    let Some(time) = time else { return true };
    let of_engine = statement.kind == WitnessKind::Docker;
    match (&statement.what, life.begun()) {
        // The engine starts a container before its first process is there, so that the start of the next
        // life comes before that begins.
        (What::Started, _)
            if of_engine
                && life.next_begun().is_some()
                && life.ended().or(life.last_sign()).is_some_and(|over| time > over) =>
        {
            return false;
        }
        // What ends a life does not come before its start: it is about the run before, whether records of
        // that are here or not. An engine has the clock of its containers.
        (
            What::ContainerExit(_) | What::KillSignal { .. } | What::StopRequested(_) | What::Oom,
            Some(begun),
        ) if of_engine && time < begun => {
            return false;
        }
        _ => {}
    }
    let begun = match (previous, life.begun()) {
        (Some(over), _) => time > over,
        (None, Some(begun)) => time >= begun - BEFORE,
        (None, None) => true,
    };
    begun && life.next_begun().is_none_or(|next| time < next)
}

/// The same statement of several files, or the same version of an object twice, is one.
fn drop_repeated(said: &mut Vec<Said>) {
    let mut seen = BTreeSet::new();
    said.retain(|said| {
        let statement = &said.statement;
        let who =
            (statement.task_id.clone(), statement.container_id.clone(), statement.container_name.clone());
        let what = format!("{:?}", statement.what);
        // Of one version, the first is as good as the others: another text is another way to fetch it.
        let text = if statement.version.is_some() { String::new() } else { statement.text.clone() };
        let time = if statement.version.is_some() { None } else { statement.time };
        let clock = format!("{:?}", statement.clock);
        seen.insert((statement.kind, who, what, statement.version, text, time, clock))
    });
}
