//! Runs the table, compares, and tells.

use crate::document;
use crate::init::{ALIASES, Init, Inits, ORIGINALS};
use crate::rows;
use crate::table::Row;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What a row came to.
pub struct Found {
    /// the originals' outcomes, by name
    pub theirs: BTreeMap<&'static str, String>,
    /// epitaph's, by the name that it was called by
    pub ours: BTreeMap<&'static str, String>,
    took: Duration,
}

/// Tells that something cannot be tried here, which is an error where everything is to be there.
pub fn skip(text: &str) {
    assert!(!is_set("EPITAPH_TEST_REQUIRE_ALL"), "{text}");
    println!("skipped: {text}");
}

fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| value == "1")
}

/// Runs what the arguments of the test ask for, and returns the exit code.
pub fn main(words: &[OsString]) -> i32 {
    crate::setup::ignore(libc::SIGPIPE).unwrap();
    let words: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
    let rows = rows::all();
    if words.contains(&"--list") {
        rows.iter().for_each(|row| println!("{}: test", name(row)));
        return 0;
    }
    let filters: Vec<&str> = words.iter().copied().filter(|word| !word.starts_with('-')).collect();
    let rows: Vec<Row> = rows
        .into_iter()
        .filter(|row| filters.is_empty() || filters.iter().any(|filter| name(row).contains(filter)))
        .collect();
    let inits = Inits::find();
    let mut failures = missing(&inits);
    let began = Instant::now();
    let found = run(&rows, &inits);
    for (row, found) in rows.iter().zip(&found) {
        failures.extend(compare(row, found));
    }
    print!("{}", rows::race::summary());
    if filters.is_empty() && inits.originals.len() == ORIGINALS.len() {
        failures.extend(document::check(&rows, &found, is_set("EPITAPH_TEST_WRITE_DOCS")));
    } else {
        println!("skipped: docs/drop-in.md, which needs the whole table and every init");
    }
    if words.contains(&"--nocapture") {
        details(&rows, &found);
    }
    let runs: usize = found.iter().map(|found| found.theirs.len() + found.ours.len()).sum();
    let seconds = began.elapsed().as_secs_f32();
    for failure in &failures {
        println!("FAILED {failure}");
    }
    println!("\n{} rows, {runs} runs, {} failures, {seconds:.1} s", rows.len(), failures.len());
    i32::from(!failures.is_empty())
}

fn name(row: &Row) -> String {
    format!("{}: {}", row.subject, row.what)
}

fn missing(inits: &Inits) -> Vec<String> {
    let missing = ORIGINALS.iter().filter(|name| !inits.originals.iter().any(|init| init.name == **name));
    let texts: Vec<String> =
        missing.map(|name| format!("{name} is not installed: nothing is compared with it")).collect();
    if is_set("EPITAPH_TEST_REQUIRE_ALL") {
        return texts;
    }
    texts.iter().for_each(|text| println!("skipped: {text}"));
    Vec::new()
}

fn run(rows: &[Row], inits: &Inits) -> Vec<Found> {
    let next = AtomicUsize::new(0);
    let results: Vec<Mutex<Option<Found>>> = rows.iter().map(|_| Mutex::new(None)).collect();
    let work = || {
        while let Some((row, result)) = {
            let place = next.fetch_add(1, Ordering::Relaxed);
            rows.get(place).zip(results.get(place))
        } {
            let began = Instant::now();
            let outcomes = |inits: &[Init]| {
                let about = inits.iter().filter(|init| row.is_about(init.name));
                about.map(|init| (init.name, outcome(row, init))).collect()
            };
            let (theirs, ours) = (outcomes(&inits.originals), outcomes(&inits.ours));
            *result.lock().unwrap() = Some(Found { theirs, ours, took: began.elapsed() });
        }
    };
    // Waiting is most of what a row does, so there are more threads than processors.
    let threads = std::thread::available_parallelism().map_or(2, usize::from) * 2;
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    results.into_iter().map(|result| result.into_inner().unwrap().unwrap()).collect()
}

fn outcome(row: &Row, init: &Init) -> String {
    catch_unwind(AssertUnwindSafe(|| (row.run)(init))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        format!("BROKEN: {}", text.unwrap_or_default())
    })
}

/// What of a row is not as the table says.
fn compare(row: &Row, found: &Found) -> Vec<String> {
    let mut failures = Vec::new();
    let mut fail = |text: String| failures.push(format!("{}\n    {text}", name(row)));
    for (of, outcomes) in [("", &found.theirs), ("epitaph as ", &found.ours)] {
        for (init, outcome) in outcomes.iter().filter(|(_, outcome)| outcome.starts_with("BROKEN")) {
            fail(format!("{of}{init}: {outcome}"));
        }
    }
    let difference = |name: &str| row.differences.iter().find(|difference| difference.from.contains(&name));
    for (init, theirs) in &found.theirs {
        let Some(ours) = found.ours.get(init) else { continue };
        match difference(init) {
            None if theirs != ours => {
                fail(format!("{init}:            {theirs}\n    epitaph as {init}: {ours}"));
            }
            Some(said) if said.theirs != *theirs || said.ours != *ours => fail(format!(
                "a difference is described that is another\n    {init}:            {theirs}\n    described:       {}\n    epitaph as {init}: {ours}\n    described:       {}",
                said.theirs, said.ours
            )),
            _ => {}
        }
    }
    // epitaph's own habits are tini's.
    let model = found.ours.get("tini").or_else(|| found.ours.get(row.inits.first().unwrap_or(&"tini")));
    for (alias, of) in ALIASES {
        let (ours, those) = (found.ours.get(alias), found.ours.get(of));
        if ours != those {
            fail(format!("epitaph as {of}: {those:?}\n    epitaph as {alias}: {ours:?}"));
        }
    }
    let own = found.ours.get("epitaph");
    let expected = row.own.as_ref().map(|(outcome, _)| outcome).or(model);
    if own != expected {
        fail(format!("epitaph by its own name: {own:?}\n    expected:                {expected:?}"));
    }
    failures
}

fn details(rows: &[Row], found: &[Found]) {
    for (row, found) in rows.iter().zip(found) {
        println!("\n{} ({:.2} s)", name(row), found.took.as_secs_f32());
        for (of, outcomes) in [("", &found.theirs), ("epitaph as ", &found.ours)] {
            for (init, outcome) in outcomes {
                println!("  {of}{init}: {outcome}");
            }
        }
    }
}
