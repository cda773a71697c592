//! What is known, and where each value came from.

use super::{Field, Rejected, Source, value};
use std::fmt;
use std::time::SystemTime;

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

/// What a source said and was not believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// the container that it named, if it named one
    pub container_id: Option<String>,
    /// the task that it named, if it named one
    pub task_arn: Option<String>,
    /// who said it
    pub source: Source,
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
