//! The lines that epitaph writes down: what they hold, how they look, and how they reach stderr.
//!
//! A [`Record`] is built where something happened and rendered as JSON or logfmt. The identity in it comes
//! as bytes that were rendered where it was found, a [`RenderedIdentity`]: PID 1 never looks into them.

mod dimensions;
mod emf;
mod form;
mod frames;
mod identity;
pub mod journal;
mod line;
pub mod stats;
mod stderr;
mod value;
pub mod writer;

pub use dimensions::Dimensions;
pub use emf::render_emf;
pub use form::LONGEST;
pub use frames::{Frame, Frames};
pub use identity::{Formats, RenderedIdentity};
pub use line::{Kind, Record};
pub use stderr::{Stderr, stderr, write_log_line};
pub use value::Value;
