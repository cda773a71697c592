//! What a person sees. Pure: lives in, lines out; [`Out`] writes them, and lets nothing of a log through that a terminal
//! obeys.

mod certificate;
mod csv;
mod fold;
mod json;
mod out;
mod rows;
mod stranger;
mod table;
mod timeline;
mod units;

pub use certificate::certificate;
pub use csv::csv;
pub use fold::fold;
pub use json::{certificate_json, list_json};
pub use out::{Line, Out, Style, clean};
pub use stranger::stranger;
pub use table::{Columns, table, verdict};
pub use timeline::timeline;
pub use units::{amount, bytes, count};
