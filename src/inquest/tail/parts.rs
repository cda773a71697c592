//! Puts the parts of a line together.

use super::piece::{Open, Piece};
use super::text::{LONGEST, begins_record, kept};
use crate::inquest::case::LastLine;

/// A line of the program, with what there is of its text.
struct Whole {
    time: Option<i64>,
    text: String,
    /// a record, or with one in it
    is_record: bool,
}

/// The program's own lines in pieces that come in the order of the log.
pub fn joined(pieces: &[Piece]) -> Vec<LastLine> {
    // Collectors take the line end of each line away; in the log of one that does not, it ends a line.
    let keeps_line_ends = pieces.iter().any(|piece| piece.text.ends_with('\n'));
    let mut lines: Vec<Whole> = Vec::new();
    // Which line of each stream is to go on.
    let mut begun: Vec<(&str, usize)> = Vec::new();
    for piece in pieces {
        let is_open = match piece.open {
            Open::Yes => true,
            Open::No => false,
            Open::WithoutLineEnd => keeps_line_ends,
        };
        // Where nothing tells the stream, the line end that epitaph writes before a record may come between.
        if piece.stream.is_empty() && piece.text.trim().is_empty() {
            continue;
        }
        // Its records are whole lines, so no part begins with one unless the line does.
        let place = if begins_record(&piece.text) {
            None
        } else {
            begun.iter().position(|(stream, _)| *stream == piece.stream)
        };
        let line = place.and_then(|place| lines.get_mut(begun.get(place)?.1));
        match (line, place) {
            (Some(line), Some(place)) => {
                // More of it is not shown.
                if line.text.len() <= LONGEST {
                    line.text.push_str(&piece.text);
                }
                line.is_record |= piece.is_record();
                if !is_open || line.is_record && piece.text.trim_end().ends_with('}') {
                    begun.swap_remove(place);
                }
            }
            _ => {
                if is_open {
                    begun.push((&piece.stream, lines.len()));
                }
                let (text, is_record) = (piece.text.clone(), piece.is_record());
                lines.push(Whole { time: piece.time, text, is_record });
            }
        }
    }
    let own = lines.iter().filter(|line| !line.is_record);
    own.flat_map(|line| line.text.lines().filter_map(|text| kept(text, line.time))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(pieces: &[(&str, Open, &str)]) -> Vec<String> {
        let piece = |(stream, open, text): &(&str, Open, &str)| Piece {
            time: None,
            text: (*text).to_owned(),
            stream: (*stream).to_owned(),
            open: *open,
        };
        joined(&pieces.iter().map(piece).collect::<Vec<_>>()).into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn parts_of_two_streams() {
        use Open::{No, WithoutLineEnd, Yes};
        const RECORD: &str = r#"{"epitaph":"exit","schema":1}"#;
        let pieces = [
            ("out", Yes, "a"),
            ("err", No, "one"),
            ("err", Yes, "x"),
            ("out", Yes, "b"),
            ("err", No, "y"),
            ("out", No, "c"),
            ("out", No, "two"),
        ];
        assert_eq!(texts(&pieces), ["abc", "one", "xy", "two"]);
        // Where the stream is not known, the record is still no part of the program's line.
        let pieces = [("", Yes, "a"), ("", No, ""), ("", No, RECORD), ("", No, "b"), ("", No, "two")];
        assert_eq!(texts(&pieces), ["ab", "two"]);
        let pieces = [("out", WithoutLineEnd, "a"), ("out", WithoutLineEnd, "b")];
        assert_eq!(texts(&pieces), ["a", "b"]);
        let pieces = [pieces[0], pieces[1], ("out", No, "c\n"), ("out", No, "d\n")];
        assert_eq!(texts(&pieces), ["abc", "d"]);
        // A record that stands behind an open line, and its rest.
        let (head, rest) = RECORD.split_at(12);
        let open = "a".to_owned() + head;
        assert_eq!(texts(&[("", Yes, &open), ("", No, rest), ("", No, "two")]), ["two"]);
        let long = "x".repeat(LONGEST);
        assert_eq!(texts(&[("", Yes, &long), ("", Yes, "y"), ("", No, "z")]), [long]);
    }
}
