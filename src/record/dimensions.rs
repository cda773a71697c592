//! What divides the metrics of CloudWatch.

use super::value::{self, Value};
use crate::identity::{Field, Identity};
use crate::options::RecordFormat;

/// What divides the metrics: the members of the record and the sets of their names, as JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dimensions {
    /// `"cluster":"default","service":"shop"`, without what every record has
    pub(super) members: Vec<u8>,
    /// `[["cluster","service"]]`; empty where no metric can be made
    pub(super) sets: Vec<u8>,
}

impl Dimensions {
    /// Those of `wanted` that are known. A value that CloudWatch does not take (not ASCII, blank) drops out
    /// of its set, and a set that has lost all is left out. An empty `wanted` is the cluster, the service
    /// (the family where there is none) and the container. `leaves_out` is what no set shall have, and `told`
    /// what the record has by itself, beside the common keys: no name may be there twice.
    pub fn of(
        identity: &Identity,
        wanted: &[Vec<Field>],
        leaves_out: &[Field],
        told: &[Field],
    ) -> Dimensions {
        let service = if identity.get(Field::Service).is_some() { Field::Service } else { Field::Family };
        let by_default = [vec![Field::Cluster, service, Field::ContainerName]];
        let wanted = if wanted.is_empty() { &by_default } else { wanted };
        let is_valid = |text: &str| text.is_ascii() && !text.trim().is_empty();
        let known = |field: &Field| !leaves_out.contains(field) && identity.get(*field).is_some_and(is_valid);
        let mut sets: Vec<Vec<Field>> = Vec::new();
        for set in wanted {
            let mut fields: Vec<Field> = Vec::new();
            for field in set.iter().filter(|field| known(field)) {
                if !fields.contains(field) {
                    fields.push(*field);
                }
            }
            if !fields.is_empty() && !sets.contains(&fields) {
                sets.push(fields);
            }
        }
        if sets.is_empty() {
            return Dimensions::default();
        }
        let mut fields: Vec<Field> = sets.concat();
        fields.sort_unstable();
        fields.dedup();
        // The record has these by itself.
        fields.retain(|field| {
            ![Field::ContainerId, Field::TaskArn, Field::TaskId].contains(field) && !told.contains(field)
        });
        let member = |field: &Field| Some((field.name(), Value::from(identity.get(*field)?)));
        let members: Vec<_> = fields.iter().filter_map(member).collect();
        let names =
            |set: Vec<Field>| Value::List(set.into_iter().map(|field| Value::from(field.name())).collect());
        let sets = Value::List(sets.into_iter().map(names).collect());
        Dimensions { members: value::render(RecordFormat::Json, &members), sets: value::render_value(&sets) }
    }

    /// Whether no metric can be made: one without dimensions would mix up all services.
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    /// As the bytes of a frame.
    pub fn encode(&self) -> Vec<u8> {
        if self.is_empty() { Vec::new() } else { [&self.sets, b"\n".as_slice(), &self.members].concat() }
    }

    /// From the bytes of a frame.
    pub fn decode(bytes: &[u8]) -> Dimensions {
        let mut parts = bytes.splitn(2, |byte| *byte == b'\n').map(<[u8]>::to_vec);
        Dimensions { sets: parts.next().unwrap_or_default(), members: parts.next().unwrap_or_default() }
    }
}
