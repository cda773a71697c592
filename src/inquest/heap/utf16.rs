//! UTF-16, as PowerShell's `>` writes it.

use std::io::{self, BufRead, BufReader, Read};

/// Turns UTF-16 into UTF-8; what is no character becomes U+FFFD.
pub struct Utf16<R: Read> {
    source: BufReader<R>,
    big_endian: bool,
    /// the first half of a surrogate pair
    high: Option<u16>,
    ready: Vec<u8>,
    given: usize,
}

impl<R: Read> Utf16<R> {
    /// `source` stands behind the byte order mark.
    pub fn new(source: R, big_endian: bool) -> Utf16<R> {
        Utf16 {
            source: BufReader::with_capacity(64 * 1024, source),
            big_endian,
            high: None,
            ready: Vec::new(),
            given: 0,
        }
    }

    fn unit(&mut self) -> io::Result<Option<u16>> {
        let mut pair = [0; 2];
        for place in &mut pair {
            let Some(byte) = self.source.fill_buf()?.first().copied() else { return Ok(None) };
            self.source.consume(1);
            *place = byte;
        }
        Ok(Some(if self.big_endian { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) }))
    }

    fn refill(&mut self) -> io::Result<()> {
        self.ready.clear();
        self.given = 0;
        while self.ready.len() < 16 * 1024 {
            let Some(unit) = self.unit()? else {
                if self.high.take().is_some() {
                    self.push(char::REPLACEMENT_CHARACTER);
                }
                return Ok(());
            };
            let pending = self.high.take();
            if (0xd800..0xdc00).contains(&unit) {
                if pending.is_some() {
                    self.push(char::REPLACEMENT_CHARACTER);
                }
                self.high = Some(unit);
                continue;
            }
            let units = pending.into_iter().chain([unit]);
            let decoded: Vec<char> =
                char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
            for letter in decoded {
                self.push(letter);
            }
        }
        Ok(())
    }

    fn push(&mut self, letter: char) {
        let mut bytes = [0; 4];
        self.ready.extend_from_slice(letter.encode_utf8(&mut bytes).as_bytes());
    }
}

impl<R: Read> Read for Utf16<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given == self.ready.len() {
            self.refill()?;
        }
        let mut rest = self.ready.get(self.given..).unwrap_or_default();
        let count = rest.read(buffer)?;
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_orders_pairs_and_halves() {
        let units: Vec<u16> = "a{\u{1f980}é".encode_utf16().chain([0xd800, 0x41, 0xdc00]).collect();
        for big_endian in [false, true] {
            let bytes: Vec<u8> = units
                .iter()
                .flat_map(|unit| if big_endian { unit.to_be_bytes() } else { unit.to_le_bytes() })
                .collect();
            let mut text = String::new();
            Utf16::new(bytes.as_slice(), big_endian).read_to_string(&mut text).expect("UTF-8");
            assert_eq!(text, "a{\u{1f980}é\u{fffd}A\u{fffd}");
        }
    }
}
