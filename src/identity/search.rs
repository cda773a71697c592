//! One attempt to find out who this container is: what was told so far, and by whom in vain.

use super::ask::Trouble;
use super::derive::derive;
use super::http::{BadUrl, BaseUrl, Client};
use super::local::take;
use super::metadata::Findings;
use super::start::settle;
use super::{Conflict, Contradiction, Deadline, Field, Identity, Kernel, Source, System};
use std::time::Duration;

/// The longest that one address is tried where it is only likely that somebody answers there.
pub(super) const LONGEST_GUESS: Duration = Duration::from_millis(250);

/// Names the introspection API, or is `off`.
pub(super) const INTROSPECTION: &str = "EPITAPH_INTROSPECTION";

/// What came of resolving.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// all that is known
    pub identity: Identity,
    /// whether every source that there is was heard: nothing is missing that another attempt could tell
    pub complete: bool,
    /// whether another attempt, later, may tell more. `false` with `complete` also `false` means never
    pub try_again: bool,
    /// whether the agent will know more in a moment, which it cannot know yet as the container starts. To be
    /// asked for by [`look_again`](super::look_again()); of no use while `try_again` is set
    pub look_again: bool,
    /// whether a task metadata endpoint has answered for this container, so that it is worth while to ask it
    /// again
    pub heard_endpoint: bool,
    /// what the user should know: each one line, with what happened, where, and what to do. At most a few
    pub warnings: Vec<String>,
}

impl Outcome {
    /// Writes the warnings to the log.
    pub fn log_warnings(&self) {
        for warning in &self.warnings {
            log::warn!("{warning}");
        }
    }
}

/// One attempt in progress.
pub(super) struct Search<'a> {
    pub system: &'a System,
    pub deadline: Deadline,
    /// made at the first request
    pub client: Option<Client>,
    pub outcome: Outcome,
    /// what the kernel shows, against which the others are judged
    kernel: Kernel,
    /// the network mode of the task, when the endpoint told it
    pub network_mode: Option<String>,
    /// whether the endpoint told who this is
    pub heard_endpoint: bool,
    /// whether the endpoint told of another container
    pub is_refused: bool,
    /// whether this is a container within the one that the endpoint knows
    is_inner: bool,
    /// who was asked in vain
    pub troubles: Vec<FailedSource>,
    /// what was told and not taken
    pub rejected: Vec<String>,
    /// whether a source that told something will tell more later
    pub may_change: bool,
}

/// Somebody who was asked in vain.
pub(super) struct FailedSource {
    whom: String,
    why: String,
    is_transient: bool,
    is_unreachable: bool,
    /// whether it was only likely that somebody answers there
    was_guess: bool,
}

impl<'a> Search<'a> {
    /// Before anybody was asked: `outcome` is what this machine tells, `kernel` what its kernel shows.
    pub fn new(system: &'a System, deadline: Deadline, outcome: Outcome, kernel: Kernel) -> Search<'a> {
        Search {
            system,
            deadline,
            client: None,
            outcome,
            troubles: Vec::new(),
            rejected: Vec::new(),
            kernel,
            network_mode: None,
            heard_endpoint: false,
            is_refused: false,
            is_inner: false,
            may_change: false,
        }
    }

    /// Whether the two values that the rest hangs on are known from a source that names this very container.
    pub fn is_sufficient(&self) -> bool {
        self.outcome.identity.get(Field::TaskArn).is_some() && self.id().is_some()
    }

    /// The container's ID, from any source but the weak ones, which may name another container.
    pub fn id(&self) -> Option<String> {
        let identity = &self.outcome.identity;
        let is_weak = identity.source(Field::ContainerId)?.is_weak();
        identity.get(Field::ContainerId).filter(|_| !is_weak).map(str::to_owned)
    }

    /// Takes what `source` told; the [`Conflict`] when it told of another container.
    pub fn take(&mut self, findings: Findings, source: Source) -> Option<Conflict> {
        let taken = take(&mut self.outcome.identity, &self.kernel, findings, source);
        self.outcome.warnings.extend(taken.warnings);
        self.rejected.extend(taken.rejected);
        self.is_inner |= taken.is_outer;
        taken.conflict
    }

    pub fn trouble(&mut self, whom: &BaseUrl, trouble: &Trouble, was_guess: bool) {
        let (whom, why) = (whom.to_string(), trouble.to_string());
        let (is_transient, is_unreachable) = (trouble.is_transient(), trouble.is_unreachable());
        self.troubles.push(FailedSource { whom, why, is_transient, is_unreachable, was_guess });
    }

    pub fn bad_url(&mut self, variable: &str, bad: &BadUrl) {
        self.failed(variable.to_owned(), bad.to_string());
    }

    pub fn failed(&mut self, whom: String, why: String) {
        let (is_transient, is_unreachable, was_guess) = (false, false, false);
        self.troubles.push(FailedSource { whom, why, is_transient, is_unreachable, was_guess });
    }

    /// What all that was told adds up to.
    pub fn finish(mut self) -> Outcome {
        let start_is_open = settle(&mut self.outcome.identity, self.system.own_start());
        let contradiction = derive(&mut self.outcome.identity);
        self.outcome.warnings.extend(contradiction.as_ref().map(Contradiction::to_string));
        let sufficient = self.is_sufficient();
        if sufficient {
            // Somebody knew, so it does not matter who of the merely likely ones did not.
            self.troubles.retain(|failed| !failed.was_guess);
        }
        // An endpoint of another container stays one, and then it is not worth it to wait for whom one only
        // guesses.
        let counts = |failed: &&FailedSource| !(self.is_refused && failed.was_guess);
        let is_transient =
            self.may_change || self.troubles.iter().filter(counts).any(|failed| failed.is_transient);
        let complete = sufficient && self.troubles.is_empty();
        if complete {
            self.outcome.warnings.append(&mut self.rejected);
        } else {
            let warning = self.warning(sufficient);
            self.outcome.warnings.push(warning);
        }
        // In bridge mode a container has its address only once it runs; in host mode it never has one.
        let has_address = self.outcome.identity.get(Field::Ip).is_some();
        let address_is_open = !has_address && matches!(self.network_mode.as_deref(), None | Some("bridge"));
        let look_again = self.heard_endpoint && !self.is_inner && (start_is_open || address_is_open);
        let heard_endpoint = self.heard_endpoint && !self.is_inner;
        // A container within a container of the task has a network that nobody tells of.
        self.outcome.identity.shares_network =
            heard_endpoint && matches!(self.network_mode.as_deref(), Some("awsvpc" | "host"));
        let try_again = !complete && is_transient;
        Outcome { complete, try_again, look_again, heard_endpoint, ..self.outcome }
    }

    /// One line for all who were asked in vain.
    fn warning(&self, sufficient: bool) -> String {
        let what = match sufficient {
            true => "parts of the identity are not known",
            false if self.outcome.identity.get(Field::TaskArn).is_none() => "the ECS task is not known",
            false => "the container ID is not known",
        };
        let mut asked: Vec<String> =
            self.troubles.iter().map(|failed| format!("{}: {}", failed.whom, failed.why)).collect();
        asked.extend(self.rejected.iter().cloned());
        if asked.is_empty() {
            asked.push("no source that can be asked names it".to_owned());
        }
        let advice = if self.troubles.iter().any(|failed| failed.is_unreachable) {
            "; is the endpoint reachable from this container, and --identity-timeout long enough?"
        } else {
            ""
        };
        format!("{what}: {}{advice}", asked.join("; "))
    }
}
