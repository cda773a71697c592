//! From the command line to the exit code.

use super::carve::Needles;
use super::case::{Case, Filter, Interner, Kind, Life, Once, Packed, Place, Said, Tail, assemble, attach};
use super::cli::{Cli, Command, Common, Format, List, Records, Sort, When};
use super::gather::{Gathered, Keep, State, gather};
use super::heap::{self, Entry, Problem};
use super::show::{self, Columns, Line, Out, Style, clean, count};
use super::sources::Sources;
use super::text::Text;
use super::time::Clock;
use super::who::Who;
use super::{ask, progress, since, views};
use clap::CommandFactory;
use jiff::Timestamp;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
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

/// Of so many lives the last lines are looked for in a second reading.
const SECOND_LOOKS: usize = 64;

/// Tells the person.
pub fn note(text: &str) {
    // There is nobody to tell where stderr is closed.
    let _ = writeln!(io::stderr(), "inquest: {}", clean(text));
}

/// Does what the command line asks for.
pub fn run(cli: Cli) -> ExitCode {
    if let Some(shell) = cli.completions {
        clap_complete::generate(shell, &mut Cli::command(), "inquest", &mut io::stdout());
        return ExitCode::SUCCESS;
    }
    if cli.man_page {
        let written = clap_mangen::Man::new(Cli::command()).render(&mut io::stdout());
        return if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let (paths, word) = match &cli.command {
        Some(Command::List(list)) => (&list.paths, "list"),
        Some(Command::Records(records)) => (&records.paths, "records"),
        Some(Command::Timeline(timeline)) => (&timeline.paths, "timeline"),
        Some(Command::Stats(stats)) => (&stats.paths, "stats"),
        None => (&cli.paths, ""),
    };
    if let (Some(who), Some(_)) = (&cli.who, &cli.command) {
        note(&format!("{word} is a command, and {who} is before it: for a path of that name write ./{word}"));
        return ExitCode::from(2);
    }
    match Session::new(paths, &cli, &cli.common).map(|session| session.go(&cli)) {
        Ok(code) => ExitCode::from(code),
        Err(text) => {
            note(&text);
            ExitCode::from(2)
        }
    }
}

/// Whether somebody has given a path in place of WHO: no ID and no name is an existing path with a slash in
/// it.
fn is_path(who: &str) -> bool {
    (who.contains('/') || who == "." || who == "..") && std::path::Path::new(who).exists()
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
    interner: Interner,
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
    fn new(paths: &[PathBuf], cli: &Cli, common: &'a Common) -> Result<Session<'a>, String> {
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

    fn go(&self, cli: &Cli) -> u8 {
        let stop = self.state.stop.clone();
        // The first one ends the reading, a second one the program: a file system may hang. Where they cannot
        // be set, an interrupt ends the program at once, as it would anyway.
        let interrupt = signal_hook::consts::SIGINT;
        let _ = signal_hook::flag::register_conditional_default(interrupt, stop.clone());
        let _ = signal_hook::flag::register(interrupt, stop);
        let result = match (&cli.command, &cli.who) {
            (Some(Command::List(list)), _) => self.list(list),
            (Some(Command::Records(records)), _) => self.records(records),
            (Some(Command::Timeline(timeline)), _) => views::timeline(self, timeline),
            (Some(Command::Stats(stats)), _) => views::stats(self, stats),
            (None, Some(who)) if is_path(who) => {
                note(&format!("{who} is a file or a directory: inquest WHO {who}, or inquest list {who}"));
                return 2;
            }
            (None, Some(who)) => ask::ask(self, cli, who),
            (None, None) => {
                let _ = write!(io::stderr(), "{}", Cli::command().render_help());
                return 2;
            }
        };
        let (outcome, complete) = match result {
            Ok(result) => result,
            Err(text) => {
                note(&text);
                (Outcome::Wrong, true)
            }
        };
        match outcome {
            _ if self.interrupted() => 130,
            Outcome::Wrong => 2,
            Outcome::Ambiguous => 3,
            _ if !complete => 4,
            Outcome::Found => 0,
            Outcome::Nothing => 1,
        }
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

    fn threads(&self) -> usize {
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

    /// Reads again what a certificate needs and was not kept. `tails`: also what stands before their ends,
    /// since the first reading could not know that they are asked about.
    pub fn complete_lines(&self, heard: &Heard, lives: &mut [Life], tails: bool) {
        let entries = &heard.entries;
        let mut missing: std::collections::HashSet<Place> = lives
            .iter()
            .flat_map(|life| &life.records)
            .filter(|record| record.line().is_none())
            .map(Once::first_place)
            .collect();
        let unknown = || lives.iter().filter(|life| life.last_lines.is_none());
        if tails && unknown().count() <= SECOND_LOOKS {
            let bounds = |record: &&Once| matches!(record.kind(), Kind::Start | Kind::Exit);
            let records =
                unknown().flat_map(|life| life.records.iter().filter(bounds).chain(life.records.last()));
            missing.extend(records.flat_map(Once::places));
        }
        if missing.is_empty() {
            return;
        }
        let files: std::collections::BTreeSet<u32> = missing.iter().map(|place| place.file).collect();
        // The standard input cannot be read a second time.
        let wanted: Vec<(u32, Entry)> = files
            .into_iter()
            .filter_map(|file| Some((file, entries.get(file as usize)?.clone())))
            .filter(|(_, entry)| entry.input != heap::Input::Stdin)
            .collect();
        let only: Vec<Entry> = wanted.iter().map(|(_, entry)| entry.clone()).collect();
        let here = |place: &Place| {
            let file = wanted.iter().position(|(file, _)| *file == place.file)?;
            Some(Place { file: u32::try_from(file).ok()?, offset: place.offset })
        };
        let all: Vec<usize> = (0..only.len()).collect();
        let keep = Keep::Exactly(missing.iter().filter_map(here).collect());
        let again = gather(
            &only,
            &all,
            &Needles::new(false),
            &keep,
            self.threads(),
            &State::default(),
            &self.interner,
        );
        let mut lines: std::collections::HashMap<Place, Text> = again
            .sightings
            .into_iter()
            .map(Packed::sighting)
            .filter_map(|sighting| Some((sighting.place, sighting.event.line?)))
            .collect();
        let there = |mut tail: Tail| {
            tail.place.file = wanted.get(tail.place.file as usize)?.0;
            Some(tail)
        };
        attach(lives, again.tails.into_iter().filter_map(there).collect(), &heard.case.own_files);
        for record in lives.iter_mut().flat_map(|life| &mut life.records) {
            if record.line().is_none()
                && let Some(place) = here(&record.first_place())
            {
                record.set_line(lines.remove(&place));
            }
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

    fn list(&self, list: &List) -> Result<(Outcome, bool), String> {
        let heard = self.read_since(views::keep(self.common.format), views::since(self))?;
        let (mut lives, window) = views::wanted(self, &heard.case)?;
        match list.sort {
            Sort::Time => {}
            Sort::Runtime => lives.sort_by_key(|life| life.ran()),
            Sort::Peak => lives.sort_by_key(|life| life.memory().and_then(|memory| memory.peak)),
        }
        let hidden = if list.limit == 0 { 0 } else { lives.len().saturating_sub(list.limit) };
        let lives = lives.get(hidden..).unwrap_or_default();
        match self.common.format {
            Format::Html | Format::Svg => views::picture(self, lives, &heard, window)?,
            _ => self.print_list(lives, &heard)?,
        }
        if lives.is_empty() && !self.common.quiet {
            self.nothing(&heard, "no life of a container");
        }
        Ok((if lives.is_empty() { Outcome::Nothing } else { Outcome::Found }, heard.complete))
    }

    /// The table, or its other forms.
    pub fn print_list(&self, lives: &[&Life], heard: &Heard) -> Result<(), String> {
        if self.common.quiet {
            return Ok(());
        }
        let sources = Sources::new(&heard.entries);
        let mut out = self.out();
        match self.common.format {
            Format::Json => out.json(&show::list_json(lives, heard.complete, &|place| sources.byte(place))),
            Format::Csv => {
                show::csv(lives).iter().for_each(|line| out.line(&Line::of(Style::Plain, line.as_str())))
            }
            Format::Text | Format::Html | Format::Svg if lives.is_empty() => {}
            // A picture is drawn elsewhere; what comes here is the list.
            Format::Text | Format::Html | Format::Svg => {
                show::table(lives, &self.clock, self.columns(), |line| out.line(line));
                out.line(&Line::of(Style::Dim, self.sum(lives)));
                if lives.iter().any(|life| life.has_grave_remark()) {
                    let text = "* something failed, or is contradicted, that the verdict does not tell: inquest WHO has a remark";
                    out.line(&Line::of(Style::Dim, text));
                }
            }
        }
        self.finish(out)
    }

    /// How many lives there are, in a line.
    pub fn sum(&self, lives: &[&Life]) -> String {
        let mut tasks: Vec<_> = lives.iter().map(|life| life.task.or(life.container)).collect();
        tasks.sort_unstable();
        tasks.dedup();
        let open = lives.iter().filter(|life| life.died().is_none()).count();
        let of = if lives.iter().any(|life| life.task.is_some()) { "task" } else { "container" };
        format!("{} of {}, {open} without an end", count(lives.len(), "life"), count(tasks.len(), of))
    }

    fn records(&self, records: &Records) -> Result<(Outcome, bool), String> {
        let who = records.who.as_deref().map(Who::parse).transpose()?;
        let heard = self.read(&who.clone().map_or(Keep::All, Keep::Of))?;
        let mut lives: Vec<Life> =
            heard.case.lives.iter().filter(|life| self.filter.wants(life)).cloned().collect();
        if let Some(who) = &who {
            lives.retain(|life| ask::is_meant(who, life));
            self.complete_lines(&heard, &mut lives, false);
        }
        let loose = heard.case.loose.iter().filter(|record| match &who {
            Some(who) => {
                let event = record.event();
                who.matches(event.container.as_deref(), event.task.as_deref(), &[])
            }
            None => self.filter.is_open(),
        });
        let mut all: Vec<&Once> = lives.iter().flat_map(|life| &life.records).chain(loose).collect();
        all.sort_by_key(|record| (record.time(), record.first_place()));
        if !self.common.quiet {
            let mut out = self.out();
            all.iter().filter_map(|record| record.line()).for_each(|line| out.json(&line));
            self.finish(out)?;
            if all.is_empty() {
                self.nothing(&heard, "no record");
            }
        }
        Ok((if all.is_empty() { Outcome::Nothing } else { Outcome::Found }, heard.complete))
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

/// What was said about somebody of whom there is no record.
pub fn about<'a>(who: &Who, strangers: &'a [Said]) -> Vec<&'a Said> {
    let is_about = |said: &&Said| {
        let statement = &said.statement;
        let names = [statement.container_name.as_deref(), statement.engine_name.as_deref()];
        let names: Vec<&str> = names.into_iter().flatten().collect();
        who.matches(statement.container_id.as_deref(), statement.task_id.as_deref(), &names)
    };
    strangers.iter().filter(is_about).collect()
}
