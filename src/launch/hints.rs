//! Why an exec failed, told by looking: at the file, at its first bytes, at the way to it.
//!
//! execve(2) has one errno for many mistakes. What is written here was seen; where nothing was seen, nothing
//! is said.

use super::elf::Elf;
use crate::shown::Shown;
use crate::sys;
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::{AccessFlags, Gid, access, getegid, geteuid};
use std::ffi::{CStr, CString, OsStr};
use std::fs::{File, Metadata, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// The longest foreign word in a hint, in bytes.
pub(super) const LONGEST_WORD: usize = 80;

/// How much of a file is read: the kernel itself looks at 256 bytes for `#!`, and the headers of an ELF file
/// and the name of its interpreter stand near its start.
const START: usize = 4096;

/// What is wrong with the program at `path`, which execve(2) refused with `errno`; `None` where nothing is to
/// be seen.
pub(super) fn look(path: &Path, errno: i32) -> Option<String> {
    match errno {
        libc::ENOENT => missing(path),
        libc::ENOTDIR => no_directory(path),
        libc::EACCES => not_permitted(path),
        libc::EPERM => capabilities(path),
        libc::ENOEXEC => foreign(path),
        libc::ETXTBSY => Some("another process has it open for writing".to_owned()),
        _ => None,
    }
}

fn shown<T: AsRef<OsStr> + ?Sized>(value: &T) -> Shown<'_> {
    Shown::at_most(value, LONGEST_WORD)
}

/// The first bytes of a file. A FIFO or a device is not opened.
fn start(path: &Path) -> Option<Vec<u8>> {
    if !path.metadata().ok()?.is_file() {
        return None;
    }
    let mut start = Vec::new();
    let file =
        OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path).ok()?;
    File::take(file, START as u64).read_to_end(&mut start).ok()?;
    Some(start)
}

/// The interpreter that a script names: what stands behind `#!`, up to a blank or the line's end (execve(2)).
fn script_interpreter(start: &[u8]) -> Option<&[u8]> {
    let line = start.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let word = line.trim_ascii_start().split(|byte| matches!(byte, b' ' | b'\t')).next()?;
    (!word.is_empty()).then_some(word)
}

fn as_path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

/// ENOENT: the file, a directory on the way to it, or its interpreter is not there.
fn missing(path: &Path) -> Option<String> {
    if path.metadata().is_err() {
        return Some(first_missing(path));
    }
    let start = start(path)?;
    if let Some(name) = script_interpreter(&start) {
        let name = as_path(name);
        if name.as_os_str().as_bytes().ends_with(b"\r") {
            return Some(format!(
                "the line of its interpreter \"{}\" ends in a carriage return, as of Windows",
                shown(name)
            ));
        }
        return is_missing(name).then(|| format!("its interpreter {} is not there", shown(name)));
    }
    let name = as_path(Elf::parse(&start)?.interpreter(&start)?);
    is_missing(name).then(|| {
        format!("its dynamic linker {} is not there; was it built for another C library?", shown(name))
    })
}

fn is_missing(path: &Path) -> bool {
    matches!(path.metadata(), Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory))
}

/// What of a path is not there. A path that does not begin with `/` hangs on the working directory.
fn first_missing(path: &Path) -> String {
    if let Ok(target) = path.read_link() {
        return format!("it is a symbolic link to {}, which is not there", shown(&target));
    }
    let above = path.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty());
    if let Some(first) = above.filter(|above| is_missing(above)).last() {
        return format!("there is no {}", shown(first));
    }
    match std::env::current_dir() {
        Ok(directory) if path.is_relative() => format!("it is not there, seen from {}", shown(&directory)),
        _ => "it is not there".to_owned(),
    }
}

/// ENOTDIR: a part of the way is something else.
fn no_directory(path: &Path) -> Option<String> {
    let wrong = path
        .ancestors()
        .skip(1)
        .filter(|above| above.metadata().is_ok_and(|found| !found.is_dir()))
        .last()?;
    Some(format!("{} is no directory", shown(wrong)))
}

/// EACCES, which is about the file, the way to it, its file system, or its interpreter.
fn not_permitted(path: &Path) -> Option<String> {
    refusal(path, "it").or_else(|| {
        let start = start(path)?;
        let elf = Elf::parse(&start);
        let name = match &elf {
            Some(elf) => elf.interpreter(&start)?,
            None => script_interpreter(&start)?,
        };
        let name = as_path(name);
        refusal(name, &format!("its interpreter {}", shown(name)))
    })
}

/// Why we may not execute the file at `path`, which the sentence calls `what`.
fn refusal(path: &Path, what: &str) -> Option<String> {
    let found = match path.metadata() {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            // The first from the root that we may not go through.
            let closed = path.ancestors().skip(1).filter(|above| {
                !above.as_os_str().is_empty()
                    && access(*above, AccessFlags::X_OK) == Err(nix::errno::Errno::EACCES)
            });
            let closed = closed.last()?;
            return Some(format!("{} may not enter {}", who(), shown(closed)));
        }
        Err(_) => return None,
    };
    if found.is_dir() {
        return Some(format!("{what} is a directory"));
    }
    let kind = found.file_type();
    if kind.is_fifo() || kind.is_socket() || kind.is_char_device() || kind.is_block_device() {
        return Some(format!("{what} is no regular file"));
    }
    if found.mode() & 0o111 == 0 {
        return Some(format!(
            "{what} has no execute permission (mode {:04o}); chmod +x it",
            found.mode() & 0o7777
        ));
    }
    if statvfs(path).is_ok_and(|system| system.flags().contains(FsFlags::ST_NOEXEC)) {
        return Some(format!("{what} is on a file system that is mounted noexec"));
    }
    access(path, AccessFlags::X_OK).is_err().then(|| {
        format!("{} may not execute {what} (mode {:04o}, {})", who(), found.mode() & 0o7777, owner(&found))
    })
}

fn who() -> String {
    format!("user {}:{}", geteuid(), getegid())
}

fn owner(found: &Metadata) -> String {
    format!("of {}:{}", found.uid(), Gid::from_raw(found.gid()))
}

/// EPERM: a file with capabilities of which the bounding set lacks some is refused where they are to be
/// effective at once (capabilities(7), "Safety checking for capability-dumb binaries").
fn capabilities(path: &Path) -> Option<String> {
    let path = CString::new(path.as_os_str().as_bytes()).ok()?;
    let wanted = file_capabilities(&path)?;
    let lacking = (0..64).filter(|number| wanted & 1 << number != 0);
    let lacking: Vec<String> =
        lacking.filter(|number| sys::is_in_bounding_set(*number) == Some(false)).map(capability).collect();
    let names = lacking.join(", ");
    (!lacking.is_empty()).then(|| {
        format!(
            "it has file capabilities that this container may not have: {}; add them, or setcap -r it",
            shown(&names)
        )
    })
}

/// The permitted set of a file whose capabilities are to be effective: `struct vfs_cap_data` in
/// linux/capability.h.
fn file_capabilities(path: &CStr) -> Option<u64> {
    let mut buffer = [0; 32];
    let data = sys::attribute(path, c"security.capability", &mut buffer)?;
    let word = |place: usize| {
        data.get(place * 4..place * 4 + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes)
    };
    let is_effective = word(0)? & 1 != 0;
    // The permitted set in two halves, with the inheritable one between them. Revision 1 has the lower alone.
    let permitted = u64::from(word(1)?) | u64::from(word(3).unwrap_or(0)) << 32;
    is_effective.then_some(permitted)
}

/// The name of a capability: linux/capability.h, in the order of the numbers.
fn capability(number: u32) -> String {
    const NAMES: &str = "chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable \
        net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace \
        sys_pacct sys_admin sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease audit_write audit_control \
        setfcap mac_override mac_admin syslog wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore";
    match NAMES.split(' ').nth(number as usize) {
        Some(name) => format!("cap_{name}"),
        None => format!("capability {number}"),
    }
}

/// ENOEXEC: an ELF file that is not for this machine.
fn foreign(path: &Path) -> Option<String> {
    let elf = Elf::parse(&start(path)?)?;
    let uname = nix::sys::utsname::uname().ok()?;
    let machine = uname.machine().to_string_lossy();
    Some(match elf.is_for(&machine) {
        Some(true) => {
            "it is an ELF file for this machine, but not one that the kernel can load; is it whole?"
                .to_owned()
        }
        _ => format!("it is an ELF file for {}, and this machine is {}", elf.machine(), shown(&*machine)),
    })
}

/// Whether the file is one of ELF, which a shell is not to be asked to read.
pub(super) fn is_elf(path: &Path) -> bool {
    start(path).is_some_and(|start| Elf::parse(&start).is_some())
}
