//! The identity as OpenTelemetry resource attributes.
//!
//! Keys: the resource semantic conventions for `container`, `cloud` and `aws.ecs`. Form of the variable:
//! "Specifying resource information via an environment variable" in the OpenTelemetry resource SDK
//! specification, which takes it from W3C Baggage without its properties.

use super::{Field, Identity};
use std::fmt::Write;

/// The variable that every OpenTelemetry SDK reads.
pub const VARIABLE: &str = "OTEL_RESOURCE_ATTRIBUTES";

/// The keys with a field of their own.
const KEYS: [(&str, Field); 13] = [
    ("container.id", Field::ContainerId),
    ("aws.ecs.task.arn", Field::TaskArn),
    ("aws.ecs.task.id", Field::TaskId),
    ("aws.ecs.task.family", Field::Family),
    ("aws.ecs.task.revision", Field::Revision),
    ("aws.ecs.cluster.arn", Field::ClusterArn),
    ("aws.ecs.container.arn", Field::ContainerArn),
    ("cloud.region", Field::Region),
    ("cloud.account.id", Field::Account),
    ("cloud.availability_zone", Field::AvailabilityZone),
    // The name that the runtime knows the container by; the task definition's only for want of it.
    ("container.name", Field::DockerName),
    ("container.name", Field::ContainerName),
    // The most exact resource that is known; the task only for want of the container.
    ("cloud.resource_id", Field::ContainerArn),
];

/// `before`, the value of the variable so far, with the attributes of `identity` whose keys it has not yet.
/// What is there stays as it is, so that what the user set wins. `None` when there is nothing to add.
pub fn merged(identity: &Identity, before: &str) -> Option<String> {
    let mut merged = before.trim().trim_end_matches(',').to_owned();
    let mut present: Vec<String> = merged
        .split(',')
        .filter_map(|pair| Some(pair.split_once('=')?.0.trim().to_owned()))
        .filter(|key| !key.is_empty())
        .collect();
    let length = merged.len();
    for (key, value) in attributes(identity) {
        if present.iter().any(|one| one == key) {
            continue;
        }
        present.push(key.to_owned());
        if !merged.is_empty() {
            merged.push(',');
        }
        merged.push_str(key);
        merged.push('=');
        encode(&value, &mut merged);
    }
    (merged.len() > length).then_some(merged)
}

fn attributes(identity: &Identity) -> Vec<(&'static str, String)> {
    let mut attributes: Vec<(&'static str, String)> =
        KEYS.iter().filter_map(|(key, field)| Some((*key, identity.get(*field)?.to_owned()))).collect();
    if let Some(image) = identity.get(Field::Image) {
        attributes.push(("container.image.name", name_of_image(image).to_owned()));
    }
    if let Some(launch_type) = identity.get(Field::LaunchType) {
        attributes.push(("aws.ecs.launchtype", launch_type.to_ascii_lowercase()));
    }
    match identity.get(Field::TaskArn) {
        Some(task) => {
            attributes.push(("cloud.resource_id", task.to_owned()));
            attributes.push(("cloud.provider", "aws".to_owned()));
            attributes.push(("cloud.platform", "aws_ecs".to_owned()));
        }
        // The conventions want the ID taken from the ARN and no other source.
        None => attributes.retain(|(key, _)| *key != "aws.ecs.task.id"),
    }
    attributes
}

/// The image without its tag and digest. A colon before a slash belongs to a port of the registry.
fn name_of_image(image: &str) -> &str {
    let name = image.split('@').next().unwrap_or_default();
    match name.rsplit_once(':') {
        Some((before, tag)) if !tag.contains('/') => before,
        _ => name,
    }
}

/// Percent-encodes what is not a `baggage-octet` of W3C Baggage, and of those `%`, `=` and `+`, which some
/// readers take for more than themselves.
fn encode(value: &str, into: &mut String) {
    for byte in value.bytes() {
        let is_octet = byte.is_ascii_graphic() && !b"\",;\\%=+".contains(&byte);
        if is_octet {
            into.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(into, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Source;
    use super::super::derive::derive;
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const ARN: &str = "arn:aws:ecs:eu-west-1:123456789012:task/blue/fedcba98";

    fn told(values: &[(Field, &str)]) -> Identity {
        let mut identity = Identity::default();
        for (field, value) in values {
            identity.offer(*field, value, Source::MetadataV4).expect("a valid value");
        }
        derive(&mut identity);
        identity
    }

    #[test]
    fn every_key() {
        let container = "arn:aws:ecs:eu-west-1:123456789012:container/blue/x/y";
        let identity = told(&[
            (Field::ContainerId, ID),
            (Field::TaskArn, ARN),
            (Field::Family, "web"),
            (Field::Revision, "7"),
            (Field::ContainerArn, container),
            (Field::ContainerName, "app"),
            (Field::DockerName, "ecs-web-7-app-1"),
            (Field::LaunchType, "EC2"),
            (Field::AvailabilityZone, "eu-west-1b"),
            (Field::Image, "registry:5000/web:1@sha256:0"),
        ]);
        let merged = merged(&identity, "").expect("attributes");
        let mut pairs: Vec<&str> = merged.split(',').collect();
        pairs.sort_unstable();
        let expected = [
            "aws.ecs.cluster.arn=arn:aws:ecs:eu-west-1:123456789012:cluster/blue",
            &format!("aws.ecs.container.arn={container}"),
            "aws.ecs.launchtype=ec2",
            &format!("aws.ecs.task.arn={ARN}"),
            "aws.ecs.task.family=web",
            "aws.ecs.task.id=fedcba98",
            "aws.ecs.task.revision=7",
            "cloud.account.id=123456789012",
            "cloud.availability_zone=eu-west-1b",
            "cloud.platform=aws_ecs",
            "cloud.provider=aws",
            "cloud.region=eu-west-1",
            &format!("cloud.resource_id={container}"),
            &format!("container.id={ID}"),
            "container.image.name=registry:5000/web",
            "container.name=ecs-web-7-app-1",
        ];
        assert_eq!(pairs, expected);
    }

    #[test]
    fn outside_ecs_only_the_container() {
        let plain = told(&[(Field::ContainerId, ID), (Field::Hostname, "abc")]);
        assert_eq!(merged(&plain, "").as_deref(), Some(format!("container.id={ID}").as_str()));
        let mut by_cgroup = plain;
        by_cgroup.derive(Field::TaskId, "fedcba98", Source::Cgroup).expect("a name");
        assert_eq!(merged(&by_cgroup, "").as_deref(), Some(format!("container.id={ID}").as_str()));
        assert_eq!(merged(&Identity::default(), "a=b"), None);
    }

    #[test]
    fn the_task_where_the_container_has_no_arn() {
        let merged = merged(&told(&[(Field::TaskArn, ARN)]), "").expect("attributes");
        assert!(merged.split(',').any(|pair| pair == format!("cloud.resource_id={ARN}")), "{merged}");
    }

    #[test]
    fn what_is_there_stays() {
        let identity = told(&[(Field::ContainerId, ID), (Field::Family, "web")]);
        for (before, after) in [
            ("", format!("container.id={ID},aws.ecs.task.family=web")),
            ("a=b%20c", format!("a=b%20c,container.id={ID},aws.ecs.task.family=web")),
            (" a=b , ", format!("a=b ,container.id={ID},aws.ecs.task.family=web")),
            ("container.id=mine", "container.id=mine,aws.ecs.task.family=web".to_owned()),
            ("x=y, container.id = mine", "x=y, container.id = mine,aws.ecs.task.family=web".to_owned()),
        ] {
            assert_eq!(merged(&identity, before), Some(after));
        }
        assert_eq!(merged(&identity, "container.id=a,aws.ecs.task.family=b"), None);
    }

    #[test]
    fn values_are_encoded() {
        for (value, encoded) in [
            ("a:b/c-d_e.f~g", "a:b/c-d_e.f~g"),
            ("a,b;c=d", "a%2Cb%3Bc%3Dd"),
            ("100% \"a\\b\"+", "100%25%20%22a%5Cb%22%2B"),
            ("ü", "%C3%BC"),
        ] {
            let mut into = String::new();
            encode(value, &mut into);
            assert_eq!(into, encoded);
        }
    }

    #[test]
    fn the_name_of_an_image() {
        for (image, name) in [
            ("web", "web"),
            ("web:1", "web"),
            ("r:5000/a/web", "r:5000/a/web"),
            ("r:5000/a/web:1", "r:5000/a/web"),
            ("web@sha256:00", "web"),
            ("web:1@sha256:00", "web"),
        ] {
            assert_eq!(name_of_image(image), name);
        }
    }
}
