//! Puts records together to lives.

use super::disputes::{SLACK, disputes};
use super::event::Kind;
use super::life::Life;
use super::once::{Once, once, sort};
use super::packed::Packed;
use crate::inquest::text::Text;
use std::collections::{BTreeMap, HashMap};

/// Whose records belong together where they have no container's ID.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Owner {
    /// Those of one run,
    Run(Text),
    /// or of one file.
    File(u32),
}

/// The lives that what was found tells of, and the records that tell of none of them: what was said of
/// containers that wrote nothing themselves, and of tasks.
pub fn of(mut sightings: Vec<Packed>) -> (Vec<Life>, Vec<Once>) {
    sort(&mut sightings);
    let mut groups: BTreeMap<Owner, Vec<Once>> = BTreeMap::new();
    let (mut lives, mut loose) = (Vec::new(), Vec::new());
    // One container after the other, so that little is held twice. Those without one come first.
    for of_one in sightings.chunk_by(|one, other| one.container() == other.container()) {
        let records = once(of_one);
        if of_one.first().is_some_and(|first| first.container().is_some()) {
            lives.extend(of_container(records, &mut loose));
            continue;
        }
        for record in records {
            let event = record.event();
            let owner = match event.run {
                _ if event.is_hearsay() => {
                    loose.push(record);
                    continue;
                }
                Some(run) => Owner::Run(run),
                None => Owner::File(record.first_place().file),
            };
            groups.entry(owner).or_default().push(record);
        }
    }
    lives.extend(groups.into_values().flat_map(|records| of_container(records, &mut loose)));
    lives.shrink_to_fit();
    (lives, loose)
}

/// The lives of one container.
fn of_container(records: Vec<Once>, loose: &mut Vec<Once>) -> Vec<Life> {
    let (starts, rest): (Vec<Once>, Vec<Once>) =
        records.into_iter().partition(|record| record.kind() == Kind::Start);
    let (exits, others): (Vec<Once>, Vec<Once>) =
        rest.into_iter().partition(|record| record.kind() == Kind::Exit);
    let mut lives: Vec<Life> = starts.into_iter().map(Life::of).collect();
    merge_contradicting_starts(&mut lives);
    for exit in exits {
        match life_of_exit(&lives, &exit) {
            Some(place) if let Some(life) = lives.get_mut(place) => life.take(exit),
            _ => lives.push(Life::of(exit)),
        }
    }
    lives.sort_by_key(|life| (life.begun(), life.ended()));
    for record in others {
        match life_of_event(&lives, &record) {
            Some(place) if let Some(life) = lives.get_mut(place) => life.take(record),
            _ if record.event().is_hearsay() => loose.push(record),
            _ => lives.push(Life::of(record)),
        }
    }
    lives.sort_by_key(|life| (life.begun().or(life.last_sign()), life.ended()));
    let begins: Vec<Option<i64>> = lives.iter().map(|life| life.begun().or(life.last_sign())).collect();
    for (place, life) in lives.iter_mut().enumerate() {
        // There may be very many lives of few records.
        life.records.shrink_to_fit();
        life.records.sort_by_key(|record| (record.time(), record.kind()));
        let later = begins.get(place + 1..).unwrap_or_default().iter().flatten();
        let next = later.copied().find(|begun| Some(*begun) > life.begun());
        life.next = next.into();
        let disputed = disputes(life);
        if !disputed.is_empty() {
            life.rare().disputed = disputed;
        }
    }
    lives
}

/// Two starts of one run, or of one moment, are one life, and a disputed one.
fn merge_contradicting_starts(lives: &mut Vec<Life>) {
    let mut merged: Vec<Life> = Vec::new();
    let mut runs: HashMap<Text, usize> = HashMap::new();
    for life in lives.drain(..) {
        let of_moment = || {
            let last = merged.last()?;
            let same = last.begun() == life.begun() && last.pid() == life.pid() && last.run.is_none();
            same.then(|| merged.len() - 1)
        };
        let known = match &life.run {
            Some(run) => runs.get(run).copied(),
            None => of_moment(),
        };
        match known.and_then(|place| merged.get_mut(place)) {
            Some(same) => same.records.extend(life.records),
            None => {
                runs.extend(life.run.map(|run| (run, merged.len())));
                merged.push(life);
            }
        }
    }
    *lives = merged;
}

/// The start that is nearest to where the exit says that it began. A second exit for the same start goes
/// there too: one of them is not true.
fn life_of_exit(lives: &[Life], exit: &Once) -> Option<usize> {
    let event = exit.event();
    let end = event.time;
    let runtime = event.exit.and_then(|exit| exit.runtime());
    let fits = |life: &Life| {
        let of_run = life.is_of_run(&event);
        if of_run == Some(true) {
            return Some((false, 0));
        }
        let begun = life.begun()?;
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
    let event = record.event();
    let time = event.time;
    if let Some(place) = lives.iter().rposition(|life| life.is_of_run(&event) == Some(true)) {
        return Some(place);
    }
    let same = |life: &Life| life.is_of_run(&event) != Some(false);
    let there = |life: &Life| {
        let begun = life.begun().is_none_or(|begun| begun <= time + SLACK);
        begun && life.ended().is_none_or(|ended| time <= ended + SLACK)
    };
    let last = |fits: &dyn Fn(&Life) -> bool| lives.iter().rposition(|life| same(life) && fits(life));
    last(&there).or_else(|| last(&|life| life.begun().is_some_and(|begun| begun <= time)))
}
