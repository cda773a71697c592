//! What ECS says: events of EventBridge, the answers of `describe-tasks`, `stop-task`, `describe-services`
//! and `describe-container-instances`, and what a state machine got back from a task.

use super::fields::{get, limited, owned, text, time};
use super::{
    ContainerExit, InstanceState, ServiceAction, ServiceEvent, Statement, TaskState, What, WitnessKind, ids,
    service_event,
};
use jiff::Timestamp;
use serde_json::{Map, Value};

type Object = Map<String, Value>;

/// An event of EventBridge that ECS or EC2 has sent. Adds its statements, and tells whether it was one.
pub fn event(event: &Object, into: &mut Vec<Statement>) -> bool {
    let Some(kind) = event.get("detail-type").and_then(Value::as_str) else { return false };
    let Some(detail) = event.get("detail").and_then(Value::as_object) else { return false };
    let at = time(event, "time");
    match kind {
        "ECS Task State Change" => into.extend(task(detail, at)),
        "ECS Container Instance State Change" => into.extend(instance(detail, at)),
        "ECS Service Action" | "ECS Deployment State Change" | "ECS Service Deployment State Change" => {
            into.push(service_action(event, detail, at));
        }
        "EC2 Spot Instance Interruption Warning" => into.extend(ec2(detail, at, Some("spot interruption"))),
        "EC2 Instance State-change Notification" => into.extend(ec2(detail, at, text(detail, "state"))),
        // An envelope: a call that CloudTrail has logged, or what a task gave back to a state machine.
        _ => return false,
    }
    true
}

/// A task, a service or a container instance that stands by itself or in a list. Adds its statements, and
/// tells whether it was one.
pub fn document(object: &Object, into: &mut Vec<Statement>) -> bool {
    let has = |key| get(object, key).is_some();
    if has("taskArn") && (has("lastStatus") || has("containers")) {
        into.extend(task(object, None));
        return true;
    }
    if has("serviceArn") && has("events") {
        let cluster = text(object, "clusterArn").and_then(ids::short_name);
        for event in get(object, "events").and_then(Value::as_array).into_iter().flatten() {
            let Some(event) = event.as_object() else { continue };
            let mut statements = text(event, "message").map(service_event::from_text).unwrap_or_default();
            for statement in &mut statements {
                statement.time = time(event, "createdAt");
                if let What::ServiceEvent(said) = &mut statement.what {
                    said.cluster.clone_from(&cluster);
                }
            }
            into.extend(statements);
        }
        return true;
    }
    if has("containerInstanceArn") && has("status") {
        into.extend(instance(object, None));
        return true;
    }
    false
}

/// The statements on a task: its own state, and the end of each of its containers that has ended.
///
/// `at` is when the event was sent; the answer of a call has no such time.
fn task(task: &Object, at: Option<Timestamp>) -> Vec<Statement> {
    let Some(arn) = text(task, "taskArn") else { return Vec::new() };
    let Some(task_id) = ids::task_of_arn(arn) else { return Vec::new() };
    let state = task_state(task);
    // While it is DEPROVISIONING its containers have ended already.
    let stopped = matches!(state.last_status.as_deref(), Some("STOPPED" | "DEPROVISIONING"));
    let told_at = at.or_else(|| time(task, "updatedAt"));
    // A container has no time of its own. `executionStoppedAt` is when the essential one had ended; the
    // others end later, by the end of the task or, as long as that runs, by the time of the event.
    let happened = state.stopped_at.or(told_at);
    let version = get(task, "version").and_then(Value::as_u64);
    let words = [&state.last_status, &state.stop_code, &state.stopped_reason];
    let words = words.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(": ");
    let about = |mut statement: Statement, time| {
        statement.time = time;
        statement.task_id = Some(task_id.clone());
        statement.task_arn = Some(arn.to_owned());
        statement.version = version;
        statement
    };
    let what = if stopped { What::TaskStopped } else { What::TaskStatus };
    let mut statements =
        vec![about(Statement::new(WitnessKind::Ecs, what(Box::new(state)), &words), happened)];
    for container in get(task, "containers").and_then(Value::as_array).into_iter().flatten() {
        let Some(container) = container.as_object() else { continue };
        let Some((what, words)) = container_end(container) else { continue };
        let mut statement = about(Statement::new(WitnessKind::Ecs, what, &words), happened);
        statement.container_id = text(container, "runtimeId").and_then(ids::container);
        statement.container_name = owned(container, "name");
        statements.push(statement);
    }
    statements
}

fn task_state(task: &Object) -> TaskState {
    TaskState {
        last_status: owned(task, "lastStatus"),
        desired_status: owned(task, "desiredStatus"),
        stop_code: owned(task, "stopCode"),
        stopped_reason: owned(task, "stoppedReason"),
        created_at: time(task, "createdAt"),
        started_at: time(task, "startedAt"),
        stopping_at: time(task, "stoppingAt"),
        execution_stopped_at: time(task, "executionStoppedAt"),
        stopped_at: time(task, "stoppedAt"),
        cluster: text(task, "clusterArn").and_then(ids::short_name),
        task_definition: text(task, "taskDefinitionArn").and_then(ids::short_name),
        service: text(task, "group").and_then(|group| group.strip_prefix("service:")).map(limited),
        launch_type: owned(task, "launchType"),
        availability_zone: owned(task, "availabilityZone"),
        container_instance_arn: owned(task, "containerInstanceArn"),
        started_by: owned(task, "startedBy"),
    }
}

/// How a container of a task ended; of one that has not ended, only that its health check fails.
fn container_end(container: &Object) -> Option<(What, String)> {
    let code = get(container, "exitCode").and_then(Value::as_i64);
    let reason = owned(container, "reason");
    let status = text(container, "lastStatus");
    if status == Some("STOPPED") || code.is_some() {
        let mut words = code.map_or("no exit code".to_owned(), |code| format!("exit code {code}"));
        if let Some(reason) = &reason {
            words.push_str(": ");
            words.push_str(reason);
        }
        return Some((
            What::ContainerExit(ContainerExit { code, reason, ..ContainerExit::default() }),
            words,
        ));
    }
    let unhealthy = text(container, "healthStatus") == Some("UNHEALTHY");
    unhealthy
        .then(|| (What::ContainerStatus { status: "UNHEALTHY".to_owned() }, "health UNHEALTHY".to_owned()))
}

fn instance(instance: &Object, at: Option<Timestamp>) -> Option<Statement> {
    let arn = owned(instance, "containerInstanceArn")?;
    let state = InstanceState {
        container_instance_arn: Some(arn),
        ec2_instance_id: owned(instance, "ec2InstanceId"),
        status: owned(instance, "status"),
        agent_connected: get(instance, "agentConnected").and_then(Value::as_bool),
    };
    let connected = match state.agent_connected {
        Some(false) => ", agent not connected",
        _ => "",
    };
    let words = format!("instance {}{connected}", state.status.as_deref().unwrap_or("in an unknown state"));
    let mut statement = Statement::new(WitnessKind::Ecs, What::InstanceState(state), &words);
    statement.time = at.or_else(|| time(instance, "updatedAt"));
    statement.version = get(instance, "version").and_then(Value::as_u64);
    Some(statement)
}

fn ec2(detail: &Object, at: Option<Timestamp>, status: Option<&str>) -> Option<Statement> {
    let state = InstanceState {
        ec2_instance_id: Some(owned(detail, "instance-id")?),
        status: Some(limited(status?)),
        ..InstanceState::default()
    };
    let words = format!("instance {}", status?);
    let mut statement = Statement::new(WitnessKind::Ecs, What::InstanceState(state), &words);
    statement.time = at;
    Some(statement)
}

/// `ECS Service Action` and the events on deployments: the service is the resource of the event.
fn service_action(event: &Object, detail: &Object, at: Option<Timestamp>) -> Statement {
    let name = text(detail, "eventName").unwrap_or_default();
    let action = match name {
        "SERVICE_STEADY_STATE" => ServiceAction::SteadyState,
        "SERVICE_TASK_START_IMPAIRED" | "SERVICE_TASK_CONFIGURATION_FAILURE" => ServiceAction::StartImpaired,
        "SERVICE_TASK_PLACEMENT_FAILURE" => ServiceAction::PlacementFailed,
        "SERVICE_DISCOVERY_INSTANCE_UNHEALTHY" => ServiceAction::HealthCheckFailed,
        "SERVICE_DEPLOYMENT_IN_PROGRESS" => ServiceAction::DeploymentInProgress,
        "SERVICE_DEPLOYMENT_COMPLETED" => ServiceAction::DeploymentCompleted,
        "SERVICE_DEPLOYMENT_FAILED" => ServiceAction::DeploymentFailed,
        _ => ServiceAction::Other(limited(name)),
    };
    let resources = event.get("resources").and_then(Value::as_array);
    let arns = resources.into_iter().flatten().filter_map(Value::as_str);
    let service = arns
        .filter(|arn| arn.contains(":service/"))
        .find_map(ids::short_name)
        .or_else(|| text(detail, "serviceArn").and_then(ids::short_name));
    let said = ServiceEvent {
        service,
        cluster: text(detail, "clusterArn").and_then(ids::short_name),
        action,
        reason: owned(detail, "reason"),
    };
    let words = match &said.reason {
        Some(reason) => format!("{name}: {reason}"),
        None => name.to_owned(),
    };
    let mut statement = Statement::new(WitnessKind::Ecs, What::ServiceEvent(said), &words);
    statement.time = time(detail, "createdAt").or_else(|| time(detail, "updatedAt")).or(at);
    statement
}
