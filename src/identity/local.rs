//! What this machine alone tells: the kernel's files, the environment and the metadata file, without a
//! socket.

use super::conflict::{Judgement, Kernel};
use super::metadata::Findings;
use super::system::METADATA_FILE;
use super::{Conflict, Contradiction, Field, Identity, Source, System};
use super::{cgroup, derive::derive, file, mountinfo};
use crate::shown::Shown;
use std::path::{Path, PathBuf};

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
    /// what the kernel's cgroup path shows
    pub(super) kernel: Kernel,
}

/// Looks at the files of the kernel, at the environment and at the metadata file. Never waits.
pub fn local(system: &System) -> Local {
    let cgroup = system.cgroup_text();
    // Where the kernel has cpuset in version 1, its line says the same, and a file less is to be read.
    let cpuset = match cgroup::cpuset_line(&cgroup) {
        Some(path) => path.to_owned(),
        None => system.read("/proc/self/cpuset"),
    };
    let identity = cgroup::parse(&cpuset, &cgroup);
    let mut local = Local {
        kernel: cgroup::kernel(&identity, &cpuset, &cgroup),
        identity,
        ecs_is_evident: system.environment_shows_ecs() || cgroup::shows_ecs(&cpuset, &cgroup),
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

impl Local {
    fn read_file(&mut self, place: &Path, path: &str) {
        match file::read(place) {
            Ok(reading) => {
                if !reading.is_ready {
                    self.unfinished_file = Some(place.to_owned());
                }
                let taken = take(&mut self.identity, &self.kernel, reading.findings, Source::MetadataFile);
                if let Some(conflict) = taken.conflict {
                    self.unfinished_file = None;
                    self.warnings.push(format!("{METADATA_FILE}: {}", told_of_another(&conflict)));
                }
                self.warnings.extend(taken.warnings);
                self.warnings.extend(taken.rejected);
            }
            Err(error) => {
                let path = Shown::new(path);
                self.warnings.push(format!(
                    "{METADATA_FILE}={path}: {error}; the file is passed over, the other sources are used"
                ));
            }
        }
    }

    /// The host name is usually the first 12 digits of the ID of whoever owns the network, which is no ID;
    /// where somebody made it a whole one it is taken for that, and for no more than the weakest source.
    fn hear_host_name(&mut self, name: &str) {
        let _ = self.identity.offer(Field::Hostname, name, Source::Hostname);
        let _ = self.identity.offer(Field::ContainerId, name, Source::Hostname);
    }
}

/// What came of one answer.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// one line for each contradiction
    pub warnings: Vec<String>,
    /// one line for all of the answer that has not the form it should have
    pub rejected: Option<String>,
    /// the answer is about another container, and nothing of it was taken
    pub conflict: Option<Conflict>,
    /// the answer is about the container around this one
    pub is_outer: bool,
}

/// Adds what `source` told of this container, unless the kernel shows that it told of another one.
pub(super) fn take(identity: &mut Identity, kernel: &Kernel, findings: Findings, source: Source) -> Taken {
    let mut taken = Taken { rejected: findings.rejected_line(), ..Taken::default() };
    let mut told = findings.identity;
    match kernel.judge(&told, source) {
        Judgement::Ours => {}
        Judgement::Outer => {
            // The task is right, and all else is true of the container around this one. Its start is not
            // ours.
            for field in [Field::ContainerId, Field::CreatedAt, Field::StartedAt, Field::RestartCount] {
                told.forget(field);
            }
            told.network_started = None;
            taken.is_outer = true;
        }
        Judgement::Another(conflict) => {
            identity.conflict.get_or_insert_with(|| conflict.clone());
            taken.conflict = Some(conflict);
            return taken;
        }
    }
    let contradictions = identity.merge(told);
    taken.warnings.extend(contradictions.iter().map(Contradiction::to_string));
    taken
}

/// What is wrong with an answer that was not taken.
pub(super) fn told_of_another(conflict: &Conflict) -> String {
    let part = |what: &str, value: &Option<String>| value.as_ref().map(|value| format!("{what} {value}"));
    let parts = [part("container", &conflict.container_id), part("task", &conflict.task_arn)];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    format!(
        "it speaks of {}, but the kernel's cgroup path shows another container, so nothing of it is taken; was the \
         variable copied from there?",
        parts.join(" of ")
    )
}
