//! The introspection API of the ECS agent, on port 51678 of the container instance.
//!
//! Format: "Amazon ECS container agent introspection" in the Amazon ECS Developer Guide. It answers for every
//! container of the instance, so an answer counts only if it holds this container's full ID.

use super::document::{Key, NotMetadata, Want, field, read};
use super::metadata::{Findings, element_of};
use super::{Field, Source};
use std::net::Ipv4Addr;

const SOURCE: Source = Source::Introspection;

/// The agent's port.
pub const PORT: u16 = 51678;

const TASK: Want = Want::Object(&[
    ("Arn", field(Field::TaskArn)),
    ("Family", field(Field::Family)),
    // Of the task definition.
    ("Version", field(Field::Revision)),
    (
        "Containers",
        Want::Each(&Want::Object(&[
            ("DockerId", field(Field::ContainerId)),
            ("DockerName", field(Field::DockerName)),
            ("Name", field(Field::ContainerName)),
            ("Image", field(Field::Image)),
            ("ImageID", field(Field::ImageId)),
        ])),
    ),
]);

const INSTANCE: Want = Want::Object(&[
    ("ContainerInstanceArn", field(Field::InstanceArn)),
    ("Cluster", Want::Text(Key::Cluster)),
]);

/// The path that asks for the task of the container `id`, which must be the full ID: the agent takes 12
/// characters and fewer for a prefix, and none for all tasks.
pub fn path_for(id: &str) -> String {
    format!("/v1/tasks?dockerid={id}")
}

/// The answer to [`path_for`] the container `ours`. Tells nothing unless the task holds that container.
///
/// # Errors
/// [`NotMetadata`] when `body` is not a JSON object.
pub fn task(body: &[u8], ours: &str) -> Result<Findings, NotMetadata> {
    let found = read(body, &TASK)?;
    let mut findings = Findings::default();
    let has_arn = found.iter().any(|one| one.key == Key::Field(Field::TaskArn) && !one.text.is_empty());
    let Some(own) = element_of(&found, Some(ours)).filter(|_| has_arn) else { return Ok(findings) };
    for one in found.iter().filter(|one| one.element == 0 || one.element == own) {
        findings.offer(one, SOURCE);
    }
    Ok(findings)
}

/// The answer to `/v1/metadata`: the container instance and its cluster.
///
/// # Errors
/// [`NotMetadata`] when `body` is not a JSON object.
pub fn instance(body: &[u8]) -> Result<Findings, NotMetadata> {
    let mut findings = Findings::default();
    read(body, &INSTANCE)?.iter().for_each(|one| findings.offer(one, SOURCE));
    Ok(findings)
}

/// The default gateway by the text of `/proc/net/route` (proc_pid_net(5)): in bridge mode, the instance.
///
/// The kernel prints each address as one number in the machine's own byte order.
pub fn default_gateway(route: &str) -> Option<Ipv4Addr> {
    /// `RTF_GATEWAY` of linux/route.h
    const VIA_GATEWAY: u32 = 2;
    route.lines().skip(1).find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let mut hex = |place| u32::from_str_radix(fields.nth(place)?, 16).ok();
        // Iface Destination Gateway Flags RefCnt Use Metric Mask
        let (destination, gateway, flags, mask) = (hex(1)?, hex(0)?, hex(0)?, hex(3)?);
        let is_default = destination == 0 && mask == 0 && gateway != 0 && flags & VIA_GATEWAY != 0;
        is_default.then(|| Ipv4Addr::from(gateway.to_ne_bytes()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Identity;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const ARN: &str = "arn:aws:ecs:eu-west-1:123456789012:task/default/fedcba9876543210fedcba9876543210";

    #[test]
    fn the_task_that_holds_our_container() {
        let body = format!(
            r#"{{"Arn":"{ARN}","DesiredStatus":"RUNNING","Family":"web","Version":"7","Containers":[
            {{"DockerId":"{other}","DockerName":"p","Name":"~internal~ecs~pause"}},
            {{"DockerId":"{ID}","DockerName":"ecs-web-7-app-1","Name":"app","Image":"web:1"}}]}}"#,
            other = "9".repeat(64)
        );
        let findings = task(body.as_bytes(), ID).expect("metadata");
        assert_eq!(findings.identity.get(Field::TaskArn), Some(ARN));
        assert_eq!(findings.identity.get(Field::Revision), Some("7"));
        assert_eq!(findings.identity.get(Field::ContainerName), Some("app"));
        assert_eq!(findings.identity.source(Field::ContainerId), Some(Source::Introspection));
        for other in ["", "0", &ID[..12], &"8".repeat(64)] {
            assert_eq!(task(body.as_bytes(), other).expect("metadata").identity, Identity::default());
        }
    }

    #[test]
    fn the_zero_object_and_the_list_of_commands_tell_nothing() {
        let zero = format!(r#"{{"Arn":"","Family":"","Version":"","Containers":[{{"DockerId":"{ID}"}}]}}"#);
        for body in [zero.as_str(), r#"{"AvailableCommands":["/v1/metadata"]}"#, r#"{"Tasks":[]}"#] {
            assert_eq!(task(body.as_bytes(), ID).expect("metadata").identity, Identity::default());
        }
        assert!(task(b"\"a string\"", ID).is_err());
    }

    #[test]
    fn the_instance() {
        let arn = "arn:aws:ecs:eu-west-1:123456789012:container-instance/default/0123";
        let body = format!(r#"{{"Cluster":"blue","ContainerInstanceArn":"{arn}","Version":"1.2"}}"#);
        let findings = instance(body.as_bytes()).expect("metadata");
        assert_eq!(findings.identity.get(Field::InstanceArn), Some(arn));
        assert_eq!(findings.identity.get(Field::Cluster), Some("blue"));
        let findings = instance(br#"{"Cluster":"blue","ContainerInstanceArn":null}"#).expect("metadata");
        assert_eq!(findings.identity.get(Field::InstanceArn), None);
        assert_eq!(findings.rejected, []);
    }

    #[test]
    fn the_default_gateway() {
        let hex = |ip: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(ip));
        let head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";
        let line = |to: [u8; 4], via: [u8; 4], flags: &str, mask: [u8; 4]| {
            format!("eth0\t{}\t{}\t{flags}\t0\t0\t0\t{}\t0\t0\t0\n", hex(to), hex(via), hex(mask))
        };
        let zero = [0; 4];
        let local = line([172, 17, 0, 0], zero, "0001", [255, 255, 0, 0]);
        let default = line(zero, [172, 17, 0, 1], "0003", zero);
        assert_eq!(default_gateway(&format!("{head}{local}{default}")), Some(Ipv4Addr::new(172, 17, 0, 1)));
        assert_eq!(default_gateway(&format!("{head}{local}")), None);
        let half = line(zero, [10, 0, 0, 1], "0003", [128, 0, 0, 0]);
        assert_eq!(default_gateway(&format!("{head}{half}")), None);
        for text in ["", head, "a\nb", "a\nb c d e f", "x\neth0 0 0 0"] {
            assert_eq!(default_gateway(text), None);
        }
    }
}
