//! One record: what happened, and the line that tells of it.

use super::form::LONGEST;
use super::frames::Frame;
use super::identity::RenderedIdentity;
use super::value::{self, Value};
use crate::options::RecordFormat;
use std::time::SystemTime;

/// What happened: the value of the key `epitaph`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// the program is about to be executed
    Start,
    /// an identity that came after the start
    Identity,
    /// the kernel killed a process of this container for memory
    OomKill,
    /// the memory limit is being hit
    MemoryPressure,
    /// a stop signal arrived
    Stop,
    /// another signal arrived from outside
    Signal,
    /// the program still runs well after a stop signal
    Stuck,
    /// the container is as old as `--max-lifetime`
    Lifetime,
    /// the program ended
    Exit,
    /// what a container used since the last such record
    Stats,
    /// what all containers of an ECS task used together; or what the endpoint told after a stop signal
    Task,
    /// the outcome of a health check
    Health,
}

impl Kind {
    /// The name in the record.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Start => "start",
            Kind::Identity => "identity",
            Kind::OomKill => "oom_kill",
            Kind::MemoryPressure => "memory_pressure",
            Kind::Stop => "stop",
            Kind::Signal => "signal",
            Kind::Stuck => "stuck",
            Kind::Lifetime => "lifetime",
            Kind::Exit => "exit",
            Kind::Stats => "stats",
            Kind::Task => "task",
            Kind::Health => "health",
        }
    }

    /// Whether the record holds the whole identity rather than only what identifies the container.
    fn holds_whole_identity(self) -> bool {
        matches!(self, Kind::Start | Kind::Identity | Kind::Exit)
    }
}

/// One record, before it is rendered.
#[derive(Debug, Clone)]
pub struct Record {
    /// what happened
    pub kind: Kind,
    /// when
    pub time: SystemTime,
    /// the program's process ID, when there is or was one
    pub pid: Option<i32>,
    /// what is told beside the common keys, the most important first
    pub fields: Vec<(&'static str, Value)>,
}

impl Record {
    /// The line in `format`, at most [`LONGEST`] bytes with its line end, and with one before it in the
    /// formats that begin their own line. A `start` record has none: it stands before all that the program
    /// writes.
    ///
    /// What does not fit is left out: first the last entries of lists, then the ends of long texts, then the
    /// identity beyond what identifies the container, then the last fields.
    pub fn render(&self, format: RecordFormat, identity: &RenderedIdentity) -> Vec<u8> {
        self.render_within(format, identity, LONGEST)
    }

    /// The same, at most `longest` bytes.
    pub(super) fn render_within(
        &self,
        format: RecordFormat,
        identity: &RenderedIdentity,
        longest: usize,
    ) -> Vec<u8> {
        let mut whole = self.kind.holds_whole_identity();
        let line = self.line(format, identity, &self.fields, whole);
        if line.len() <= longest {
            return line;
        }
        let mut fields = self.fields.clone();
        loop {
            let line = self.line(format, identity, &fields, whole);
            if line.len() <= longest || fields.is_empty() {
                return line;
            }
            if fields.iter_mut().any(|(_, value)| value.shorten())
                || fields.iter_mut().any(|(_, value)| value.cut())
            {
                continue;
            }
            if whole {
                whole = false;
            } else {
                fields.pop();
            }
        }
    }

    /// The frames that carry the record from a helper to PID 1, which writes it: in `format` to stderr, and
    /// to the journal if there is one.
    pub fn frames(&self, format: RecordFormat, has_journal: bool, identity: &RenderedIdentity) -> Vec<u8> {
        let mut frames = Vec::new();
        if format != RecordFormat::Off {
            frames.extend(Frame::StderrLine.encode(&self.render(format, identity)));
        }
        if has_journal {
            frames.extend(Frame::JournalLine.encode(&self.render(RecordFormat::Json, identity)));
        }
        frames
    }

    fn line(
        &self,
        format: RecordFormat,
        identity: &RenderedIdentity,
        fields: &[(&'static str, Value)],
        whole: bool,
    ) -> Vec<u8> {
        let time = humantime::format_rfc3339_millis(self.time).to_string();
        let head = [
            ("epitaph", Value::from(self.kind.name())),
            ("schema", Value::from(1_u64)),
            ("time", Value::from(time.as_str())),
        ];
        let pid = self.pid.map(|pid| [("pid", Value::from(i64::from(pid)))]);
        let (common, rest) = identity.parts(format);
        let mut parts = vec![value::render(format, &head), common.to_vec()];
        parts.extend(pid.map(|pid| value::render(format, &pid)));
        parts.push(value::render(format, fields));
        if whole {
            parts.push(rest.to_vec());
        }
        parts.retain(|part| !part.is_empty());
        let (open, separator, close): (&[u8], &[u8], &[u8]) =
            if format.is_json() { (b"{", b",", b"}\n") } else { (b"", b" ", b"\n") };
        // What the program wrote last may be half a line: a progress bar, or what it was at when it died.
        let begin: &[u8] = if self.kind != Kind::Start && format.begins_its_line() { b"\n" } else { b"" };
        [begin, open, &parts.join(separator), close].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::super::identity::Formats;
    use super::*;
    use crate::identity::{Field, Identity, Source};

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn identity() -> RenderedIdentity {
        let mut identity = Identity::default();
        identity.offer(Field::ContainerId, ID, Source::Cpuset).expect("an ID");
        identity.offer(Field::Image, "a \"b\"=c", Source::MetadataV4).expect("an image");
        RenderedIdentity::of(&identity, Formats { json: true, text: true })
    }

    fn record(fields: Vec<(&'static str, Value)>) -> Record {
        let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(1_500);
        Record { kind: Kind::Exit, time, pid: Some(7), fields }
    }

    #[test]
    fn json() {
        let exit = Value::Object(vec![("code", Value::from(3_u64)), ("why", Value::from("it \"said\" so"))]);
        let line = record(vec![("exit", exit)]).render(RecordFormat::Json, &identity());
        let expected = format!(
            "{{\"epitaph\":\"exit\",\"schema\":1,\"time\":\"1970-01-01T00:00:01.500Z\",\"container_id\":\"{ID}\",\
             \"pid\":7,\"exit\":{{\"code\":3,\"why\":\"it \\\"said\\\" so\"}},\"image\":\"a \\\"b\\\"=c\",\
             \"source\":\"metadata-v4\",\"sources\":{{\"container_id\":\"cpuset\"}}}}\n"
        );
        assert_eq!(String::from_utf8_lossy(&line), expected);
    }

    #[test]
    fn logfmt() {
        let exit = Value::Object(vec![("code", Value::from(3_u64)), ("why", Value::from("it \"said\" so"))]);
        let line = record(vec![("exit", exit)]).render(RecordFormat::Text, &identity());
        let expected = format!(
            "\nepitaph=exit schema=1 time=1970-01-01T00:00:01.500Z container_id={ID} pid=7 exit.code=3 \
             exit.why=\"it \\\"said\\\" so\" image=\"a \\\"b\\\"=c\" source=metadata-v4 \
             sources.container_id=cpuset\n"
        );
        assert_eq!(String::from_utf8_lossy(&line), expected);
    }

    #[test]
    fn a_record_that_follows_output_begins_its_line_itself() {
        for (format, begins) in
            [(RecordFormat::Json, false), (RecordFormat::JsonApart, true), (RecordFormat::Text, true)]
        {
            for kind in [Kind::Start, Kind::Stop, Kind::Exit] {
                let line = Record { kind, ..record(vec![]) }.render(format, &identity());
                assert_eq!(line.starts_with(b"\n"), begins && kind != Kind::Start, "{format:?} {kind:?}");
                assert_eq!(line.trim_ascii().iter().filter(|byte| **byte == b'\n').count(), 0);
            }
        }
    }

    #[test]
    fn nothing_known_is_a_record_all_the_same() {
        let line = record(vec![]).render(RecordFormat::Json, &RenderedIdentity::default());
        let value: serde_json::Value = serde_json::from_slice(&line).expect("JSON");
        assert_eq!(value["pid"], 7);
        assert_eq!(value.get("container_id"), None);
    }

    #[test]
    fn what_does_not_fit_is_left_out_and_the_line_stays_whole() {
        let process =
            |pid: u64| Value::Object(vec![("pid", pid.into()), ("name", "x".repeat(50).as_str().into())]);
        let fields = vec![
            ("exit", Value::Object(vec![("code", 1_u64.into())])),
            ("processes", Value::List((1..500).map(process).collect())),
        ];
        for format in [RecordFormat::Json, RecordFormat::Text] {
            let line = record(fields.clone()).render(format, &identity());
            assert!(line.len() <= LONGEST && line.len() > LONGEST - 200, "{}", line.len());
            assert!(line.ends_with(b"\n"));
        }
        let line = record(fields).render(RecordFormat::Json, &identity());
        let value: serde_json::Value = serde_json::from_slice(&line).expect("JSON");
        assert_eq!(value["processes"][0]["pid"], 1);
        assert_eq!(value["container_id"], ID);
        assert_eq!(value["exit"]["code"], 1);
    }

    #[test]
    fn long_texts_are_cut_before_anything_is_lost() {
        let exit =
            Value::Object(vec![("code", 127_u64.into()), ("why", "é\u{1}".repeat(2000).as_str().into())]);
        for format in [RecordFormat::Json, RecordFormat::Text] {
            let line = record(vec![("exit", exit.clone())]).render(format, &identity());
            assert!(line.len() <= LONGEST);
        }
        let line = record(vec![("exit", exit)]).render(RecordFormat::Json, &identity());
        let value: serde_json::Value = serde_json::from_slice(&line).expect("JSON");
        assert_eq!(value["exit"]["code"], 127);
        let why = value["exit"]["why"].as_str().expect("a text");
        assert!(why.len() <= 256 && why.len() > 250 && why.starts_with('é') && why.ends_with('…'), "{why}");
        assert_eq!(value["image"], "a \"b\"=c");
    }

    #[test]
    fn a_giant_field_cannot_break_the_bound() {
        let fields =
            vec![("exit", Value::from(3_u64)), ("program", Value::from("\u{1}".repeat(5000).as_str()))];
        let line = record(fields).render(RecordFormat::Json, &identity());
        assert!(line.len() <= LONGEST);
        let value: serde_json::Value = serde_json::from_slice(&line).expect("JSON");
        assert_eq!(value["exit"], 3);
    }
}
