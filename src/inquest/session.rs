//! One run of the program: what is asked for, what was read, and where the answer goes.

use super::carve::Needles;
use super::case::{Case, Filter, Interner, assemble, attach};
use super::cli::{Cli, Command, Common, Format, When};
use super::gather::{Gathered, Keep, State, gather};
use super::heap::{self, Entry, Problem};
use super::show::{self, Columns, Out, clean, count};
use super::time::Clock;
use super::{progress, since};
use jiff::Timestamp;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Instant;

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// something was found
    Found,
    /// nothing fits
    Nothing,
    /// the command line is wrong
    Wrong,
    /// WHO is the beginning of several tasks' IDs
    Ambiguous,
}

/// Ten lines of what is wrong are enough; the rest is counted.
const PROBLEMS: usize = 10;

/// Tells the person.
pub fn note(text: &str) {
    // There is nobody to tell where stderr is closed.
    let _ = writeln!(io::stderr(), "inquest: {}", clean(text));
}

/// Whether of each life only is shown, and asked for, what it has in common with others: there may be very
/// many then.
fn shows_little(cli: &Cli, filter: &Filter) -> bool {
    let of_many = matches!(
        (&cli.command, cli.common.format),
        (Some(Command::List(_)), Format::Text | Format::Csv)
            | (Some(Command::Stats(_)), Format::Text | Format::Csv | Format::Json)
    );
    of_many && cli.common.around.is_none() && filter.container.is_empty() && filter.host.is_empty()
}

/// One run of the program.
pub struct Session<'a> {
    /// the options of all commands
    pub common: &'a Common,
    /// which lives are asked for
    pub filter: Filter,
    /// how times are shown
    pub clock: Clock,
    paths: Vec<PathBuf>,
    state: State,
    pub(super) interner: Interner,
}

/// What was read.
pub struct Heard {
    /// the inputs
    pub entries: Vec<Entry>,
    /// what is in them
    pub case: Case,
    /// whether all that there is was read
    pub complete: bool,
}

impl<'a> Session<'a> {
    /// What the command line asks for.
    ///
    /// # Errors
    /// A sentence for the person, where an option has no meaning.
    pub fn new(paths: &[PathBuf], cli: &Cli, common: &'a Common) -> Result<Session<'a>, String> {
        let filter = common.filter(Timestamp::now())?;
        common.witnesses()?;
        let clock = Clock::new(common.zone()?);
        let paths = match paths {
            [] if io::stdin().is_terminal() => vec![PathBuf::from(".")],
            [] => vec![PathBuf::from("-")],
            given => given.to_vec(),
        };
        let interner = if shows_little(cli, &filter) { Interner::brief() } else { Interner::default() };
        Ok(Session { common, filter, clock, paths, state: State::default(), interner })
    }

    /// Ends the reading at the first interrupt, and the program at the second one: a file system may hang.
    pub fn heed_interrupts(&self) {
        let stop = self.state.stop.clone();
        // Where they cannot be set, an interrupt ends the program at once, as it would anyway.
        let interrupt = signal_hook::consts::SIGINT;
        let _ = signal_hook::flag::register_conditional_default(interrupt, stop.clone());
        let _ = signal_hook::flag::register(interrupt, stop);
    }

    /// Whether the person has had enough.
    pub fn interrupted(&self) -> bool {
        self.state.stop.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Reads all of the heap.
    pub fn read(&self, keep: &Keep) -> Result<Heard, String> {
        self.read_since(keep, None)
    }

    /// Reads what is needed to tell of the lives that ended at `since` or later.
    pub fn read_since(&self, keep: &Keep, since: Option<i64>) -> Result<Heard, String> {
        let begun = Instant::now();
        let witnesses = self.common.witnesses()?;
        let (entries, mut problems) = heap::walk(&self.paths, self.common.follow);
        let (newer, older) = since::apart(&entries, since);
        let size = |places: &[usize]| {
            places.iter().filter_map(|place| entries.get(*place)).map(|entry| entry.size).sum()
        };
        let total = size(&newer);
        let needles = Needles::new(!witnesses.is_empty());
        let shown = match self.common.progress {
            When::Auto => io::stderr().is_terminal() && !self.common.quiet,
            When::Always => true,
            When::Never => false,
        };
        let gathered = progress::during(shown, total, &self.state, || {
            let gather = |chosen: &[usize]| {
                gather(&entries, chosen, &needles, keep, self.threads(), &self.state, &self.interner)
            };
            let newer = gather(&newer);
            let needed = since::needed(&entries, &older, &newer.sightings);
            if needed.is_empty() { newer } else { newer.with(gather(&needed)) }
        });
        let Gathered { sightings, said, streams, tails, problems: more, told, overflow } = gathered;
        problems.extend(more);
        if overflow {
            let text =
                "there are more records than fit into memory: ask for fewer, by WHO, or read fewer files";
            problems.push(Problem::new(std::path::Path::new("the heap"), text));
        }
        if self.common.verbose {
            for told in &told {
                let name =
                    entries.get(told.file as usize).map(|entry| entry.input.path().display().to_string());
                note(&format!(
                    "{}: {}, {}, {} of others",
                    name.unwrap_or_default(),
                    count(usize::try_from(told.bytes).unwrap_or(usize::MAX), "byte"),
                    count(told.records, "record"),
                    count(told.statements, "statement")
                ));
            }
        }
        self.interner.forget();
        let mut case = assemble(sightings, said, &streams, &witnesses);
        attach(&mut case.lives, tails, &case.own_files);
        let complete = !problems.iter().any(|problem| problem.loses) && !self.interrupted();
        self.tell(&problems);
        if self.interrupted() {
            note("interrupted: this is what was found so far");
        }
        if case.newer > 0 {
            note(&format!(
                "{} of a newer schema than {} that this inquest knows: some keys may be missing here",
                count(case.newer, "record"),
                super::carve::SCHEMA
            ));
        }
        if !self.common.quiet && (io::stderr().is_terminal() || self.common.verbose) {
            let packed = self.state.read.load(std::sync::atomic::Ordering::Relaxed);
            let inflated = self.state.inflated.load(std::sync::atomic::Ordering::Relaxed);
            let left_out = entries.len().saturating_sub(told.len());
            if since.is_some() && left_out > 0 {
                note(&format!("{} not read: written before what --since asks for", count(left_out, "file")));
            }
            note(&format!(
                "read {}, {} ({} inflated) in {:.1} s",
                count(told.len(), "file"),
                show::bytes(packed),
                show::bytes(inflated),
                begun.elapsed().as_secs_f64()
            ));
        }
        Ok(Heard { entries, case, complete })
    }

    pub(super) fn threads(&self) -> usize {
        let there = std::thread::available_parallelism().map_or(1, usize::from);
        self.common.threads.map_or(there, usize::from)
    }

    fn tell(&self, problems: &[Problem]) {
        for problem in problems.iter().take(PROBLEMS) {
            note(&problem.to_string());
        }
        if problems.len() > PROBLEMS {
            note(&format!("and {} of this kind", count(problems.len() - PROBLEMS, "more line")));
        }
    }

    /// The standard output.
    pub fn out(&self) -> Out<'static> {
        let color = match self.common.color {
            When::Always => true,
            When::Never => false,
            When::Auto => {
                let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
                wanted
                    && io::stdout().is_terminal()
                    && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
            }
        };
        Out::new(io::stdout(), color)
    }

    /// How wide the table may be: as the terminal, as COLUMNS says, or whatever it needs where neither is
    /// there.
    pub fn columns(&self) -> Columns {
        if self.common.wide {
            return Columns::All;
        }
        let told = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let terminal = || io::stdout().is_terminal().then(terminal_size::terminal_size).flatten();
        match told.or_else(|| terminal().map(|(width, _)| usize::from(width.0))) {
            Some(width) => Columns::At(width),
            None => Columns::All,
        }
    }

    /// Ends the output.
    pub fn finish(&self, out: Out<'_>) -> Result<(), String> {
        out.finish().map_err(|error| format!("cannot write: {error}"))
    }

    /// Says that nothing fits, and in what it was looked for.
    pub fn nothing(&self, heard: &Heard, what: &str) {
        let all = heard.case.lives.len();
        let looked = count(heard.entries.len(), "file");
        let only_stdin = matches!(heard.entries.as_slice(), [entry] if entry.input == heap::Input::Stdin);
        let looked = if only_stdin { "the standard input".to_owned() } else { looked };
        let others = if all > 0 {
            format!("; {} of others there (inquest list)", count(all, "life"))
        } else {
            String::new()
        };
        note(&format!("{what} in {looked}{others}"));
        let said = heard.case.strangers.iter().map(|said| &said.statement);
        let ids: std::collections::BTreeSet<&str> =
            said.filter_map(|said| said.task_id.as_deref().or(said.container_id.as_deref())).collect();
        if let (0, Some(first)) = (all, ids.first()) {
            let id: String = first.chars().take(12).collect();
            note(&format!(
                "no record of epitaph is there, but other witnesses speak of {}: inquest {id} PATH tells what they say",
                if ids.len() == 1 {
                    "one task or container".to_owned()
                } else {
                    format!("{} tasks or containers", ids.len())
                }
            ));
        }
        if only_stdin && self.state.read.load(std::sync::atomic::Ordering::Relaxed) == 0 {
            note("the standard input is empty: give a file or a directory as PATH");
        }
    }
}
