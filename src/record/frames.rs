//! The frames that come up a pipe to PID 1: from the child that becomes the program, and from helpers.
//!
//! A kind, a length and that many bytes. PID 1 puts what it gets into its records unseen; but who may trace
//! PID 1, the program above all, can open such a pipe through /proc and write to it. So each frame is checked
//! for its form before it is taken: it can be made to lie then, and not to break a line or to lead to another
//! file.

use super::form::{LONGEST, is_dimensions, is_json_line, is_json_pairs, is_text_line, is_text_pairs};
use crate::identity::StoppedBy;
use arrayvec::ArrayVec;

/// The most that the common keys may take: a container ID of 64 bytes at most, and an ARN and a task ID of
/// 512.
const LONGEST_COMMON: usize = 1280;

/// The most that an identity may take in a record, so that the rest of an exit record always finds room.
pub(super) const LONGEST_REST: usize = 2600;

/// The longest sentence that tells why a program was not started: what the schema of the records allows, and
/// the code.
const LONGEST_NOT_STARTED: usize = 301;

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Frame {
    /// identity: the common keys as JSON
    JsonCommon = 1,
    /// identity: the other keys as JSON
    JsonRest,
    /// identity: the common keys as logfmt
    TextCommon,
    /// identity: the other keys as logfmt
    TextRest,
    /// identity: the container ID
    ContainerId,
    /// identity: the memory limit of the task, 8 bytes, the lowest first
    TaskMemoryLimit,
    /// the identity is as known as it will be
    Resolved,
    /// all is done and the next thing is the exec
    Executing,
    /// a line for stderr, which had no room for it
    StderrLine,
    /// a line for the journal
    JournalLine,
    /// the program could not be started: the exit code, and why
    NotStarted,
    /// a task metadata endpoint has answered; one byte, 1 where it will know more in a moment, else 0
    Endpoint,
    /// who stopped the task: the word in the exit record
    StoppedBy,
    /// identity: the CPU limit of the task in thousandths, 8 bytes, the lowest first
    TaskCpuLimit,
    /// identity: what divides the metrics
    Dimensions,
    /// identity: one byte, 1 where the network is the whole task's or the host's, else 0
    SharedNetwork,
}

impl Frame {
    const ALL: [Frame; 16] = [
        Frame::JsonCommon,
        Frame::JsonRest,
        Frame::TextCommon,
        Frame::TextRest,
        Frame::ContainerId,
        Frame::TaskMemoryLimit,
        Frame::Resolved,
        Frame::Executing,
        Frame::StderrLine,
        Frame::JournalLine,
        Frame::NotStarted,
        Frame::Endpoint,
        Frame::StoppedBy,
        Frame::TaskCpuLimit,
        Frame::Dimensions,
        Frame::SharedNetwork,
    ];

    /// Whether PID 1 may take these bytes as what such a frame carries.
    fn accepts(self, bytes: &[u8]) -> bool {
        let text = std::str::from_utf8(bytes).unwrap_or("\0");
        match self {
            Frame::JsonCommon => bytes.len() <= LONGEST_COMMON && is_json_pairs(text),
            Frame::JsonRest => bytes.len() <= LONGEST_REST && is_json_pairs(text),
            Frame::TextCommon => bytes.len() <= LONGEST_COMMON && is_text_pairs(text),
            Frame::TextRest => bytes.len() <= LONGEST_REST && is_text_pairs(text),
            // It names a file of the journal.
            Frame::ContainerId => {
                bytes.len() <= 64 && bytes.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'))
            }
            Frame::TaskMemoryLimit | Frame::TaskCpuLimit => bytes.len() == size_of::<u64>(),
            Frame::Dimensions => bytes.len() <= LONGEST_REST && is_dimensions(text),
            Frame::Resolved | Frame::Executing => bytes.is_empty(),
            Frame::StderrLine => bytes.len() <= LONGEST && (is_json_line(text) || is_text_line(text)),
            Frame::JournalLine => bytes.len() <= LONGEST && !text.starts_with('\n') && is_json_line(text),
            Frame::Endpoint | Frame::SharedNetwork => matches!(bytes, [0 | 1]),
            Frame::StoppedBy => StoppedBy::ALL.iter().any(|by| by.name().as_bytes() == bytes),
            Frame::NotStarted => bytes.len() <= LONGEST_NOT_STARTED && text != "\0",
        }
    }

    /// The frame of this kind around `bytes`, of which it holds at most 65,535.
    pub fn encode(self, bytes: &[u8]) -> Vec<u8> {
        let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
        let bytes = bytes.get(..usize::from(length)).unwrap_or(bytes);
        [&[self as u8], length.to_le_bytes().as_slice(), bytes].concat()
    }
}

/// Frames out of a stream that comes in pieces. PID 1 lives long, so each is allocated once, as large as it
/// is.
#[derive(Debug, Default)]
pub struct Frames {
    /// of the kind and the length, what has come
    head: ArrayVec<u8, 3>,
    /// the frame that is being filled, and how many bytes it is to have
    current: Option<(Frame, Vec<u8>, usize)>,
    broken: bool,
}

impl Frames {
    /// Takes what was read from the pipe; returns the frames that are complete by it.
    pub fn push(&mut self, mut bytes: &[u8]) -> Vec<(Frame, Vec<u8>)> {
        let mut complete = Vec::new();
        while !self.broken {
            let Some((frame, mut filled, length)) = self.current.take().or_else(|| self.begin(&mut bytes))
            else {
                break;
            };
            let (part, rest) = bytes.split_at(bytes.len().min(length - filled.len()));
            filled.extend_from_slice(part);
            bytes = rest;
            if filled.len() < length {
                self.current = Some((frame, filled, length));
                break;
            }
            if frame.accepts(&filled) {
                complete.push((frame, filled));
            } else {
                self.give_up(&format!("a {frame:?} that is none"));
            }
        }
        complete
    }

    /// Whoever writes this is not one of ours any more; nothing after it can be trusted.
    fn give_up(&mut self, what: &str) {
        self.broken = true;
        log::warn!("{what} came up the pipe to process 1, not from epitaph; what comes after it is not read");
    }

    /// The next frame, still empty, as soon as its kind and its length are there.
    fn begin(&mut self, bytes: &mut &[u8]) -> Option<(Frame, Vec<u8>, usize)> {
        while let Some((first, rest)) = bytes.split_first().filter(|_| !self.head.is_full()) {
            let _ = self.head.try_push(*first);
            *bytes = rest;
        }
        let &[kind, low, high] = self.head.as_slice() else { return None };
        self.head.clear();
        let Some(frame) = Frame::ALL.into_iter().find(|frame| *frame as u8 == kind) else {
            self.give_up("an unknown kind of frame");
            return None;
        };
        let length = usize::from(u16::from_le_bytes([low, high]));
        Some((frame, Vec::with_capacity(length), length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &[u8] = b"0123456789abcdef0123456789abcdef-123456789";

    #[test]
    fn garbage_ends_the_stream() {
        let mut frames = Frames::default();
        let resolved = Frame::Resolved.encode(b"");
        assert_eq!(frames.push(&resolved), [(Frame::Resolved, Vec::new())]);
        assert_eq!(frames.push(&[&[200, 1, 0, 7], resolved.as_slice()].concat()), []);
        assert_eq!(frames.push(&resolved), []);
    }

    #[test]
    fn what_could_break_a_line_or_lead_elsewhere_ends_the_stream() {
        let long = format!("\"image\":\"{}\"", "x".repeat(LONGEST_REST));
        let wrong: [(Frame, &[u8]); 22] = [
            (Frame::JsonRest, b"\"image\":\"a\nb\""),
            (Frame::JsonRest, b"\"image\":\"a\xc2\x9bb\""),
            (Frame::JsonRest, b"\"image\":\"a"),
            (Frame::JsonRest, b"\"image\":\"a\"}\n{\"x\":\"b\""),
            (Frame::JsonRest, b"\"image\":\"a\","),
            (Frame::JsonRest, b"\"verdict\":\"ok\""),
            (Frame::JsonRest, b"\"image\":\"a\",\"image\":\"b\""),
            (Frame::JsonRest, long.as_bytes()),
            (Frame::JsonRest, b"\xff"),
            (Frame::JsonCommon, b"\"exit\":{\"code\":0}"),
            (Frame::TextRest, b"image=a\nepitaph=exit"),
            (Frame::TextRest, b"image=a  family=b"),
            (Frame::TextRest, b"exit.code=0"),
            (Frame::TextCommon, b"task_arn=\"a"),
            (Frame::ContainerId, b"../../etc/passwd"),
            (Frame::TaskMemoryLimit, b"1"),
            (Frame::Executing, b"x"),
            (Frame::StderrLine, b"{\"epitaph\":\"exit\"}\n{\"epitaph\":\"exit\"}\n"),
            (Frame::StderrLine, b"{\"epitaph\":\"exit\""),
            (Frame::StderrLine, b"\n\n{\"epitaph\":\"exit\"}\n"),
            (Frame::JournalLine, b"epitaph=exit\n"),
            (Frame::NotStarted, &[b'x'; 400]),
        ];
        let id = Frame::ContainerId.encode(ID);
        for (frame, bytes) in wrong {
            let mut frames = Frames::default();
            assert_eq!(frames.push(&frame.encode(bytes)), [], "{frame:?} {}", String::from_utf8_lossy(bytes));
            assert_eq!(frames.push(&id), [], "{frame:?}");
        }
        assert_eq!(Frames::default().push(&id), [(Frame::ContainerId, ID.to_vec())]);
    }

    #[test]
    fn what_we_send_ourselves_is_taken() {
        let right: [(Frame, &[u8]); 8] = [
            (Frame::JsonRest, b"\"image\":\"a\\u009b\\n\\\"b\",\"network_wait_ms\":81,\"source\":\"metadata-v4\",\"sources\":{\"image\":\"metadata-v3\"},\"fault_injection\":true,\"identity_conflict\":{\"source\":\"metadata-v3\"}"),
            (Frame::JsonCommon, b""),
            (Frame::TextRest, b"image=\"a \\\"b\" network_wait_ms=81 source=metadata-v4 sources.image=metadata-v3 identity_conflict.source=mountinfo"),
            (Frame::TextCommon, b""),
            (Frame::ContainerId, b""),
            (Frame::StderrLine, b"\n{\"epitaph\":\"stuck\",\"processes\":[{\"pid\":1},{\"pid\":-2}]}\n"),
            (Frame::StderrLine, b"epitaph=start schema=1 program=\"a b\"\n"),
            (Frame::NotStarted, b"\x7fexec failed"),
        ];
        for (frame, bytes) in right {
            assert_eq!(Frames::default().push(&frame.encode(bytes)), [(frame, bytes.to_vec())], "{frame:?}");
        }
    }
}
