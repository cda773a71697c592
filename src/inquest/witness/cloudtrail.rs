//! What CloudTrail says: who called `StopTask`.

use super::fields::{get, limited, owned, text, time};
use super::{Statement, StopRequest, What, WitnessKind, ids};
use serde_json::{Map, Value};

/// A record of CloudTrail. Adds its statement where it is about a task that is to stop, and tells whether it
/// was a record at all.
///
/// The keys are those of "CloudTrail record contents" in the AWS CloudTrail User Guide, and of the request
/// `StopTask` in the Amazon ECS API Reference.
pub fn record(record: &Map<String, Value>, into: &mut Vec<Statement>) -> bool {
    let (Some(source), Some(event)) = (text(record, "eventSource"), text(record, "eventName")) else {
        return false;
    };
    if source == "ecs.amazonaws.com" && event == "StopTask" {
        into.extend(stop_task(record));
    }
    true
}

fn stop_task(record: &Map<String, Value>) -> Option<Statement> {
    let request = get(record, "requestParameters").and_then(Value::as_object);
    let answered =
        get(record, "responseElements").and_then(|answer| answer.get("task")?.get("taskArn")?.as_str());
    let asked = request.and_then(|request| text(request, "task"));
    // The task may be asked for by its ID or by its ARN.
    let arn = [answered, asked].into_iter().flatten().find(|arn| ids::task_of_arn(arn).is_some());
    let task_id = arn.and_then(ids::task_of_arn).or_else(|| asked.and_then(ids::task))?;
    let error = owned(record, "errorCode").map(|code| match text(record, "errorMessage") {
        Some(message) => limited(&format!("{code}: {message}")),
        None => code,
    });
    let stop = StopRequest {
        by: get(record, "userIdentity").and_then(Value::as_object).and_then(caller),
        reason: request.and_then(|request| owned(request, "reason")),
        source_ip: owned(record, "sourceIPAddress"),
        error,
    };
    let mut words = "StopTask".to_owned();
    for (before, part) in [(" by ", &stop.by), (": ", &stop.reason), (", which failed: ", &stop.error)] {
        if let Some(part) = part {
            words.push_str(before);
            words.push_str(part);
        }
    }
    let mut statement = Statement::new(WitnessKind::CloudTrail, What::StopRequested(stop), &words);
    statement.time = time(record, "eventTime");
    statement.task_arn = arn.map(str::to_owned);
    statement.task_id = Some(task_id);
    Some(statement)
}

/// Who called: an ARN, or the AWS service that acted for somebody.
fn caller(identity: &Map<String, Value>) -> Option<String> {
    ["arn", "invokedBy", "userName", "principalId"].into_iter().find_map(|key| owned(identity, key))
}
