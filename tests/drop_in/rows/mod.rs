//! The table.

mod catatonit;
mod command_line;
mod dumb_init;
mod ending;
mod forwarding;
mod given;
mod load;
mod messages;
pub mod race;
mod records;
mod start;
mod tini;
mod tty;

use crate::table::Row;

/// All rows, in the order of the document.
pub fn all() -> Vec<Row> {
    let groups = [
        command_line::rows(),
        messages::rows(),
        tini::rows(),
        dumb_init::rows(),
        catatonit::rows(),
        start::rows(),
        given::rows(),
        forwarding::rows(),
        tty::rows(),
        ending::rows(),
        records::rows(),
        load::rows(),
        race::rows(),
    ];
    groups.into_iter().flatten().collect()
}
