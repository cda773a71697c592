//! The journal: many that write to one directory at once, and directories that cannot be written to.

use crate::records;
use crate::support::require::require;
use crate::support::{binary, process};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(30);

/// How long the end may take at most, whatever the journal is on: the second that an append may take, and the
/// rest.
const END: Duration = Duration::from_millis(1500);

/// epitaph with a journal, as a subreaper in an environment of its own.
fn epitaph(journal: &Path, program: &[&str]) -> Command {
    let mut command = Command::new(binary::epitaph());
    command.args(["-s", "--journal"]).arg(journal).arg("--").args(program);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("EPITAPH_INTROSPECTION", "off").env("EPITAPH_OOM_POLL", "0").stdin(Stdio::null());
    command
}

/// All files below a journal's directory, by their names.
fn files(directory: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    for day in std::fs::read_dir(directory).unwrap().flatten() {
        for file in std::fs::read_dir(day.path()).unwrap().flatten() {
            found.insert(file.path(), std::fs::read_to_string(file.path()).unwrap());
        }
    }
    found
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Runs `work(0..count)`, 16 at a time.
fn sixteen_at_once(count: usize, work: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        break;
                    }
                    work(number);
                }
            });
        }
    });
}

/// The container metadata file of ECS, which gives each of our processes a container ID of its own.
fn metadata_file(directory: &Path, id: &str) -> PathBuf {
    let file = directory.join(id);
    let text = serde_json::json!({
        "Cluster": "default",
        "TaskARN": "arn:aws:ecs:eu-central-1:111122223333:task/default/7c2e94d1a0b84f6e9d35c8e7f1a2b346",
        "ContainerID": id,
        "ContainerName": "web",
        "MetadataFileStatus": "READY",
    });
    std::fs::write(&file, text.to_string()).unwrap();
    file
}

#[test]
fn a_thousand_ends_are_all_in_the_journal_with_16_that_write_at_once() {
    const COUNT: usize = 1000;
    let (journal, metadata) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let directory = journal.path().join("journal");
    let id = |number: usize| format!("{number:064x}");
    sixteen_at_once(COUNT, |number| {
        let mut command = epitaph(&directory, &["sh", "-c", &format!("exit {}", number % 100)]);
        command.env("ECS_CONTAINER_METADATA_FILE", metadata_file(metadata.path(), &id(number)));
        command.env("EPITAPH_RECORDS", "off");
        let ended = process::output(&mut command, LIMIT).unwrap();
        assert_eq!(ended.status.code(), i32::try_from(number % 100).ok());
        assert!(ended.stderr.is_empty(), "{}", String::from_utf8_lossy(&ended.stderr));
    });

    let files = files(&directory);
    assert_eq!(files.len(), COUNT);
    for (path, text) in files {
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o640, 0o750), "{}", path.display());
        let id = path.file_stem().unwrap().to_str().unwrap();
        let number = usize::from_str_radix(id, 16).unwrap();
        assert!(text.ends_with('\n'), "{text}");
        assert_eq!(records::kinds(&text), ["start", "exit"], "{text}");
        for record in records::records(&text) {
            assert_eq!(record["container_id"], id);
        }
        assert_eq!(records::exit(&text)["code"], number % 100);
    }
    assert_eq!(mode(&directory), 0o750);
}

/// Without a container ID the file is named by host and second, so these share one, or a few.
#[test]
fn those_that_share_a_file_leave_each_others_lines_whole() {
    const COUNT: usize = 160;
    let journal = tempfile::tempdir().unwrap();
    let metadata = metadata_file(journal.path(), &"5".repeat(64));
    let directory = journal.path().join("journal");
    sixteen_at_once(COUNT, |number| {
        let mut command = epitaph(&directory, &["sh", "-c", &format!("exit {}", number % 100)]);
        command.env("ECS_CONTAINER_METADATA_FILE", &metadata).env("EPITAPH_RECORDS", "off");
        let ended = process::output(&mut command, LIMIT).unwrap();
        assert_eq!(ended.status.code(), i32::try_from(number % 100).ok());
    });
    let texts: Vec<String> = files(&directory).into_values().collect();
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    let mut codes: BTreeMap<u64, usize> = BTreeMap::new();
    for record in texts.iter().flat_map(|text| records::records(text)) {
        *kinds.entry(record["epitaph"].as_str().unwrap().to_owned()).or_default() += 1;
        if let Some(code) = record["exit"]["code"].as_u64() {
            *codes.entry(code).or_default() += 1;
        }
    }
    assert_eq!(kinds, [("exit".to_owned(), COUNT), ("start".to_owned(), COUNT)].into());
    let expected: BTreeMap<u64, usize> = (0..100).map(|code| (code, if code < 60 { 2 } else { 1 })).collect();
    assert_eq!(codes, expected);
}

/// What a program is to end with and how, when its journal is no good.
struct Ended {
    output: Output,
    took: Duration,
}

impl Ended {
    fn of(command: &mut Command) -> Ended {
        let begun = Instant::now();
        let output = process::output(command, LIMIT).unwrap();
        Ended { output, took: begun.elapsed() }
    }

    fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    /// The program ran and ended as ever, in time, its records are on stderr, and there is one warning.
    #[track_caller]
    fn is_one_warning(&self, about: &str) {
        let stderr = self.stderr();
        assert_eq!(self.output.status.code(), Some(3), "{stderr}");
        assert!(self.stdout().starts_with("ran\n"), "{}", self.stdout());
        assert_eq!(records::kinds(&stderr), ["start", "exit"], "{stderr}");
        let warnings = records::diagnostics(&stderr);
        assert!(warnings.len() == 1 && warnings[0].contains(about), "{warnings:?}");
        assert!(self.took < END, "{:?}", self.took);
    }
}

const RAN: &[&str] = &["sh", "-c", "echo ran; exit 3"];

/// The same under unshare(1), with mounts of its own. Before, `script` makes the journal's directory, in
/// which it is called, what it is to be; after the end the files of the journal come on stdout.
fn with_mounts(script: &str, journal: &Path, program: &[&str]) -> Option<Command> {
    let plain = epitaph(journal, program);
    let form = [&[][..], &["--user", "--map-root-user"]].into_iter().find(|form| {
        let mut command = Command::new("unshare");
        command.args(*form).args(["--mount", "true"]).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    });
    let form = require("a mount namespace", form.ok_or("unshare(1) gives none here"))?;
    let script = format!(
        "set -e; cd \"$0\"; {script}; cd .; set +e; \"$@\"; code=$?; cat */*.jsonl 2>/dev/null; exit $code"
    );
    let mut command = Command::new("unshare");
    command.args(form).args(["--mount", "sh", "-c", &script]).arg(journal);
    command.arg(plain.get_program()).args(plain.get_args()).env_clear().stdin(Stdio::null());
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Some(command)
}

#[test]
fn a_read_only_directory_is_one_warning() {
    let journal = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o ro none \"$PWD\"; cd \"$PWD\"";
    let Some(mut command) = with_mounts(script, journal.path(), RAN) else { return };
    let ended = Ended::of(&mut command);
    assert_eq!(ended.stdout(), "ran\n");
    ended.is_one_warning("Read-only file system");
}

/// What the program does first in its working directory, which is the journal's: wait for the start record.
const STARTED: &str =
    "until grep -q '\"start\"' */*.jsonl 2>/dev/null; do sleep 0.01; done; file=$(echo */*.jsonl)";

#[test]
fn a_full_disk_is_one_warning_and_no_half_line() {
    let journal = tempfile::tempdir().unwrap();
    // One page is left for the file, and the program fills it but for 100 bytes: no exit record is so short.
    let script = "mount -t tmpfs -o size=64k none \"$PWD\"; cd \"$PWD\"; \
                  dd if=/dev/zero of=filler bs=4k count=15 2>/dev/null";
    let fill =
        "head -c $((3995 - $(wc -c <$file))) /dev/zero | tr '\\0' x >>$file; echo >>$file; echo ran; exit 3";
    let program = format!("{STARTED}; {fill}");
    let Some(mut command) = with_mounts(script, journal.path(), &["sh", "-c", &program]) else { return };
    let ended = Ended::of(&mut command);
    let stdout = ended.stdout();
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!((lines.len(), lines[0]), (3, "ran"), "{stdout}");
    assert_eq!(records::kinds(lines[1]), ["start"]);
    assert!(lines[2].bytes().all(|byte| byte == b'x') && stdout.ends_with("x\n"), "{stdout}");
    ended.is_one_warning("No space left on device");
}

#[test]
fn a_directory_that_was_removed_is_made_again() {
    let directory = tempfile::tempdir().unwrap();
    let journal = directory.path().join("journal");
    std::fs::create_dir(&journal).unwrap();
    let program = format!("{STARTED}; rm -r \"$PWD\"; echo ran; exit 3");
    let ended = Ended::of(epitaph(&journal, &["sh", "-c", &program]).current_dir(&journal));
    assert_eq!(ended.output.status.code(), Some(3), "{}", ended.stderr());
    assert!(records::diagnostics(&ended.stderr()).is_empty(), "{}", ended.stderr());
    let texts: Vec<String> = files(&journal).into_values().collect();
    assert_eq!(records::kinds(&texts.concat()), ["exit"]);
}

#[test]
fn a_directory_that_vanished_for_good_is_one_warning() {
    let directory = tempfile::tempdir().unwrap();
    let journal = directory.path().join("journal");
    std::fs::create_dir(&journal).unwrap();
    let program = format!("{STARTED}; rm -r \"$PWD\"; : >\"$PWD\"; echo ran; exit 3");
    let ended = Ended::of(epitaph(&journal, &["sh", "-c", &program]).current_dir(&journal));
    assert_eq!(ended.stdout(), "ran\n");
    ended.is_one_warning("Not a directory");
}

/// A pipe without a reader in place of the file: open(2) waits there for ever, as on a network volume that is
/// away.
fn a_file_that_blocks(directory: &Path) -> (PathBuf, PathBuf) {
    let (journal, id) = (directory.join("journal"), "7".repeat(64));
    let now = std::time::SystemTime::now();
    // Tomorrow's too: midnight may come before the start.
    for time in [now, now + Duration::from_secs(86_400)] {
        let day = journal.join(&humantime::format_rfc3339(time).to_string()[..10]);
        std::fs::create_dir_all(&day).unwrap();
        let file = day.join(format!("{id}.jsonl"));
        nix::unistd::mkfifo(&file, nix::sys::stat::Mode::from_bits_truncate(0o640)).unwrap();
    }
    (journal, metadata_file(directory, &id))
}

#[test]
fn a_journal_that_blocks_is_one_warning_and_does_not_hold_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, metadata) = a_file_that_blocks(directory.path());
    let ended = Ended::of(epitaph(&journal, RAN).env("ECS_CONTAINER_METADATA_FILE", &metadata));
    assert_eq!(ended.stdout(), "ran\n");
    ended.is_one_warning("cannot be written");
}

#[test]
fn a_journal_that_blocks_does_not_hold_the_start_nor_warn_twice() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, metadata) = a_file_that_blocks(directory.path());
    // Longer than an append may take, so that the start record is given up before the end.
    let mut command = epitaph(&journal, &["sh", "-c", "sleep 1.3; echo ran; exit 3"]);
    let mut ended = Ended::of(command.env("ECS_CONTAINER_METADATA_FILE", &metadata));
    ended.took = ended.took.saturating_sub(Duration::from_millis(1300));
    ended.is_one_warning("cannot be written");
}
