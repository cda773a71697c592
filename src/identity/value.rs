//! What a value must look like before it may reach the environment or a record.

use super::{Field, Source};
use crate::shown::Shown;
use std::fmt;

/// The longest value that is taken, in bytes. The longest real ones are the name that the agent gives a
/// container at its runtime, made of a family and a container name of up to 255 characters each and some 60
/// more, and a log stream of up to 512.
const LONGEST: usize = 1024;

/// The same of an ARN and of all else. (An ARN has at most 2,048 by its specification, but those of ECS stay
/// below 450.)
const LONGEST_OTHER: usize = 512;

/// A value that was told but not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// what it was told for
    pub field: Field,
    /// who told it
    pub source: Source,
    /// what is wrong with it
    pub reason: &'static str,
    /// its start, escaped, at most 80 bytes
    pub excerpt: String,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Rejected { field, source, reason, excerpt } = self;
        write!(f, "ignored {} from {}: {reason}: \"{excerpt}\"", field.name(), source.name())
    }
}

impl std::error::Error for Rejected {}

pub(super) fn check(field: Field, value: &str, source: Source) -> Result<(), Rejected> {
    match defect(field, value) {
        None => Ok(()),
        Some(reason) => {
            let excerpt = Shown::at_most(value, 80).to_string();
            Err(Rejected { field, source, reason, excerpt })
        }
    }
}

fn defect(field: Field, value: &str) -> Option<&'static str> {
    match field {
        Field::DockerName | Field::Image | Field::LogGroup | Field::LogStream if value.len() <= LONGEST => {}
        _ if value.len() <= LONGEST_OTHER => {}
        _ => return Some("it is too long"),
    }
    if value.chars().any(char::is_control) {
        return Some("it holds a control character");
    }
    let (well_formed, reason) = match field {
        Field::ContainerId => (is_container_id(value), "not a container ID"),
        Field::TaskArn => (is_ecs_arn(value, "task/"), "not the ARN of an ECS task"),
        Field::ContainerArn => (is_ecs_arn(value, "container/"), "not the ARN of an ECS container"),
        Field::ClusterArn => (is_ecs_arn(value, "cluster/"), "not the ARN of an ECS cluster"),
        Field::InstanceArn => {
            (is_ecs_arn(value, "container-instance/"), "not the ARN of a container instance")
        }
        Field::Account => (value.len() == 12 && is_digits(value), "not an account ID of 12 digits"),
        Field::Revision | Field::NetworkWaitMs | Field::RestartCount | Field::PullMs => {
            (is_digits(value) && value.len() <= 18, "not a number")
        }
        Field::FaultInjection => (value == "true", "not true"),
        Field::CreatedAt | Field::StartedAt => {
            (humantime::parse_rfc3339(value).is_ok(), "not an RFC 3339 time in UTC")
        }
        Field::Ip => (value.parse::<std::net::IpAddr>().is_ok(), "not an IP address"),
        Field::TaskId
        | Field::Cluster
        | Field::Family
        | Field::Service
        | Field::LaunchType
        | Field::AvailabilityZone
        | Field::Region
        | Field::ContainerName
        | Field::DockerName => (value.bytes().all(is_name_byte), "it holds a character that no name has"),
        Field::Image | Field::ImageId | Field::Hostname | Field::LogGroup | Field::LogStream => (true, ""),
    };
    (!well_formed).then_some(reason)
}

/// 64 lower-case hex digits, or `<32 hex digits>-<digits>`, the form on Fargate and Managed Instances.
///
/// The digits there are a number of no fixed width: 8, 9 and 10 have been seen; 4 to 20 are taken.
pub(super) fn is_container_id(text: &str) -> bool {
    match text.split_once('-') {
        None => text.len() == 64 && is_hex(text),
        Some((task, number)) => {
            task.len() == 32 && is_hex(task) && is_digits(number) && (4..=20).contains(&number.len())
        }
    }
}

pub(super) fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether all of it can stand in a name of ECS or of a container runtime.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_name_byte)
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_./:~+@".contains(&byte)
}

/// `arn:PARTITION:ecs:REGION:ACCOUNT:RESOURCE`, the resource beginning with `kind` and going on.
fn is_ecs_arn(text: &str, kind: &str) -> bool {
    let mut parts = text.splitn(6, ':');
    let mut next = || parts.next().unwrap_or_default();
    let (arn, partition, service, region, account, resource) =
        (next(), next(), next(), next(), next(), next());
    arn == "arn"
        && (partition == "aws" || partition.starts_with("aws-"))
        && partition.bytes().all(is_name_byte)
        && service == "ecs"
        && !region.is_empty()
        && region.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && account.len() == 12
        && is_digits(account)
        && resource.strip_prefix(kind).is_some_and(|rest| {
            // A part goes into paths and queries, where `.` and `..` mean another one.
            rest.split('/').all(|part| !["", ".", ".."].contains(&part)) && rest.bytes().all(is_name_byte)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn container_ids() {
        let hex = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        assert!(is_container_id(hex));
        for digits in ["12345678", "123456789", "1234567890"] {
            assert!(is_container_id(&format!("{}-{digits}", &hex[..32])));
        }
        for wrong in ["", "a", &hex[1..], &format!("{hex}0"), &hex.to_uppercase(), "session-14"] {
            assert!(!is_container_id(wrong), "{wrong}");
        }
        assert!(!is_container_id(&format!("{}-", &hex[..32])));
        assert!(!is_container_id(&format!("{}-12345678-1", &hex[..32])));
        assert!(!is_container_id("6ba7b810-9dad-11d1-80b4-00c04fd430c8"));
    }

    #[test]
    fn the_longest_names_of_the_agent() {
        let name = format!("ecs-{}-2147483647-{}-{}", "f".repeat(255), "c".repeat(255), "a".repeat(20));
        assert_eq!(defect(Field::DockerName, &name), None);
        assert!(defect(Field::DockerName, &"a".repeat(1025)).is_some());
    }

    #[test]
    fn arns() {
        for right in [
            "arn:aws:ecs:eu-west-1:123456789012:task/default/0123456789abcdef0123456789abcdef",
            "arn:aws:ecs:us-west-2:123456789012:task/2b88376d-aba3-4950-9ddf-bcb0f388a40c",
            "arn:aws-cn:ecs:cn-north-1:123456789012:task/c/0123456789abcdef0123456789abcdef",
            "arn:aws-us-gov:ecs:us-gov-west-1:123456789012:task/c/0123456789abcdef0123456789abcdef",
        ] {
            assert_eq!(defect(Field::TaskArn, right), None, "{right}");
        }
        for wrong in [
            "arn:aws:ecs:eu-west-1:123456789012:task/",
            "arn:aws:ecs:eu-west-1:123456789012:task//x",
            "arn:aws:ecs:eu-west-1:123456789012:task/c/",
            "arn:aws:ecs:eu-west-1:123456789012:task/.",
            "arn:aws:ecs:eu-west-1:123456789012:task/../c/x",
            "arn:aws:ecs:eu-west-1:123456789012:task/c/..",
            "arn:aws:ecs:eu-west-1:123456789012:task/./x",
            "arn:aws:ecs:eu-west-1:123456789012:service/x",
            "arn:aws:ecs:eu-west-1:12345:task/c/x",
            "arn:aws:iam::123456789012:task/x",
            "arn:aws:ecs:eu-west-1:123456789012:task/c/x y",
            "arn:aws:ecs:eu-west-1:123456789012:task/c/x\nPATH=/tmp",
            "<html>",
        ] {
            assert!(defect(Field::TaskArn, wrong).is_some(), "{wrong}");
        }
    }
}
