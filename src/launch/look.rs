//! What helpers of PID 1 ask of the endpoint while the program runs. PID 1 gets what is ready for a record.

use crate::identity::{self, Deadline, Field, StopLook, StoppedBy, System};
use crate::record::{Formats, RenderedIdentity, Value};
use std::time::{Duration, SystemTime};

/// How long one look may take.
const LOOK: Duration = Duration::from_secs(1);

/// Asks once for what the agent could not know as the program was started. Returns the frames of the
/// identity, which is `before` and more; nothing when there is no answer, or no container ID to ask for.
pub fn look_again(system: &System, before: &RenderedIdentity, formats: Formats) -> Option<Vec<u8>> {
    let instance = before.plain(Field::InstanceArn);
    let identity = identity::look_again(system, before.container_id()?, instance, Deadline::after(LOOK))?;
    Some(RenderedIdentity::of(&identity, formats).encode())
}

/// The fields of a `task` record, and what the exit record repeats of it.
#[derive(Debug, Clone, PartialEq)]
pub struct StopRecord {
    /// the most important first
    pub fields: Vec<(&'static str, Value)>,
    /// absent where it is not certain
    pub stopped_by: Option<StoppedBy>,
}

/// Asks once who stopped the task, after a stop signal that came at `stopped`. Nothing when there is no
/// answer.
pub fn look_at_stop(system: &System, identity: &RenderedIdentity, stopped: SystemTime) -> Option<StopRecord> {
    let look = identity::stopped_by(system, identity.container_id()?, stopped, Deadline::after(LOOK))?;
    Some(StopRecord { fields: fields(&look), stopped_by: look.stopped_by })
}

fn fields(look: &StopLook) -> Vec<(&'static str, Value)> {
    let text = |key, value: &Option<String>| value.as_deref().map(|value| (key, Value::from(value)));
    let number = |key, value: Option<u64>| value.map(|value| (key, Value::from(value)));
    let mut fields = vec![("why", Value::from(look.why.as_str()))];
    fields.extend(look.stopped_by.map(|by| ("stopped_by", Value::from(by.name()))));
    fields.extend(text("desired_status", &look.desired_status));
    fields.extend(text("known_status", &look.known_status));
    if !look.ended.is_empty() {
        let ended = look.ended.iter().map(|one| {
            let name = Some(("name", Value::from(one.name.as_str())));
            let rest = [number("exit_code", one.exit_code), text("ended_at", &one.ended_at)];
            Value::Object([name].into_iter().chain(rest).flatten().collect())
        });
        fields.push(("containers_ended", Value::List(ended.collect())));
    }
    if let Some(health) = &look.health {
        let status = Some(("status", Value::from(health.status.as_str())));
        let rest = [
            text("since", &health.since),
            number("exit_code", health.exit_code),
            text("output", &health.output),
        ];
        fields.push(("health", Value::Object([status].into_iter().chain(rest).flatten().collect())));
    }
    fields
}
