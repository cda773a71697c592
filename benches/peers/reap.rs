//! How fast an init reaps the orphans of its container.
//!
//! Making and ending a process costs much more than reaping it, so an init that keeps up is never what is
//! measured when orphans merely come fast. Therefore the init is stopped (SIGSTOP) until all orphans are
//! zombies that wait for it, and what counts is the CPU time that it takes from SIGCONT until the last one
//! is gone: no other process of a busy machine is in that. The second figure is the usual life: one orphan
//! ends while the init sleeps. All is on one CPU, since it is chance whether the scheduler puts an init where
//! its orphans are.

use std::io;

use crate::bench::{Bench, named};
use crate::init::Init;
use crate::support::measure::Spread;
use crate::support::measure::spawn::OneCpu;
use crate::table::{Cell, Row, grouped};
use crate::workload;

/// Two rows: the backlog, in orphans per second of the init's CPU time, and single orphans, in microseconds.
///
/// # Errors
/// That an init or its program failed.
pub fn rows(bench: &Bench) -> io::Result<Vec<Row>> {
    let place = bench.best_place();
    let _one_cpu = OneCpu::pin()?;
    let mut rates = vec![Vec::new(); bench.inits.len()];
    let mut singles = vec![Vec::new(); bench.inits.len()];
    for round in bench.rounds("orphans", 1 + bench.scale.reap_rounds) {
        for index in bench.order(round).filter(|index| bench.inits[*index].can_reap(place)) {
            let (rate, waits) = round_of(bench, &bench.inits[index])?;
            // The first round pays for memory that the kernel keeps for the others.
            if round > 0 {
                rates[index].push(rate);
                singles[index].extend(waits);
            }
        }
    }
    let cell = |init: &Init, figures: Vec<f64>| match Spread::of(figures) {
        Some(spread) => Cell::Spread(spread),
        None => Cell::text(if init.is_none() { "–" } else { "cannot" }),
    };
    let backlog = bench.scale.backlog;
    let at_once = format!(
        "Reaping {} zombies that wait, {}, orphans per second of the init's CPU time (more is better)",
        grouped(backlog as f64),
        named(place)
    );
    let single = format!("A single orphan's exit until it is reaped, {}, µs", named(place));
    Ok(vec![
        Row::compared(at_once, bench.cells(rates, cell)),
        Row::compared(single, bench.cells(singles, cell)),
    ])
}

/// Orphans per second of CPU time, and the microseconds of each single one.
fn round_of(bench: &Bench, init: &Init) -> io::Result<(f64, Vec<f64>)> {
    let scale = bench.scale;
    let words = [workload::ORPHANS, &scale.backlog.to_string(), &scale.orphans.to_string()];
    let mut running = bench.start(init, bench.best_place(), &words, &[])?;
    running.child.freeze()?;
    running.go()?;
    let failed = |error: io::Error| {
        let said = bench.streams.drain();
        io::Error::other(format!("{}: {error}; it said: {}", init.name, String::from_utf8_lossy(&said)))
    };
    let rate = scale.backlog as f64 * 1e9 / running.number().map_err(failed)? as f64;
    let mut waits = Vec::with_capacity(scale.orphans);
    for _ in 0..scale.orphans {
        waits.push(running.number().map_err(failed)? as f64 / 1e3);
    }
    // The program has ended well; so must the init.
    let status = running.child.wait()?;
    if status.success() { Ok((rate, waits)) } else { Err(failed(io::Error::other(status.to_string()))) }
}
