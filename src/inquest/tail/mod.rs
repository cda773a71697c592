//! What stands in a log before a place: the lines that a program wrote last. Only shapes whose lines can be
//! told apart for certain are read; of others nothing is shown.

mod around;
mod parts;
mod piece;
mod shape;
mod spread;
mod take;
mod text;

pub use take::Tails;
