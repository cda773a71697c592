//! `inquest`: what became of a container, from whatever logs are left.
//!
//! Bytes come from the heap of logs (`heap`), records and what other witnesses say are found in them (`carve`,
//! `witness`, `context`), each once, and put together to lives (`case`); these are told to a person (`show`). `case` and
//! `show` are pure. Every log is hostile input: nothing of it reaches a terminal unescaped, and no input is a panic.
#![forbid(unsafe_code)]

pub mod carve;
pub mod case;
pub mod context;
pub mod heap;
pub mod time;
pub mod who;
pub mod witness;
/// x
pub fn main() -> std::process::ExitCode { std::process::ExitCode::SUCCESS }
