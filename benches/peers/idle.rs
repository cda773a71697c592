//! What an init takes while its program sleeps: memory, threads, wake-ups. All inits in the same seconds.

use std::io;
use std::thread;

use crate::bench::{Bench, Running, named};
use crate::init::{EPITAPH, Init};
use crate::support::measure::endpoint::Endpoint;
use crate::support::measure::idle::{proc_number, settle, switches};
use crate::support::measure::spawn::Place;
use crate::table::{Cell, Row};
use crate::workload;

/// How an init is run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Setting {
    Plain,
    /// with an endpoint that tells the identity
    InTask,
    /// with `--stats 1s`
    Stats,
}

#[derive(Clone, Copy)]
struct Idle {
    anonymous_kb: f64,
    rss_kb: f64,
    threads: f64,
    wake_ups: f64,
}

/// Memory, threads and wake-ups as PID 1 (elsewhere too, for the memory), and what epitaph takes where it
/// knows its ECS task, and with statistics.
///
/// # Errors
/// That an init could not be started, or that /proc does not tell what is asked.
pub fn rows(bench: &Bench, endpoint: &Endpoint) -> io::Result<Vec<Row>> {
    let identity = [("ECS_CONTAINER_METADATA_URI_V4", endpoint.uri.as_str())];
    let own = [(Setting::InTask, identity), (Setting::Stats, [("EPITAPH_STATS", "1s")])];
    let mut watched: Vec<(Place, &str, Setting, Running)> = Vec::new();
    for place in &bench.places {
        for init in bench.inits.iter().filter(|init| init.path.is_some() && !init.is_none()) {
            let start = |variables: &[(&str, &str)]| bench.start(init, *place, &[workload::IDLE], variables);
            watched.push((*place, init.name, Setting::Plain, start(&[])?));
            if init.name == EPITAPH {
                for (setting, variables) in &own {
                    watched.push((*place, init.name, *setting, start(variables)?));
                }
            }
        }
    }
    for (_, _, _, running) in &watched {
        settle(running.child.pid())?;
    }

    let before = watched.iter().map(|one| switches(one.3.child.pid())).collect::<io::Result<Vec<_>>>()?;
    thread::sleep(bench.scale.idle);
    let mut found = Vec::new();
    for ((place, name, setting, running), before) in watched.iter().zip(before) {
        let pid = running.child.pid();
        let idle = Idle {
            wake_ups: switches(pid)? - before,
            anonymous_kb: proc_number(pid, "smaps_rollup", "Anonymous:")?,
            rss_kb: proc_number(pid, "smaps_rollup", "Rss:")?,
            threads: proc_number(pid, "status", "Threads:")?,
        };
        found.push((*place, *name, *setting, idle));
    }
    for (_, _, _, running) in watched {
        running.end()?;
    }

    let cells = |place: Place, setting: Setting, figure: fn(&Idle) -> f64| {
        let of_init = |init: &Init| {
            let hit = found.iter().find(|one| (one.0, one.1, one.2) == (place, init.name, setting));
            hit.map(|one| figure(&one.3))
        };
        let figures = bench.inits.iter().map(of_init).collect();
        bench.cells(figures, |_, figure: Option<f64>| figure.map_or_else(|| Cell::text("–"), Cell::Number))
    };
    let best = bench.best_place();
    let mut rows = Vec::new();
    for place in &bench.places {
        let label = format!("Anonymous memory while idle, {}, KB", named(*place));
        rows.push(Row::compared(label, cells(*place, Setting::Plain, |idle| idle.anonymous_kb)));
    }
    let label = format!("The same in an ECS task, {}, KB", named(best));
    rows.push(Row::plain(label, cells(best, Setting::InTask, |idle| idle.anonymous_kb)));
    let label = format!("The same with `--stats 1s`, {}, KB", named(best));
    rows.push(Row::plain(label, cells(best, Setting::Stats, |idle| idle.anonymous_kb)));
    let label = format!("Resident memory (with shared file pages) while idle, {}, KB", named(best));
    rows.push(Row::compared(label, cells(best, Setting::Plain, |idle| idle.rss_kb)));
    rows.push(Row::plain("Threads", cells(best, Setting::Plain, |idle| idle.threads)));
    let label = format!("Wake-ups in {} s idle, {}", bench.scale.idle.as_secs(), named(best));
    rows.push(Row::plain(label, cells(best, Setting::Plain, |idle| idle.wake_ups)));
    let label = format!("The same with `--stats 1s`, {}", named(best));
    rows.push(Row::plain(label, cells(best, Setting::Stats, |idle| idle.wake_ups)));
    Ok(rows)
}
