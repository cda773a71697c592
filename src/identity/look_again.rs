//! One more look at the endpoint, some time after the start.
//!
//! As the program starts, the agent does not know yet that its container has (Docker's start call has not
//! returned), nor in bridge mode its address. [`Outcome::look_again`](super::Outcome::look_again) tells
//! whether that was so.

use super::conflict::with_mounts;
use super::derive::derive;
use super::http::Client;
use super::local::take;
use super::resolve::endpoint;
use super::start::settle;
use super::{Deadline, Field, Identity, Source, System};
use super::{ask, local, metadata};

/// Asks for the task once: one request, not repeated. `id` is the container's ID and `instance` the ARN of
/// its instance as they are known, of which the latter no endpoint tells.
///
/// Returns the whole identity, or nothing when the endpoint does not answer by `deadline`, or not for this
/// container.
pub fn look_again(system: &System, id: &str, instance: Option<&str>, deadline: Deadline) -> Option<Identity> {
    let (base, source) = endpoint(system)?;
    let found = local(system);
    let parse = |body: &[u8]| metadata::task(body, Some(id), source);
    let findings = ask::once(&Client::new(), &base.join("/task"), deadline, &parse).ok()?;
    findings.identity.get(Field::ContainerId)?;
    let mut identity = found.identity;
    let witness = with_mounts(&identity, &findings.identity, &findings.containers);
    if take(&mut identity, &found.kernel, findings, source).conflict.is_some() {
        return None;
    }
    if identity.conflict.is_none() {
        identity.conflict = witness;
    }
    // It was checked when it was first told.
    let _ = identity.offer(Field::InstanceArn, instance.unwrap_or_default(), Source::Introspection);
    settle(&mut identity, system.own_start());
    derive(&mut identity);
    Some(identity)
}
