//! A number that nobody can foresee.

/// 64 random bits: getrandom(2), which does not wait here. Where the kernel has it not (before 3.17) or
/// refuses, they are made of the time since boot and our process ID: enough for containers not to do the same
/// thing at the same time.
pub fn random() -> u64 {
    let mut bytes = [0_u8; 8];
    // SAFETY: the buffer is valid for its length.
    let length =
        unsafe { libc::syscall(libc::SYS_getrandom, bytes.as_mut_ptr(), bytes.len(), libc::GRND_NONBLOCK) };
    if length == 8 {
        return u64::from_ne_bytes(bytes);
    }
    let time = super::time_since_boot();
    let seed =
        u64::from(time.subsec_nanos()) ^ time.as_secs().rotate_left(32) ^ u64::from(std::process::id());
    seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31)
}
