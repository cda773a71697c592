//! What epitaph says beside its records: through `log`, to stderr, as `[LEVEL epitaph (PID)] text`.

use crate::options::Diagnostics;
use crate::record::{LONGEST, write_log_line};
use crate::shown::{self, Shown, cut_with_mark};
use env_logger::{Builder, Logger};
use log::{Level, LevelFilter, Log, Metadata, Record};
use std::sync::OnceLock;

/// Sets up `log` for the whole process.
pub fn init(options: &Diagnostics) {
    // Fails only when it was done before.
    let _ = log::set_logger(&OnDemand);
    log::set_max_level(options.verbosity);
    let Some(filter) = &options.log_filter else { return };
    // Checked here, since env_logger would print what is wrong by itself, and wait for a stderr that is full.
    let wrong = match env_filter::Builder::new().try_parse(filter) {
        Err(error) => Some(Shown::new(&error.to_string()).to_string()),
        Ok(_) => misspelt_level(filter).map(|word| format!("\"{}\" is no level", Shown::new(word))),
    };
    if let Some(wrong) = wrong {
        log::warn!(
            "ignored EPITAPH_LOG: {wrong}; expected error, warn, info, debug, trace or off, or MODULE=LEVEL"
        );
        return;
    }
    log::set_max_level(LOGGER.get_or_init(|| logger(options.verbosity, filter)).filter());
}

/// A word alone is a level or a module, and a level with a mistake in it would be a module that says nothing.
fn misspelt_level(filter: &str) -> Option<&str> {
    let directives = filter.split('/').next().unwrap_or_default().split(',').map(str::trim);
    let is_module = |word: &str| word.contains(['=', ':']) || ["epitaph", "ureq"].contains(&word);
    let mut words = directives.filter(|word| !word.is_empty() && !is_module(word));
    words.find(|word| word.parse::<LevelFilter>().is_err())
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
        // The line is written here: what env_logger writes with is a thread-local buffer, which every process
        // would have to have room for.
        if self.logger().matches(record) {
            let line = one_line(record.level(), std::process::id(), &record.args().to_string());
            write_log_line(line);
        }
    }

    fn flush(&self) {}
}

#[inline(never)]
fn logger(verbosity: LevelFilter, filter: &str) -> Logger {
    let mut builder = Builder::new();
    builder.filter_level(verbosity);
    builder.parse_filters(filter);
    builder.build()
}

/// The message as one line with its end, at most as long as a record. Values in it were escaped and cut where
/// they were put in; this is for what a library says.
pub fn one_line(level: Level, pid: u32, message: &str) -> String {
    let mut line = shown::line(&format!("[{level} epitaph ({pid})] {message}"));
    cut_with_mark(&mut line, LONGEST - 1);
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::{Level, misspelt_level, one_line};

    #[test]
    fn a_message_is_one_line_whatever_is_in_it() {
        let line = one_line(Level::Warn, 1, "\u{1b}[1m\nx");
        assert_eq!(line, "[WARN epitaph (1)] \\u{1b}[1m\\nx\n");
        let long = one_line(Level::Warn, 1, &"é\n".repeat(5000));
        assert!(long.len() <= crate::record::LONGEST && long.ends_with("…\n"));
    }

    #[test]
    fn a_word_alone_is_a_level() {
        for right in [
            "",
            "debug",
            "WARN",
            "off,epitaph=trace",
            "ureq",
            "epitaph::identity",
            "info/pattern",
            " info , ureq=off",
        ] {
            assert_eq!(misspelt_level(right), None, "{right}");
        }
        for (wrong, word) in [("verbose", "verbose"), ("info,degub", "degub"), ("5", "5"), ("true", "true")] {
            assert_eq!(misspelt_level(wrong), Some(word));
        }
    }
}
