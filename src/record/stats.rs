//! The figures of a `stats` record, in the order of their worth.

use super::Value;
use crate::forensics::{MemoryTrend, Window};
use std::time::Duration;

impl Window {
    /// What the record holds beside the common keys; what is not known is left out.
    pub fn fields(&self) -> Vec<(&'static str, Value)> {
        let now = &self.now;
        let figures = [
            ("window_ms", Some(milliseconds(self.elapsed))),
            ("uptime_ms", self.uptime.map(milliseconds)),
            ("cpu_milli", self.cpu_milli),
            ("cpu_ms", now.cpu_ns.map(|ns| ns / 1_000_000)),
            ("cpu_limit_milli", now.cpu_limit_milli),
            ("cpu_percent", self.cpu_percent()),
            ("throttled_ms", self.throttled_ms),
            ("throttled_periods", self.throttled_periods),
            ("periods", self.periods),
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
            ("read_bytes", self.read_bytes),
            ("write_bytes", self.write_bytes),
            ("net_rx_bytes", self.net_rx_bytes),
            ("net_tx_bytes", self.net_tx_bytes),
            ("net_shared", (self.net_shared && self.net_rx_bytes.is_some()).then_some(1)),
            ("cpu_stall_ms", self.cpu_stall_ms),
            ("memory_stall_ms", self.memory_stall_ms),
            ("io_stall_ms", self.io_stall_ms),
            ("restarts", self.restarts),
        ];
        figures.into_iter().filter_map(|(name, value)| Some((name, Value::from(value?)))).collect()
    }
}

impl MemoryTrend {
    /// The value of `memory_trend`; `None` before the first tick.
    pub fn value(&self) -> Option<Value> {
        let values: Vec<_> = self.values().iter().copied().map(Value::from).collect();
        (!values.is_empty()).then_some(Value::List(values))
    }
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
        assert_eq!(window.fields(), [("window_ms", Value::Number(1500))]);
        assert_eq!(MemoryTrend::default().value(), None);
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
        assert_eq!(window.fields(), expected.map(|(name, value)| (name, Value::Number(value))));
    }
}
