//! IDs as witnesses write them. What does not look like one is none: a wrong ID joins a statement to somebody
//! else.

use crate::identity::container_id;

/// A runtime's ID of a container: 64 hex digits, or `<32 hex digits>-<digits>` (Fargate, Managed Instances).
pub fn container(text: &str) -> Option<String> {
    let valid = match text.split_once('-') {
        None => text.len() == 64 && is_hex(text),
        Some((task, number)) => {
            task.len() == 32
                && is_hex(task)
                && (4..=20).contains(&number.len())
                && number.bytes().all(|byte| byte.is_ascii_digit())
        }
    };
    valid.then(|| text.to_owned())
}

/// A task ID without its dashes: 32 hex digits, or the UUID that tasks had before the longer ARNs of 2018.
pub fn task(text: &str) -> Option<String> {
    if text.len() == 32 && is_hex(text) {
        return Some(text.to_owned());
    }
    let lengths = [8, 4, 4, 4, 12];
    let mut parts = text.split('-');
    let is_uuid =
        lengths.into_iter().all(|n| parts.next().is_some_and(|part| part.len() == n && is_hex(part)))
            && parts.next().is_none();
    is_uuid.then(|| text.replace('-', ""))
}

/// The ID in the ARN of a task: `arn:PARTITION:ecs:REGION:ACCOUNT:task/[CLUSTER/]ID`.
pub fn task_of_arn(arn: &str) -> Option<String> {
    let mut parts = arn.splitn(6, ':');
    if parts.next() != Some("arn") || parts.nth(1) != Some("ecs") {
        return None;
    }
    let resource = parts.nth(2)?.strip_prefix("task/")?;
    task(resource.rsplit('/').next()?)
}

/// The first ARN of a task in free text, with the ID in it.
pub fn task_arn_in(text: &str) -> Option<(String, String)> {
    // A line that repeats `arn:` a thousand times is nobody's.
    text.match_indices("arn:").take(32).find_map(|(at, _)| {
        let rest = text.get(at..)?;
        let end =
            rest.find(|c: char| !(c.is_ascii_alphanumeric() || "-_:/.".contains(c))).unwrap_or(rest.len());
        let arn = rest.get(..end)?.trim_end_matches([':', '.']);
        Some((arn.to_owned(), task_of_arn(arn)?))
    })
}

/// What follows the last slash of an ARN: a short name.
pub fn short_name(arn: &str) -> Option<String> {
    let name = arn.rsplit('/').next()?;
    (!name.is_empty() && name.len() <= 255).then(|| name.to_owned())
}

/// How many cgroups below a container's own are climbed.
const LEVELS: usize = 8;

/// The task and the container that a memory cgroup belongs to. Also the cgroup of a whole task, which holds
/// no container's ID, names the task: `/ecs/[CLUSTER/]TASK`, `…/ecstasks-TASK.slice`.
///
/// A container may have cgroups below its own, where it runs jobs; they are its own.
pub fn of_cgroup(path: &str) -> (Option<String>, Option<String>) {
    let above = std::iter::successors(Some(path), |path| path.rsplit_once('/').map(|(above, _)| above));
    let container = above.take(LEVELS).find_map(container_id::container_id).map(str::to_owned);
    let task_id = container_id::task_id(path).and_then(task).or_else(|| task_cgroup(path));
    (task_id, container)
}

fn task_cgroup(path: &str) -> Option<String> {
    let mut parts = path.trim_end_matches('/').rsplit('/');
    let last = parts.next()?;
    if let Some(id) = last.strip_prefix("ecstasks-").and_then(|name| name.strip_suffix(".slice")) {
        return task(id);
    }
    parts.take(2).any(|part| part == "ecs").then(|| task(last)).flatten()
}

fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASK: &str = "9d4f1c7ab2e84c0f8a35d6e17b20c493";

    #[test]
    fn tasks_with_and_without_dashes_are_one() {
        assert_eq!(task(TASK).as_deref(), Some(TASK));
        assert_eq!(task("9d4f1c7a-b2e8-4c0f-8a35-d6e17b20c493").as_deref(), Some(TASK));
        for wrong in ["", "9d4f1c7a", "9D4F1C7AB2E84C0F8A35D6E17B20C493", "4d590253bb114126b7afa7b58EXAMPLE"]
        {
            assert_eq!(task(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn arns_of_tasks() {
        let old = "arn:aws:ecs:eu-central-1:123456789012:task/9d4f1c7a-b2e8-4c0f-8a35-d6e17b20c493";
        let new = format!("arn:aws-cn:ecs:cn-north-1:123456789012:task/default/{TASK}");
        assert_eq!(task_of_arn(old).as_deref(), Some(TASK));
        assert_eq!(task_of_arn(&new).as_deref(), Some(TASK));
        assert_eq!(task_of_arn(&new.replace(":task/", ":container/")), None);
        assert_eq!(task_of_arn(&new.replace(":ecs:", ":ec2:")), None);
        let text = format!("arn:aws:s3:::x Managed task [{new}]: stop");
        assert_eq!(task_arn_in(&text), Some((new, TASK.to_owned())));
    }

    #[test]
    fn cgroups_of_tasks_and_containers() {
        let id = "ab".repeat(32);
        assert_eq!(of_cgroup(&format!("/ecs/{TASK}/{id}")), (Some(TASK.to_owned()), Some(id.clone())));
        assert_eq!(of_cgroup(&format!("/docker/{id}/jobs/3")), (None, Some(id.clone())));
        for path in [
            format!("/ecs/{TASK}"),
            format!("/ecs/default/{TASK}"),
            format!("/ecstasks.slice/ecstasks-{TASK}.slice"),
        ] {
            assert_eq!(of_cgroup(&path), (Some(TASK.to_owned()), None), "{path}");
        }
        assert_eq!(of_cgroup(&format!("/system.slice/docker-{id}.scope")), (None, Some(id)));
        assert_eq!(of_cgroup(&format!("/x/{TASK}")), (None, None));
        assert_eq!(of_cgroup("/"), (None, None));
    }
}
