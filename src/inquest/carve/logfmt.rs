//! Records in the text format: `epitaph=exit schema=1 …` (logfmt).

use super::unescape::{Levels, Next, Unescape, levels};
use serde_json::{Map, Value};

/// The longest record of the format, in bytes.
const LONGEST: usize = 16 * 1024;

/// The record whose first byte is that of `bytes`, and how many raw bytes it takes.
pub fn record(bytes: &[u8]) -> Option<(Map<String, Value>, usize)> {
    let line = bytes.get(..bytes.len().min(LONGEST))?;
    let line = line.split(|byte| *byte == b'\n').next()?;
    let levels = quote_of_value(line).unwrap_or_default();
    let mut map = Map::new();
    let mut source = Unescape::new(line, &levels);
    let mut used = 0;
    loop {
        let (mut key, mut end) = (Vec::new(), Next::Over);
        while let Next::Byte(byte) = source.next() {
            if !(byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.".contains(&byte)) {
                end = Next::Byte(byte);
                break;
            }
            key.push(byte);
        }
        if key.is_empty() || end != Next::Byte(b'=') {
            break;
        }
        let Some((value, more)) = value(&mut source) else { break };
        used = source.used();
        let key = String::from_utf8(key).ok()?;
        let value = if is_text(&key) { Value::String(value) } else { number_or_text(value) };
        map.insert(key, value);
        if !more {
            break;
        }
    }
    (map.len() >= 3).then_some((map, used))
}

/// The escaping around the line, told by the first value in quotation marks.
fn quote_of_value(line: &[u8]) -> Option<Levels> {
    let finder = memchr::memchr_iter(b'=', line);
    finder.filter_map(|at| line.get(at + 1..)).find_map(|value| {
        let quote = value.iter().take_while(|byte| b"\"\\".contains(byte)).count();
        let quote = value.get(..quote).filter(|quote| !quote.is_empty())?;
        levels(quote)
    })
}

/// A value, and whether another pair may follow.
fn value(source: &mut Unescape<'_>) -> Option<(String, bool)> {
    let mut text = Vec::new();
    let mut next = source.next();
    if next == Next::Byte(b'"') {
        text.push(b'"');
        let mut escaped = false;
        loop {
            let Next::Byte(byte) = source.next() else { return None };
            text.push(byte);
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => break,
                _ => {}
            }
        }
        let value: String = serde_json::from_slice(&text).ok()?;
        return Some((value, source.next() == Next::Byte(b' ')));
    }
    loop {
        match next {
            Next::Byte(b' ') => return Some((String::from_utf8(text).ok()?, true)),
            Next::Byte(byte) if byte.is_ascii_graphic() && !b"\"\\=".contains(&byte) => text.push(byte),
            _ => return Some((String::from_utf8(text).ok()?, false)),
        }
        next = source.next();
    }
}

/// Keys whose values are texts although they may look like numbers.
fn is_text(key: &str) -> bool {
    let last = key.rsplit('.').next().unwrap_or(key);
    const TEXTS: [&str; 12] = [
        "revision",
        "account",
        "container_id",
        "task_id",
        "program",
        "name",
        "hostname",
        "service",
        "family",
        "cluster",
        "container_name",
        "docker_name",
    ];
    TEXTS.contains(&last)
}

fn number_or_text(text: String) -> Value {
    match text.parse::<i64>() {
        Ok(number) => Value::from(number),
        Err(_) => Value::String(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_alone_and_in_wrappers() {
        let line = r#"epitaph=exit schema=1 time=2026-11-23T17:02:10.691Z pid=6 exit.code=3 exit.why="it \"said\" so" revision=26"#;
        let quoted = serde_json::to_string(line).expect("JSON");
        let csv = line.replace('"', "\"\"");
        let wrapped = [
            format!("{line}\nnext=1"),
            quoted.trim_start_matches('"').to_owned(),
            format!("{csv}\",b"),
            format!("{line} [end]"),
        ];
        for text in wrapped {
            let (map, used) = record(text.as_bytes()).expect("a record");
            assert_eq!(map.get("exit.why"), Some(&Value::from("it \"said\" so")), "{text}");
            assert_eq!(map.get("exit.code"), Some(&Value::from(3)));
            assert_eq!(map.get("revision"), Some(&Value::from("26")), "{text}");
            assert_eq!(map.len(), 7);
            assert!(used >= line.len());
        }
        assert_eq!(record(b"epitaph=exit and more"), None);
    }
}
