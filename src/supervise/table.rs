//! The process table as it stands in a record.

use crate::forensics::{Limits, Process, largest, snapshot};
use crate::record::Value;
use nix::unistd::getpid;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// How many processes are looked at, at most.
const MOST: usize = 4096;

/// The processes of the container but `exclude`, the largest first; what is there after `time` or not at all.
///
/// In a PID namespace of our own these are all that can be seen, those that somebody else put in too; elsewhere
/// they are our descendants, to whom every orphan belongs when we are a subreaper.
pub fn of_container(root: &Path, init: i32, exclude: &[i32], time: Duration) -> Vec<Process> {
    let mut table = snapshot(root, Limits { processes: MOST, time, exclude }).processes;
    if init != 1 {
        keep_descendants(&mut table, init);
    }
    table.retain(|process| process.pid != init);
    let _ = largest(&mut table, usize::MAX);
    table
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

/// The list as a record holds it.
pub fn value(processes: &[Process]) -> Value {
    Value::List(processes.iter().map(process_value).collect())
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
