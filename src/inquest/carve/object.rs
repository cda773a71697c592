//! Finds JSON objects in raw bytes at any depth of escaping.

use super::unescape::{Level, Next, Unescape};

/// The longest text of an object that is looked for, in bytes.
pub const LONGEST: usize = 64 * 1024;

/// Longer than most records, in bytes.
const USUAL: usize = 2000;

/// How many braces before a place are tried as the beginning of the object around it.
const TRIES: usize = 400;

/// Deeper nesting than any record has; serde_json allows 128.
const DEEPEST: usize = 64;

/// What was found at a brace.
#[derive(Debug, PartialEq, Eq)]
pub enum Object {
    /// a whole object: its text, and how many raw bytes it takes
    Whole(Vec<u8>, usize),
    /// the string around it, the line or the bytes ended within it: what there is of the text
    Cut(Vec<u8>, Cut),
    /// no object
    None,
}

/// Where an object was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// how many raw bytes the part takes, with what ended it
    pub used: usize,
    /// whether it was the end of the string around it
    pub closed: bool,
}

/// Reads one JSON object, which may come in parts.
#[derive(Debug, Default)]
pub struct Reader {
    /// the text so far
    pub text: Vec<u8>,
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Reader {
    /// Takes a byte of the text: `Some(true)` when the object is whole with it, `Some(false)` to go on, and
    /// none where this is no object. A line end within a string is not taken: the line was cut.
    fn take(&mut self, byte: u8) -> Option<bool> {
        if self.text.len() >= LONGEST {
            return None;
        }
        self.text.push(byte);
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return Some(false);
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => {
                self.depth += 1;
                if self.depth > DEEPEST {
                    return None;
                }
            }
            b'}' | b']' => {
                self.depth = self.depth.checked_sub(1)?;
                return Some(self.depth == 0);
            }
            _ => {}
        }
        Some(false)
    }

    /// The same of bytes within a string of which none is a quotation mark, a backslash or a line end:
    /// whether they are taken.
    fn take_plain(&mut self, plain: &[u8]) -> bool {
        let fits = self.text.len() + plain.len() <= LONGEST;
        if fits && !plain.is_empty() {
            self.escaped = false;
            self.text.extend_from_slice(plain);
        }
        fits
    }

    /// Goes on with `source`, behind `levels`.
    pub fn go_on(&mut self, source: &[u8], levels: &[Level]) -> Object {
        let mut bytes = Unescape::new(source, levels);
        loop {
            // Most of a record is within strings.
            if self.in_string && !self.take_plain(bytes.plain()) {
                return Object::None;
            }
            match bytes.next() {
                Next::Byte(b'\n') if self.in_string => {
                    return Object::Cut(
                        std::mem::take(&mut self.text),
                        Cut { used: bytes.used() - 1, closed: false },
                    );
                }
                Next::Byte(byte) => match self.take(byte) {
                    Some(false) => {}
                    Some(true) => return Object::Whole(std::mem::take(&mut self.text), bytes.used()),
                    None => return Object::None,
                },
                end => {
                    let cut = Cut { used: bytes.used(), closed: end == Next::Closed };
                    return Object::Cut(std::mem::take(&mut self.text), cut);
                }
            }
        }
    }

    /// A reader whose text will be where `room` is.
    fn in_room(mut room: Vec<u8>) -> Reader {
        room.clear();
        room.reserve(USUAL);
        Reader { text: room, ..Reader::default() }
    }

    /// A reader that has had `text`, which is the beginning of an object.
    pub fn resumed(text: &[u8]) -> Option<Reader> {
        let mut reader = Reader::default();
        text.iter().try_fold((), |(), byte| (reader.take(*byte) == Some(false)).then_some(()))?;
        Some(reader)
    }
}

/// An object around a place.
#[derive(Debug)]
pub struct Around {
    /// where its brace is
    pub begin: usize,
    /// behind its end, or behind what there is of it
    pub end: usize,
    /// its text
    pub text: Vec<u8>,
    /// what it is cut by
    pub cut: Option<Cut>,
}

/// The objects around the place `at` of `bytes`, the innermost first, in the text behind `levels`. A cut one
/// comes at the end, and only the one with the nearest brace.
///
/// What is unescaped is taken off `effort`, in bytes; nothing comes when it is used up.
pub fn around<'a>(
    bytes: &'a [u8],
    at: usize,
    levels: &'a [Level],
    effort: &'a mut usize,
) -> impl Iterator<Item = Around> + 'a {
    let mut before = at;
    let mut tries = TRIES;
    let mut cut: Option<Around> = None;
    let mut over = false;
    let mut room = Vec::new();
    std::iter::from_fn(move || {
        while !over {
            let brace = bytes.get(..before).and_then(|bytes| memchr::memrchr(b'{', bytes));
            let Some(begin) = brace.filter(|_| tries > 0 && *effort > 0) else {
                over = true;
                break;
            };
            (before, tries) = (begin, tries - 1);
            let source = bytes.get(begin..).unwrap_or_default();
            let mut reader = Reader::in_room(std::mem::take(&mut room));
            match reader.go_on(source, levels) {
                Object::Whole(text, used) => {
                    *effort = effort.saturating_sub(text.len());
                    if begin + used > at {
                        return Some(Around { begin, end: begin + used, text, cut: None });
                    }
                    // The brace of a smaller object beside the place.
                    room = text;
                }
                Object::Cut(text, how) => {
                    *effort = effort.saturating_sub(text.len());
                    if cut.is_none() && begin + how.used > at {
                        cut = Some(Around { begin, end: begin + how.used, text, cut: Some(how) });
                    } else {
                        room = text;
                    }
                }
                Object::None => {
                    *effort = effort.saturating_sub(1024);
                    room = reader.text;
                }
            }
        }
        cut.take()
    })
}

/// Whether the object from `begin` to `end` may be a part of another one that is not escaped: before it
/// stands what JSON has before a value, and behind it what it has there. Blanks do not count.
pub fn may_be_within(bytes: &[u8], begin: usize, end: usize) -> bool {
    let before = bytes.get(..begin).unwrap_or_default().trim_ascii_end().last();
    let after = bytes.get(end..).unwrap_or_default().trim_ascii_start().first();
    // Of what is not here, nothing is known, unless it is the beginning.
    before.is_some_and(|byte| b",[:".contains(byte)) && after.is_none_or(|byte| b",]}".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(bytes: &str, needle: &str, levels: &[Level]) -> Vec<String> {
        let at = bytes.find(needle).expect("the needle");
        around(bytes.as_bytes(), at, levels, &mut (1 << 20))
            .map(|around| {
                String::from_utf8(around.text).expect("UTF-8") + if around.cut.is_some() { "…" } else { "" }
            })
            .collect()
    }

    #[test]
    fn objects_around_a_place() {
        let bytes = r#"x {"a":{"b":1},"n":{"needle":"}{"},"c":[{}]} y"#;
        assert_eq!(
            texts(bytes, "needle", &[]),
            [r#"{"needle":"}{"}"#, r#"{"a":{"b":1},"n":{"needle":"}{"},"c":[{}]}"#]
        );
        let bytes = r#"{"log":"x {\"needle\":\"\\\"\"}\n","time":1}"#;
        assert_eq!(texts(bytes, "needle", &[Level::Json]), [r#"{"needle":"\""}"#]);
        assert_eq!(texts(r#"{"a":1} {"needle":"ab"#, "needle", &[]), [r#"{"needle":"ab…"#]);
        assert_eq!(texts(r#"needle} {"#, "needle", &[]), Vec::<String>::new());
    }

    #[test]
    fn what_may_be_a_part_of_another_object() {
        let may = |text: &str| {
            let (begin, end) = (text.find("{}").expect("an object"), text.find("{}").map_or(0, |at| at + 2));
            may_be_within(text.as_bytes(), begin, end)
        };
        for text in [r#"{"a":{}}"#, "[\n  {}\n]", r#"{"events": [{"b":1}, {}, 5]}"#, r#"{"a":[{}"#] {
            assert!(may(text), "{text}");
        }
        for text in ["{}", "{\"a\":1}\n{}\n{\"b\":1}", "a line: {}\nanother, ", "x {}", "[{}\n{"] {
            assert!(!may(text), "{text}");
        }
    }

    #[test]
    fn nothing_is_too_deep_or_too_long() {
        let deep = "{\"needle\":".to_owned() + &"{\"a\":".repeat(20_000);
        assert_eq!(texts(&deep, "needle", &[]), Vec::<String>::new());
        let long = format!("{{\"needle\":\"{}\"}}", "x".repeat(LONGEST));
        assert_eq!(texts(&long, "needle", &[]), Vec::<String>::new());
        let braces = "{".repeat(60_000) + "\"needle\":1";
        assert_eq!(texts(&braces, "needle", &[]).len(), 1);
    }
}
