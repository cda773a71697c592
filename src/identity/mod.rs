//! Who am I: what is known of this container and its ECS task, and where each value came from.
//!
//! [`Identity`] holds at most one value for each [`Field`], with the [`Source`] that told it. Values are
//! validated when they are offered, so whatever is in an `Identity` is safe to put into an environment
//! variable or a record. The sources are files of their own; each parses text into an `Identity` and
//! knows nothing of the others.

pub mod ask;
pub mod cgroup;
mod conflict;
pub mod container_id;
mod deadline;
pub mod derive;
pub(crate) mod document;
mod export;
mod field;
pub mod file;
pub mod http;
mod instance;
pub mod introspection;
mod known;
mod local;
mod look_again;
pub mod metadata;
pub mod mountinfo;
pub mod otel;
mod resolve;
pub mod run;
mod search;
mod source;
mod start;
mod stopped_by;
mod system;
mod value;
pub mod whoami;

pub use conflict::Kernel;
pub use deadline::Deadline;
pub use export::{BadExport, ExportList, STANDARD};
pub use field::Field;
pub use known::{Conflict, Contradiction, Identity};
pub use local::{Local, local};
pub use look_again::look_again;
pub use resolve::resolve;
pub use search::Outcome;
pub use source::Source;
pub use stopped_by::{EndedContainer, Health, StopLook, StoppedBy, judge as judge_stop, stopped_by};
pub use system::System;
pub use value::Rejected;
