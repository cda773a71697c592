//! What the tests share: the real parts that epitaph is tried on, and how a test asks for one.
//!
//! A test names the part that it needs through [`require::require`], and is skipped, loudly, where the
//! machine has none. The parts that are expensive to get (the static binary, the Docker engine, the kernel)
//! are made once for a test binary and shared by its tests.

// Every test binary compiles this module for itself and uses some of it.
#![allow(dead_code, unused_imports, missing_docs)]
// A test stops where it cannot go on.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]
// Namespaces, mounts, and what a daemon inherits: system calls that nix covers only with more of its
// features.
#![allow(unsafe_code)]

pub mod archive;
pub mod binary;
pub mod docker;
pub mod endpoint;
pub mod measure;
pub mod process;
pub mod qemu;
pub mod require;
pub mod static_binary;
