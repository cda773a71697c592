//! The carver, over any bytes and through windows: no panic, and what it finds is found in one piece again.

#![no_main]

use epitaph::inquest::carve::{Carver, Found, Needles, of_text};
use epitaph::inquest::heap::scan;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static NEEDLES: LazyLock<Needles> = LazyLock::new(|| Needles::new(true));

fuzz_target!(|data: &[u8]| {
    let mut lines = Vec::new();
    let mut found = |found: Found, _: u64| {
        if let Found::Record(record, ..) = found {
            lines.push((record.line.into_owned(), record.hash));
        }
    };
    let mut carver = Carver::new(&NEEDLES, &mut found);
    scan(data, 1, |window| carver.look(window)).expect("a slice can be read");
    for (line, hash) in lines {
        let again = of_text(line.as_bytes()).expect("a record is one when it is written down again");
        assert_eq!(again.hash, hash, "{line}");
    }
});
