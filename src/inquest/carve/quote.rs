//! Tells from what stands around `epitaph` whether it can be the name in a record.

use super::unescape::{DEEPEST, Levels, levels};

/// In which form the name stands.
#[derive(Debug, PartialEq, Eq)]
pub enum Key {
    /// a key of JSON, behind these levels of escaping
    Json(Levels),
    /// the first pair of a line of logfmt
    Logfmt,
}

/// What the name from `begin` to `end` is; none where it is a word like others.
pub fn key(bytes: &[u8], begin: usize, end: usize) -> Option<Key> {
    let (before, after) = (bytes.get(..begin)?, bytes.get(end..)?);
    if let Some(value) = after.strip_prefix(b"=") {
        let free = before.last().is_none_or(|byte| !byte.is_ascii_alphanumeric() && !b"_.-/".contains(byte));
        // `\nepitaph=`, a line end in a string.
        let free = free || before.ends_with(b"\\n") || before.ends_with(b"\\r");
        return (free && value.first().is_some_and(u8::is_ascii_lowercase)).then_some(Key::Logfmt);
    }
    let quote = quote_before(before)?;
    let after = after.strip_prefix(quote)?.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
    after.starts_with(quote).then(|| levels(quote).map(Key::Json))?
}

/// What stands for a quotation mark at the end of `before`.
fn quote_before(before: &[u8]) -> Option<&[u8]> {
    // The text before the mark may end in marks and backslashes only where that is a brace, a comma or a
    // blank.
    const LONGEST: usize = 1 << DEEPEST;
    let tail = before.get(before.len().saturating_sub(LONGEST)..)?;
    let mut rest = tail;
    loop {
        rest = match rest {
            [head @ .., b'"' | b'\\'] => head,
            [head @ .., b'u', b'0', b'0', b'2', b'2'] if head.ends_with(b"\\") => head,
            _ => break,
        };
    }
    let length = tail.len() - rest.len();
    tail.get(tail.len() - length..).filter(|quote| !quote.is_empty())
}

/// Whether the text of an object begins with the name.
pub fn is_first(text: &[u8]) -> bool {
    text.strip_prefix(b"{").is_some_and(|rest| rest.trim_ascii_start().starts_with(b"\"epitaph\""))
}

/// Whether the object begins as a record does: with one of its kinds, and its schema. Others may use the name
/// too.
pub fn names_kind(text: &[u8]) -> bool {
    let Some(value) = text.strip_prefix(b"{\"epitaph\":\"") else { return false };
    let word = value.iter().take_while(|byte| byte.is_ascii_lowercase() || **byte == b'_').count();
    let rest = value.get(word..).unwrap_or_default();
    let expected = b"\",\"schema\":";
    word > 0 && (rest.starts_with(expected) || expected.starts_with(rest))
}

#[cfg(test)]
mod tests {
    use super::super::unescape::Level;
    use super::*;

    #[test]
    fn forms() {
        let of = |text: &str| {
            let begin = text.find("epitaph").expect("the name");
            key(text.as_bytes(), begin, begin + 7)
        };
        let json = |levels: &[Level]| Some(Key::Json(levels.iter().copied().collect()));
        assert_eq!(of(r#"{"epitaph":"exit""#), json(&[]));
        assert_eq!(of(r#"{ "a": 1, "epitaph" : "exit""#), json(&[]));
        assert_eq!(of(r#"{\"epitaph\":\"exit\""#), json(&[Level::Json]));
        assert_eq!(of(r#""{""epitaph"":""exit"""#), json(&[Level::Csv]));
        assert_eq!(of(r#"{\u0022epitaph\u0022:\u0022exit"#), json(&[Level::Json]));
        assert_eq!(of("x epitaph=exit"), Some(Key::Logfmt));
        for other in [
            "/epitaph: x",
            r#""epitaph","#,
            r#"{"epitaph":1}"#,
            "my-epitaph=exit",
            "epitaph=",
            "[WARN epitaph (1)]",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
