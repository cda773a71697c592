//! Asking the agent on the container instance: for the task where nobody else knew it, and for the instance.

use super::ask::{self, Trouble};
use super::http::{BaseUrl, Client};
use super::resolve::{INTROSPECTION, LONGEST_GUESS, Search};
use super::{Deadline, Field, Source, introspection};
use std::time::Duration;

/// How long the instance's ARN may take, beside all else that is known already. An agent that can be reached
/// answers within a millisecond; a firewall in between never does.
const AT_ONCE: Duration = Duration::from_millis(15);

impl Search<'_> {
    pub fn introspection(&mut self) {
        let named = self.system.variable(INTROSPECTION);
        match (named.as_deref(), self.id()) {
            (Some("off"), _) | (None, None) => {}
            (None, Some(id)) => self.introspect_likely_addresses(&id),
            (Some(url), id) => match (BaseUrl::parse(url), id) {
                (Err(bad), _) => self.bad_url(INTROSPECTION, &bad),
                (Ok(base), Some(id)) => drop(self.introspect(&base, &id, self.deadline, false)),
                (Ok(base), None) => {
                    self.rejected.push(format!(
                        "{base}: not asked, since it goes by the container ID, which is not known"
                    ));
                }
            },
        }
    }

    fn introspect_likely_addresses(&mut self, id: &str) {
        if self.is_on_fargate() {
            return;
        }
        let addresses = self.system.introspection_addresses();
        for (place, base) in addresses.iter().enumerate() {
            let share = self.deadline.left() / u32::try_from(addresses.len() - place).unwrap_or(1);
            if self.introspect(base, id, self.deadline.at_most(share.min(LONGEST_GUESS)), true) {
                return;
            }
        }
    }

    /// Asks for the task of the container `id` at `base`; tells whether it is known there.
    fn introspect(&mut self, base: &BaseUrl, id: &str, deadline: Deadline, was_guess: bool) -> bool {
        let client = self.client.get_or_insert_with(Client::new);
        let task = ask::once(client, &base.join(&introspection::path_for(id)), deadline, &|body| {
            introspection::task(body, id)
        });
        let findings = match task {
            Ok(findings) if findings.identity.get(Field::TaskArn).is_some() => findings,
            Ok(findings) => {
                self.take(findings, Source::Introspection);
                self.trouble(base, &Trouble::Incomplete, was_guess);
                return false;
            }
            Err(trouble) => {
                self.trouble(base, &trouble, was_guess);
                return false;
            }
        };
        // The instance is worth a request, but what is known of the task does not hang on its answer.
        let instance = ask::once(client, &base.join("/v1/metadata"), deadline, &introspection::instance).ok();
        self.take(findings, Source::Introspection);
        if let Some(instance) = instance {
            self.take(instance, Source::Introspection);
        }
        true
    }

    /// There is no instance to reach from there.
    fn is_on_fargate(&self) -> bool {
        self.system.variable("AWS_EXECUTION_ENV").as_deref() == Some("AWS_ECS_FARGATE")
            || self.outcome.identity.get(Field::LaunchType) == Some("FARGATE")
    }

    /// Asks for the ARN of the container instance, which the metadata endpoint does not tell: one request,
    /// where the agent can be reached, and if it answers at once. That nobody does is no news.
    pub fn instance(&mut self) {
        let is_known = self.outcome.identity.get(Field::InstanceArn).is_some();
        if is_known || !self.heard_endpoint || !self.is_sufficient() || self.is_on_fargate() {
            return;
        }
        let named = self.system.variable(INTROSPECTION);
        let likely = || self.system.introspection_address(self.network_mode.as_deref());
        let base = match named.as_deref() {
            Some("off") => None,
            Some(url) => BaseUrl::parse(url).ok(),
            None => likely(),
        };
        let Some(base) = base else { return };
        let client = self.client.get_or_insert_with(Client::new);
        let deadline = self.deadline.at_most(AT_ONCE);
        let told = ask::once(client, &base.join("/v1/metadata"), deadline, &introspection::instance);
        let Ok(mut told) = told else { return };
        // An agent of another cluster is not the one whose task this is.
        let cluster = |identity: &super::Identity| identity.get(Field::Cluster).map(str::to_owned);
        let (ours, theirs) = (cluster(&self.outcome.identity), cluster(&told.identity));
        if ours.is_some() && theirs.is_some() && ours != theirs {
            return;
        }
        told.identity.forget(Field::Cluster);
        told.identity.forget(Field::ClusterArn);
        self.take(told, Source::Introspection);
    }
}
