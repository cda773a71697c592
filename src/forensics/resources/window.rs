//! Two samples and the time between them: pure arithmetic.

use crate::forensics::figures::{UNLIMITED, smallest};
use arrayvec::ArrayVec;
use std::time::Duration;

/// What a container has used, at one moment. Counters are since the cgroup's beginning. What is not told is
/// `None`, never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sample {
    /// CPU time, in ns
    pub cpu_ns: Option<u64>,
    /// how long processes were kept from running by the cgroup's own quota, in ns
    pub throttled_ns: Option<u64>,
    /// periods in which they were
    pub throttled_periods: Option<u64>,
    /// periods in which any process ran
    pub periods: Option<u64>,
    /// the smallest quota that applies, in thousandths of a CPU
    pub cpu_limit_milli: Option<u64>,
    /// charged now, in bytes; the page cache counts too
    pub memory_usage: Option<u64>,
    /// anonymous memory, in bytes
    pub memory_anon: Option<u64>,
    /// page cache, in bytes, shared memory included
    pub memory_file: Option<u64>,
    /// shared memory and tmpfs, in bytes
    pub memory_shmem: Option<u64>,
    /// page cache that the kernel would take first, in bytes
    pub inactive_file: Option<u64>,
    /// the smallest limit that applies, in bytes
    pub memory_limit: Option<u64>,
    /// the most that was ever charged, in bytes
    pub memory_peak: Option<u64>,
    /// in swap, in bytes
    pub swap: Option<u64>,
    /// version 1: memory and swap together, in bytes
    pub memory_and_swap: Option<u64>,
    /// processes that the OOM killer took
    pub oom_kills: Option<u64>,
    /// how often a charge met the limit
    pub limit_hits: Option<u64>,
    /// processes and threads now
    pub pids: Option<u64>,
    /// the most that there may be
    pub pids_limit: Option<u64>,
    /// read from all devices, in bytes
    pub read_bytes: Option<u64>,
    /// written to all devices, in bytes
    pub write_bytes: Option<u64>,
    /// received on all interfaces but `lo`, in bytes
    pub net_rx_bytes: Option<u64>,
    /// sent on all interfaces but `lo`, in bytes
    pub net_tx_bytes: Option<u64>,
    /// how long at least one process waited for a CPU, in µs
    pub cpu_stall_us: Option<u64>,
    /// how long at least one waited for memory, in µs
    pub memory_stall_us: Option<u64>,
    /// how long at least one waited for I/O, in µs
    pub io_stall_us: Option<u64>,
}

/// What a container has used between two samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Window {
    /// how long the window is
    pub elapsed: Duration,
    /// how long the container runs
    pub uptime: Option<Duration>,
    /// CPU in the window, in thousandths of one
    pub cpu_milli: Option<u64>,
    /// processes kept from running by the quota, in ms in the window
    pub throttled_ms: Option<u64>,
    /// periods in which they were, in the window
    pub throttled_periods: Option<u64>,
    /// periods in which any ran, in the window
    pub periods: Option<u64>,
    /// read in the window, in bytes
    pub read_bytes: Option<u64>,
    /// written in the window, in bytes
    pub write_bytes: Option<u64>,
    /// received in the window, in bytes
    pub net_rx_bytes: Option<u64>,
    /// sent in the window, in bytes
    pub net_tx_bytes: Option<u64>,
    /// the network is known to be the task's or the host's
    pub net_shared: bool,
    /// waited for a CPU, in ms in the window
    pub cpu_stall_ms: Option<u64>,
    /// waited for memory, in ms in the window
    pub memory_stall_ms: Option<u64>,
    /// waited for I/O, in ms in the window
    pub io_stall_ms: Option<u64>,
    /// how often the container was restarted
    pub restarts: Option<u64>,
    /// what there is at the end of the window
    pub now: Sample,
}

impl Sample {
    /// The memory in use as `docker stats` counts it, in bytes: usage without the page cache that the kernel
    /// would take first. `None` where either is not told.
    pub fn memory_used(&self) -> Option<u64> {
        let (usage, inactive) = (self.memory_usage?, self.inactive_file?);
        // The two are read one after the other; docker takes all of the usage where the second is not
        // smaller.
        Some(if inactive < usage { usage - inactive } else { usage })
    }

    /// The memory in use, in hundredths of the limit.
    pub fn memory_percent(&self) -> Option<u64> {
        percent(self.memory_used()?, self.memory_limit?)
    }

    /// The same with the limits of the whole task, which are not visible from inside: thousandths of a CPU,
    /// and bytes.
    pub fn limited_to(self, cpu_milli: Option<u64>, memory: Option<u64>) -> Sample {
        let cpu_milli = cpu_milli.filter(|limit| *limit > 0);
        let memory = memory.filter(|limit| (1..UNLIMITED).contains(limit));
        Sample {
            cpu_limit_milli: smallest(self.cpu_limit_milli, cpu_milli),
            memory_limit: smallest(self.memory_limit, memory),
            ..self
        }
    }

    /// What was used since `before`, `elapsed` earlier.
    ///
    /// A counter below its last value belongs to a new cgroup, and a window of zero has no rate: neither
    /// gives a figure for this window. Where `before` does not know a counter, neither does the window.
    pub fn window(&self, before: &Sample, elapsed: Duration) -> Window {
        let grown = |of: fn(&Sample) -> Option<u64>| {
            of(self)?.checked_sub(of(before)?).filter(|_| !elapsed.is_zero())
        };
        // Without a quota of its own the kernel counts no periods: what the cgroups above throttle is not
        // told here.
        let has_quota = self.periods.is_some_and(|periods| periods > 0);
        let throttling = |of| grown(of).filter(|_| has_quota);
        Window {
            elapsed,
            uptime: None,
            cpu_milli: grown(|sample| sample.cpu_ns).and_then(|ns| rate_milli(ns, elapsed)),
            throttled_ms: throttling(|sample| sample.throttled_ns).map(|ns| ns / 1_000_000),
            throttled_periods: throttling(|sample| sample.throttled_periods),
            periods: throttling(|sample| sample.periods),
            read_bytes: grown(|sample| sample.read_bytes),
            write_bytes: grown(|sample| sample.write_bytes),
            net_rx_bytes: grown(|sample| sample.net_rx_bytes),
            net_tx_bytes: grown(|sample| sample.net_tx_bytes),
            net_shared: false,
            cpu_stall_ms: grown(|sample| sample.cpu_stall_us).map(|us| us / 1000),
            memory_stall_ms: grown(|sample| sample.memory_stall_us).map(|us| us / 1000),
            io_stall_ms: grown(|sample| sample.io_stall_us).map(|us| us / 1000),
            restarts: None,
            now: *self,
        }
    }

    /// The same with `oom_kills` and `limit_hits` counted from an earlier sample: from the program's start.
    pub fn since(self, start: &Sample) -> Sample {
        let count = |now: Option<u64>, then: Option<u64>| Some(now?.saturating_sub(then?));
        Sample {
            oom_kills: count(self.oom_kills, start.oom_kills),
            // As in a `memory` of a record: none counted on version 1 does not mean that there was none.
            limit_hits: count(self.limit_hits, start.limit_hits)
                .filter(|hits| *hits > 0 || self.memory_and_swap.is_none()),
            ..self
        }
    }
}

impl Window {
    /// CPU in hundredths of the limit.
    pub fn cpu_percent(&self) -> Option<u64> {
        percent(self.cpu_milli?, self.now.cpu_limit_milli?)
    }
}

/// CPU time in a window, in thousandths of a CPU, rounded.
fn rate_milli(ns: u64, elapsed: Duration) -> Option<u64> {
    let elapsed = elapsed.as_nanos();
    let milli = (u128::from(ns) * 1000 + elapsed / 2).checked_div(elapsed)?;
    u64::try_from(milli).ok()
}

/// A part of a whole in hundredths, rounded; `None` where the whole is nothing.
pub fn percent(part: u64, whole: u64) -> Option<u64> {
    let percent = (u128::from(part) * 100 + u128::from(whole) / 2).checked_div(u128::from(whole))?;
    u64::try_from(percent).ok()
}

/// The memory in use at the last ticks, in bytes: was it a leak or a leap?
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryTrend(ArrayVec<u64, 5>);

impl MemoryTrend {
    /// Adds a tick; the oldest of more than five drops out. A tick without the figure is passed over.
    pub fn push(&mut self, sample: &Sample) {
        let Some(used) = sample.memory_used().or(sample.memory_usage) else { return };
        if self.0.is_full() {
            self.0.remove(0);
        }
        let _ = self.0.try_push(used);
    }

    /// The oldest first; empty before the first tick.
    pub fn values(&self) -> &[u64] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn cpu_is_the_counter_over_our_clock() {
        let before = Sample { cpu_ns: Some(1_000_000_000), ..Sample::default() };
        let after = Sample { cpu_ns: Some(1_250_400_000), cpu_limit_milli: Some(500), ..Sample::default() };
        let window = after.window(&before, SECOND);
        assert_eq!(window.cpu_milli, Some(250));
        assert_eq!(window.cpu_percent(), Some(50));
        assert_eq!(after.window(&before, SECOND / 2).cpu_milli, Some(501));
        assert_eq!(Sample::default().window(&before, SECOND).cpu_milli, None);
    }

    #[test]
    fn a_counter_that_fell_and_a_window_of_zero_give_no_rate() {
        let before = Sample { cpu_ns: Some(1_170), read_bytes: Some(5), ..Sample::default() };
        let after = Sample { cpu_ns: Some(350), read_bytes: Some(7), ..Sample::default() };
        let window = after.window(&before, SECOND);
        assert_eq!((window.cpu_milli, window.read_bytes), (None, Some(2)));
        let window = after.window(&before, Duration::ZERO);
        assert_eq!((window.cpu_milli, window.read_bytes), (None, None));
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let most = Sample {
            cpu_ns: Some(u64::MAX),
            memory_usage: Some(u64::MAX),
            inactive_file: Some(0),
            memory_limit: Some(1),
            cpu_limit_milli: Some(1),
            ..Sample::default()
        };
        let nothing = Sample { cpu_ns: Some(0), ..Sample::default() };
        let window = most.window(&nothing, Duration::from_nanos(1));
        assert_eq!((window.cpu_milli, window.now.memory_percent()), (None, None));
        assert_eq!(percent(1, 0), None);
    }

    #[test]
    fn throttling_is_told_where_the_kernel_counts_periods() {
        let counters = |periods| Sample {
            throttled_ns: Some(0),
            throttled_periods: Some(0),
            periods: Some(periods),
            ..Sample::default()
        };
        let none = counters(0).window(&counters(0), SECOND);
        assert_eq!((none.throttled_ms, none.periods), (None, None));
        let of_the_task = Sample { cpu_limit_milli: Some(500), ..counters(0) }.window(&counters(0), SECOND);
        assert_eq!((of_the_task.throttled_ms, of_the_task.periods), (None, None));
        let own = counters(10).window(&counters(0), SECOND);
        assert_eq!((own.throttled_ms, own.periods), (Some(0), Some(10)));
    }

    #[test]
    fn memory_used_is_that_of_docker_stats() {
        let sample = |usage, inactive| Sample {
            memory_usage: Some(usage),
            inactive_file: inactive,
            ..Sample::default()
        };
        assert_eq!(sample(100, Some(30)).memory_used(), Some(70));
        assert_eq!(sample(100, Some(100)).memory_used(), Some(100));
        assert_eq!(sample(100, Some(200)).memory_used(), Some(100));
        assert_eq!(sample(100, None).memory_used(), None);
    }

    #[test]
    fn the_smallest_limit_counts_and_a_huge_one_is_none() {
        let own = Sample { cpu_limit_milli: Some(2000), memory_limit: Some(64 << 20), ..Sample::default() };
        let limited = own.limited_to(Some(250), Some(512 << 20));
        assert_eq!((limited.cpu_limit_milli, limited.memory_limit), (Some(250), Some(64 << 20)));
        let unlimited = Sample::default().limited_to(Some(0), Some(9_223_372_036_854_771_712));
        assert_eq!((unlimited.cpu_limit_milli, unlimited.memory_limit), (None, None));
    }

    #[test]
    fn the_trend_holds_the_last_five() {
        let mut trend = MemoryTrend::default();
        for usage in 1..=7 {
            trend.push(&Sample { memory_usage: Some(usage), inactive_file: Some(0), ..Sample::default() });
            trend.push(&Sample::default());
        }
        assert_eq!(trend.values(), [3, 4, 5, 6, 7]);
    }
}
