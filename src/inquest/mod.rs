//! `inquest`: what became of a container, from whatever logs are left.
//!
//! Bytes come from the heap of logs (`heap`), records and what other witnesses say are found in them
//! (`carve`, `witness`, `context`), each once, and put together to lives (`case`); these are told to a person
//! (`show`). `case` and `show` are pure. Every log is hostile input: nothing of it reaches a terminal
//! unescaped, and no input is a panic.
#![forbid(unsafe_code)]

mod again;
mod ask;
pub mod carve;
pub mod case;
mod cli;
mod column;
pub mod context;
mod export;
pub mod gather;
pub mod heap;
pub mod json;
mod lives;
mod meant;
mod progress;
mod records;
mod registry;
mod run;
mod session;
pub mod show;
mod since;
mod sources;
pub mod stats;
mod tail;
pub mod text;
pub mod time;
mod views;
mod wanted;
pub mod who;
pub mod witness;

use clap::{CommandFactory, Parser, ValueEnum};
use std::process::ExitCode;

/// The program.
pub fn main() -> ExitCode {
    run::run(cli::Cli::parse())
}

/// The man page, in roff.
pub fn man_page() -> Vec<u8> {
    let mut page = Vec::new();
    // Nothing is written but into memory.
    let _ = clap_mangen::Man::new(cli::Cli::command()).render(&mut page);
    page
}

/// The completions for a shell: `bash`, `zsh`, `fish` and others.
///
/// # Errors
/// A sentence that names the shells, where it is none of them.
pub fn completions(shell: &str) -> Result<String, String> {
    let shell = clap_complete::Shell::from_str(shell, true)?;
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut cli::Cli::command(), "inquest", &mut text);
    String::from_utf8(text).map_err(|error| error.to_string())
}
