//! A drop-in is a drop-in: the same black-box cases against tini, dumb-init and catatonit and against epitaph
//! called by their names.
//!
//! The table is in `rows`; `docs/drop-in.md` is generated from what its rows find. `cargo test --test
//! drop_in` runs it all, a word after that the rows whose name holds it. `EPITAPH_TEST_WRITE_DOCS=1` writes
//! the document, and `EPITAPH_TEST_REQUIRE_ALL=1` makes an init that is not installed an error.
//!
//! This program is also the program that the inits start (see `probe`), so there is no Rust start-up code
//! around `main`: it would ignore SIGPIPE and set up a signal stack, and the probe could not tell what it was
//! given.
#![no_main]
#![allow(unsafe_code)] // forks, ptys and raw signals; each use is a call without memory of its own, or says why
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used, clippy::panic, missing_docs)]

mod call;
mod document;
mod init;
mod probe;
mod rows;
mod runner;
mod running;
mod setup;
#[path = "../support/mod.rs"]
mod support;
mod table;
mod terminal;

use std::ffi::OsString;

#[unsafe(no_mangle)]
extern "C" fn main(argc: libc::c_int, argv: *const *const libc::c_char) -> libc::c_int {
    // SAFETY: these are the arguments of `main`.
    let args = unsafe { epitaph::sys::args(argc, argv) };
    let words: Vec<OsString> = args.into_iter().skip(1).collect();
    match words.first() {
        Some(first) if first == probe::MARK => probe::main(&words[1..]),
        _ => {
            begin_afresh();
            runner::main(&words)
        }
    }
}

/// Whoever runs the tests may ignore or block signals (`nohup`, a job in the background of a shell without
/// job control); the inits would inherit it, and show it.
fn begin_afresh() {
    for signal in 1..=31 {
        epitaph::sys::set_ignored(signal, false);
    }
    let _ = nix::sys::signal::SigSet::empty().thread_set_mask();
}
