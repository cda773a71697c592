//! The agent's JSON documents: which field is in which version of which answer.
//!
//! Sources: the user guides of the task metadata endpoint (versions 2 to 4) and of the container agent
//! introspection API, and the response types of the agent's public source.

use serde_json::{Map, Value, json};

use super::task::{Container, Health, Task};

/// The version of the task metadata endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    V2,
    V3,
    V4,
}

/// `/task`, or `/v2/metadata`.
pub fn task(task: &Task, version: Version) -> Value {
    let containers: Vec<Value> = task.containers.iter().map(|one| container(task, one, version)).collect();
    let mut object = Object::default();
    object.put("Cluster", json!(task.cluster));
    object.put("TaskARN", json!(task.arn));
    object.put("Family", json!(task.family));
    object.put("Revision", json!(task.revision));
    object.put("DesiredStatus", json!(task.desired_status));
    object.put("KnownStatus", json!(task.known_status));
    if task.cpu_limit.is_some() || task.memory_limit.is_some() {
        let mut limits = Object::default();
        limits.put_some("CPU", task.cpu_limit.map(|limit| json!(limit)));
        limits.put_some("Memory", task.memory_limit.map(|limit| json!(limit)));
        object.put("Limits", limits.value());
    }
    if let Some((began, ended)) = &task.pulled {
        object.put("PullStartedAt", json!(began));
        object.put("PullStoppedAt", json!(ended));
    }
    object.put("AvailabilityZone", json!(task.availability_zone));
    if !containers.is_empty() {
        object.put("Containers", json!(containers));
    }
    if version == Version::V4 {
        object.put("LaunchType", json!(task.launch_type));
        object.put_some("ServiceName", task.service.as_ref().map(|name| json!(name)));
        object.put_some("VPCID", task.vpc_id.as_ref().map(|id| json!(id)));
        object.put("FaultInjectionEnabled", json!(task.fault_injection));
        if task.launch_type == "FARGATE" {
            object.put("EphemeralStorageMetrics", json!({"Utilized": 319, "Reserved": 21_010}));
            object.put(
                "ClockDrift",
                json!({
                    "ClockErrorBound": 0.554_55,
                    "ReferenceTimestamp": "2026-01-15T09:30:00Z",
                    "ClockSynchronizationStatus": "SYNCHRONIZED",
                }),
            );
        }
    }
    object.value()
}

/// The bare base of v3 and v4, an element of `Containers`, or `/v2/metadata/<container id>`.
pub fn container(task: &Task, container: &Container, version: Version) -> Value {
    let mut object = Object::default();
    object.put("DockerId", json!(container.docker_id));
    object.put("Name", json!(container.name));
    object.put("DockerName", json!(container.docker_name));
    object.put("Image", json!(container.image));
    object.put("ImageID", json!(container.image_id));
    object.put("Labels", labels(task, container));
    object.put("DesiredStatus", json!(task.desired_status));
    object.put("KnownStatus", json!(container.known_status));
    object.put(
        "Limits",
        json!({"CPU": container.cpu_limit.unwrap_or(0), "Memory": container.memory_limit.unwrap_or(0)}),
    );
    object.put_some("CreatedAt", container.created_at.as_ref().map(|time| json!(time)));
    object.put_some("StartedAt", container.started_at.as_ref().map(|time| json!(time)));
    object.put_some("FinishedAt", container.finished_at.as_ref().map(|time| json!(time)));
    object.put_some("ExitCode", container.exit_code.map(|code| json!(code)));
    object.put_some("Health", container.health.as_ref().map(health));
    object.put("Type", json!(container.kind));
    if container.has_network {
        object.put("Networks", json!([network(task, container, version)]));
    }
    if container.exit_code.is_none() {
        object.put_some("ExitCode", container.scripted.exit_code.map(|code| json!(code)));
    }
    // Version 2 has no health.
    let health = container.scripted.health.as_ref().filter(|_| version != Version::V2);
    object.put_some(
        "Health",
        health.map(|(status, output)| {
            let code = u8::from(status == "UNHEALTHY");
            json!({"status": status, "statusSince": "2026-01-15T09:31:00.317897105Z", "exitCode": code, "output": output})
        }),
    );
    if version == Version::V4 {
        object.put_some("ContainerARN", container.arn.as_ref().map(|arn| json!(arn)));
        object.put_some("LogDriver", container.log_driver.as_ref().map(|driver| json!(driver)));
        if !container.log_options.is_empty() {
            object.put("LogOptions", pairs(&container.log_options));
        }
        object.put_some("RestartCount", container.restart_count.map(|count| json!(count)));
        if task.launch_type == "FARGATE" {
            object.put("Snapshotter", json!("overlayfs"));
        }
    }
    object.value()
}

fn health(health: &Health) -> Value {
    let mut object = Object::default();
    object.put("status", json!(health.status));
    object.put_some("statusSince", health.since.as_ref().map(|time| json!(time)));
    object.put_some("exitCode", health.exit_code.map(|code| json!(code)));
    object.put_some("output", health.output.as_ref().map(|text| json!(text)));
    object.value()
}

fn labels(task: &Task, container: &Container) -> Value {
    let own = [
        ("com.amazonaws.ecs.cluster", &task.cluster),
        ("com.amazonaws.ecs.container-name", &container.name),
        ("com.amazonaws.ecs.task-arn", &task.arn),
        ("com.amazonaws.ecs.task-definition-family", &task.family),
        ("com.amazonaws.ecs.task-definition-version", &task.revision),
    ];
    let mut all: Vec<(String, String)> =
        own.into_iter().map(|(name, value)| (name.to_owned(), value.clone())).collect();
    all.extend(container.labels.iter().cloned());
    pairs(&all)
}

fn network(task: &Task, container: &Container, version: Version) -> Value {
    let mut network = Object::default();
    network.put("NetworkMode", json!(task.network_mode));
    if !container.ip.is_empty() || container.ipv6.is_none() {
        network.put("IPv4Addresses", json!([container.ip]));
    }
    network.put_some("IPv6Addresses", container.ipv6.as_ref().map(|ip| json!([ip])));
    if version == Version::V4 && task.network_mode == "awsvpc" {
        network.put("AttachmentIndex", json!(0));
        network.put("MACAddress", json!("0e:9e:32:c7:48:85"));
        network.put("IPv4SubnetCIDRBlock", json!("10.0.2.0/24"));
        network.put("PrivateDNSName", json!("ip-10-0-2-100.eu-central-1.compute.internal"));
        network.put("SubnetGatewayIpv4Address", json!("10.0.2.1/24"));
    }
    network.value()
}

/// `/v1/metadata`.
pub fn agent(task: &Task) -> Value {
    let cluster = task.cluster.rsplit('/').next().unwrap_or_default();
    json!({
        "Cluster": cluster,
        "ContainerInstanceArn": task.instance_arn,
        "Version": "Amazon ECS Agent - v1.89.2 (*7a3f1c2d)",
    })
}

/// `/v1/tasks`: all tasks of the instance.
pub fn introspected_tasks(tasks: &[&Task]) -> Value {
    let all: Vec<Value> = tasks.iter().map(|task| introspected_task(task)).collect();
    json!({"Tasks": all})
}

/// One task of `/v1/tasks`. The pause container is never listed, though its ID finds the task.
pub fn introspected_task(task: &Task) -> Value {
    let shown = task.containers.iter().filter(|container| !container.is_pause());
    let containers: Vec<Value> = shown.map(|container| introspected_container(task, container)).collect();
    json!({
        "Arn": task.arn,
        "DesiredStatus": "RUNNING",
        "KnownStatus": "RUNNING",
        "Family": task.family,
        "Version": task.revision,
        "Containers": containers,
    })
}

fn introspected_container(task: &Task, container: &Container) -> Value {
    let mut object = Object::default();
    object.put("DockerId", json!(container.docker_id));
    object.put("DockerName", json!(container.docker_name));
    object.put("Name", json!(container.name));
    object.put("Image", json!(container.image));
    object.put("ImageID", json!(container.image_id));
    object.put_some("CreatedAt", container.created_at.as_ref().map(|time| json!(time)));
    object.put_some("StartedAt", container.started_at.as_ref().map(|time| json!(time)));
    if task.network_mode == "awsvpc" {
        object.put("Networks", json!([{"NetworkMode": "awsvpc", "IPv4Addresses": [container.ip]}]));
    }
    object.value()
}

/// What the introspection API answers instead of a task that it has not found.
pub fn no_task() -> Value {
    json!({"Arn": "", "KnownStatus": "", "Family": "", "Version": "", "Containers": null})
}

fn pairs(pairs: &[(String, String)]) -> Value {
    Value::Object(pairs.iter().map(|(name, value)| (name.clone(), json!(value))).collect())
}

/// An object in the making. (Keys come out sorted, the agent's do not: no reader may care.)
#[derive(Default)]
struct Object(Map<String, Value>);

impl Object {
    fn put(&mut self, key: &str, value: Value) {
        self.0.insert(key.to_owned(), value);
    }

    fn put_some(&mut self, key: &str, value: Option<Value>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }

    fn value(self) -> Value {
        Value::Object(self.0)
    }
}
