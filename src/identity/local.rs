//! What this machine alone tells: the kernel's files, the environment and the metadata file, without a socket.

use super::metadata::Findings;
use super::{Contradiction, Field, Identity, Source, System};
use super::{cgroup, derive::derive, file, mountinfo};
use crate::shown::Shown;
use std::path::{Path, PathBuf};

/// Variables that the ECS agent sets in a container, each of which shows that it is one of ECS.
const SIGNS: [&str; 4] =
    ["ECS_CONTAINER_METADATA_URI_V4", "ECS_CONTAINER_METADATA_URI", METADATA_FILE, "ECS_AGENT_URI"];

const METADATA_FILE: &str = "ECS_CONTAINER_METADATA_FILE";

/// What is known without asking anybody.
#[derive(Debug, Clone, Default)]
pub struct Local {
    /// the container's ID, the task as far as the cgroup and the metadata file name it, the host name
    pub identity: Identity,
    /// whether the environment or the cgroup shows that ECS runs this container. Without that nobody is asked
    pub ecs_is_evident: bool,
    /// what the user should know, each one line
    pub warnings: Vec<String>,
    /// the metadata file, when the agent has not completed it yet
    pub(super) unfinished_file: Option<PathBuf>,
}

/// Looks at the files of the kernel, at the environment and at the metadata file. Never waits.
pub fn local(system: &System) -> Local {
    let cgroup = system.cgroup_text();
    // Where the kernel has cpuset in version 1, its line says the same, and a file less is to be read.
    let cpuset = match cgroup::cpuset_line(&cgroup) {
        Some(path) => path.to_owned(),
        None => system.read("/proc/self/cpuset"),
    };
    let mut local = Local {
        identity: cgroup::parse(&cpuset, &cgroup),
        ecs_is_evident: environment_shows_ecs(system) || cgroup::shows_ecs(&cpuset, &cgroup),
        ..Local::default()
    };
    if let Some(path) = system.variable(METADATA_FILE) {
        local.read_file(&system.place(Path::new(&path)), &path);
    }
    if local.identity.get(Field::ContainerId).is_none() && system.may_have_container_mounts() {
        let owner = mountinfo::parse(&system.read("/proc/self/mountinfo"));
        let _ = local.identity.merge(owner);
    }
    local.hear_host_name(&system.host_name());
    let contradiction = derive(&mut local.identity);
    local.warnings.extend(contradiction.as_ref().map(Contradiction::to_string));
    local
}

fn environment_shows_ecs(system: &System) -> bool {
    SIGNS.iter().any(|name| system.variable(name).is_some())
        || system.variable("AWS_EXECUTION_ENV").is_some_and(|value| value.starts_with("AWS_ECS_"))
}

impl Local {
    fn read_file(&mut self, place: &Path, path: &str) {
        match file::read(place) {
            Ok(reading) => {
                if !reading.is_ready {
                    self.unfinished_file = Some(place.to_owned());
                }
                let rejected = take(&mut self.identity, &mut self.warnings, reading.findings);
                self.warnings.extend(rejected);
            }
            Err(error) => {
                let path = Shown::new(path);
                self.warnings.push(format!(
                    "{METADATA_FILE}={path}: {error}; the file is passed over, the other sources are used"
                ));
            }
        }
    }

    /// The host name is usually the first 12 digits of the ID of whoever owns the network, which is no ID; where
    /// somebody made it a whole one it is taken for that, and for no more than the weakest source.
    fn hear_host_name(&mut self, name: &str) {
        let _ = self.identity.offer(Field::Hostname, name, Source::Hostname);
        let _ = self.identity.offer(Field::ContainerId, name, Source::Hostname);
    }
}

/// Adds what one answer told, with one line for each contradiction. Returns one line for all of the answer that has
/// not the form it should have.
pub(super) fn take(
    identity: &mut Identity,
    warnings: &mut Vec<String>,
    findings: Findings,
) -> Option<String> {
    let contradictions = identity.merge(findings.identity);
    warnings.extend(contradictions.iter().map(Contradiction::to_string));
    let first = findings.rejected.first()?;
    let more = match findings.rejected.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    Some(format!("{first}{more}"))
}
