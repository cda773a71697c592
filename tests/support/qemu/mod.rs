//! A virtual machine with Debian's kernel and cgroup v2, for what the machine that runs the tests cannot
//! show: its own cgroups may be v1, and a test may not change them; and it has one kind of processor, where
//! epitaph is for two.
//!
//! The guest is an initramfs with a static busybox and what the test adds. It runs one shell script as root,
//! with every controller of cgroup v2 at hand, and powers off. `contain` (see `contain.sh`) is on its path:
//! it runs a program as PID 1 of a container, in a cgroup, with either kind of cgroup namespace.

mod processor;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::archive::Tree;
use super::process;

use processor::Processor;
pub use processor::arm64_folder;

/// From QEMU's start to the power-off. An empty script takes about 3 s under software emulation.
pub const BOOT_BOUND: Duration = Duration::from_secs(180);

/// The last line of the guest's output: that the script came to its end, and its exit code.
const END_MARK: &str = "epitaph-test-end ";

/// A machine to boot: its memory and what it holds.
#[derive(Clone, Debug)]
pub struct Machine {
    processor: Processor,
    qemu: PathBuf,
    kernel: PathBuf,
    tree: Tree,
    memory: u32,
    bound: Duration,
}

/// What a machine did from its start to its power-off.
#[derive(Clone, Debug)]
pub struct Boot {
    /// What the script wrote on stdout and stderr.
    pub output: String,
    /// The exit code of the script.
    pub code: i32,
    /// What the kernel wrote on its console: errors and worse, such as the OOM killer's messages.
    pub kernel_log: String,
    /// From QEMU's start to its end.
    pub took: Duration,
    /// `kvm` or `tcg`.
    pub accelerator: &'static str,
}

impl Machine {
    /// An x86-64 machine with 256 MiB of memory and one processor.
    ///
    /// # Errors
    ///
    /// When this machine has no QEMU, no static busybox, or no kernel and no way to get one.
    pub fn new() -> Result<Self, String> {
        if !cfg!(target_arch = "x86_64") {
            return Err("this machine's own programs go into the virtual one, which is x86-64".to_owned());
        }
        let tree = Tree::default()
            .busybox()?
            .program("usr/bin/unshare", &process::find_program("unshare", "util-linux")?)?;
        Self::of(Processor::X86_64, tree)
    }

    /// A 64-bit Arm machine, else the same. What is added to it must be for that processor, and need no
    /// library that is not there.
    ///
    /// # Errors
    ///
    /// As [`Machine::new`].
    pub fn arm64() -> Result<Self, String> {
        let kernel = Processor::Arm64.kernel()?;
        let root = kernel.with_file_name("root");
        Self::of(Processor::Arm64, Tree::default().folder("", &root)?.applets()?)
    }

    fn of(processor: Processor, tree: Tree) -> Result<Self, String> {
        let tree = tree
            .directory("dev", 0o755)
            .directory("proc", 0o755)
            .directory("sys", 0o755)
            .directory("tmp", 0o1777)
            // The kernel opens it for init before init can mount /dev.
            .character_device("dev/console", 0o600, 5, 1)
            .file("init", 0o755, include_str!("init.sh"))
            .file("bin/contain", 0o755, include_str!("contain.sh"));
        Ok(Self {
            processor,
            qemu: processor.qemu()?,
            kernel: processor.kernel()?,
            tree,
            memory: 256,
            bound: BOOT_BOUND,
        })
    }

    /// Adds a program of this machine at `path` in the guest, with the shared libraries that it needs. One
    /// that is called as an applet of busybox must be called by its path: the guest's shell prefers its
    /// applets.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn program(mut self, path: &str, host: &Path) -> Result<Self, String> {
        self.tree = self.tree.program(path, host)?;
        Ok(self)
    }

    /// Adds a file at `path` in the guest; `mode` is its permission bits.
    #[must_use]
    pub fn file(mut self, path: &str, mode: u32, content: impl Into<Vec<u8>>) -> Self {
        self.tree = self.tree.file(path, mode, content);
        self
    }

    /// Adds a symbolic link at `path` in the guest.
    #[must_use]
    pub fn link(mut self, path: &str, target: &str) -> Self {
        self.tree = self.tree.symlink(path, target);
        self
    }

    /// Sets the guest's memory, in MiB.
    #[must_use]
    pub fn memory(mut self, mebibytes: u32) -> Self {
        self.memory = mebibytes;
        self
    }

    /// Sets how long the machine may run, where the script takes longer than [`BOOT_BOUND`].
    #[must_use]
    pub fn bound(mut self, bound: Duration) -> Self {
        self.bound = bound;
        self
    }

    /// Boots the machine, runs `script` with its `sh`, and waits for the power-off.
    ///
    /// # Panics
    ///
    /// When QEMU cannot run, or the machine does not power off in time after the script's end (a kernel
    /// panic, a script that hangs); the message holds both logs.
    #[track_caller]
    pub fn boot(&self, script: &str) -> Boot {
        let directory = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let at = |name: &str| directory.path().join(name);
        let initramfs = self.tree.clone().file("script", 0o755, script).to_cpio();
        std::fs::write(at("initramfs"), initramfs).unwrap_or_else(|error| panic!("{error}"));

        let accelerator = self.processor.accelerator();
        let begun = Instant::now();
        let ran = self.run(accelerator, directory.path());
        let took = begun.elapsed();

        let read = |name| String::from_utf8_lossy(&std::fs::read(at(name)).unwrap_or_default()).into_owned();
        let (output, kernel_log) = (read("output"), read("kernel.log"));
        let end = output.rfind(END_MARK).filter(|_| ran.is_ok());
        let code = end.and_then(|at| output[at + END_MARK.len()..].trim().parse().ok());
        let (Some(end), Some(code)) = (end, code) else {
            panic!(
                "the virtual machine ({accelerator}) did not come to its end: {}\nits output:\n{output}\nits kernel's log:\n{kernel_log}",
                ran.err().unwrap_or_else(|| "the script's end is missing".to_owned())
            );
        };
        Boot { output: output[..end].to_owned(), code, kernel_log, took, accelerator }
    }

    /// Runs QEMU to its end with its files in `directory`.
    fn run(&self, accelerator: &str, directory: &Path) -> Result<(), String> {
        let at = |name: &str| directory.join(name);
        let serial = |name: &str| format!("file:{}", at(name).display());
        let errors = File::create(at("qemu.log")).map_err(|error| error.to_string())?;
        let mut qemu = Command::new(&self.qemu)
            .args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"])
            .args(self.processor.arguments(accelerator))
            .args(["-m", &self.memory.to_string()])
            .arg("-kernel")
            .arg(&self.kernel)
            .arg("-initrd")
            .arg(at("initramfs"))
            .args(["-append", self.processor.command_line()])
            // The kernel's messages and the script's output on a port each, so that neither cuts into the
            // other.
            .args(["-serial", &serial("kernel.log")])
            .args(self.processor.second_port(&serial("output")))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn()
            .map_err(|error| format!("{}: {error}", self.qemu.display()))?;
        let ended = process::wait_for(&mut qemu, self.bound);
        if ended.is_err() {
            let _ = qemu.kill();
            let _ = qemu.wait();
        }
        let status = ended?;
        if status.success() {
            return Ok(());
        }
        Err(format!("QEMU ended with {status}: {}", process::tail(&at("qemu.log"), 5)))
    }
}
