//! Why a program was not started, told by looking: each mistake made for real, with the kernel's own answer
//! to it.

use crate::init::{Form, Launch};
use crate::process::write_program;
use crate::records;
use crate::require::require;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

in_both_forms! {
    what_is_wrong_with_a_file_is_said
    a_file_that_is_being_written
    a_file_system_without_execution
    capabilities_that_the_container_may_not_have
    a_user_who_may_not
    a_program_in_path_whose_interpreter_is_missing
    a_script_without_a_first_line_is_one_of_the_shell
    a_command_line_as_one_word_tells_no_secret
}

/// A file with this content and mode.
fn file(directory: &Path, name: &str, content: impl AsRef<[u8]>, mode: u32) -> PathBuf {
    let path = directory.join(name);
    write_program(&path, content.as_ref());
    fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    path
}

/// Asserts how the start of a program fails, in the record and in the one diagnostic.
#[track_caller]
fn assert_refused(launch: Launch, code: i32, why: &str) {
    let ended = launch.run();
    assert_eq!(ended.code, Some(code), "{}", ended.stderr);
    let exit = records::exit(&ended.stderr);
    assert_eq!((&exit["code"], &exit["verdict"]), (&code.into(), &"not_started".into()), "{exit}");
    let told = exit["why"].as_str().unwrap();
    assert!(told.starts_with("exec ") && told.ends_with(why), "{told:?} does not end with {why:?}");
    let diagnostics = records::diagnostics(&ended.stderr);
    assert!(diagnostics.len() == 1 && diagnostics[0].ends_with(why), "{diagnostics:?}");
}

/// The start of an ELF file of 64 bits for an architecture (elf.h) that this machine is not.
fn foreign_elf() -> (Vec<u8>, &'static str) {
    let (machine, name) = if cfg!(target_arch = "x86_64") { (183_u8, "aarch64") } else { (62, "x86_64") };
    let mut file =
        vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, machine, 0, 1, 0, 0, 0];
    file.resize(120, 0);
    (file, name)
}

fn what_is_wrong_with_a_file_is_said(form: Form) {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let refused = |path: &Path, code, why: &str| assert_refused(Launch::new(form, [path]), code, why);
    let show = |path: &Path| path.display().to_string();

    let script = file(at, "script", "#!/no/such/interpreter -x\n", 0o755);
    refused(&script, 127, "; its interpreter /no/such/interpreter is not there");
    let script = file(at, "windows", "#!/bin/sh\r\necho hello\r\n", 0o755);
    let why = "; the line of its interpreter \"/bin/sh\\r\" ends in a carriage return, as of Windows";
    refused(&script, 127, why);
    let script = file(at, "no-x", "#!/bin/sh\n", 0o644);
    refused(&script, 126, "; it has no execute permission (mode 0644); chmod +x it");
    let script = file(at, "by-data", format!("#!{}\n", show(&script)), 0o755);
    let interpreter = show(&at.join("no-x"));
    refused(
        &script,
        126,
        &format!("; its interpreter {interpreter} has no execute permission (mode 0644); chmod +x it"),
    );
    refused(at, 126, "; it is a directory");
    refused(&at.join("none"), 127, "; it is not there");
    refused(&at.join("none/bin/x"), 127, &format!("; there is no {}", show(&at.join("none"))));
    refused(&at.join("script/bin/x"), 127, &format!("; {} is no directory", show(&at.join("script"))));
    symlink("nowhere", at.join("link")).unwrap();
    refused(&at.join("link"), 127, "; it is a symbolic link to nowhere, which is not there");

    let (elf, name) = foreign_elf();
    let uname = Command::new("uname").arg("-m").output().unwrap();
    let machine = String::from_utf8(uname.stdout).unwrap();
    let foreign = file(at, "foreign", elf, 0o755);
    refused(
        &foreign,
        126,
        &format!("; it is an ELF file for {name}, and this machine is {}", machine.trim_end()),
    );

    // A file with another dynamic linker of the same length: of this test, where that has one, or of the
    // shell.
    let with_linker = ["/proc/self/exe", "/bin/dash", "/bin/bash"].into_iter().find_map(|path| {
        let elf = fs::read(path).ok()?;
        // The name stands behind the headers.
        let linker = elf.get(..4096)?.windows(4).position(|part| part == b"/lib")?;
        Some((elf, linker))
    });
    if let Some((mut elf, linker)) = require("a dynamic program", with_linker.ok_or("all are static")) {
        elf[linker..linker + 4].copy_from_slice(b"/BIL");
        let end = elf[linker..].iter().position(|byte| *byte == 0).unwrap();
        let name = String::from_utf8(elf[linker..linker + end].to_vec()).unwrap();
        let musl = file(at, "musl", elf, 0o755);
        refused(
            &musl,
            127,
            &format!("; its dynamic linker {name} is not there; was it built for another C library?"),
        );
    }

    let relative = Launch::new(form, ["./none"]).with(format!("directory={}", show(at)));
    assert_refused(relative, 127, &format!("; it is not there, seen from {}", show(at)));
    assert_refused(Launch::new(form, ["no-such-program"]), 127, "; it is in no directory of PATH");
}

fn a_file_that_is_being_written(form: Form) {
    let directory = tempfile::tempdir().unwrap();
    let path = file(directory.path(), "program", "#!/bin/sh\n", 0o755);
    let writer = File::options().append(true).open(&path).unwrap();
    let why = "exec failed: Text file busy; another process has it open for writing";
    let (_, why) = why.split_once("failed").unwrap();
    assert_refused(Launch::new(form, [&path]), 126, why);
    drop(writer);
    assert_eq!(Launch::new(form, [&path]).run().code, Some(0));
}

/// Root, who mounts and hands out capabilities.
fn is_root() -> bool {
    let found = nix::unistd::geteuid().is_root().then_some(()).ok_or("the test is not run by root");
    require("root", found).is_some()
}

fn a_file_system_without_execution(form: Form) {
    if !is_root() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().display().to_string();
    let mount = format!("mount -t tmpfs -o noexec none {at} && cp -L /bin/true {at}/program && exec \"$@\"");
    let launch = Launch::new(form, [directory.path().join("program")]);
    let launch = launch.under(["unshare", "--mount", "sh", "-c", &mount, "sh"]);
    assert_refused(launch, 126, "; it is on a file system that is mounted noexec");
}

fn capabilities_that_the_container_may_not_have(form: Form) {
    let has_setcap = Command::new("setcap").arg("-h").output().map(drop);
    if !is_root() || require("setcap (libcap2-bin)", has_setcap).is_none() {
        return;
    }
    let directory = tempfile::tempdir_in("/var/tmp").unwrap();
    let path = directory.path().join("program");
    write_program(&path, &fs::read("/bin/true").unwrap());
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    let set =
        Command::new("setcap").arg("cap_net_bind_service,cap_wake_alarm+ep").arg(&path).status().unwrap();
    assert!(set.success());
    let without = ["setpriv", "--bounding-set", "-net_bind_service"];
    let why = "; it has file capabilities that this container may not have: cap_net_bind_service; add them, or setcap -r it";
    assert_refused(Launch::new(form, [&path]).within(without), 126, why);
}

fn a_user_who_may_not(form: Form) {
    if !is_root() {
        return;
    }
    let directory = tempfile::tempdir_in("/var/tmp").unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    let path = file(directory.path(), "program", "#!/bin/sh\n", 0o744);
    let closed = directory.path().join("closed");
    fs::create_dir(&closed).unwrap();
    let inside = file(&closed, "program", "#!/bin/sh\n", 0o755);
    fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
    // The binary that is tested may lie where this user has no way to.
    let epitaph = directory.path().join("epitaph");
    write_program(&epitaph, &fs::read(crate::binary::epitaph()).unwrap());
    fs::set_permissions(&epitaph, Permissions::from_mode(0o755)).unwrap();
    let as_user = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
    for (path, why) in [
        (&path, "; user 65534:65534 may not execute it (mode 0744, of 0:0)".to_owned()),
        (&inside, format!("; user 65534:65534 may not enter {}", closed.display())),
    ] {
        let launch = Launch::new(form, [path]).init(epitaph.to_str().unwrap()).within(as_user);
        assert_refused(launch, 126, &why);
    }
}

fn a_program_in_path_whose_interpreter_is_missing(form: Form) {
    let directory = tempfile::tempdir().unwrap();
    file(directory.path(), "tool", "#!/no/such/python\n", 0o755);
    let path = format!("{}:{}", directory.path().display(), std::env::var("PATH").unwrap());
    let launch = Launch::new(form, ["tool"]).env("PATH", path);
    assert_refused(launch, 127, "; its interpreter /no/such/python is not there");
}

fn a_script_without_a_first_line_is_one_of_the_shell(form: Form) {
    let directory = tempfile::tempdir().unwrap();
    let path = file(directory.path(), "script", "exit 7\n", 0o755);
    assert_eq!(Launch::new(form, [path]).run().code, Some(7));
}

fn a_command_line_as_one_word_tells_no_secret(form: Form) {
    for line in ["mysql-is-not-here -u root -psecret", "/opt/none/mysql\t-psecret", "PASSWORD=secret true"] {
        for format in ["json", "text"] {
            let launch = Launch::new(form, [line]).options(["-vvv", "--records", format]);
            let ended = launch.run();
            assert_eq!(ended.code, Some(127));
            assert!(!ended.stderr.contains("secret"), "{}", ended.stderr);
            assert!(ended.stderr.contains("is it one word by mistake"), "{}", ended.stderr);
        }
    }
    let path = "/secret/bin:/usr/bin:/bin";
    let ended = Launch::new(form, ["no-such-program"]).env("PATH", path).options(["-vvv"]).run();
    assert!(!ended.stderr.contains("secret"), "{}", ended.stderr);
}
