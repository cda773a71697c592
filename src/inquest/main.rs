//! inquest: what became of a container, from whatever logs are left.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    epitaph::inquest::main()
}
