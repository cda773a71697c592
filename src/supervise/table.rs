//! The process table as it stands in a record.

use crate::forensics::{Limits, Process, Snapshot, count, largest, snapshot};
use crate::record::{LONGEST, Value};
use nix::unistd::getpid;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// How many processes are looked at, at most.
const MOST: usize = 4096;

/// The processes of a container.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Table {
    /// those that were looked at, the largest first
    pub processes: Vec<Process>,
    /// how many there are; `None` where not all could be looked at, nor counted
    pub count: Option<usize>,
}

/// The processes of the container but `exclude`, looked at for no longer than `time`.
///
/// In a PID namespace of our own these are all that can be seen, those that somebody else put in too;
/// elsewhere they are our descendants, to whom every orphan belongs when we are a subreaper.
pub fn of_container(root: &Path, init: i32, exclude: &[i32], time: Duration, closely: bool) -> Table {
    let Snapshot { processes: mut table, truncated, unreadable } =
        snapshot(root, Limits { processes: MOST, time, exclude, closely });
    if init != 1 {
        keep_descendants(&mut table, init);
    }
    table.retain(|process| process.pid != init);
    let _ = largest(&mut table, usize::MAX);
    let count = match truncated {
        _ if unreadable => None,
        false => Some(table.len()),
        // Whose descendants the others are is not known.
        true if init != 1 => None,
        true => count(root, |pid| pid != init && !exclude.contains(&pid)),
    };
    Table { processes: table, count }
}

/// Who is still there at the end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Left {
    /// how many live: neither dead nor dying
    pub living: Option<usize>,
    /// how many are dead or dying
    pub others: Option<usize>,
    /// the living, the largest first, then the zombies
    pub processes: Vec<Process>,
}

impl Left {
    /// Nobody.
    pub fn nobody() -> Left {
        Left { living: Some(0), others: Some(0), processes: Vec::new() }
    }

    /// Who of a table will be there for whoever looks, and who not any more.
    pub fn of(table: Table) -> Left {
        let Table { mut processes, count } = table;
        let others = processes.iter().filter(|process| !process.is_alive()).count();
        processes.retain(|process| process.is_alive() || process.is_zombie());
        // The order by size stays within both.
        processes.sort_by_key(Process::is_zombie);
        Left {
            living: count.map(|count| count.saturating_sub(others)),
            others: count.map(|_| others),
            processes,
        }
    }

    /// How many of the living the program can have left behind, and the largest of them: not those whose
    /// parent is outside of the PID namespace, which came by `docker exec` or for a health check.
    pub fn behind(&self) -> Option<(usize, &Process)> {
        let living = || self.processes.iter().filter(|process| process.is_alive());
        let largest = living().find(|process| process.ppid != 0)?;
        let visitors = living().filter(|process| process.ppid == 0).count();
        Some((self.living?.checked_sub(visitors)?, largest))
    }
}

fn keep_descendants(table: &mut Vec<Process>, init: i32) {
    let mut ours = BTreeSet::from([init]);
    // A parent's ID is mostly the lower one, so one round finds nearly all.
    loop {
        let known = ours.len();
        for process in table.iter() {
            if ours.contains(&process.ppid) {
                ours.insert(process.pid);
            }
        }
        if ours.len() == known {
            break;
        }
    }
    table.retain(|process| ours.contains(&process.pid));
}

/// How many of a list have room in a record at most: an element has 60 bytes or more in either format.
const SHOWN: usize = LONGEST / 60;

/// The list as a record holds it: the first of `processes`, more than there is room for.
pub fn value(processes: &[Process]) -> Value {
    Value::List(processes.iter().take(SHOWN).map(|process| Value::Object(fields(process))).collect())
}

/// The same with how long each has been there.
pub fn value_with_age(processes: &[Process]) -> Value {
    let value = |process: &Process| {
        let mut fields = fields(process);
        let age = process.age.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
        fields.extend(age.map(|age| ("age_ms", Value::from(age))));
        Value::Object(fields)
    };
    Value::List(processes.iter().take(SHOWN).map(value).collect())
}

fn fields(process: &Process) -> Vec<(&'static str, Value)> {
    let mut fields = vec![
        ("pid", Value::from(i64::from(process.pid))),
        ("ppid", Value::from(i64::from(process.ppid))),
        ("name", Value::from(process.name.as_str())),
        ("state", Value::from(process.state.to_string())),
    ];
    fields.extend(process.wait_channel.map(|channel| ("wait_channel", Value::from(channel.as_str()))));
    fields.push(("memory", Value::from(process.memory)));
    fields.extend(process.swap.filter(|swap| *swap > 0).map(|swap| ("swap", Value::from(swap))));
    // What a kernel counts of a zombie is 0 or 1, and means nothing.
    let is_told = if process.is_zombie() { process.threads > 1 } else { process.threads > 0 };
    if is_told {
        fields.push(("threads", Value::from(u64::from(process.threads))));
    }
    fields.extend(process.sigterm.map(|sigterm| ("sigterm", sigterm.name().into())));
    fields
}

/// Our own process ID.
pub fn own_pid() -> i32 {
    getpid().as_raw()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: i32, state: char, memory: u64, is_ending: bool) -> Process {
        Process {
            pid,
            ppid: 1,
            name: crate::forensics::ShortName::new(b"p"),
            state,
            wait_channel: None,
            memory,
            swap: None,
            threads: 1,
            sigterm: None,
            age: Some(Duration::from_millis(70)),
            is_ending,
        }
    }

    #[test]
    fn the_living_stand_first_and_the_dying_are_not_named() {
        let processes = vec![
            process(5, 'R', 900, true),
            process(4, 'S', 500, false),
            process(6, 'D', 400, false),
            process(3, 'Z', 0, false),
        ];
        let left = Left::of(Table { processes: processes.clone(), count: Some(4) });
        assert_eq!((left.living, left.others), (Some(2), Some(2)));
        assert_eq!(left.processes.iter().map(|process| process.pid).collect::<Vec<_>>(), [4, 6, 3]);
        assert_eq!(left.behind().map(|(count, process)| (count, process.pid)), Some((2, 4)));
        let visitor = Process { ppid: 0, ..process(7, 'S', 900, false) };
        let visited = Left::of(Table { processes: vec![visitor, process(4, 'S', 5, false)], count: Some(2) });
        assert_eq!(visited.behind().map(|(count, process)| (count, process.pid)), Some((1, 4)));
        assert_eq!(Left::of(Table { processes: vec![visitor], count: Some(1) }).behind(), None);
        // More than could be looked at: whoever was not seen counts as living.
        assert_eq!(Left::of(Table { processes, count: Some(10) }).living, Some(8));
        let unknown = Left::of(Table::default());
        assert_eq!((unknown.living, unknown.others, unknown.behind()), (None, None, None));
        let zombie = Left::of(Table { processes: vec![process(3, 'Z', 0, false)], count: Some(1) });
        assert_eq!((zombie.living, zombie.others, zombie.behind()), (Some(0), Some(1), None));
    }

    #[test]
    fn keys_of_a_process() {
        let Value::List(values) = value_with_age(&[process(4, 'S', 5, false), process(3, 'Z', 0, false)])
        else {
            return;
        };
        let keys = |value: &Value| match value {
            Value::Object(fields) => fields.iter().map(|(key, _)| *key).collect::<Vec<_>>(),
            _ => Vec::new(),
        };
        assert_eq!(keys(&values[0]), ["pid", "ppid", "name", "state", "memory", "threads", "age_ms"]);
        assert_eq!(keys(&values[1]), ["pid", "ppid", "name", "state", "memory", "age_ms"]);
    }

    #[test]
    fn without_a_proc_of_our_own_nobody_is_counted() {
        let tree = tempfile::tempdir().expect("a directory");
        for name in ["2", "3"] {
            std::fs::create_dir_all(tree.path().join("proc").join(name)).expect("a directory");
        }
        let table = |init| of_container(tree.path(), init, &[], Duration::from_secs(1), false);
        assert_eq!((table(1), table(9)), (Table::default(), Table::default()));
        std::os::unix::fs::symlink(std::process::id().to_string(), tree.path().join("proc/self"))
            .expect("a link");
        assert_eq!(table(1).count, None, "two are there, and nothing can be read of them");
    }
}
