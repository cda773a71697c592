//! The identity for a person: `--whoami`.

use super::{Conflict, ExportList, Field, Identity, Source};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::fmt::Write;

/// How `--whoami` writes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// aligned columns: key, value, source
    #[default]
    Text,
    /// one object on one line, with the keys of a record and `sources`
    Json,
    /// `export NAME='value'` lines for `eval`
    Env,
}

impl Format {
    /// The format by its name on the command line.
    pub fn from_name(name: &str) -> Option<Format> {
        match name {
            "text" => Some(Format::Text),
            "json" => Some(Format::Json),
            "env" => Some(Format::Env),
            _ => None,
        }
    }
}

/// What is known, as text that ends in a line break; empty when nothing is known and the format allows for
/// it.
///
/// `exports` and `resource_attributes` tell for [`Format::Env`] which variables there are; see
/// [`ExportList::variables`]. `is_of_pid_1`: whether what ECS has set was found in PID 1's environment alone,
/// which is said of the values that were asked for by it.
pub fn render(
    identity: &Identity,
    format: Format,
    exports: &ExportList,
    resource_attributes: &str,
    is_of_pid_1: bool,
) -> String {
    match format {
        Format::Text => text(identity, is_of_pid_1),
        // The types below cannot fail to serialise, and a String cannot fail to be written to.
        Format::Json => serde_json::to_string(&Object(identity, is_of_pid_1)).unwrap_or_default() + "\n",
        Format::Env => exports
            .variables(identity, resource_attributes)
            .iter()
            .map(|(name, value)| format!("export {name}={}\n", quoted(value)))
            .collect(),
    }
}

fn text(identity: &Identity, is_of_pid_1: bool) -> String {
    let key = identity.iter().map(|(field, _)| field.name().len()).max().unwrap_or(0);
    let width = identity.iter().map(|(_, value)| value.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (field, value) in identity.iter() {
        let source = identity.source(field).map_or("", |source| source.name());
        let remark = remark(identity, field, is_of_pid_1);
        let _ = writeln!(text, "{:key$}  {value:width$}  {source}{remark}", field.name());
    }
    if let Some(conflict) = &identity.conflict {
        let told = [&conflict.container_id, &conflict.task_arn].into_iter().flatten();
        let told: Vec<&str> = told.map(String::as_str).collect();
        let _ = writeln!(
            text,
            "{:key$}  {}  {} (not believed)",
            "conflict",
            told.join(" "),
            conflict.source.name()
        );
    }
    text
}

/// What a reader has to know of a value beside its source.
fn remark(identity: &Identity, field: Field, is_of_pid_1: bool) -> &'static str {
    let source = identity.source(field);
    let is_weak = source.is_some_and(|source| source.is_weak());
    let is_by_variable = source.is_some_and(|source| source <= Source::MetadataFile);
    if is_weak && field == Field::ContainerId {
        " (weak: the owner of the network, which may be another container)"
    } else if identity.is_derived(field) {
        " (derived)"
    } else if is_of_pid_1 && is_by_variable {
        " (by PID 1's environment)"
    } else {
        ""
    }
}

/// A word of the POSIX shell that means the value and nothing else: everything within single quotes is
/// literal ("Quoting", POSIX.1-2024, 2.2.2).
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

/// The identity, and whether it was asked for by PID 1's environment.
struct Object<'a>(&'a Identity, bool);

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (field, value) in self.0.iter() {
            match value.parse::<u64>() {
                Ok(number) if field.is_number() => map.serialize_entry(field.name(), &number)?,
                _ if field.is_flag() => map.serialize_entry(field.name(), &true)?,
                _ => map.serialize_entry(field.name(), value)?,
            }
        }
        map.serialize_entry("sources", &Sources(self.0))?;
        if self.1 {
            map.serialize_entry("environment", "/proc/1/environ")?;
        }
        if let Some(conflict) = &self.0.conflict {
            map.serialize_entry("identity_conflict", &Told(conflict))?;
        }
        map.end()
    }
}

struct Told<'a>(&'a Conflict);

impl Serialize for Told<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Conflict { container_id, task_arn, source } = self.0;
        let told = [("container_id", container_id.as_deref()), ("task_arn", task_arn.as_deref())];
        let told = told.into_iter().chain([("source", Some(source.name()))]);
        serializer.collect_map(told.filter_map(|(key, value)| Some((key, value?))))
    }
}

struct Sources<'a>(&'a Identity);

impl Serialize for Sources<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let told = self.0.iter().filter_map(|(field, _)| Some((field.name(), self.0.source(field)?.name())));
        serializer.collect_map(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn some() -> Identity {
        let mut identity = Identity::default();
        for (field, value, source) in [
            (Field::ContainerId, ID, Source::Mountinfo),
            (Field::Image, "it's $(a) \"`b`\"", Source::MetadataV4),
        ] {
            identity.offer(field, value, source).expect("a valid value");
        }
        identity.derive(Field::NetworkWaitMs, "21", Source::MetadataV4).expect("a number");
        identity
    }

    #[test]
    fn text_names_each_source() {
        let text = render(&some(), Format::Text, &ExportList::default(), "", false);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("container_id     ") && lines[0].contains(ID), "{text}");
        assert!(lines[0].contains("  mountinfo (weak: "), "{text}");
        assert!(lines[2].ends_with("  metadata-v4 (derived)"), "{text}");
        assert_eq!(lines[0].find("mountinfo"), lines[2].find("metadata-v4"), "{text}");
        assert_eq!(render(&Identity::default(), Format::Text, &ExportList::default(), "", false), "");
    }

    #[test]
    fn what_was_asked_for_by_the_environment_of_pid_1_is_marked() {
        let mut identity = some();
        identity.conflict =
            Some(Conflict { container_id: Some("9".repeat(64)), task_arn: None, source: Source::MetadataV3 });
        let text = render(&identity, Format::Text, &ExportList::default(), "", true);
        let marked: Vec<&str> =
            text.lines().filter(|line| line.ends_with("(by PID 1's environment)")).collect();
        assert!(marked.len() == 1 && marked[0].starts_with("image "), "{text}");
        assert!(text.ends_with("  metadata-v3 (not believed)\n"), "{text}");
        let json = render(&identity, Format::Json, &ExportList::default(), "", true);
        let value: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(value["environment"], "/proc/1/environ");
        assert_eq!(value["identity_conflict"]["source"], "metadata-v3");
    }

    #[test]
    fn json_is_one_object() {
        let json = render(&some(), Format::Json, &ExportList::default(), "", false);
        assert_eq!(json.lines().count(), 1);
        let value: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(value["container_id"], ID);
        assert_eq!(value["network_wait_ms"], 21);
        assert_eq!(value["sources"]["container_id"], "mountinfo");
        assert_eq!(
            render(&Identity::default(), Format::Json, &ExportList::default(), "", false),
            "{\"sources\":{}}\n"
        );
    }

    #[test]
    fn env_survives_a_shell() {
        let list = ExportList::parse("IMAGE=image").expect("a list");
        let script = render(&some(), Format::Env, &list, "", false)
            + "printf '%s|%s' \"$DOCKER_CONTAINER_ID\" \"$IMAGE\"";
        let output = std::process::Command::new("sh").arg("-c").arg(script).output().expect("a shell");
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{ID}|it's $(a) \"`b`\""));
    }
}
