//! What a system call returns when it fails, and how that is told.

use std::io;

/// The result of a call that returns -1 where it fails.
pub(super) fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// The text of an error without the standard library's `(os error 2)`, which tells nobody more.
pub fn reason(error: &io::Error) -> String {
    error
        .raw_os_error()
        .map_or_else(|| error.to_string(), |errno| nix::Error::from_raw(errno).desc().to_owned())
}
