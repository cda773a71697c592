//! What epitaph says beside its records: through `log`, to stderr, as `[LEVEL epitaph (PID)] text`.

use crate::options::Options;
use crate::record::LogWriter;
use env_logger::{Builder, Logger, Target};
use log::{LevelFilter, Log, Metadata, Record};
use std::io::Write;
use std::sync::OnceLock;

/// Sets up `log` for the whole process.
pub fn init(options: &Options) {
    // Fails only when it was done before.
    let _ = log::set_logger(&OnDemand);
    log::set_max_level(options.verbosity);
    let Some(filter) = &options.log_filter else { return };
    // Checked here, since env_logger would print what is wrong by itself, and wait for a stderr that is full.
    if let Err(error) = env_filter::Builder::new().try_parse(filter) {
        log::warn!("ignored EPITAPH_LOG: {error}; expected a level or MODULE=LEVEL, such as debug");
        return;
    }
    log::set_max_level(LOGGER.get_or_init(|| logger(options.verbosity, filter)).filter());
}

static LOGGER: OnceLock<Logger> = OnceLock::new();

/// Makes the logger with the first message: most containers have none, and PID 1 need not carry it for them.
struct OnDemand;

impl OnDemand {
    fn logger(&self) -> &'static Logger {
        LOGGER.get_or_init(|| logger(log::max_level(), ""))
    }
}

impl Log for OnDemand {
    fn enabled(&self, metadata: &Metadata) -> bool {
        self.logger().enabled(metadata)
    }

    fn log(&self, record: &Record) {
        self.logger().log(record);
    }

    fn flush(&self) {}
}

#[inline(never)]
fn logger(verbosity: LevelFilter, filter: &str) -> Logger {
    let mut builder = Builder::new();
    builder.filter_level(verbosity);
    builder.parse_filters(filter);
    builder.target(Target::Pipe(Box::new(LogWriter)));
    builder.format(|line, record| {
        writeln!(line, "[{} epitaph ({})] {}", record.level(), std::process::id(), record.args())
    });
    builder.build()
}
