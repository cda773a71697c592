//! The container ID within one cgroup path.
//!
//! Runtimes name the cgroup of a container after it, each in its own way. Only these ways are known here;
//! whatever merely looks like an ID (a session number, a pod, a build step, an LXC or nspawn machine) is
//! none, since a wrong ID in a record is worse than no ID.

use super::value::{is_container_id, is_hex};

/// What a runtime writes before the ID, in a systemd scope or with its cgroupfs driver.
///
/// `libpod-conmon-` and `crio-conmon-`, the monitors of Podman and CRI-O, are not here, and do not pass as
/// `libpod-` and `crio-` either, because what follows must be the ID and nothing else.
const RUNTIMES: [&str; 7] =
    ["docker", "cri-containerd", "containerd", "nerdctl", "crio", "libpod", "libpod-payload"];

/// The ID of the container that owns the cgroup `path` (the third field of a line in `/proc/PID/cgroup`,
/// or the line of `/proc/PID/cpuset`; see cgroups(7) and cpuset(7)).
///
/// The ID is in the last part of the path, so that of nested containers the innermost one counts. One more
/// part may follow: `container`, which crun makes within a scope of Podman or CRI-O.
pub fn container_id(path: &str) -> Option<&str> {
    // A namespace shows `/` for most: too short, whatever is in it.
    if path.len() < 32 {
        return None;
    }
    let (parent, last) = path.rsplit_once('/')?;
    let (above, scope) = parent.rsplit_once('/').unwrap_or(("", parent));
    if last == "container" && ["libpod-", "crio-"].iter().any(|prefix| scope.starts_with(prefix)) {
        return id_of_part(scope, above);
    }
    id_of_part(last, parent)
}

/// The ECS task ID that the cgroup `path` of a container names, beside the container's own:
/// `/ecs/[CLUSTER/]TASK/ID`, `/ecs/TASK-DIGITS` or `ecstasks-TASK.slice/docker-ID.scope`.
pub fn task_id(path: &str) -> Option<&str> {
    let id = container_id(path)?;
    if !names_ecs(path) {
        return None;
    }
    if let Some((task, _)) = id.split_once('-') {
        return Some(task);
    }
    let (parent, _) = path.rsplit_once('/')?;
    let (above, task) = parent.rsplit_once('/')?;
    match task.strip_prefix("ecstasks-").and_then(|task| task.strip_suffix(".slice")) {
        Some(task) => is_task_id(task).then_some(task),
        // The part before the ID is the task only below `ecs`, at most one part (the cluster) further up.
        None => {
            let below_ecs = above.rsplit('/').take(2).any(|part| part == "ecs");
            (below_ecs && is_task_id(task)).then_some(task)
        }
    }
}

/// Whether a cgroup path, or the text of several lines with one each, is of the kind that the ECS agent
/// makes: a part `ecs` with more below it, or one in `ecstasks.slice`.
pub fn names_ecs(text: &str) -> bool {
    // Nearly nothing has it, and to look for it alone is cheap.
    if !text.as_bytes().windows(3).any(|letters| letters == b"ecs") {
        return false;
    }
    text.lines().any(|line| {
        line.contains("/ecs/")
            || line.split('/').any(|part| part == "ecstasks.slice" || part.starts_with("ecstasks-"))
    })
}

/// The ID in one part of a path whose parts above are `parent`.
fn id_of_part<'a>(part: &'a str, parent: &str) -> Option<&'a str> {
    let above = parent.rsplit('/').next().unwrap_or_default();
    let id = match wrapped_id(part) {
        Some(id) => id,
        None if is_foreign(above) => return None,
        None => part,
    };
    // 64 hex digits are an ID by themselves, `<task>-<digits>` only with what stands around it.
    let evident = !id.contains('-') || is_of_task(id, above, parent);
    (is_container_id(id) && evident).then_some(id)
}

/// What a runtime wrote its name around: `docker-ID.scope`, `libpod-ID`, and `SLICE:cri-containerd:ID`,
/// which is runc's form for systemd, taken as a plain name where runc was told to do without systemd.
fn wrapped_id(part: &str) -> Option<&str> {
    if let Some((before, id)) = part.rsplit_once(':') {
        let (_, runtime) = before.rsplit_once(':')?;
        return RUNTIMES.contains(&runtime).then_some(id);
    }
    let name = part.strip_suffix(".scope").unwrap_or(part);
    RUNTIMES
        .iter()
        .filter_map(|runtime| name.strip_prefix(runtime)?.strip_prefix('-'))
        .find(|id| is_container_id(id))
}

/// Managers whose containers are not those of a container runtime: a name below them is no ID, even if
/// somebody chose 64 hex digits for it.
fn is_foreign(above: &str) -> bool {
    ["lxc", "lxc.payload", "lxc.monitor", "buildkit", "machine"].contains(&above)
}

/// `<task>-<digits>` is an ID only where ECS made the cgroup, and only of the task that the path names.
fn is_of_task(id: &str, above: &str, parent: &str) -> bool {
    let task = id.split('-').next().unwrap_or_default();
    let named = above.strip_prefix("ecstasks-").and_then(|name| name.strip_suffix(".slice")).unwrap_or(above);
    above == "ecs" || (named == task && names_ecs(parent))
}

/// 32 hex digits, or the UUID of the older format.
fn is_task_id(text: &str) -> bool {
    let uuid = || {
        let lengths = [8, 4, 4, 4, 12];
        let mut parts = text.split('-');
        lengths.into_iter().all(|length| parts.next().is_some_and(|p| p.len() == length && is_hex(p)))
            && parts.next().is_none()
    };
    (text.len() == 32 && is_hex(text)) || uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const TASK: &str = "fedcba9876543210fedcba9876543210";

    #[test]
    fn the_innermost_of_nested_containers() {
        let outer = "f".repeat(64);
        assert_eq!(container_id(&format!("/docker/{outer}/docker/{ID}")), Some(ID));
        assert_eq!(container_id(&format!("/docker/{ID}/init.scope")), None);
    }

    #[test]
    fn digits_behind_a_task_need_the_task_around_them() {
        for path in [
            format!("/ecs/{TASK}/{TASK}-12345678"),
            format!("/ecs/{TASK}-1234567890"),
            format!("/ecs/cluster/{TASK}/{TASK}-123456789"),
            format!("/ecstasks.slice/ecstasks-{TASK}.slice/cri-containerd-{TASK}-12345678.scope"),
        ] {
            assert!(container_id(&path).is_some_and(|id| id.starts_with(TASK)), "{path}");
            assert_eq!(task_id(&path), Some(TASK), "{path}");
        }
        for path in [
            format!("/docker/{TASK}-12345678"),
            format!("/ecs/{}/{TASK}-12345678", "a".repeat(32)),
            format!("/user.slice/{TASK}-12345678.scope"),
            format!("/{TASK}-12345678"),
        ] {
            assert_eq!(container_id(&path), None, "{path}");
        }
    }

    #[test]
    fn the_task_beside_the_container() {
        assert_eq!(task_id(&format!("/ecs/{TASK}/{ID}")), Some(TASK));
        assert_eq!(task_id(&format!("/ecs/default/{TASK}/{ID}")), Some(TASK));
        let uuid = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
        assert_eq!(task_id(&format!("/ecs/{uuid}/{ID}")), Some(uuid));
        let slice = format!("/ecstasks.slice/ecstasks-{TASK}.slice/docker-{ID}.scope");
        assert_eq!(task_id(&slice), Some(TASK));
        // Neither the cluster, nor a part of a path that ECS has not made.
        assert_eq!(task_id(&format!("/ecs/{TASK}/web/{ID}")), None);
        assert_eq!(task_id(&format!("/docker/{TASK}/{ID}")), None);
        assert_eq!(task_id(&format!("/ecs/a/b/{TASK}/{ID}")), None);
    }

    #[test]
    fn signs_of_ecs() {
        assert!(names_ecs(&format!("/ecs/{TASK}/{ID}")));
        assert!(names_ecs("/ecstasks.slice"));
        assert!(!names_ecs("/system.slice/ecs.service"));
        assert!(!names_ecs(&format!("/docker/{ID}")));
    }
}
