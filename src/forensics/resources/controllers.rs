//! Where the cgroup of each controller is: `/proc/self/cgroup` and `/proc/self/mountinfo`.
//!
//! In version 1 each controller is in a hierarchy of its own or shares one (`cpu,cpuacct`), and the cgroup
//! may be another in each. Formats: cgroups(7), proc_pid_mountinfo(5).

use crate::forensics::{files, locate};
use std::ffi::OsStr;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A cgroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) directory: PathBuf,
    /// how many of the directories above are cgroups too
    pub(super) ancestors: usize,
}

/// The cgroups of this process: of version 1 by controller, and that of version 2.
#[derive(Debug, Default)]
pub(super) struct Controllers {
    pub(super) cpu: Option<Place>,
    pub(super) cpuacct: Option<Place>,
    pub(super) memory: Option<Place>,
    pub(super) pids: Option<Place>,
    pub(super) blkio: Option<Place>,
    pub(super) unified: Option<Place>,
}

/// The names of version 1, and the empty one of version 2.
const NAMES: [&str; 6] = ["cpu", "cpuacct", "memory", "pids", "blkio", ""];

impl Controllers {
    /// Looks where mountinfo shows our cgroup, and where that does not tell, at the usual places.
    pub(super) fn find(root: &Path, membership: &[u8]) -> Controllers {
        let mut found = Controllers::default();
        files::for_each_line(&root.join("proc/self/mountinfo"), &mut |line| {
            if let Some(mount) = Mount::parse(line) {
                for name in NAMES {
                    if mount.holds(name)
                        && let Some(path) = path_of(membership, name)
                        && let Some(below) = locate::below(&mount.root, path)
                    {
                        let place = Place::new(root, &mount.point, below);
                        // Of several mounts the last counts: a later one at the same place hides an earlier.
                        if place.directory.is_dir() {
                            *found.of(name) = Some(place);
                        }
                    }
                }
            }
            ControlFlow::Continue(())
        });
        for name in NAMES {
            if found.of(name).is_none() {
                *found.of(name) = at_usual_places(root, membership, name);
            }
        }
        found
    }

    fn of(&mut self, name: &str) -> &mut Option<Place> {
        match name {
            "cpu" => &mut self.cpu,
            "cpuacct" => &mut self.cpuacct,
            "memory" => &mut self.memory,
            "pids" => &mut self.pids,
            "blkio" => &mut self.blkio,
            _ => &mut self.unified,
        }
    }
}

impl Place {
    fn new(root: &Path, point: &[u8], below: &[u8]) -> Place {
        let mut directory = root.join(OsStr::from_bytes(point.strip_prefix(b"/").unwrap_or(point)));
        let parts = || below.split(|byte| *byte == b'/').filter(|part| !part.is_empty());
        directory.extend(parts().map(OsStr::from_bytes));
        Place { directory, ancestors: parts().count() }
    }

    /// Whether its `cgroup.procs` lists this process.
    fn is_ours(&self) -> bool {
        let own = i32::try_from(std::process::id()).unwrap_or(0);
        let mut is_listed = false;
        files::for_each_number(&files::join(&self.directory, "cgroup.procs"), &mut |pid| {
            is_listed = pid == own;
            if is_listed { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        is_listed
    }
}

/// The path of our cgroup in the hierarchy with this controller.
fn path_of<'a>(membership: &'a [u8], name: &str) -> Option<&'a [u8]> {
    membership.split(|byte| *byte == b'\n').find_map(|line| {
        let mut fields = line.splitn(3, |byte| *byte == b':');
        let (number, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        let is_it = if name.is_empty() {
            number == b"0" && controllers.is_empty()
        } else {
            controllers.split(|byte| *byte == b',').any(|one| one == name.as_bytes())
        };
        (is_it && path.first() == Some(&b'/')).then_some(path)
    })
}

fn at_usual_places(root: &Path, membership: &[u8], name: &str) -> Option<Place> {
    let path = path_of(membership, name)?;
    let points: &[&str] = match name {
        "cpu" => &["/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"],
        "cpuacct" => &["/sys/fs/cgroup/cpuacct", "/sys/fs/cgroup/cpu,cpuacct"],
        "memory" => &["/sys/fs/cgroup/memory"],
        "pids" => &["/sys/fs/cgroup/pids"],
        "blkio" => &["/sys/fs/cgroup/blkio"],
        _ => &["/sys/fs/cgroup", "/sys/fs/cgroup/unified"],
    };
    let belows = [locate::below(b"/", path), Some(b"".as_slice())];
    let places = points.iter().flat_map(|point| {
        belows.into_iter().flatten().map(|below| Place::new(root, point.as_bytes(), below))
    });
    places.into_iter().find(Place::is_ours)
}

/// A mounted hierarchy, as a line of mountinfo tells.
struct Mount {
    /// the super options, controllers among them; `None` for version 2
    controllers: Option<Vec<u8>>,
    root: Vec<u8>,
    point: Vec<u8>,
}

impl Mount {
    fn parse(line: &[u8]) -> Option<Mount> {
        let mut fields = line.split(|byte| *byte == b' ');
        let root = fields.nth(3)?;
        let point = fields.next()?;
        // Optional fields, any number of them, end at a single hyphen.
        fields.by_ref().find(|field| *field == b"-")?;
        let (kind, options) = (fields.next()?, fields.nth(1)?);
        let controllers = match kind {
            b"cgroup" => Some(options.to_vec()),
            b"cgroup2" => None,
            _ => return None,
        };
        Some(Mount { controllers, root: locate::unescape(root), point: locate::unescape(point) })
    }

    fn holds(&self, name: &str) -> bool {
        match &self.controllers {
            Some(options) => {
                !name.is_empty() && options.split(|byte| *byte == b',').any(|one| one == name.as_bytes())
            }
            None => name.is_empty(),
        }
    }
}
