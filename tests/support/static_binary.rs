//! The static epitaph, as it is shipped: what goes into an image `FROM scratch` and into the virtual machine.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use super::{archive, binary, process};

/// A release build with fat LTO takes about a minute on two cores.
const BUILD_BOUND: Duration = Duration::from_secs(600);

/// The path of the static epitaph: the binary under test where [`binary::BINARY`] names one, else what the
/// first call builds with the documented command into `target/static`. A further build is a look by cargo
/// that nothing changed, and cargo's own lock keeps two test binaries from building at once.
///
/// # Errors
///
/// When this machine cannot link a static program.
///
/// # Panics
///
/// When the build fails, or its result is not static.
pub fn static_binary() -> Result<&'static Path, &'static str> {
    static BINARY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    BINARY.get_or_init(get).as_deref().map_err(String::as_str)
}

/// A copy of the binary as an image has it: written from the start to the end.
///
/// A linker writes through a memory map, and so its file is in the page cache as single pages. Each start has
/// to map them one by one, which makes it 5 to 10 % longer. The files that it is timed beside came out of
/// packages.
///
/// # Errors
/// Those of the copying.
pub fn copy_as_shipped(binary: &Path, directory: &Path) -> std::io::Result<PathBuf> {
    let copy = directory.join("epitaph");
    process::write_program(&copy, &std::fs::read(binary)?);
    // What is being written to the disk meanwhile would be in the way.
    std::fs::File::open(&copy)?.sync_all()?;
    Ok(copy)
}

/// Where cargo puts what the tests of this crate need and make: the `target` directory.
pub fn target_directory() -> &'static Path {
    // `target/tmp`, with and without `--target`.
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("cargo's directory is not the root")
}

fn get() -> Result<PathBuf, String> {
    let binary = match binary::given() {
        Some(ready) => ready,
        None => build()?,
    };
    match archive::is_static(&binary) {
        Ok(is_static) => assert!(is_static, "{} is not static", binary.display()),
        Err(error) => panic!("the static binary: {error}"),
    }
    Ok(binary)
}

fn build() -> Result<PathBuf, String> {
    let host = host_triple();
    if host.ends_with("-gnu") && !has_static_libc() {
        return Err("the static C library is not installed (apt-get install libc6-dev)".to_owned());
    }
    let directory = target_directory().join("static");
    let built = process::output(
        Command::new(env!("CARGO"))
            .args(["build", "--release", "--target", &host, "--target-dir"])
            .arg(&directory)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("RUSTFLAGS", "-C target-feature=+crt-static")
            // It would win over RUSTFLAGS; coverage tools set it.
            .env_remove("CARGO_ENCODED_RUSTFLAGS"),
        BUILD_BOUND,
    )
    .unwrap_or_else(|error| panic!("the static binary: {error}"));
    assert!(
        built.status.success(),
        "the static binary could not be built:\n{}",
        String::from_utf8_lossy(&built.stderr)
    );
    Ok(directory.join(host).join("release/epitaph"))
}

fn host_triple() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = process::stdout(Command::new(rustc).arg("-vV"), Duration::from_secs(30))
        .unwrap_or_else(|error| panic!("rustc: {error}"));
    version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .unwrap_or_else(|| panic!("rustc -vV names no host:\n{version}"))
        .to_owned()
}

/// The C compiler answers with a path when it finds the file, and with the bare name when it does not.
fn has_static_libc() -> bool {
    process::stdout(Command::new("cc").arg("-print-file-name=libc.a"), Duration::from_secs(30))
        .is_ok_and(|file| file.starts_with('/'))
}
