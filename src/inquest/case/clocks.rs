//! Clocks that are proven to be ahead: a store had a line before it was written, by the clock of the machine
//! that wrote it. That is all that can be proven: a clock that is behind looks like a line that was long
//! under way. Nothing is moved by it.

use super::Life;
use std::collections::BTreeMap;

/// Less than this proves nothing: the store rounds to milliseconds.
const LEAST: i64 = 10;

/// A clock that is ahead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ahead {
    /// the machine: its container instance, name or address
    pub host: String,
    /// by how much at least, in milliseconds
    pub by: i64,
    /// how many lives prove it
    pub lives: usize,
}

/// The machine that a life was on.
pub fn host(life: &Life) -> Option<&str> {
    let name = life.get("hostname").or_else(|| life.get("ip"));
    name.or_else(|| life.get("instance_arn").and_then(|arn| arn.rsplit('/').next()))
}

/// By how much the clock of a life's machine is ahead at least, in milliseconds.
pub fn ahead(life: &Life) -> Option<i64> {
    life.records.iter().filter_map(|record| record.ahead()).max().filter(|ahead| *ahead >= LEAST)
}

/// The machines whose clocks are ahead, by their names.
pub fn all_ahead(lives: &[&Life]) -> Vec<Ahead> {
    let mut hosts: BTreeMap<&str, (i64, usize)> = BTreeMap::new();
    for life in lives {
        if let Some(by) = ahead(life) {
            let id = life.task.as_deref().or(life.container.as_deref()).unwrap_or("?");
            let (most, lives) = hosts.entry(host(life).unwrap_or(id)).or_default();
            *most = (*most).max(by);
            *lives += 1;
        }
    }
    let told = |(host, (by, lives)): (&str, (i64, usize))| Ahead { host: host.to_owned(), by, lives };
    hosts.into_iter().map(told).collect()
}
