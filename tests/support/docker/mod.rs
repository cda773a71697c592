//! A real Docker engine of the tests' own, beside whatever engine the machine may run.
//!
//! [`Engine::shared`] is the one that the tests of a binary share; it ends with them. Nothing needs a
//! registry or a network: images are made from [`Tree`](super::archive::Tree)s.

mod container;
mod engine;
mod network;

pub use container::{Container, Logs, Stopped, Stream};
pub use engine::Engine;
pub use network::TaskNetwork;
