//! What a person sees. Pure: lives in, lines out; [`Out`] writes them, and lets nothing of a log through that
//! a terminal obeys.

mod beside;
mod certificate;
mod certificate_end;
mod certificate_lists;
mod csv;
mod fold;
mod glyphs;
mod json;
mod out;
mod picture;
mod rows;
mod sentences;
mod spark;
mod stats;
mod stats_json;
mod stranger;
mod table;
mod timeline;
mod units;
mod wrap;

pub use beside::Beside;
pub use certificate::certificate;
pub use csv::csv;
pub use fold::fold;
pub use json::{certificate_json, list_json};
pub use out::{Line, Out, Style, clean};
pub use picture::{Incident, page, svg};
pub use sentences::{findings, outcomes_of};
pub use stats::stats;
pub use stats_json::{stats_csv, stats_json};
pub use stranger::stranger;
pub use table::{Columns, table, verdict};
pub use timeline::timeline;
pub use units::{amount, bytes, count};
