//! The init is what it was before there was a reader: no crate of the reader's is in it, and not a byte.

use std::process::Command;

/// The names of the crates in the build of `arguments`.
fn crates(arguments: &[&str]) -> Vec<String> {
    let mut command = Command::new(env!("CARGO"));
    command.args([
        "tree",
        "--locked",
        "--offline",
        "--edges",
        "normal,build",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ]);
    let output = command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("cargo");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let mut names: Vec<String> =
        text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}

#[test]
fn no_crate_of_the_readers_is_in_the_init() {
    let (init, reader) = (crates(&[]), crates(&["--features", "inquest"]));
    for name in ["flate2", "zlib-rs", "clap", "jiff", "ruzstd", "walkdir", "aho-corasick", "unicode-width"] {
        assert!(reader.iter().any(|other| other == name), "{name} is the reader's: {reader:?}");
        assert!(!init.iter().any(|other| other == name), "{name} is in the init");
    }
}

#[test]
fn nothing_of_the_reader_is_in_the_static_init() {
    let Some(binary) =
        crate::parts::require::require("a static build", crate::parts::static_binary::static_binary())
    else {
        return;
    };
    let bytes = std::fs::read(binary).expect("the file");
    let holds = |bytes: &[u8], text: &str| memchr::memmem::find(bytes, text.as_bytes()).is_some();
    let reader = std::fs::read(env!("CARGO_BIN_EXE_inquest")).expect("the file");
    for text in ["what became of", "certificate", "OOMKilled", "logStreamName"] {
        assert!(holds(&reader, text), "{text} is the reader's");
        assert!(!holds(&bytes, text), "{text} is in the init");
    }
}
