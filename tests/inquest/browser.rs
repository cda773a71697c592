//! Pages in a real browser: wide and narrow, light and dark, by keyboard, on paper, and by axe-core, which
//! looks for what keeps people from reading a page.
//!
//! The pictures of what was seen are in the target directory, `tmp/pages`.

#[path = "../support/browser/mod.rs"]
mod chromium;

use crate::page::write_lives;
use crate::parts::require::require;
use crate::parts::static_binary::target_directory;
use crate::support::{command, fixture, ran};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chromium::Browser;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A telephone, a tablet, a screen.
const WIDTHS: [u32; 3] = [390, 820, 1440];

const OVERFLOW: &str = include_str!("../support/browser/overflow.js");

/// The browser and axe-core.
fn tools() -> Result<(PathBuf, String), String> {
    let browser = chromium::executable()?;
    let axe = std::fs::read_to_string(target_directory().join("browser/axe.min.js"));
    let how = "tests/support/fetch-browser-tools.sh puts axe-core into the target directory as browser";
    Ok((browser, axe.map_err(|_| how)?))
}

/// A page in a browser.
struct Looking {
    browser: Browser,
    axe: String,
    page: PathBuf,
    /// where pictures go
    out: PathBuf,
}

impl Looking {
    /// At the page that `inquest timeline` makes of `paths`.
    fn at(name: &str, paths: &[&Path]) -> Option<Looking> {
        let (executable, axe) = require("browser", tools())?;
        let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
        std::fs::create_dir_all(&out).expect("a directory");
        let page = out.join(format!("{name}.html"));
        let mut arguments = vec!["timeline", "--format", "html"];
        arguments.extend(paths.iter().map(|path| path.to_str().expect("UTF-8")));
        let made = ran(command(&arguments));
        // Among the samples are some that cannot be read to their end.
        assert!([0, 4].contains(&made.code), "{}", made.stderr);
        std::fs::write(&page, made.stdout).expect("a file");
        Some(Looking { browser: Browser::start(&executable), axe, page, out: out.join(name) })
    }

    fn open(&mut self, width: u32, scheme: &str) {
        self.browser.open(&self.page, width, scheme);
    }

    fn truth(&mut self, expression: &str) -> bool {
        self.browser.evaluate(expression).as_bool().expect("yes or no")
    }

    fn number(&mut self, expression: &str) -> u64 {
        self.browser.evaluate(expression).as_u64().unwrap_or_else(|| panic!("no number: {expression}"))
    }

    /// Nothing beyond the window, nothing cut, with what is folded shut and open.
    fn fits(&mut self, told: &str) {
        for open in ["", "with what is folded open"] {
            if !open.is_empty() {
                // All of a small page; of a large one, the first.
                self.browser.evaluate(
                    "[...document.querySelectorAll('details')].slice(0, 40).forEach(one => one.open = true)",
                );
            }
            let beyond = self.browser.evaluate(OVERFLOW);
            assert_eq!(beyond, Value::Array(Vec::new()), "{told} {open}");
        }
    }

    /// Nothing that axe-core knows keeps anybody from reading.
    fn can_be_read(&mut self, told: &str) {
        self.browser.evaluate(&format!("{};0", self.axe));
        let found = self.browser.evaluate(
            "axe.run(document, {resultTypes: ['violations']}).then(found => [found.passes.length, \
             ...found.violations.map(one => `${one.id}: ${one.nodes.length} × ${one.nodes[0].html} \
             ${one.nodes[0].failureSummary}`)])",
        );
        let found = found.as_array().expect("a list");
        assert!(found[0].as_u64() > Some(5), "{told}: axe has looked at nothing: {found:?}");
        assert_eq!(found.len(), 1, "{told}: {found:#?}");
    }

    /// Nothing was asked of the network, and the console is silent: no script was refused, no style is wrong.
    fn is_silent(&self, told: &str) {
        assert_eq!(self.browser.requests(), Vec::<String>::new(), "{told}: it asks the network");
        assert_eq!(self.browser.console(), Vec::<String>::new(), "{told}: words on the console");
    }

    fn picture(&mut self, width: u32, name: &str) {
        let picture = STANDARD.decode(self.browser.picture(width)).expect("base64");
        std::fs::write(self.out.with_extension(format!("{name}.png")), &picture).expect("a file");
    }

    /// All of it, at these widths, light and dark.
    fn all(&mut self, widths: &[u32]) {
        for (scheme, is_light) in [("light", true), ("dark", false)] {
            for width in widths {
                let told = format!("{width} {scheme}");
                self.open(*width, scheme);
                self.is_silent(&told);
                let light = self
                    .number("+getComputedStyle(document.documentElement).backgroundColor.match(/\\d+/g)[0]");
                assert_eq!(light > 128, is_light, "{told}: the paper is {light} of 255");
                assert!(self.number("document.querySelectorAll('rect.b').length") > 0, "{told}: no bar");
                self.picture(*width, &format!("{scheme}-{width}"));
                self.fits(&told);
                // Of a large page it takes long, and the colours are those of a small one.
                let is_large = self.number("document.querySelectorAll('tr').length") > 1_000;
                if *width != 820 && !(is_large && (scheme == "dark" || *width < 500)) {
                    self.can_be_read(&told);
                }
            }
        }
    }

    /// With the keyboard alone: Tab comes to the first row, Enter opens and closes it.
    fn by_keyboard(&mut self) {
        self.open(1440, "light");
        let is_at_row = "document.activeElement.matches('.rows summary')";
        let stations = self.number("document.querySelectorAll('a,summary,[tabindex]').length");
        let mut pressed = 0;
        while !self.truth(is_at_row) {
            assert!(pressed <= stations, "Tab does not come to a row");
            self.browser.press("Tab", 9);
            pressed += 1;
        }
        assert!(
            self.truth("getComputedStyle(document.activeElement).outlineStyle !== 'none'"),
            "where the keyboard is cannot be seen"
        );
        let is_open = "document.activeElement.parentElement.open";
        for open in [true, false] {
            self.browser.press("Enter", 13);
            assert_eq!(self.truth(is_open), open, "Enter on a row");
        }
    }

    /// On paper: black on white in either scheme, in the page's width, and a document comes out.
    fn on_paper(&mut self) {
        self.open(1000, "dark");
        self.browser.media("print", "dark");
        let paper = "getComputedStyle(document.documentElement).backgroundColor === 'rgb(255, 255, 255)'";
        assert!(self.truth(paper), "paper is white");
        assert_eq!(self.browser.evaluate(OVERFLOW), Value::Array(Vec::new()), "beyond the paper");
        let document = STANDARD.decode(self.browser.print()).expect("base64");
        assert!(document.starts_with(b"%PDF-") && document.len() > 10_000, "{} bytes", document.len());
        std::fs::write(self.out.with_extension("pdf"), &document).expect("a file");
    }
}

/// What real engines wrote, and what was shaped after others.
#[test]
fn the_samples_are_a_page_for_everybody() {
    let samples = [fixture("engine"), fixture("shaped"), fixture("witness")];
    let paths: Vec<&Path> = samples.iter().map(PathBuf::as_path).collect();
    let Some(mut looking) = Looking::at("samples", &paths) else { return };
    looking.all(&WIDTHS);
    looking.by_keyboard();
    // From the table to the row and its certificate.
    looking.browser.evaluate("document.querySelector('.tb').open = true");
    looking.browser.evaluate("document.querySelector('.tb a').focus()");
    looking.browser.press("Enter", 13);
    assert!(
        looking.truth("location.hash !== '' && document.querySelector(location.hash).matches('details')")
    );
    looking.on_paper();
    // Of a few lives the certificates are printed, though they are folded.
    assert!(looking.truth(
        "!document.querySelector('body.all') || [...document.querySelectorAll('.rows dl')].every(one => one.offsetHeight > 20)"
    ));
    assert!(looking.truth("[...document.querySelectorAll('.rows details')].every(one => !one.open)"));
}

/// Words of a log that try what they can, in a page with certificates.
#[test]
fn hostile_lives_do_nothing_in_a_page() {
    let folder = tempfile::tempdir().expect("a directory");
    write_lives(folder.path(), 30);
    let Some(mut looking) = Looking::at("hostile", &[folder.path()]) else { return };
    looking.all(&[390, 1440]);
    looking.on_paper();
    assert!(looking.truth("document.body.matches('.all')"), "all of 30 lives is printed");
    assert!(looking.truth("[...document.querySelectorAll('.rows dl')].every(one => one.offsetHeight > 20)"));
}

/// More lives than have a row each.
#[test]
fn a_page_of_two_thousand_lives_can_be_read_too() {
    let folder = tempfile::tempdir().expect("a directory");
    write_lives(folder.path(), 2_100);
    let Some(mut looking) = Looking::at("many", &[folder.path()]) else { return };
    looking.all(&[390, 1440]);
    looking.by_keyboard();
}
