//! Undoes the escaping that loggers, drivers and stores put around a line, byte by byte.

use arrayvec::ArrayVec;
use std::borrow::Cow;

/// How deep wrappers are undone: Docker's JSON in a subscription's JSON in a queue's JSON is 3.
pub const DEEPEST: usize = 8;

/// One wrapper around a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// a JSON string (RFC 8259, 7): `\"`, `\\`, `\u0022`
    Json,
    /// a quoted field of CSV (RFC 4180, 2.7): `""`
    Csv,
}

/// The wrappers around a text, the outermost first.
pub type Levels = ArrayVec<Level, DEEPEST>;

/// What came next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// a byte of the text
    Byte(u8),
    /// the string that the text stood in was closed
    Closed,
    /// there are no more bytes, or what comes is no escape
    Over,
}

/// The levels around a quotation mark of the text, from what stands for it in the raw bytes: `"` is none,
/// `\"` one of JSON, `\\\"` two, `""` one of CSV, `\""` a JSON string within CSV. None where it is no such
/// thing.
///
/// The outermost comes first.
pub fn levels(quote: &[u8]) -> Option<Levels> {
    let mut levels = Levels::new();
    // Most often.
    if quote == b"\\\"" {
        levels.push(Level::Json);
        return Some(levels);
    }
    let mut quote = Cow::Borrowed(quote);
    while *quote != b"\""[..] {
        let level = if doubled(&quote) { Level::Csv } else { Level::Json };
        levels.try_push(level).ok()?;
        let mut undone = Vec::new();
        let mut text = Unescape::new(&quote, &[level]);
        while let Next::Byte(byte) = text.next() {
            undone.push(byte);
        }
        if undone.len() >= quote.len() || !is_quote(&undone) {
            return None;
        }
        quote = undone.into();
    }
    Some(levels)
}

/// Whether it may stand for a quotation mark.
fn is_quote(text: &[u8]) -> bool {
    text.ends_with(b"\"") || text.ends_with(b"u0022")
}

/// Whether each quotation mark has another one beside it.
fn doubled(quote: &[u8]) -> bool {
    let marks = quote.iter().rev().take_while(|byte| **byte == b'"').count();
    marks >= 2 && marks % 2 == 0
}

/// The text behind `levels` of escaping.
pub struct Unescape<'a> {
    source: &'a [u8],
    at: usize,
    levels: ArrayVec<(Level, Pending), DEEPEST>,
}

/// What one escape stood for and was not given yet.
#[derive(Debug, Clone, Copy, Default)]
struct Pending {
    bytes: [u8; 4],
    given: usize,
    length: usize,
}

impl<'a> Unescape<'a> {
    /// `levels`, the outermost first and at most [`DEEPEST`], around the text at the beginning of `source`.
    pub fn new(source: &'a [u8], levels: &[Level]) -> Unescape<'a> {
        let levels = levels.iter().take(DEEPEST).map(|level| (*level, Pending::default()));
        Unescape { source, at: 0, levels: levels.collect() }
    }

    /// How many raw bytes were used.
    pub fn used(&self) -> usize {
        self.at
    }

    /// The next byte of the text.
    pub fn next(&mut self) -> Next {
        // Most often a quotation mark behind one level.
        if let [(Level::Json, pending)] = self.levels.as_slice()
            && pending.given >= pending.length
            && let Some([b'\\', byte @ (b'"' | b'\\' | b'/')]) = self.source.get(self.at..self.at + 2)
        {
            self.at += 2;
            return Next::Byte(*byte);
        }
        self.pull(self.levels.len())
    }

    /// The bytes that come next and stand for themselves at every level: up to a quotation mark, a backslash
    /// or a line end. They are taken; where there are none, [`Unescape::next`] tells what comes.
    pub fn plain(&mut self) -> &'a [u8] {
        if self.levels.iter().any(|(_, pending)| pending.given < pending.length) {
            return &[];
        }
        let rest = self.source.get(self.at..).unwrap_or_default();
        let length = memchr::memchr3(b'"', b'\\', b'\n', rest).unwrap_or(rest.len());
        self.at += length;
        rest.get(..length).unwrap_or_default()
    }

    /// The next byte with the first `levels` undone. Its depth is that of the levels, at most [`DEEPEST`].
    fn pull(&mut self, levels: usize) -> Next {
        let Some(inner) = levels.checked_sub(1) else {
            let Some(byte) = self.source.get(self.at) else { return Next::Over };
            self.at += 1;
            return Next::Byte(*byte);
        };
        let Some((level, pending)) = self.levels.get_mut(inner) else { return Next::Over };
        let level = *level;
        if pending.given < pending.length
            && let Some(byte) = pending.bytes.get(pending.given)
        {
            pending.given += 1;
            return Next::Byte(*byte);
        }
        match (level, self.pull(inner)) {
            (Level::Csv, Next::Byte(b'"')) => match self.pull(inner) {
                Next::Byte(b'"') => Next::Byte(b'"'),
                _ => Next::Closed,
            },
            (Level::Json, Next::Byte(b'"')) => Next::Closed,
            (Level::Json, Next::Byte(b'\\')) => match self.escape(inner) {
                Some(letter) => self.give(inner, letter),
                None => Next::Over,
            },
            // A string of JSON goes over no line end: the line was cut here.
            (Level::Json, Next::Byte(b'\n')) => Next::Over,
            (_, next) => next,
        }
    }

    fn give(&mut self, level: usize, letter: char) -> Next {
        let mut bytes = [0; 4];
        let length = letter.encode_utf8(&mut bytes).len();
        if let Some((_, pending)) = self.levels.get_mut(level) {
            *pending = Pending { bytes, given: 1, length };
        }
        bytes.first().map_or(Next::Over, |byte| Next::Byte(*byte))
    }

    /// What follows a backslash of JSON.
    fn escape(&mut self, inner: usize) -> Option<char> {
        let Next::Byte(byte) = self.pull(inner) else { return None };
        Some(match byte {
            b'"' | b'\\' | b'/' => byte as char,
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.hex(inner)?;
                if (0xd800..0xdc00).contains(&unit) {
                    let follows =
                        self.pull(inner) == Next::Byte(b'\\') && self.pull(inner) == Next::Byte(b'u');
                    let low = if follows { self.hex(inner)? } else { return None };
                    char::decode_utf16([unit, low]).next()?.unwrap_or(char::REPLACEMENT_CHARACTER)
                } else {
                    char::from_u32(u32::from(unit)).unwrap_or(char::REPLACEMENT_CHARACTER)
                }
            }
            _ => return None,
        })
    }

    fn hex(&mut self, inner: usize) -> Option<u16> {
        let mut unit = 0_u16;
        for _ in 0..4 {
            let Next::Byte(byte) = self.pull(inner) else { return None };
            unit = unit << 4 | u16::try_from((byte as char).to_digit(16)?).ok()?;
        }
        Some(unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_from_the_quotation_mark() {
        use Level::{Csv, Json};
        let cases: [(&str, Option<&[Level]>); 10] = [
            ("\"", Some(&[])),
            ("\\\"", Some(&[Json])),
            ("\\\\\\\"", Some(&[Json, Json])),
            ("\"\"", Some(&[Csv])),
            ("\\\"\"", Some(&[Csv, Json])),
            ("\"\"\"\"", Some(&[Csv, Csv])),
            ("\\u0022", Some(&[Json])),
            ("\\\\u0022", Some(&[Json, Json])),
            ("\\\\\"", None),
            ("\"\"\"", None),
        ];
        for (quote, expected) in cases {
            assert_eq!(levels(quote.as_bytes()).as_deref(), expected, "{quote}");
        }
    }

    fn all(text: &str, levels: &[Level]) -> (String, Next) {
        let mut source = Unescape::new(text.as_bytes(), levels);
        let mut bytes = Vec::new();
        loop {
            match source.next() {
                Next::Byte(byte) => bytes.push(byte),
                end => return (String::from_utf8(bytes).expect("UTF-8"), end),
            }
        }
    }

    #[test]
    fn texts() {
        use Level::{Csv, Json};
        assert_eq!(all("a\\\"b\\n\\u00e9\\ud83e\\udd80\" c", &[Json]), ("a\"b\né🦀".into(), Next::Closed));
        assert_eq!(all("a\"\"b\",c", &[Csv]), ("a\"b".into(), Next::Closed));
        assert_eq!(all("\\\\\\\"x\\\" y", &[Json, Json]), ("\"x".into(), Next::Closed));
        assert_eq!(all("a\\q", &[Json]), ("a".into(), Next::Over));
        assert_eq!(all("a\nb", &[Json]), ("a".into(), Next::Over));
        assert_eq!(all("\\ud800x", &[Json]), (String::new(), Next::Over));
    }
}
