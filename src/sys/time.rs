//! The clock that runs since the machine's boot.

use std::time::Duration;

/// The time since the machine's boot, time in suspend included: CLOCK_BOOTTIME, clock_gettime(2). It is the
/// clock of the start times in `/proc/PID/stat`, in a time namespace too. Zero where the kernel has no such
/// clock.
pub fn time_since_boot() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec that lives through the call.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut time) };
    let (seconds, nanoseconds) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    match (result, seconds, nanoseconds) {
        (0, Ok(seconds), Ok(nanoseconds)) => Duration::new(seconds, nanoseconds),
        _ => Duration::ZERO,
    }
}
