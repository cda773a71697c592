//! A tree of files as the two archives that the real parts take: tar for a Docker image, cpio for an
//! initramfs.
//!
//! The trees are written here, not by `tar` and `cpio` from a directory, so that ownership, modes and device
//! nodes are right for a user who is not root.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::process;

/// The permission bits of a program.
const EXECUTABLE: u32 = 0o755;

/// Everything belongs to root. Paths are relative to the tree's root, without a leading `/`.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    // In the order of their names, so a directory always stands before what is in it.
    nodes: BTreeMap<String, Node>,
}

#[derive(Clone, Debug)]
enum Node {
    Directory(u32),
    File { mode: u32, content: Vec<u8> },
    Symlink(String),
    CharacterDevice { mode: u32, major: u32, minor: u32 },
}

impl Tree {
    /// An empty directory with the permission bits `mode`.
    #[must_use]
    pub fn directory(mut self, path: &str, mode: u32) -> Self {
        self.add(path, Node::Directory(mode));
        self
    }

    /// A file with this content; `mode` is its permission bits.
    #[must_use]
    pub fn file(mut self, path: &str, mode: u32, content: impl Into<Vec<u8>>) -> Self {
        self.add(path, Node::File { mode, content: content.into() });
        self
    }

    /// A symbolic link to `target`.
    #[must_use]
    pub fn symlink(mut self, path: &str, target: &str) -> Self {
        self.add(path, Node::Symlink(target.to_owned()));
        self
    }

    /// A character device; `mode` is its permission bits.
    #[must_use]
    pub fn character_device(mut self, path: &str, mode: u32, major: u32, minor: u32) -> Self {
        self.add(path, Node::CharacterDevice { mode, major, minor });
        self
    }

    /// A program from this machine, and the shared libraries that it is linked with, at the paths where the
    /// dynamic loader looks for them.
    ///
    /// # Errors
    ///
    /// When a file cannot be read, or a library is missing.
    pub fn program(mut self, path: &str, host: &Path) -> Result<Self, String> {
        for library in shared_libraries(host)? {
            let content = read(&library)?;
            self = self.file(&library.to_string_lossy(), EXECUTABLE, content);
        }
        Ok(self.file(path, EXECUTABLE, read(host)?))
    }

    /// A static busybox as `bin/busybox`, with a link in `bin` for each of its applets.
    ///
    /// # Errors
    ///
    /// When this machine has no static busybox.
    pub fn busybox(self) -> Result<Self, String> {
        let busybox = static_busybox()?;
        Ok(self.applets()?.file("bin/busybox", EXECUTABLE, read(&busybox)?))
    }

    /// The links to `bin/busybox` alone, where that is one for another processor. It must have the applets of
    /// this machine's.
    ///
    /// # Errors
    ///
    /// As [`Tree::busybox`].
    pub fn applets(mut self) -> Result<Self, String> {
        let busybox = static_busybox()?;
        let applets = process::stdout(Command::new(&busybox).arg("--list"), Duration::from_secs(10))?;
        for applet in applets.lines().filter(|applet| *applet != "busybox") {
            self = self.symlink(&format!("bin/{applet}"), "busybox");
        }
        Ok(self)
    }

    /// All files of a folder of this machine at `path`, as programs; links as what they lead to.
    ///
    /// # Errors
    ///
    /// When one cannot be read.
    pub fn folder(mut self, path: &str, host: &Path) -> Result<Self, String> {
        let entries = std::fs::read_dir(host).map_err(|error| format!("{}: {error}", host.display()))?;
        for entry in entries.flatten() {
            let path = format!("{path}/{}", entry.file_name().to_string_lossy());
            self = if entry.path().is_dir() {
                self.folder(&path, &entry.path())?
            } else {
                self.file(&path, EXECUTABLE, read(&entry.path())?)
            };
        }
        Ok(self)
    }

    /// The tree as a tar archive in the ustar format of POSIX.1-2017, `pax`.
    ///
    /// # Panics
    ///
    /// On a path or a link target of more than 100 bytes, for which the format has no room.
    pub fn to_tar(&self) -> Vec<u8> {
        let mut archive = Vec::new();
        for (path, node) in &self.nodes {
            let (kind, mode, content, target, device) = match node {
                Node::Directory(mode) => (b'5', *mode, &[][..], "", None),
                Node::File { mode, content } => (b'0', *mode, &content[..], "", None),
                Node::Symlink(target) => (b'2', 0o777, &[][..], target.as_str(), None),
                Node::CharacterDevice { mode, major, minor } => {
                    (b'3', *mode, &[][..], "", Some((*major, *minor)))
                }
            };
            let mut header = [0_u8; 512];
            let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
            assert!(path.len() <= 100 && target.len() <= 100, "{path}: too long for a ustar header");
            put(0, path.as_bytes());
            put(100, format!("{mode:07o}").as_bytes());
            put(108, b"0000000");
            put(116, b"0000000");
            put(124, format!("{:011o}", content.len()).as_bytes());
            put(136, b"00000000000");
            put(148, b"        ");
            put(156, &[kind]);
            put(157, target.as_bytes());
            put(257, b"ustar\x0000");
            if let Some((major, minor)) = device {
                put(329, format!("{major:07o}").as_bytes());
                put(337, format!("{minor:07o}").as_bytes());
            }
            // The checksum is taken with its own field full of blanks.
            let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
            header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            archive.extend_from_slice(&header);
            archive.extend_from_slice(content);
            pad(&mut archive, 512);
        }
        archive.resize(archive.len() + 1024, 0);
        archive
    }

    /// The tree as a cpio archive in the `newc` format that the kernel unpacks as its initramfs
    /// (Documentation/driver-api/early-userspace/buffer-format.rst).
    pub fn to_cpio(&self) -> Vec<u8> {
        let mut archive = Vec::new();
        for (inode, (path, node)) in (1..).zip(&self.nodes) {
            let (mode, content, device) = match node {
                Node::Directory(mode) => (libc::S_IFDIR | mode, &[][..], (0, 0)),
                Node::File { mode, content } => (libc::S_IFREG | mode, &content[..], (0, 0)),
                Node::Symlink(target) => (libc::S_IFLNK | 0o777, target.as_bytes(), (0, 0)),
                Node::CharacterDevice { mode, major, minor } => {
                    (libc::S_IFCHR | mode, &[][..], (*major, *minor))
                }
            };
            cpio_entry(&mut archive, inode, mode, path, content, device);
        }
        cpio_entry(&mut archive, 0, 0, "TRAILER!!!", &[], (0, 0));
        archive
    }

    fn add(&mut self, path: &str, node: Node) {
        let path = path.trim_matches('/');
        for (at, _) in path.match_indices('/') {
            self.nodes.entry(path[..at].to_owned()).or_insert(Node::Directory(0o755));
        }
        self.nodes.insert(path.to_owned(), node);
    }
}

fn cpio_entry(archive: &mut Vec<u8>, inode: u32, mode: u32, path: &str, content: &[u8], device: (u32, u32)) {
    let header = [
        inode,
        mode,
        0, // uid
        0, // gid
        1, // links
        0, // modified
        u32::try_from(content.len()).expect("an initramfs file is far below 4 GiB"),
        0, // the archive's device, major
        0, // and minor
        device.0,
        device.1,
        u32::try_from(path.len() + 1).expect("a path is far below 4 GiB"),
        0, // no checksum in this format
    ];
    archive.extend_from_slice(b"070701");
    for field in header {
        archive.extend_from_slice(format!("{field:08x}").as_bytes());
    }
    archive.extend_from_slice(path.as_bytes());
    archive.push(0);
    pad(archive, 4);
    archive.extend_from_slice(content);
    pad(archive, 4);
}

fn pad(archive: &mut Vec<u8>, to: usize) {
    archive.resize(archive.len().next_multiple_of(to), 0);
}

fn static_busybox() -> Result<PathBuf, String> {
    let busybox = process::find_program("busybox", "busybox-static")?;
    if !is_static(&busybox)? {
        return Err("busybox is not the static one (apt-get install busybox-static)".to_owned());
    }
    Ok(busybox)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// The libraries that the dynamic loader would map, itself among them; none for a static program.
fn shared_libraries(program: &Path) -> Result<Vec<PathBuf>, String> {
    if is_static(program)? {
        return Ok(Vec::new());
    }
    let listed = process::stdout(Command::new("ldd").arg(program), Duration::from_secs(10))?;
    if let Some(missing) = listed.lines().find(|line| line.contains("not found")) {
        return Err(format!("{}: {}", program.display(), missing.trim()));
    }
    // `libc.so.6 => /lib/libc.so.6 (0x…)`, `/lib64/ld-linux-x86-64.so.2 (0x…)`; the vDSO has no path.
    Ok(listed.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect())
}

/// Whether an ELF program asks for no dynamic loader and no shared library: it has no `PT_INTERP` program
/// header, and `DT_NEEDED` is not in its dynamic section, if it has one (elf(5)). A static program that can
/// be loaded anywhere has one, for its relocations.
///
/// # Errors
///
/// When it cannot be read or is not a 64-bit little-endian ELF file.
pub fn is_static(program: &Path) -> Result<bool, String> {
    const PT_DYNAMIC: usize = 2;
    const PT_INTERP: usize = 3;
    const DT_NEEDED: usize = 1;
    let file = read(program)?;
    let number = |at: usize, size: usize| -> Option<usize> {
        let bytes = file.get(at..at.checked_add(size)?)?;
        Some(bytes.iter().rev().fold(0, |number, byte| (number << 8) | usize::from(*byte)))
    };
    let judge = || -> Option<bool> {
        file.starts_with(b"\x7fELF\x02\x01").then_some(())?;
        let (start, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
        for header in (0..count).map(|index| start + index * size) {
            match number(header, 4)? {
                PT_INTERP => return Some(false),
                PT_DYNAMIC => {
                    let (section, length) = (number(header + 8, 8)?, number(header + 32, 8)?);
                    for entry in (section..section + length).step_by(16) {
                        if number(entry, 8)? == DT_NEEDED {
                            return Some(false);
                        }
                    }
                }
                _ => {}
            }
        }
        Some(true)
    };
    judge().ok_or_else(|| format!("{}: not a 64-bit ELF program", program.display()))
}
