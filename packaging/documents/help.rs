//! The text of `--help`, taken apart.

use epitaph::options::{Command, parse};

/// What `epitaph --help` says.
#[derive(Debug)]
pub struct Help {
    /// the lines after `Usage:`, each a way to call it
    pub usage: Vec<String>,
    /// what it does
    pub about: Vec<String>,
    /// `Options of …`, `Environment variables`
    pub sections: Vec<Section>,
    /// what stands below all of them
    pub notes: Vec<String>,
}

/// A heading with what is below it.
#[derive(Debug)]
pub struct Section {
    pub title: String,
    pub entries: Vec<Entry>,
}

/// An option, or variables.
#[derive(Debug)]
pub struct Entry {
    /// `-r`, `--rewrite`; or the variables
    pub names: Vec<String>,
    /// such as `FROM:TO`
    pub argument: Option<String>,
    /// what it is for
    pub text: String,
}

impl Help {
    /// Of the epitaph that this is built with.
    pub fn of_epitaph() -> Result<Help, String> {
        match parse(vec!["epitaph".into(), "--help".into()], &|_| None) {
            Command::Print { text, .. } => Help::parse(&text),
            Command::Run(_) => Err("--help is no option any more".to_owned()),
        }
    }

    fn parse(text: &str) -> Result<Help, String> {
        let mut help = Help { usage: Vec::new(), about: Vec::new(), sections: Vec::new(), notes: Vec::new() };
        // A tag that goes on in the next line, before its text has begun.
        let mut open_tag = String::new();
        let mut in_section = false;
        for line in text.lines().skip_while(|line| !line.starts_with("Usage:")) {
            let indent = line.len() - line.trim_start().len();
            let words = line.trim();
            if words.is_empty() {
                in_section = false;
            } else if let Some(usage) = words.strip_prefix("Usage: ") {
                help.usage.push(usage.to_owned());
            } else if indent == 0 && words.ends_with(':') {
                let title = words.trim_end_matches(':').to_owned();
                help.sections.push(Section { title, entries: Vec::new() });
                in_section = true;
            } else if in_section {
                let section = help.sections.last_mut().ok_or("an entry without a heading")?;
                section.line(indent, words, &mut open_tag)?;
            } else if help.sections.is_empty() {
                // The second way to call it is below the first one.
                let list = if indent > 0 { &mut help.usage } else { &mut help.about };
                list.push(words.to_owned());
            } else {
                help.notes.push(words.to_owned());
            }
        }
        if help.sections.is_empty() { Err("--help has no sections".to_owned()) } else { Ok(help) }
    }

    /// All options, in order.
    pub fn options(&self) -> impl Iterator<Item = &Entry> {
        let entries = self.sections.iter().flat_map(|section| &section.entries);
        entries.filter(|entry| entry.names.iter().all(|name| name.starts_with('-')))
    }
}

impl Section {
    fn line(&mut self, indent: usize, words: &str, open_tag: &mut String) -> Result<(), String> {
        if indent > 2 {
            if !open_tag.is_empty() {
                let tag = std::mem::take(open_tag);
                self.entries.push(Entry::parse(&tag, words));
                return Ok(());
            }
            let entry = self.entries.last_mut().ok_or_else(|| format!("{words:?} belongs to nothing"))?;
            entry.text.push(' ');
            entry.text.push_str(words);
            return Ok(());
        }
        match words.split_once("  ") {
            Some((tag, text)) => self.entries.push(Entry::parse(tag, text.trim())),
            None => {
                open_tag.push_str(words);
                open_tag.push(' ');
            }
        }
        Ok(())
    }
}

impl Entry {
    fn parse(tag: &str, text: &str) -> Entry {
        let mut argument = None;
        let names = tag.split(',').map(str::trim).filter(|name| !name.is_empty()).map(|name| {
            let (name, rest) = name.split_once(' ').unwrap_or((name, ""));
            if !rest.is_empty() {
                argument = Some(rest.to_owned());
            }
            name.to_owned()
        });
        let names = names.collect();
        Entry { names, argument, text: text.to_owned() }
    }

    /// The words that its argument can be, where the text tells them: `json, text or off (default …)`.
    pub fn choices(&self) -> Vec<&str> {
        let until = self.text.find(['(', '.']).unwrap_or(self.text.len());
        let part = self.text[..until].rsplit(": ").next().unwrap_or_default();
        let part = if until < self.text.len() { part } else { "" };
        let words: Vec<&str> = part.split(", ").flat_map(|part| part.split(" or ")).map(str::trim).collect();
        let is_word = |word: &&str| {
            !word.is_empty() && word.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-')
        };
        if words.len() > 1 && words.iter().all(is_word) { words } else { Vec::new() }
    }
}
