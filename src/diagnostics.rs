//! What epitaph says beside its records: through `log`, to stderr, as `[LEVEL epitaph (PID)] text`.

use crate::options::Options;
use crate::record::LogWriter;
use env_logger::{Builder, Target};
use std::io::Write;

/// Sets up `log` for the whole process.
pub fn init(options: &Options) {
    let mut builder = Builder::new();
    builder.filter_level(options.verbosity);
    if let Some(filter) = &options.log_filter {
        builder.parse_filters(filter);
    }
    builder.target(Target::Pipe(Box::new(LogWriter)));
    builder.format(|line, record| {
        writeln!(line, "[{} epitaph ({})] {}", record.level(), std::process::id(), record.args())
    });
    // Fails only when it was done before.
    let _ = builder.try_init();
}
