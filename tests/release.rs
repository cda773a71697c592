//! What packaging/build.sh has made, in `target/release-files`: that the sums are right, that the packages
//! and images hold the files of the release and start, and that nothing but them is in there.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[path = "support/podman.rs"]
mod podman;
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use podman::{Podman, call};
use serde_json::Value;
use support::process::{find_program, output, stdout};
use support::qemu::Machine;
use support::require::require;
use support::static_binary::target_directory;
use tempfile::TempDir;

const VERSION: &str = env!("CARGO_PKG_VERSION");
const BOUND: Duration = Duration::from_secs(120);
/// Debian's names of the processors, the targets, and what an image's manifest calls them.
const PROCESSORS: [(&str, &str, &str); 2] =
    [("amd64", "x86_64-unknown-linux-musl", "amd64"), ("arm64", "aarch64-unknown-linux-musl", "arm64")];

/// The file of the release with this name, which may have `{}` where the version is.
fn released(name: &str) -> Option<PathBuf> {
    let path = target_directory().join("release-files").join(name.replace("{}", VERSION));
    let found = if path.exists() {
        Ok(path)
    } else {
        Err(format!("{} (packaging/build.sh makes it)", path.display()))
    };
    require("release files", found)
}

fn binary(target: &str) -> Option<PathBuf> {
    released(&format!("epitaph-{{}}-{target}"))
}

#[test]
fn the_sums_are_those_of_all_files() {
    let Some(sums) = released("SHA256SUMS") else { return };
    let folder = sums.parent().unwrap();
    let checked = output(
        Command::new("sha256sum").args(["--check", "--strict", "SHA256SUMS"]).current_dir(folder),
        BOUND,
    );
    let checked = checked.unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    let listed = std::fs::read_to_string(&sums).unwrap();
    let mut listed: Vec<&str> = listed.lines().map(|line| line.split_once("  ").unwrap().1).collect();
    let files =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut files: Vec<String> = files.filter(|name| name != "SHA256SUMS").collect();
    listed.sort_unstable();
    files.sort_unstable();
    assert_eq!(listed, files);
}

#[test]
fn the_list_of_parts_is_of_the_file_and_has_what_is_locked() {
    for (_, target, _) in PROCESSORS {
        let (Some(file), Some(list)) = (binary(target), released(&format!("epitaph-{{}}-{target}.cdx.json")))
        else {
            return;
        };
        let list: Value = serde_json::from_str(&std::fs::read_to_string(list).unwrap()).unwrap();
        assert_eq!((&list["bomFormat"], &list["specVersion"]), (&"CycloneDX".into(), &"1.5".into()));
        let root = &list["metadata"]["component"];
        assert_eq!((root["name"].as_str(), root["version"].as_str()), (Some("epitaph"), Some(VERSION)));
        let sum = stdout(Command::new("sha256sum").arg(file), BOUND).unwrap();
        assert_eq!(root["hashes"][0]["content"].as_str(), sum.split(' ').next());
        let components = list["components"].as_array().unwrap();
        let scope = |name: &str| {
            components.iter().find(|part| part["name"] == name).map(|part| part["scope"].clone())
        };
        for linked in ["serde_json", "nix", "libc", "ureq", "musl", "rust-std"] {
            assert_eq!(scope(linked), Some("required".into()), "{linked}");
        }
        assert_eq!(scope("serde_derive"), Some("excluded".into()), "it runs while epitaph is built");
        assert_eq!(scope("proptest"), None, "it is for tests alone");
        assert_eq!(scope("clap"), None, "it is inquest's");
        let lock = include_str!("../Cargo.lock");
        for part in components.iter().filter(|part| part["purl"].is_string()) {
            let (name, version) = (part["name"].as_str().unwrap(), part["version"].as_str().unwrap());
            assert!(lock.contains(&format!("name = \"{name}\"\nversion = \"{version}\"")), "{part}");
            assert!(lock.contains(part["hashes"][0]["content"].as_str().unwrap()), "{part}");
            assert!(part["licenses"][0]["expression"].is_string(), "{part}");
        }
    }
}

/// The section that scanners look for, decompressed by Python's zlib.
#[test]
fn the_file_tells_its_parts_to_scanners() {
    let Some(objcopy) = require("objcopy", find_program("objcopy", "binutils")) else { return };
    let Some(python) = require("python3", find_program("python3", "python3")) else { return };
    let Some(file) = binary("x86_64-unknown-linux-musl") else { return };
    let folder = tempfile::tempdir().unwrap();
    let section = folder.path().join("section");
    let dump = format!(".dep-v0={}", section.display());
    let null = folder.path().join("rest");
    stdout(Command::new(objcopy).args(["--dump-section", &dump]).arg(&file).arg(null), BOUND).unwrap();
    let size = section.metadata().unwrap().len();
    assert!(size <= 2048, "{size} bytes");
    let unpack = "import sys, zlib; print(zlib.decompress(open(sys.argv[1], 'rb').read()).decode())";
    let list = stdout(Command::new(python).args(["-c", unpack]).arg(section), BOUND).unwrap();
    let list: Value = serde_json::from_str(&list).unwrap();
    let packages = list["packages"].as_array().unwrap();
    let root: Vec<&Value> = packages.iter().filter(|package| package["root"] == true).collect();
    assert_eq!((root.len(), &root[0]["name"], &root[0]["version"]), (1, &"epitaph".into(), &VERSION.into()));
    assert!(packages.iter().any(|package| package["name"] == "libc"), "{list}");
}

fn unpacked(architecture: &str) -> Option<TempDir> {
    let dpkg = require("dpkg-deb", find_program("dpkg-deb", "dpkg"))?;
    let package = released(&format!("epitaph_{{}}-1_{architecture}.deb"))?;
    let folder = tempfile::tempdir().unwrap();
    stdout(Command::new(dpkg).arg("-x").arg(package).arg(folder.path()), BOUND).unwrap();
    Some(folder)
}

#[test]
fn the_debian_packages_hold_the_files_and_lintian_has_nothing_to_say() {
    for (architecture, target, _) in PROCESSORS {
        let (Some(file), Some(folder)) = (binary(target), unpacked(architecture)) else { return };
        let at = |path: &str| folder.path().join("usr").join(path);
        assert!(std::fs::read(at("bin/epitaph")).unwrap() == std::fs::read(file).unwrap(), "another file");
        let Some(reader) = released(&format!("inquest-{{}}-{target}")) else { return };
        assert!(std::fs::read(at("bin/inquest")).unwrap() == std::fs::read(reader).unwrap(), "another file");
        for path in [
            "share/man/man1/epitaph.1.gz",
            "share/man/man1/inquest.1.gz",
            "share/man/man5/epitaph-records.5.gz",
            "share/bash-completion/completions/epitaph",
            "share/zsh/vendor-completions/_epitaph",
            "share/fish/vendor_completions.d/epitaph.fish",
            "share/bash-completion/completions/inquest",
            "share/zsh/vendor-completions/_inquest",
            "share/fish/vendor_completions.d/inquest.fish",
            "share/doc/epitaph/copyright",
            "share/doc/epitaph/records.md",
        ] {
            assert!(at(path).metadata().is_ok_and(|file| file.len() > 200), "{path}");
        }
        let Some(lintian) = require("lintian", find_program("lintian", "lintian")) else { continue };
        let package = released(&format!("epitaph_{{}}-1_{architecture}.deb")).unwrap();
        let said = output(
            Command::new(lintian).args(["--fail-on", "error,warning", "--allow-root"]).arg(package),
            BOUND,
        );
        let said = said.unwrap();
        assert!(said.status.success() && said.stdout.is_empty(), "{}", String::from_utf8_lossy(&said.stdout));
    }
}

#[test]
fn the_amd64_package_starts() {
    let Some(folder) = unpacked("amd64") else { return };
    let mut epitaph = Command::new(folder.path().join("usr/bin/epitaph"));
    let ended = output(epitaph.args(["-s", "--", "sh", "-c", "echo it runs; exit 7"]), BOUND).unwrap();
    assert_eq!((ended.status.code(), ended.stdout.as_slice()), (Some(7), &b"it runs\n"[..]));
    let log = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/inquest/shaped/plain/terminal.log");
    let read =
        stdout(Command::new(folder.path().join("usr/bin/inquest")).arg("list").arg(log), BOUND).unwrap();
    assert!(read.contains("oom_killed"), "{read}");
}

/// What the reader is made of is told apart from what the init is.
#[test]
fn the_list_of_parts_of_inquest_has_what_the_init_has_not() {
    for (_, target, _) in PROCESSORS {
        let Some(list) = released(&format!("inquest-{{}}-{target}.cdx.json")) else { return };
        let list: Value = serde_json::from_str(&std::fs::read_to_string(list).unwrap()).unwrap();
        let components = list["components"].as_array().unwrap();
        for name in ["clap", "flate2", "jiff"] {
            assert!(components.iter().any(|part| part["name"] == name), "{name}");
        }
        assert!(!components.iter().any(|part| part["name"] == "proptest"), "it is for tests alone");
    }
}

/// The layout of the images (<https://github.com/opencontainers/image-spec>), unpacked.
struct Layout(TempDir);

impl Layout {
    fn unpack() -> Option<Layout> {
        let archive = released("epitaph-{}-oci.tar")?;
        let folder = tempfile::tempdir().unwrap();
        stdout(Command::new("tar").arg("-xf").arg(archive).arg("-C").arg(folder.path()), BOUND).unwrap();
        Some(Layout(folder))
    }

    fn blob(&self, digest: &Value) -> PathBuf {
        self.0.path().join("blobs").join(digest.as_str().unwrap().replace(':', "/"))
    }

    fn json(&self, digest: &Value) -> Value {
        serde_json::from_slice(&std::fs::read(self.blob(digest)).unwrap()).unwrap()
    }

    /// What is in the only layer of the image for this processor.
    fn files(&self, processor: &str) -> TempDir {
        let index: Value =
            serde_json::from_slice(&std::fs::read(self.0.path().join("index.json")).unwrap()).unwrap();
        let list = self.json(&index["manifests"][0]["digest"]);
        let images = list["manifests"].as_array().unwrap();
        assert_eq!(images.len(), PROCESSORS.len(), "{list}");
        let image = images.iter().find(|image| image["platform"]["architecture"] == processor);
        let manifest = self.json(&image.unwrap_or_else(|| panic!("no {processor} in {list}"))["digest"]);
        let config = self.json(&manifest["config"]["digest"]);
        assert_eq!(config["architecture"], processor);
        assert_eq!(config["config"]["Entrypoint"], serde_json::json!(["/epitaph", "--"]));
        assert_eq!(config["config"]["Labels"]["org.opencontainers.image.version"], VERSION);
        let layers = manifest["layers"].as_array().unwrap();
        assert_eq!(layers.len(), 1, "{manifest}");
        let folder = tempfile::tempdir().unwrap();
        let layer = self.blob(&layers[0]["digest"]);
        stdout(Command::new("tar").arg("-xf").arg(layer).arg("-C").arg(folder.path()), BOUND).unwrap();
        folder
    }
}

fn names(folder: &Path) -> Vec<String> {
    let names =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

#[test]
fn the_images_hold_the_file_alone() {
    let Some(layout) = Layout::unpack() else { return };
    for (_, target, processor) in PROCESSORS {
        let Some(file) = binary(target) else { return };
        let files = layout.files(processor);
        assert_eq!(names(files.path()), ["epitaph"]);
        assert!(
            std::fs::read(files.path().join("epitaph")).unwrap() == std::fs::read(file).unwrap(),
            "{target}"
        );
    }
}

#[test]
fn the_image_of_this_processor_starts() {
    let Some(podman) = require("podman", Podman::new()) else { return };
    let Some(archive) = released("epitaph-{}-oci.tar") else { return };
    // It is the entry point: what follows the image's name is the program, and there is none in it but
    // epitaph itself.
    let mut run = podman.run(&["--rm"]);
    let ended = call(run.arg(format!("oci-archive:{}", archive.display())).args(["/epitaph", "--version"]));
    assert_eq!(String::from_utf8_lossy(&ended.stdout), format!("epitaph {VERSION}\n"), "{ended:?}");
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let records = String::from_utf8(ended.stderr).unwrap();
    assert!(records.contains("\"epitaph\":\"exit\"") && records.contains("\"verdict\":\"ok\""), "{records}");
}

/// Both in one boot of the virtual machine.
#[test]
fn the_arm64_package_and_image_start() {
    let (Some(package), Some(layout)) = (unpacked("arm64"), Layout::unpack()) else { return };
    let Some(machine) = require("qemu for arm64", Machine::arm64()) else { return };
    let image = layout.files("arm64");
    let machine = machine.program("package/epitaph", &package.path().join("usr/bin/epitaph")).unwrap();
    let machine = machine.program("image/epitaph", &image.path().join("epitaph")).unwrap();
    let boot = machine.boot(
        "for from in package image; do
             /$from/epitaph -s -- sh -c \"echo from the $from; exit 7\" 2>/dev/null
             echo ended $?
         done",
    );
    assert_eq!(boot.output.trim(), "from the package\nended 7\nfrom the image\nended 7", "{boot:#?}");
}
