//! Damaged files: right up to the damage, and the exit code says that it may not be all.

use crate::support::{fixture, inquest, records};

/// The file, how many records are before the damage, the exit code, and what stderr says.
const DAMAGED: [(&str, usize, i32, &str); 13] = [
    ("cut-record.log", 1, 4, "1 record is cut off"),
    ("empty.gz", 0, 1, "no life"),
    ("forged.log", 1, 0, ""),
    ("huge-line.log.gz", 1, 0, ""),
    ("interleaved.log", 2, 0, ""),
    ("invalid-utf8.log", 1, 0, ""),
    ("not-a-gz.gz", 1, 0, ""),
    ("nul-bytes.log", 2, 0, ""),
    ("only-magic.gz", 0, 4, "unexpected end of file"),
    ("trailing-garbage.gz", 2, 4, "other bytes follow the end of the gzip data"),
    ("trailing-zeros.gz", 2, 0, ""),
    ("truncated.gz", 1, 4, "read up to a damage"),
    ("two-members.gz", 2, 0, ""),
];

#[test]
fn each_is_read_up_to_its_damage() {
    for (name, expected, code, stderr) in DAMAGED {
        let path = fixture("damaged").join(name);
        assert_eq!(records(&path).len(), expected, "{name}");
        let ran = inquest(&["list", path.to_str().expect("UTF-8")]);
        assert_eq!(ran.code, code, "{name}: {ran:?}");
        assert!(ran.stderr.contains(stderr), "{name}: {}", ran.stderr);
        assert_eq!(ran.stderr.is_empty(), stderr.is_empty(), "{name}: {}", ran.stderr);
    }
}

#[test]
fn one_that_cannot_be_opened_stops_no_other() {
    let good = fixture("damaged/two-members.gz");
    let ran = inquest(&["list", "/nowhere/at-all", good.to_str().expect("UTF-8")]);
    assert_eq!(ran.code, 4);
    assert!(ran.stdout.contains("oom_killed"), "{ran:?}");
    assert!(ran.stderr.contains("cannot read all of /nowhere/at-all: no such file or directory"), "{ran:?}");
}
