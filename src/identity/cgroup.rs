//! `/proc/self/cpuset` and `/proc/self/cgroup`: the cgroups that this process is in.
//!
//! They name the container itself, whoever owns its network. In a private cgroup namespace (Docker's
//! default on cgroup v2) they show `/`, and tell nothing.

use super::container_id::{container_id, names_ecs, task_id};
use super::{Field, Identity, Kernel, Source};

/// Parts of a path that are looked at for the containers around this one.
const DEEPEST: usize = 64;

/// Who the container is, by the text of `/proc/self/cpuset` and of `/proc/self/cgroup` (empty where the
/// file cannot be read). Formats: cgroups(7), "/proc files", and cpuset(7).
///
/// Where the lines name different containers, the innermost is the one that this process is in: the one
/// whose path goes on where that of the others ends. Lines that contradict each other in any other way
/// are no evidence for either.
pub fn parse(cpuset: &str, cgroup: &str) -> Identity {
    let cpuset = cpuset.lines().next().map(|path| (path, Source::Cpuset));
    let lines = cgroup.lines().filter_map(path_of).map(|path| (path, Source::Cgroup));
    let named = || cpuset.into_iter().chain(lines.clone()).filter(|(path, _)| container_id(path).is_some());

    let mut identity = Identity::default();
    // The first of the longest, so that the cpuset stays the source where all lines agree.
    let Some((path, source)) =
        named().reduce(|best, one| if one.0.len() > best.0.len() { one } else { best })
    else {
        return identity;
    };
    let id = container_id(path);
    if !named().all(|(other, _)| container_id(other) == id || is_within(path, other)) {
        return identity;
    }
    let source = if named().any(|(other, from)| from == Source::Cpuset && container_id(other) == id) {
        Source::Cpuset
    } else {
        source
    };
    // What these functions return has the form that `offer` asks for.
    let _ = identity.offer(Field::ContainerId, id.unwrap_or_default(), source);
    let _ = identity.derive(Field::TaskId, task_id(path).unwrap_or_default(), source);
    identity
}

/// The same with the containers that this one is in, in no order: what nobody can copy from elsewhere.
pub fn kernel(identity: &Identity, cpuset: &str, cgroup: &str) -> Kernel {
    let id = identity.get(Field::ContainerId).map(str::to_owned);
    let mut outer = Vec::new();
    if id.is_some() {
        for path in cpuset.lines().take(1).chain(cgroup.lines().filter_map(path_of)) {
            let ends = path.match_indices('/').map(|(place, _)| place).chain([path.len()]).take(DEEPEST);
            let ids = ends.filter_map(|end| container_id(path.get(..end)?)).map(str::to_owned);
            outer.extend(ids.filter(|one| Some(one) != id.as_ref()));
        }
    }
    Kernel { id, task: identity.get(Field::TaskId).map(str::to_owned), outer }
}

/// The path in the line of the cpuset controller of version 1, mounted alone as it usually is.
pub fn cpuset_line(cgroup: &str) -> Option<&str> {
    cgroup.lines().find(|line| line.split(':').nth(1) == Some("cpuset")).and_then(path_of)
}

/// Whether one of the two texts shows that the ECS agent made the cgroup.
pub fn shows_ecs(cpuset: &str, cgroup: &str) -> bool {
    names_ecs(cpuset) || cgroup.lines().filter_map(path_of).any(names_ecs)
}

/// The path in a line of `/proc/PID/cgroup`: `hierarchy-ID:controllers:path`. The path may hold colons.
fn path_of(line: &str) -> Option<&str> {
    let (second, _) = line.bytes().enumerate().filter(|(_, byte)| *byte == b':').nth(1)?;
    line.get(second + 1..)
}

fn is_within(path: &str, ancestor: &str) -> bool {
    path.strip_prefix(ancestor).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INNER: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const OUTER: &str = "1111111111111111111111111111111111111111111111111111111111111111";

    fn found(cpuset: &str, cgroup: &str) -> Option<(String, Source)> {
        let identity = parse(cpuset, cgroup);
        Some((identity.get(Field::ContainerId)?.to_owned(), identity.source(Field::ContainerId)?))
    }

    #[test]
    fn the_cpuset_is_the_source_where_both_agree() {
        let cgroup =
            format!("12:memory:/docker/{INNER}\n1:name=systemd:/system.slice/docker-{INNER}.scope\n");
        assert_eq!(found(&format!("/docker/{INNER}\n"), &cgroup), Some((INNER.into(), Source::Cpuset)));
        assert_eq!(found("/\n", &cgroup), Some((INNER.into(), Source::Cgroup)));
        assert_eq!(found("", &cgroup), Some((INNER.into(), Source::Cgroup)));
    }

    #[test]
    fn the_inner_container_where_a_controller_was_not_handed_on() {
        let cgroup = format!("4:memory:/docker/{OUTER}/docker/{INNER}\n3:cpuset:/docker/{OUTER}\n");
        assert_eq!(found(&format!("/docker/{OUTER}\n"), &cgroup), Some((INNER.into(), Source::Cgroup)));
    }

    #[test]
    fn the_containers_around_it() {
        let cgroup = format!("4:memory:/docker/{OUTER}/docker/{INNER}\n3:cpuset:/docker/{OUTER}\n");
        let cpuset = format!("/docker/{OUTER}\n");
        let known = kernel(&parse(&cpuset, &cgroup), &cpuset, &cgroup);
        assert_eq!((known.id.as_deref(), known.outer), (Some(INNER), vec![OUTER.to_owned(); 3]));
        let alone = format!("0::/docker/{INNER}\n");
        assert_eq!(kernel(&parse("", &alone), "", &alone).outer, [""; 0]);
        assert_eq!(kernel(&parse("/", "0::/"), "/", "0::/"), Kernel::default());
    }

    #[test]
    fn lines_that_contradict_each_other_are_no_evidence() {
        let cgroup = format!("4:memory:/docker/{INNER}\n3:pids:/docker/{OUTER}\n");
        assert_eq!(found("", &cgroup), None);
        assert_eq!(found(&format!("/docker/{OUTER}"), &format!("0::/docker/{INNER}")), None);
    }

    #[test]
    fn a_path_may_hold_colons() {
        let line = format!("0::/system.slice/kubepods-pod1.slice:cri-containerd:{INNER}");
        assert_eq!(found("", &line), Some((INNER.into(), Source::Cgroup)));
    }

    #[test]
    fn a_private_namespace_tells_nothing() {
        assert_eq!(parse("/\n", "0::/\n"), Identity::default());
        assert!(!shows_ecs("/\n", "0::/\n"));
    }
}
