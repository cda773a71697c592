//! The identity on its way to PID 1: as bytes that are ready for a record.
//!
//! The process that resolves the identity renders it, and sends it up a pipe as frames: a kind, a length
//! and that many bytes. PID 1 keeps the bytes and puts them into its records; it parses nothing that a
//! network has told.

use super::dimensions::Dimensions;
use super::frames::{Frame, LONGEST_REST};
use super::value::{Value, render};
use crate::identity::{Conflict, Field, Identity, Source, run};
use crate::options::RecordFormat;

/// The identity, rendered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RenderedIdentity {
    json: Part,
    text: Part,
    /// the container ID, empty when unknown
    container_id: Vec<u8>,
    /// the memory limit of the task in bytes, 0 when unknown
    task_memory_limit: u64,
    /// the CPU limit of the task in thousandths, 0 when unknown
    task_cpu_limit: u64,
    /// whether the network is the whole task's or the host's
    shares_network: bool,
    /// what divides the metrics of the embedded metric format, as [`Dimensions::encode`] has it
    dimensions: Vec<u8>,
    /// whether it is another container's, whose run nobody knows here
    is_anothers: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Part {
    common: Vec<u8>,
    rest: Vec<u8>,
}

pub(super) const COMMON: [Field; 3] = [Field::ContainerId, Field::TaskArn, Field::TaskId];

/// The formats that records are needed in. PID 1 keeps the identity in no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Formats {
    /// JSON: on stderr or in the journal
    pub json: bool,
    /// logfmt: on stderr
    pub text: bool,
}

impl Formats {
    /// Those for records in `format` on stderr, and for a journal if there is one.
    pub fn new(format: RecordFormat, has_journal: bool) -> Formats {
        Formats { json: has_journal || format.is_json(), text: format == RecordFormat::Text }
    }
}

impl RenderedIdentity {
    /// Renders `identity`.
    pub fn of(identity: &Identity, formats: Formats) -> RenderedIdentity {
        let container_id = identity.get(Field::ContainerId).unwrap_or_default().as_bytes().to_vec();
        let part =
            |is_needed: bool, format| if is_needed { Part::of(identity, format) } else { Part::default() };
        RenderedIdentity {
            json: part(formats.json, RecordFormat::Json),
            text: part(formats.text, RecordFormat::Text),
            container_id,
            task_memory_limit: identity.task_memory_limit.unwrap_or(0),
            task_cpu_limit: identity.task_cpu_limit.unwrap_or(0),
            shares_network: identity.shares_network,
            dimensions: Vec::new(),
            is_anothers: false,
        }
    }

    /// The same for records about another container than this one.
    pub fn of_another(self) -> RenderedIdentity {
        RenderedIdentity { is_anothers: true, ..self }
    }

    /// What every record holds alone, for where no record holds the rest.
    pub fn without_rest(mut self) -> RenderedIdentity {
        self.json.rest = Vec::new();
        self.text.rest = Vec::new();
        self
    }

    /// What every record holds, the run before all else, and what only some do.
    ///
    /// The run is known before the identity is, and is the same in records that are written by then.
    pub(super) fn parts(&self, format: RecordFormat) -> (Vec<u8>, &[u8]) {
        let part = if format.is_json() { &self.json } else { &self.text };
        let run = run::current()
            .filter(|_| !self.is_anothers)
            .map(|run| render(format, &[("run", Value::from(run.token()))]));
        let separator: &[u8] = if format.is_json() { b"," } else { b" " };
        let parts: Vec<&[u8]> = [run.as_deref(), Some(part.common.as_slice())]
            .into_iter()
            .flatten()
            .filter(|part| !part.is_empty())
            .collect();
        (parts.join(separator), &part.rest)
    }

    /// The value of `field` as it was rendered, if it is known and one that no format escapes, such as an
    /// ARN.
    ///
    /// For a process that begins with nothing but this, and adds to it.
    pub fn plain(&self, field: Field) -> Option<&str> {
        let find = |part: &Part, before: String, end: char| -> Option<(usize, usize)> {
            let text = std::str::from_utf8(&part.rest).ok()?;
            let begin = text.find(&before)? + before.len();
            let value = text.get(begin..)?;
            Some((begin, begin + value.find(end).unwrap_or(value.len())))
        };
        let json = find(&self.json, format!("\"{}\":\"", field.name()), '"');
        let text = || find(&self.text, format!("{}=", field.name()), ' ');
        let (part, (begin, end)) = match json {
            Some(place) => (&self.json, place),
            None => (&self.text, text()?),
        };
        std::str::from_utf8(part.rest.get(begin..end)?).ok().filter(|value| !value.contains('\\'))
    }

    /// The memory limit of the whole task in bytes, when the endpoint told it.
    pub fn task_memory_limit(&self) -> Option<u64> {
        (self.task_memory_limit > 0).then_some(self.task_memory_limit)
    }

    /// The CPU limit of the whole task in thousandths of a CPU, when the endpoint told it.
    pub fn task_cpu_limit(&self) -> Option<u64> {
        (self.task_cpu_limit > 0).then_some(self.task_cpu_limit)
    }

    /// Whether the network is known to be the whole task's or the host's.
    pub fn shares_network(&self) -> bool {
        self.shares_network
    }

    /// The same with what divides the metrics.
    pub fn with_dimensions(mut self, dimensions: &Dimensions) -> RenderedIdentity {
        self.dimensions = dimensions.encode();
        self
    }

    /// What divides the metrics; none where nobody has said so.
    pub fn dimensions(&self) -> Dimensions {
        Dimensions::decode(&self.dimensions)
    }

    /// The container ID, when it is known.
    pub fn container_id(&self) -> Option<&str> {
        std::str::from_utf8(&self.container_id).ok().filter(|id| !id.is_empty())
    }

    /// The frames that carry it.
    pub fn encode(&self) -> Vec<u8> {
        let limit = self.task_memory_limit.to_le_bytes();
        let cpu_limit = self.task_cpu_limit.to_le_bytes();
        let shared = [u8::from(self.shares_network)];
        let frames: [(Frame, &[u8]); 9] = [
            (Frame::JsonCommon, &self.json.common),
            (Frame::JsonRest, &self.json.rest),
            (Frame::TextCommon, &self.text.common),
            (Frame::TextRest, &self.text.rest),
            (Frame::ContainerId, &self.container_id),
            (Frame::TaskMemoryLimit, &limit),
            (Frame::TaskCpuLimit, &cpu_limit),
            (Frame::SharedNetwork, &shared),
            (Frame::Dimensions, &self.dimensions),
        ];
        frames.into_iter().flat_map(|(kind, bytes)| kind.encode(bytes)).collect()
    }

    /// Takes what one frame carries; `false` when the frame is not one of a identity.
    pub fn absorb(&mut self, frame: Frame, bytes: Vec<u8>) -> bool {
        let place = match frame {
            Frame::JsonCommon => &mut self.json.common,
            Frame::JsonRest => &mut self.json.rest,
            Frame::TextCommon => &mut self.text.common,
            Frame::TextRest => &mut self.text.rest,
            Frame::ContainerId => &mut self.container_id,
            Frame::TaskMemoryLimit => {
                self.task_memory_limit = bytes.as_slice().try_into().map_or(0, u64::from_le_bytes);
                return true;
            }
            Frame::TaskCpuLimit => {
                self.task_cpu_limit = bytes.as_slice().try_into().map_or(0, u64::from_le_bytes);
                return true;
            }
            Frame::SharedNetwork => {
                self.shares_network = bytes == [1];
                return true;
            }
            Frame::Dimensions => &mut self.dimensions,
            Frame::Resolved
            | Frame::Executing
            | Frame::StderrLine
            | Frame::JournalLine
            | Frame::NotStarted
            | Frame::Endpoint
            | Frame::StoppedBy => return false,
        };
        *place = bytes;
        true
    }
}

impl Part {
    fn of(identity: &Identity, format: RecordFormat) -> Part {
        let pair = |field: Field| Some((field.name(), value_of(field, identity.get(field)?)));
        let common: Vec<_> = COMMON.into_iter().filter_map(pair).collect();
        let conflict = identity.conflict.as_ref().map(conflict_value);
        let mut fields: Vec<Field> = identity.iter().map(|(field, _)| field).collect();
        fields.retain(|field| !COMMON.contains(field) && *field != Field::ClusterArn);
        loop {
            let mut rest: Vec<_> = fields.iter().copied().filter_map(pair).collect();
            rest.extend(sources(identity, &fields));
            rest.extend(conflict.clone().map(|conflict| ("identity_conflict", conflict)));
            let rest = render(format, &rest);
            // The fields stand in the order of their worth, so what is left out is the last.
            if rest.len() <= LONGEST_REST || fields.pop().is_none() {
                return Part { common: render(format, &common), rest };
            }
        }
    }
}

/// Milliseconds and counts are numbers in the record, as all others are there.
fn value_of(field: Field, text: &str) -> Value {
    match text.parse() {
        Ok(number) if field.is_number() => Value::Number(number),
        _ if field.is_flag() => Value::Flag(true),
        _ => Value::from(text),
    }
}

/// `source`, which most of the values came from (of two that told as many the more trusted one), and
/// `sources` for the others. What was computed from a value of a source has none of its own, nor has the host
/// name.
fn sources(identity: &Identity, fields: &[Field]) -> Vec<(&'static str, Value)> {
    let source_of = |field: Field| {
        let has_one = field != Field::Hostname
            && (!identity.is_derived(field) || identity.source(field) == Some(Source::Computed));
        identity.source(field).filter(|_| has_one)
    };
    let told: Vec<(Field, Source)> = COMMON
        .into_iter()
        .chain(fields.iter().copied())
        .filter_map(|field| Some((field, source_of(field)?)))
        .collect();
    let count = |source: Source| told.iter().filter(|(_, one)| *one == source).count();
    // The last of the largest, and the most trusted is the smallest.
    let most = told
        .iter()
        .map(|(_, source)| *source)
        .max_by_key(|source| (count(*source), std::cmp::Reverse(*source)));
    let Some(most) = most else { return Vec::new() };
    let others: Vec<_> = told
        .iter()
        .filter(|(_, source)| *source != most)
        .map(|(field, source)| (field.name(), Value::from(source.name())))
        .collect();
    let mut rendered = vec![("source", Value::from(most.name()))];
    if !others.is_empty() {
        rendered.push(("sources", Value::Object(others)));
    }
    rendered
}

/// What somebody else said of who this is.
fn conflict_value(conflict: &Conflict) -> Value {
    let told = [("container_id", &conflict.container_id), ("task_arn", &conflict.task_arn)];
    let told = told.into_iter().filter_map(|(key, value)| Some((key, Value::from(value.as_deref()?))));
    Value::Object(told.chain([("source", Value::from(conflict.source.name()))]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Source;
    use crate::record::Frames;

    const BOTH: Formats = Formats { json: true, text: true };

    fn identity() -> Identity {
        let mut identity = Identity::default();
        let id = "0123456789abcdef0123456789abcdef-123456789";
        identity.offer(Field::ContainerId, id, Source::Cgroup).expect("an ID");
        identity.offer(Field::Family, "web", Source::MetadataV4).expect("a name");
        identity.derive(Field::NetworkWaitMs, "81", Source::MetadataV4).expect("a number");
        identity.task_memory_limit = Some(512 << 20);
        identity.task_cpu_limit = Some(250);
        identity.shares_network = true;
        identity
    }

    #[test]
    fn a_rendered_identity_survives_a_pipe_that_gives_a_byte_at_a_time() {
        let sent = RenderedIdentity::of(&identity(), BOTH);
        let (mut received, mut frames) = (RenderedIdentity::default(), Frames::default());
        for byte in sent.encode() {
            for (frame, bytes) in frames.push(&[byte]) {
                assert!(received.absorb(frame, bytes));
            }
        }
        assert_eq!(received, sent);
        assert_eq!(received.task_memory_limit(), Some(512 << 20));
        assert!(received.shares_network());
        assert_eq!(received.container_id(), Some("0123456789abcdef0123456789abcdef-123456789"));
    }

    #[test]
    fn milliseconds_are_a_number_and_derived_values_have_no_source() {
        let json = String::from_utf8(RenderedIdentity::of(&identity(), BOTH).json.rest).expect("UTF-8");
        assert_eq!(
            json,
            "\"family\":\"web\",\"network_wait_ms\":81,\"source\":\"metadata-v4\",\"sources\":{\"container_id\":\"cgroup\"}"
        );
    }

    #[test]
    fn most_values_share_a_source_and_the_others_are_named() {
        let mut identity = identity();
        identity.offer(Field::Revision, "7", Source::MetadataV4).expect("a number");
        identity.offer(Field::FaultInjection, "true", Source::MetadataV4).expect("a flag");
        identity.offer(Field::StartedAt, "2026-01-02T03:04:05Z", Source::Computed).expect("a time");
        identity.forget(Field::NetworkWaitMs);
        identity.derive(Field::NetworkWaitMs, "81", Source::Computed).expect("a number");
        identity.conflict =
            Some(Conflict { container_id: Some("a".repeat(64)), task_arn: None, source: Source::MetadataV3 });
        let rendered = RenderedIdentity::of(&identity, BOTH);
        let json: serde_json::Value =
            serde_json::from_slice(&[b"{", rendered.json.rest.as_slice(), b"}"].concat()).expect("JSON");
        assert_eq!(json["source"], "metadata-v4");
        let others = r#"{"container_id":"cgroup","network_wait_ms":"computed","started_at":"computed"}"#;
        assert_eq!(json["sources"].to_string(), others);
        assert_eq!((&json["fault_injection"], &json["network_wait_ms"]), (&true.into(), &81.into()));
        assert_eq!(json["identity_conflict"]["source"], "metadata-v3");
        assert_eq!(json["identity_conflict"].get("task_arn"), None);
        let text = String::from_utf8(rendered.text.rest).expect("UTF-8");
        for part in ["source=metadata-v4 ", " sources.container_id=cgroup ", " fault_injection=true "] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn a_plain_value_is_found_again_in_either_format() {
        let mut identity = identity();
        let arn = "arn:aws:ecs:eu-west-1:123456789012:container-instance/default/0123";
        identity.offer(Field::InstanceArn, arn, Source::Introspection).expect("an ARN");
        identity.offer(Field::Image, "a\"b", Source::MetadataV4).expect("an image");
        for (json, text) in [(true, false), (false, true), (true, true)] {
            let rendered = RenderedIdentity::of(&identity, Formats { json, text });
            assert_eq!(rendered.plain(Field::InstanceArn), Some(arn));
            assert_eq!(rendered.plain(Field::Service), None);
        }
        assert_eq!(
            RenderedIdentity::of(&identity, Formats { json: true, text: false }).plain(Field::Image),
            None
        );
    }

    #[test]
    fn a_long_identity_leaves_its_last_values_out() {
        let mut identity = identity();
        for field in [Field::Image, Field::ImageId, Field::LogGroup, Field::LogStream, Field::Hostname] {
            identity.offer(field, &"\"".repeat(500), Source::MetadataV4).expect("a long value");
        }
        let rest = RenderedIdentity::of(&identity, BOTH).json.rest;
        assert!(rest.len() <= LONGEST_REST && rest.len() > 1000, "{}", rest.len());
        let rest = String::from_utf8(rest).expect("UTF-8");
        assert!(rest.contains("\"image\"") && !rest.contains("\"log_stream\""));
    }
}
