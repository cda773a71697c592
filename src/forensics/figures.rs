//! What a memory cgroup tells, and how its files are read as text.

/// From here on a limit is none. Version 1 says 9223372036854771712 (with pages of 4 KiB) where there is no
/// limit.
pub(super) const UNLIMITED: u64 = 1 << 62;

/// What a memory cgroup tells at one moment. What it does not tell is `None`, never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Memory {
    /// the version of the cgroup: 1 or 2
    pub cgroup: u8,
    /// the smallest limit that applies, in bytes
    pub limit: Option<u64>,
    /// charged now, in bytes; the page cache counts too
    pub usage: Option<u64>,
    /// the most that was ever charged, in bytes, since the cgroup was made: this may be before the program's
    /// start
    pub peak: Option<u64>,
    /// processes of the cgroup that the OOM killer took, whosever limit was hit
    pub oom_kills: Option<u64>,
    /// how often a charge met the limit; most such charges succeed, after memory was reclaimed
    pub limit_hits: Option<u64>,
    /// how often the cgroup was above `memory.high` and was made to reclaim memory; version 2
    pub high_hits: Option<u64>,
    /// memory of no file, in bytes: heaps and stacks. This and what follows is read for a record alone
    pub anon: Option<u64>,
    /// the page cache, shared memory and tmpfs in it, in bytes
    pub file: Option<u64>,
    /// shared memory and tmpfs, in bytes
    pub shmem: Option<u64>,
    /// what is swapped out, in bytes
    pub swap: Option<u64>,
    /// whether the OOM killer took somebody for another limit than `limit`
    pub below: LimitBelow,
}

/// Whether the OOM killer took a process for the limit of a cgroup below the container's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LimitBelow {
    /// no, or not known
    #[default]
    None,
    /// yes, and that limit is not known: the cgroup is gone, or it was one of several
    Somewhere,
    /// yes, this limit in bytes
    Of(u64),
}

impl Memory {
    /// The same with `oom_kills` and `limit_hits` counted from an earlier reading.
    ///
    /// A counter whose earlier value is not known is not known either: it may be of an earlier container in
    /// the same cgroup.
    pub fn since(&self, baseline: &Memory) -> Memory {
        let count = |now: Option<u64>, then: Option<u64>| Some(now?.saturating_sub(then?));
        Memory {
            oom_kills: count(self.oom_kills, baseline.oom_kills),
            limit_hits: count(self.limit_hits, baseline.limit_hits),
            high_hits: count(self.high_hits, baseline.high_hits),
            ..*self
        }
    }

    /// The same with the limit of the whole task taken into account, in bytes.
    ///
    /// The task's cgroup is above the container's and mostly not visible from inside.
    pub fn limited_to(self, task_limit: Option<u64>) -> Memory {
        let task_limit = task_limit.filter(|limit| (1..UNLIMITED).contains(limit));
        Memory { limit: smallest(self.limit, task_limit), ..self }
    }
}

/// The two counters that tell of a shortage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// as in [`Memory`]
    pub oom_kills: Option<u64>,
    /// as in [`Memory`]
    pub limit_hits: Option<u64>,
    /// as in [`Memory`]
    pub high_hits: Option<u64>,
}

impl Counters {
    /// How often memory was short, whichever limit it was.
    pub fn hits(&self) -> Option<u64> {
        match (self.limit_hits, self.high_hits) {
            (Some(limit), Some(high)) => Some(limit.saturating_add(high)),
            (limit, high) => limit.or(high),
        }
    }
}

/// A single number of bytes; `None` for `max`, for the huge numbers that mean no limit, and for anything
/// else.
pub(super) fn parse_limit(text: &str) -> Option<u64> {
    parse_number(text).filter(|limit| *limit < UNLIMITED)
}

/// A single number: nothing but digits, and white space around them.
pub(super) fn parse_number(text: &str) -> Option<u64> {
    let digits = text.trim_ascii();
    // `parse` alone would take a sign as well.
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// The number beside a name in a file of `name number` lines (a flat keyed file in the terms of
/// cgroup-v2.rst).
pub(super) fn parse_keyed(text: &str, name: &str) -> Option<u64> {
    text.as_bytes().split(|byte| *byte == b'\n').find_map(|line| keyed(line, name))
}

/// The number in one such line, where the name is this one.
pub(super) fn keyed(line: &[u8], name: &str) -> Option<u64> {
    let (key, value) = line.split_at_checked(name.len())?;
    // The cheapest first: this is asked for each line of a table.
    let value = value.strip_prefix(b" ").filter(|_| key == name.as_bytes())?;
    parse_number(std::str::from_utf8(value).ok()?)
}

pub(super) fn smallest(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
