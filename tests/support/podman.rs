//! Podman, with nothing of this machine's own.
#![allow(dead_code)]

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use crate::support::archive::Tree;
use crate::support::process;
use tempfile::TempDir;

/// For one call of `podman`, which takes well below a second on an idle machine.
pub const CALL_BOUND: Duration = Duration::from_secs(60);
/// The image that [`Podman::import`] makes.
pub const IMAGE: &str = "plain";

/// What came of a call of `podman`.
#[track_caller]
pub fn call(command: &mut Command) -> Output {
    process::output(command, CALL_BOUND).unwrap_or_else(|error| panic!("{error}"))
}

/// A Podman with storage, state and configuration of its own in a directory that is deleted at the end.
pub struct Podman {
    program: PathBuf,
    runtime: PathBuf,
    /// where all of it is
    pub directory: TempDir,
}

impl Podman {
    /// One without images and containers. There is nothing to start: Podman has no daemon.
    pub fn new() -> Result<Self, String> {
        let owner = std::fs::metadata("/proc/self").map_err(|error| format!("/proc/self: {error}"))?.uid();
        if owner != 0 {
            return Err("Podman needs root here".to_owned());
        }
        let program = process::find_program("podman", "podman")?;
        // Not the default, crun: it refuses a hierarchy of cgroup v1 that has v2 controllers beside it.
        let runtime = process::find_program("runc", "runc")?;
        // Not below TMPDIR: a container's console socket has the path's length, and at most 107 bytes
        // (unix(7)).
        let directory = tempfile::Builder::new().prefix("epitaph-podman-").tempdir_in("/tmp");
        let directory = directory.map_err(|error| format!("/tmp: {error}"))?;
        // Locks in shared memory have one name for all of root's Podmans (`lock_type` in containers.conf(5)).
        std::fs::write(directory.path().join("containers.conf"), "[engine]\nlock_type = \"file\"\n")
            .map_err(|error| error.to_string())?;
        Ok(Self { program, runtime, directory })
    }

    /// A call of the `podman` program, to which the caller adds the subcommand.
    pub fn command(&self) -> Command {
        let at = |name: &str| self.directory.path().join(name);
        let mut command = Command::new(&self.program);
        command.env_remove("CONTAINER_HOST").env("CONTAINERS_CONF", at("containers.conf"));
        for (option, path) in [("--root", "data"), ("--runroot", "run"), ("--tmpdir", "tmp")] {
            command.arg(option).arg(at(path));
        }
        command.arg("--runtime").arg(&self.runtime);
        // Neither a service manager nor a journal is needed.
        command.args(["--storage-driver=vfs", "--cgroup-manager=cgroupfs", "--events-backend=none"]);
        command
    }

    /// `podman run` without a network, and with limits that are no higher than anywhere: raising them, as
    /// Podman does by itself, takes a capability (CAP_SYS_RESOURCE in capabilities(7)) that root may lack.
    pub fn run(&self, options: &[&str]) -> Command {
        let mut command = self.command();
        command.args(["run", "--network=none", "--log-driver=k8s-file"]);
        command.args(["--ulimit=nofile=1024:1024", "--ulimit=nproc=16384:16384"]).args(options);
        command
    }

    /// What `command` writes on stdout.
    #[track_caller]
    pub fn succeed(&self, command: &mut Command) -> String {
        process::stdout(command, CALL_BOUND).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Makes the image: busybox, and nothing of epitaph.
    pub fn import(&self) -> Result<(), String> {
        let archive = self.directory.path().join("plain.tar");
        std::fs::write(&archive, Tree::default().busybox()?.to_tar()).unwrap();
        self.succeed(self.command().arg("import").arg(archive).arg(IMAGE));
        Ok(())
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        // No panic: this also runs while a test unwinds. What is running would keep its mounts in the
        // directory.
        let remove = ["rm", "--all", "--force", "--time=0"];
        let _ = process::output(self.command().args(remove), CALL_BOUND);
    }
}
