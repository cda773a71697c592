//! The endpoint of the tests answers as the agent does, and goes wrong as it is told to.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[path = "../support/endpoint/mod.rs"]
mod endpoint;

mod agent;
mod client;
mod faults;
mod http;
