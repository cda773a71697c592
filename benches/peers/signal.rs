//! Signals: how long they take through an init, and whether those that come early come through at all.

use std::io::{self, Read};
use std::thread;
use std::time::Duration;

use crate::bench::{Bench, Running, named};
use crate::init::Init;
use crate::support::measure::Spread;
use crate::support::measure::spawn::{OneCpu, Place, exact_sleeps, now_ns};
use crate::table::{Cell, Row};
use crate::workload;

/// From just before `kill(init, SIGUSR1)` until the program has it, in microseconds; all inits run at the
/// same time and get their signals in turn, the next one when the one before has arrived. All on one CPU:
/// to wake another one takes longer than all that an init does, and which init has to is chance.
///
/// `as_dumb_init` takes part, for a sentence that says how it compares with dumb-init on equal terms.
///
/// # Errors
/// That an init or its program failed.
pub fn latency(bench: &Bench, as_dumb_init: &Init) -> io::Result<(Vec<Row>, String)> {
    let place = bench.best_place();
    let _one_cpu = OneCpu::pin()?;
    let start = |init: &Init| match init.path {
        Some(_) => bench.start(init, place, &[workload::SIGNALS], &[]).map(Some),
        None => Ok(None),
    };
    let inits = bench.inits.iter().chain([as_dumb_init]);
    let mut running = inits.map(start).collect::<io::Result<Vec<Option<Running>>>>()?;
    let mut times = vec![Vec::new(); running.len()];
    for round in bench.rounds("signals", bench.scale.signals) {
        let count = running.len();
        for turn in 0..count {
            let index = (round + turn) % count;
            let Some(one) = &mut running[index] else { continue };
            let begin = now_ns();
            one.child.signal(libc::SIGUSR1)?;
            times[index].push(one.number()?.saturating_sub(begin) as f64 / 1e3);
        }
    }
    for one in running.into_iter().flatten() {
        one.end()?;
    }
    let median = |times: &[f64]| Spread::of(times.to_vec()).map_or(0.0, |spread| spread.median);
    let own_session = times.pop().unwrap_or_default();
    let dumb_init = bench.inits.iter().position(|init| init.name == "dumb-init");
    let note = format!(
        "dumb-init's program has a session of its own; where the kernel shares the CPU out by sessions \
         (CONFIG_SCHED_AUTOGROUP) such a program runs sooner after a signal. epitaph called as `dumb-init` gives it \
         one too: its median is {:.1} µs then, dumb-init's {:.1}.",
        median(&own_session),
        median(dumb_init.and_then(|index| times.get(index)).map_or(&[], Vec::as_slice)),
    );
    let p99 = |times: Vec<f64>| {
        Spread::of(times).map_or_else(|| Cell::text("–"), |spread| Cell::Number(spread.p99))
    };
    let label = format!("Signal to the init until its program has it, {}, µs", named(place));
    let rows = vec![
        Row::compared(format!("{label}: median"), bench.cells(times.clone(), |_, times| Cell::of(times))),
        Row::compared(format!("{label}: 99th percentile"), bench.cells(times, |_, times| p99(times))),
    ];
    Ok((rows, note))
}

/// How many SIGTERMs that come 0 to 4 ms after the exec of PID 1 never reach the program.
///
/// # Errors
/// That an init or its program failed in another way.
pub fn early(bench: &Bench) -> io::Result<Vec<Row>> {
    const WINDOW: Duration = Duration::from_millis(4);
    const GOLDEN_RATIO: f64 = 0.618_033_988_749_895;
    if bench.best_place() != Place::Pid1 {
        return Ok(Vec::new());
    }
    exact_sleeps();
    let mut races = 0;
    let mut lost = vec![0_u32; bench.inits.len()];
    for round in bench.rounds("early SIGTERMs", bench.scale.races) {
        // Multiples of the golden ratio fill the window evenly, however many rounds there are.
        let delay = WINDOW.mul_f64((round as f64 * GOLDEN_RATIO).fract());
        races += 1;
        for index in bench.order(round).filter(|index| !bench.inits[*index].is_none()) {
            let init = &bench.inits[index];
            let running = bench.launch(init, Place::Pid1, &[workload::TERM], &[])?;
            // Asleep, not spinning: the init shall have the CPU that it was started on.
            thread::sleep(delay);
            running.child.signal(libc::SIGTERM)?;
            let reached =
                reached(running).map_err(|error| io::Error::other(format!("{}: {error}", init.name)))?;
            lost[index] += u32::from(!reached);
            bench.streams.drain();
        }
    }
    let cells = |figure: &dyn Fn(f64) -> f64| {
        bench.cells(lost.clone(), |init, lost| match init.is_none() {
            true => Cell::text("–"),
            false => Cell::Number(figure(f64::from(lost))),
        })
    };
    let window = WINDOW.as_millis();
    let count = format!("SIGTERMs lost of {races} that were sent 0 to {window} ms after the exec, as PID 1");
    let deaf = |lost: f64| lost / f64::from(races) * WINDOW.as_secs_f64() * 1e6;
    Ok(vec![
        Row::plain(count, cells(&|lost| lost)),
        Row::compared("Time after the exec in which a SIGTERM is lost, as PID 1, µs", cells(&deaf)),
    ])
}

/// Whether the SIGTERM came through: it ended the program before that could say anything, or it is the
/// first of two signals that the program gets. The second one is sent when the program is ready, so that
/// nobody has to guess how long to wait for the first.
fn reached(mut running: Running) -> io::Result<bool> {
    const TERMINATED: i32 = 128 + libc::SIGTERM;
    let mut ready = [0; workload::READY.len()];
    if running.answers.read(&mut ready)? == 0 {
        let status = running.child.wait()?;
        return match status.code() {
            Some(TERMINATED) => Ok(true),
            _ => Err(io::Error::other(format!("ended early with {status}"))),
        };
    }
    running.child.signal(libc::SIGWINCH)?;
    let mut first = [0];
    running.answers.read_exact(&mut first)?;
    running.end()?;
    Ok(first == *b"T")
}
