//! `--health` as the health check of real containers: what the engine shows, what the container's log holds,
//! and what is left behind.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod endpoint;
mod engine;
mod figures;
mod leftovers;
mod lifetime;
mod machine;
mod network;
#[path = "../support/records.rs"]
mod records;
#[path = "../support/mod.rs"]
mod support;
mod version_2;
