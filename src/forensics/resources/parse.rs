//! The formats that only statistics need, as text.
//!
//! Sources: Documentation/admin-guide/cgroup-v2.rst ("CPU Interface Files", "IO Interface Files"), cgroup-v1/
//! blkio-controller.rst, Documentation/accounting/psi.rst, and proc_pid_net(5) in the man pages.

use crate::forensics::figures::parse_number;

/// `cpu.max`: `50000 100000`, quota and period in µs, or `max 100000`. In thousandths of a CPU.
pub(super) fn cpu_max(text: &str) -> Option<u64> {
    let (quota, period) = text.trim().split_once(' ')?;
    milli_cpus(parse_number(quota)?, parse_number(period)?)
}

/// A quota in each period, both in the same unit, in thousandths of a CPU.
pub(super) fn milli_cpus(quota: u64, period: u64) -> Option<u64> {
    quota.checked_mul(1000)?.checked_div(period).filter(|milli| *milli > 0)
}

/// `io.stat`: read and written bytes of all devices together.
///
/// ```text
/// 8:0 rbytes=90430464 wbytes=299008000 rios=8950 wios=1252 dbytes=50331648 dios=3021
/// ```
///
/// A file without lines is a cgroup that has done nothing yet.
pub(super) fn io_stat(text: &str) -> Option<(u64, u64)> {
    let sum = |key: &str| {
        let words =
            text.split_ascii_whitespace().filter_map(|word| word.strip_prefix(key)?.strip_prefix('='));
        words.filter_map(parse_number).fold(0_u64, u64::saturating_add)
    };
    Some((sum("rbytes"), sum("wbytes")))
}

/// `blkio.throttle.io_service_bytes_recursive`: read and written bytes of all devices together.
///
/// ```text
/// 8:0 Read 90430464
/// 8:0 Write 299008000
/// Total 389438464
/// ```
pub(super) fn throttle_bytes(text: &str) -> Option<(u64, u64)> {
    let sum = |operation: &str| {
        let of_line = |line: &str| {
            let mut words = line.split_ascii_whitespace().skip(1);
            (words.next()?.eq_ignore_ascii_case(operation)).then(|| parse_number(words.next()?))?
        };
        text.lines().filter_map(of_line).fold(0_u64, u64::saturating_add)
    };
    Some((sum("read"), sum("write")))
}

/// `/proc/net/dev`: received and sent bytes of all interfaces but `lo`; `None` where there is no other.
///
/// ```text
/// Inter-|   Receive                                                |  Transmit
///  face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop …
///   eth0: 1296 16 0 0 0 0 0 0 656 8 0 0 0 0 0 0
/// ```
pub(super) fn net_dev(text: &str) -> Option<(u64, u64)> {
    let of_line = |line: &str| {
        let (name, counters) = line.split_once(':')?;
        if name.trim() == "lo" {
            return None;
        }
        let mut counters = counters.split_ascii_whitespace();
        Some((parse_number(counters.next()?)?, parse_number(counters.nth(7)?)?))
    };
    text.lines()
        .filter_map(of_line)
        .reduce(|one, other| (one.0.saturating_add(other.0), one.1.saturating_add(other.1)))
}

/// `cpu.pressure` and the like: how long at least one process waited, in µs: `total` of the line `some`.
///
/// ```text
/// some avg10=0.00 avg60=0.00 avg300=0.00 total=7012
/// full avg10=0.00 avg60=0.00 avg300=0.00 total=6881
/// ```
pub(super) fn stall(text: &str) -> Option<u64> {
    let some = text.lines().find_map(|line| line.strip_prefix("some "))?;
    some.split_ascii_whitespace().find_map(|word| parse_number(word.strip_prefix("total=")?))
}
