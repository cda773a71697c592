//! Who told a value.

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
