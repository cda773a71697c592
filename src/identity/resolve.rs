//! The sources that have to be asked, in their order, and what all sources add up to.

use super::ask::{self, Trouble};
use super::http::{BadUrl, BaseUrl, Client};
use super::local::{Local, take, told_of_another};
use super::metadata::Findings;
use super::start::settle;
use super::{Conflict, Contradiction, Deadline, Field, Identity, Kernel, Source, System};
use super::{conflict, derive::derive, file};
use std::time::Duration;

/// The longest that one address is tried where it is only likely that somebody answers there.
pub(super) const LONGEST_GUESS: Duration = Duration::from_millis(250);

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

/// Asks who this container is, beyond what is known of `local`; at the latest at `deadline` it is done.
///
/// Where ECS is not evident it asks nobody, unless the user named an introspection API. A deadline that has
/// passed already asks nobody either and is no reason for a warning: the user chose not to wait.
///
/// Each call is one attempt with its own deadline and its own connection. For another one later, when
/// [`Outcome::try_again`] allows for it, call [`local`](super::local()) again too: the metadata file may be
/// complete by then.
pub fn resolve(system: &System, local: Local, deadline: Deadline) -> Outcome {
    let mut search = Search {
        system,
        deadline,
        client: None,
        outcome: Outcome { identity: local.identity, warnings: local.warnings, ..Outcome::default() },
        troubles: Vec::new(),
        rejected: Vec::new(),
        kernel: local.kernel,
        network_mode: None,
        heard_endpoint: false,
        is_refused: false,
        is_inner: false,
        may_change: local.unfinished_file.is_some(),
    };
    let named = system.variable(INTROSPECTION);
    let named = named.filter(|value| value != "off").is_some();
    if !local.ecs_is_evident && !named {
        search.outcome.complete = true;
        return search.outcome;
    }
    if deadline.has_passed() {
        settle(&mut search.outcome.identity, system.own_start());
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
        search.take(findings, Source::MetadataFile);
    }
    if !search.is_sufficient() && !deadline.has_passed() {
        search.introspection();
    } else {
        search.instance();
    }
    search.finish()
}

pub(super) const INTROSPECTION: &str = "EPITAPH_INTROSPECTION";
const V4: &str = "ECS_CONTAINER_METADATA_URI_V4";
const V3: &str = "ECS_CONTAINER_METADATA_URI";

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
    is_refused: bool,
    /// whether this is a container within the one that the endpoint knows
    is_inner: bool,
    /// who was asked in vain
    troubles: Vec<FailedSource>,
    /// what was told and not taken
    pub rejected: Vec<String>,
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

    fn failed(&mut self, whom: String, why: String) {
        let (is_transient, is_unreachable, was_guess) = (false, false, false);
        self.troubles.push(FailedSource { whom, why, is_transient, is_unreachable, was_guess });
    }

    /// Versions 4 and 3, which have a URL for this container, else version 2.
    fn metadata_endpoint(&mut self) {
        let mut has_url = false;
        let mut unknown: Option<String> = None;
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
            // The agent looks the ID in the URL up in the same place for both.
            if unknown.as_deref().is_some_and(|id| id == endpoint_id(&base)) {
                continue;
            }
            let id = self.id();
            let client = self.client.get_or_insert_with(Client::new);
            let heard = ask::task_metadata(client, &base, source, id.as_deref(), self.deadline);
            if let Some(conflict) = self.hear(heard.findings, source) {
                // All versions are the same agent's and speak of the same container.
                self.is_refused = true;
                self.troubles.clear();
                self.failed(base.to_string(), told_of_another(&conflict));
                return;
            }
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
            unknown = trouble.is_unknown().then(|| endpoint_id(&base));
        }
        if !has_url && !self.is_sufficient() {
            self.metadata_v2();
        }
    }

    /// Takes what the endpoint told, and holds the mounts against it where they are the only other witness.
    fn hear(&mut self, findings: Findings, source: Source) -> Option<Conflict> {
        let witness = conflict::with_mounts(&self.outcome.identity, &findings.identity, &findings.containers);
        let network_mode = findings.network_mode.clone();
        if let Some(conflict) = self.take(findings, source) {
            return Some(conflict);
        }
        self.network_mode = self.network_mode.take().or(network_mode);
        self.heard_endpoint |= self.outcome.identity.get(Field::TaskArn).is_some();
        if let Some(witness) = witness {
            self.outcome.warnings.push(format!(
                "the mounts are those of container {}, which the task that {} tells does not hold: is its URL \
                 another container's? What it tells is used",
                witness.container_id.as_deref().unwrap_or_default(),
                source.name()
            ));
            self.outcome.identity.conflict.get_or_insert(witness);
        }
        None
    }

    /// Old platforms name no URL. There may as well be nobody at the address, so it gets a part of the time.
    fn metadata_v2(&mut self) {
        let Ok(base) = BaseUrl::parse(self.system.metadata_v2()) else { return };
        let id = self.id();
        let deadline = self.deadline.at_most((self.deadline.left() / 3).min(LONGEST_GUESS));
        let client = self.client.get_or_insert_with(Client::new);
        match ask::task_v2(client, &base, id.as_deref(), deadline) {
            Ok(findings) => drop(self.hear(findings, Source::MetadataV2)),
            Err(trouble) => self.trouble(&base, &trouble, true),
        }
    }

    fn finish(mut self) -> Outcome {
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

/// The base of the newest version of the endpoint whose variable holds a URL that may be asked.
pub(super) fn endpoint(system: &System) -> Option<(BaseUrl, Source)> {
    let versions = [(V4, Source::MetadataV4), (V3, Source::MetadataV3)];
    versions
        .into_iter()
        .find_map(|(variable, source)| Some((BaseUrl::parse(&system.variable(variable)?).ok()?, source)))
}

/// The last part of the endpoint's URL: the agent's ID for the container.
fn endpoint_id(base: &BaseUrl) -> String {
    base.to_string().rsplit('/').next().unwrap_or_default().to_owned()
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
