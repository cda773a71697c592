//! Cgroups of this machine in the place of a container's: with limits that the kernel acts on, and counters
//! that move.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::endpoint::Reading;

const HIERARCHY: &str = "/sys/fs/cgroup";

/// The cgroups of one container: one of version 2, or one for each controller of version 1. They are removed
/// at the end.
pub struct Cgroup {
    pub version: u8,
    /// Of version 1: memory, cpu, cpuacct and pids.
    directories: Vec<PathBuf>,
}

impl Cgroup {
    /// Makes one with a limit of memory, in bytes, and of CPU, in µs of each 100 ms.
    ///
    /// # Errors
    /// Why the machine gives none, in words that go on after "since".
    pub fn new(name: &str, memory: u64, quota: Option<u64>) -> Result<Cgroup, String> {
        let name = format!("epitaph-example-{}-{name}", std::process::id());
        let is_v1 = fs::exists(format!("{HIERARCHY}/memory/cgroup.procs")).unwrap_or(false);
        let parents: &[&str] = if is_v1 { &["memory", "cpu", "cpuacct", "pids"] } else { &[""] };
        let mut cgroup = Cgroup { version: if is_v1 { 1 } else { 2 }, directories: Vec::new() };
        if !is_v1 {
            let control = format!("{HIERARCHY}/cgroup.subtree_control");
            fs::write(&control, "+memory +cpu +pids").map_err(|error| format!("{control}: {error}"))?;
        }
        for parent in parents {
            let directory = Path::new(HIERARCHY).join(parent).join(&name);
            match fs::create_dir(&directory) {
                // cpu and cpuacct may be the same hierarchy.
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(format!("{}: {error}", directory.display()));
                }
                _ => cgroup.directories.push(directory),
            }
        }
        cgroup.limit(memory, quota).map_err(|error| format!("no limit can be set: {error}"))?;
        Ok(cgroup)
    }

    fn limit(&self, memory: u64, quota: Option<u64>) -> io::Result<()> {
        let memory = memory.to_string();
        if self.version == 1 {
            fs::write(self.file(0, "memory.limit_in_bytes"), &memory)?;
            // Not every kernel counts swap.
            let _ = fs::write(self.file(0, "memory.memsw.limit_in_bytes"), &memory);
        } else {
            fs::write(self.file(0, "memory.max"), &memory)?;
            let _ = fs::write(self.file(0, "memory.swap.max"), "0");
        }
        match quota {
            Some(quota) if self.version == 1 => {
                fs::write(self.file(1, "cpu.cfs_period_us"), "100000")?;
                fs::write(self.file(1, "cpu.cfs_quota_us"), quota.to_string())
            }
            Some(quota) => fs::write(self.file(0, "cpu.max"), format!("{quota} 100000")),
            None => Ok(()),
        }
    }

    fn file(&self, hierarchy: usize, name: &str) -> PathBuf {
        let directory = self.directories.get(hierarchy).or_else(|| self.directories.last());
        directory.map_or_else(PathBuf::new, |directory| directory.join(name))
    }

    /// The words that run a command in it, which is to follow.
    pub fn entry(&self) -> Vec<String> {
        let enter = r#"while [ "$1" != -- ]; do echo $$ > "$1"; shift; done; shift; exec "$@""#;
        let mut words = ["sh", "-c", enter, "enter"].map(str::to_owned).to_vec();
        let procs = |directory: &PathBuf| directory.join("cgroup.procs").to_string_lossy().into_owned();
        words.extend(self.directories.iter().map(procs));
        words.push("--".to_owned());
        words
    }

    /// What its counters say now.
    pub fn read(&self) -> io::Result<Reading> {
        let number = |text: &str| text.trim().parse::<u64>().unwrap_or(0);
        let of = |hierarchy, name| fs::read_to_string(self.file(hierarchy, name));
        let keyed = |text: &str, key: &str| {
            let value = |line: &str| Some(number(line.strip_prefix(key)?.strip_prefix(' ')?));
            text.lines().find_map(value).unwrap_or(0)
        };
        let stat = of(0, "memory.stat")?;
        let (anon, file, inactive, usage) = if self.version == 1 {
            ("total_rss", "total_cache", "total_inactive_file", "memory.usage_in_bytes")
        } else {
            ("anon", "file", "inactive_file", "memory.current")
        };
        let cpu_ns = if self.version == 1 {
            number(&of(2, "cpuacct.usage")?)
        } else {
            keyed(&of(0, "cpu.stat")?, "usage_usec") * 1000
        };
        Ok(Reading {
            at: SystemTime::now(),
            cpu_ns,
            memory: number(&of(0, usage)?),
            anon: keyed(&stat, anon),
            file: keyed(&stat, file),
            inactive_file: keyed(&stat, inactive),
            pids: number(&of(3, "pids.current")?),
            cgroup: self.version,
        })
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for directory in &self.directories {
            // The last of its processes may be about to end.
            for _ in 0..100 {
                if !matches!(fs::remove_dir(directory), Err(error) if error.kind() == io::ErrorKind::ResourceBusy)
                {
                    break;
                }
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        }
    }
}
