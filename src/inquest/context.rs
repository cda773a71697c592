//! What the place of a record tells about it: the path of its file, and what a log driver or a store wrote
//! around it.
//!
//! It fills in what the record does not know, and it never replaces what the record says.

use crate::inquest::column::column;
use crate::inquest::json::{self, Json, Object, Wanted};
use crate::inquest::time;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZeroU64;
use std::path::Path;

/// What a wrapper says about the lines in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wrapper {
    /// the ID of the container whose line it is, whole or its beginning
    pub container: Option<Box<str>>,
    /// the ID of its ECS task, 32 hex digits
    pub task: Option<Box<str>>,
    /// when the line was taken, in milliseconds since 1970
    pub time: Option<i64>,
    /// when the store had it, where it says so
    pub stored: Option<i64>,
    /// who wrote the line, where many write into one log: a hash of the tag of syslog, or of the container's
    /// ID
    pub writer: Option<NonZeroU64>,
}

impl Wrapper {
    /// Takes what `outer` knows and this one does not.
    pub fn or(self, outer: Wrapper) -> Wrapper {
        Wrapper {
            container: self.container.or(outer.container),
            task: self.task.or(outer.task),
            time: self.time.or(outer.time),
            stored: self.stored.or(outer.stored),
            writer: self.writer.or(outer.writer),
        }
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Wrapper::default()
    }
}

/// Keys of drivers, agents and stores for a container's ID.
const CONTAINERS: [&str; 8] = [
    "container_id",
    "_container_id",
    "CONTAINER_ID_FULL",
    "container.id",
    "docker.container_id",
    "containerId",
    "ContainerID",
    "CONTAINER_ID",
];

/// The same for its task, or for a log stream whose last part is the task's ID.
const TASKS: [&str; 8] = [
    "ecs_task_arn",
    "ecs.task-arn",
    "task_arn",
    "logStreamName",
    "logStream",
    "@logStream",
    "log_stream",
    "com.amazonaws.ecs.task-arn",
];

/// The same for the time of a line.
const TIMES: [&str; 6] = ["time", "timestamp", "@timestamp", "Timestamp", "ts", "__REALTIME_TIMESTAMP"];

/// Keys whose objects may have these keys, too.
const INNER: [&str; 7] = ["docker", "container", "kubernetes", "labels", "attributes", "_source", "fields"];

/// When a store had a line.
const STORED: &str = "ingestionTime";

/// The keys that may tell something.
struct Telling;

impl Wanted for Telling {
    fn is_wanted(key: &str) -> bool {
        [&CONTAINERS[..], &TASKS, &TIMES, &INNER].iter().any(|keys| keys.contains(&key)) || key == STORED
    }
}

/// What the object around a line says, from its text; none where that is no object.
pub fn of_text(text: &[u8]) -> Option<Wrapper> {
    json::only(text, Telling::is_wanted).map(|object| of_object(&object))
}

/// What the object says that has the nearest brace before `at` and goes on behind that, and where it begins
/// and ends.
pub fn around(bytes: &[u8], at: usize) -> Option<(Wrapper, usize, usize)> {
    let brace = memchr::memrchr(b'{', bytes.get(..at)?)?;
    let text = bytes.get(brace..)?;
    // What is longer is looked at by who has the patience.
    let (object, length) = json::first::<Telling>(text.get(..text.len().min(LONGEST))?)?;
    (brace + length > at).then(|| (of_object(&object), brace, brace + length))
}

/// The longest object that is read at once, in bytes.
const LONGEST: usize = 64 * 1024;

/// What the object around a line says.
pub fn of_object(object: &Object<'_>) -> Wrapper {
    let mut wrapper = Wrapper::default();
    look(object, &mut wrapper, 0);
    wrapper.writer = wrapper.container.as_ref().map(hash_of);
    wrapper
}

/// See [`Wrapper::writer`].
pub fn writer_of_line(line: &[u8]) -> Option<NonZeroU64> {
    let line = line.get(..line.len().min(64 * 1024))?.trim_ascii_start();
    if line.starts_with(b"{") {
        return of_text(line)?.writer;
    }
    column(line).filter(|column| !column.of_runtime).map(|column| hash_of(column.words))
}

fn hash_of(value: impl Hash) -> NonZeroU64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    NonZeroU64::new(hasher.finish()).unwrap_or(NonZeroU64::MIN)
}

fn look(object: &Object<'_>, wrapper: &mut Wrapper, depth: usize) {
    let text = |key: &str| object.get(key).and_then(Json::as_str);
    if wrapper.container.is_none() {
        wrapper.container =
            CONTAINERS.iter().find_map(|key| text(key)).filter(|id| looks_like_container(id)).map(Box::from);
    }
    if wrapper.task.is_none() {
        wrapper.task = TASKS.iter().find_map(|key| task_of(text(key)?)).map(Box::from);
    }
    if wrapper.time.is_none() {
        wrapper.time = TIMES.iter().find_map(|key| time_of(object.get(key)?));
    }
    if wrapper.stored.is_none() {
        wrapper.stored = object.get(STORED).and_then(time_of);
    }
    if depth < 2 {
        for inner in INNER {
            if let Some(Json::Object(inner)) = object.get(inner) {
                look(inner, wrapper, depth + 1);
                // `"container": {"id": …}`, as ECS of Elastic names it.
                if let Some(id) = inner.get("id").and_then(Json::as_str).filter(|id| looks_like_container(id))
                {
                    wrapper.container.get_or_insert_with(|| id.into());
                }
            }
        }
    }
}

/// The time in a wrapper: RFC 3339, or a number of seconds, milliseconds, microseconds or nanoseconds.
pub fn time_of(value: &Json<'_>) -> Option<i64> {
    let number = match value {
        Json::Text(text) => match time::rfc3339(text) {
            Some(time) => return Some(time),
            None => text.parse::<f64>().ok()?,
        },
        Json::Number(number) => number.as_f64()?,
        _ => return None,
    };
    // 1973 to 2286 in each unit.
    let milliseconds = match number {
        1e8..1e10 => number * 1e3,
        1e11..1e13 => number,
        1e14..1e16 => number / 1e3,
        1e17..1e19 => number / 1e6,
        _ => return None,
    };
    Some(milliseconds as i64)
}

/// What the path of a log says: `…/containers/ID/ID-json.log`, `…/stream-with-dashes-TASK/000000.gz`,
/// `…/2026-11-23/ID.jsonl`.
pub fn of_path(path: &Path) -> Wrapper {
    let mut wrapper = Wrapper::default();
    let parts = path.iter().rev().filter_map(|part| part.to_str());
    for part in parts {
        let stem = part.split_once('.').map_or(part, |(stem, _)| stem);
        let stem = stem.strip_suffix("-json").unwrap_or(stem);
        if wrapper.container.is_none() && is_container_id(stem) {
            wrapper.container = Some(stem.into());
        }
        // A part of an S3 export is `prefix-name-TASK`; a digest and a container's ID are longer.
        if wrapper.task.is_none() && !is_container_id(stem) {
            wrapper.task =
                stem.rsplit('-').next().filter(|last| stem.len() > 32 && is_hex(last, 32)).map(Box::from);
        }
    }
    wrapper
}

/// The time at which a line was taken, from its wrapper or its beginning, in milliseconds since 1970.
pub fn time_of_line(line: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(line.get(..line.len().min(64 * 1024))?).ok()?.trim_ascii();
    if text.starts_with('{') {
        return of_text(text.as_bytes())?.time;
    }
    text.split_ascii_whitespace()
        .take(3)
        .find_map(|word| time::rfc3339(word.trim_matches(['"', '[', ']', ','])))
}

/// The task ID at the end of an ARN or of a log stream.
pub fn task_of(text: &str) -> Option<String> {
    let last = text.rsplit('/').next()?;
    let last = last.replace('-', "");
    is_hex(&last, 32).then(|| last.to_ascii_lowercase())
}

/// Whether `text` is hex digits, this many.
pub fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// 64 hex digits, or `<32 hex digits>-<digits>`.
pub fn is_container_id(text: &str) -> bool {
    is_hex(text, 64)
        || text.split_once('-').is_some_and(|(task, number)| {
            is_hex(task, 32)
                && (1..=20).contains(&number.len())
                && number.bytes().all(|byte| byte.is_ascii_digit())
        })
}

fn looks_like_container(text: &str) -> bool {
    is_container_id(text) || is_hex(text, 12)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "408255f9fa131dde2d875eadf17b8100a0dbe4ca6647b14830aa00318be492c6";
    const TASK: &str = "9d4f1c7ab2e84c0f8a35d6e17b20c493";

    #[test]
    fn paths() {
        let container = |path: &str| of_path(Path::new(path)).container;
        assert_eq!(
            container(&format!("/var/lib/docker/containers/{ID}/{ID}-json.log.1.gz")).as_deref(),
            Some(ID)
        );
        assert_eq!(container(&format!("j/2026-11-23/{ID}.jsonl")).as_deref(), Some(ID));
        assert_eq!(container(&format!("containers/{ID}/local-logs/container.log")).as_deref(), Some(ID));
        assert_eq!(container("/var/log/syslog"), None);
        let export = of_path(Path::new(&format!(
            "p/1b2c3d4e-0000-4000-8000-000000000000/web-server-{TASK}/000000.gz"
        )));
        assert_eq!(export.task.as_deref(), Some(TASK));
    }

    #[test]
    fn lines() {
        let time = Some(1_795_453_330_000);
        for line in [
            r#"{"log":"x","time":"2026-11-23T17:02:10.000000001Z"}"#,
            r#"{"MESSAGE":"x","__REALTIME_TIMESTAMP":"1795453330000000"}"#,
            r#"{"timestamp":1795453330000,"message":"x"}"#,
            "2026-11-23T17:02:10.000+00:00 stderr F x",
            "<27>1 2026-11-23T17:02:10Z vm x 1 - x",
        ] {
            assert_eq!(time_of_line(line.as_bytes()), time, "{line}");
        }
        assert_eq!(time_of_line(b"Nov 23 17:02:10 vm x"), None);
    }
}
