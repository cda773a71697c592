//! What /proc tells about a process that has nothing to do.

use std::fs;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

/// Waits until the init has done what it does after the start of its program: until it has slept for a
/// tenth of a second.
pub fn settle(pid: libc::pid_t) -> io::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(5);
    let mut last = switches(pid)?;
    while Instant::now() < deadline {
        thread::sleep(Duration::from_millis(100));
        let now = switches(pid)?;
        if now == last {
            return Ok(());
        }
        last = now;
    }
    Err(io::Error::other(format!("init {pid} does not come to rest")))
}

/// How often it gave up the CPU or had it taken: each wake-up ends with one of the two.
pub fn switches(pid: libc::pid_t) -> io::Result<f64> {
    Ok(proc_number(pid, "status", "voluntary_ctxt_switches:")?
        + proc_number(pid, "status", "nonvoluntary_ctxt_switches:")?)
}

/// The number after `key` in a file of /proc/PID (proc(5)); sizes are in KB there.
pub fn proc_number(pid: libc::pid_t, file: &str, key: &str) -> io::Result<f64> {
    let path = format!("/proc/{pid}/{file}");
    let text = fs::read_to_string(&path)?;
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.split_whitespace().next()?.parse().ok());
    value.ok_or_else(|| io::Error::other(format!("{path} has no {key}")))
}
