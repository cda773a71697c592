//! The inits: the real ones, and epitaph called by their names.

use crate::call::Call;
use crate::runner::skip;
use crate::support::binary;
use crate::support::static_binary::static_binary;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The names under which a row can be run. The last three have no original of their own to be compared with:
/// engines have tini as docker-init and catatonit as podman-init, and epitaph's habits are tini's.
pub const NAMES: [&str; 7] =
    ["tini", "tini-static", "dumb-init", "catatonit", "docker-init", "podman-init", "epitaph"];

/// The names that engines give an init, and which one it is.
pub const ALIASES: [(&str, &str); 2] = [("docker-init", "tini"), ("podman-init", "catatonit")];

/// Those with an original.
pub const ORIGINALS: [&str; 4] = ["tini", "tini-static", "dumb-init", "catatonit"];

/// One init.
#[derive(Debug, Clone)]
pub struct Init {
    /// what it is called as
    pub name: &'static str,
    /// where it is
    pub path: PathBuf,
    /// whether it is ours
    pub is_epitaph: bool,
}

impl Init {
    /// A call of it.
    pub fn call(&self) -> Call {
        Call::new(&self.path)
    }
}

/// All of them.
pub struct Inits {
    /// the originals that are installed here
    pub originals: Vec<Init>,
    /// epitaph by every name
    pub ours: Vec<Init>,
    _links: TempDir,
}

impl Inits {
    /// Looks for the originals, and makes the links to epitaph.
    pub fn find() -> Inits {
        let originals = ORIGINALS.iter().filter_map(|name| {
            let path = ["/usr/bin", "/sbin", "/usr/local/bin", "/bin"].map(|dir| Path::new(dir).join(name));
            let path = path.into_iter().find(|path| path.exists())?;
            Some(Init { name, path, is_epitaph: false })
        });
        let originals = originals.collect();
        let links = tempfile::Builder::new().prefix("epitaph-drop-in-").tempdir().unwrap();
        let ours = NAMES.iter().map(|name| {
            let path = links.path().join(name);
            symlink(epitaph(), &path).unwrap();
            Init { name, path, is_epitaph: true }
        });
        Inits { originals, ours: ours.collect(), _links: links }
    }
}

/// The binary under test: the static one, as it is shipped.
fn epitaph() -> PathBuf {
    match static_binary() {
        Ok(path) => std::fs::canonicalize(path).unwrap(),
        Err(reason) => {
            skip(&format!("the static binary: {reason}; the one that is built for tests takes its place"));
            binary::epitaph().into()
        }
    }
}
