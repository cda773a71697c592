//! What `inquest` does with its command line.

use super::cli::{Cli, Command};
use super::session::{Outcome, Session, note};
use super::{ask, records, views};
use clap::CommandFactory;
use std::io::{self, Write};
use std::process::ExitCode;

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
    match Session::new(paths, &cli, &cli.common).map(|session| go(&session, &cli)) {
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

/// Does it, and says with which code to end.
fn go(session: &Session<'_>, cli: &Cli) -> u8 {
    session.heed_interrupts();
    let result = match (&cli.command, &cli.who) {
        (Some(Command::List(list)), _) => views::list(session, list),
        (Some(Command::Records(records)), _) => records::records(session, records),
        (Some(Command::Timeline(timeline)), _) => views::timeline(session, timeline),
        (Some(Command::Stats(stats)), _) => views::stats(session, stats),
        (None, Some(who)) if is_path(who) => {
            note(&format!("{who} is a file or a directory: inquest WHO {who}, or inquest list {who}"));
            return 2;
        }
        (None, Some(who)) => ask::ask(session, cli, who),
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
        _ if session.interrupted() => 130,
        Outcome::Wrong => 2,
        Outcome::Ambiguous => 3,
        _ if !complete => 4,
        Outcome::Found => 0,
        Outcome::Nothing => 1,
    }
}
