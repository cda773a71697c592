//! Which epitaph is tested.
#![allow(dead_code)]

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::OnceLock;

/// The variable that names the binary under test, a static one, for every suite: the file of a release, say.
/// Without it each suite takes one that cargo has built from this tree.
pub const BINARY: &str = "EPITAPH_TEST_BINARY";

/// What [`BINARY`] names, if it is set.
///
/// # Panics
///
/// When there is no such file.
pub fn given() -> Option<PathBuf> {
    let path = PathBuf::from(std::env::var_os(BINARY)?);
    match std::fs::canonicalize(&path) {
        Ok(path) => Some(path),
        Err(error) => panic!("{BINARY}={}: {error}", path.display()),
    }
}

/// The path of the binary under test: what [`BINARY`] names, else the one that cargo has built for this test.
pub fn epitaph() -> &'static OsString {
    static PATH: OnceLock<OsString> = OnceLock::new();
    PATH.get_or_init(|| given().map_or_else(|| env!("CARGO_BIN_EXE_epitaph").into(), PathBuf::into_os_string))
}
