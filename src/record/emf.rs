//! CloudWatch's embedded metric format: a record that is metrics too.
//!
//! Format: "Specification: Embedded metric format" in the Amazon CloudWatch User Guide. `_aws` names which
//! members of the record are metrics and which are their dimensions; those are members of the root, and
//! texts.

use super::dimensions::Dimensions;
use super::form::LONGEST;
use super::identity::RenderedIdentity;
use super::line::{Kind, Record};
use super::value::{self, Value};
use crate::options::RecordFormat;
use std::time::SystemTime;

/// The metrics of a `stats` record, and their units. The network is none of a container's: it may be the
/// task's.
const OF_STATS: [(&str, &str); 8] = [
    ("cpu_percent", "Percent"),
    ("cpu_milli", "None"),
    ("throttled_ms", "Milliseconds"),
    ("memory_percent", "Percent"),
    ("memory_used", "Bytes"),
    ("memory_anon", "Bytes"),
    ("pids", "Count"),
    ("oom_kills", "Count"),
];

/// Those of a `task` record.
const OF_TASK: [(&str, &str); 5] = [
    ("cpu_percent", "Percent"),
    ("memory_percent", "Percent"),
    ("net_rx_bytes", "Bytes"),
    ("net_tx_bytes", "Bytes"),
    ("storage_used", "Bytes"),
];

/// `record` as JSON in `format`, with the dimensions and `_aws` at its end; a plain record where there
/// are none, or none of the metrics. What has no room is left out as ever, but never those.
pub fn render_emf(
    record: &Record,
    format: RecordFormat,
    identity: &RenderedIdentity,
    namespace: &str,
    dimensions: &Dimensions,
) -> Vec<u8> {
    let format = if format.is_json() { format } else { RecordFormat::Json };
    let declared = if record.kind == Kind::Task { &OF_TASK[..] } else { &OF_STATS };
    let has = |name: &str| record.fields.iter().any(|(known, _)| *known == name);
    let metric = |(name, unit): &(&str, &str)| {
        Value::Object(vec![("Name", Value::from(*name)), ("Unit", Value::from(*unit))])
    };
    let metrics: Vec<Value> = declared.iter().filter(|(name, _)| has(name)).map(metric).collect();
    if dimensions.is_empty() || metrics.is_empty() {
        return record.render(format, identity);
    }
    let since = record.time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let timestamp = u64::try_from(since.as_millis()).unwrap_or(0);
    let mut end = Vec::new();
    if !dimensions.members.is_empty() {
        end.extend_from_slice(b",");
        end.extend_from_slice(&dimensions.members);
    }
    end.extend_from_slice(
        format!(",\"_aws\":{{\"Timestamp\":{timestamp},\"CloudWatchMetrics\":[{{").as_bytes(),
    );
    end.extend(value::render(RecordFormat::Json, &[("Namespace", Value::from(namespace))]));
    end.extend_from_slice(b",\"Dimensions\":");
    end.extend_from_slice(&dimensions.sets);
    end.extend_from_slice(b",");
    end.extend(value::render(RecordFormat::Json, &[("Metrics", Value::List(metrics))]));
    end.extend_from_slice(b"}]}}\n");
    let mut line = record.render_within(format, identity, LONGEST.saturating_sub(end.len()));
    // The closing brace and the line end.
    line.truncate(line.len().saturating_sub(2));
    line.extend(end);
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Field, Identity, Source};
    use crate::record::{Formats, Kind};
    use serde_json::json;

    fn identity(values: &[(Field, &str)]) -> Identity {
        let mut identity = Identity::default();
        for (field, value) in values {
            identity.offer(*field, value, Source::MetadataV4).expect("a value");
        }
        identity
    }

    fn shop() -> Identity {
        identity(&[
            (Field::ContainerId, &"a".repeat(64)),
            (Field::Cluster, "default"),
            (Field::Service, "shop"),
            (Field::Family, "shop-web"),
            (Field::ContainerName, "server"),
            (Field::Image, "größe"),
        ])
    }

    fn rendered(kind: Kind, identity: &Identity, wanted: &[Vec<Field>]) -> serde_json::Value {
        let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(1_795_727_141_080);
        let fields =
            vec![("cpu_percent", 12_u64.into()), ("net_rx_bytes", 1_u64.into()), ("pids", 3_u64.into())];
        let record = Record { kind, time, pid: Some(7), fields };
        let leaves_out: &[Field] = if kind == Kind::Task { &[Field::ContainerName] } else { &[] };
        let dimensions = Dimensions::of(identity, wanted, leaves_out, &[]);
        assert_eq!(Dimensions::decode(&dimensions.encode()), dimensions);
        let own = RenderedIdentity::of(identity, Formats { json: true, text: false });
        let line = render_emf(&record, RecordFormat::Json, &own, "Epitaph", &dimensions);
        assert!(line.ends_with(b"}\n") && line.len() <= LONGEST);
        serde_json::from_slice(&line).expect("JSON")
    }

    #[test]
    fn a_record_and_its_metrics() {
        let value = rendered(Kind::Stats, &shop(), &[]);
        let expected = json!({
            "epitaph": "stats", "schema": 1, "time": "2026-11-26T21:05:41.080Z", "container_id": "a".repeat(64),
            "pid": 7, "cpu_percent": 12, "net_rx_bytes": 1, "pids": 3,
            "cluster": "default", "service": "shop", "container_name": "server",
            "_aws": {"Timestamp": 1_795_727_141_080_u64, "CloudWatchMetrics": [{
                "Namespace": "Epitaph",
                "Dimensions": [["cluster", "service", "container_name"]],
                "Metrics": [{"Name": "cpu_percent", "Unit": "Percent"}, {"Name": "pids", "Unit": "Count"}],
            }]},
        });
        assert_eq!(value, expected);
    }

    #[test]
    fn a_task_is_divided_by_cluster_and_service_and_has_the_network() {
        let value = rendered(Kind::Task, &shop(), &[]);
        let directive = &value["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(directive["Dimensions"], json!([["cluster", "service"]]));
        assert_eq!(directive["Metrics"][1], json!({"Name": "net_rx_bytes", "Unit": "Bytes"}));
        assert_eq!(value.get("container_name"), None);
    }

    #[test]
    fn without_a_service_it_is_the_family() {
        let alone = identity(&[(Field::Cluster, "default"), (Field::Family, "batch")]);
        let value = rendered(Kind::Stats, &alone, &[]);
        assert_eq!(value["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([["cluster", "family"]]));
    }

    #[test]
    fn what_cloudwatch_does_not_take_drops_out_of_its_set() {
        let wanted =
            [vec![Field::Image], vec![Field::Service, Field::Image, Field::Ip], vec![Field::Service]];
        let value = rendered(Kind::Stats, &shop(), &wanted);
        assert_eq!(value["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([["service"]]));
        let none = rendered(Kind::Stats, &shop(), &[vec![Field::Image]]);
        assert_eq!(none.get("_aws"), None);
        assert_eq!(none["cpu_percent"], 12);
    }

    #[test]
    fn the_longest_identity_fits_with_its_metrics() {
        let long = "x".repeat(512);
        let values = [Field::Cluster, Field::Service, Field::Family, Field::ContainerName]
            .map(|field| (field, &*long));
        let value = rendered(Kind::Stats, &identity(&values), &[]);
        assert_eq!(value["service"], long);
        assert_eq!(value["pids"], 3);
    }
}
