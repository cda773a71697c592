//! `docker logs --timestamps` prints a time before each part of a line, and so amid a record that was cut.

use crate::inquest::time;

/// How long a time is with its blank: nine digits of the second, as Docker has them there.
const STAMP: usize = "2026-11-27T16:36:26.695219915Z ".len();

/// How long a part is.
const PART: usize = 16 * 1024;

/// What stands from `begin` to `end` without such times; none where there is none.
pub fn without(bytes: &[u8], begin: usize, end: usize) -> Option<Vec<u8>> {
    let line = memchr::memrchr(b'\n', bytes.get(..begin)?).map_or(0, |at| at + 1);
    if end - line <= STAMP + PART || !is_stamp(bytes, line) {
        return None;
    }
    let mut text = Vec::new();
    let (mut from, mut stamp) = (begin, line);
    while stamp + STAMP <= end {
        if stamp >= from {
            text.extend_from_slice(bytes.get(from..stamp).filter(|_| is_stamp(bytes, stamp))?);
            from = stamp + STAMP;
        }
        stamp += STAMP + PART;
    }
    text.extend_from_slice(bytes.get(from..end)?);
    (from > begin).then_some(text)
}

fn is_stamp(bytes: &[u8], at: usize) -> bool {
    let text = bytes.get(at..at + STAMP).and_then(|stamp| std::str::from_utf8(stamp).ok());
    text.and_then(|text| text.strip_suffix(' ')).is_some_and(|text| time::rfc3339(text).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_amid_a_record() {
        let stamp = "2026-11-27T16:36:26.695219915Z ";
        let open = "y".repeat(PART - 10);
        let line = format!("x\n{stamp}{open}{{\"needle\":{stamp}\"ab\"}}\n");
        let begin = line.find('{').expect("a brace");
        let end = line.len() - 1;
        let undone = |line: &str| {
            without(line.as_bytes(), begin, end).map(|text| String::from_utf8(text).expect("UTF-8"))
        };
        assert_eq!(undone(&line).as_deref(), Some(r#"{"needle":"ab"}"#));
        // Another length, and no time.
        assert_eq!(undone(&line.replacen('y', "", 1)), None);
        assert_eq!(undone(&line.replace(stamp, &"z".repeat(STAMP))), None);
        let whole = format!("{stamp}{{\"needle\":\"{stamp}\"}}");
        assert_eq!(without(whole.as_bytes(), STAMP, whole.len()), None);
    }
}
