//! What other witnesses say, where one of their needles was found.

use super::{Carver, Found, object};
use crate::inquest::context;
use crate::inquest::heap::Window;
use crate::inquest::json::{Json, Object};
use crate::inquest::witness::{self, Statement, WitnessKind};
use serde_json::Value;

/// Where collectors keep the text of a line.
const TEXTS: [&str; 7] = ["message", "msg", "MESSAGE", "log", "event", "line", "_raw"];

/// Whether the object is what a log driver or a store has made of a line of a container.
fn is_of_container(object: &Object<'_>) -> bool {
    let wrapper = context::of_object(object);
    let transport = object.get("_TRANSPORT").and_then(Json::as_str);
    wrapper.container.is_some()
        || wrapper.task.is_some()
        || object.contains_key("stream")
        || transport.is_some_and(|transport| transport != "kernel")
}

impl Carver<'_> {
    /// Looks at the line or document around the place `begin`.
    pub(super) fn witness(&mut self, window: &Window<'_>, begin: usize) {
        let (bytes, at) = window.around(begin);
        let start = window.offset + (begin - at) as u64;
        let line_begin = memchr::memrchr(b'\n', bytes.get(..at).unwrap_or_default()).map_or(0, |at| at + 1);
        let rest = bytes.get(at..).unwrap_or_default();
        let line_end = memchr::memchr(b'\n', rest).map_or(bytes.len(), |length| at + length);
        let line = bytes.get(line_begin..line_end).unwrap_or_default();
        let place = start + line_begin as u64;

        // A small file is one document, as `docker inspect` and `describe-tasks` print it; or begins with
        // some.
        let whole = window.last && window.offset == 0 && window.bytes.len() <= object::LONGEST * 4;
        if whole
            && self.witnessed == 0
            && let Some(end) = self.document(window.bytes, 0)
        {
            self.witnessed = end as u64;
            if end > begin {
                return;
            }
        }
        let text = line.trim_ascii();
        if text.starts_with(b"{") || text.starts_with(b"[") {
            if self.document(text, place).is_some() {
                self.witnessed = start + line_end as u64;
                return;
            }
        } else if let Some(brace) = memchr::memchr(b'{', text).filter(|_| text.ends_with(b"}")) {
            // Behind a time, or what a log driver put before it.
            if self.document(text.get(brace..).unwrap_or_default(), place).is_some() {
                self.witnessed = start + line_end as u64;
                return;
            }
        }
        if self.object_around(bytes, at, start) {
            return;
        }
        if text.starts_with(b"{") {
            self.wrapped_line(text, place);
        } else {
            // In the export of the journal, what a program has sent is not the kernel's word.
            let by =
                text.starts_with(b"MESSAGE=").then(|| super::line::journald_transport(bytes, at)).flatten();
            self.line(line, by.is_some_and(|by| by != b"kernel"), place);
        }
        self.witnessed = start + line_end as u64;
    }

    fn line(&mut self, line: &[u8], of_program: bool, place: u64) {
        for statement in witness::from_line(line) {
            if of_program && statement.kind == WitnessKind::Kernel {
                self.tell(Found::Disbelieved, place);
            } else {
                self.said(statement, self.of_container, place);
            }
        }
    }

    /// A line whose text is in a JSON object: what a collector made of it.
    fn wrapped_line(&mut self, line: &[u8], place: u64) {
        let object: Option<Object<'_>> = serde_json::from_slice(line).ok();
        let of_container = self.of_container || object.as_ref().is_some_and(is_of_container);
        for statement in witness::from_line(line).into_iter().filter(|one| one.kind != WitnessKind::Kernel) {
            self.said(statement, of_container, place);
        }
        let Some(object) = object else { return };
        let texts = TEXTS.iter().filter_map(|key| object.get(key)?.as_str());
        let kernels = texts.flat_map(|text| witness::from_line(text.as_bytes()));
        let kernels: Vec<_> = kernels.filter(|one| one.kind == WitnessKind::Kernel).collect();
        for statement in kernels {
            if of_container {
                self.tell(Found::Disbelieved, place);
            } else {
                self.said(statement, false, place);
            }
        }
    }

    /// Tells a statement, and of lines that belong together one.
    fn said(&mut self, statement: Statement, of_container: bool, place: u64) {
        if self.of_container && statement.kind == WitnessKind::Kernel {
            self.tell(Found::Disbelieved, place);
            return;
        }
        for statement in self.pair.push(statement) {
            self.tell(Found::Statement(Box::new(statement), of_container), place);
        }
    }

    /// Whether the text begins with one or more JSON values that say something: where the last one of them
    /// ends.
    fn document(&mut self, text: &[u8], place: u64) -> Option<usize> {
        let first = text.trim_ascii_start().first()?;
        if !b"{[".contains(first) {
            return None;
        }
        let mut end = None;
        let mut values = serde_json::Deserializer::from_slice(text).into_iter::<Value>();
        let mut before = 0;
        while let Some(Ok(value)) = values.next() {
            let blank =
                text.get(before..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_whitespace());
            let here = place + (before + blank.count()) as u64;
            before = values.byte_offset();
            for statement in witness::from_json(&value) {
                end = Some(before);
                self.said(statement, self.of_container, here);
            }
        }
        end
    }

    /// The largest object around the place that says something: one of a long document.
    fn object_around(&mut self, bytes: &[u8], at: usize, start: u64) -> bool {
        let allowed = super::EFFORT.min(self.credit);
        let mut effort = allowed;
        let mut best = None;
        for around in object::around(bytes, at, &[], &mut effort).filter(|around| around.cut.is_none()) {
            let Ok(value) = serde_json::from_slice::<Value>(&around.text) else { continue };
            let statements = witness::from_json(&value);
            if !statements.is_empty() {
                best = Some((around.begin, around.end, statements));
            }
        }
        self.credit = self.credit.saturating_sub(allowed - effort.min(allowed));
        let Some((begin, end, statements)) = best else { return false };
        for statement in statements {
            self.said(statement, self.of_container, start + begin as u64);
        }
        self.witnessed = start + end as u64;
        true
    }

    /// What waits for a line that does not come.
    pub(super) fn end_witness(&mut self) {
        for statement in self.pair.finish() {
            self.tell(Found::Statement(Box::new(statement), self.of_container), self.witnessed);
        }
    }
}
