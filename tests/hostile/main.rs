//! Containers that share something with others who mean harm, or that write what nobody expects, on a real
//! engine.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

#[path = "../support/records.rs"]
mod records;
#[path = "../support/mod.rs"]
mod support;

mod half_lines;
mod protect;
mod volume;

use std::time::Duration;
use support::archive::Tree;
use support::docker::Engine;
use support::require::require;
use support::static_binary::static_binary;

const IMAGE: &str = "epitaph-test-hostile";
const SOON: Duration = Duration::from_secs(60);

/// The engine with an image of `/epitaph` and busybox, or a skip.
fn engine() -> Option<&'static Engine> {
    let engine = require("docker", Engine::shared())?;
    let epitaph = require("static binary", static_binary())?;
    let tree = || Tree::default().program("epitaph", epitaph)?.busybox();
    require("busybox", engine.import(IMAGE, tree, &[]))?;
    Some(engine)
}
