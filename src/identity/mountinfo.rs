//! `/proc/self/mountinfo`: whose network files are mounted here.
//!
//! A runtime makes `/etc/hostname`, `/etc/hosts` and `/etc/resolv.conf` for the container that *owns the network*, in a
//! directory named after it. Under `--network container:X`, in an awsvpc task and in a Kubernetes pod that is
//! another container, so this source is a weak one.

use super::value::is_container_id;
use super::{Field, Identity, Source};

const NETWORK_FILES: [&str; 3] = ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"];

/// The owner of the network by the text of `/proc/self/mountinfo`. Format: proc_pid_mountinfo(5).
///
/// Other mounts do not count: a log shipper has the directories of all containers. Where the files name
/// different containers, or Kubernetes made one of them (they then name the pod's sandbox), there is no answer.
pub fn parse(mountinfo: &str) -> Identity {
    let mut identity = Identity::default();
    let mut owner = None;
    for (root, mount_point) in mountinfo.lines().filter_map(root_and_mount_point) {
        if !NETWORK_FILES.contains(&mount_point) {
            continue;
        }
        if is_of_pod(root) {
            return identity;
        }
        match (owner, owner_of(root)) {
            (Some(one), Some(other)) if one != other => return identity,
            (_, None) => {}
            (_, other) => owner = other,
        }
    }
    // The ID has its form already.
    let _ = identity.offer(Field::ContainerId, owner.unwrap_or_default(), Source::Mountinfo);
    identity
}

/// Fields 4 and 5: the directory within the mounted file system, and where it is mounted.
fn root_and_mount_point(line: &str) -> Option<(&str, &str)> {
    let mut fields = line.split(' ').skip(3);
    Some((fields.next()?, fields.next()?))
}

/// `…/containers/ID/FILE` is Docker's, `…/overlay-containers/ID/userdata/FILE` Podman's.
fn owner_of(root: &str) -> Option<&str> {
    let mut parts = root.rsplit('/').skip(1);
    let (one, two, three) = (parts.next()?, parts.next()?, parts.next());
    let id = match (one, two, three) {
        ("userdata", id, Some(store)) if store.ends_with("-containers") => id,
        (id, "containers", _) => id,
        _ => return None,
    };
    (is_container_id(id) && !id.contains('-')).then_some(id)
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

    fn found(mounts: &[(&str, &str)]) -> Option<String> {
        let line = |(root, point): &(&str, &str)| {
            format!("660 611 259:1 {root} {point} rw,relatime - ext4 /dev/root rw\n")
        };
        let identity = parse(&mounts.iter().map(line).collect::<String>());
        assert!(identity.source(Field::ContainerId).is_none_or(|source| source == Source::Mountinfo));
        identity.get(Field::ContainerId).map(str::to_owned)
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
