//! The figures of a `stats` record, in the order of their worth.

use super::Value;
use crate::forensics::{MemoryTrend, Window};
use std::time::Duration;

/// What the record holds beside the common keys; what is not known is left out.
pub fn fields(window: &Window) -> Vec<(&'static str, Value)> {
    let now = &window.now;
    let figures = [
        ("window_ms", Some(milliseconds(window.elapsed))),
        ("uptime_ms", window.uptime.map(milliseconds)),
        ("cpu_milli", window.cpu_milli),
        ("cpu_ms", now.cpu_ns.map(|ns| ns / 1_000_000)),
        ("cpu_limit_milli", now.cpu_limit_milli),
        ("cpu_percent", window.cpu_percent()),
        ("throttled_ms", window.throttled_ms),
        ("throttled_periods", window.throttled_periods),
        ("periods", window.periods),
        ("memory_usage", now.memory_usage),
        ("memory_used", now.memory_used()),
        ("memory_anon", now.memory_anon),
        ("memory_file", now.memory_file),
        ("memory_shmem", now.memory_shmem),
        ("memory_limit", now.memory_limit),
        ("memory_percent", now.memory_percent()),
        ("memory_peak", now.memory_peak),
        ("swap", now.swap),
        ("oom_kills", now.oom_kills),
        ("limit_hits", now.limit_hits),
        ("pids", now.pids),
        ("pids_limit", now.pids_limit),
        ("read_bytes", window.read_bytes),
        ("write_bytes", window.write_bytes),
        ("net_rx_bytes", window.net_rx_bytes),
        ("net_tx_bytes", window.net_tx_bytes),
        ("net_shared", (window.net_shared && window.net_rx_bytes.is_some()).then_some(1)),
        ("cpu_stall_ms", window.cpu_stall_ms),
        ("memory_stall_ms", window.memory_stall_ms),
        ("io_stall_ms", window.io_stall_ms),
        ("restarts", window.restarts),
    ];
    figures.into_iter().filter_map(|(name, value)| Some((name, Value::from(value?)))).collect()
}

/// The value of `memory_trend`; `None` before the first tick.
pub fn trend(trend: &MemoryTrend) -> Option<Value> {
    let values: Vec<_> = trend.values().iter().copied().map(Value::from).collect();
    (!values.is_empty()).then_some(Value::List(values))
}

/// Whole milliseconds.
fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forensics::Sample;

    #[test]
    fn what_is_not_known_is_left_out() {
        let window = Sample::default().window(&Sample::default(), Duration::from_millis(1500));
        assert_eq!(fields(&window), [("window_ms", Value::Number(1500))]);
        assert_eq!(trend(&MemoryTrend::default()), None);
    }

    #[test]
    fn figures_in_their_units() {
        let before = Sample { cpu_ns: Some(0), net_rx_bytes: Some(1), ..Sample::default() };
        let now = Sample {
            cpu_ns: Some(501_000_000),
            net_rx_bytes: Some(8),
            memory_usage: Some(90),
            inactive_file: Some(40),
            memory_limit: Some(200),
            oom_kills: Some(0),
            ..before
        };
        let window = Window { net_shared: true, ..now.window(&before, Duration::from_secs(1)) };
        let expected = [
            ("window_ms", 1000),
            ("cpu_milli", 501),
            ("cpu_ms", 501),
            ("memory_usage", 90),
            ("memory_used", 50),
            ("memory_limit", 200),
            ("memory_percent", 25),
            ("oom_kills", 0),
            ("net_rx_bytes", 7),
            ("net_shared", 1),
        ];
        assert_eq!(fields(&window), expected.map(|(name, value)| (name, Value::Number(value))));
    }
}
