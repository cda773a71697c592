#![allow(clippy::unwrap_used, clippy::panic)]

use super::{KillTally, OUTLIVED};
use std::time::Duration;

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn old_kills_are_not_counted() {
    let kills = KillTally::new(7).at_end(s(10), Some(7)).unwrap();
    assert_eq!((kills.before, kills.after, kills.total(), kills.unexplained()), (7, 7, 0, 0));
    assert_eq!(kills.last, None);
}

#[test]
fn a_kill_first_seen_at_the_end_may_be_the_programs() {
    let kills = KillTally::new(1).at_end(s(10), Some(2)).unwrap();
    assert_eq!((kills.total(), kills.unexplained(), kills.last), (1, 1, Some(s(0))));
}

#[test]
fn a_kill_is_new_once() {
    let mut tally = KillTally::new(2);
    assert_eq!(tally.observe(s(1), 2), 0);
    assert_eq!(tally.observe(s(2), 4), 2);
    assert_eq!(tally.observe(s(3), 4), 0);
    assert_eq!(tally.observe(s(4), 5), 1);
    // A counter does not fall; if one did (another cgroup), nothing is invented.
    assert_eq!(tally.observe(s(4), 0), 0);
    assert_eq!(tally.at_end(s(5), Some(5)).unwrap().total(), 3);
}

#[test]
fn a_reaped_victim_explains_one_kill() {
    let mut tally = KillTally::new(0);
    tally.observe(s(1), 1);
    assert!(tally.reaped());
    assert!(!tally.reaped(), "one kill has one victim");
    assert_eq!(tally.at_end(s(1), Some(1)).unwrap().unexplained(), 0);
    assert_eq!(tally.at_end(s(1), Some(2)).unwrap().unexplained(), 1, "the second kill was the program's");
}

#[test]
fn a_process_killed_without_a_rise_explains_nothing() {
    let mut tally = KillTally::new(3);
    tally.observe(s(1), 3);
    assert!(!tally.reaped(), "somebody's kill -9");
    let kills = tally.at_end(s(2), Some(4)).unwrap();
    assert_eq!((kills.total(), kills.others, kills.unexplained()), (1, 0, 1));
}

#[test]
fn a_kill_that_was_outlived_was_of_another() {
    let mut tally = KillTally::new(0);
    tally.observe(s(100), 1);
    let shortly = tally.at_end(s(100) + OUTLIVED - Duration::from_millis(1), Some(1)).unwrap();
    assert_eq!(shortly.unexplained(), 1);
    let long = tally.at_end(s(100) + OUTLIVED, Some(1)).unwrap();
    assert_eq!((long.unexplained(), long.others, long.last), (0, 1, Some(OUTLIVED)));
    // A fresh kill at the end is not explained by the old one.
    assert_eq!(tally.at_end(s(500), Some(2)).unwrap().unexplained(), 1);
}

#[test]
fn a_kill_that_spared_the_program_was_of_another() {
    let mut tally = KillTally::new(0);
    tally.observe(s(100), 1);
    tally.spared();
    let kills = tally.at_end(s(102), Some(1)).unwrap();
    assert_eq!((kills.unexplained(), kills.others, kills.last), (0, 1, Some(s(2))));
    assert_eq!(tally.at_end(s(103), Some(2)).unwrap().unexplained(), 1, "a fresh one may be the program's");
    // The victim of that kill, reaped late, explains no later one.
    tally.observe(s(104), 1);
    assert!(!tally.reaped());
}

#[test]
fn a_program_that_takes_long_to_die_was_the_victim() {
    let mut tally = KillTally::new(0);
    tally.observe(s(100), 1);
    tally.doomed();
    assert_eq!(tally.at_end(s(160), Some(1)).unwrap().unexplained(), 1);
}

#[test]
fn how_long_ago_a_kill_can_have_been() {
    let earliest = |tally: KillTally, end, counter| tally.at_end(s(end), Some(counter)).unwrap().earliest;
    let mut tally = KillTally::new(0);
    assert_eq!(earliest(tally, 10, 0), None);
    assert_eq!(earliest(tally, 10, 1), Some(s(10)), "not looked since the start");
    tally.observe(s(7), 0);
    assert_eq!(earliest(tally, 10, 1), Some(s(3)));
    tally.known(s(9));
    assert_eq!(earliest(tally, 10, 1), Some(s(1)), "the kernel would have told");
    // Of several the first, as long as it may be the program's.
    tally.observe(s(10), 1);
    tally.observe(s(11), 2);
    assert_eq!(earliest(tally, 12, 2), Some(s(3)));
    tally.spared();
    assert_eq!(earliest(tally, 14, 3), Some(s(3)));
}

#[test]
fn a_victim_is_not_counted_twice() {
    let mut tally = KillTally::new(0);
    tally.observe(s(1), 1);
    assert!(tally.reaped());
    // Outlived now, so the reaped victim is among them.
    tally.observe(s(60), 2);
    let kills = tally.at_end(s(60), Some(2)).unwrap();
    assert_eq!((kills.total(), kills.others, kills.unexplained()), (2, 1, 1));
}

#[test]
fn a_victim_reaped_late_still_is_one() {
    // On version 1 a rise may be seen by the timer first and the victim be reaped right after.
    let mut tally = KillTally::new(0);
    tally.observe(s(10), 1);
    tally.observe(s(11), 1);
    assert!(tally.reaped());
    assert_eq!(tally.at_end(s(12), Some(1)).unwrap().unexplained(), 0);
}

#[test]
fn without_a_last_reading_only_what_was_seen_is_known() {
    let mut tally = KillTally::new(0);
    assert_eq!(tally.at_end(s(1), None), None);
    tally.observe(s(1), 1);
    assert_eq!(tally.at_end(s(2), None).unwrap().unexplained(), 1);
    assert_eq!(tally.at_end(s(60), None).unwrap().unexplained(), 0);
}

#[test]
fn extreme_numbers_do_no_harm() {
    let mut tally = KillTally::new(u64::MAX);
    assert_eq!(tally.observe(Duration::MAX, 0), 0);
    assert!(!tally.reaped());
    let mut tally = KillTally::new(0);
    assert_eq!(tally.observe(s(9), u64::MAX), u64::MAX);
    assert!(tally.reaped());
    // A clock that ran backwards.
    let kills = tally.at_end(s(0), Some(u64::MAX)).unwrap();
    assert_eq!((kills.total(), kills.last), (u64::MAX, Some(s(0))));
}
