//! Calls of cargo that find what is already built.

use std::env;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PACKAGE: &str = env!("CARGO_MANIFEST_DIR");

/// The cargo that has built this, or that runs it.
fn cargo() -> String {
    env::var("CARGO").unwrap_or_else(|_| env!("CARGO").to_owned())
}

/// The options that make cargo build with the same profile, for the same target and into the same directory
/// as the executable `own`. All of it is read from where that lies: `TARGET-DIR/[TRIPLE/]PROFILE/examples/`
/// for an example, `…/deps/` for a test.
pub fn same_place(own: &Path) -> Vec<String> {
    let last = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let folder = own.parent().filter(|folder| folder.ends_with("examples") || folder.ends_with("deps"));
    let above = folder.and_then(Path::parent).and_then(|profile| Some((last(profile)?, profile.parent()?)));
    // Anywhere else, cargo's defaults have to do.
    let Some((profile, mut directory)) = above else { return Vec::new() };
    let mut options = Vec::new();
    if profile != "debug" {
        options.extend(["--profile".to_owned(), profile]);
    }
    // Every Linux target has this in its name.
    if let Some(triple) = last(directory).filter(|name| name.contains("-linux-"))
        && let Some(parent) = directory.parent()
    {
        options.extend(["--target".to_owned(), triple]);
        directory = parent;
    }
    if directory != Path::new(PACKAGE).join("target") {
        options.extend(["--target-dir".to_owned(), directory.to_string_lossy().into_owned()]);
    }
    options
}

/// A call of cargo for this package, from wherever it is made.
pub fn command(words: &[String]) -> Command {
    let mut command = Command::new(cargo());
    command
        .args(words)
        .arg("--manifest-path")
        .arg(Path::new(PACKAGE).join("Cargo.toml"))
        .stdin(Stdio::null());
    command
}

/// Runs `cargo build` with these words and returns where the binary `name` is, which cargo tells.
///
/// # Errors
/// What is wrong, in one line; what the compiler says of it is on stderr by then.
pub fn build(words: &[String], name: &str) -> Result<PathBuf, String> {
    let built = command(words)
        .arg("--message-format=json-render-diagnostics")
        .output()
        .map_err(|error| format!("cannot run {}: {error}", cargo()))?;
    if !built.status.success() {
        let _ = std::io::stderr().write_all(&built.stderr);
        return Err(format!("cargo {} failed ({})", words.join(" "), built.status));
    }
    let messages = String::from_utf8_lossy(&built.stdout);
    let executable = messages.lines().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let is_bin = message["target"]["name"] == name && message["target"]["kind"][0] == "bin";
        is_bin.then(|| message["executable"].as_str().map(PathBuf::from)).flatten()
    });
    executable.ok_or_else(|| format!("cargo did not tell where {name} is"))
}
