//! The sources in their order, and what they add up to.

use super::http::{BaseUrl, Client};
use super::{Contradiction, Deadline, Identity, Rejected, Source, Surroundings};
use super::{ask, cgroup, derive::derive};

/// The variables that the ECS agent sets in a container, each of which shows that it is one of ECS.
const SIGNS: [&str; 4] = [
    "ECS_CONTAINER_METADATA_URI_V4",
    "ECS_CONTAINER_METADATA_URI",
    "ECS_CONTAINER_METADATA_FILE",
    "ECS_AGENT_URI",
];

/// What this machine alone tells, at once and without a socket.
#[derive(Debug, Clone, Default)]
pub struct Local {
    /// the container's ID, and the task's where the cgroup names it
    pub identity: Identity,
    /// whether the environment or the cgroup shows that ECS runs this container. Without that nobody is asked
    pub ecs_is_evident: bool,
}

/// Looks at the files of the kernel and at the environment. Never waits.
pub fn local(surroundings: &Surroundings) -> Local {
    let cpuset = surroundings.read("/proc/self/cpuset");
    let cgroup = surroundings.read("/proc/self/cgroup");
    Local {
        identity: cgroup::parse(&cpuset, &cgroup),
        ecs_is_evident: environment_shows_ecs(surroundings) || cgroup::shows_ecs(&cpuset, &cgroup),
    }
}

fn environment_shows_ecs(surroundings: &Surroundings) -> bool {
    SIGNS.iter().any(|name| surroundings.variable(name).is_some())
        || surroundings.variable("AWS_EXECUTION_ENV").is_some_and(|value| value.starts_with("AWS_ECS_"))
}

/// What came of resolving.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// all that is known
    pub identity: Identity,
    /// whether every source that there is was heard, so that nothing is missing which another attempt could tell
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
/// Where ECS is not evident it asks nobody. A deadline that has passed already is no reason for a warning: the
/// user chose not to wait.
pub fn resolve(surroundings: &Surroundings, local: Local, deadline: Deadline) -> Outcome {
    let mut outcome = Outcome { identity: local.identity, ..Outcome::default() };
    if !local.ecs_is_evident {
        outcome.complete = true;
        return outcome;
    }
    if deadline.has_passed() {
        outcome.try_again = true;
        return outcome;
    }
    metadata_v4(surroundings, deadline, &mut outcome);
    let contradiction = derive(&mut outcome.identity);
    outcome.warnings.extend(contradiction.map(|contradiction| contradiction.to_string()));
    outcome
}

fn metadata_v4(surroundings: &Surroundings, deadline: Deadline, outcome: &mut Outcome) {
    const VARIABLE: &str = "ECS_CONTAINER_METADATA_URI_V4";
    let Some(url) = surroundings.variable(VARIABLE) else { return };
    let base = match BaseUrl::parse(&url) {
        Ok(base) => base,
        Err(bad) => return outcome.warnings.push(format!("{VARIABLE}={bad}")),
    };
    let id = outcome.identity.get(super::Field::ContainerId).map(str::to_owned);
    let heard = ask::task_metadata(&Client::new(), &base, Source::MetadataV4, id.as_deref(), deadline);
    outcome.take(heard.identity, heard.rejected);
    outcome.complete = heard.trouble.is_none();
    if let Some(trouble) = heard.trouble {
        outcome.try_again = trouble.passes();
        outcome.warnings.push(format!(
            "the task metadata endpoint {base} told not all: {trouble}; is it reachable from this container, and \
             --identity-timeout long enough?"
        ));
    }
}

impl Outcome {
    fn take(&mut self, identity: Identity, rejected: Vec<Rejected>) {
        let contradictions = self.identity.merge(identity);
        self.warnings.extend(contradictions.iter().map(Contradiction::to_string));
        // One line for an answer, however much of it is bad.
        if let Some(first) = rejected.first() {
            let more = rejected.len() - 1;
            let more = if more == 0 { String::new() } else { format!(" (and {more} more values)") };
            self.warnings.push(format!("{first}{more}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Field;
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
        let surroundings = Surroundings::given(tree.path(), [("AWS_EXECUTION_ENV", "AWS_Lambda_rust")]);
        let local = local(&surroundings);
        assert!(!local.ecs_is_evident);
        assert_eq!(local.identity.get(Field::ContainerId), Some(ID));
        let outcome = resolve(&surroundings, local, a_second());
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
            assert!(local(&Surroundings::given(plain.path(), [sign])).ecs_is_evident, "{sign:?}");
        }
        assert!(!local(&Surroundings::given(plain.path(), [])).ecs_is_evident);
        let ecs = tree(&format!("4:memory:/ecs/fedcba9876543210fedcba9876543210/{ID}\n"));
        assert!(local(&Surroundings::given(ecs.path(), [])).ecs_is_evident);
    }

    #[test]
    fn a_budget_of_zero_asks_nobody_and_says_nothing() {
        let tree = tree("0::/\n");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        let url = format!("http://{}/v4/x", listener.local_addr().expect("an address"));
        let surroundings =
            Surroundings::given(tree.path(), [("ECS_CONTAINER_METADATA_URI_V4", url.as_str())]);
        let outcome = resolve(&surroundings, local(&surroundings), Deadline::after(Duration::ZERO));
        assert!(outcome.try_again && !outcome.complete);
        assert_eq!(outcome.warnings, [""; 0]);
        assert!(listener.accept().is_err());
    }

    #[test]
    fn a_url_that_is_not_asked_is_one_warning_and_final() {
        let tree = tree("0::/\n");
        for url in ["https://169.254.170.2/v4/x", "http://metadata/v4/x", "http://a@169.254.170.2/"] {
            let surroundings = Surroundings::given(tree.path(), [("ECS_CONTAINER_METADATA_URI_V4", url)]);
            let outcome = resolve(&surroundings, local(&surroundings), a_second());
            assert!(!outcome.try_again && !outcome.complete);
            assert_eq!(outcome.warnings.len(), 1);
            assert!(outcome.warnings[0].contains(url), "{:?}", outcome.warnings);
        }
    }
}
