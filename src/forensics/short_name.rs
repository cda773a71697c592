//! A name from the kernel, kept without the heap.

use std::fmt;

/// The most bytes that are kept: a process's name has at most 15, and three times that where every one of
/// them has to be replaced; names of kernel functions are cut.
const LONGEST: usize = 48;

/// A name of a process or of a kernel function: valid text of at most 48 bytes, without control characters.
///
/// A process may call itself anything; what is no text, and control characters (a line end, an escape
/// sequence), stand as U+FFFD.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ShortName {
    bytes: [u8; LONGEST],
    length: u8,
}

impl ShortName {
    /// The name that these bytes are.
    pub fn new(raw: &[u8]) -> ShortName {
        let mut name = ShortName { bytes: [0; LONGEST], length: 0 };
        for chunk in raw.utf8_chunks() {
            let replaced = (!chunk.invalid().is_empty()).then_some(char::REPLACEMENT_CHARACTER);
            for character in chunk.valid().chars().chain(replaced) {
                if !name.push(if character.is_control() { char::REPLACEMENT_CHARACTER } else { character }) {
                    return name;
                }
            }
        }
        name
    }

    /// Whether there was room.
    fn push(&mut self, character: char) -> bool {
        let start = usize::from(self.length);
        let Some(room) = self.bytes.get_mut(start..start + character.len_utf8()) else { return false };
        character.encode_utf8(room);
        self.length += character.len_utf8() as u8;
        true
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..usize::from(self.length)).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl fmt::Display for ShortName {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for ShortName {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::ShortName;

    #[test]
    fn takes_any_bytes() {
        let cases: [(&[u8], &str); 6] = [
            (b"nginx", "nginx"),
            (b"", ""),
            (b"a) (b", "a) (b"),
            (b"two\nlines\x1b[1m", "two\u{fffd}lines\u{fffd}[1m"),
            (b"caf\xc3\xa9 \xff\xfe", "café \u{fffd}\u{fffd}"),
            (b"cut\xe2\x82", "cut\u{fffd}"),
        ];
        for (raw, text) in cases {
            assert_eq!(ShortName::new(raw).as_str(), text);
        }
    }

    #[test]
    fn holds_fifteen_bytes_of_nonsense_and_cuts_between_characters() {
        assert_eq!(ShortName::new(&[0xff; 15]).as_str(), "\u{fffd}".repeat(15));
        assert_eq!(ShortName::new("é".repeat(40).as_bytes()).as_str(), "é".repeat(24));
        assert_eq!(ShortName::new(format!("{}é", "x".repeat(47)).as_bytes()).as_str(), "x".repeat(47));
    }
}
