//! Which init epitaph is called as.

use std::ffi::OsStr;
use std::path::Path;

/// The init whose habits apply, by the name that epitaph was called by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Persona {
    /// any other name: tini's habits and all of epitaph's options
    #[default]
    Epitaph,
    /// `tini` or `tini-static`
    Tini,
    /// `docker-init`, the name under which Docker mounts its `--init`
    DockerInit,
    /// `dumb-init`
    DumbInit,
    /// `catatonit`, or `podman-init`, the name under which Podman mounts its `--init`
    Catatonit,
}

impl Persona {
    /// By the file name in `argv[0]`.
    pub fn from_name(argv0: &OsStr) -> Persona {
        match Path::new(argv0).file_name().and_then(OsStr::to_str) {
            Some("tini" | "tini-static") => Persona::Tini,
            Some("docker-init") => Persona::DockerInit,
            Some("dumb-init") => Persona::DumbInit,
            Some("catatonit" | "podman-init") => Persona::Catatonit,
            _ => Persona::Epitaph,
        }
    }

    /// The name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Persona::Epitaph => "epitaph",
            Persona::Tini => "tini",
            Persona::DockerInit => "docker-init",
            Persona::DumbInit => "dumb-init",
            Persona::Catatonit => "catatonit",
        }
    }

    /// The answer to `--version`.
    ///
    /// Docker and Podman ask their init for it and look for `tini version` at the start.
    pub fn version(self) -> &'static str {
        match self {
            Persona::Epitaph => concat!("epitaph ", env!("CARGO_PKG_VERSION"), "\n"),
            Persona::DumbInit => concat!("dumb-init v1.2.5 (epitaph ", env!("CARGO_PKG_VERSION"), ")\n"),
            Persona::Tini | Persona::DockerInit | Persona::Catatonit => {
                concat!("tini version 0.19.0 (epitaph ", env!("CARGO_PKG_VERSION"), ")\n")
            }
        }
    }
}
