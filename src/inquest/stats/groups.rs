//! How many lives ended how, in groups by what somebody asks for.

use super::numbers::median;
use super::outcome::outcome;
use crate::inquest::case::Life;
use crate::inquest::time::Clock;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The keys by which lives can be put into groups.
pub const KEYS: [&str; 12] = [
    "service",
    "family",
    "revision",
    "container",
    "verdict",
    "cluster",
    "az",
    "host",
    "image_id",
    "program",
    "hour",
    "day",
];

/// Lives that have the same values of these keys.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// the values, in the order of the keys; none where it is not known
    pub values: Vec<Option<String>>,
    /// how many lives
    pub lives: usize,
    /// the median of how long they ran, in milliseconds, and of how many that is known
    pub ran: Option<(i64, usize)>,
    /// when the last of them ended or was seen, in milliseconds since 1970
    pub last: Option<i64>,
}

/// The keys that a list such as `family,verdict` names.
///
/// # Errors
/// A sentence with the keys there are.
pub fn keys(list: &str) -> Result<Vec<&'static str>, String> {
    let mut keys = Vec::new();
    for word in list.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        let Some(key) = KEYS.into_iter().find(|key| *key == word) else {
            return Err(format!("no key {word:?}: there are {}", KEYS.join(", ")));
        };
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    if keys.is_empty() { Err(format!("no key is named: there are {}", KEYS.join(", "))) } else { Ok(keys) }
}

fn value(life: &Life, key: &str, clock: &Clock) -> Option<Cow<'static, str>> {
    let own = |key: &str| life.get(key).map(Cow::from);
    match key {
        "container" => own("container_name").or_else(|| own("docker_name")),
        "verdict" => Some(outcome(life)),
        "az" => own("availability_zone"),
        "host" => {
            let instance = life.get("instance_arn").and_then(|arn| arn.rsplit('/').next());
            instance.map(Cow::from).or_else(|| own("hostname")).or_else(|| own("ip"))
        }
        "program" => life.program().map(Cow::from),
        "hour" => life.at().map(|at| clock.hour(at).into()),
        "day" => life.at().map(|at| clock.day(at).into()),
        key => own(key),
    }
}

/// How long those with an exit record ran, in milliseconds; how many lives; the newest.
type Sums = (Vec<i64>, usize, Option<i64>);

/// The groups of `lives`, those of most lives first.
pub fn of(lives: &[&Life], by: &[&'static str], clock: &Clock) -> Vec<Group> {
    let mut groups: BTreeMap<Vec<Option<Cow<'_, str>>>, Sums> = BTreeMap::new();
    for life in lives {
        let values = by.iter().map(|key| value(life, key, clock)).collect();
        let (ran, lives, last) = groups.entry(values).or_default();
        ran.extend(life.exit_record().and_then(|_| life.ran()));
        *lives += 1;
        *last = (*last).max(life.at());
    }
    let mut groups: Vec<Group> = groups
        .into_iter()
        .map(|(values, (ran, lives, last))| Group {
            values: values.into_iter().map(|value| value.map(Cow::into_owned)).collect(),
            lives,
            ran: median(&ran).map(|median| (median, ran.len())),
            last,
        })
        .collect();
    groups.sort_by(|one, other| other.lives.cmp(&one.lives).then_with(|| one.values.cmp(&other.values)));
    groups
}

#[cfg(test)]
mod tests {
    use super::keys;

    #[test]
    fn names_of_keys() {
        assert_eq!(keys("family, verdict,family"), Ok(vec!["family", "verdict"]));
        assert!(keys("colour").is_err_and(|text| text.contains("image_id")) && keys(" , ").is_err());
    }
}
