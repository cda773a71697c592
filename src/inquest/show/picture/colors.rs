//! How lives of each kind look. Colours are not all that tells them apart: patterns, shapes and words do too.
//! The colours are told apart with each of the common kinds of colour blindness (orange-red, blue, purple,
//! grey), and have a contrast of 4.5 or more with the paper where they are the colour of a text.

use super::super::rows::{End, Row};

/// The class of a life: `o` the OOM killer, `x` another bad end, `g` a good one, `u` not known, `r` may still
/// run.
pub fn class(row: &Row<'_>) -> &'static str {
    match row.end {
        _ if !row.life.disputed.is_empty() => "x",
        End::Good => "g",
        End::Running => "r",
        End::Bad if row.life.verdict().is_some_and(|verdict| verdict.starts_with("oom")) => "o",
        End::Bad => "x",
        End::Unknown if row.life.conclusion.word == "oom" => "o",
        End::Unknown => "u",
    }
}

/// What the classes mean, for the legend.
pub const CLASSES: [(&str, &str); 5] = [
    ("g", "ended well"),
    ("o", "OOM killer"),
    ("x", "ended badly"),
    ("u", "end not known"),
    ("r", "may still run"),
];

/// The colours, and all that page and SVG have in common. `:root` is `html` in a page and `svg` in an SVG.
pub const STYLE: &str = include_str!("colors.css");

/// Patterns and marks, for `<defs>`.
pub const DEFS: &str = concat!(
    r##"<pattern id="p-o" class="o" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect class="pf" width="7" height="7"/><rect class="ps" width="2.5" height="7"/></pattern>"##,
    r##"<pattern id="p-x" class="x" width="6" height="6" patternUnits="userSpaceOnUse"><rect class="pf" width="6" height="6"/><rect class="ps" width="1.8" height="6"/></pattern>"##,
    r##"<pattern id="p-u" class="u" width="6" height="6" patternUnits="userSpaceOnUse"><rect class="pf" width="6" height="6"/><circle class="ps" cx="3" cy="3" r="1.1"/></pattern>"##,
    r##"<path id="m-o" class="mk mo" d="M-6 6H6L0-6z"/>"##,
    r##"<path id="m-p" class="mk mp" d="M0-6 6 0 0 6-6 0z"/>"##,
    r##"<path id="m-s" class="mk ms" d="M-4.5-4.5h9v9h-9z"/>"##,
    r##"<circle id="m-k" class="mk mt" r="5"/>"##,
    r##"<path id="m-h" class="mk mh" d="M-1.8-5.5h3.6v3.7h3.7v3.6h-3.7v3.7h-3.6v-3.7h-3.7v-3.6h3.7z"/>"##,
    r##"<path id="m-g" class="mk mg" d="M-5-5 5 0-5 5z"/>"##,
    r##"<path id="m-t" class="mk mw" d="M-3.5 6V-6H5L2.5-3 5 0H-1.5V6z"/>"##,
    r##"<path id="m-r" class="r ps" d="M0-6 8 0 0 6z"/>"##,
);
