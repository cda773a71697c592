//! Whether bytes that another process sent have the form of what PID 1 writes into its lines.
//!
//! Nothing is taken out of them: they are only looked through, in one pass, with a bounded depth.

use crate::identity::Field;
use crate::shown::is_forbidden;

/// The longest record in bytes, its line ends included. Up to PIPE_BUF, 4,096 bytes on Linux, a write to a
/// pipe is not mixed with others (pipe(7)); and `journalctl -o json` shows a message of 4,088 bytes and more
/// as `null` (`JSON_THRESHOLD` in systemd's src/shared/logs-show.c, which counts the name of the field too).
pub const LONGEST: usize = 4088;

/// How deep objects and lists may lie in one another. Records have four levels.
const DEPTH: u8 = 8;

/// `"key":value` pairs of an identity with commas between them, without blanks, each key one that is known
/// and there once.
pub(super) fn is_json_pairs(text: &str) -> bool {
    let mut scan = Scan::new(text);
    text.is_empty() || (scan.pairs(DEPTH, Some(is_known)).is_some() && scan.is_at_end())
}

/// What divides metrics: a list of lists of names, and after a line end the members that they name, as pairs.
pub(super) fn is_dimensions(text: &str) -> bool {
    let Some((sets, members)) = text.split_once('\n') else { return text.is_empty() };
    let mut scan = Scan::new(sets);
    sets.starts_with("[[\"") && scan.value(DEPTH).is_some() && scan.is_at_end() && is_json_pairs(members)
}

/// `key=value` pairs of an identity as logfmt has them, with one blank between them.
pub(super) fn is_text_pairs(text: &str) -> bool {
    text.is_empty() || text_pairs(text, is_known)
}

/// A record in JSON: one line with its end, which may begin with a line end.
pub(super) fn is_json_line(text: &str) -> bool {
    let Some(line) = line(text).filter(|line| line.starts_with("{\"epitaph\":\"")) else { return false };
    let mut scan = Scan::new(line);
    scan.value(DEPTH).is_some() && scan.is_at_end()
}

/// The same in logfmt.
pub(super) fn is_text_line(text: &str) -> bool {
    line(text).is_some_and(|line| line.starts_with("epitaph=") && text_pairs(line, |_| true))
}

fn line(text: &str) -> Option<&str> {
    text.strip_prefix('\n').unwrap_or(text).strip_suffix('\n')
}

fn is_known(key: &str) -> bool {
    matches!(key, "source" | "sources" | "identity_conflict") || Field::from_name(key).is_some()
}

fn text_pairs(text: &str, is_known: fn(&str) -> bool) -> bool {
    let mut scan = Scan::new(text);
    loop {
        let key = scan.take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'));
        if !is_known(key.split('.').next().unwrap_or_default()) || key.is_empty() || scan.eat(b'=').is_none()
        {
            return false;
        }
        let is_value = if scan.peek() == Some(b'"') {
            scan.string().is_some()
        } else {
            !scan
                .take_while(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'=' | b'\\'))
                .is_empty()
        };
        if !is_value {
            return false;
        }
        if scan.is_at_end() {
            return true;
        }
        if scan.eat(b' ').is_none() {
            return false;
        }
    }
}

/// What is left to look through. Each method goes past what it finds, or returns `None` where it is not
/// there.
struct Scan<'a> {
    rest: &'a str,
}

impl<'a> Scan<'a> {
    /// Nothing is found in a text that holds what may not stand in a line.
    fn new(text: &'a str) -> Scan<'a> {
        Scan { rest: if text.contains(is_forbidden) { "\0" } else { text } }
    }

    fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    fn peek(&self) -> Option<u8> {
        self.rest.bytes().next()
    }

    /// Goes past one byte, which is ASCII.
    fn eat(&mut self, byte: u8) -> Option<()> {
        self.rest = self.rest.strip_prefix(char::from(byte))?;
        Some(())
    }

    fn take_while(&mut self, is_part: impl Fn(u8) -> bool) -> &'a str {
        let end = self.rest.bytes().position(|byte| !is_part(byte)).unwrap_or(self.rest.len());
        let (part, rest) = self.rest.split_at_checked(end).unwrap_or(("", self.rest));
        self.rest = rest;
        part
    }

    fn value(&mut self, depth: u8) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        match self.peek()? {
            b'"' => self.string().map(drop),
            b'{' => {
                self.eat(b'{')?;
                if self.peek()? != b'}' {
                    self.pairs(depth, None)?;
                }
                self.eat(b'}')
            }
            b'[' => {
                self.eat(b'[')?;
                while self.peek()? != b']' {
                    self.value(depth)?;
                    if self.eat(b',').is_none() {
                        break;
                    }
                    // A comma is followed by one more.
                    (self.peek()? != b']').then_some(())?;
                }
                self.eat(b']')
            }
            b't' => self.word("true"),
            b'f' => self.word("false"),
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(word)?;
        Some(())
    }

    /// Numbers in records are whole.
    fn number(&mut self) -> Option<()> {
        let _ = self.eat(b'-');
        let digits = self.take_while(|byte| byte.is_ascii_digit());
        (digits == "0" || (!digits.is_empty() && !digits.starts_with('0'))).then_some(())
    }

    /// A string in quotes; returns what stands between them, as it stands there.
    fn string(&mut self) -> Option<&'a str> {
        self.eat(b'"')?;
        let whole = self.rest;
        loop {
            self.take_while(|byte| byte != b'"' && byte != b'\\');
            if self.peek()? == b'"' {
                let text = whole.get(..whole.len().checked_sub(self.rest.len())?)?;
                self.eat(b'"')?;
                return Some(text);
            }
            self.eat(b'\\')?;
            self.escape()?;
        }
    }

    fn escape(&mut self) -> Option<()> {
        if self.eat(b'u').is_none() {
            let letter = self.peek().filter(|letter| b"\"\\/bfnrt".contains(letter))?;
            return self.eat(letter);
        }
        let (digits, rest) = self.rest.split_at_checked(4)?;
        // Half of a pair is no character, and what is beyond U+FFFF stands as itself.
        let is_whole = digits.bytes().all(|digit| digit.is_ascii_hexdigit())
            && u32::from_str_radix(digits, 16).ok().and_then(char::from_u32).is_some();
        self.rest = rest;
        is_whole.then_some(())
    }

    /// Pairs up to what does not go on with a comma. No key is there twice.
    fn pairs(&mut self, depth: u8, is_known: Option<fn(&str) -> bool>) -> Option<()> {
        let mut keys = Vec::new();
        loop {
            let key = self.string()?;
            if keys.contains(&key) || is_known.is_some_and(|is_known| !is_known(key)) {
                return None;
            }
            keys.push(key);
            self.eat(b':')?;
            self.value(depth)?;
            if self.eat(b',').is_none() {
                return Some(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_that_is_whole_and_json_that_is_not() {
        for right in
            ["{}", "[]", "[1,\"a\",{\"b\":[-2,0]}]", "\"\\u00e9\\\"\\\\é\"", "true", "18446744073709551615"]
        {
            let mut scan = Scan::new(right);
            assert!(scan.value(DEPTH).is_some() && scan.is_at_end(), "{right}");
            assert!(serde_json::from_str::<serde_json::Value>(right).is_ok(), "{right}");
        }
        let deep = "[".repeat(20) + &"]".repeat(20);
        for wrong in [
            "",
            "{",
            "[1,]",
            "{\"a\":1,}",
            "{\"a\"}",
            "{\"a\":1 }",
            "01",
            "-",
            "1.5",
            "null",
            "\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\ud800\"",
            "\"a\nb\"",
            "{\"a\":1,\"a\":2}",
            "\"\u{202e}\"",
            "tru",
            "\"\\u+123\"",
            &deep,
        ] {
            let mut scan = Scan::new(wrong);
            assert!(scan.value(DEPTH).is_none() || !scan.is_at_end(), "{wrong}");
        }
    }

    proptest::proptest! {
        /// What this takes is JSON to others too.
        #[test]
        fn what_is_taken_is_json(text in "[\\[\\]{}\",:\\\\a0-9u]{0,24}") {
            let mut scan = Scan::new(&text);
            if scan.value(DEPTH).is_some() && scan.is_at_end() {
                let parsed = serde_json::from_str::<serde_json::Value>(&text);
                assert!(parsed.is_ok() || text.len() > 20, "{text}: {parsed:?}");
            }
        }
    }
}
