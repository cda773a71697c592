//! HTML and SVG as text.

use super::super::out::clean;

/// What is written so far. Texts from logs come in by `text` alone.
#[derive(Debug, Default)]
pub struct Markup {
    written: String,
}

impl Markup {
    /// Adds markup of our own.
    pub fn raw(&mut self, markup: &str) -> &mut Markup {
        self.written.push_str(markup);
        self
    }

    /// Adds a text, or the value of an attribute that stands in double quotes.
    pub fn text(&mut self, text: &str) -> &mut Markup {
        for letter in clean(text).chars() {
            match letter {
                '&' => self.written.push_str("&amp;"),
                '<' => self.written.push_str("&lt;"),
                '>' => self.written.push_str("&gt;"),
                '"' => self.written.push_str("&quot;"),
                '\'' => self.written.push_str("&#39;"),
                // What XML 1.0 has no place for.
                '\u{fffe}' | '\u{ffff}' => self.written.push('\u{fffd}'),
                letter => self.written.push(letter),
            }
        }
        self
    }

    /// Adds an element with a text and nothing else; `tag` may have attributes of our own.
    pub fn element(&mut self, tag: &str, text: &str) -> &mut Markup {
        let name = tag.split(' ').next().unwrap_or(tag);
        self.raw("<").raw(tag).raw(">").text(text).raw("</").raw(name).raw(">")
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.written.len()
    }

    /// The end of it.
    pub fn finish(self) -> String {
        self.written
    }
}

/// A number with two decimals at the most, and no zeros behind.
pub fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
