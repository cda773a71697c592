//! Foreign text in a line of ours: a value that somebody else chose, escaped and cut.
//!
//! A line in a log is read by terminals, by people and by programs. What could end it, move a cursor or turn
//! the direction of the text around is written as an escape, in diagnostics as in records.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt::{self, Write};

/// The most that one value may take in a line, in bytes, escapes and the mark of a cut included.
pub const LONGEST: usize = 256;

/// Where a text was cut.
const MARK: char = '…';

/// Whether a character may not stand in a line as itself: control characters (C0, DEL, and C1 with U+0085,
/// which ends a line, and U+009B, which begins an escape sequence), the line and paragraph separators U+2028
/// and U+2029, and the controls that change the direction of text (Unicode Standard Annex 9, "Directional
/// Formatting Characters").
pub fn is_forbidden(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A value in a diagnostic: what [`is_forbidden`], `"` and `\` are escaped, what is not UTF-8 stands as
/// U+FFFD, and a value of more than [`LONGEST`] bytes ends in `…`.
#[derive(Debug, Clone)]
pub struct Shown<'a> {
    text: Cow<'a, str>,
    longest: usize,
}

impl<'a> Shown<'a> {
    /// The value, cut at [`LONGEST`] bytes.
    pub fn new<T: AsRef<OsStr> + ?Sized>(value: &'a T) -> Shown<'a> {
        Shown::at_most(value, LONGEST)
    }

    /// The value, cut at `longest` bytes.
    pub fn at_most<T: AsRef<OsStr> + ?Sized>(value: &'a T, longest: usize) -> Shown<'a> {
        Shown { text: value.as_ref().to_string_lossy(), longest }
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let fits = self.text.chars().try_fold(self.longest, |room, letter| room.checked_sub(length(letter)));
        let mark = if fits.is_some() { 0 } else { MARK.len_utf8() };
        let mut room = self.longest.saturating_sub(mark);
        for letter in self.text.chars() {
            let Some(left) = room.checked_sub(length(letter)) else { break };
            room = left;
            if needs_escape(letter) { escape(f, letter)? } else { f.write_char(letter)? }
        }
        if fits.is_some() { Ok(()) } else { f.write_char(MARK) }
    }
}

fn needs_escape(letter: char) -> bool {
    is_forbidden(letter) || matches!(letter, '"' | '\\')
}

/// As Rust and most shells' `$'…'` write it: `\n`, `\u{9b}`.
fn escape(to: &mut impl Write, letter: char) -> fmt::Result {
    match letter {
        '\n' => to.write_str("\\n"),
        '\r' => to.write_str("\\r"),
        '\t' => to.write_str("\\t"),
        '"' | '\\' => write!(to, "\\{letter}"),
        _ => write!(to, "\\u{{{:x}}}", u32::from(letter)),
    }
}

/// What the character takes in bytes.
fn length(letter: char) -> usize {
    match letter {
        '\n' | '\r' | '\t' | '"' | '\\' => 2,
        _ if !is_forbidden(letter) => letter.len_utf8(),
        // Around the digits: \u{ and }.
        _ => 4 + u32::from(letter).checked_ilog(16).unwrap_or(0) as usize + 1,
    }
}

/// A whole line of ours without its end: what [`is_forbidden`] is escaped, quotes and backslashes stay. For
/// what was not shown as a value, such as a message of a library.
pub fn line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_forbidden(letter) {
            // Writing to a String does not fail.
            let _ = escape(&mut line, letter);
        } else {
            line.push(letter);
        }
    }
    line
}

/// The start of a text, at most `room` bytes, without half a character.
pub fn cut(text: &str, room: usize) -> &str {
    (0..=room.min(text.len())).rev().find_map(|end| text.get(..end)).unwrap_or_default()
}

/// Cuts a text to at most `longest` bytes, the last of which say by `…` that it was cut.
pub fn cut_with_mark(text: &mut String, longest: usize) {
    if text.len() > longest {
        let end = cut(text, longest.saturating_sub(MARK.len_utf8())).len();
        text.truncate(end);
        text.push(MARK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn what_could_be_turned_against_a_line_is_escaped() {
        for (text, shown) in [
            ("plain 'text' – é 日本", "plain 'text' – é 日本"),
            ("a\nb\r\tc", "a\\nb\\r\\tc"),
            ("\"\\", "\\\"\\\\"),
            ("\u{1b}[2J\u{9b}2J\u{85}\0\u{7f}", "\\u{1b}[2J\\u{9b}2J\\u{85}\\u{0}\\u{7f}"),
            ("\u{2028}\u{2029}", "\\u{2028}\\u{2029}"),
            ("\u{202e}\u{2066}\u{61c}\u{200f}", "\\u{202e}\\u{2066}\\u{61c}\\u{200f}"),
        ] {
            assert_eq!(Shown::new(text).to_string(), shown);
        }
        assert_eq!(Shown::new(OsStr::from_bytes(b"a\xff")).to_string(), "a\u{fffd}");
    }

    #[test]
    fn no_value_is_longer_than_its_bound() {
        for letter in ["a", "é", "\n", "\u{1}", "\u{9b}", "\u{202e}", "🦀", "\""] {
            for count in [1, 30, 31, 32, 42, 43, 63, 64, 65, 127, 128, 129, 254, 255, 256, 257, 1000] {
                let text = letter.repeat(count);
                let shown = Shown::new(&text).to_string();
                assert!(shown.len() <= LONGEST, "{count} times {letter:?}: {}", shown.len());
                assert!(
                    shown.len() > LONGEST - 16 || !shown.ends_with('…'),
                    "{count} times {letter:?}: {shown}"
                );
                let one = Shown::new(letter).to_string();
                assert_eq!(shown.ends_with('…'), one.len() * count > LONGEST, "{count} times {letter:?}");
                assert!(!shown.contains(is_forbidden));
            }
        }
    }

    #[test]
    fn a_line_keeps_its_quotes_and_loses_what_could_end_it() {
        assert_eq!(
            line("ignored X=\"a\\n\": \u{1b}[1m\u{202e}x\r\n"),
            "ignored X=\"a\\n\": \\u{1b}[1m\\u{202e}x\\r\\n"
        );
    }

    #[test]
    fn a_cut_is_marked_and_never_splits_a_character() {
        let mut text = "é".repeat(200);
        cut_with_mark(&mut text, 256);
        assert_eq!(text, format!("{}…", "é".repeat(126)));
        cut_with_mark(&mut text, 256);
        assert_eq!(text.len(), 255);
    }
}
