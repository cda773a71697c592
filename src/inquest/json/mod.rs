//! A JSON value that borrows its texts from where it was read, and an object as a sorted list: most of what
//! is read is looked at once, and a map of owned texts takes longer to make than to read.

mod read;
mod value;

pub use read::{Wanted, first, only};
pub use value::{Json, Object};
