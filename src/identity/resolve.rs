//! The sources that have to be asked, in their order, and what all sources add up to.

use super::ask::{self, Trouble};
use super::http::{BadUrl, BaseUrl, Client};
use super::local::{Local, take};
use super::metadata::Findings;
use super::{Contradiction, Deadline, Field, Identity, Source, System};
use super::{derive::derive, file, introspection};
use std::time::Duration;

/// The longest that one address is tried where it is only likely that somebody answers there.
const LONGEST_GUESS: Duration = Duration::from_millis(250);

/// What came of resolving.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// all that is known
    pub identity: Identity,
    /// whether every source that there is was heard: nothing is missing that another attempt could tell
    pub complete: bool,
    /// whether another attempt, later, may tell more. `false` with `complete` also `false` means never
    pub try_again: bool,
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

/// Asks who this container is, beyond what is known of `local`; at the latest at `deadline` it is done.
///
/// Where ECS is not evident it asks nobody, unless the user named an introspection API. A deadline that has passed
/// already asks nobody either and is no reason for a warning: the user chose not to wait.
///
/// Each call is one attempt with its own deadline and its own connection. For another one later, when
/// [`Outcome::try_again`] allows for it, call [`local`](super::local()) again too: the metadata file may be complete by then.
pub fn resolve(system: &System, local: Local, deadline: Deadline) -> Outcome {
    let mut search = Search {
        system,
        deadline,
        client: None,
        outcome: Outcome { identity: local.identity, warnings: local.warnings, ..Outcome::default() },
        troubles: Vec::new(),
        rejected: Vec::new(),
        may_change: local.unfinished_file.is_some(),
    };
    let named = system.variable(INTROSPECTION);
    let named = named.filter(|value| value != "off").is_some();
    if !local.ecs_is_evident && !named {
        search.outcome.complete = true;
        return search.outcome;
    }
    if deadline.has_passed() {
        search.outcome.try_again = true;
        return search.outcome;
    }
    if local.ecs_is_evident {
        search.metadata_endpoint();
    }
    if let Some(path) = local.unfinished_file
        && !search.is_sufficient()
        && let Some(findings) = file::wait_until_ready(&path, deadline.at_most(deadline.left() / 2))
    {
        search.may_change = false;
        search.take(findings);
    }
    if !search.is_sufficient() && !deadline.has_passed() {
        search.introspection();
    }
    search.finish()
}

const INTROSPECTION: &str = "EPITAPH_INTROSPECTION";
const V4: &str = "ECS_CONTAINER_METADATA_URI_V4";
const V3: &str = "ECS_CONTAINER_METADATA_URI";

struct Search<'a> {
    system: &'a System,
    deadline: Deadline,
    /// made at the first request
    client: Option<Client>,
    outcome: Outcome,
    /// who was asked in vain
    troubles: Vec<FailedSource>,
    /// what was told and not taken
    rejected: Vec<String>,
    /// whether a source that told something will tell more later
    may_change: bool,
}

/// Somebody who was asked in vain.
struct FailedSource {
    whom: String,
    why: String,
    is_transient: bool,
    is_unreachable: bool,
    /// whether it was only likely that somebody answers there
    was_guess: bool,
}

impl Search<'_> {
    /// Whether the two values that the rest hangs on are known from a source that names this very container.
    fn is_sufficient(&self) -> bool {
        self.outcome.identity.get(Field::TaskArn).is_some() && self.id().is_some()
    }

    /// The container's ID, from any source but the weak ones, which may name another container.
    fn id(&self) -> Option<String> {
        let identity = &self.outcome.identity;
        let is_weak = identity.source(Field::ContainerId)?.is_weak();
        identity.get(Field::ContainerId).filter(|_| !is_weak).map(str::to_owned)
    }

    fn take(&mut self, findings: Findings) {
        let rejected = take(&mut self.outcome.identity, &mut self.outcome.warnings, findings);
        self.rejected.extend(rejected);
    }

    fn trouble(&mut self, whom: &BaseUrl, trouble: &Trouble, was_guess: bool) {
        let (whom, why) = (whom.to_string(), trouble.to_string());
        let (is_transient, is_unreachable) = (trouble.is_transient(), trouble.is_unreachable());
        self.troubles.push(FailedSource { whom, why, is_transient, is_unreachable, was_guess });
    }

    fn bad_url(&mut self, variable: &str, bad: &BadUrl) {
        let (whom, why) = (variable.to_owned(), bad.to_string());
        self.troubles.push(FailedSource {
            whom,
            why,
            is_transient: false,
            is_unreachable: false,
            was_guess: false,
        });
    }

    /// Versions 4 and 3, which have a URL for this container, else version 2.
    fn metadata_endpoint(&mut self) {
        let mut has_url = false;
        for (variable, source) in [(V4, Source::MetadataV4), (V3, Source::MetadataV3)] {
            let Some(url) = self.system.variable(variable) else { continue };
            has_url = true;
            let base = match BaseUrl::parse(&url) {
                Ok(base) => base,
                Err(bad) => {
                    self.bad_url(variable, &bad);
                    continue;
                }
            };
            let id = self.id();
            let client = self.client.get_or_insert_with(Client::new);
            let heard = ask::task_metadata(client, &base, source, id.as_deref(), self.deadline);
            self.take(heard.findings);
            let Some(trouble) = heard.trouble else {
                // What the other version's URL was wrong with does not matter any more.
                self.troubles.clear();
                return;
            };
            // It is the same agent behind both: one that cannot be reached need not be asked again.
            self.trouble(&base, &trouble, false);
            if trouble.is_unreachable() || self.is_sufficient() {
                return;
            }
        }
        if !has_url && !self.is_sufficient() {
            self.metadata_v2();
        }
    }

    /// Old platforms name no URL. There may as well be nobody at the address, so it gets a part of the time.
    fn metadata_v2(&mut self) {
        let Ok(base) = BaseUrl::parse(self.system.metadata_v2()) else { return };
        let id = self.id();
        let deadline = self.deadline.at_most((self.deadline.left() / 3).min(LONGEST_GUESS));
        let client = self.client.get_or_insert_with(Client::new);
        match ask::task_v2(client, &base, id.as_deref(), deadline) {
            Ok(findings) => self.take(findings),
            Err(trouble) => self.trouble(&base, &trouble, true),
        }
    }

    fn introspection(&mut self) {
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
        // There is no instance to reach from Fargate.
        if self.system.variable("AWS_EXECUTION_ENV").as_deref() == Some("AWS_ECS_FARGATE") {
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
                self.take(findings);
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
        self.take(findings);
        if let Some(instance) = instance {
            self.take(instance);
        }
        true
    }

    fn finish(mut self) -> Outcome {
        let contradiction = derive(&mut self.outcome.identity);
        self.outcome.warnings.extend(contradiction.as_ref().map(Contradiction::to_string));
        let sufficient = self.is_sufficient();
        if sufficient {
            // Somebody knew, so it does not matter who of the merely likely ones did not.
            self.troubles.retain(|failed| !failed.was_guess);
        }
        let is_transient = self.may_change || self.troubles.iter().any(|failed| failed.is_transient);
        let complete = sufficient && self.troubles.is_empty();
        if complete {
            self.outcome.warnings.append(&mut self.rejected);
        } else {
            let warning = self.warning(sufficient);
            self.outcome.warnings.push(warning);
        }
        Outcome { complete, try_again: !complete && is_transient, ..self.outcome }
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

#[cfg(test)]
mod tests {
    use super::super::local;
    use super::*;
    use std::fs;
    use std::time::Duration;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn tree(cgroup: &str) -> tempfile::TempDir {
        let tree = tempfile::tempdir().expect("a directory");
        fs::create_dir_all(tree.path().join("proc/self")).expect("a directory");
        fs::write(tree.path().join("proc/self/cgroup"), cgroup).expect("a file");
        tree
    }

    fn a_second() -> Deadline {
        Deadline::after(Duration::from_secs(1))
    }

    #[test]
    fn outside_ecs_nobody_is_asked() {
        let tree = tree(&format!("0::/system.slice/docker-{ID}.scope\n"));
        let system = System::given(tree.path(), [("AWS_EXECUTION_ENV", "AWS_Lambda_rust")]);
        let local = local(&system);
        assert!(!local.ecs_is_evident);
        assert_eq!(local.identity.get(Field::ContainerId), Some(ID));
        let outcome = resolve(&system, local, a_second());
        assert!(outcome.complete && !outcome.try_again);
        assert_eq!(outcome.warnings, [""; 0]);
    }

    #[test]
    fn each_sign_of_ecs_is_enough() {
        let plain = tree("0::/\n");
        for sign in [
            ("ECS_CONTAINER_METADATA_URI_V4", "http://127.0.0.1:1/"),
            ("ECS_CONTAINER_METADATA_URI", "http://127.0.0.1:1/"),
            ("ECS_CONTAINER_METADATA_FILE", "/x"),
            ("AWS_EXECUTION_ENV", "AWS_ECS_FARGATE"),
            ("ECS_AGENT_URI", "http://127.0.0.1:1/"),
        ] {
            assert!(local(&System::given(plain.path(), [sign])).ecs_is_evident, "{sign:?}");
        }
        assert!(!local(&System::given(plain.path(), [])).ecs_is_evident);
        let ecs = tree(&format!("4:memory:/ecs/fedcba9876543210fedcba9876543210/{ID}\n"));
        assert!(local(&System::given(ecs.path(), [])).ecs_is_evident);
    }

    #[test]
    fn a_budget_of_zero_asks_nobody_and_says_nothing() {
        let tree = tree("0::/\n");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        let url = format!("http://{}/v4/x", listener.local_addr().expect("an address"));
        let system = System::given(tree.path(), [("ECS_CONTAINER_METADATA_URI_V4", url.as_str())]);
        let outcome = resolve(&system, local(&system), Deadline::after(Duration::ZERO));
        assert!(outcome.try_again && !outcome.complete);
        assert_eq!(outcome.warnings, [""; 0]);
        assert!(listener.accept().is_err());
    }

    #[test]
    fn a_url_that_is_not_asked_is_one_warning_and_final() {
        let tree = tree("0::/\n");
        for url in ["https://169.254.170.2/v4/x", "http://metadata/v4/x", "http://a@169.254.170.2/"] {
            let system = System::given(tree.path(), [("ECS_CONTAINER_METADATA_URI_V4", url)]);
            let outcome = resolve(&system, local(&system), a_second());
            assert!(!outcome.try_again && !outcome.complete);
            assert_eq!(outcome.warnings.len(), 1);
            assert!(outcome.warnings[0].contains(url), "{:?}", outcome.warnings);
        }
    }
}
