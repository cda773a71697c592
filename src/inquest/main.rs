//! inquest: what became of a container, from whatever logs are left.
#![forbid(unsafe_code)]

use std::process::ExitCode;

/// That of the release file, whose C library has one lock for all threads.
#[cfg(target_env = "musl")]
#[global_allocator]
static HEAP: epitaph::sys_pool::Pool = epitaph::sys_pool::Pool::new();

fn main() -> ExitCode {
    epitaph::inquest::main()
}
