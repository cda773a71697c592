//! Lines of a paragraph.

use unicode_width::UnicodeWidthStr;

/// The text in lines of so many columns, cut between words. A word that is longer has a line of its own.
pub fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let Some(line) = lines.last_mut() else { break };
        if line.is_empty() {
            line.push_str(word);
        } else if line.as_str().width() + 1 + word.width() <= columns {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::wrapped;

    #[test]
    fn lines_are_cut_between_words() {
        assert_eq!(wrapped("a bb  ccc dddddddd e", 6), ["a bb ", "ccc", "dddddddd", "e"]);
        assert_eq!(wrapped("", 5), [""]);
    }
}
