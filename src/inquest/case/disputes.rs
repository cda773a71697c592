//! Why the records of a life cannot all be true: somebody has forged one, or copied it.

use super::event::Kind;
use super::life::Life;
use super::once::Once;

/// How far the times of one run may be apart from what its records compute, in milliseconds.
pub(super) const SLACK: i64 = 2_000;

/// Why the records of a life cannot all be true.
pub fn disputes(life: &Life) -> Vec<String> {
    let mut disputes = Vec::new();
    let count = |kind: &Kind| life.records.iter().filter(|record| record.kind() == *kind).count();
    let (starts, exits) = (count(&Kind::Start), count(&Kind::Exit));
    if starts > 1 {
        disputes.push(format!("there are {starts} different start records"));
    }
    if exits > 1 {
        disputes.push(format!("there are {exits} different exit records"));
    }
    let end =
        life.records.iter().filter(|record| record.kind() == Kind::Exit).map(|record| record.time()).min();
    let after =
        |record: &&Once| end.is_some_and(|end| record.time() > end + SLACK) && record.kind() != Kind::Exit;
    let later = life.records.iter().filter(after).count();
    if later > 0 {
        let s = if later == 1 { "record comes" } else { "records come" };
        disputes.push(format!("{later} {s} after its end"));
    }
    let foreign: Vec<&Once> = life.records.iter().filter(|record| record.foreign().is_some()).collect();
    if let [first, ..] = foreign.as_slice() {
        let of = if foreign.len() == life.records.len() {
            "all of its".to_owned()
        } else {
            format!("{} of its", foreign.len())
        };
        let whose = first.foreign().unwrap_or_default();
        disputes.push(format!("{of} records stand in the log of another container, {whose}"));
    }
    disputes
}
