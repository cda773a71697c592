//! The identity for a person: `--whoami`.

use super::{ExportList, Field, Identity};
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

/// What is known, as text that ends in a line break; empty when nothing is known and the format allows for it.
///
/// `exports` and `resource_attributes` tell for [`Format::Env`] which variables there are; see
/// [`ExportList::variables`].
pub fn render(
    identity: &Identity,
    format: Format,
    exports: &ExportList,
    resource_attributes: &str,
) -> String {
    match format {
        Format::Text => text(identity),
        // The types below cannot fail to serialise, and a String cannot fail to be written to.
        Format::Json => serde_json::to_string(&Object(identity)).unwrap_or_default() + "\n",
        Format::Env => exports
            .variables(identity, resource_attributes)
            .iter()
            .map(|(name, value)| format!("export {name}={}\n", quoted(value)))
            .collect(),
    }
}

fn text(identity: &Identity) -> String {
    let key = identity.iter().map(|(field, _)| field.name().len()).max().unwrap_or(0);
    let width = identity.iter().map(|(_, value)| value.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (field, value) in identity.iter() {
        let source = identity.source(field).map_or("", |source| source.name());
        let remark = remark(identity, field);
        let _ = writeln!(text, "{:key$}  {value:width$}  {source}{remark}", field.name());
    }
    text
}

/// What a reader has to know of a value beside its source.
fn remark(identity: &Identity, field: Field) -> &'static str {
    let is_weak = identity.source(field).is_some_and(|source| source.is_weak());
    if is_weak && field == Field::ContainerId {
        " (weak: the owner of the network, which may be another container)"
    } else if identity.is_derived(field) {
        " (derived)"
    } else {
        ""
    }
}

/// A word of the POSIX shell that means the value and nothing else: everything within single quotes is literal
/// ("Quoting", POSIX.1-2024, 2.2.2).
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

struct Object<'a>(&'a Identity);

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
        map.end()
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
    use super::super::Source;
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
        let text = render(&some(), Format::Text, &ExportList::default(), "");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("container_id     ") && lines[0].contains(ID), "{text}");
        assert!(lines[0].contains("  mountinfo (weak: "), "{text}");
        assert!(lines[2].ends_with("  metadata-v4 (derived)"), "{text}");
        assert_eq!(lines[0].find("mountinfo"), lines[2].find("metadata-v4"), "{text}");
        assert_eq!(render(&Identity::default(), Format::Text, &ExportList::default(), ""), "");
    }

    #[test]
    fn json_is_one_object() {
        let json = render(&some(), Format::Json, &ExportList::default(), "");
        assert_eq!(json.lines().count(), 1);
        let value: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(value["container_id"], ID);
        assert_eq!(value["network_wait_ms"], 21);
        assert_eq!(value["sources"]["container_id"], "mountinfo");
        assert_eq!(
            render(&Identity::default(), Format::Json, &ExportList::default(), ""),
            "{\"sources\":{}}\n"
        );
    }

    #[test]
    fn env_survives_a_shell() {
        let list = ExportList::parse("IMAGE=image").expect("a list");
        let script =
            render(&some(), Format::Env, &list, "") + "printf '%s|%s' \"$DOCKER_CONTAINER_ID\" \"$IMAGE\"";
        let output = std::process::Command::new("sh").arg("-c").arg(script).output().expect("a shell");
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{ID}|it's $(a) \"`b`\""));
    }
}
