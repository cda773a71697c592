//! How did it die: what the kernel tells about memory and processes, and the verdict drawn from it.
//!
//! [`MemoryCgroup`] finds and reads this container's memory cgroup, in version 1 and 2. [`judge`] turns the
//! facts of an end into one [`Verdict`] and one sentence that a reader can check. [`snapshot`] is the
//! process table for the moments when something is stuck or memory is short.
//!
//! All but the process table is made for PID 1: it reads small files of the kernel into a buffer on the
//! stack, keeps no descriptor but of some files of the cgroup (and a [`Watch`] that it is asked for), and a
//! file that is missing, unreadable or full of nonsense is a value that is not known, never an error.

mod cgroup_v1;
mod cgroup_v2;
mod facts;
mod figures;
mod files;
mod judge;
mod locate;
mod memory;
mod pids;
mod processes;
mod resources;
mod short_name;
mod verdict;
mod why;

#[cfg(test)]
mod testing;

pub use cgroup_v1::Waiting;
pub use cgroup_v2::Watch;
pub use facts::{
    Drained, Expiry, Facts, Held, KillAfter, Kills, LeftBehind, Other, Outcome, Refused, SPARED, Signal,
    Stop, Victim,
};
pub use figures::{Counters, LimitBelow, Memory};
pub use judge::{Judgement, judge};
pub use memory::{MemoryCgroup, Ooms};
pub use pids::Pids;
pub use processes::{
    Disposition, Limits, Process, Snapshot, count, has_waited, is_ending, largest, largest_listed,
    name_and_parent, name_of, snapshot,
};
pub use resources::{MemoryTrend, Resources, Sample, Window, has_hosts_network, percent};
pub use short_name::ShortName;
pub use verdict::Verdict;
