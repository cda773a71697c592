//! `docs/verdicts.md`: the table with what was found.

use crate::case::Case;
use crate::cases::CASES;
use crate::found::Found;
use std::fmt::Write;

/// The variable that has the document written.
pub const WRITE: &str = "EPITAPH_TEST_WRITE_DOCS";

const HEAD: &str = "\
# Verdicts on real kernels

Each way to die was tried on three kinds of memory cgroup, and this is what the exit records said. The tests in
`tests/verdicts` make this table from one list of cases and fail when anything in it changes:
`EPITAPH_TEST_WRITE_DOCS=1 cargo test --test verdicts` writes it anew.

- **v1**: a container of a Docker engine, on a machine whose memory controller is in cgroup version 1.
- **v2, private**: a container in a virtual machine with Debian's kernel and cgroup version 2, in a cgroup namespace
  of its own, as Docker makes it: it sees no cgroup but its own.
- **v2, host**: the same in the host's cgroup namespace: it sees all cgroups.

A cell has the exit code of the container and the verdict, and the records beside `start` and `exit` that tell of
the end. Every container has a memory limit, also where it is not met. What each verdict means is in
[records.md](records.md#verdicts).

| case | v1 | v2, private | v2, host | what proves it: `why`, as on v2 with a private namespace |
| --- | --- | --- | --- | --- |
";

const TAIL: &str = "
In `why`, … stands for a time, a size or a process ID that differs from run to run.

- An `oom_kill` record names its `victim` when epitaph itself has reaped it: the program, or an orphan. The child of
  a shell is the shell's to reap.
- On v2 an `oom_kill` record was written within 100 ms of the kill as the kernel's own log dates it, in every case,
  also where the virtual machine's processor is emulated, with 250 million instructions a second.
  On v1 the kernel tells of a kill to nobody; the record comes at the next reap, at the next look (`EPITAPH_OOM_POLL`),
  or at the end.
- The limit above is `limit` on v1 and in the host's namespace. A private namespace hides it: `limit` is the
  container's own there, and the counter alone tells of the kill.
- Where the kernel or the runtime takes PID 1 as well there is no exit record. What was written before remains.
- In none of the cases on v2 was it epitaph whose demand for memory made the kernel look for a victim.
- A `memory_pressure` record may come in any case in which memory ran out, if that took long enough to be seen. The
  table names it where it must be there.
";

/// The document.
pub fn render(columns: [&[Option<Found>]; 3]) -> String {
    let mut text = HEAD.to_owned();
    for (number, case) in CASES.iter().enumerate() {
        let cells =
            columns.map(|column| column[number].as_ref().map_or("—".to_owned(), |found| cell(case, found)));
        let why = columns[1][number].as_ref().and_then(Found::exit).map_or_else(
            || "there is no exit record".to_owned(),
            |exit| without_figures(exit["why"].as_str().unwrap_or_default()),
        );
        let [v1, private, host] = cells;
        writeln!(text, "| {} | {v1} | {private} | {host} | {why} |", case.name)
            .expect("a String takes everything");
    }
    text + TAIL
}

fn cell(case: &Case, found: &Found) -> String {
    let verdict = found.exit().and_then(|exit| Some(format!("`{}`", exit["verdict"].as_str()?)));
    let mut cell = format!("{} {}", found.code, verdict.as_deref().unwrap_or("no exit record"));
    let records = found.records();
    // In the order in which they were written, but only those that must be there.
    let told = records
        .iter()
        .filter(|record| record["epitaph"].as_str().is_some_and(|kind| case.records.contains(&kind)));
    for record in told {
        let kind = record["epitaph"].as_str().unwrap_or_default();
        write!(cell, "; `{kind}`").expect("a String takes everything");
        if let Some(name) = record["victim"]["name"].as_str() {
            write!(cell, " (`{name}`)").expect("a String takes everything");
        }
    }
    cell
}

/// A sentence with … for times, sizes and process IDs, the units of times included. Counters and codes stay,
/// and so does the limit: it is the same each time.
fn without_figures(sentence: &str) -> String {
    let letters = |word: &str| word.trim_matches(|letter: char| !letter.is_ascii_alphabetic()).to_owned();
    let mut kept: Vec<String> = Vec::new();
    let mut words = sentence.split(' ').peekable();
    while let Some(word) = words.next() {
        let last = kept.last().cloned().unwrap_or_default();
        let unit = words.peek().map(|next| letters(next)).unwrap_or_default();
        let is_time = ["ms", "s", "min"].contains(&unit.as_str());
        let is_size = ["KiB", "MiB"].contains(&unit.as_str()) && last != "of";
        let Some(first) = word.find(|letter: char| letter.is_ascii_digit()) else {
            kept.push(word.to_owned());
            continue;
        };
        if is_time {
            let rest = words.next().unwrap_or_default();
            kept.push(format!("{}…{}", &word[..first], &rest[unit.len()..]));
        } else if is_size || last.ends_with("pid") {
            let end = word.rfind(|letter: char| letter.is_ascii_digit()).unwrap_or(first) + 1;
            kept.push(format!("{}…{}", &word[..first], &word[end..]));
        } else {
            kept.push(word.to_owned());
        }
    }
    kept.join(" ")
}
