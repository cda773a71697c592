//! Which lines are the program's.

use crate::inquest::case::LastLine;

/// The longest text of a line, in bytes; the rest is left out.
pub const LONGEST: usize = 1024;

/// Whether the text is a record's, or has one in it, however it is quoted.
pub fn is_record(text: &str) -> bool {
    let quoted = text.contains("epitaph\"") || text.contains("epitaph\\");
    quoted && text.contains("schema") || text.contains("epitaph=") && text.contains(" schema=")
}

/// Whether a record is the first in the text.
pub fn begins_record(text: &str) -> bool {
    text.starts_with("{\"epitaph\":") || text.starts_with("epitaph=")
}

/// Whether a run begins or ends with this line: what is beyond is of another one.
pub fn is_bound(text: &str) -> bool {
    ["start", "exit"].iter().any(|kind| {
        text.contains(&format!("\"epitaph\":\"{kind}\"")) || text.contains(&format!("epitaph={kind} schema="))
    })
}

/// The line, if it is the program's and says something: no record, and no diagnostic of epitaph's.
pub fn kept(text: &str, time: Option<i64>) -> Option<LastLine> {
    let text = text.trim_end();
    let diagnostic = text.strip_prefix('[').is_some_and(|rest| {
        ["FATAL", "ERROR", "WARN", "INFO", "DEBUG", "TRACE"].iter().any(|level| {
            rest.trim_start()
                .strip_prefix(level)
                .is_some_and(|rest| rest.trim_start().starts_with("epitaph ("))
        })
    });
    if text.trim().is_empty() || is_record(text) || diagnostic {
        return None;
    }
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Some(LastLine { time, text: text.get(..end).unwrap_or_default().to_owned() })
}
