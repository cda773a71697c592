//! The parts of **epitaph**, a container init that knows which container and which ECS task it is in,
//! and writes down how the program in it died.
//!
//! The binary of the same name is made of this library, which exists so that its parts can be tested:
//! it is not an interface to build on. `docs/design.md` tells how the parts work together.

pub mod diagnostics;
pub mod forensics;
pub mod health;
pub mod identity;
#[cfg(feature = "inquest")]
pub mod inquest;
pub mod launch;
pub mod options;
pub mod record;
pub mod shown;
pub mod supervise;
pub mod sys;
pub mod sys_heap;
#[cfg(feature = "inquest")]
pub mod sys_pool;
pub mod task;
