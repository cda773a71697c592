#![allow(clippy::unwrap_used, clippy::panic)]

use super::{BUFFER, LONGEST_LINE, for_each_line};
use crate::forensics::testing::Tree;
use std::ops::ControlFlow;
use std::path::Path;

fn read_text(path: &Path) -> Option<String> {
    super::read_text(path, |text| Some(text.to_string()))
}

fn lines_of(content: &str) -> Vec<String> {
    let tree = Tree::new().file("table", content);
    let mut lines = Vec::new();
    for_each_line(&tree.path().join("table"), &mut |line| {
        lines.push(String::from_utf8(line.to_vec()).unwrap());
        ControlFlow::Continue(())
    })
    .unwrap();
    lines
}

#[test]
fn lines_come_whole_wherever_the_buffer_ends() {
    assert_eq!(lines_of(""), Vec::<String>::new());
    assert_eq!(lines_of("one\n\nthree"), ["one", "", "three"]);
    // Line lengths that put the line end at every place around the end of the buffer.
    for first in LONGEST_LINE - 8..LONGEST_LINE + 8 {
        let (first, second) = ("x".repeat(first), "y".repeat(100));
        let lines = lines_of(&format!("{first}\n{second}\nlast\n"));
        let expected: Vec<String> = match first.len() {
            ..LONGEST_LINE => vec![first, second, "last".into()],
            _ => vec![second, "last".into()],
        };
        assert_eq!(lines, expected);
    }
}

#[test]
fn an_overlong_line_hides_no_other() {
    let long = "l".repeat(3 * LONGEST_LINE + 17);
    assert_eq!(lines_of(&format!("a\n{long}\nb\n{long}")), ["a", "b"]);
    let many: Vec<String> = (0..5000).map(|number| format!("line {number}")).collect();
    assert_eq!(lines_of(&many.join("\n")), many);
}

#[test]
fn stops_when_told_and_at_a_mebibyte() {
    let tree = Tree::new().file("table", "x\n".repeat(2 << 20));
    let mut count = 0;
    for_each_line(&tree.path().join("table"), &mut |_| {
        count += 1;
        if count == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!(count, 3);
    count = 0;
    for_each_line(&tree.path().join("table"), &mut |_| {
        count += 1;
        ControlFlow::Continue(())
    });
    assert_eq!(count, 1 << 19);
}

#[test]
fn a_file_larger_than_the_buffer_is_cut_at_a_line_end() {
    let tree = Tree::new().file("stat", "number 1234567890\n".repeat(1000));
    let text = read_text(&tree.path().join("stat")).unwrap();
    assert!(text.len() > BUFFER - 20);
    assert!(text.lines().all(|line| line == "number 1234567890"));
}

#[test]
fn what_cannot_be_read_is_none_and_never_waits() {
    let tree = Tree::new().unreadable("directory").file("binary", [0xff, 0xfe, b'\n']);
    let fifo = tree.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRUSR).unwrap();
    for name in ["missing", "directory", "binary", "binary/below"] {
        assert_eq!(read_text(&tree.path().join(name)), None, "{name}");
    }
    assert_eq!(read_text(&fifo), Some(String::new()));
    assert_eq!(for_each_line(&tree.path().join("directory"), &mut |_| ControlFlow::Continue(())), None);
}
