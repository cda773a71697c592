//! `inquest` as a person runs it, over logs of many shapes: those that real engines wrote, those that were
//! shaped after them, damaged and hostile ones. tests/fixtures/inquest/README.md tells where they are from.

#![allow(missing_docs, clippy::panic)]

mod ask;
mod browser;
mod damaged;
mod document;
mod engine;
mod heap;
mod hostile;
mod incomplete;
mod init;
mod last_lines;
mod machine;
mod mixed;
mod page;
#[path = "../support/mod.rs"]
mod parts;
mod remarks;
mod round_trip;
mod shapes;
mod since;
mod split;
mod stats;
mod support;
mod timeline;
mod unsure;
mod width;
