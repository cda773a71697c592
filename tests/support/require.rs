//! Asking for a part that a machine may not have.

use std::fmt::Display;
use std::io::Write;

/// The variable that turns a skip into a failure; continuous integration sets it to `1`.
pub const REQUIRE_ALL: &str = "EPITAPH_TEST_REQUIRE_ALL";

/// Gives the part, or `None` where the machine does not have it, which ends the test as skipped:
///
/// ```ignore
/// let Some(engine) = require("docker", Engine::shared()) else { return };
/// ```
///
/// `part` is the name that the skip is reported under; the error is the reason, with what to install.
/// A plain condition is asked for with `is_it_there.then_some(()).ok_or("why not")`.
///
/// # Panics
///
/// When the part is missing and [`REQUIRE_ALL`] is `1`.
#[track_caller]
pub fn require<T, E: Display>(part: &str, found: Result<T, E>) -> Option<T> {
    let reason = match found {
        Ok(found) => return Some(found),
        Err(reason) => reason,
    };
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    assert!(
        std::env::var_os(REQUIRE_ALL).is_none_or(|set| set != "1"),
        "{REQUIRE_ALL}=1, and {test} cannot run without {part}: {reason}"
    );
    say(&format!("SKIPPED {part}: {reason} [{test}]"));
    None
}

/// Says a line on stderr, past the print macros, whose output the test harness keeps to itself while a test
/// passes. One write, so that the lines of other tests do not come between.
pub fn say(line: &str) {
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}
