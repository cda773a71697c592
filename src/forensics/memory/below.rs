//! Cgroups below the container's own, with limits of their own: a runner's jobs, or containers within the
//! container.

use super::super::figures::{LimitBelow, parse_keyed, parse_limit, parse_number};
use super::super::files::{join, read_text};
use super::{Hierarchy, MemoryCgroup, cgroup_v1, cgroup_v2};
use std::path::Path;

/// How many of them are looked at.
const MOST: usize = 32;

/// How often a limit was met in vain: that of the cgroup itself or one below, and that of itself alone.
/// Version 2, since Linux 5.2.
pub type Ooms = Option<(u64, u64)>;

/// The kills in the cgroups below of version 1, which count for themselves alone.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct KillsBelow {
    /// in those that were there at the last look
    last: u64,
    /// in those that were gone by a look
    gone: u64,
}

impl MemoryCgroup {
    /// See [`Ooms`]; for [`limit_below`](Self::limit_below).
    pub fn ooms(&self) -> Ooms {
        let all = read_text(&self.directory.place(cgroup_v2::EVENTS), oom)?;
        Some((all, read_text(&self.directory.place(LOCAL_EVENTS), oom)?))
    }

    /// Where the OOM killer took somebody since `before` was read: whether it was for the limit of a cgroup
    /// below, and for which. Of version 1 only where the figures allow nothing else.
    pub fn limit_below(&self, before: Ooms) -> LimitBelow {
        let below = || self.below(MOST);
        match self.hierarchy {
            Hierarchy::Unified => {
                let Some(((all, own), (all_before, own_before))) = self.ooms().zip(before) else {
                    return LimitBelow::None;
                };
                if own > own_before || all <= all_before {
                    return LimitBelow::None;
                }
                the_one(below().iter().filter_map(|cgroup| limit_met_v2(cgroup)))
            }
            Hierarchy::V1Memory => {
                let own = cgroup_v1::read(&self.directory, &self.last_limit);
                let may_be_own = is_near(own.peak, own.limit);
                if may_be_own || self.kills_below() == 0 {
                    return LimitBelow::None;
                }
                match the_one(below().iter().filter_map(|cgroup| limit_met_v1(cgroup))) {
                    LimitBelow::Somewhere => LimitBelow::None,
                    known => known,
                }
            }
        }
    }

    /// The kills that the counter of version 1 leaves out. It never falls, though a cgroup that is removed
    /// takes its counter with it.
    pub(super) fn kills_below(&self) -> u64 {
        let now = self.below(MOST).iter().filter_map(|cgroup| kills(cgroup)).fold(0, u64::saturating_add);
        let KillsBelow { last, gone } = self.kills_below.get();
        let gone = gone.saturating_add(last.saturating_sub(now));
        self.kills_below.set(KillsBelow { last: now, gone });
        now.saturating_add(gone)
    }
}

/// The same events, of this cgroup alone.
const LOCAL_EVENTS: &str = "memory.events.local";

fn oom(text: &str) -> Option<u64> {
    parse_keyed(text, "oom")
}

fn kills(cgroup: &Path) -> Option<u64> {
    read_text(&join(cgroup, "memory.oom_control"), cgroup_v1::parse_oom_control)
}

fn limit_met_v2(cgroup: &Path) -> Option<u64> {
    read_text(&join(cgroup, LOCAL_EVENTS), oom).filter(|ooms| *ooms > 0)?;
    read_text(&join(cgroup, "memory.max"), parse_limit)
}

fn limit_met_v1(cgroup: &Path) -> Option<u64> {
    let limit = read_text(&join(cgroup, "memory.limit_in_bytes"), parse_limit)?;
    let peak = read_text(&join(cgroup, cgroup_v1::PEAK), parse_number);
    is_near(peak, Some(limit)).then_some(limit)
}

/// A charge that meets the limit fails some pages below it.
fn is_near(peak: Option<u64>, limit: Option<u64>) -> bool {
    peak.zip(limit).is_some_and(|(peak, limit)| limit > 0 && peak >= limit - limit / 20)
}

/// The limit, where all that can be it are the same.
fn the_one(mut limits: impl Iterator<Item = u64>) -> LimitBelow {
    match limits.next() {
        Some(first) if limits.all(|limit| limit == first) => LimitBelow::Of(first),
        _ => LimitBelow::Somewhere,
    }
}
