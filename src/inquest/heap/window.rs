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
    /// the first place that may be worth a look
    pub first: usize,
    /// places from this one on are looked at in the next window
    pub to: usize,
    /// whether the stream ends with these bytes
    pub last: bool,
}

impl<'a> Window<'a> {
    /// What whoever looks at the place `at` may see, and how far into that `at` is. It is the same however
    /// large the windows are.
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
pub fn scan(source: impl Read, size: usize, look: impl FnMut(&Window<'_>)) -> io::Result<u64> {
    // Any place may be worth a look.
    scan_for(source, size, &Search { find: &|_, from| Some(from), longest: 1 }, look)
}

/// What is looked for while the bytes are still in the processor's cache.
pub struct Search<'a> {
    /// the first place at or behind another one that is worth a look
    pub find: &'a dyn Fn(&[u8], usize) -> Option<usize>,
    /// how many bytes from a place on it needs to see
    pub longest: usize,
}

/// How much is read and searched at a time, in bytes.
const STEP: usize = 64 * 1024;

/// The same with a search: what it finds nothing in has no places to look at, and less of it is kept.
///
/// # Errors
/// As [`scan`].
pub fn scan_for(
    mut source: impl Read,
    size: usize,
    search: &Search<'_>,
    mut look: impl FnMut(&Window<'_>),
) -> io::Result<u64> {
    let mut buffer = vec![0; size.max(2 * (BACK + FORWARD))];
    let (mut offset, mut filled, mut from) = (0_u64, 0, 0);
    loop {
        let (mut failure, mut last) = (None, false);
        // The first place worth a look, and up to where there is none.
        let (mut first, mut quiet) = (None, from);
        while filled < buffer.len() && !last {
            let end = buffer.len().min(filled + STEP);
            match source.read(buffer.get_mut(filled..end).unwrap_or_default()) {
                Ok(0) => last = true,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => (failure, last) = (Some(error), true),
            }
            if first.is_none() {
                first = (search.find)(buffer.get(..filled).unwrap_or_default(), quiet);
                // What begins at the end may go on behind it.
                let seen =
                    if last { filled } else { filled.saturating_sub(search.longest.saturating_sub(1)) };
                quiet = first.unwrap_or(seen).max(quiet);
            }
        }
        let to = if last { filled } else { filled.saturating_sub(FORWARD).max(quiet) };
        let first = first.unwrap_or(to).min(to);
        look(&Window { bytes: buffer.get(..filled).unwrap_or_default(), offset, from, first, to, last });
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

    #[test]
    fn no_place_worth_a_look_is_missed() {
        let mut stream = vec![b'x'; 1_500_000];
        let places = [0, 1, 65_534, 65_535, 65_536, 400_000, 400_003, 524_287, 524_288, 999_999, 1_499_997];
        for place in places {
            stream[place..place + 3].copy_from_slice(b"abc");
        }
        // Of those that overlap, what is left.
        let expected: Vec<usize> = memchr::memmem::find_iter(&stream, b"abc").collect();
        assert_eq!(expected.len(), 7);
        let find = |bytes: &[u8], from: usize| Some(memchr::memmem::find(bytes.get(from..)?, b"abc")? + from);
        for (size, chunk) in [(1, usize::MAX), (524_288, usize::MAX), (524_288, 7_919), (2_000_000, 65_536)] {
            let mut seen = Vec::new();
            let mut covered = 0;
            let source = Slow { rest: &stream, chunk };
            scan_for(source, size, &Search { find: &find, longest: 3 }, |window| {
                assert_eq!(window.offset as usize + window.from, covered);
                covered = window.offset as usize + window.to;
                let mut from = window.first;
                assert!(find(window.bytes, window.from).is_none_or(|place| place >= window.first));
                while let Some(place) = find(window.bytes, from).filter(|place| *place < window.to) {
                    let here = window.offset as usize + place;
                    let (around, at) = window.around(place);
                    let end = (here + FORWARD).min(stream.len());
                    assert_eq!(around, &stream[here.saturating_sub(BACK)..end]);
                    assert_eq!(at, here.min(BACK));
                    seen.push(here);
                    from = place + 1;
                }
            })
            .expect("read");
            assert_eq!((seen, covered), (expected.clone(), stream.len()), "{size} {chunk}");
        }
    }

    /// Gives so many bytes at a time.
    struct Slow<'a> {
        rest: &'a [u8],
        chunk: usize,
    }
    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let most = buffer.len().min(self.chunk);
            self.rest.read(&mut buffer[..most])
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
