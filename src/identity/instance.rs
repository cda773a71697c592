//! Asking the agent on the container instance: for the task where nobody else knew it, and for the instance.

use super::ask::{self, Trouble};
use super::http::{BaseUrl, Client};
use super::search::{INTROSPECTION, LONGEST_GUESS, Search};
use super::{Deadline, Field, Source, introspection};
use std::time::Duration;

/// How long the instance's ARN may take, beside all else that is known already. An agent that can be reached
/// answers within a millisecond; a firewall in between never does.
const AT_ONCE: Duration = Duration::from_millis(15);

pub(super) fn introspection(search: &mut Search) {
    let named = search.system.variable(INTROSPECTION);
    match (named.as_deref(), search.id()) {
        (Some("off"), _) | (None, None) => {}
        (None, Some(id)) => introspect_likely_addresses(search, &id),
        (Some(url), id) => match (BaseUrl::parse(url), id) {
            (Err(bad), _) => search.bad_url(INTROSPECTION, &bad),
            (Ok(base), Some(id)) => drop(introspect(search, &base, &id, search.deadline, false)),
            (Ok(base), None) => {
                search.rejected.push(format!(
                    "{base}: not asked, since it goes by the container ID, which is not known"
                ));
            }
        },
    }
}

fn introspect_likely_addresses(search: &mut Search, id: &str) {
    if is_on_fargate(search) {
        return;
    }
    let addresses = search.system.introspection_addresses();
    for (place, base) in addresses.iter().enumerate() {
        let share = search.deadline.left() / u32::try_from(addresses.len() - place).unwrap_or(1);
        if introspect(search, base, id, search.deadline.at_most(share.min(LONGEST_GUESS)), true) {
            return;
        }
    }
}

/// Asks for the task of the container `id` at `base`; tells whether it is known there.
fn introspect(search: &mut Search, base: &BaseUrl, id: &str, deadline: Deadline, was_guess: bool) -> bool {
    let client = search.client.get_or_insert_with(Client::new);
    let task = ask::once(client, &base.join(&introspection::path_for(id)), deadline, &|body| {
        introspection::task(body, id)
    });
    let findings = match task {
        Ok(findings) if findings.identity.get(Field::TaskArn).is_some() => findings,
        Ok(findings) => {
            search.take(findings, Source::Introspection);
            search.trouble(base, &Trouble::Incomplete, was_guess);
            return false;
        }
        Err(trouble) => {
            search.trouble(base, &trouble, was_guess);
            return false;
        }
    };
    // The instance is worth a request, but what is known of the task does not hang on its answer.
    let instance = ask::once(client, &base.join("/v1/metadata"), deadline, &introspection::instance).ok();
    search.take(findings, Source::Introspection);
    if let Some(instance) = instance {
        search.take(instance, Source::Introspection);
    }
    true
}

/// There is no instance to reach from there.
fn is_on_fargate(search: &Search) -> bool {
    search.system.variable("AWS_EXECUTION_ENV").as_deref() == Some("AWS_ECS_FARGATE")
        || search.outcome.identity.get(Field::LaunchType) == Some("FARGATE")
}

/// Asks for the ARN of the container instance, which the metadata endpoint does not tell: one request,
/// where the agent can be reached, and if it answers at once. That nobody does is no news.
pub(super) fn instance(search: &mut Search) {
    let is_known = search.outcome.identity.get(Field::InstanceArn).is_some();
    if is_known || !search.heard_endpoint || !search.is_sufficient() || is_on_fargate(search) {
        return;
    }
    let named = search.system.variable(INTROSPECTION);
    let likely = || search.system.introspection_address(search.network_mode.as_deref());
    let base = match named.as_deref() {
        Some("off") => None,
        Some(url) => BaseUrl::parse(url).ok(),
        None => likely(),
    };
    let Some(base) = base else { return };
    let client = search.client.get_or_insert_with(Client::new);
    let deadline = search.deadline.at_most(AT_ONCE);
    let told = ask::once(client, &base.join("/v1/metadata"), deadline, &introspection::instance);
    let Ok(mut told) = told else { return };
    // An agent of another cluster is not the one whose task this is.
    let cluster = |identity: &super::Identity| identity.get(Field::Cluster).map(str::to_owned);
    let (ours, theirs) = (cluster(&search.outcome.identity), cluster(&told.identity));
    if ours.is_some() && theirs.is_some() && ours != theirs {
        return;
    }
    told.identity.forget(Field::Cluster);
    told.identity.forget(Field::ClusterArn);
    search.take(told, Source::Introspection);
}
