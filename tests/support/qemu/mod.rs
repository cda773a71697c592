//! A virtual machine with Debian's kernel and cgroup v2, for what the machine that runs the tests cannot show:
//! its own cgroups may be v1, and a test may not change them.
//!
//! The guest is an initramfs with a static busybox and what the test adds. It runs one shell script as root, with
//! every controller of cgroup v2 at hand, and powers off. `contain` (see `contain.sh`) is on its path: it runs a
//! program as PID 1 of a container, in a cgroup, with either kind of cgroup namespace.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::archive::Tree;
use super::process;
use super::static_binary::target_directory;

/// The variable that gives the kernel to boot, in place of Debian's: a bzImage with cgroup v2, devtmpfs and two
/// 8250 serial ports built in.
pub const KERNEL: &str = "EPITAPH_TEST_KERNEL";

/// The variable that says how QEMU runs the guest: `kvm` or `tcg` (software emulation).
pub const ACCELERATOR: &str = "EPITAPH_TEST_QEMU_ACCEL";

/// From QEMU's start to the power-off. An empty script takes about 3 s under software emulation.
pub const BOOT_BOUND: Duration = Duration::from_secs(180);

/// Under software emulation the guest's clock counts its instructions, 2² ns each, and skips the time in which it
/// would idle. So what the guest measures does not depend on what else this machine does, and the guest is slower than
/// any machine that containers run on: 250 million instructions a second.
const GUEST_CLOCK: &str = "shift=2,sleep=off";

/// The last line of the guest's output: that the script came to its end, and its exit code.
const END_MARK: &str = "epitaph-test-end ";

/// A machine to boot: its memory and what it holds.
#[derive(Clone, Debug)]
pub struct Machine {
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
    /// A machine with 256 MiB of memory and one processor.
    ///
    /// # Errors
    ///
    /// When this machine has no QEMU, no static busybox, or no kernel and no way to get one.
    pub fn new() -> Result<Self, String> {
        if !cfg!(target_arch = "x86_64") {
            return Err("only x86-64 kernels are booted".to_owned());
        }
        let tree = Tree::default()
            .busybox()?
            .program("usr/bin/unshare", &process::find_program("unshare", "util-linux")?)?
            .directory("dev", 0o755)
            .directory("proc", 0o755)
            .directory("sys", 0o755)
            .directory("tmp", 0o1777)
            // The kernel opens it for init before init can mount /dev.
            .character_device("dev/console", 0o600, 5, 1)
            .file("init", 0o755, include_str!("init.sh"))
            .file("bin/contain", 0o755, include_str!("contain.sh"));
        Ok(Self {
            qemu: process::find_program("qemu-system-x86_64", "qemu-system-x86")?,
            kernel: kernel()?.to_owned(),
            tree,
            memory: 256,
            bound: BOOT_BOUND,
        })
    }

    /// Adds a program of this machine at `path` in the guest, with the shared libraries that it needs. One that is
    /// called as an applet of busybox must be called by its path: the guest's shell prefers its applets.
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
    /// When QEMU cannot run, or the machine does not power off in time after the script's end (a kernel panic, a
    /// script that hangs); the message holds both logs.
    #[track_caller]
    pub fn boot(&self, script: &str) -> Boot {
        let directory = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let at = |name: &str| directory.path().join(name);
        let initramfs = self.tree.clone().file("script", 0o755, script).to_cpio();
        std::fs::write(at("initramfs"), initramfs).unwrap_or_else(|error| panic!("{error}"));

        let accelerator = accelerator();
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
            .args(match accelerator {
                "kvm" => &["-accel", "kvm", "-cpu", "host"][..],
                _ => &["-accel", "tcg", "-cpu", "max", "-icount", GUEST_CLOCK],
            })
            .args(["-m", &self.memory.to_string()])
            .arg("-kernel")
            .arg(&self.kernel)
            .arg("-initrd")
            .arg(at("initramfs"))
            // `no_timer_check`: a busy machine may be too slow for the kernel's test of the emulated timer.
            .args(["-append", "console=ttyS0 quiet panic=-1 no_timer_check random.trust_cpu=on"])
            // The kernel's messages and the script's output on a port each, so that neither cuts into the other.
            .args(["-serial", &serial("kernel.log"), "-serial", &serial("output")])
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

/// KVM where the processor has it and the user may use it, software emulation otherwise. A virtual machine may
/// have a `/dev/kvm` and no processor for it; guests hang there, so the device alone is not enough.
fn accelerator() -> &'static str {
    match std::env::var(ACCELERATOR).as_deref() {
        Ok("kvm") => return "kvm",
        Ok("tcg") => return "tcg",
        Ok(other) => panic!("{ACCELERATOR}={other}: neither kvm nor tcg"),
        Err(_) => {}
    }
    let processors = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let has_it = processors
        .lines()
        .filter(|line| line.starts_with("flags"))
        .any(|line| line.split_whitespace().any(|flag| flag == "vmx" || flag == "svm"));
    let is_allowed = || File::options().read(true).write(true).open("/dev/kvm").is_ok();
    if has_it && is_allowed() { "kvm" } else { "tcg" }
}

/// The kernel: the one that [`KERNEL`] names, the one in the cache, or Debian's, fetched into the cache.
fn kernel() -> Result<&'static Path, String> {
    static PATH: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let found = PATH.get_or_init(|| match std::env::var_os(KERNEL) {
        Some(kernel) => Ok(PathBuf::from(kernel)),
        None => {
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/qemu/fetch-kernel.sh");
            let mut fetch = Command::new(script);
            fetch.arg(target_directory().join("kernel")).stdin(Stdio::null());
            process::stdout(&mut fetch, Duration::from_secs(180)).map(PathBuf::from)
        }
    });
    let kernel = found.as_deref().map_err(|error| format!("no kernel to boot ({KERNEL}): {error}"))?;
    match File::open(kernel) {
        Ok(_) => Ok(kernel),
        Err(error) => Err(format!("{}: {error}", kernel.display())),
    }
}
