//! What Docker and Podman say: `inspect`, `events` as JSON and as text, and the engine's own
//! `config.v2.json`.

use super::fields::{get, limited, owned, text, time};
use super::{ContainerExit, Statement, StopRequest, What, WitnessKind, ids};
use serde_json::{Map, Value};

const TASK_LABEL: &str = "com.amazonaws.ecs.task-arn";
const NAME_LABEL: &str = "com.amazonaws.ecs.container-name";

/// A document of Docker's: adds its statements, and tells whether it was one.
pub fn document(object: &Map<String, Value>, into: &mut Vec<Statement>) -> bool {
    if let Some(statements) = inspect(object) {
        into.extend(statements);
        return true;
    }
    match event(object) {
        Some(statement) => {
            into.extend(statement);
            true
        }
        None => false,
    }
}

/// An element of `docker inspect` or `podman inspect`, or a `config.v2.json`, which spells `ID` so.
fn inspect(object: &Map<String, Value>) -> Option<Vec<Statement>> {
    let id = object.get("Id").or_else(|| object.get("ID"))?.as_str()?;
    let state = object.get("State")?.as_object()?;
    if !state.contains_key("ExitCode") && !state.contains_key("OOMKilled") {
        return None;
    }
    let id = ids::container(id)?;
    let labels = object.get("Config").and_then(|config| config.get("Labels")).and_then(Value::as_object);
    let status = text(state, "status");
    let runs = state.get("Running").and_then(Value::as_bool) == Some(true)
        || status.is_some_and(|status| ["running", "paused"].contains(&status));
    let finished_at = time(state, "FinishedAt");
    let mut statements = Vec::new();
    let mut say = |what, time, words: String| {
        let mut statement = Statement::new(WitnessKind::Docker, what, &words);
        statement.time = time;
        statement.container_id = Some(id.clone());
        name(&mut statement, labels, object.get("Name").and_then(Value::as_str));
        statements.push(statement);
    };
    let error = owned(state, "Error");
    if runs || (finished_at.is_none() && error.is_none()) {
        // A container that was only created has an exit code of 0, which says nothing. One that could not be
        // started has not finished either, and an error.
        let status = status.unwrap_or(if runs { "running" } else { "created" });
        say(What::ContainerStatus { status: limited(status) }, None, format!("status {status}"));
    } else {
        let exit = ContainerExit {
            code: state.get("ExitCode").and_then(Value::as_i64),
            reason: error,
            oom_killed: state.get("OOMKilled").and_then(Value::as_bool),
            started_at: time(state, "StartedAt"),
            finished_at,
            restart_count: object.get("RestartCount").and_then(Value::as_u64),
        };
        let code = exit.code.map_or("?".to_owned(), |code| code.to_string());
        let oom = exit.oom_killed.map_or(String::new(), |oom| format!(", OOMKilled {oom}"));
        let error = exit.reason.as_ref().map_or(String::new(), |reason| format!(", {reason}"));
        say(What::ContainerExit(exit), finished_at, format!("exit code {code}{oom}{error}"));
    }
    let health =
        state.get("Health").or_else(|| state.get("Healthcheck")).and_then(|health| health.get("Status"));
    if health.and_then(Value::as_str) == Some("unhealthy") {
        say(What::ContainerStatus { status: "unhealthy".to_owned() }, None, "health unhealthy".to_owned());
    }
    Some(statements)
}

/// How the action of an exec begins; its command follows.
pub const EXEC: &str = "exec_start: ";

/// A line of `docker events --format '{{json .}}'` or `podman events --format json`. The inner `None` is an
/// event that tells nothing of a container's life.
fn event(object: &Map<String, Value>) -> Option<Option<Statement>> {
    // Docker before 1.10 has no type, and `status`; Podman has `Status` and `Name` beside it.
    let kind = object.get("Type").and_then(Value::as_str);
    let action =
        object.get("Action").or_else(|| object.get("Status")).or_else(|| object.get("status"))?.as_str()?;
    let actor = object.get("Actor").and_then(Value::as_object);
    let id = actor
        .and_then(|actor| text(actor, "ID"))
        .or_else(|| text(object, "ID"))
        .or_else(|| text(object, "id"))?;
    let attributes = actor
        .and_then(|actor| actor.get("Attributes"))
        .or_else(|| object.get("Attributes"))
        .and_then(Value::as_object);
    let time = object.get("timeNano").and_then(super::time::of_nanoseconds).or_else(|| time(object, "time"));
    // Any program may log a `status` and an `id`: without a type only the words that matter are taken.
    let is_container =
        kind.map_or(["die", "oom", "kill", "start", "stop"].contains(&action), |kind| kind == "container");
    if time.is_none() || !is_container {
        return None;
    }
    let attribute = |key: &str| {
        let value = attributes.and_then(|attributes| attributes.get(key))?;
        value.as_str().map(str::to_owned).or_else(|| value.as_i64().map(|number| number.to_string()))
    };
    let code = object.get("ContainerExitCode").and_then(Value::as_i64);
    let code = code.or_else(|| attribute("exitCode")?.parse().ok());
    let what = said(action, code, attribute("signal").as_deref());
    let words = words(action, code, attribute("signal").as_deref());
    let container = ids::container(id);
    Some(container.zip(what).map(|(container, what)| {
        let mut statement = Statement::new(WitnessKind::Docker, what, &words);
        statement.time = time;
        statement.container_id = Some(container);
        let given = attribute("name").or_else(|| owned(object, "Name"));
        name(&mut statement, attributes, given.as_deref());
        statement
    }))
}

/// What an action says of a container's life. Of an exec its start is heard, which has the command: a health
/// check's, or somebody's who came to look; `exec_die` is not the container's end.
fn said(action: &str, code: Option<i64>, signal: Option<&str>) -> Option<What> {
    Some(match action {
        "die" | "died" => What::ContainerExit(ContainerExit { code, ..ContainerExit::default() }),
        "oom" => What::Oom,
        "kill" => What::KillSignal { signal: signal_number(signal?)? },
        "start" => What::Started,
        "stop" => What::StopRequested(StopRequest::default()),
        "pause" | "unpause" | "restart" => What::ContainerStatus { status: action.to_owned() },
        _ if action.starts_with(EXEC) => What::ContainerStatus { status: limited(action) },
        _ => What::ContainerStatus { status: limited(action.strip_prefix("health_status: ")?) },
    })
}

fn words(action: &str, code: Option<i64>, signal: Option<&str>) -> String {
    match (code, signal) {
        (Some(code), _) => format!("{action} (exitCode={code})"),
        (None, Some(signal)) => format!("{action} (signal={signal})"),
        (None, None) => action.to_owned(),
    }
}

/// `9`, `SIGKILL` or `KILL`.
fn signal_number(text: &str) -> Option<u8> {
    if let Ok(number) = text.parse() {
        return (1..=64).contains(&number).then_some(number);
    }
    const NAMES: [(&str, u8); 8] = [
        ("HUP", 1),
        ("INT", 2),
        ("QUIT", 3),
        ("ABRT", 6),
        ("KILL", 9),
        ("USR1", 10),
        ("USR2", 12),
        ("TERM", 15),
    ];
    let name = text.strip_prefix("SIG").unwrap_or(text);
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}

/// The container's name in the task definition where the agent has labelled it, else its name in the engine.
fn name(statement: &mut Statement, labels: Option<&Map<String, Value>>, given: Option<&str>) {
    let label = |key: &str| labels.and_then(|labels| get(labels, key)).and_then(Value::as_str);
    if let Some((arn, id)) = label(TASK_LABEL).and_then(ids::task_arn_in) {
        statement.task_arn = Some(arn);
        statement.task_id = Some(id);
    }
    let given = given.map(|name| name.trim_start_matches('/')).filter(|name| !name.is_empty());
    statement.engine_name = given.map(limited);
    statement.container_name = label(NAME_LABEL).filter(|name| !name.is_empty()).or(given).map(limited);
}

/// A line of `docker events` or `podman events`:
/// `2026-11-26T21:06:00.435723895Z container die ID (exitCode=4, image=pm, name=oom2)`.
pub fn from_line(line: &str) -> Option<Statement> {
    let scanned = super::time::scan(line)?;
    let event = scanned.rest.strip_prefix(" container ")?;
    // An action may hold blanks (`health_status: healthy`), so that the ID is what divides the line.
    let (before, attributes) = event.split_once(" (").unwrap_or((event, ""));
    let (action, id) = before.rsplit_once(' ')?;
    let container = ids::container(id)?;
    let attribute = |key: &str| {
        let list = attributes.strip_suffix(')').unwrap_or(attributes);
        list.split(", ")
            .find_map(|pair| pair.split_once('=').filter(|(name, _)| *name == key))
            .map(|(_, value)| value)
    };
    let code =
        attribute("exitCode").or_else(|| attribute("containerExitCode")).and_then(|code| code.parse().ok());
    let what = said(action.trim_end_matches(':'), code, attribute("signal"))?;
    let mut statement = Statement::new(WitnessKind::Docker, what, &words(action, code, attribute("signal")));
    statement.time = scanned.time;
    statement.clock = match scanned.time {
        Some(_) => None,
        None => Some(super::LocalClock::WithoutZone(scanned.civil)),
    };
    statement.container_id = Some(container);
    if let Some((arn, id)) = attribute(TASK_LABEL).and_then(ids::task_arn_in) {
        statement.task_arn = Some(arn);
        statement.task_id = Some(id);
    }
    statement.engine_name = attribute("name").map(limited);
    statement.container_name = attribute(NAME_LABEL).map(limited).or(statement.engine_name.clone());
    Some(statement)
}
