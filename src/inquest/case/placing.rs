//! When something was that a witness tells by a clock of its own: `dmesg` counts from the boot, syslog leaves
//! out the year and the zone. A life has what is needed to place it.

use super::event::Kind;
use super::life::Life;
use super::once::Once;
use crate::inquest::witness::LocalClock;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

/// How far a placed time may be from the record of the same kill, in milliseconds: the kernel's clock of its
/// log and that of processes are not the same, on cgroup v1 a kill is seen late, and syslog has whole
/// seconds.
const NEAR: i64 = 3_000;

/// How long after the last sign of a life its end may have been, in milliseconds.
const AFTER: i64 = 10 * 60_000;

/// Zones differ by quarters of an hour, in milliseconds, and the farthest is 14 hours from UTC.
const ZONES: i64 = 15 * 60_000;
const FARTHEST: i64 = 14 * 4;

/// The clock tick in which the start of a process is told, in milliseconds.
const TICK: i64 = 10;

/// A time within a life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Placed {
    /// how far from the record that it goes with, in milliseconds; what goes with none comes last
    pub distance: i64,
    /// milliseconds since 1970
    pub time: i64,
}

/// When `clock` was, if it was in this life. None where that cannot be told.
pub fn place(life: &Life, clock: &LocalClock) -> Option<Placed> {
    match clock {
        LocalClock::SinceBoot(microseconds) => {
            let since_boot = i64::try_from(microseconds / 1000).ok()?;
            within(life, first_process(life)?.checked_add(since_boot)?)
        }
        LocalClock::WithoutZone(civil) => in_some_zone(life, *civil),
        LocalClock::WithoutYear { month, day, time } => {
            let at = life.begun().or(life.at())?;
            let year = Timestamp::from_millisecond(at).ok()?.to_zoned(jiff::tz::TimeZone::UTC).year();
            let in_year = |year: i16| {
                let date = jiff::civil::Date::new(year, *month, *day).ok()?;
                in_some_zone(life, DateTime::from_parts(date, *time))
            };
            // A life may go on into the next year, and a zone may be there already.
            [year, year + 1, year - 1].into_iter().filter_map(in_year).min()
        }
    }
}

/// When the machine was started, in milliseconds since 1970, by the clock of this life: `run` tells how long
/// after that its first process began.
fn first_process(life: &Life) -> Option<i64> {
    let (_, ticks) = life.run.as_deref()?.split_once('-')?;
    let ticks = i64::from_str_radix(ticks, 16).ok()?;
    let start = life.records.iter().find(|record| record.kind() == Kind::Start);
    let begun = match start {
        Some(start) => start.time() - start.event().waited.unwrap_or(0),
        None => life.begun()?,
    };
    begun.checked_sub(ticks.checked_mul(TICK)?)
}

/// The time, and how far it is from a record that a kill explains.
fn within(life: &Life, time: i64) -> Option<Placed> {
    let near = kills(life).map(|record| (record - time).abs()).filter(|distance| *distance <= NEAR).min();
    let end = life.ended().or(life.next_begun()).or_else(|| life.last_sign()?.checked_add(AFTER));
    let is_within =
        life.begun().is_none_or(|begun| time >= begun - NEAR) && end.is_none_or(|end| time <= end + NEAR);
    match near {
        Some(distance) => Some(Placed { distance, time }),
        None => is_within.then_some(Placed { distance: i64::MAX, time }),
    }
}

/// The same of a time of the day whose zone is not known: the one in which a record goes with it, else UTC,
/// which is what servers have.
fn in_some_zone(life: &Life, civil: DateTime) -> Option<Placed> {
    let in_utc = Offset::UTC.to_timestamp(civil).ok()?.as_millisecond();
    let with_a_record = (-FARTHEST..=FARTHEST)
        .filter_map(|zone| within(life, in_utc.checked_add(zone * ZONES)?))
        .filter(|placed| placed.distance <= NEAR);
    // Where several do, the nearest record, and the zone nearest to UTC.
    let best = with_a_record.min_by_key(|placed| (placed.distance, (placed.time - in_utc).abs()));
    best.or_else(|| within(life, in_utc))
}

/// When the records were made that the OOM killer is the reason of.
fn kills(life: &Life) -> impl Iterator<Item = i64> {
    let by_oom = |kind: &Kind| match kind {
        Kind::OomKill => true,
        Kind::Exit => life.verdict().is_some_and(|verdict| verdict.starts_with("oom_")),
        _ => false,
    };
    life.records.iter().filter(move |record| by_oom(&record.kind())).map(Once::time)
}
