//! Who am I: what is known of this container and its ECS task, and where each value came from.
//!
//! [`Identity`] holds at most one value for each [`Field`], with the [`Source`] that told it. Values are
//! validated when they are offered, so whatever is in an `Identity` is safe to put into an environment
//! variable or a record. The sources are files of their own; each parses text into an `Identity` and
//! knows nothing of the others.

pub mod ask;
pub mod cgroup;
mod conflict;
pub mod container_id;
mod deadline;
pub mod derive;
pub(crate) mod document;
mod export;
mod field;
pub mod file;
pub mod http;
mod instance;
pub mod introspection;
mod local;
mod look_again;
pub mod metadata;
pub mod mountinfo;
pub mod otel;
mod resolve;
pub mod run;
mod start;
mod stopped_by;
mod system;
mod value;
pub mod whoami;

pub use conflict::{Conflict, Kernel};
pub use deadline::Deadline;
pub use export::{BadExport, ExportList, STANDARD};
pub use field::Field;
pub use local::{Local, local};
pub use look_again::look_again;
pub use resolve::{Outcome, resolve};
pub use stopped_by::{EndedContainer, Health, StopLook, StoppedBy, judge as judge_stop, stopped_by};
pub use system::System;
pub use value::Rejected;

use std::fmt;
use std::time::SystemTime;

/// Where a value came from, the most trusted first.
///
/// The metadata endpoint is asked by a URL that the agent made for this very container; the cgroup names the
/// container itself; mount sources and the host name belong to whoever owns the network, which is another
/// container under `--network container:…`, in an awsvpc task and in a Kubernetes pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// `ECS_CONTAINER_METADATA_URI_V4`
    MetadataV4,
    /// `ECS_CONTAINER_METADATA_URI`
    MetadataV3,
    /// `http://169.254.170.2/v2/metadata`
    MetadataV2,
    /// `ECS_CONTAINER_METADATA_FILE`
    MetadataFile,
    /// `/proc/self/cpuset`
    Cpuset,
    /// `/proc/self/cgroup`
    Cgroup,
    /// the ECS agent's introspection API
    Introspection,
    /// `/proc/self/mountinfo`, a mount that is made for each container alone
    OwnMount,
    /// `/proc/self/mountinfo`: the owner of the network
    Mountinfo,
    /// the host name: the owner of the network, and often no ID at all
    Hostname,
    /// epitaph's own clock
    Computed,
}

impl Source {
    /// The name in `sources` of a record.
    pub fn name(self) -> &'static str {
        match self {
            Source::MetadataV4 => "metadata-v4",
            Source::MetadataV3 => "metadata-v3",
            Source::MetadataV2 => "metadata-v2",
            Source::MetadataFile => "metadata-file",
            Source::Cpuset => "cpuset",
            Source::Cgroup => "cgroup",
            Source::Introspection => "introspection",
            Source::OwnMount | Source::Mountinfo => "mountinfo",
            Source::Hostname => "hostname",
            Source::Computed => "computed",
        }
    }

    /// Whether the source names the owner of the network rather than this container.
    pub fn is_weak(self) -> bool {
        matches!(self, Source::Mountinfo | Source::Hostname)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    value: String,
    source: Source,
    derived: bool,
}

/// What is known of this container. Empty at first; see [`Identity::offer`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// Boxed: it is large, and passed on a lot between fork and exec.
    known: Box<[Option<Known>; Field::COUNT]>,
    /// The memory limit of the whole task in bytes, as the endpoint told it.
    pub task_memory_limit: Option<u64>,
    /// When the container that owns this one's network was started, as the endpoint told it.
    pub network_started: Option<SystemTime>,
    /// What another source said of who this is, and was not believed.
    pub conflict: Option<Conflict>,
    /// The CPU limit of the whole task in thousandths of a CPU, as the endpoint told it.
    pub task_cpu_limit: Option<u64>,
    /// Whether the network is known to be the whole task's or the host's, as the endpoint told it.
    pub shares_network: bool,
}

/// Two sources that told different values for one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction {
    /// the field that they disagree on
    pub field: Field,
    /// the value that was kept, and its source
    pub kept: (String, Source),
    /// the value that was dropped, and its source
    pub dropped: (String, Source),
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Contradiction { field, kept, dropped } = self;
        write!(
            f,
            "{} tells {} \"{}\", but {} tells \"{}\": the first is used; the second may belong to another container",
            kept.1.name(),
            field.name(),
            kept.0,
            dropped.1.name(),
            dropped.0
        )
    }
}

impl Identity {
    /// The value of `field`, when known.
    pub fn get(&self, field: Field) -> Option<&str> {
        self.known[field.index()].as_ref().map(|known| known.value.as_str())
    }

    /// The source of the value of `field`; of a derived value, the source of what it was derived from.
    pub fn source(&self, field: Field) -> Option<Source> {
        self.known[field.index()].as_ref().map(|known| known.source)
    }

    /// Whether the value of `field` was computed from another one.
    pub fn is_derived(&self, field: Field) -> bool {
        self.known[field.index()].as_ref().is_some_and(|known| known.derived)
    }

    /// The fields that are known, in the order of the records.
    pub fn iter(&self) -> impl Iterator<Item = (Field, &str)> {
        Field::ALL.into_iter().filter_map(|field| Some((field, self.get(field)?)))
    }

    /// Takes `value` for `field` unless a source that is at least as trusted already told one.
    ///
    /// An empty value is no value and is passed over in silence: the agent leaves fields empty that it
    /// does not know yet.
    ///
    /// # Errors
    /// [`Rejected`] when the value has not the form of the field (an ARN, an ID, a time) or is too long or
    /// holds control characters. It is then not taken.
    pub fn offer(&mut self, field: Field, value: &str, source: Source) -> Result<(), Rejected> {
        self.put(field, value, source, false)
    }

    /// Like [`Identity::offer`], for a value that was computed from one of `source`.
    ///
    /// # Errors
    /// As [`Identity::offer`].
    pub fn derive(&mut self, field: Field, value: &str, source: Source) -> Result<(), Rejected> {
        self.put(field, value, source, true)
    }

    fn put(&mut self, field: Field, value: &str, source: Source, derived: bool) -> Result<(), Rejected> {
        if value.is_empty() {
            return Ok(());
        }
        value::check(field, value, source)?;
        let place = &mut self.known[field.index()];
        let weaker = |known: &Known| (known.derived, known.source) > (derived, source);
        if place.as_ref().is_none_or(weaker) {
            *place = Some(Known { value: value.to_owned(), source, derived });
        }
        Ok(())
    }

    /// Takes `value`, which epitaph has found out itself, in place of what a source told of an earlier time.
    pub(crate) fn replace(&mut self, field: Field, value: &str, source: Source) {
        self.forget(field);
        // It has the form of its field, so it cannot be rejected.
        let _ = self.offer(field, value, source);
    }

    /// Knows nothing of `field` any more.
    pub(crate) fn forget(&mut self, field: Field) {
        self.known[field.index()] = None;
    }

    /// Adds what `other` knows, field by field; the more trusted source wins.
    ///
    /// Returns the fields on which two sources that name this very container disagree.
    pub fn merge(&mut self, other: Identity) -> Vec<Contradiction> {
        let mut contradictions = Vec::new();
        for field in Field::ALL {
            let Some(theirs) = other.known[field.index()].clone() else { continue };
            let place = &mut self.known[field.index()];
            let Some(ours) = place.take() else {
                *place = Some(theirs);
                continue;
            };
            let (kept, dropped) = if (theirs.derived, theirs.source) < (ours.derived, ours.source) {
                (theirs, ours)
            } else {
                (ours, theirs)
            };
            let good = !kept.source.is_weak() && !dropped.source.is_weak();
            if good && field.must_agree() && kept.value != dropped.value {
                contradictions.push(Contradiction {
                    field,
                    kept: (kept.value.clone(), kept.source),
                    dropped: (dropped.value, dropped.source),
                });
            }
            *place = Some(kept);
        }
        self.task_memory_limit = self.task_memory_limit.or(other.task_memory_limit);
        self.network_started = self.network_started.or(other.network_started);
        self.conflict = self.conflict.take().or(other.conflict);
        self.task_cpu_limit = self.task_cpu_limit.or(other.task_cpu_limit);
        self.shares_network |= other.shares_network;
        contradictions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "1111111111111111111111111111111111111111111111111111111111111111";
    const TWO: &str = "2222222222222222222222222222222222222222222222222222222222222222";

    fn told(value: &str, source: Source) -> Identity {
        let mut identity = Identity::default();
        identity.offer(Field::ContainerId, value, source).expect("a valid ID");
        identity
    }

    #[test]
    fn the_more_trusted_source_wins_whatever_the_order() {
        for (first, second) in [(Source::Cpuset, Source::MetadataV4), (Source::MetadataV4, Source::Cpuset)] {
            let mut identity = told(if first == Source::Cpuset { TWO } else { ONE }, first);
            let other = told(if second == Source::Cpuset { TWO } else { ONE }, second);
            let contradictions = identity.merge(other);
            assert_eq!(identity.get(Field::ContainerId), Some(ONE));
            assert_eq!(identity.source(Field::ContainerId), Some(Source::MetadataV4));
            assert_eq!(contradictions.len(), 1);
            assert_eq!(contradictions[0].dropped, (TWO.to_owned(), Source::Cpuset));
        }
    }

    #[test]
    fn a_weak_source_is_corrected_in_silence() {
        let mut identity = told(TWO, Source::Hostname);
        assert_eq!(identity.merge(told(ONE, Source::Cgroup)), []);
        assert_eq!(identity.get(Field::ContainerId), Some(ONE));
    }

    #[test]
    fn an_empty_value_is_no_value() {
        let mut identity = Identity::default();
        assert_eq!(identity.offer(Field::ContainerId, "", Source::MetadataV4), Ok(()));
        assert_eq!(identity.get(Field::ContainerId), None);
    }
}
