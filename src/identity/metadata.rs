//! The answers of the ECS task metadata endpoint, versions 2, 3 and 4, which differ only in what they leave
//! out.
//!
//! Format: "Amazon ECS task metadata endpoint version 4" in the Amazon ECS Developer Guide. Nothing is
//! mandatory here: an agent leaves out what it does not know yet.

use super::document::{Found, Key, Want, field, read};
use super::{Field, Identity, Rejected, Source};

pub use super::document::NotMetadata;

/// The type that the agent gives a container which owns a network of the task.
const PAUSE: &str = "CNI_PAUSE";

/// The name of that container in awsvpc mode. With Service Connect in bridge mode each container has one of
/// its own, whose name goes on with a hyphen and the name of that container.
const PAUSE_NAME: &str = "~internal~ecs~pause";

const CONTAINER: Want = Want::Object(&[
    ("DockerId", field(Field::ContainerId)),
    ("Name", field(Field::ContainerName)),
    ("DockerName", field(Field::DockerName)),
    ("Image", field(Field::Image)),
    ("ImageID", field(Field::ImageId)),
    ("Type", Want::Text(Key::Kind)),
    ("ContainerARN", field(Field::ContainerArn)),
    ("CreatedAt", field(Field::CreatedAt)),
    ("StartedAt", field(Field::StartedAt)),
    ("RestartCount", field(Field::RestartCount)),
    (
        "LogOptions",
        Want::Object(&[
            ("awslogs-group", field(Field::LogGroup)),
            ("awslogs-stream", field(Field::LogStream)),
        ]),
    ),
    (
        "Labels",
        Want::Object(&[
            ("com.amazonaws.ecs.task-arn", field(Field::TaskArn)),
            ("com.amazonaws.ecs.cluster", Want::Text(Key::Cluster)),
            ("com.amazonaws.ecs.container-name", field(Field::ContainerName)),
            ("com.amazonaws.ecs.task-definition-family", field(Field::Family)),
            ("com.amazonaws.ecs.task-definition-version", field(Field::Revision)),
        ]),
    ),
    (
        "Networks",
        Want::First(&Want::Object(&[
            ("NetworkMode", Want::Text(NETWORK_MODE)),
            ("IPv4Addresses", Want::First(&field(Field::Ip))),
            ("IPv6Addresses", Want::First(&Want::Text(IPV6))),
        ])),
    ),
]);

const NETWORK_MODE: Key = Key::Named("NetworkMode");
const IPV6: Key = Key::Named("IPv6Addresses");
const PULL_STARTED: Key = Key::Named("PullStartedAt");
const PULL_STOPPED: Key = Key::Named("PullStoppedAt");

const TASK: Want = Want::Object(&[
    ("TaskARN", field(Field::TaskArn)),
    ("Cluster", Want::Text(Key::Cluster)),
    ("Family", field(Field::Family)),
    ("Revision", field(Field::Revision)),
    ("AvailabilityZone", field(Field::AvailabilityZone)),
    ("LaunchType", field(Field::LaunchType)),
    ("ServiceName", field(Field::Service)),
    ("PullStartedAt", Want::Text(PULL_STARTED)),
    ("PullStoppedAt", Want::Text(PULL_STOPPED)),
    ("FaultInjectionEnabled", Want::Flag(Key::Field(Field::FaultInjection))),
    ("Limits", Want::Object(&[("Memory", Want::Text(Key::Memory)), ("CPU", Want::Milli(Key::Named("CPU")))])),
    ("Containers", Want::Each(&CONTAINER)),
]);

/// What of a container is true of its whole task.
const OF_TASK: [Key; 4] =
    [Key::Field(Field::TaskArn), Key::Cluster, Key::Field(Field::Family), Key::Field(Field::Revision)];

/// What an answer told, and what of it was not taken.
#[derive(Debug, Default)]
pub struct Findings {
    /// the values that were taken
    pub identity: Identity,
    /// the values that have not the form of their field
    pub rejected: Vec<Rejected>,
    /// the IDs of all containers of the task
    pub containers: Vec<String>,
    /// `awsvpc`, `bridge`, `host` or `none`
    pub network_mode: Option<String>,
}

impl Findings {
    /// One line for all that was not taken.
    pub(super) fn rejected_line(&self) -> Option<String> {
        let first = self.rejected.first()?;
        let more = match self.rejected.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        Some(format!("{first}{more}"))
    }

    /// Takes a value that was found. One with another key than that of an identity's is passed over.
    pub(super) fn offer(&mut self, found: &Found, source: Source) {
        let text = found.text.as_str();
        let field = match found.key {
            Key::Field(field) => field,
            Key::Cluster if text.starts_with("arn:") => Field::ClusterArn,
            Key::Cluster => Field::Cluster,
            Key::Kind | Key::Status | Key::Memory | Key::Name | Key::Named(_) => return,
        };
        // Go's zero time: the agent does not know it yet.
        if matches!(field, Field::CreatedAt | Field::StartedAt) && text.starts_with("0001-01-01T") {
            return;
        }
        self.rejected.extend(self.identity.offer(field, text, source).err());
    }
}

/// The first value for `key` in an element.
pub(super) fn text_of(found: &[Found], element: usize, key: Key) -> Option<&str> {
    found.iter().find(|one| one.element == element && one.key == key).map(|one| one.text.as_str())
}

/// The answer to a request of the container's own URL (`ECS_CONTAINER_METADATA_URI_V4` without a suffix).
///
/// # Errors
/// [`NotMetadata`] when `body` is not a JSON object.
pub fn container(body: &[u8], source: Source) -> Result<Findings, NotMetadata> {
    let found = read(body, &CONTAINER)?;
    // Nobody's program runs in a pause container, so that is another container's answer. It is of the same
    // task.
    let is_pause = text_of(&found, 0, Key::Kind) == Some(PAUSE);
    let mut findings = Findings::default();
    for one in found.iter().filter(|one| !is_pause || OF_TASK.contains(&one.key)) {
        findings.offer(one, source);
    }
    if !is_pause {
        findings.hear_network(&found, 0, source);
    }
    Ok(findings)
}

/// The answer to a request of `/task`.
///
/// Of its containers the one counts whose ID is `ours`, never the first: that may be the pause container.
///
/// # Errors
/// [`NotMetadata`] when `body` is not a JSON object.
pub fn task(body: &[u8], ours: Option<&str>, source: Source) -> Result<Findings, NotMetadata> {
    let found = read(body, &TASK)?;
    let is_pause = |element| text_of(&found, element, Key::Kind) == Some(PAUSE);
    let own = element_of(&found, ours).filter(|own| !is_pause(*own));
    let mut findings = Findings::default();
    for one in found.iter().filter(|one| one.element == 0 || Some(one.element) == own) {
        findings.offer(one, source);
    }
    let ids = found.iter().filter(|one| one.element > 0 && one.key == Key::Field(Field::ContainerId));
    findings.containers = ids.map(|one| one.text.clone()).filter(|id| !id.is_empty()).collect();
    findings.identity.task_memory_limit = text_of(&found, 0, Key::Memory)
        .and_then(|mib| mib.parse::<u64>().ok())
        .and_then(|mib| mib.checked_mul(1024 * 1024))
        .filter(|&bytes| bytes > 0);
    let pull = |key| text_of(&found, 0, key).unwrap_or_default();
    let pull = milliseconds_between(pull(PULL_STARTED), pull(PULL_STOPPED));
    findings.derive(Field::PullMs, &pull.map(|pull| pull.to_string()).unwrap_or_default(), source);
    if let Some(own) = own {
        findings.hear_network(&found, own, source);
        if let Some(pause) = pause_of(&found, own) {
            let started = text_of(&found, pause, Key::Field(Field::StartedAt)).unwrap_or_default();
            findings.identity.network_started = humantime::parse_rfc3339(started).ok();
            // It owns the network, so its address is that of all who share it.
            findings.hear_network(&found, pause, source);
        }
        findings.identity.task_cpu_limit = text_of(&found, 0, Key::Named("CPU"))
            .and_then(|milli| milli.parse::<u64>().ok())
            .filter(|&milli| milli > 0);
    }
    Ok(findings)
}

impl Findings {
    /// Takes the address of the container `element`, and the network mode, where they are not known yet.
    fn hear_network(&mut self, found: &[Found], element: usize, source: Source) {
        let mode = text_of(found, element, NETWORK_MODE).map(str::to_owned);
        self.network_mode = self.network_mode.take().or(mode);
        for key in [Key::Field(Field::Ip), IPV6] {
            let address = text_of(found, element, key).unwrap_or_default();
            if self.identity.get(Field::Ip).is_none() {
                self.rejected.extend(self.identity.offer(Field::Ip, address, source).err());
            }
        }
    }

    fn derive(&mut self, field: Field, value: &str, source: Source) {
        self.rejected.extend(self.identity.derive(field, value, source).err());
    }
}

/// The element that holds the pause container whose network the container `own` is in. In bridge mode with
/// Service Connect there are several, in no order; one that is another container's is none.
fn pause_of(found: &[Found], own: usize) -> Option<usize> {
    let name = |element| text_of(found, element, Key::Field(Field::ContainerName)).unwrap_or_default();
    let mut pauses =
        found.iter().filter(|one| one.key == Key::Kind && one.text == PAUSE).map(|one| one.element);
    pauses.find(|&pause| {
        let for_whom = name(pause).strip_prefix(PAUSE_NAME);
        for_whom.is_some_and(|rest| rest.is_empty() || rest.strip_prefix('-') == Some(name(own)))
    })
}

/// The element that holds the container `ours`.
pub(super) fn element_of(found: &[Found], ours: Option<&str>) -> Option<usize> {
    let ours = ours.filter(|id| !id.is_empty())?;
    let is_ours = |one: &&Found| one.key == Key::Field(Field::ContainerId) && one.text == ours;
    found.iter().find(is_ours).map(|one| one.element)
}

/// Whole milliseconds from one RFC 3339 time to a later one.
fn milliseconds_between(earlier: &str, later: &str) -> Option<u128> {
    let earlier = humantime::parse_rfc3339(earlier).ok()?;
    let later = humantime::parse_rfc3339(later).ok()?;
    Some(later.duration_since(earlier).ok()?.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const ARN: &str = "arn:aws:ecs:eu-west-1:123456789012:task/default/fedcba9876543210fedcba9876543210";

    fn answer() -> String {
        format!(
            r#"{{"Cluster":"default","TaskARN":"{ARN}","Family":"web","Revision":"7","AvailabilityZone":"eu-west-1b",
            "LaunchType":"EC2","ServiceName":"front","Limits":{{"CPU":0.25,"Memory":512}},"Containers":[
            {{"DockerId":"{pause}","Name":"~internal~ecs~pause","Type":"CNI_PAUSE","StartedAt":"2026-01-02T03:04:05.100000001Z"}},
            {{"DockerId":"{ID}","Name":"app","DockerName":"ecs-web-7-app-1","Type":"NORMAL","Image":"web:1","ImageID":"sha256:1",
              "ContainerARN":"arn:aws:ecs:eu-west-1:123456789012:container/default/x/y","LogOptions":{{"awslogs-group":"/g","awslogs-stream":"s/app/t"}},
              "Networks":[{{"NetworkMode":"awsvpc","IPv4Addresses":["10.0.0.7","10.0.0.8"]}}],
              "CreatedAt":"2026-01-02T03:04:06Z","StartedAt":"2026-01-02T03:04:07.250000002Z"}}]}}"#,
            pause = "9".repeat(64)
        )
    }

    #[test]
    fn the_task_and_our_container_in_it() {
        let findings = task(answer().as_bytes(), Some(ID), Source::MetadataV4).expect("metadata");
        assert_eq!(findings.rejected, []);
        assert_eq!(findings.identity.task_memory_limit, Some(512 * 1024 * 1024));
        assert_eq!(findings.identity.task_cpu_limit, Some(250));
        for (field, value) in [
            (Field::TaskArn, ARN),
            (Field::Cluster, "default"),
            (Field::Family, "web"),
            (Field::Revision, "7"),
            (Field::AvailabilityZone, "eu-west-1b"),
            (Field::LaunchType, "EC2"),
            (Field::Service, "front"),
            (Field::ContainerId, ID),
            (Field::ContainerName, "app"),
            (Field::DockerName, "ecs-web-7-app-1"),
            (Field::Image, "web:1"),
            (Field::ImageId, "sha256:1"),
            (Field::ContainerArn, "arn:aws:ecs:eu-west-1:123456789012:container/default/x/y"),
            (Field::LogGroup, "/g"),
            (Field::LogStream, "s/app/t"),
            (Field::Ip, "10.0.0.7"),
            (Field::CreatedAt, "2026-01-02T03:04:06Z"),
            (Field::StartedAt, "2026-01-02T03:04:07.250000002Z"),
        ] {
            assert_eq!(findings.identity.get(field), Some(value), "{}", field.name());
        }
    }

    #[test]
    fn without_our_id_no_container_of_the_task_is_taken_for_ours() {
        for ours in [None, Some("8".repeat(64)), Some(String::new())] {
            let findings = task(answer().as_bytes(), ours.as_deref(), Source::MetadataV4).expect("metadata");
            assert_eq!(findings.identity.network_started, None);
            for field in [Field::ContainerId, Field::ContainerName, Field::Ip] {
                assert_eq!(findings.identity.get(field), None, "{}", field.name());
            }
            assert_eq!(findings.identity.get(Field::TaskArn), Some(ARN));
        }
    }

    #[test]
    fn the_labels_alone_name_the_task() {
        let body = format!(
            r#"{{"DockerId":"{ID}","Labels":{{"com.amazonaws.ecs.task-arn":"{ARN}","com.amazonaws.ecs.container-name":"app",
            "com.amazonaws.ecs.cluster":"arn:aws:ecs:eu-west-1:123456789012:cluster/default","theirs":{{"deep":[1]}},
            "com.amazonaws.ecs.task-definition-family":"web","com.amazonaws.ecs.task-definition-version":"7"}}}}"#
        );
        let findings = container(body.as_bytes(), Source::MetadataV4).expect("metadata");
        assert_eq!(findings.rejected, []);
        assert_eq!(findings.identity.get(Field::TaskArn), Some(ARN));
        assert_eq!(findings.identity.get(Field::ContainerName), Some("app"));
        assert_eq!(findings.identity.get(Field::Revision), Some("7"));
        assert_eq!(
            findings.identity.get(Field::ClusterArn),
            Some("arn:aws:ecs:eu-west-1:123456789012:cluster/default")
        );
        assert_eq!(findings.identity.get(Field::Cluster), None);
    }

    #[test]
    fn an_answer_about_the_pause_container_names_the_task_only() {
        let body = format!(
            r#"{{"DockerId":"{ID}","Name":"~internal~ecs~pause","Type":"CNI_PAUSE","Networks":[{{"IPv4Addresses":["10.0.0.7"]}}],
            "Labels":{{"com.amazonaws.ecs.task-arn":"{ARN}","com.amazonaws.ecs.container-name":"~internal~ecs~pause"}}}}"#
        );
        let findings = container(body.as_bytes(), Source::MetadataV4).expect("metadata");
        assert_eq!(findings.identity.iter().collect::<Vec<_>>(), [(Field::TaskArn, ARN)]);
    }

    #[test]
    fn a_field_of_the_wrong_type_loses_only_itself() {
        for wrong in ["7", "-7.5", "true", "null", "[[1],{}]", r#"{"a":[1]}"#, r#""x""#, "1e300"] {
            let body = format!(
                r#"{{"Limits":{wrong},"Labels":{wrong},"Networks":{wrong},"LogOptions":{wrong},"Containers":{wrong},
                "Name":{wrong},"TaskARN":"{ARN}","DockerId":"{ID}"}}"#
            );
            let findings = container(body.as_bytes(), Source::MetadataV4).expect("metadata");
            assert_eq!(findings.identity.get(Field::ContainerId), Some(ID), "{wrong}");
            let findings = task(body.as_bytes(), Some(ID), Source::MetadataV4).expect("metadata");
            assert_eq!(findings.identity.get(Field::TaskArn), Some(ARN), "{wrong}");
            assert_eq!(findings.identity.task_memory_limit, None, "{wrong}");
        }
    }

    #[test]
    fn values_that_are_not_of_their_form_are_named_and_not_taken() {
        let body = format!(r#"{{"TaskARN":"{ARN}\nPATH=/tmp","DockerId":"abc","StartedAt":"yesterday"}}"#);
        let findings = container(body.as_bytes(), Source::MetadataV4).expect("metadata");
        assert_eq!(findings.identity, Identity::default());
        assert_eq!(findings.rejected.len(), 2);
        let findings = task(body.as_bytes(), None, Source::MetadataV4).expect("metadata");
        assert_eq!(findings.identity, Identity::default());
        assert_eq!(findings.rejected.len(), 1);
    }

    #[test]
    fn what_is_no_object_is_no_metadata() {
        let deep = "[".repeat(100_000);
        for wrong in ["", "\"no such task\"", "[]", "[\"a\"]", "null", "<html>", "{", "{}x", &deep] {
            let error = container(wrong.as_bytes(), Source::MetadataV4).expect_err("no metadata");
            assert!(error.to_string().len() < 100, "{error}");
            assert!(task(wrong.as_bytes(), None, Source::MetadataV4).is_err());
        }
        assert!(container(b"{\"Name\":\"\xff\"}", Source::MetadataV4).is_err());
        assert!(container(b"{\"theirs\":\"\xff\", \"Name\":\"app\"}", Source::MetadataV4).is_ok());
    }

    #[test]
    fn a_clock_that_went_back_gives_no_wait() {
        assert_eq!(milliseconds_between("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.0015Z"), Some(1));
        assert_eq!(milliseconds_between("2026-01-02T03:04:06Z", "2026-01-02T03:04:05Z"), None);
        assert_eq!(milliseconds_between("", "2026-01-02T03:04:05Z"), None);
    }
}
