//! Lines of a certificate on a terminal: what is longer than it is wide goes on below its value.

use super::out::{Line, Style, clean};
use super::table::{Columns, NARROWEST};
use unicode_width::UnicodeWidthStr;

/// The lines, none of them wider than `columns`, where that can be: an ID or a path is never broken, since it
/// is there to be copied; it gets a line of its own, and the terminal breaks it.
pub fn fold(lines: Vec<Line>, columns: Columns) -> Vec<Line> {
    match columns {
        Columns::All => lines,
        Columns::At(width) => {
            lines.into_iter().flat_map(|line| in_width(line, width.max(NARROWEST))).collect()
        }
    }
}

fn in_width(line: Line, width: usize) -> Vec<Line> {
    if line.text().trim_end().width() <= width {
        return vec![line];
    }
    // A key stands before the value, and what goes on stands below the value.
    let (key, value) = match line.parts() {
        [(style, key), value @ ..] if !value.is_empty() && key.ends_with(' ') => {
            ((*style, clean(key)), value)
        }
        value => ((Style::Plain, String::new()), value),
    };
    let indent = key.1.as_str().width();
    let room = width.saturating_sub(indent);
    let mut lines = Vec::new();
    let mut current = Line::of(key.0, key.1);
    let mut used = 0;
    for (style, word, blanks) in value.iter().flat_map(|(style, text)| words(*style, text)) {
        let wide = word.as_str().width();
        if used > 0 && used + wide > room {
            let next = Line::of(Style::Plain, " ".repeat(indent));
            lines.push(std::mem::replace(&mut current, next));
            used = 0;
        }
        used += wide + blanks;
        current = current.and(style, word).and(style, " ".repeat(blanks));
    }
    lines.push(current);
    lines
}

/// The words of a text as it will be shown, each with how many blanks are behind it.
fn words(style: Style, text: &str) -> Vec<(Style, String, usize)> {
    let text = clean(text);
    let mut words = Vec::new();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let end = rest.find(' ').unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        let next = behind.trim_start_matches(' ');
        words.push((style, word.to_owned(), behind.len() - next.len()));
        rest = next;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(value: &str, width: usize) -> Vec<String> {
        let line = Line::of(Style::Dim, format!("{:>14}: ", "Why")).and(Style::Bad, value);
        fold(vec![line], Columns::At(width)).iter().map(|line| line.text().trim_end().to_owned()).collect()
    }

    #[test]
    fn long_values_go_on_below_themselves() {
        let text = "The kernel's OOM killer took the program: it was at its limit of 32.0 MiB, and nothing else was there.";
        assert_eq!(
            folded(text, 60),
            [
                "           Why: The kernel's OOM killer took the program: it",
                "                was at its limit of 32.0 MiB, and nothing",
                "                else was there.",
            ]
        );
        assert_eq!(folded("short", 60), ["           Why: short"]);
        // Two blanks between two values stay, but not where the line ends.
        assert_eq!(
            folded(&format!("{}  b  c", "a".repeat(41)), 60),
            [format!("           Why: {}  b", "a".repeat(41)), format!("{}c", " ".repeat(16))]
        );
    }

    #[test]
    fn what_is_copied_is_not_broken() {
        let id = "4".repeat(64);
        assert_eq!(folded(&id, 80), [format!("           Why: {id}")]);
        let path = "/var/lib/docker/containers/".to_owned() + &id + "/" + &id + "-json.log:10412";
        assert_eq!(
            folded(&format!("start {path}, x"), 80),
            [
                "           Why: start".to_owned(),
                format!("{}{path},", " ".repeat(16)),
                format!("{}x", " ".repeat(16))
            ]
        );
    }

    #[test]
    fn widths_are_those_of_the_terminal_and_harm_stays_visible() {
        let lines = folded(&"日本語 ".repeat(30), 60);
        assert!(lines.len() > 3 && lines.iter().all(|line| line.as_str().width() <= 60), "{lines:?}");
        let lines = folded(&"\u{1b}[2J\u{202e} ".repeat(30), 60);
        assert!(
            lines.iter().all(|line| line.as_str().width() <= 60 && line.contains("\\u{1b}")),
            "{lines:?}"
        );
        let line = Line::of(Style::Plain, "x".repeat(200));
        assert_eq!(fold(vec![line.clone()], Columns::All), [line]);
    }
}
