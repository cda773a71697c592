//! The variables that the program finds in its environment.

use super::otel;
use super::{Field, Identity};
use crate::shown::Shown;
use std::fmt;

/// The variables that every program gets.
pub const STANDARD: [(&str, Field); 2] =
    [("DOCKER_CONTAINER_ID", Field::ContainerId), ("ECS_TASK_ARN", Field::TaskArn)];

/// What `--export all` adds.
const ALL: [(&str, Field); 8] = [
    ("ECS_TASK_ID", Field::TaskId),
    ("ECS_CLUSTER", Field::Cluster),
    ("ECS_TASK_FAMILY", Field::Family),
    ("ECS_TASK_REVISION", Field::Revision),
    ("ECS_CONTAINER_NAME", Field::ContainerName),
    ("ECS_CONTAINER_ARN", Field::ContainerArn),
    ("ECS_LAUNCH_TYPE", Field::LaunchType),
    ("ECS_AVAILABILITY_ZONE", Field::AvailabilityZone),
];

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    All,
    Otel,
    Named(String, Field),
}

/// What is exported beyond the standard variables: the value of `--export`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExportList(Vec<Part>);

/// A part of an export list that means nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadExport {
    /// neither `all`, `otel` nor `NAME=field`
    Unknown(String),
    /// the name cannot be that of a variable
    Name(String),
    /// no field has this name
    Field(String),
}

impl fmt::Display for BadExport {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            BadExport::Unknown(part) => {
                write!(f, "\"{}\" is neither all, otel nor NAME=field", Shown::new(part))
            }
            BadExport::Name(name) => write!(
                f,
                "\"{}\" cannot name a variable (letters, digits and _, no digit first)",
                Shown::new(name)
            ),
            BadExport::Field(field) => {
                write!(f, "no field is named \"{}\"; there are", Shown::new(field))?;
                Field::ALL.iter().try_for_each(|field| write!(f, " {}", field.name()))
            }
        }
    }
}

impl std::error::Error for BadExport {}

impl ExportList {
    /// Reads `all`, `otel` and `NAME=field`, in any number and order, with commas between them.
    ///
    /// # Errors
    /// [`BadExport`] for the first part that means nothing. Empty parts are passed over.
    pub fn parse(text: &str) -> Result<ExportList, BadExport> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(Part::parse).collect::<Result<_, _>>().map(ExportList)
    }

    /// The list with the parts of `other` behind its own.
    #[must_use]
    pub fn and(mut self, other: ExportList) -> ExportList {
        self.0.extend(other.0);
        self
    }

    /// Every variable for the program, by name and value, each name once: first the standard ones, then those
    /// of the list in its order. What is not known is not there.
    ///
    /// `resource_attributes` is what the environment holds as `OTEL_RESOURCE_ATTRIBUTES`; empty when it is
    /// not set.
    pub fn variables(&self, identity: &Identity, resource_attributes: &str) -> Vec<(String, String)> {
        let mut variables: Vec<(String, String)> = Vec::new();
        let mut set = |name: &str, value: Option<&str>| {
            let Some(value) = value else { return };
            match variables.iter_mut().find(|(before, _)| before == name) {
                Some((_, before)) => value.clone_into(before),
                None => variables.push((name.to_owned(), value.to_owned())),
            }
        };
        for (name, field) in STANDARD {
            set(name, identity.get(field));
        }
        for part in &self.0 {
            match part {
                Part::All => ALL.iter().for_each(|(name, field)| set(name, identity.get(*field))),
                Part::Otel => {
                    set(otel::VARIABLE, otel::merged(identity, resource_attributes).as_deref());
                }
                Part::Named(name, field) => set(name, identity.get(*field)),
            }
        }
        variables
    }
}

impl Part {
    fn parse(part: &str) -> Result<Part, BadExport> {
        match part {
            "all" => return Ok(Part::All),
            "otel" => return Ok(Part::Otel),
            _ => {}
        }
        let (name, field) = part.split_once('=').ok_or_else(|| BadExport::Unknown(part.to_owned()))?;
        if !is_variable_name(name) {
            return Err(BadExport::Name(name.to_owned()));
        }
        let field = Field::from_name(field).ok_or_else(|| BadExport::Field(field.to_owned()))?;
        Ok(Part::Named(name.to_owned(), field))
    }
}

/// The portable names of POSIX, "Environment Variable Definition", and lower case, which is usual too.
fn is_variable_name(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::super::Source;
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const ARN: &str = "arn:aws:ecs:eu-west-1:123456789012:task/default/fedcba9876543210fedcba9876543210";

    fn told(values: &[(Field, &str)]) -> Identity {
        let mut identity = Identity::default();
        for (field, value) in values {
            identity.offer(*field, value, Source::MetadataV4).expect("a valid value");
        }
        identity
    }

    fn variables(list: &str, identity: &Identity) -> Vec<String> {
        let list = ExportList::parse(list).expect("a list");
        list.variables(identity, "").iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    #[test]
    fn the_standard_variables_only_when_known() {
        assert_eq!(variables("", &Identity::default()), [""; 0]);
        assert_eq!(variables("", &told(&[(Field::ContainerId, ID)])), [format!("DOCKER_CONTAINER_ID={ID}")]);
        let both = told(&[(Field::ContainerId, ID), (Field::TaskArn, ARN), (Field::Family, "web")]);
        assert_eq!(
            variables("", &both),
            [format!("DOCKER_CONTAINER_ID={ID}"), format!("ECS_TASK_ARN={ARN}")]
        );
    }

    #[test]
    fn all_and_named_in_the_order_of_the_list() {
        let identity = told(&[(Field::Family, "web"), (Field::Revision, "7"), (Field::Image, "a b=c,d")]);
        assert_eq!(
            variables(" all , my_image=image,OTHER=service", &identity),
            ["ECS_TASK_FAMILY=web", "ECS_TASK_REVISION=7", "my_image=a b=c,d"]
        );
        assert_eq!(
            variables("ECS_TASK_FAMILY=revision,all,ECS_TASK_REVISION=family", &identity),
            ["ECS_TASK_FAMILY=web", "ECS_TASK_REVISION=web"]
        );
    }

    #[test]
    fn a_part_that_means_nothing_is_named() {
        for (list, bad) in [
            ("everything", BadExport::Unknown("everything".into())),
            ("all,ALL", BadExport::Unknown("ALL".into())),
            ("1A=family", BadExport::Name("1A".into())),
            ("=family", BadExport::Name(String::new())),
            ("A B=family", BadExport::Name("A B".into())),
            ("LÄNGE=family", BadExport::Name("LÄNGE".into())),
            ("A=arn", BadExport::Field("arn".into())),
            ("A=", BadExport::Field(String::new())),
            ("A=family=b", BadExport::Field("family=b".into())),
        ] {
            let error = ExportList::parse(list).expect_err(list);
            assert_eq!(error, bad);
            assert_eq!(error.to_string().lines().count(), 1);
        }
        let fields = ExportList::parse("A=x").expect_err("no field").to_string();
        assert!(Field::ALL.iter().all(|field| fields.contains(field.name())), "{fields}");
    }
}
