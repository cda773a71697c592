//! What every measurement needs: the inits, how much to measure, and programs that run under an init.

use std::cell::RefCell;
use std::env;
use std::ffi::OsString;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use crate::init::Init;
use crate::support::measure::spawn::{Child, Command, Place, Stdio};
use crate::support::measure::streams::Streams;
use crate::table::Cell;
use crate::workload;

/// How much is measured.
#[derive(Clone, Copy)]
pub struct Scale {
    /// How long one measurement may take; what is not done by then is left out.
    pub budget: Duration,
    /// Rounds of starts; every init starts once in each.
    pub starts: usize,
    /// How long the idle inits are watched.
    pub idle: Duration,
    /// Rounds of reaping.
    pub reap_rounds: usize,
    /// Zombies that wait for the init in each of them.
    pub backlog: usize,
    /// Orphans that come one by one in each of them.
    pub orphans: usize,
    /// Signals for each init.
    pub signals: usize,
    /// Starts with an early SIGTERM for each init.
    pub races: usize,
}

/// The inits and the streams that all programs share.
pub struct Bench {
    /// The columns.
    pub inits: Vec<Init>,
    /// Where the inits can be run here.
    pub places: Vec<Place>,
    /// How much is measured.
    pub scale: Scale,
    /// The streams that all programs share.
    pub streams: Streams,
    cut_short: RefCell<Vec<String>>,
}

/// A workload that runs under an init and has said that it is ready.
pub struct Running {
    /// The init, or the workload itself where there is none.
    pub child: Child,
    /// What the workload answers.
    pub answers: PipeReader,
    /// The workload's standard input.
    pub stdin: PipeWriter,
    place: Place,
}

impl Bench {
    /// Opens the streams and finds out whether PID namespaces can be made.
    ///
    /// # Errors
    /// The error of the system call that failed.
    pub fn new(inits: Vec<Init>, scale: Scale) -> io::Result<Self> {
        let mut bench = Self {
            inits,
            places: vec![Place::Ordinary],
            scale,
            streams: Streams::new()?,
            cut_short: RefCell::default(),
        };
        match bench.exec_time(&Command::new(&["/bin/true".into()], &[], Place::Pid1)?) {
            Ok(_) => bench.places.insert(0, Place::Pid1),
            Err(error) => eprintln!(
                "SKIPPED as PID 1: no PID namespace can be made here ({error}); be root, or use \
                 `unshare --user --map-root-user cargo bench --bench peers`"
            ),
        }
        Ok(bench)
    }

    /// The place where an init is what it is made for, if it can be had here.
    pub fn best_place(&self) -> Place {
        self.places.first().copied().unwrap_or(Place::Ordinary)
    }

    /// The numbers of the rounds, as long as there is time for another one.
    pub fn rounds(&self, name: &str, count: usize) -> impl Iterator<Item = usize> {
        let deadline = Instant::now() + self.scale.budget;
        (0..count).take_while(move |round| {
            let in_time = Instant::now() < deadline;
            if !in_time {
                let seconds = self.scale.budget.as_secs_f32();
                let text = format!(
                    "The {name} were stopped after {round} of {count} rounds: {seconds} s were over."
                );
                self.cut_short.borrow_mut().push(text);
            }
            in_time
        })
    }

    /// A sentence about each measurement for which there was not enough time.
    pub fn cut_short(&self) -> Vec<String> {
        self.cut_short.take()
    }

    /// The indices of the inits that are here; each round begins with another one, so that none always
    /// comes after the same neighbour's leftovers.
    pub fn order(&self, round: usize) -> impl Iterator<Item = usize> {
        let count = self.inits.len();
        let turn = (0..count).map(move |index| (index + round) % count);
        turn.filter(|index| self.inits.get(*index).is_some_and(|init| init.path.is_some()))
    }

    /// Microseconds from just before a command is started until its end has been waited for.
    ///
    /// # Errors
    /// That it could not be started, or ended with another code than 0.
    pub fn exec_time(&self, command: &Command) -> io::Result<f64> {
        Ok(self.streams.run(command)?.0)
    }

    /// What a command writes to stdout and stderr; it may not be more than a pipe holds, 64 KB.
    ///
    /// # Errors
    /// As [`Bench::exec_time`].
    pub fn output(&self, command: &Command) -> io::Result<Vec<u8>> {
        Ok(self.streams.run(command)?.1)
    }

    /// Starts a workload under an init and waits until it is ready.
    ///
    /// # Errors
    /// That it could not be started or did not become ready.
    pub fn start(
        &self,
        init: &Init,
        place: Place,
        words: &[&str],
        env: &[(&str, &str)],
    ) -> io::Result<Running> {
        let mut running = self.launch(init, place, words, env)?;
        let mut ready = [0; workload::READY.len()];
        running.answers.read_exact(&mut ready).map_err(|error| {
            let said = self.streams.drain();
            io::Error::new(
                error.kind(),
                format!("{}: {error}; it said: {}", init.name, String::from_utf8_lossy(&said)),
            )
        })?;
        Ok(running)
    }

    /// The same, but comes back when the init has been exec'ed.
    ///
    /// # Errors
    /// That it could not be started.
    pub fn launch(
        &self,
        init: &Init,
        place: Place,
        words: &[&str],
        env: &[(&str, &str)],
    ) -> io::Result<Running> {
        let mut program: Vec<OsString> = vec![env::current_exe()?.into(), workload::FLAG.into()];
        program.extend(words.iter().map(OsString::from));
        let command = Command::new(&init.argv(&program, place), env, place)?;
        let (answers, stdout) = io::pipe()?;
        let (input, stdin) = io::pipe()?;
        let stdio = Stdio { stdin: input.as_fd(), stdout: stdout.as_fd(), ..self.streams.stdio() };
        Ok(Running { child: command.spawn(stdio)?, answers, stdin, place })
    }

    /// One cell for each init: `missing` where it is not installed, else what `cell` makes of its figures.
    pub fn cells<T>(&self, figures: Vec<T>, cell: impl Fn(&Init, T) -> Cell) -> Vec<Cell> {
        let make = |(init, figures): (&Init, T)| match init.path {
            None => Cell::text("missing"),
            Some(_) => cell(init, figures),
        };
        self.inits.iter().zip(figures).map(make).collect()
    }
}

impl Running {
    /// Lets the workload go on.
    ///
    /// # Errors
    /// The error of the write.
    pub fn go(&mut self) -> io::Result<()> {
        self.stdin.write_all(b"g")
    }

    /// The next number that the workload answers.
    ///
    /// # Errors
    /// `UnexpectedEof` when it has ended.
    pub fn number(&mut self) -> io::Result<u64> {
        let mut bytes = [0; size_of::<u64>()];
        self.answers.read_exact(&mut bytes)?;
        Ok(u64::from_ne_bytes(bytes))
    }

    /// Ends the init and the workload.
    ///
    /// # Errors
    /// The error of `kill(2)` or `waitpid(2)`.
    pub fn end(self) -> io::Result<()> {
        self.child.end(self.place)
    }
}

/// How a place is named in a row.
pub fn named(place: Place) -> &'static str {
    match place {
        Place::Pid1 => "as PID 1",
        Place::Ordinary => "not PID 1, `-s`",
    }
}
