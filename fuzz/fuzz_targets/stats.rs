//! The answers of `/task` and `/task/stats`, with a NUL between them: whatever they hold, records come of it
//! that are JSON, short enough, and one line each.

#![no_main]

use epitaph::options::{self, Command, Options};
use epitaph::task;
use libfuzzer_sys::fuzz_target;
use std::ffi::OsString;

fn options(format: &str) -> Box<Options> {
    let line = ["epitaph", "--task-stats", "0", "--stats-format", format].map(OsString::from);
    match options::parse(line.to_vec(), &|_| None) {
        Command::Run(options) => options,
        Command::Print { text, .. } => panic!("{text}"),
    }
}

fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(2, |byte| *byte == 0);
    let (task, stats) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    for format in ["record", "emf"] {
        match task::lines(&options(format).records, task, stats) {
            Ok(lines) => {
                for line in lines {
                    assert!(
                        line.len() <= 4096 && line.ends_with(b"}\n") && line.starts_with(b"{\"epitaph\":\"")
                    );
                    assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
                }
            }
            Err(error) => assert!(error.len() < 200),
        }
    }
});
