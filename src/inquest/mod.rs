//! `inquest`: what became of a container, from whatever logs are left.
//!
//! Bytes come from the heap of logs (`heap`), records and what other witnesses say are found in them (`carve`,
//! `witness`, `context`), each once, and put together to lives (`case`); these are told to a person (`show`). `case` and
//! `show` are pure. Every log is hostile input: nothing of it reaches a terminal unescaped, and no input is a panic.
#![forbid(unsafe_code)]

mod ask;
pub mod carve;
pub mod case;
mod cli;
pub mod context;
pub mod gather;
pub mod heap;
mod progress;
mod run;
pub mod show;
mod sources;
pub mod time;
pub mod who;
pub mod witness;

use clap::Parser;
use std::process::ExitCode;

/// The program.
pub fn main() -> ExitCode {
    run::run(cli::Cli::parse())
}
