//! A stream in windows: whoever looks at a byte sees what is around it, and no more is held.

use std::io::{self, Read};

/// How many bytes before a place are there, where the stream has so many: a line, an object around it.
pub const BACK: usize = 64 * 1024;

/// How many bytes from a place on are there: a record in all its escaping, with the parts it was split into.
pub const FORWARD: usize = 72 * 1024;

/// A part of a stream.
pub struct Window<'a> {
    /// its bytes
    pub bytes: &'a [u8],
    /// the place in the stream of the first of them
    pub offset: u64,
    /// places below this one have been looked at already; see [`Window::around`]
    pub from: usize,
    /// places from this one on are looked at in the next window
    pub to: usize,
    /// whether the stream ends with these bytes
    pub last: bool,
}

impl<'a> Window<'a> {
    /// What whoever looks at the place `at` may see, and how far into that `at` is. It is the same however large the
    /// windows are.
    pub fn around(&self, at: usize) -> (&'a [u8], usize) {
        let begin = at.saturating_sub(BACK);
        let end = at.saturating_add(FORWARD).min(self.bytes.len());
        (self.bytes.get(begin..end).unwrap_or_default(), at - begin)
    }
}

/// Reads `source` to its end, through windows of `size` bytes, each place in one of them.
///
/// # Errors
/// Those of read(2) and of what inflates; `look` has seen all that came before.
pub fn scan(mut source: impl Read, size: usize, mut look: impl FnMut(&Window<'_>)) -> io::Result<u64> {
    let mut buffer = vec![0; size.max(2 * (BACK + FORWARD))];
    let (mut offset, mut filled, mut from) = (0_u64, 0, 0);
    loop {
        let mut failure = None;
        let mut last = false;
        while filled < buffer.len() {
            match source.read(buffer.get_mut(filled..).unwrap_or_default()) {
                Ok(0) => {
                    last = true;
                    break;
                }
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    (failure, last) = (Some(error), true);
                    break;
                }
            }
        }
        let to = if last { filled } else { filled.saturating_sub(FORWARD) };
        look(&Window { bytes: buffer.get(..filled).unwrap_or_default(), offset, from, to, last });
        if last {
            return failure.map_or(Ok(offset + filled as u64), Err);
        }
        let dropped = to.saturating_sub(BACK);
        buffer.copy_within(dropped..filled, 0);
        (offset, filled, from) = (offset + dropped as u64, filled - dropped, to - dropped);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_is_seen_once_with_the_same_around_it() {
        let stream: Vec<u8> = (0..700_000_u32).map(|number| (number % 251) as u8).collect();
        for size in [1, 300_000, 2_000_000] {
            let mut seen = 0_usize;
            let length = scan(stream.as_slice(), size, |window| {
                assert_eq!(window.offset as usize + window.from, seen);
                for at in (window.from..window.to).step_by(997) {
                    let (around, place) = window.around(at);
                    let here = window.offset as usize + at;
                    let end = (here + FORWARD).min(stream.len());
                    assert_eq!(around, &stream[here.saturating_sub(BACK)..end]);
                    assert_eq!(place, here.min(BACK));
                }
                seen = window.offset as usize + window.to;
            });
            assert_eq!((seen, length.expect("a length")), (stream.len(), stream.len() as u64));
        }
    }

    struct Fails;
    impl Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("broken"))
        }
    }

    #[test]
    fn what_came_before_an_error_is_seen() {
        let mut seen = Vec::new();
        let result = scan(b"abc".chain(Fails), 1, |window| seen.extend_from_slice(window.bytes));
        assert!(result.is_err());
        assert_eq!(seen, b"abc");
    }
}
