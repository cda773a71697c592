//! What `journalctl -o export` prints: an entry has a field on each line and an empty line behind it. A field
//! with other bytes than text is its name, the length of the value in 8 bytes, little-endian, and the value
//! (systemd's "Journal Export Formats").

/// How each entry begins.
const FIRST: &[u8] = b"__CURSOR=";

/// The most fields of an entry that are read.
const FIELDS: usize = 128;

/// An entry.
#[derive(Debug)]
pub struct Entry<'a> {
    /// where its first field begins
    pub begin: usize,
    /// behind the empty line
    pub end: usize,
    bytes: &'a [u8],
    /// the names, and where the values begin and how long they are
    fields: Vec<(&'a [u8], usize, usize)>,
}

impl<'a> Entry<'a> {
    /// The entry whose first field is at `begin`; none where there is no whole one.
    pub fn at(bytes: &'a [u8], begin: usize) -> Option<Entry<'a>> {
        let mut fields = Vec::new();
        let mut at = begin;
        loop {
            let rest = bytes.get(at..)?;
            let length = memchr::memchr(b'\n', rest)?;
            let line = rest.get(..length)?;
            if line.is_empty() {
                return (at > begin).then_some(Entry { begin, end: at + 1, bytes, fields });
            }
            let (name, value, length) = match memchr::memchr(b'=', line) {
                Some(equals) => (line.get(..equals)?, at + equals + 1, length - equals - 1),
                None => {
                    let bytes: [u8; 8] = rest.get(length + 1..length + 9)?.try_into().ok()?;
                    (line, at + length + 9, usize::try_from(u64::from_le_bytes(bytes)).ok()?)
                }
            };
            at = value.checked_add(length)?.checked_add(1)?;
            if at > bytes.len() || fields.len() >= FIELDS {
                return None;
            }
            fields.push((name, value, length));
        }
    }

    /// The entries that are whole, from the first one on.
    pub fn all(bytes: &'a [u8]) -> impl Iterator<Item = Entry<'a>> {
        let mut next = if bytes.starts_with(FIRST) {
            Some(0)
        } else {
            memchr::memmem::find(bytes, b"\n\n__CURSOR=").map(|at| at + 2)
        };
        std::iter::from_fn(move || {
            let entry = Entry::at(bytes, next?)?;
            next = Some(entry.end);
            Some(entry)
        })
    }

    /// The entry that the place is in.
    pub fn around(bytes: &'a [u8], place: usize) -> Option<Entry<'a>> {
        Entry::all(bytes).find(|entry| entry.end > place).filter(|entry| entry.begin <= place)
    }

    /// Where the value of a field begins, and how long it is.
    pub fn place_of(&self, name: &str) -> Option<(usize, usize)> {
        let field = self.fields.iter().find(|(known, ..)| *known == name.as_bytes());
        field.map(|(_, begin, length)| (*begin, *length))
    }

    /// The value of a field.
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        let (begin, length) = self.place_of(name)?;
        self.bytes.get(begin..begin.checked_add(length)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries() {
        let first = "__CURSOR=1\nMESSAGE=a=b\nX=\n\n";
        // A length that is a line end itself, and a value with an empty line.
        let binary = "__CURSOR=2\nMESSAGE\n\n\0\0\0\0\0\0\0\u{1b}[1m\n\nend.\nX=1\n\n";
        let text = format!("rest of=one\n\n{first}{binary}__CURSOR=3\nMESSAGE=cut\n");
        let bytes = text.as_bytes();
        let entries: Vec<Entry<'_>> = Entry::all(bytes).collect();
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[0].get("MESSAGE"), Some(&b"a=b"[..]));
        assert_eq!(entries[0].get("X"), Some(&b""[..]));
        assert_eq!(entries[1].get("MESSAGE"), Some(&b"\x1b[1m\n\nend."[..]));
        assert_eq!((entries[1].get("X"), entries[1].get("Y")), (Some(&b"1"[..]), None));
        let place = text.find("end.").expect("the text");
        assert_eq!(Entry::around(bytes, place).map(|entry| entry.begin), Some(entries[1].begin));
        assert!(Entry::around(bytes, bytes.len() - 2).is_none() && Entry::around(bytes, 0).is_none());
        // Lengths of nothing that is there.
        for length in [[255_u8; 8], [255, 255, 0, 0, 0, 0, 0, 0]] {
            let cut = [b"__CURSOR=1\nMESSAGE\n", &length[..], b"x\n\n"].concat();
            assert_eq!(Entry::all(&cut).count(), 0);
        }
    }
}
