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
mod systemd;
mod tini;
mod tty;

use crate::call::Call;
use crate::init::Init;
use crate::table::Row;
use std::path::Path;

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
        systemd::rows(),
        forwarding::rows(),
        tty::rows(),
        ending::rows(),
        records::rows(),
        load::rows(),
        race::rows(),
    ];
    groups.into_iter().flatten().collect()
}

/// A call of the init under strace(1), which makes its looks for ended children take `ms` milliseconds more.
fn slowly_reaping(init: &Init, ms: u32) -> Option<Call> {
    let strace = Path::new("/usr/bin/strace");
    if !strace.exists() {
        crate::runner::skip(
            "strace is not installed: nothing happens while an init looks for ended children",
        );
        return None;
    }
    let inject = format!("inject=waitid,wait4:delay_exit={}", ms * 1000);
    let call = Call::new(strace).words("-qq -o /dev/null -e trace=waitid,wait4 -e").args([inject]);
    Some(call.args([init.path.as_os_str()]))
}
