//! Against the kernel: cgroups of whichever version has the memory controller, with real OOM kills.
//!
//! A machine has the controller in one version. `machine` runs this very program again in a virtual machine
//! with version 2, so that both are covered where this one has version 1.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod cgroup;
mod machine;
mod memory;
#[path = "../support/mod.rs"]
mod support;
#[path = "../../src/forensics/testing.rs"]
mod testing;
mod watch;
