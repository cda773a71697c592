//! The built binary as its users have it: as PID 1 of a PID namespace, and as a subreaper.
//!
//! Each file holds the cases of one promise. What has to hold in both forms is one function and two tests.

#![allow(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used, clippy::panic, missing_docs)]

#[path = "../support/binary.rs"]
mod binary;
#[path = "../support/endpoint/mod.rs"]
mod endpoint;
#[path = "../support/init.rs"]
#[macro_use]
mod init;
#[path = "../support/process.rs"]
#[allow(dead_code)]
mod process;
#[path = "../support/records.rs"]
mod records;
#[path = "../support/require.rs"]
mod require;
#[path = "../support/running.rs"]
mod running;
#[path = "../support/trace.rs"]
mod trace;

mod becoming;
mod close_fds;
mod drain;
mod exits;
mod frozen;
mod full;
mod fuse;
mod hints;
mod hostile;
mod identity;
mod lines;
mod old_kernels;
mod orphans;
mod patience;
mod probe;
mod quiet;
mod refused;
mod scarce;
mod settings;
mod signals;
mod socket_activation;
mod state;
mod statistics;
mod steps;
mod stops;
mod streams;
mod trust;
mod verdicts;
