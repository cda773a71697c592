//! How long `INIT -- /bin/true` takes, from just before it is started until its end has been waited for.

use std::ffi::OsString;
use std::io;

use crate::bench::{Bench, named};
use crate::init::{EPITAPH, Init};
use crate::support::measure::Spread;
use crate::support::measure::endpoint::Endpoint;
use crate::support::measure::spawn::{Command, Place};
use crate::table::{Cell, Row, grouped};

const WARM_UP: usize = 50;

/// One row a place: every init in turn, the first one another in each round, so that whatever else the
/// machine does falls on all alike.
///
/// # Errors
/// That an init could not be started or failed.
pub fn rows(bench: &Bench) -> io::Result<Vec<Row>> {
    bench.places.iter().map(|place| row(bench, *place)).collect()
}

fn row(bench: &Bench, place: Place) -> io::Result<Row> {
    for index in bench.order(0) {
        runs_the_program(bench, &bench.inits[index], place)?;
    }
    let program = ["/bin/true".into()];
    let command = |init: &Init| Command::new(&init.argv(&program, place), &[], place);
    let commands = bench.inits.iter().map(command).collect::<io::Result<Vec<_>>>()?;
    let mut times = vec![Vec::new(); commands.len()];
    for round in bench.rounds(&format!("starts {}", named(place)), WARM_UP + bench.scale.starts) {
        for index in bench.order(round) {
            let time = bench.exec_time(&commands[index])?;
            if round >= WARM_UP {
                times[index].push(time);
            }
        }
    }
    let label = format!("Start to end of `-- /bin/true`, {}, µs", named(place));
    Ok(Row::compared(label, bench.cells(times, |_, times| Cell::of(times))))
}

/// An init that only ends well, and starts nothing, would be the fastest of all.
fn runs_the_program(bench: &Bench, init: &Init, place: Place) -> io::Result<()> {
    let program = ["/bin/sh", "-c", "echo ran"].map(OsString::from);
    let said = bench.output(&Command::new(&init.argv(&program, place), &[], place)?)?;
    if String::from_utf8_lossy(&said).lines().any(|line| line == "ran") {
        return Ok(());
    }
    Err(io::Error::other(format!("{} does not run its program", init.name)))
}

/// What an identity costs: epitaph with and without an endpoint that answers at once, in turn.
///
/// # Errors
/// That epitaph could not be started or failed, or that it did not ask the endpoint.
pub fn with_endpoint(bench: &Bench, endpoint: &Endpoint) -> io::Result<(Row, String)> {
    let place = bench.best_place();
    let Some(init) = bench.inits.iter().find(|init| init.name == EPITAPH) else {
        return Err(io::Error::other("no epitaph among the inits"));
    };
    let env = [("ECS_CONTAINER_METADATA_URI_V4", endpoint.uri.as_str())];
    identity_arrives(bench, &init.argv(&["/usr/bin/env".into()], place), &env, place)?;

    let argv = init.argv(&["/bin/true".into()], place);
    let commands = [Command::new(&argv, &[], place)?, Command::new(&argv, &env, place)?];
    let before = endpoint.requests();
    let (with, more) = pairs(bench, "starts with an endpoint", &commands)?;
    let requests = (endpoint.requests() - before) as f64 / (with.len() + WARM_UP) as f64;
    let note = format!(
        "With an ECS endpoint on loopback that answers at once, epitaph takes {} µs more than without \
         (median of {} pairs; quartiles {} – {} µs) and makes {requests:.1} requests a start.",
        grouped(more.median),
        with.len(),
        grouped(more.q1),
        grouped(more.q3),
    );
    let with = Cell::of(with);
    let cells =
        bench.inits.iter().map(|init| if init.name == EPITAPH { with.clone() } else { Cell::text("–") });
    let label = format!("The same with an ECS endpoint that answers at once, {}, µs", named(place));
    Ok((Row::plain(label, cells.collect()), note))
}

/// What a health check costs beside its command.
///
/// # Errors
/// That either could not be started or failed.
pub fn health(bench: &Bench) -> io::Result<String> {
    let Some(path) = bench.inits.iter().find(|init| init.name == EPITAPH).and_then(|init| init.path.as_ref())
    else {
        return Err(io::Error::other("no epitaph among the inits"));
    };
    let own = [path.as_os_str(), "--health".as_ref(), "--".as_ref(), "/bin/true".as_ref()];
    let commands = [&["/bin/true".into()][..], &own.map(OsString::from)[..]]
        .map(|argv| Command::new(argv, &[], Place::Ordinary));
    let [command, own] = commands;
    let (_, more) = pairs(bench, "health checks", &[command?, own?])?;
    Ok(format!(
        "A health check, `epitaph --health -- /bin/true`, takes {} µs more than its command alone (quartiles {} – {} µs).",
        grouped(more.median),
        grouped(more.q1),
        grouped(more.q3),
    ))
}

/// The times of the second of two commands that take turns, and how much longer it took than the first.
fn pairs(bench: &Bench, name: &str, commands: &[Command; 2]) -> io::Result<(Vec<f64>, Spread)> {
    let (mut second, mut more) = (Vec::new(), Vec::new());
    for round in bench.rounds(name, WARM_UP + bench.scale.starts) {
        let mut times = [0.0; 2];
        for turn in 0..2 {
            let index = (turn + round) % 2;
            times[index] = bench.exec_time(&commands[index])?;
        }
        if round >= WARM_UP {
            second.push(times[1]);
            more.push(times[1] - times[0]);
        }
    }
    let more = Spread::of(more).ok_or_else(|| io::Error::other("no rounds"))?;
    Ok((second, more))
}

/// A time "with an endpoint" says nothing unless the identity really came from it.
fn identity_arrives(bench: &Bench, argv: &[OsString], env: &[(&str, &str)], place: Place) -> io::Result<()> {
    const EXPORTED: &str = "ECS_TASK_ARN=arn:aws:ecs:";
    let said = bench.output(&Command::new(argv, env, place)?)?;
    let said = String::from_utf8_lossy(&said);
    if said.lines().any(|line| line.starts_with(EXPORTED)) {
        return Ok(());
    }
    Err(io::Error::other(format!("{EXPORTED} is not in the program's environment; it said: {said}")))
}
