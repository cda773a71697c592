//! gzip as it is met in logs: several members, padding and garbage behind them, ends that are missing.

use flate2::bufread::GzDecoder;
use std::io::{self, BufRead, BufReader, Read};

/// The first bytes of a gzip member (RFC 1952, 2.3.1), with the only method there is.
pub const GZIP: [u8; 3] = [0x1f, 0x8b, 8];

/// All members of a gzip file, one after another. NULs behind the last one are the end (tar and O_DIRECT
/// leave them); other bytes behind it are an error, once all before them were given.
pub struct Gunzip<R: Read> {
    state: State<BufReader<R>>,
}

enum State<R: BufRead> {
    Member(Box<GzDecoder<R>>),
    Between(R),
    Ended,
}

impl<R: Read> Gunzip<R> {
    /// Reads members from `source`.
    pub fn new(source: R) -> Gunzip<R> {
        Gunzip { state: State::Member(Box::new(GzDecoder::new(BufReader::with_capacity(64 * 1024, source)))) }
    }
}

impl<R: Read> Read for Gunzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match std::mem::replace(&mut self.state, State::Ended) {
                State::Ended => return Ok(0),
                State::Member(mut member) => match member.read(buffer)? {
                    0 if buffer.is_empty() => {
                        self.state = State::Member(member);
                        return Ok(0);
                    }
                    0 => self.state = State::Between(member.into_inner()),
                    count => {
                        self.state = State::Member(member);
                        return Ok(count);
                    }
                },
                State::Between(mut source) => match skip_padding(&mut source)? {
                    Next::End => return Ok(0),
                    Next::Member => self.state = State::Member(Box::new(GzDecoder::new(source))),
                    Next::Garbage => {
                        let text = "all of it was read, but other bytes follow the end of the gzip data";
                        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
                    }
                },
            }
        }
    }
}

enum Next {
    End,
    Member,
    Garbage,
}

fn skip_padding(source: &mut impl BufRead) -> io::Result<Next> {
    loop {
        let bytes = source.fill_buf()?;
        let Some(first) = bytes.first() else { return Ok(Next::End) };
        match first {
            0 => {
                let padding = bytes.iter().take_while(|byte| **byte == 0).count();
                source.consume(padding);
            }
            0x1f => return Ok(Next::Member),
            _ => return Ok(Next::Garbage),
        }
    }
}

/// What `bytes` inflate to, up to `limit` bytes; whatever came before an error counts.
pub fn gunzip_bounded(bytes: &[u8], limit: u64) -> Vec<u8> {
    let mut inflated = Vec::new();
    // What came before the damage is there all the same.
    let _ = Gunzip::new(bytes).take(limit).read_to_end(&mut inflated);
    inflated
}
