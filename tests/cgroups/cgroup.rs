//! A real cgroup, with processes in it.

use crate::testing::wait_for;
use nix::sys::signal::{Signal::SIGKILL, kill};
use nix::unistd::Pid;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

pub const MIB: u64 = 1 << 20;

/// A cgroup of its own in a mounted hierarchy, removed at the end.
pub struct RealCgroup {
    pub path: PathBuf,
    /// of the hierarchy: 1 or 2
    pub version: u8,
}

impl RealCgroup {
    /// A cgroup without any controller that had to be turned on.
    pub fn new(hierarchy: &str, version: u8) -> Result<RealCgroup, String> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = Path::new(hierarchy).join(format!("epitaph-test-{}-{number}", std::process::id()));
        fs::create_dir(&path).map_err(|error| format!("{}: {error} (not root?)", path.display()))?;
        Ok(RealCgroup { path, version })
    }

    /// A memory cgroup with a limit in bytes, of the version in which this machine has the memory controller.
    pub fn with_limit(limit: u64) -> Result<RealCgroup, String> {
        let v1 = "/sys/fs/cgroup/memory";
        let v2 = "/sys/fs/cgroup";
        let cgroup = if fs::exists(format!("{v1}/cgroup.procs")).unwrap_or(false) {
            RealCgroup::new(v1, 1)?
        } else if fs::read_to_string(format!("{v2}/cgroup.controllers"))
            .is_ok_and(|list| list.contains("memory"))
        {
            fs::write(format!("{v2}/cgroup.subtree_control"), "+memory")
                .map_err(|error| format!("the memory controller could not be turned on: {error}"))?;
            RealCgroup::new(v2, 2)?
        } else {
            return Err("no memory controller is mounted".into());
        };
        cgroup.limit(limit).map_err(|error| format!("no limit could be set: {error}"))?;
        Ok(cgroup)
    }

    fn limit(&self, limit: u64) -> std::io::Result<()> {
        let name = if self.version == 1 { "memory.limit_in_bytes" } else { "memory.max" };
        fs::write(self.path.join(name), limit.to_string())
    }

    /// A cgroup inside, with a limit of its own.
    pub fn nested(&self, limit: u64) -> RealCgroup {
        if self.version == 2 {
            fs::write(self.path.join("cgroup.subtree_control"), "+memory").unwrap();
        }
        let nested = RealCgroup { path: self.path.join("nested"), ..*self };
        fs::create_dir(&nested.path).unwrap();
        nested.limit(limit).unwrap();
        nested
    }

    /// A process that does nothing, once it is inside.
    pub fn sleeper(&self) -> Child {
        let process = self.shell("exec sleep 60");
        let inside = wait_for(Duration::from_secs(10), || {
            fs::read_to_string(self.path.join("cgroup.procs")).unwrap().trim() == process.id().to_string()
        });
        assert!(inside, "no process in {}", self.path.display());
        process
    }

    /// Runs a shell script inside; the address space is bounded too, in case that the cgroup's limit fails.
    pub fn shell(&self, script: &str) -> Child {
        let enter =
            format!("ulimit -v 2000000 && echo $$ > {}/cgroup.procs && {script}", self.path.display());
        Command::new("sh").args(["-c", &enter]).stderr(Stdio::null()).spawn().unwrap()
    }
}

impl Drop for RealCgroup {
    fn drop(&mut self) {
        // A test that failed may have left processes of its own inside.
        if std::thread::panicking() {
            let pids = fs::read_to_string(self.path.join("cgroup.procs")).unwrap_or_default();
            for pid in pids.lines().filter_map(|pid| pid.parse().ok()) {
                let _ = kill(Pid::from_raw(pid), SIGKILL);
            }
        }
        let removed = wait_for(Duration::from_secs(10), || fs::remove_dir(&self.path).is_ok());
        assert!(removed || std::thread::panicking(), "{} is still in use", self.path.display());
    }
}
