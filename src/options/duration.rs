//! Durations as a person writes them.

use std::time::Duration;

/// Reads `250ms`, `10s`, `5m`, `1h30m`; a bare number, with a fraction or without, is seconds.
///
/// Returns `None` for anything else, and for more than a year: such a time-out is a slip of the pen.
pub fn parse(text: &str) -> Option<Duration> {
    let text = text.trim();
    let is_number = text.starts_with(|first: char| first.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let duration = if is_number {
        humantime::parse_duration(&format!("{text}s"))
    } else {
        humantime::parse_duration(text)
    };
    let duration = duration.ok()?;
    (duration <= Duration::from_secs(365 * 24 * 3600)).then_some(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, ms) in [
            ("250ms", 250),
            ("10s", 10_000),
            ("5m", 300_000),
            ("0", 0),
            ("3", 3000),
            ("1.5", 1500),
            ("1h", 3_600_000),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(ms)), "{text}");
        }
        for wrong in ["", "-1", "x", "1x", "ms", "1..2", "1e9", "99999999999999999999", "inf", "2y", "."] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
