//! Extended attributes of files: xattr(7).

use std::ffi::CStr;

/// The attribute `name` of the file at `path`, as far as it has room in `buffer`; `None` where it has none,
/// or it is longer, or it cannot be read: getxattr(2).
pub fn attribute<'a>(path: &CStr, name: &CStr, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    // SAFETY: both are strings, and the kernel writes no more than the buffer holds.
    let length =
        unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), buffer.as_mut_ptr().cast(), buffer.len()) };
    buffer.get(..usize::try_from(length).ok()?)
}

/// Whether `capability` (capabilities(7)) is in the bounding set of this process: PR_CAPBSET_READ, prctl(2).
/// `None` where the kernel does not know it.
pub fn is_in_bounding_set(capability: u32) -> Option<bool> {
    // SAFETY: the argument is a number.
    match unsafe { libc::prctl(libc::PR_CAPBSET_READ, libc::c_ulong::from(capability)) } {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}
