//! The texts of service events: `(service web) has stopped 1 running tasks: (task 9d4f…).` They are found in
//! `describe-services`, the console, and in the output of tools that print them.

use super::fields::limited;
use super::{ServiceAction, ServiceEvent, Statement, What, WitnessKind, ids, time};

/// What the texts say, and what that is. The first that fits.
const ACTIONS: [(&str, ServiceAction); 16] = [
    ("has started", ServiceAction::StartedTasks),
    ("has stopped", ServiceAction::StoppedTasks),
    ("failed container health checks", ServiceAction::HealthCheckFailed),
    ("failed ELB health checks", ServiceAction::HealthCheckFailed),
    ("is unhealthy in", ServiceAction::HealthCheckFailed),
    ("deregistered", ServiceAction::DeregisteredTargets),
    ("registered", ServiceAction::RegisteredTargets),
    ("has begun draining connections", ServiceAction::DrainingConnections),
    ("has reached a steady state", ServiceAction::SteadyState),
    ("was unable to place a task", ServiceAction::PlacementFailed),
    ("unable to consistently start tasks", ServiceAction::StartImpaired),
    ("deployment completed", ServiceAction::DeploymentCompleted),
    ("deployment failed", ServiceAction::DeploymentFailed),
    ("rolling back to", ServiceAction::DeploymentFailed),
    ("failed to launch a task", ServiceAction::StartImpaired),
    ("failed to register targets", ServiceAction::Other(String::new())),
];

/// The most tasks that one text may name.
const TASKS: usize = 100;

/// The text of an event, from wherever it was told: one statement for each task that it names, else one.
pub fn from_text(text: &str) -> Vec<Statement> {
    read(text).map_or_else(Vec::new, |(event, tasks)| statements(text, &event, tasks))
}

/// A line that holds such a text amid what a tool prints around it. Only texts of a known kind are taken.
pub fn from_line(line: &str) -> Vec<Statement> {
    let Some(at) = line.find("(service ") else { return Vec::new() };
    let Some((before, text)) = line.split_at_checked(at) else { return Vec::new() };
    // `ecs-cli` writes the time behind the text.
    let (text, behind) = text.split_once(" timestamp=\"").unwrap_or((text, ""));
    let Some((event, tasks)) = read(text) else { return Vec::new() };
    if matches!(&event.action, ServiceAction::Other(name) if name.is_empty()) {
        return Vec::new();
    }
    let mut statements = statements(text, &event, tasks);
    let said_at = behind.split('"').next().and_then(time::parse).or_else(|| {
        // A tool that writes "[3 minutes ago]" has its own time in front.
        if before.contains(" ago]") { None } else { time_before(before) }
    });
    for statement in &mut statements {
        statement.time = said_at;
    }
    statements
}

/// `EVENTS  2025-07-12T04:25:42.978000+00:00 ID` or `EVENTS  1752294342.978  ID`, as `aws --output text` has
/// it.
fn time_before(before: &str) -> Option<jiff::Timestamp> {
    if let Some(scanned) = time::first_in(before) {
        return scanned.time;
    }
    let mut words = before.split_whitespace();
    let number = words.next().filter(|word| *word == "EVENTS").and_then(|_| words.next())?;
    time::of_number(number.parse().ok()?)
}

fn read(text: &str) -> Option<(ServiceEvent, Vec<String>)> {
    let name = text.trim_start().strip_prefix("(service ")?.split(')').next()?;
    // `(service web, taskSet ecs-svc/123)`.
    let name = name.split(',').next().map(str::trim).filter(|name| !name.is_empty())?;
    let action = ACTIONS.iter().find(|(words, _)| text.contains(words)).map(|(_, action)| action.clone());
    let event = ServiceEvent {
        service: Some(limited(name)),
        cluster: None,
        action: action.unwrap_or(ServiceAction::Other(String::new())),
        reason: None,
    };
    let mut tasks = Vec::new();
    for (at, words) in text.match_indices("(task ").take(TASKS) {
        let id = text.get(at + words.len()..).and_then(|rest| rest.split(')').next()).and_then(ids::task);
        if let Some(id) = id.filter(|id| !tasks.contains(id)) {
            tasks.push(id);
        }
    }
    Some((event, tasks))
}

fn statements(text: &str, event: &ServiceEvent, tasks: Vec<String>) -> Vec<Statement> {
    let say = || Statement::new(WitnessKind::Ecs, What::ServiceEvent(event.clone()), text);
    if tasks.is_empty() {
        return vec![say()];
    }
    tasks.into_iter().map(|id| Statement { task_id: Some(id), ..say() }).collect()
}
