//! The keys of an identity.

macro_rules! fields {
    ($($variant:ident $name:literal $doc:literal,)*) => {
        /// A key of the identity, in the order in which the records hold them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Field { $(#[doc = $doc] $variant,)* }

        impl Field {
            /// How many there are.
            pub const COUNT: usize = [$(Field::$variant),*].len();
            /// All of them, in the order of the records.
            pub const ALL: [Field; Field::COUNT] = [$(Field::$variant),*];

            /// The key in a record, and the field name in `--export NAME=field`.
            pub fn name(self) -> &'static str {
                match self { $(Field::$variant => $name,)* }
            }
        }
    };
}

fields! {
    ContainerId "container_id" "The runtime's ID: 64 hex digits, or `<task id>-<digits>` on Fargate and Managed Instances.",
    TaskArn "task_arn" "The ARN of the ECS task.",
    TaskId "task_id" "The last part of the task ARN.",
    ContainerName "container_name" "The name in the task definition.",
    ContainerArn "container_arn" "The ARN of the container within the task.",
    Cluster "cluster" "The short name of the cluster.",
    Family "family" "The family of the task definition.",
    Revision "revision" "The revision of the task definition.",
    Service "service" "The ECS service that started the task.",
    LaunchType "launch_type" "EC2, FARGATE, EXTERNAL or MANAGED_INSTANCES.",
    AvailabilityZone "availability_zone" "The availability zone, such as `eu-west-1b`.",
    Region "region" "The AWS region, from the task ARN.",
    Account "account" "The AWS account ID, from the task ARN.",
    InstanceArn "instance_arn" "The ARN of the container instance.",
    DockerName "docker_name" "The name that the agent gave the container at its runtime.",
    Image "image" "The image as the task definition names it.",
    ImageId "image_id" "The digest of the image.",
    Hostname "hostname" "The host name of the container.",
    Ip "ip" "The first IPv4 address of the container, or the first IPv6 address where it has no other.",
    LogGroup "log_group" "The CloudWatch log group of the awslogs driver.",
    LogStream "log_stream" "The CloudWatch log stream of the awslogs driver.",
    CreatedAt "created_at" "When the container was created: RFC 3339.",
    StartedAt "started_at" "When this start of the container began: RFC 3339.",
    RestartCount "restart_count" "How often its restart policy has restarted the container.",
    NetworkWaitMs "network_wait_ms" "Milliseconds from the pause container's start to this one's.",
    PullMs "pull_ms" "Milliseconds that the pull of the task's images took.",
    FaultInjection "fault_injection" "`true` where faults may be injected into the task's network.",
    ClusterArn "cluster_arn" "The ARN of the cluster.",
}

impl Field {
    /// The field whose [`Field::name`] is `name`.
    pub fn from_name(name: &str) -> Option<Field> {
        Field::ALL.into_iter().find(|field| field.name() == name)
    }

    /// The place of the field in [`Field::ALL`].
    pub(super) fn index(self) -> usize {
        self as usize
    }

    /// Whether the value is a number in a record.
    pub fn is_number(self) -> bool {
        matches!(self, Field::RestartCount | Field::NetworkWaitMs | Field::PullMs)
    }

    /// Whether the value, which is always `true`, is a truth value in a record.
    pub fn is_flag(self) -> bool {
        self == Field::FaultInjection
    }

    /// Whether two sources that tell different values cannot both be right.
    ///
    /// Only for what identifies the container: an image or a log stream may well be written in two ways.
    pub(super) fn must_agree(self) -> bool {
        matches!(self, Field::ContainerId | Field::TaskArn)
    }
}

#[cfg(test)]
mod tests {
    use super::Field;

    #[test]
    fn a_name_leads_back_to_its_field() {
        for (place, field) in Field::ALL.into_iter().enumerate() {
            assert_eq!(Field::from_name(field.name()), Some(field));
            assert_eq!(field.index(), place);
        }
        assert_eq!(Field::from_name("arn"), None);
    }
}
