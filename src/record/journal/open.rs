//! The way to a container's file in the journal, on a volume that others may write to as well.
//!
//! Below the journal's directory nothing is followed, and nothing is trusted for its name: what stands there
//! must be ours or root's, is looked at before it is opened, and once more after.

use crate::shown::Shown;
use nix::NixPath;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::{FileStat, Mode, SFlag, fchmod, fstat, fstatat, mkdirat, umask};
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchown, geteuid, unlinkat};
use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Which names of the journal lead to the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// the directory that was named as the journal
    pub(super) directory: &'a Path,
    /// the day's directory in it, one name
    pub(super) day: &'a str,
    /// the file in that, one name
    pub(super) file: &'a str,
}

/// The permissions of a file, less the umask.
const FILE: Mode = Mode::from_bits_truncate(0o640);

/// The permissions of the journal's directory where it was not there.
const NEW_DIRECTORY: u32 = 0o750;

/// How often to look again when something has just been made or taken away by others.
const ATTEMPTS: usize = 3;

/// Opens the file for appending, and makes it and its directories where they are not there.
///
/// The day's directory is the one that everybody uses, as long as nobody but us, root and the owner of the
/// journal's directory could take our file away there. Else it is one of our own beside it, `YYYY-MM-DD-UID`.
///
/// # Errors
/// Those of the system calls, and one in words where something else stands in the place of the file or of a
/// directory.
pub(super) fn open(place: Place) -> io::Result<File> {
    match DirBuilder::new().recursive(true).mode(NEW_DIRECTORY).create(place.directory) {
        // Something else than a directory: openat(2) says so better.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        result => result?,
    }
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let root = openat(AT_FDCWD, place.directory, flags, Mode::empty())?;
    let root = Directory { stat: fstat(&root)?, fd: root, path: place.directory.to_owned() };
    if let Some(day) = root.shared_day(place.day)? {
        match day.file(place.file) {
            Err(error) if error.raw_os_error() == Some(libc::EACCES) => {}
            result => return result,
        }
    }
    root.own_day(place.day)?.file(place.file)
}

/// A directory that is open, and what it is.
struct Directory {
    fd: OwnedFd,
    stat: FileStat,
    path: PathBuf,
}

impl Directory {
    fn is_sticky(&self) -> bool {
        self.stat.st_mode & libc::S_ISVTX != 0
    }

    /// The directory that all users share, `None` where another user could take our files away in it: who
    /// owns a sticky directory may delete all that is in it (unlink(2), EPERM).
    fn shared_day(&self, name: &str) -> io::Result<Option<Directory>> {
        let for_all = self.is_sticky() && self.stat.st_mode & libc::S_IWOTH != 0;
        let mode = if for_all { 0o1777 } else { self.stat.st_mode & 0o1777 };
        let day = self.directory(name, mode)?;
        // Where the journal's directory is not sticky, who may write to it may take away the whole day.
        let is_trusted = !self.is_sticky() || day.stat.st_uid == self.stat.st_uid || self.is_ours(&day.stat);
        Ok(is_trusted.then_some(day))
    }

    /// A directory for the files of our user alone, which others may read as far as the journal's directory
    /// lets them.
    fn own_day(&self, day: &str) -> io::Result<Directory> {
        let own = self.directory(&format!("{day}-{}", geteuid()), self.stat.st_mode & 0o755 | 0o700)?;
        if self.is_ours(&own.stat) { Ok(own) } else { Err(belongs_to_another(&own.path, &own.stat)) }
    }

    /// The directory of that name in this one, which is made where it is not there.
    fn directory(&self, name: &str, mode: libc::mode_t) -> io::Result<Directory> {
        let made = self.make(name, Mode::from_bits_truncate(mode));
        let path = self.path.join(name);
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NONBLOCK;
        let opened = match self.open_in(name, flags, Mode::empty()) {
            // It need not be readable to be written to.
            Err(Errno::EACCES) => self.open_in(name, OFlag::O_PATH | OFlag::O_DIRECTORY, Mode::empty()),
            other => other,
        };
        let fd = match opened {
            Ok(fd) => fd,
            Err(Errno::ENOENT) => return Err(made.err().unwrap_or(Errno::ENOENT).into()),
            Err(errno) => {
                let stat = self.stat_in(name)?;
                let is_directory = kind(&stat) == SFlag::S_IFDIR;
                return Err(if is_directory { errno.into() } else { stands_there(&path, &stat) });
            }
        };
        let stat = fstat(&fd)?;
        if made.is_ok() && self.is_ours(&stat) {
            // Fails where the group is none of ours: then it stays our own.
            let group = Gid::from_raw(self.stat.st_gid);
            if group != Gid::from_raw(stat.st_gid) && fchown(&fd, None, Some(group)).is_ok() {
                // Some file systems take bits away with the group.
                let _ = fchmod(&fd, Mode::from_bits_truncate(mode));
            }
        }
        Ok(Directory { fd, stat, path })
    }

    /// mkdir(2) without the umask, which is about files that are nobody else's business: whoever may write to
    /// the journal's directory must be able to write to the day's. For a process that has nothing else to do
    /// meanwhile.
    fn make(&self, name: &str, mode: Mode) -> nix::Result<()> {
        let before = umask(Mode::empty());
        let made = mkdirat(&self.fd, name, mode);
        umask(before);
        made
    }

    /// The file of that name, open for appending.
    fn file(&self, name: &str) -> io::Result<File> {
        let flags = OFlag::O_WRONLY | OFlag::O_APPEND | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let mut last = Errno::EAGAIN;
        for _ in 0..ATTEMPTS {
            let opened = match self.stat_in(name) {
                // Not O_CREAT on what is there: the kernel may refuse that in a sticky directory
                // (fs.protected_regular in proc_sys_fs(5)), and would not tell us why.
                Ok(stat) => self.check(name, &stat).map(|()| self.open_in(name, flags, FILE))?,
                Err(Errno::ENOENT) => self.open_in(name, flags | OFlag::O_CREAT | OFlag::O_EXCL, FILE),
                Err(errno) => return Err(errno.into()),
            };
            match opened {
                Ok(fd) => {
                    let stat = fstat(&fd)?;
                    // It was deleted in between.
                    if stat.st_nlink == 0 {
                        continue;
                    }
                    return self.check(name, &stat).map(|()| File::from(fd));
                }
                Err(errno @ (Errno::EEXIST | Errno::ENOENT | Errno::ELOOP | Errno::ENXIO)) => last = errno,
                Err(errno) => return Err(errno.into()),
            }
        }
        Err(last.into())
    }

    /// Whether it is a file that we may append to: a regular one with one name, ours or root's.
    fn check(&self, name: &str, stat: &FileStat) -> io::Result<()> {
        let path = self.path.join(name);
        if kind(stat) != SFlag::S_IFREG {
            return Err(stands_there(&path, stat));
        }
        if stat.st_nlink > 1 {
            let text =
                format!("{} has {} links, so it may be a file of another place", shown(&path), stat.st_nlink);
            return Err(io::Error::other(text));
        }
        if self.is_ours(stat) { Ok(()) } else { Err(belongs_to_another(&path, stat)) }
    }

    /// Whether it belongs to us or to root.
    fn is_ours(&self, stat: &FileStat) -> bool {
        let owner = Uid::from_raw(stat.st_uid);
        owner.is_root() || owner == geteuid() || Some(owner) == self.who_we_are_here()
    }

    /// Who owns what we make here. A file server may have its own mind about that (root_squash of NFS, access
    /// points of EFS), so it is tried; `None` where nothing can be made.
    fn who_we_are_here(&self) -> Option<Uid> {
        let name = format!(".epitaph-{}", std::process::id());
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL;
        let probe = self.open_in(name.as_str(), flags, Mode::from_bits_truncate(0o600)).ok()?;
        let stat = fstat(&probe).ok();
        let _ = unlinkat(&self.fd, name.as_str(), UnlinkatFlags::NoRemoveDir);
        Some(Uid::from_raw(stat?.st_uid))
    }

    fn stat_in(&self, name: &str) -> nix::Result<FileStat> {
        fstatat(&self.fd, name, AtFlags::AT_SYMLINK_NOFOLLOW)
    }

    /// Opens a name in this directory that must be no link.
    fn open_in<P: NixPath + ?Sized>(&self, name: &P, flags: OFlag, mode: Mode) -> nix::Result<OwnedFd> {
        let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        // A mode without O_CREAT is an error to openat2(2).
        let mode = if flags.contains(OFlag::O_CREAT) { mode } else { Mode::empty() };
        let how = OpenHow::new().flags(flags).mode(mode).resolve(
            ResolveFlag::RESOLVE_NO_SYMLINKS
                | ResolveFlag::RESOLVE_NO_MAGICLINKS
                | ResolveFlag::RESOLVE_BENEATH,
        );
        match openat2(self.fd.as_fd(), name, how) {
            // Linux before 5.6, or a seccomp profile older than the call. It is one name, so O_NOFOLLOW does
            // the same.
            Err(Errno::ENOSYS | Errno::EPERM) => openat(self.fd.as_fd(), name, flags, mode),
            other => other,
        }
    }
}

fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits())
}

fn shown(path: &Path) -> Shown<'_> {
    Shown::new(path)
}

fn stands_there(path: &Path, stat: &FileStat) -> io::Error {
    let what = match kind(stat) {
        SFlag::S_IFLNK => "a symbolic link, which is not followed there",
        SFlag::S_IFDIR => "a directory",
        SFlag::S_IFREG => "a file",
        SFlag::S_IFIFO => "a FIFO",
        SFlag::S_IFSOCK => "a socket",
        _ => "a device",
    };
    io::Error::other(format!("{} is {what}", shown(path)))
}

fn belongs_to_another(path: &Path, stat: &FileStat) -> io::Error {
    let own = geteuid();
    io::Error::other(format!("{} belongs to user {}, and epitaph runs as {own}", shown(path), stat.st_uid))
}

#[cfg(test)]
mod tests;
