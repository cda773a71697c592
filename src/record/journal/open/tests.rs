use super::*;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};

const DAY: &str = "2026-01-15";
const ID: &str = "abc.jsonl";

fn append(directory: &Path) -> Result<(), String> {
    let mut file =
        open(Place { directory, day: DAY, file: ID }).map_err(|error| crate::sys::reason(&error))?;
    file.write_all(b"line\n").map_err(|error| error.to_string())
}

fn mode(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).expect("metadata").permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("a mode");
}

#[test]
fn the_day_is_as_open_as_the_directory() {
    for (directory_mode, day_mode) in
        [(0o750, 0o750), (0o755, 0o755), (0o1777, 0o1777), (0o770, 0o770), (0o777, 0o777), (0o1770, 0o1770)]
    {
        let directory = tempfile::tempdir().expect("a directory");
        set_mode(directory.path(), directory_mode);
        append(directory.path()).expect("written");
        assert_eq!(mode(&directory.path().join(DAY)), day_mode, "{directory_mode:o}");
        assert_eq!(mode(&directory.path().join(DAY).join(ID)) & !0o640, 0);
        append(directory.path()).expect("once more");
        let text = std::fs::read(directory.path().join(DAY).join(ID)).expect("read");
        assert_eq!(text, b"line\nline\n");
    }
}

#[test]
fn a_setgid_directory_hands_its_group_down() {
    let directory = tempfile::tempdir().expect("a directory");
    set_mode(directory.path(), 0o2770);
    append(directory.path()).expect("written");
    assert_eq!(mode(&directory.path().join(DAY)), 0o2770);
}

/// What stands at the file's place, and how the refusal tells it.
#[test]
fn what_is_no_file_of_ours_is_told_and_left_alone() {
    type Make = fn(&Path, &Path);
    let cases: [(&str, Make); 6] = [
        ("a symbolic link", |at, other| symlink(other, at).expect("a link")),
        ("2 links", |at, other| std::fs::hard_link(other, at).expect("a link")),
        ("a FIFO", |at, _| nix::unistd::mkfifo(at, Mode::S_IRWXU).expect("a FIFO")),
        ("a socket", |at, _| drop(std::os::unix::net::UnixListener::bind(at).expect("a socket"))),
        ("a directory", |at, _| std::fs::create_dir(at).expect("a directory")),
        ("a symbolic link", |at, _| symlink("/dev/full", at).expect("a link")),
    ];
    for (told, make) in cases {
        let directory = tempfile::tempdir().expect("a directory");
        let other = directory.path().join("other");
        std::fs::write(&other, "mine\n").expect("written");
        std::fs::create_dir(directory.path().join(DAY)).expect("a directory");
        make(&directory.path().join(DAY).join(ID), &other);
        let began = std::time::Instant::now();
        let refusal = append(directory.path()).expect_err(told);
        assert!(refusal.contains(told) && refusal.contains(&format!("/{DAY}/{ID}")), "{refusal}");
        assert!(began.elapsed().as_secs() < 1, "{told} took its time");
        assert_eq!(std::fs::read(&other).expect("read"), b"mine\n");
    }
}

#[test]
fn nor_is_a_day_that_is_no_directory() {
    for (told, at_day) in [("a symbolic link", true), ("a file", false)] {
        let directory = tempfile::tempdir().expect("a directory");
        let elsewhere = tempfile::tempdir().expect("a directory");
        let day = directory.path().join(DAY);
        if at_day {
            symlink(elsewhere.path(), &day).expect("a link");
        } else {
            std::fs::write(&day, "").expect("written");
        }
        let refusal = append(directory.path()).expect_err(told);
        assert!(refusal.contains(told), "{refusal}");
        assert_eq!(std::fs::read_dir(elsewhere.path()).expect("a directory").count(), 0);
    }
}

#[test]
fn a_reader_of_a_fifo_does_not_make_it_a_file() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(directory.path().join(DAY)).expect("a directory");
    let fifo = directory.path().join(DAY).join(ID);
    nix::unistd::mkfifo(&fifo, Mode::S_IRWXU).expect("a FIFO");
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK;
    let _reader = nix::fcntl::open(&fifo, flags, Mode::empty()).expect("a reader");
    assert!(append(directory.path()).expect_err("refused").contains("a FIFO"));
}
