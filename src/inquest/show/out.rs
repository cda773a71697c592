//! The one way to the standard output.

use std::fmt::Write as _;
use std::io::{self, Write};

/// How a part of a line looks on a terminal that has colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// as any text
    #[default]
    Plain,
    /// a heading
    Bold,
    /// less important
    Dim,
    /// ended badly
    Bad,
    /// ended well
    Good,
    /// to be looked at
    Warn,
}

impl Style {
    fn code(self) -> &'static str {
        match self {
            Style::Plain => "",
            Style::Bold => "1",
            Style::Dim => "2",
            Style::Bad => "31",
            Style::Good => "32",
            Style::Warn => "33",
        }
    }
}

/// A line in parts, of which each may have a style. Its texts may be from a log: they are cleaned when they
/// are written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    parts: Vec<(Style, String)>,
}

impl Line {
    /// An empty line.
    pub fn new() -> Line {
        Line::default()
    }

    /// A line of one part.
    pub fn of(style: Style, text: impl Into<String>) -> Line {
        Line::new().and(style, text)
    }

    /// The line with one part more.
    pub fn and(mut self, style: Style, text: impl Into<String>) -> Line {
        self.parts.push((style, text.into()));
        self
    }

    /// Puts `text` behind it: to its last part, where that has the same style.
    pub(super) fn push(&mut self, style: Style, text: &str) {
        self.add(style, |part| part.push_str(text));
    }

    /// Leaves so many columns empty.
    pub(super) fn blank(&mut self, columns: usize) {
        self.add(Style::Plain, |part| part.extend(std::iter::repeat_n(' ', columns)));
    }

    fn add(&mut self, style: Style, add: impl FnOnce(&mut String)) {
        match self.parts.last_mut() {
            Some((last, part)) if *last == style => add(part),
            _ => {
                let mut part = String::with_capacity(128);
                add(&mut part);
                self.parts.push((style, part));
            }
        }
    }

    /// Its parts, as they were given.
    pub(super) fn parts(&self) -> &[(Style, String)] {
        &self.parts
    }

    /// The text without styles, cleaned.
    pub fn text(&self) -> String {
        self.parts.iter().map(|(_, text)| clean(text)).collect()
    }
}

/// The text with everything in it made visible that a terminal would obey or that would turn other text
/// around: control characters, and those that set the direction of writing, are invisible or end a line.
pub fn clean(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    push_clean(&mut result, text);
    result
}

fn push_clean(to: &mut String, text: &str) {
    // Nearly all texts.
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return to.push_str(text);
    }
    for letter in text.chars() {
        if is_dangerous(letter) {
            // Writing to a String does not fail.
            let _ = write!(to, "\\u{{{:x}}}", u32::from(letter));
        } else {
            to.push(letter);
        }
    }
}

fn is_dangerous(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// The same for a text that is JSON: as JSON escapes it, so that it means the same.
pub fn clean_json(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_dangerous(letter) {
            let mut units = [0; 2];
            for unit in letter.encode_utf16(&mut units) {
                let _ = write!(result, "\\u{unit:04x}");
            }
        } else {
            result.push(letter);
        }
    }
    result
}

/// The standard output, or a test's.
pub struct Out<'a> {
    to: Box<dyn Write + 'a>,
    color: bool,
    closed: bool,
    failure: Option<io::Error>,
}

impl<'a> Out<'a> {
    /// Writes to `to`, with colours if `color`.
    pub fn new(to: impl Write + 'a, color: bool) -> Out<'a> {
        Out { to: Box::new(io::BufWriter::new(to)), color, closed: false, failure: None }
    }

    /// Writes a line.
    pub fn line(&mut self, line: &Line) {
        let mut text = String::with_capacity(256);
        for (style, part) in &line.parts {
            let code = Some(style.code()).filter(|code| self.color && !code.is_empty());
            if let Some(code) = code {
                let _ = write!(text, "\u{1b}[{code}m");
            }
            push_clean(&mut text, part);
            if code.is_some() {
                text.push_str("\u{1b}[0m");
            }
        }
        let trimmed = if self.color { text.as_str() } else { text.trim_end() };
        self.write(trimmed);
    }

    /// Writes a line of JSON.
    pub fn json(&mut self, text: &str) {
        self.write(&clean_json(text));
    }

    /// Writes a page or a picture, whose texts were cleaned when it was made.
    pub fn markup(&mut self, text: &str) {
        self.write(text.trim_end());
    }

    fn write(&mut self, text: &str) {
        if self.closed {
            return;
        }
        let written = self.to.write_all(text.as_bytes()).and_then(|()| self.to.write_all(b"\n"));
        self.take(written);
    }

    fn take(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            self.closed = true;
            // `inquest list | head`: who reads has seen enough.
            if error.kind() != io::ErrorKind::BrokenPipe {
                self.failure = Some(error);
            }
        }
    }

    /// Writes what waits.
    ///
    /// # Errors
    /// Those of write(2), but for a pipe that nobody reads any more.
    pub fn finish(mut self) -> io::Result<()> {
        if !self.closed {
            let flushed = self.to.flush();
            self.take(flushed);
        }
        self.failure.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\u{1b}]0;x\u{7}\u{9b}2J\u{202e}b\u{2066}\r\n\t\u{200b}\u{e0041}é";

    #[test]
    fn nothing_that_a_terminal_obeys_comes_through() {
        let text = clean(HOSTILE);
        assert!(!text.chars().any(is_dangerous), "{text:?}");
        assert!(text.starts_with("a\\u{1b}]0;x\\u{7}\\u{9b}2J\\u{202e}b") && text.ends_with('é'));

        let value = serde_json::Value::from(HOSTILE);
        let json = clean_json(&value.to_string());
        assert!(!json.chars().any(is_dangerous), "{json:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&json).expect("JSON"), value);
    }

    #[test]
    fn styles_only_with_colour() {
        let line = Line::of(Style::Bad, "oom\u{1b}").and(Style::Plain, " x  ");
        for (color, expected) in [(false, "oom\\u{1b} x\n"), (true, "\u{1b}[31moom\\u{1b}\u{1b}[0m x  \n")] {
            let mut bytes = Vec::new();
            let mut out = Out::new(&mut bytes, color);
            out.line(&line);
            out.finish().expect("written");
            assert_eq!(String::from_utf8_lossy(&bytes), expected);
        }
    }
}
