//! The answers of the ECS task metadata endpoint, versions 2, 3 and 4, which differ only in what they leave out.
//!
//! Format: "Amazon ECS task metadata endpoint version 4" in the Amazon ECS Developer Guide. Nothing is
//! mandatory here: an agent leaves out what it does not know yet, and a field of the wrong type loses
//! itself and not the others.

use super::lenient::{Few, First, Number, Object, Text};
use super::{Field, Identity, Rejected, Source};
use serde::Deserialize;

/// The type that the agent gives the container which owns a task's network.
const PAUSE: &str = "CNI_PAUSE";

/// Container objects that are looked at in one task. ECS allows 10 in a task definition, and adds few.
const MOST_CONTAINERS: usize = 32;

/// The answer is not JSON, or no JSON object.
#[derive(Debug)]
pub struct NotMetadata {
    line: usize,
    column: usize,
    is_json: bool,
}

impl std::fmt::Display for NotMetadata {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let what = if self.is_json { "not a JSON object of this kind" } else { "not JSON" };
        write!(f, "its answer is {what} (line {}, column {})", self.line, self.column)
    }
}

impl std::error::Error for NotMetadata {}

/// Reads an object and nothing else: serde would also fill a structure from an array, by position.
pub(super) fn object<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, NotMetadata> {
    match serde_json::from_slice::<Object<T>>(body) {
        Ok(Object(Some(object))) => Ok(object),
        Ok(Object(None)) => Err(NotMetadata { line: 1, column: 1, is_json: true }),
        // The error's own text quotes the answer, at any length.
        Err(error) => {
            Err(NotMetadata { line: error.line(), column: error.column(), is_json: error.is_data() })
        }
    }
}

/// What an answer told, and what of it was not taken.
#[derive(Debug, Default)]
pub struct Told {
    /// the values that were taken
    pub identity: Identity,
    /// the values that have not the form of their field
    pub rejected: Vec<Rejected>,
}

impl Told {
    pub(super) fn offer(&mut self, field: Field, value: &str, source: Source) {
        self.rejected.extend(self.identity.offer(field, value, source).err());
    }

    /// The cluster is told by its short name or by its ARN.
    pub(super) fn offer_cluster(&mut self, value: &str, source: Source) {
        let field = if value.starts_with("arn:") { Field::ClusterArn } else { Field::Cluster };
        self.offer(field, value, source);
    }
}

/// The answer to a request of the container's own URL (`ECS_CONTAINER_METADATA_URI_V4` without a suffix).
///
/// # Errors
/// [`NotMetadata`] when `body` is not a JSON object.
pub fn container(body: &[u8], source: Source) -> Result<Told, NotMetadata> {
    let container: Container = object(body)?;
    let mut told = Told::default();
    if container.kind.as_str() == PAUSE {
        // Nobody's program runs in there, so this is another container's answer. It is of the same task.
        container.tell_task(&mut told, source);
    } else {
        container.tell(&mut told, source);
    }
    Ok(told)
}

/// The answer to a request of `/task`.
///
/// Of its containers the one counts whose ID is `ours`, never the first: that may be the pause container.
///
/// # Errors
/// [`NotMetadata`] when `body` is not a JSON object.
pub fn task(body: &[u8], ours: Option<&str>, source: Source) -> Result<Told, NotMetadata> {
    let task: Task = object(body)?;
    let mut told = Told::default();
    for (field, value) in [
        (Field::TaskArn, &task.arn),
        (Field::Family, &task.family),
        (Field::Revision, &task.revision),
        (Field::AvailabilityZone, &task.availability_zone),
        (Field::LaunchType, &task.launch_type),
        (Field::Service, &task.service_name),
    ] {
        told.offer(field, value.as_str(), source);
    }
    told.offer_cluster(task.cluster.as_str(), source);
    told.identity.task_memory_limit =
        task.limits.0.and_then(|limits| limits.memory.whole()).and_then(|mib| mib.checked_mul(1024 * 1024));

    let own = task.containers.iter().find(|one| ours.is_some_and(|id| one.docker_id.as_str() == id));
    if let Some(own) = own {
        own.tell(&mut told, source);
    }
    let pause = task.containers.iter().find(|one| one.kind.as_str() == PAUSE);
    if let (Some(own), Some(pause)) = (own, pause) {
        let wait = milliseconds_between(pause.started_at.as_str(), own.started_at.as_str());
        let wait = wait.map(|wait| wait.to_string()).unwrap_or_default();
        told.rejected.extend(told.identity.derive(Field::NetworkWaitMs, &wait, source).err());
    }
    Ok(told)
}

/// Whole milliseconds from one RFC 3339 time to a later one.
fn milliseconds_between(earlier: &str, later: &str) -> Option<u128> {
    let earlier = humantime::parse_rfc3339(earlier).ok()?;
    let later = humantime::parse_rfc3339(later).ok()?;
    Some(later.duration_since(earlier).ok()?.as_millis())
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Task {
    #[serde(rename = "TaskARN")]
    arn: Text,
    #[serde(rename = "Cluster")]
    cluster: Text,
    #[serde(rename = "Family")]
    family: Text,
    #[serde(rename = "Revision")]
    revision: Text,
    #[serde(rename = "AvailabilityZone")]
    availability_zone: Text,
    #[serde(rename = "LaunchType")]
    launch_type: Text,
    #[serde(rename = "ServiceName")]
    service_name: Text,
    #[serde(rename = "Limits")]
    limits: Object<Limits>,
    #[serde(rename = "Containers")]
    containers: Few<Container, MOST_CONTAINERS>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Limits {
    /// MiB
    #[serde(rename = "Memory")]
    memory: Number,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Container {
    #[serde(rename = "DockerId")]
    docker_id: Text,
    #[serde(rename = "Name")]
    name: Text,
    #[serde(rename = "DockerName")]
    docker_name: Text,
    #[serde(rename = "Image")]
    image: Text,
    #[serde(rename = "ImageID")]
    image_id: Text,
    #[serde(rename = "Type")]
    kind: Text,
    #[serde(rename = "ContainerARN")]
    arn: Text,
    #[serde(rename = "CreatedAt")]
    created_at: Text,
    #[serde(rename = "StartedAt")]
    started_at: Text,
    #[serde(rename = "LogOptions")]
    log_options: Object<LogOptions>,
    #[serde(rename = "Labels")]
    labels: Object<Labels>,
    #[serde(rename = "Networks")]
    networks: First<Object<Network>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct LogOptions {
    #[serde(rename = "awslogs-group")]
    group: Text,
    #[serde(rename = "awslogs-stream")]
    stream: Text,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Labels {
    #[serde(rename = "com.amazonaws.ecs.task-arn")]
    task_arn: Text,
    #[serde(rename = "com.amazonaws.ecs.cluster")]
    cluster: Text,
    #[serde(rename = "com.amazonaws.ecs.container-name")]
    container_name: Text,
    #[serde(rename = "com.amazonaws.ecs.task-definition-family")]
    family: Text,
    #[serde(rename = "com.amazonaws.ecs.task-definition-version")]
    revision: Text,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Network {
    #[serde(rename = "IPv4Addresses")]
    addresses: First<Text>,
}

impl Container {
    fn tell(&self, told: &mut Told, source: Source) {
        for (field, value) in [
            (Field::ContainerId, &self.docker_id),
            (Field::ContainerName, &self.name),
            (Field::DockerName, &self.docker_name),
            (Field::Image, &self.image),
            (Field::ImageId, &self.image_id),
            (Field::ContainerArn, &self.arn),
            (Field::CreatedAt, &self.created_at),
            (Field::StartedAt, &self.started_at),
        ] {
            told.offer(field, value.as_str(), source);
        }
        if let Some(options) = &self.log_options.0 {
            told.offer(Field::LogGroup, options.group.as_str(), source);
            told.offer(Field::LogStream, options.stream.as_str(), source);
        }
        if let Some(labels) = &self.labels.0 {
            told.offer(Field::ContainerName, labels.container_name.as_str(), source);
        }
        self.tell_task(told, source);
        if let Some(network) = &self.networks.0.0 {
            told.offer(Field::Ip, network.addresses.0.as_str(), source);
        }
    }

    /// What the container's labels tell of its task.
    fn tell_task(&self, told: &mut Told, source: Source) {
        if let Some(labels) = &self.labels.0 {
            told.offer(Field::TaskArn, labels.task_arn.as_str(), source);
            told.offer(Field::Family, labels.family.as_str(), source);
            told.offer(Field::Revision, labels.revision.as_str(), source);
            told.offer_cluster(labels.cluster.as_str(), source);
        }
    }
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
        let told = task(answer().as_bytes(), Some(ID), Source::MetadataV4).expect("metadata");
        assert_eq!(told.rejected, []);
        assert_eq!(told.identity.task_memory_limit, Some(512 * 1024 * 1024));
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
            (Field::NetworkWaitMs, "2150"),
        ] {
            assert_eq!(told.identity.get(field), Some(value), "{}", field.name());
        }
    }

    #[test]
    fn without_our_id_no_container_of_the_task_is_taken_for_ours() {
        for ours in [None, Some("8".repeat(64)), Some(String::new())] {
            let told = task(answer().as_bytes(), ours.as_deref(), Source::MetadataV4).expect("metadata");
            for field in [Field::ContainerId, Field::ContainerName, Field::Ip, Field::NetworkWaitMs] {
                assert_eq!(told.identity.get(field), None, "{}", field.name());
            }
            assert_eq!(told.identity.get(Field::TaskArn), Some(ARN));
        }
    }

    #[test]
    fn the_labels_alone_name_the_task() {
        let body = format!(
            r#"{{"DockerId":"{ID}","Labels":{{"com.amazonaws.ecs.task-arn":"{ARN}","com.amazonaws.ecs.container-name":"app",
            "com.amazonaws.ecs.cluster":"arn:aws:ecs:eu-west-1:123456789012:cluster/default","theirs":{{"deep":[1]}},
            "com.amazonaws.ecs.task-definition-family":"web","com.amazonaws.ecs.task-definition-version":"7"}}}}"#
        );
        let told = container(body.as_bytes(), Source::MetadataV4).expect("metadata");
        assert_eq!(told.rejected, []);
        assert_eq!(told.identity.get(Field::TaskArn), Some(ARN));
        assert_eq!(told.identity.get(Field::ContainerName), Some("app"));
        assert_eq!(told.identity.get(Field::Revision), Some("7"));
        assert_eq!(
            told.identity.get(Field::ClusterArn),
            Some("arn:aws:ecs:eu-west-1:123456789012:cluster/default")
        );
        assert_eq!(told.identity.get(Field::Cluster), None);
    }

    #[test]
    fn an_answer_about_the_pause_container_names_the_task_only() {
        let body = format!(
            r#"{{"DockerId":"{ID}","Name":"~internal~ecs~pause","Type":"CNI_PAUSE","Networks":[{{"IPv4Addresses":["10.0.0.7"]}}],
            "Labels":{{"com.amazonaws.ecs.task-arn":"{ARN}","com.amazonaws.ecs.container-name":"~internal~ecs~pause"}}}}"#
        );
        let told = container(body.as_bytes(), Source::MetadataV4).expect("metadata");
        assert_eq!(told.identity.iter().collect::<Vec<_>>(), [(Field::TaskArn, ARN)]);
    }

    #[test]
    fn a_field_of_the_wrong_type_loses_only_itself() {
        for wrong in ["7", "-7.5", "true", "null", "[[1],{}]", r#"{"a":[1]}"#, r#""x""#, "1e300"] {
            let body = format!(
                r#"{{"Limits":{wrong},"Labels":{wrong},"Networks":{wrong},"LogOptions":{wrong},"Containers":{wrong},
                "Name":{wrong},"TaskARN":"{ARN}","DockerId":"{ID}"}}"#
            );
            let told = container(body.as_bytes(), Source::MetadataV4).expect("metadata");
            assert_eq!(told.identity.get(Field::ContainerId), Some(ID), "{wrong}");
            let told = task(body.as_bytes(), Some(ID), Source::MetadataV4).expect("metadata");
            assert_eq!(told.identity.get(Field::TaskArn), Some(ARN), "{wrong}");
            assert_eq!(told.identity.task_memory_limit, None, "{wrong}");
        }
    }

    #[test]
    fn values_that_are_not_of_their_form_are_named_and_not_taken() {
        let body = format!(r#"{{"TaskARN":"{ARN}\nPATH=/tmp","DockerId":"abc","StartedAt":"yesterday"}}"#);
        let told = container(body.as_bytes(), Source::MetadataV4).expect("metadata");
        assert_eq!(told.identity, Identity::default());
        assert_eq!(told.rejected.len(), 2);
        let told = task(body.as_bytes(), None, Source::MetadataV4).expect("metadata");
        assert_eq!(told.identity, Identity::default());
        assert_eq!(told.rejected.len(), 1);
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
