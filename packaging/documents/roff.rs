//! What every man page has: man(7).

use std::fmt::Write;

/// The page's title line, with the version.
pub fn heading(name: &str, section: u8, day: &str) -> String {
    let mut text = String::new();
    let version = env!("CARGO_PKG_VERSION");
    let _ = writeln!(text, ".TH {name} {section} {day} \"epitaph {version}\"");
    // No words broken, and no space stretched: there are names in them.
    text + ".nh\n.ad l\n"
}

/// Text with what roff would take for something else.
pub fn escape(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-").replace('…', "...").replace('’', "'")
}
