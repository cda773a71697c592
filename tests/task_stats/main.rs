//! `--task-stats`: the real epitaph against the endpoint of a task.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod collector;
mod emf;
mod footprint;
mod hostile;
mod once;
#[path = "../support/records.rs"]
mod records;
#[path = "../support/mod.rs"]
mod support;
mod task;
