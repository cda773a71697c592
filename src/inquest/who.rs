//! Who is asked about: an ID in any of the forms in which people have one at hand.

use super::context::{is_container_id, is_hex};

/// What the argument `WHO` stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// a whole task ID: 32 hex digits
    Task(String),
    /// a whole container ID
    Container(String),
    /// the beginning of a task's or a container's ID
    Prefix(String),
    /// the name of a container at its runtime, or the beginning of a log stream
    Name(String),
}

/// What is pasted around an ID: blanks, quotation marks, brackets, the sign of an ID that was cut.
const AROUND: [char; 18] =
    ['"', '\'', '`', '<', '>', '(', ')', '[', ']', ',', ';', '…', '“', '”', '„', '‘', '’', '\u{200b}'];

/// The fewest hex digits that are taken for the beginning of an ID.
const SHORTEST: usize = 4;

impl Who {
    /// Reads the argument.
    ///
    /// # Errors
    /// A sentence that tells what it may be.
    pub fn parse(argument: &str) -> Result<Who, String> {
        let trimmed =
            argument.trim_matches(|letter: char| letter.is_whitespace() || AROUND.contains(&letter));
        let text = trimmed.trim_end_matches("...");
        let wrong = || {
            format!(
                "{argument:?} names nobody: give a task ARN, a task ID, a container ID, the beginning of one \
                 (4 digits or more), or a container's name"
            )
        };
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err(wrong());
        }
        // ARNs, links to the console and log streams have the ID in one of their parts; a container's own in
        // an ARN of a container is the last but one.
        let parts: Vec<&str> =
            text.split(['/', '?', '#', '&', '=']).filter(|part| !part.is_empty()).collect();
        if parts.len() > 1 {
            if let Some(id) = parts.iter().rev().find(|part| is_hex(part, 64)) {
                return Ok(Who::Container(id.to_ascii_lowercase()));
            }
            let in_arn = text.contains(":container/") || text.contains(":task/");
            let mut ids = parts.iter().filter_map(|part| task_id(part));
            let task = if in_arn { ids.next() } else { ids.next_back() };
            return match task {
                Some(task) => Ok(Who::Task(task)),
                None if text.starts_with("arn:") || text.contains("://") => Err(wrong()),
                None => Ok(Who::Name(text.to_owned())),
            };
        }
        let lower = text.to_ascii_lowercase();
        if is_container_id(&lower) {
            return Ok(Who::Container(lower));
        }
        if let Some(task) = task_id(&lower) {
            return Ok(Who::Task(task));
        }
        // The beginning of a UUID, or of `<task>-<digits>`.
        let digits = lower.replace('-', "");
        let is_digits = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_digits && digits.len() >= SHORTEST && digits.len() <= 64 {
            return Ok(Who::Prefix(digits));
        }
        if is_digits {
            return Err(wrong());
        }
        Ok(Who::Name(text.trim_start_matches('/').to_owned()))
    }

    /// Whether it can only be one task or container, as it is no beginning.
    pub fn is_whole(&self) -> bool {
        matches!(self, Who::Task(_) | Who::Container(_))
    }

    /// Whether it means a life with these IDs and names.
    pub fn matches(&self, container: Option<&str>, task: Option<&str>, names: &[&str]) -> bool {
        let begins = |id: Option<&str>, prefix: &str| {
            id.is_some_and(|id| {
                let mut digits = id.bytes().filter(|byte| *byte != b'-');
                prefix
                    .bytes()
                    .all(|byte| digits.next().is_some_and(|digit| digit.eq_ignore_ascii_case(&byte)))
            })
        };
        match self {
            Who::Task(id) => {
                task.is_some_and(|task| task.eq_ignore_ascii_case(id))
                    || container
                        .is_some_and(|container| container.starts_with(id.as_str()) && container.len() < 64)
            }
            Who::Container(id) => container.is_some_and(|container| container.eq_ignore_ascii_case(id)),
            // A name may be of hexadecimal digits alone: cafe, feed-2.
            Who::Prefix(prefix) => {
                begins(task, prefix)
                    || begins(container, prefix)
                    || names.iter().any(|name| name.replace('-', "").eq_ignore_ascii_case(prefix))
            }
            Who::Name(name) => names.iter().any(|other| other == name),
        }
    }
}

/// 32 hex digits, or a UUID.
fn task_id(text: &str) -> Option<String> {
    let uuid = text.len() == 36 && text.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
    let digits = if uuid { text.replace('-', "") } else { text.to_owned() };
    is_hex(&digits, 32).then(|| digits.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASK: &str = "9d4f1c7ab2e84c0f8a35d6e17b20c493";
    const ID: &str = "408255f9fa131dde2d875eadf17b8100a0dbe4ca6647b14830aa00318be492c6";

    #[test]
    fn forms() {
        let task = Ok(Who::Task(TASK.into()));
        for text in [
            TASK.to_owned(),
            TASK.to_uppercase(),
            "9d4f1c7a-b2e8-4c0f-8a35-d6e17b20c493".into(),
            format!("  \"{TASK}\", "),
            format!("arn:aws:ecs:eu-central-1:123456789012:task/default/{TASK}"),
            format!("arn:aws:ecs:eu-central-1:123456789012:task/{TASK}"),
            format!(
                "arn:aws:ecs:eu-central-1:123456789012:container/default/{TASK}/b58e6b1d-6d7f-4a1b-8c0b-0b2f7d7d4c11"
            ),
            format!("web/server/{TASK}"),
            format!(
                "https://eu-central-1.console.aws.amazon.com/ecs/v2/clusters/default/tasks/{TASK}/configuration?region=eu-central-1"
            ),
            format!("(task {TASK})").replace("(task ", "").replace(')', ""),
        ] {
            assert_eq!(Who::parse(&text), task, "{text}");
        }
        assert_eq!(Who::parse(&format!("{ID}\n")), Ok(Who::Container(ID.into())));
        assert_eq!(Who::parse(&format!("{TASK}-1234")), Ok(Who::Container(format!("{TASK}-1234"))));
        assert_eq!(Who::parse("408255f9fa13…"), Ok(Who::Prefix("408255f9fa13".into())));
        assert_eq!(Who::parse("9d4f1c7a-b2e8"), Ok(Who::Prefix("9d4f1c7ab2e8".into())));
        assert_eq!(Who::parse("/ecs-web-1-server"), Ok(Who::Name("ecs-web-1-server".into())));
        for text in ["", "  ", "abc", "arn:aws:ecs:eu-central-1:1:cluster/x", "\u{1b}[2J"] {
            assert!(Who::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn matches() {
        let means =
            |text: &str| Who::parse(text).expect("somebody").matches(Some(ID), Some(TASK), &["ecs-web"]);
        assert!(means(TASK) && means(ID) && means("9d4f") && means("4082") && means("ecs-web"));
        assert!(!means("9d4e") && !means("ecs-we") && !means(&TASK.replace('9', "8")));
        // On Fargate the container's ID begins with the task's.
        assert!(Who::Task(TASK.into()).matches(Some(&format!("{TASK}-12")), None, &[]));
    }
}
