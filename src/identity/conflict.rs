//! Two who name different containers: whom to believe.
//!
//! The metadata endpoint answers by a URL, and a URL can be copied: into an image, a compose file, a nested
//! container. What the kernel writes into `/proc/self/cpuset` and `/proc/self/cgroup` nobody can copy. So:
//!
//! 1. The kernel shows an ID, and the endpoint (or the metadata file) tells the same: all is well.
//! 2. The endpoint tells an ID that stands further up in the kernel's path: this is a container within a
//!    container of the task. The endpoint is right about the task and the outer container; the container ID
//!    is the kernel's.
//! 3. The endpoint tells another ID, or none and a task that the kernel's path contradicts: it speaks of
//!    another container. Nothing of it is taken, and what it said is kept as a [`Conflict`].
//! 4. The kernel shows no ID (a private cgroup namespace): the endpoint is believed. Its word has one witness
//!    left, the mounts, which name the owner of the network. That is this container or another one of the
//!    same task; where it is neither, somebody is wrong, and what the mounts say is kept as a [`Conflict`].

use super::{Conflict, Field, Identity, Source};

/// What the kernel's cgroup path shows of this container, which cannot be copied from another one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kernel {
    /// the container ID
    pub id: Option<String>,
    /// the ID of the ECS task
    pub task: Option<String>,
    /// the IDs of the containers that this one is in
    pub outer: Vec<String>,
}

/// What to do with what a source told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// it is about this container, as far as can be known
    Ours,
    /// it is about the container that this one is in
    Outer,
    /// it is about another container
    Another(Conflict),
}

impl Kernel {
    /// Judges what `source` told, which was asked for this very container.
    pub(super) fn judge(&self, told: &Identity, source: Source) -> Judgement {
        let (id, arn) = (told.get(Field::ContainerId), told.get(Field::TaskArn));
        let is_another = match (self.id.as_deref(), id) {
            (Some(ours), Some(theirs)) if ours == theirs => false,
            (Some(_), Some(theirs)) if self.outer.iter().any(|outer| outer == theirs) => {
                return Judgement::Outer;
            }
            (Some(_), Some(_)) => true,
            _ => match (self.task.as_deref(), arn.and_then(|arn| arn.rsplit('/').next())) {
                (Some(ours), Some(theirs)) => ours != theirs,
                _ => false,
            },
        };
        if is_another {
            let [container_id, task_arn] = [id, arn].map(|text| text.map(str::to_owned));
            return Judgement::Another(Conflict { container_id, task_arn, source });
        }
        Judgement::Ours
    }
}

/// Rule 4: what the mounts say, when they name neither `told`, which the endpoint says we are, nor any other
/// of the containers of its task.
pub(super) fn with_mounts(before: &Identity, told: &Identity, containers: &[String]) -> Option<Conflict> {
    let source = before.source(Field::ContainerId)?;
    let owner = before.get(Field::ContainerId)?;
    // Fargate shows no pause container, and what its mounts look like is not known.
    let is_of_instance = matches!(told.get(Field::LaunchType), Some("EC2" | "EXTERNAL"));
    let is_mount = matches!(source, Source::OwnMount | Source::Mountinfo);
    let is_known = told.get(Field::ContainerId) == Some(owner) || containers.iter().any(|one| one == owner);
    (is_mount && is_of_instance && !containers.is_empty() && !is_known).then(|| Conflict {
        container_id: Some(owner.to_owned()),
        task_arn: None,
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "1111111111111111111111111111111111111111111111111111111111111111";
    const TWO: &str = "2222222222222222222222222222222222222222222222222222222222222222";
    const ARN: &str = "arn:aws:ecs:eu-west-1:123456789012:task/default/fedcba9876543210fedcba9876543210";

    fn told(id: &str, arn: &str) -> Identity {
        let mut identity = Identity::default();
        identity.offer(Field::ContainerId, id, Source::MetadataV4).expect("an ID");
        identity.offer(Field::TaskArn, arn, Source::MetadataV4).expect("an ARN");
        identity
    }

    fn kernel(id: &str, task: &str, outer: &[&str]) -> Kernel {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Kernel { id: some(id), task: some(task), outer: outer.iter().map(|&id| id.to_owned()).collect() }
    }

    #[test]
    fn the_rule() {
        let (task, other) = ("fedcba9876543210fedcba9876543210", "00000000000000000000000000000000");
        let another = |id: &str| {
            Judgement::Another(Conflict {
                container_id: Some(id.to_owned()).filter(|id| !id.is_empty()),
                task_arn: Some(ARN.to_owned()),
                source: Source::MetadataV4,
            })
        };
        for (kernel, id, judgement) in [
            (kernel(ONE, task, &[]), ONE, Judgement::Ours),
            (kernel(ONE, "", &[]), ONE, Judgement::Ours),
            (kernel(ONE, "", &[TWO]), TWO, Judgement::Outer),
            (kernel(ONE, "", &[]), TWO, another(TWO)),
            (kernel(ONE, task, &[]), TWO, another(TWO)),
            (kernel(ONE, task, &[]), "", Judgement::Ours),
            (kernel(ONE, other, &[]), "", another("")),
            (kernel("", "", &[]), TWO, Judgement::Ours),
            (kernel("", "", &[]), "", Judgement::Ours),
        ] {
            assert_eq!(kernel.judge(&told(id, ARN), Source::MetadataV4), judgement, "{kernel:?} {id}");
        }
    }

    #[test]
    fn mounts_of_a_container_that_the_task_does_not_hold() {
        let mut mounts = Identity::default();
        mounts.offer(Field::ContainerId, TWO, Source::Mountinfo).expect("an ID");
        let mut endpoint = told(ONE, ARN);
        let pause = "3".repeat(64);
        let of = |endpoint: &Identity, containers: &[&str]| {
            let containers: Vec<String> = containers.iter().map(|&id| id.to_owned()).collect();
            with_mounts(&mounts, endpoint, &containers).is_some()
        };
        assert!(!of(&endpoint, &[ONE, &pause]), "the launch type is not known");
        endpoint.offer(Field::LaunchType, "EC2", Source::MetadataV4).expect("a name");
        assert!(of(&endpoint, &[ONE, &pause]));
        assert!(!of(&endpoint, &[ONE, TWO]), "the pause container owns the network");
        assert!(!of(&endpoint, &[]), "the task was not told");
        let mut own = endpoint.clone();
        own.replace(Field::ContainerId, TWO, Source::MetadataV4);
        assert!(!of(&own, &[&pause]));
    }
}
