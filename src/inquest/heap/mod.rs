//! The heap of logs: which files there are, and their bytes, inflated, in windows.
//!
//! Nothing here knows what a record is. No line is held and no file is mapped (a file that is truncated while
//! it is mapped ends the reader by SIGBUS, and logrotate truncates).

mod inflate;
mod open;
mod problem;
mod utf16;
mod walk;
mod window;

pub use inflate::gunzip_bounded;
pub use open::{Opened, open};
pub use problem::Problem;
pub use walk::{Entry, Input, walk};
pub use window::{BACK, FORWARD, Search, Window, scan, scan_for};
