//! What a long reading looks like meanwhile: a line on stderr, gone at the end.

use super::gather::State;
use super::show::count;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Shorter readings show nothing.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often it is drawn.
const TICK: Duration = Duration::from_millis(200);

/// Runs `work`, and draws meanwhile if `shown`; `total` is the bytes to be read, packed.
pub fn during<T>(shown: bool, total: u64, state: &State, work: impl FnOnce() -> T) -> T {
    if !shown {
        return work();
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let drawing = scope.spawn(|| draw(total, state, &done));
        let result = work();
        done.store(true, Ordering::Relaxed);
        drawing.thread().unpark();
        result
    })
}

fn draw(total: u64, state: &State, done: &AtomicBool) {
    let begun = Instant::now();
    let mut drawn = false;
    while !done.load(Ordering::Relaxed) {
        std::thread::park_timeout(TICK);
        let passed = begun.elapsed();
        if passed < PATIENCE || done.load(Ordering::Relaxed) {
            continue;
        }
        drawn = true;
        write(&format!("\r{}\u{1b}[K", line(total, state, passed)));
    }
    if drawn {
        write("\r\u{1b}[K");
    }
}

/// `█████▎     4.1/9.8 GB  171 MB/s  33 s  1,204 records`
fn line(total: u64, state: &State, passed: Duration) -> String {
    const WIDTH: u64 = 10;
    let read = state.read.load(Ordering::Relaxed);
    let gigabytes = |bytes: u64| bytes as f64 / 1e9;
    let speed = read as f64 / 1e6 / passed.as_secs_f64().max(0.001);
    let records = count(state.records.load(Ordering::Relaxed), "record");
    // The standard input has no length.
    if total == 0 {
        return format!("{:.1} GB  {speed:.0} MB/s  {} s  {records}", gigabytes(read), passed.as_secs());
    }
    let eighths = (read.min(total) * WIDTH * 8).checked_div(total).unwrap_or(0);
    let full = usize::try_from(eighths / 8).unwrap_or(0);
    let part = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let part = part.get(usize::try_from(eighths % 8).unwrap_or(0)).copied().unwrap_or("");
    let bar = format!("{}{part}", "█".repeat(full));
    let left = if read > 0 { (total.saturating_sub(read)) as f64 / 1e6 / speed.max(0.001) } else { 0.0 };
    format!(
        "{bar:<10} {:.1}/{:.1} GB  {speed:.0} MB/s  {left:.0} s left  {records}",
        gigabytes(read),
        gigabytes(total)
    )
}

fn write(text: &str) {
    // There is nobody to tell where stderr is closed.
    let _ = std::io::stderr().write_all(text.as_bytes());
}
