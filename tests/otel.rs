//! What an OpenTelemetry SDK makes of the resource attributes that epitaph exports.
//!
//! The SDK is the one for Python, which decodes the variable as the specification says; the one for Rust
//! takes values as they stand.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use epitaph::identity::{ExportList, Field, Identity, Source, derive};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use support::process::stdout;
use support::require::require;
use support::static_binary::target_directory;

/// Python takes a second to start where it compiles the SDK for the first time.
const BOUND: Duration = Duration::from_secs(60);

const DETECT: &str = "import json; from opentelemetry.sdk.resources import OTELResourceDetector; \
                      print(json.dumps(dict(OTELResourceDetector().detect().attributes)))";

fn python() -> Result<PathBuf, String> {
    let own = target_directory().join("opentelemetry/bin/python");
    let python = if own.exists() { own } else { PathBuf::from("python3") };
    let has_sdk = stdout(Command::new(&python).args(["-c", "import opentelemetry.sdk.resources"]), BOUND);
    has_sdk.map(|_| python).map_err(|_| {
        "tests/support/fetch-opentelemetry.sh puts it into the target directory as opentelemetry".to_owned()
    })
}

fn attributes(python: &PathBuf, identity: &Identity, before: &str) -> BTreeMap<String, String> {
    let list = ExportList::parse("otel").unwrap();
    let variables = list.variables(identity, before);
    let text = stdout(Command::new(python).args(["-c", DETECT]).envs(variables), BOUND).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn every_value_arrives_as_it_is() {
    let Some(python) = require("OpenTelemetry SDK for Python", python()) else { return };
    let mut identity = Identity::default();
    let task = "arn:aws-cn:ecs:cn-north-1:123456789012:task/blue/fedcba9876543210fedcba9876543210";
    let container = "arn:aws-cn:ecs:cn-north-1:123456789012:container/blue/fedcba98/01234567";
    let id = "0123456789abcdef".repeat(4);
    // An image that no registry takes, but an agent that is lied to could tell.
    let image = "r:5000/a,b;c=d%41+e\"f\\g hü☃";
    for (field, value) in [
        (Field::ContainerId, id.as_str()),
        (Field::TaskArn, task),
        (Field::ContainerArn, container),
        (Field::DockerName, "ecs-web-7-app-aaf8e7b4c5d6e7f80100"),
        (Field::Image, image),
        (Field::Family, "web"),
        (Field::Revision, "7"),
        (Field::LaunchType, "FARGATE"),
        (Field::AvailabilityZone, "cn-north-1a"),
    ] {
        identity.offer(field, value, Source::MetadataV4).unwrap();
    }
    derive::derive(&mut identity);

    let before = "service.name=shop%20front,cloud.region=mine,team = a%2Cb";
    let expected = [
        ("service.name", "shop front"),
        ("team", "a,b"),
        ("cloud.region", "mine"),
        ("container.id", id.as_str()),
        ("container.name", "ecs-web-7-app-aaf8e7b4c5d6e7f80100"),
        ("container.image.name", image),
        ("aws.ecs.task.arn", task),
        ("aws.ecs.task.id", "fedcba9876543210fedcba9876543210"),
        ("aws.ecs.task.family", "web"),
        ("aws.ecs.task.revision", "7"),
        ("aws.ecs.cluster.arn", "arn:aws-cn:ecs:cn-north-1:123456789012:cluster/blue"),
        ("aws.ecs.container.arn", container),
        ("aws.ecs.launchtype", "fargate"),
        ("cloud.provider", "aws"),
        ("cloud.platform", "aws_ecs"),
        ("cloud.account.id", "123456789012"),
        ("cloud.availability_zone", "cn-north-1a"),
        ("cloud.resource_id", container),
    ];
    let expected: BTreeMap<String, String> =
        expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    assert_eq!(attributes(&python, &identity, before), expected);
}
