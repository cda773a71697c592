//! Where a process's memory cgroup is: `/proc/[pid]/cgroup` and `/proc/[pid]/mountinfo` as text.
//!
//! Formats: cgroups(7) and proc_pid_cgroup(5), proc_pid_mountinfo(5).

/// Which hierarchy a line is about; those without the memory controller do not matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hierarchy {
    /// that of version 1 which holds the memory controller
    V1Memory,
    /// that of version 2
    Unified,
}

/// What a line of `/proc/[pid]/cgroup` says: the hierarchy, and the path of the process's cgroup in it.
///
/// ```text
/// 4:memory:/docker/5f3c…
/// 0::/system.slice/docker-5f3c….scope
/// ```
pub(super) fn parse_membership(line: &[u8]) -> Option<(Hierarchy, &[u8])> {
    let mut fields = line.splitn(3, |byte| *byte == b':');
    let (number, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
    if path.first() != Some(&b'/') {
        return None;
    }
    if has(controllers, b"memory") {
        return Some((Hierarchy::V1Memory, path));
    }
    (number == b"0" && controllers.is_empty()).then_some((Hierarchy::Unified, path))
}

/// A mounted hierarchy.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mount {
    /// which
    pub(super) hierarchy: Hierarchy,
    /// the cgroup that is at the mount point, in the same terms as the paths of `/proc/[pid]/cgroup`
    pub(super) root: Vec<u8>,
    /// where it is mounted: an absolute path
    pub(super) point: Vec<u8>,
}

/// What a line of `/proc/[pid]/mountinfo` says, if it is of a hierarchy with the memory controller.
///
/// ```text
/// 35 31 0:32 /docker/5f3c… /sys/fs/cgroup/memory ro,nosuid master:11 - cgroup cgroup rw,memory
/// ```
pub(super) fn parse_mount(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let root = fields.nth(3)?;
    let point = fields.next()?;
    // Optional fields, any number of them, end at a single hyphen.
    fields.by_ref().find(|field| *field == b"-")?;
    let (kind, options) = (fields.next()?, fields.nth(1)?);
    let hierarchy = match kind {
        b"cgroup" if has(options, b"memory") => Hierarchy::V1Memory,
        b"cgroup2" => Hierarchy::Unified,
        _ => return None,
    };
    Some(Mount { hierarchy, root: unescape(root), point: unescape(point) })
}

/// The path of a cgroup below the one that is at a mount point, without a leading slash; `None` where the
/// mount does not show it.
///
/// A container engine binds the container's own cgroup to the mount point, so the path is the mount's root
/// and the answer is empty. In a private cgroup namespace both are `/`. A mount from outside that namespace
/// has a root like `/../..`, of which only the depth is known: it is no use unless the path starts with it
/// too.
pub(super) fn below<'a>(root: &[u8], path: &'a [u8]) -> Option<&'a [u8]> {
    let rest = if root == b"/" { path } else { path.strip_prefix(root)? };
    let rest = match rest {
        [] => rest,
        [b'/', rest @ ..] => rest,
        // `/docker/a` is not above `/docker/ab`.
        _ => return None,
    };
    let climbs = rest.split(|byte| *byte == b'/').any(|part| part == b"..");
    (!climbs).then_some(rest)
}

fn has(list: &[u8], item: &[u8]) -> bool {
    list.split(|byte| *byte == b',').any(|part| part == item)
}

/// Space, tab, line feed and backslash stand in mountinfo as a backslash and three octal digits.
pub(super) fn unescape(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            (b'\\', &[high @ b'0'..=b'3', middle @ b'0'..=b'7', low @ b'0'..=b'7', ref after @ ..]) => {
                plain.push((high - b'0') << 6 | (middle - b'0') << 3 | (low - b'0'));
                rest = after;
            }
            _ => plain.push(byte),
        }
    }
    plain
}

#[cfg(test)]
mod tests;
