//! Cgroups below the container's own, with limits of their own: a runner's jobs, or containers within the
//! container.

use super::super::cgroup_v1;
use super::super::figures::{LimitBelow, parse_keyed, parse_limit, parse_number};
use super::super::files::{join, read_text};
use std::path::Path;

/// How many of them are looked at.
pub(super) const MOST: usize = 32;

/// How often a limit was met in vain: that of the cgroup itself or one below, and that of itself alone.
/// Version 2, since Linux 5.2.
pub type Ooms = Option<(u64, u64)>;

/// The kills in the cgroups below of version 1, which count for themselves alone.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct KillsBelow {
    /// in those that were there at the last look
    pub(super) last: u64,
    /// in those that were gone by a look
    pub(super) gone: u64,
}

/// The same events, of this cgroup alone.
pub(super) const LOCAL_EVENTS: &str = "memory.events.local";

pub(super) fn oom(text: &str) -> Option<u64> {
    parse_keyed(text, "oom")
}

pub(super) fn kills(cgroup: &Path) -> Option<u64> {
    read_text(&join(cgroup, "memory.oom_control"), cgroup_v1::parse_oom_control)
}

pub(super) fn limit_met_v2(cgroup: &Path) -> Option<u64> {
    read_text(&join(cgroup, LOCAL_EVENTS), oom).filter(|ooms| *ooms > 0)?;
    read_text(&join(cgroup, "memory.max"), parse_limit)
}

pub(super) fn limit_met_v1(cgroup: &Path) -> Option<u64> {
    let limit = read_text(&join(cgroup, "memory.limit_in_bytes"), parse_limit)?;
    let peak = read_text(&join(cgroup, cgroup_v1::PEAK), parse_number);
    is_near(peak, Some(limit)).then_some(limit)
}

/// A charge that meets the limit fails some pages below it.
pub(super) fn is_near(peak: Option<u64>, limit: Option<u64>) -> bool {
    peak.zip(limit).is_some_and(|(peak, limit)| limit > 0 && peak >= limit - limit / 20)
}

/// The limit, where all that can be it are the same.
pub(super) fn the_one(mut limits: impl Iterator<Item = u64>) -> LimitBelow {
    match limits.next() {
        Some(first) if limits.all(|limit| limit == first) => LimitBelow::Of(first),
        _ => LimitBelow::Somewhere,
    }
}
