//! What follows from values that are known: parts of ARNs.
//!
//! Format: "Amazon Resource Names (ARNs)" in the AWS General Reference, and "Resource types defined by Amazon
//! Elastic Container Service" in the Service Authorization Reference: `task/CLUSTER/ID`, and `task/ID` of
//! old.

use super::{Contradiction, Field, Identity, Source};

/// Adds what follows from the ARNs in `identity`. A value that a source told stays as it is.
///
/// Returns the contradiction between the task ARN and the task that the cgroup names, if there is one.
pub fn derive(identity: &mut Identity) -> Option<Contradiction> {
    let contradiction = task_id(identity);
    region_and_account(identity);
    cluster(identity);
    contradiction
}

/// The values were validated with the ARNs that they are parts of, so none of them can be rejected.
fn put(identity: &mut Identity, field: Field, value: &str, source: Source) {
    let _ = identity.derive(field, value, source);
}

fn known(identity: &Identity, field: Field) -> Option<(String, Source)> {
    Some((identity.get(field)?.to_owned(), identity.source(field)?))
}

fn task_id(identity: &mut Identity) -> Option<Contradiction> {
    let (arn, source) = known(identity, Field::TaskArn)?;
    let before = known(identity, Field::TaskId);
    let id = arn.rsplit('/').next().unwrap_or_default();
    put(identity, Field::TaskId, id, source);
    let dropped = before.filter(|(other, from)| other != id && !from.is_weak() && *from != source)?;
    Some(Contradiction { field: Field::TaskId, kept: known(identity, Field::TaskId)?, dropped })
}

fn region_and_account(identity: &mut Identity) {
    let arns = [Field::TaskArn, Field::ContainerArn, Field::ClusterArn, Field::InstanceArn];
    let Some((arn, source)) = arns.into_iter().find_map(|field| known(identity, field)) else { return };
    let mut parts = arn.split(':').skip(3);
    put(identity, Field::Region, parts.next().unwrap_or_default(), source);
    put(identity, Field::Account, parts.next().unwrap_or_default(), source);
}

fn cluster(identity: &mut Identity) {
    if let Some((arn, source)) = known(identity, Field::ClusterArn) {
        put(identity, Field::Cluster, arn.rsplit('/').next().unwrap_or_default(), source);
    }
    let Some((arn, source)) = known(identity, Field::TaskArn) else { return };
    let Some((before, resource)) = arn.split_once(":task/") else { return };
    if let Some((cluster, _)) = resource.split_once('/') {
        put(identity, Field::Cluster, cluster, source);
    }
    if let Some((cluster, source)) = known(identity, Field::Cluster) {
        put(identity, Field::ClusterArn, &format!("{before}:cluster/{cluster}"), source);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(values: &[(Field, &str)]) -> Identity {
        let mut identity = Identity::default();
        for (field, value) in values {
            identity.offer(*field, value, Source::MetadataV4).expect("a valid value");
        }
        identity
    }

    #[test]
    fn the_parts_of_a_task_arn_in_every_partition() {
        for (partition, region) in
            [("aws", "eu-west-1"), ("aws-cn", "cn-north-1"), ("aws-us-gov", "us-gov-west-1")]
        {
            let arn = format!("arn:{partition}:ecs:{region}:123456789012:task/blue/fedcba9876543210");
            let mut identity = told(&[(Field::TaskArn, &arn)]);
            assert_eq!(derive(&mut identity), None);
            assert_eq!(identity.get(Field::TaskId), Some("fedcba9876543210"));
            assert_eq!(identity.get(Field::Region), Some(region));
            assert_eq!(identity.get(Field::Account), Some("123456789012"));
            assert_eq!(identity.get(Field::Cluster), Some("blue"));
            let cluster = format!("arn:{partition}:ecs:{region}:123456789012:cluster/blue");
            assert_eq!(identity.get(Field::ClusterArn), Some(cluster.as_str()));
            assert!(identity.is_derived(Field::Region));
        }
    }

    #[test]
    fn the_old_arn_names_no_cluster() {
        let arn = "arn:aws:ecs:us-west-2:123456789012:task/2b88376d-aba3-4950-9ddf-bcb0f388a40c";
        let mut identity = told(&[(Field::TaskArn, arn)]);
        derive(&mut identity);
        assert_eq!(identity.get(Field::TaskId), Some("2b88376d-aba3-4950-9ddf-bcb0f388a40c"));
        assert_eq!(identity.get(Field::Cluster), None);
        let mut identity = told(&[(Field::TaskArn, arn), (Field::Cluster, "blue")]);
        derive(&mut identity);
        assert_eq!(identity.get(Field::ClusterArn), Some("arn:aws:ecs:us-west-2:123456789012:cluster/blue"));
    }

    #[test]
    fn the_short_name_of_a_cluster_arn() {
        let mut identity = told(&[(Field::ClusterArn, "arn:aws:ecs:us-west-2:123456789012:cluster/blue")]);
        derive(&mut identity);
        assert_eq!(identity.get(Field::Cluster), Some("blue"));
        assert_eq!(identity.get(Field::Region), Some("us-west-2"));
    }

    #[test]
    fn a_cgroup_of_another_task_is_a_contradiction() {
        let arn = "arn:aws:ecs:us-west-2:123456789012:task/blue/fedcba9876543210fedcba9876543210";
        for (id, contradicts) in
            [("fedcba9876543210fedcba9876543210", false), ("00000000000000000000000000000000", true)]
        {
            let mut identity = told(&[(Field::TaskArn, arn)]);
            identity.derive(Field::TaskId, id, Source::Cgroup).expect("a name");
            assert_eq!(derive(&mut identity).is_some(), contradicts);
            assert_eq!(identity.get(Field::TaskId), Some("fedcba9876543210fedcba9876543210"));
        }
    }
}
