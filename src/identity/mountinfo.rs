//! `/proc/self/mountinfo`: what a runtime has mounted here, from directories named after containers.
//!
//! Two kinds of mounts name a container. Some are made for each container alone: its own cgroups at
//! `/sys/fs/cgroup` (version 1 and the host's cgroup namespace), and of Podman and CRI-O `/run/secrets` and
//! `/run/.containerenv`, which come from the container's own directory even where it shares the network of
//! another.
//!
//! The others are `/etc/hostname`, `/etc/hosts` and `/etc/resolv.conf`, which a runtime makes for the
//! container that *owns the network*. Under `--network container:X`, in an awsvpc task and in a Kubernetes
//! pod that is another container, so this source is a weak one.

use super::container_id::container_id;
use super::value::is_container_id;
use super::{Field, Identity, Source};

const NETWORK_FILES: [&str; 3] = ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"];

/// Where Podman and CRI-O mount what belongs to one container alone, and the path of that in its directory.
const OWN_FILES: [(&str, &str); 2] =
    [("/run/secrets", "/userdata/run/secrets"), ("/run/.containerenv", "/userdata/.containerenv")];

/// The container that the text of `/proc/self/mountinfo` names. Format: proc_pid_mountinfo(5).
pub fn parse(mountinfo: &str) -> Identity {
    let mut identity = Identity::default();
    // The IDs have their form already.
    match own(mountinfo) {
        Some(id) => drop(identity.offer(Field::ContainerId, id, Source::OwnMount)),
        None => {
            let owner = owner_of_network(mountinfo).unwrap_or_default();
            drop(identity.offer(Field::ContainerId, owner, Source::Mountinfo));
        }
    }
    identity
}

/// The container that these mounts were made for, if all of them name the same.
///
/// Not where Docker made the network's files: what Podman made then comes from a container around this one.
fn own(mountinfo: &str) -> Option<&str> {
    let mut found = None;
    for line in mountinfo.lines() {
        let Some((root, mount_point)) = root_and_mount_point(line) else { continue };
        let file = OWN_FILES.iter().find(|(place, _)| *place == mount_point);
        let (id, is_cgroup) = match file {
            Some((_, end)) => (root.strip_suffix(end).and_then(id_in_store), false),
            None if is_cgroup(line) && is_below_cgroup(mount_point) => (container_id(root), true),
            None => continue,
        };
        match (found, id) {
            (_, None) => {}
            (None, Some(id)) => found = Some((id, is_cgroup)),
            (Some((before, _)), Some(id)) if before != id => return None,
            (Some((_, was_cgroup)), Some(id)) => found = Some((id, was_cgroup || is_cgroup)),
        }
    }
    let has_docker = || {
        let mut mounts = mountinfo.lines().filter_map(root_and_mount_point);
        mounts.any(|(root, point)| {
            NETWORK_FILES.contains(&point) && owner_of(root).is_some() && !is_of_userdata(root)
        })
    };
    found.filter(|(_, is_cgroup)| *is_cgroup || !has_docker()).map(|(id, _)| id)
}

/// Whether a line is of a mount of cgroups: what follows the ` - ` is the type of the file system.
fn is_cgroup(line: &str) -> bool {
    let kind = line.split_once(" - ").and_then(|(_, rest)| rest.split(' ').next());
    matches!(kind, Some("cgroup" | "cgroup2"))
}

fn is_below_cgroup(mount_point: &str) -> bool {
    mount_point.strip_prefix("/sys/fs/cgroup").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The owner of the network.
///
/// Other mounts do not count: a log shipper has the directories of all containers. Where the files name
/// different containers, or Kubernetes made one of them (they then name the pod's sandbox), there is no
/// answer.
fn owner_of_network(mountinfo: &str) -> Option<&str> {
    let mut owner = None;
    for (root, mount_point) in mountinfo.lines().filter_map(root_and_mount_point) {
        if !NETWORK_FILES.contains(&mount_point) {
            continue;
        }
        if is_of_pod(root) {
            return None;
        }
        match (owner, owner_of(root)) {
            (Some(one), Some(other)) if one != other => return None,
            (_, None) => {}
            (_, other) => owner = other,
        }
    }
    owner
}

/// Fields 4 and 5: the directory within the mounted file system, and where it is mounted.
fn root_and_mount_point(line: &str) -> Option<(&str, &str)> {
    let mut fields = line.split(' ').skip(3);
    Some((fields.next()?, fields.next()?))
}

/// `…/containers/ID/FILE` is Docker's, `…/overlay-containers/ID/userdata/FILE` Podman's.
fn owner_of(root: &str) -> Option<&str> {
    let (directory, _) = root.rsplit_once('/')?;
    if let Some(directory) = directory.strip_suffix("/userdata") {
        return id_in_store(directory);
    }
    let (store, id) = directory.rsplit_once('/')?;
    (store.ends_with("/containers") && is_plain_id(id)).then_some(id)
}

fn is_of_userdata(root: &str) -> bool {
    root.rsplit('/').nth(1) == Some("userdata")
}

/// The ID at the end of `…/overlay-containers/ID`; `vfs-containers` and the like for other storage drivers.
fn id_in_store(directory: &str) -> Option<&str> {
    let (store, id) = directory.rsplit_once('/')?;
    (store.ends_with("-containers") && is_plain_id(id)).then_some(id)
}

fn is_plain_id(id: &str) -> bool {
    is_container_id(id) && !id.contains('-')
}

/// containerd keeps a pod's files under `sandboxes`; the kubelet makes `etc-hosts`, whatever the runtime.
fn is_of_pod(root: &str) -> bool {
    root.ends_with("/etc-hosts") || root.split('/').any(|part| part == "sandboxes")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const OTHER: &str = "1111111111111111111111111111111111111111111111111111111111111111";

    fn parsed(mounts: &[(&str, &str)]) -> Identity {
        let line = |(root, point): &(&str, &str)| {
            let kind =
                if point.starts_with("/sys/") { "cgroup cgroup rw,memory" } else { "ext4 /dev/root rw" };
            format!("660 611 259:1 {root} {point} rw,relatime - {kind}\n")
        };
        parse(&mounts.iter().map(line).collect::<String>())
    }

    fn found(mounts: &[(&str, &str)]) -> Option<String> {
        let identity = parsed(mounts);
        assert!(identity.source(Field::ContainerId).is_none_or(|source| source == Source::Mountinfo));
        identity.get(Field::ContainerId).map(str::to_owned)
    }

    fn own_of(mounts: &[(&str, &str)]) -> Option<String> {
        let identity = parsed(mounts);
        let is_own = identity.source(Field::ContainerId) == Some(Source::OwnMount);
        identity.get(Field::ContainerId).filter(|_| is_own).map(str::to_owned)
    }

    #[test]
    fn what_is_mounted_for_one_container_alone() {
        let hostname = format!("/containers/storage/overlay-containers/{OTHER}/userdata/hostname");
        let network = (hostname.as_str(), "/etc/hostname");
        let secrets = format!("/containers/storage/overlay-containers/{ID}/userdata/run/secrets");
        let environment = format!("/run/vfs-containers/{ID}/userdata/.containerenv");
        let cgroup = format!("/libpod_parent/libpod-{ID}");
        for own in [
            (secrets.as_str(), "/run/secrets"),
            (&environment, "/run/.containerenv"),
            (&cgroup, "/sys/fs/cgroup/memory"),
        ] {
            assert_eq!(own_of(&[network, own]).as_deref(), Some(ID), "{own:?}");
            assert_eq!(own_of(&[own, network]).as_deref(), Some(ID), "{own:?}");
            assert_eq!(found(&[(own.0, "/elsewhere")]), None, "{own:?}");
        }
        // The pod's files say nothing against what is the container's own.
        let kubelet = ("/var/lib/kubelet/pods/6ba7b810-9dad-11d1-80b4-00c04fd430c8/etc-hosts", "/etc/hosts");
        assert_eq!(own_of(&[kubelet, (&secrets, "/run/secrets")]).as_deref(), Some(ID));
    }

    #[test]
    fn own_mounts_that_are_no_evidence() {
        let environment = format!("/run/overlay-containers/{ID}/userdata/.containerenv");
        let environment = (environment.as_str(), "/run/.containerenv");
        let cgroup = format!("/docker/{OTHER}");
        // They name different containers.
        assert_eq!(own_of(&[environment, (&cgroup, "/sys/fs/cgroup/memory")]), None);
        // /run of a Podman container, mounted into a Docker container in it.
        let docker = format!("/var/lib/docker/containers/{OTHER}/hostname");
        let mounts = [environment, (docker.as_str(), "/etc/hostname")];
        assert_eq!((own_of(&mounts), found(&mounts).as_deref()), (None, Some(OTHER)));
        // The machine's cgroups, as an agent that watches all containers mounts them; a namespace's; a
        // directory.
        for root in ["/", "/..", "/../..", "/system.slice", &format!("/docker/{ID}/init.scope")] {
            assert_eq!(own_of(&[(root, "/sys/fs/cgroup/memory")]), None, "{root}");
        }
        let elsewhere = format!("/docker/{ID}");
        assert_eq!(own_of(&[(&elsewhere, "/sys/fs/cgroups")]), None);
    }

    #[test]
    fn docker_and_podman() {
        let docker = format!("/var/lib/docker/containers/{ID}/hostname");
        assert_eq!(found(&[(&docker, "/etc/hostname")]).as_deref(), Some(ID));
        let podman = format!("/containers/storage/overlay-containers/{ID}/userdata/resolv.conf");
        assert_eq!(found(&[(&podman, "/etc/resolv.conf")]).as_deref(), Some(ID));
        let mine = ("/home/me/hosts", "/etc/hosts");
        assert_eq!(found(&[mine, (&docker, "/etc/hostname")]).as_deref(), Some(ID));
    }

    #[test]
    fn a_mount_of_all_containers_does_not_count() {
        let shipped = format!("/var/lib/docker/containers/{ID}/hostname");
        assert_eq!(found(&[("/var/lib/docker/containers", "/logs"), (&shipped, "/logs/hostname")]), None);
        assert_eq!(found(&[(&format!("/var/lib/docker/containers/{ID}"), "/etc/hosts")]), None);
    }

    #[test]
    fn the_sandbox_of_a_pod_is_not_the_container() {
        let containerd = format!("/var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/{ID}/hostname");
        assert_eq!(found(&[(&containerd, "/etc/hostname")]), None);
        let crio = format!("/containers/storage/overlay-containers/{ID}/userdata/hostname");
        let kubelet = ("/var/lib/kubelet/pods/6ba7b810-9dad-11d1-80b4-00c04fd430c8/etc-hosts", "/etc/hosts");
        assert_eq!(found(&[(&crio, "/etc/hostname"), kubelet]), None);
        assert_eq!(found(&[kubelet, (&crio, "/etc/hostname")]), None);
    }

    #[test]
    fn files_of_different_containers_are_no_evidence() {
        let one = format!("/var/lib/docker/containers/{ID}/hostname");
        let other = format!("/var/lib/docker/containers/{OTHER}/hosts");
        assert_eq!(found(&[(&one, "/etc/hostname"), (&other, "/etc/hosts")]), None);
    }

    #[test]
    fn what_is_not_mountinfo() {
        for text in ["", "\n\n", "1 2 3", "1 2 3 / /etc/hosts", "a b c d e f g", "1 2 3 /x//hosts /etc/hosts"]
        {
            assert_eq!(parse(text), Identity::default());
        }
        for id in [&ID[1..], &format!("{ID}0"), &ID.to_uppercase()] {
            let root = format!("/var/lib/docker/containers/{id}/hostname");
            assert_eq!(found(&[(&root, "/etc/hostname")]), None);
        }
    }
}
