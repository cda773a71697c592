//! The task for a person on a terminal.

use super::answer::Task;
use super::tick::{Known, Tracker, mode};
use crate::identity::{Field, Identity};
use std::fmt::Write;

/// Letters in a bar.
const BAR: u64 = 10;

/// A table: each container with its CPU and memory, and the task below.
pub(super) fn render(task: &Task, tracker: &Tracker, identity: &Identity) -> String {
    let named =
        [Field::Cluster, Field::Service, Field::Family].into_iter().filter_map(|field| identity.get(field));
    let title = named.collect::<Vec<_>>().join(" / ");
    let mut rows = vec![["CONTAINER", "CPU", "MEMORY", "PIDS", "STATUS", "HEALTH"].map(str::to_owned)];
    for container in task.containers.iter().filter(|container| !container.is_pause) {
        let known = tracker.shown().find(|known| known.id == container.id && !container.id.is_empty());
        let mut status = container.known_status.clone().unwrap_or_default();
        if let Some(code) = container.exit_code {
            let _ = write!(status, " ({code})");
        }
        if let Some(restarts) = container.restarts.filter(|restarts| *restarts > 0) {
            let _ = write!(status, ", {restarts} restarts");
        }
        let health = container.health.as_ref().map(|health| health.status.clone()).unwrap_or_default();
        let pids = known.and_then(|known| known.window?.now.pids).map(|pids| pids.to_string());
        rows.push([
            plain(&container.name),
            known.map(cpu).unwrap_or_default(),
            known.map(memory).unwrap_or_default(),
            pids.unwrap_or_default(),
            plain(&status),
            plain(&health),
        ]);
    }
    let mut text = format!("{title}\n");
    let widths: Vec<usize> = (0..6)
        .map(|column| {
            rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "{cell:width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.push_str(&network(task, tracker));
    if let (Some(used), Some(limit)) = (task.storage_used, task.storage_limit) {
        let _ = writeln!(text, "storage: {} of {}", bytes(used), bytes(limit));
    }
    text
}

fn cpu(known: &Known) -> String {
    let Some(window) = known.window else { return String::new() };
    let Some(used) = window.cpu_milli else { return String::new() };
    match (window.now.cpu_limit_milli, window.cpu_percent()) {
        (Some(limit), Some(percent)) => format!("{} {percent}% of {}", bar(percent), cpus(limit)),
        _ => format!("{} CPU", cpus(used)),
    }
}

fn memory(known: &Known) -> String {
    let Some(now) = known.window.map(|window| window.now) else { return String::new() };
    match (now.memory_used(), now.memory_limit, now.memory_percent()) {
        (Some(used), Some(limit), Some(percent)) => {
            format!("{} {percent}%, {} of {}", bar(percent), bytes(used), bytes(limit))
        }
        (Some(used), _, _) => bytes(used),
        // What the page cache has of it is not told.
        _ => now.memory_usage.map(|usage| format!("{} with page cache", bytes(usage))).unwrap_or_default(),
    }
}

/// Since the containers' start: one look has no window.
fn network(task: &Task, tracker: &Tracker) -> String {
    let counters = tracker.shown().filter_map(|known| {
        let now = known.window?.now;
        Some((now.net_rx_bytes?, now.net_tx_bytes?))
    });
    let add =
        |one: (u64, u64), other: (u64, u64)| (one.0.saturating_add(other.0), one.1.saturating_add(other.1));
    let total = match mode(task) {
        Some("awsvpc") => counters.max(),
        Some("host") => None,
        _ => counters.reduce(add),
    };
    total.map_or_else(String::new, |(received, sent)| {
        format!("network since the start: received {}, sent {}\n", bytes(received), bytes(sent))
    })
}

/// A bar of ten letters, which a percentage of more than 100 fills.
fn bar(percent: u64) -> String {
    let full = (percent.min(100) * BAR + 50) / 100;
    (0..BAR).map(|place| if place < full { '#' } else { '.' }).collect()
}

/// Thousandths as CPUs.
fn cpus(milli: u64) -> String {
    format!("{}.{:02}", milli / 1000, milli % 1000 / 10)
}

fn bytes(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    match units.into_iter().find(|(shift, _)| bytes >> shift > 0) {
        Some((shift, unit)) => {
            let tenths = (u128::from(bytes) * 10) >> shift;
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        }
        None => format!("{bytes} B"),
    }
}

/// What a network told, for a terminal: nothing in it moves the cursor.
fn plain(text: &str) -> String {
    text.chars().take(60).flat_map(char::escape_debug).collect()
}
