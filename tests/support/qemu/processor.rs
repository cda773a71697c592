//! What differs between the processors that a virtual machine can have.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use super::super::process;
use super::super::static_binary::target_directory;

/// The variable that gives the x86-64 kernel to boot, in place of Debian's: a bzImage with cgroup v2,
/// devtmpfs and two 8250 serial ports built in.
pub const KERNEL: &str = "EPITAPH_TEST_KERNEL";

/// The variable that says how QEMU runs the guest: `kvm` or `tcg` (software emulation).
pub const ACCELERATOR: &str = "EPITAPH_TEST_QEMU_ACCEL";

/// Under software emulation the guest's clock counts its instructions, 2² ns each, and skips the time in
/// which it would idle. So what the guest measures does not depend on what else this machine does, and the
/// guest is slower than any machine that containers run on: 250 million instructions a second.
const GUEST_CLOCK: &str = "shift=2,sleep=off";

/// The download of a kernel.
const FETCH_BOUND: Duration = Duration::from_secs(180);

/// A kind of processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Processor {
    X86_64,
    Arm64,
}

impl Processor {
    /// The emulator.
    pub fn qemu(self) -> Result<PathBuf, String> {
        match self {
            Self::X86_64 => process::find_program("qemu-system-x86_64", "qemu-system-x86"),
            Self::Arm64 => process::find_program("qemu-system-aarch64", "qemu-system-arm"),
        }
    }

    /// The kernel: on x86-64 the one that [`KERNEL`] names; the one in the cache, or Debian's, fetched into
    /// the cache.
    pub fn kernel(self) -> Result<PathBuf, String> {
        static PATHS: [OnceLock<Result<PathBuf, String>>; 2] = [const { OnceLock::new() }; 2];
        let found = PATHS[self as usize].get_or_init(|| match (self, std::env::var_os(KERNEL)) {
            (Self::X86_64, Some(kernel)) => Ok(PathBuf::from(kernel)),
            (Self::X86_64, None) => {
                fetch("fetch-kernel.sh", &target_directory().join("kernel")).map(PathBuf::from)
            }
            (Self::Arm64, _) => {
                fetch("fetch-arm64.sh", &arm64_folder()).map(|_| arm64_folder().join("vmlinuz"))
            }
        });
        let kernel = found.as_deref().map_err(|error| format!("no kernel to boot: {error}"))?;
        match File::open(kernel) {
            Ok(_) => Ok(kernel.to_owned()),
            Err(error) => Err(format!("{}: {error}", kernel.display())),
        }
    }

    /// KVM where the processor has it and the user may use it, software emulation otherwise. A virtual
    /// machine may have a `/dev/kvm` and no processor for it; guests hang there, so the device alone is not
    /// enough.
    pub fn accelerator(self) -> &'static str {
        let is_ours = match self {
            Self::X86_64 => cfg!(target_arch = "x86_64"),
            // Its flags in /proc/cpuinfo do not tell whether it can have guests.
            Self::Arm64 => false,
        };
        if !is_ours {
            return "tcg";
        }
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

    /// The machine and its processor, as QEMU is told.
    pub fn arguments(self, accelerator: &str) -> &'static [&'static str] {
        match (self, accelerator) {
            (Self::X86_64, "kvm") => &["-accel", "kvm", "-cpu", "host"],
            (Self::X86_64, _) => &["-accel", "tcg", "-cpu", "max", "-icount", GUEST_CLOCK],
            // A processor of its first generation, the one of AWS's first Graviton.
            (Self::Arm64, _) => {
                &["-M", "virt", "-accel", "tcg", "-cpu", "cortex-a72", "-icount", GUEST_CLOCK]
            }
        }
    }

    /// The kernel's command line.
    pub fn command_line(self) -> &'static str {
        match self {
            // `no_timer_check`: a busy machine may be too slow for the kernel's test of the emulated timer.
            Self::X86_64 => "console=ttyS0 output=ttyS1 quiet panic=-1 no_timer_check random.trust_cpu=on",
            Self::Arm64 => "console=ttyAMA0 output=ttyS0 quiet panic=-1",
        }
    }

    /// The port for the output of the script, which goes to `to`.
    pub fn second_port(self, to: &str) -> Vec<String> {
        match self {
            Self::X86_64 => vec!["-serial".to_owned(), to.to_owned()],
            // `virt` has one port; the second one is a card.
            Self::Arm64 => {
                let path = to.strip_prefix("file:").unwrap_or(to);
                vec![
                    "-chardev".to_owned(),
                    format!("file,id=output,path={path}"),
                    "-device".to_owned(),
                    "pci-serial,chardev=output".to_owned(),
                ]
            }
        }
    }
}

/// Where all that is for the arm64 machine lies: its kernel, its programs, and what
/// `packaging/arm64-tests.sh` builds.
pub fn arm64_folder() -> PathBuf {
    target_directory().join("arm64")
}

fn fetch(script: &str, directory: &Path) -> Result<String, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/qemu").join(script);
    let mut fetch = Command::new(script);
    fetch.arg(directory).stdin(Stdio::null());
    process::stdout(&mut fetch, FETCH_BOUND)
}
