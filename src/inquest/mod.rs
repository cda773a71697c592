//! The reader of the records: what became of a container, from whatever logs are left.
#![forbid(unsafe_code)]

pub mod witness;
