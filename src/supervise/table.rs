//! The process table as it stands in a record.

use crate::forensics::{Limits, Process, Snapshot, count, largest, snapshot};
use crate::record::{LONGEST, Value};
use nix::unistd::getpid;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// How many processes are looked at, at most.
const MOST: usize = 4096;

/// The processes of the container but `exclude`, the largest first, and how many there are: `None` where not all could be
/// looked at in `time`, nor counted.
///
/// In a PID namespace of our own these are all that can be seen, those that somebody else put in too; elsewhere
/// they are our descendants, to whom every orphan belongs when we are a subreaper.
pub fn of_container(
    root: &Path,
    init: i32,
    exclude: &[i32],
    time: Duration,
) -> (Vec<Process>, Option<usize>) {
    let Snapshot { processes: mut table, truncated } =
        snapshot(root, Limits { processes: MOST, time, exclude });
    if init != 1 {
        keep_descendants(&mut table, init);
    }
    table.retain(|process| process.pid != init);
    let _ = largest(&mut table, usize::MAX);
    let count = match truncated {
        false => Some(table.len()),
        // Whose descendants the others are is not known.
        true if init != 1 => None,
        true => count(root, |pid| pid != init && !exclude.contains(&pid)),
    };
    (table, count)
}

/// The same without those that are dead, or dying: they will not be there any more for whoever looks.
pub fn living_of_container(
    root: &Path,
    init: i32,
    exclude: &[i32],
    time: Duration,
) -> (Vec<Process>, Option<usize>) {
    let (mut processes, count) = of_container(root, init, exclude, time);
    let all = processes.len();
    processes.retain(Process::is_alive);
    let dead = all - processes.len();
    (processes, count.map(|count| count.saturating_sub(dead)))
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
    Value::List(processes.iter().take(SHOWN).map(process_value).collect())
}

fn process_value(process: &Process) -> Value {
    let mut fields = vec![
        ("pid", Value::from(i64::from(process.pid))),
        ("ppid", Value::from(i64::from(process.ppid))),
        ("name", Value::from(process.name.as_str())),
        ("state", Value::from(process.state.to_string())),
    ];
    fields.extend(process.wait_channel.map(|channel| ("wait_channel", Value::from(channel.as_str()))));
    fields.push(("memory", Value::from(process.memory)));
    fields.push(("threads", Value::from(u64::from(process.threads))));
    Value::Object(fields)
}

/// Our own process ID.
pub fn own_pid() -> i32 {
    getpid().as_raw()
}
