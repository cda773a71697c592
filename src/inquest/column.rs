//! Lines in columns: what a container runtime and syslog put before a text.

/// What stands before the text of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column<'a> {
    /// whose line it is: the stream, or the host, the program and its process ID
    pub words: Vec<&'a [u8]>,
    /// where the text begins, in bytes
    pub text: usize,
    /// whether a container's runtime wrote it, in a log of that container alone
    pub of_runtime: bool,
}

/// The column of a line; none where it has no form that is known.
pub fn column(line: &[u8]) -> Option<Column<'_>> {
    let blank = |count: usize| memchr::memchr_iter(b' ', line).nth(count - 1);
    let words: Vec<&[u8]> = line.get(..line.len().min(512))?.splitn(9, |byte| *byte == b' ').collect();
    let (words, blanks, of_runtime) = match words.as_slice() {
        // 2026-11-26T21:06:01.351903955+00:00 stderr P text
        [time, stream @ (b"stdout" | b"stderr"), b"P" | b"F", ..] if time.contains(&b'T') => {
            (vec![*stream], 3, true)
        }
        // <27>1 2026-11-23T17:02:10Z host name 123 message-id - text
        [priority, _, host, name, process, message, b"-", ..]
            if priority.starts_with(b"<") && priority.ends_with(b">1") =>
        {
            (vec![*host, *name, *process, *message], 7, false)
        }
        // <27>Nov 26 21:04:23 name[123]: text
        [month, _, time, name, ..]
            if month.starts_with(b"<") && time.contains(&b':') && name.ends_with(b":") =>
        {
            (vec![*name], 4, false)
        }
        // Nov 26 21:22:38 vm name[123]: text
        [_, _, time, host, name, ..] if time.contains(&b':') && name.ends_with(b":") => {
            (vec![*host, *name], 5, false)
        }
        // 2026-11-26T21:22:38.123456+00:00 vm name[123]: text
        [time, host, name, ..] if time.len() > 18 && time.contains(&b'T') && name.ends_with(b":") => {
            (vec![*host, *name], 3, false)
        }
        _ => return None,
    };
    Some(Column { words, text: blank(blanks)? + 1, of_runtime })
}
