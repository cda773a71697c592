//! Descriptors and files.

use std::ffi::CStr;
use std::io;
use std::os::fd::{BorrowedFd, RawFd};

/// Puts something into those of the descriptors 0, 1 and 2 that are closed, so that no descriptor of
/// epitaph's own can land there and receive what is meant for stderr.
///
/// What is put there can be neither read nor written, and closes at the exec: the program finds the
/// descriptor closed, as it was given.
pub fn reserve_standard_descriptors() {
    for fd in 0..=2 {
        // SAFETY: F_GETFD only asks; a path descriptor is opened at the lowest free number, which is `fd`.
        unsafe {
            if libc::fcntl(fd, libc::F_GETFD) < 0 {
                libc::open(c"/".as_ptr(), libc::O_PATH | libc::O_CLOEXEC);
            }
        }
    }
}

/// write(2) that fails with `WouldBlock` rather than wait, whatever the descriptor's own flags.
///
/// The O_NONBLOCK flag belongs to the open file, which the program shares, so it must not be set on an
/// inherited descriptor.
///
/// # Errors
/// Those of pwritev2(2) with RWF_NOWAIT; `Unsupported` where kernel or file do not know the flag (pipes do
/// since Linux 6.4).
pub fn write_nowait(fd: RawFd, bytes: &[u8]) -> io::Result<usize> {
    let part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: the vector points to `bytes`, which is only read. An offset of -1 is the file's own position.
    // The offset goes in two halves, the upper of which is not looked at where a register holds it all.
    let written = unsafe {
        libc::syscall(
            libc::SYS_pwritev2,
            libc::c_long::from(fd),
            &raw const part,
            1 as libc::c_long,
            -1 as libc::c_long,
            -1 as libc::c_long,
            libc::c_long::from(libc::RWF_NOWAIT),
        )
    };
    usize::try_from(written).map_err(|_| match io::Error::last_os_error() {
        error if error.raw_os_error() == Some(libc::EOPNOTSUPP) => io::ErrorKind::Unsupported.into(),
        error if error.raw_os_error() == Some(libc::ENOSYS) => io::ErrorKind::Unsupported.into(),
        error if error.raw_os_error() == Some(libc::EINVAL) => io::ErrorKind::Unsupported.into(),
        // A seccomp profile older than the call.
        error if error.raw_os_error() == Some(libc::EPERM) => io::ErrorKind::Unsupported.into(),
        error => error,
    })
}

/// Whether poll(2) sees room for writing, or an error that a write will tell.
pub fn has_room(fd: RawFd) -> bool {
    let mut poll = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
    // SAFETY: `poll` is one entry and valid for the call.
    unsafe { libc::poll(&raw mut poll, 1, 0) > 0 }
}

/// write(2) on a descriptor of which nothing but the number is known.
///
/// # Errors
/// Those of write(2).
pub fn write(fd: RawFd, bytes: &[u8]) -> io::Result<usize> {
    // SAFETY: `bytes` is only read.
    usize::try_from(unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) })
        .map_err(|_| io::Error::last_os_error())
}

/// Descriptor 0, whatever it is open on. `std::io::stdin` would come with a buffer of 8 KB.
pub fn stdin_descriptor() -> BorrowedFd<'static> {
    // SAFETY: as for `stderr_descriptor`.
    unsafe { BorrowedFd::borrow_raw(libc::STDIN_FILENO) }
}

/// Descriptor 2, whatever it is open on.
pub fn stderr_descriptor() -> BorrowedFd<'static> {
    // SAFETY: `reserve_standard_descriptors` saw to it that 2 is open, and nothing here closes it.
    unsafe { BorrowedFd::borrow_raw(libc::STDERR_FILENO) }
}

/// Whether something is mounted at `path`: statx(2). `None` before Linux 5.8, which cannot tell; a file that
/// is not there is no mount.
pub fn is_mount_root(path: &CStr) -> Option<bool> {
    let mut file = std::mem::MaybeUninit::<libc::statx>::zeroed();
    // SAFETY: the path is a string and `file` is valid for the call, and when all zeros.
    let (result, file) = unsafe {
        let result = libc::syscall(
            libc::SYS_statx,
            libc::c_long::from(libc::AT_FDCWD),
            path.as_ptr(),
            libc::c_long::from(libc::AT_SYMLINK_NOFOLLOW),
            libc::c_long::from(libc::STATX_TYPE),
            file.as_mut_ptr(),
        );
        (result, file.assume_init())
    };
    if result != 0 {
        return (io::Error::last_os_error().raw_os_error() == Some(libc::ENOENT)).then_some(false);
    }
    let mount_root = u64::try_from(libc::STATX_ATTR_MOUNT_ROOT).unwrap_or(0);
    (file.stx_attributes_mask & mount_root != 0).then_some(file.stx_attributes & mount_root != 0)
}
