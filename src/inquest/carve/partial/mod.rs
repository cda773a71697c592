//! Joins a record that a log driver has cut in two: Docker cuts a line at 16 KiB, through a record where the
//! program left a line open before it.

mod entries;
mod export;
mod lines;
mod local;
mod parts;
mod stamps;

pub use stamps::without as without_stamps;

use super::object::{Around, Reader};
use super::unescape::Level;

/// The text of the object that `cut` is the beginning of, in a string of JSON, and where its last part ends.
pub fn join(bytes: &[u8], cut: &Around, levels: &[Level]) -> Option<(Vec<u8>, usize)> {
    match levels {
        [Level::Json, rest @ ..] if cut.cut.is_some_and(|how| how.closed) => {
            entries::join(bytes, cut, Reader::resumed(&cut.text)?, rest)
        }
        _ => None,
    }
}

/// The same of an object with nothing around it, whose brace is at `brace`: in lines of text, in the export
/// of journald, and in the files of Docker's driver `local`.
pub fn join_bare(bytes: &[u8], brace: usize) -> Option<(Vec<u8>, usize)> {
    if export::is_entry(bytes, brace) {
        return export::join(bytes, brace);
    }
    local::join(bytes, brace).or_else(|| lines::join(bytes, brace))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inquest::carve::object::around;

    fn joined(bytes: &str, levels: &[Level]) -> Option<String> {
        let at = bytes.find("needle").expect("the needle");
        let (text, _) = if levels.is_empty() {
            join_bare(bytes.as_bytes(), at - 2)?
        } else {
            let cut = around(bytes.as_bytes(), at, levels, &mut (1 << 20)).next().expect("an object");
            assert!(cut.cut.is_some());
            join(bytes.as_bytes(), &cut, levels)?
        };
        Some(String::from_utf8(text).expect("UTF-8"))
    }

    #[test]
    fn parts_of_a_line() {
        let docker = [
            r#"{"log":"yyy{\"needle\":\"a","stream":"stderr","time":"1"}"#,
            r#"{"log":"{\"of another\n","stream":"stdout","time":"2"}"#,
            r#"{"log":"b c","stream":"stderr","time":"3"}"#,
            r#"{"log":"d\"}\n","stream":"stderr","time":"3"}"#,
        ];
        let expected = Some(r#"{"needle":"ab cd"}"#.to_owned());
        assert_eq!(joined(&docker.join("\n"), &[Level::Json]), expected);
        let splunk = r#"{"event":{"line":"yyy{\"needle\":\"ab","source":"stderr"}}{"event":{"line":" cd\"}","source":"stderr"}}"#;
        assert_eq!(joined(splunk, &[Level::Json]), expected);
        // The driver fluentd in a file of JSON, and two containers in it.
        let fluentd = [
            r#"{"log":"yyy{\"needle\":\"ab","source":"stderr","container_id":"1","partial_message":"true","partial_id":"7","partial_last":"false"}"#,
            r#"{"log":"no part of it","source":"stderr","container_id":"1"}"#,
            r#"{"log":"{\"of another","source":"stderr","container_id":"2","partial_message":"true","partial_id":"8"}"#,
            r#"{"log":" cd\"}","source":"stderr","container_id":"1","partial_message":"true","partial_id":"7","partial_last":"true"}"#,
        ];
        assert_eq!(joined(&fluentd.join("\n"), &[Level::Json]), expected);
        // Podman and older engines give a part no ID; others write into the same journal.
        let journal = [
            r#"{"MESSAGE":"yyy{\"needle\":\"ab","PRIORITY":"3","CONTAINER_ID":"1","CONTAINER_PARTIAL_MESSAGE":"true"}"#,
            r#"{"MESSAGE":"session opened","PRIORITY":"3"}"#,
            r#"{"MESSAGE":"on stdout","PRIORITY":"6","CONTAINER_ID":"1"}"#,
            r#"{"MESSAGE":" cd\"}","PRIORITY":"3","CONTAINER_ID":"1"}"#,
        ];
        assert_eq!(joined(&journal.join("\n"), &[Level::Json]), expected);
        // The driver awslogs cuts after 262,118 bytes; the CLI prints one document.
        let event = |stream: &str, text: &str| {
            format!("{{\n\"logStreamName\":\"{stream}\",\n\"message\":\"{text}\"\n}}")
        };
        let events = [
            event("a", r#"yyy{\"needle\":\"ab"#),
            event("b", "of another"),
            event("a", r#" cd\"}"#),
            event("a", "next"),
        ];
        let document = format!("{{\"events\":[\n{}\n]}}\n", events.join(",\n"));
        assert_eq!(joined(&document, &[Level::Json]), expected);
        let time = "2026-11-26T21:06:01.123Z";
        let export = format!("{time} yyy{{\"needle\":\"ab\n{time}  cd\"}}\n");
        assert_eq!(joined(&export, &[]), expected);
        let [one, other] = ["9d4f1c7ab2e84c0f8a35d6e17b20c493", "77aa01b2c3d44c0f8a35d6e17b20c493"];
        let tail = format!("{time} {one} yyy{{\"needle\":\"ab\n{time} {other} not\n{time} {one}  cd\"}}\n");
        assert_eq!(joined(&tail, &[]), expected);
        let cri = "2026-11-26T21:06:01.1Z stderr P {\"needle\":\"a\n2026-11-26T21:06:01.1Z stdout F x\n\
                   2026-11-26T21:06:01.1Z stderr P b \n2026-11-26T21:06:01.1Z stderr F cd\"}\n";
        assert_eq!(joined(cri, &[]), expected);
        let syslog = "<27>1 2026-11-26T21:04:23Z vm t 1 m - {\"needle\":\"ab\n<27>1 2026-11-26T21:04:23Z vm t 1 m -  cd\"}";
        assert_eq!(joined(syslog, &[]), expected);
        assert_eq!(joined(docker[..2].join("\n").as_str(), &[Level::Json]), None);
    }

    #[test]
    fn a_cut_between_two_words() {
        // The line end is no blank of the object.
        let cri = "2026-11-26T21:06:01.1Z stderr P yy{\"needle\":\n2026-11-26T21:06:01.1Z stdout F {}\n\
                   2026-11-26T21:06:01.1Z stderr F 1}\n";
        assert_eq!(joined(cri, &[]).as_deref(), Some(r#"{"needle":1}"#));
        let plain = "yyy{\"needle\":\n1}\n";
        assert_eq!(joined(plain, &[]).as_deref(), Some(r#"{"needle":1}"#));
        // Lines of something else are no part of a text, although a later one closes it.
        assert_eq!(joined("yyy{\"needle\":\"a\nof something else\nb\"}\n", &[]), None);
    }

    #[test]
    fn the_export_of_the_journal() {
        let entry = |message: &str, id: &str| {
            format!(
                "__CURSOR=s=1\n__REALTIME_TIMESTAMP=1\nPRIORITY=3\nMESSAGE={message}\nCONTAINER_PARTIAL_ID={id}\n\n"
            )
        };
        let binary = |message: &str| {
            let length = String::from_utf8((message.len() as u64).to_le_bytes().to_vec()).expect("ASCII");
            format!("__CURSOR=s=1\nPRIORITY=3\nMESSAGE\n{length}{message}\nCONTAINER_PARTIAL_ID=7\n\n")
        };
        let whole = Some(r#"{"needle":"ab cd"}"#.to_owned());
        for first in [entry("yyy{\"needle\":\"a", "7"), binary("\u{1b}[1myyy{\"needle\":\"a")] {
            for last in [entry(" cd\"}", "7"), binary(" cd\"}")] {
                let text = first.clone() + &entry("{\"of another", "8") + &entry("b", "7") + &last;
                assert_eq!(joined(&text, &[]), whole, "{text}");
            }
        }
        assert_eq!(joined(&(entry("yyy{\"needle\":\"a", "7") + &entry("b cd\"}", "8")), &[]), None);
    }

    #[test]
    fn the_local_driver() {
        let entry = |source: &str, line: &str, id: &str| {
            let field = |tag: u8, value: &[u8]| {
                // Of less than 16,384 bytes.
                [&[tag, (value.len() % 128) as u8 | 128, (value.len() / 128) as u8][..], value].concat()
            };
            let part = [&[0x12, id.len() as u8][..], id.as_bytes(), &[0x18, 1]].concat();
            let message = [
                &[0x0a, 6][..],
                source.as_bytes(),
                &[0x10, 0x80, 0x80, 1],
                &field(0x1a, line.as_bytes()),
                &[0x20, 1],
                &field(0x2a, &part),
            ]
            .concat();
            let length = (message.len() as u32).to_be_bytes();
            [&length[..], &message, &length].concat()
        };
        let entries = [
            entry("stdout", "x", "9"),
            entry("stderr", &("y".repeat(300) + "{\"needle\":\"a"), "7"),
            entry("stdout", "{\"of another\n", "9"),
            entry("stderr", "b", "7"),
            entry("stderr", " cd\"}\n", "7"),
        ];
        let bytes = entries.concat();
        let at = memchr::memmem::find(&bytes, b"needle").expect("the needle") - 2;
        assert_eq!(join_bare(&bytes, at).expect("a record").0, br#"{"needle":"ab cd"}"#);
        assert_eq!(join_bare(&entries[..4].concat(), at), None);
    }
}
