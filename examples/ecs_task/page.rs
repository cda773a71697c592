//! The page on the terminal: headings, paragraphs, and records spread out for reading.

use std::cell::Cell;
use std::fmt;
use std::io::{self, IsTerminal, Write};

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// The right margin, in columns.
const MARGIN: usize = 100;

/// What is said, or not said.
pub struct Page {
    is_silent: bool,
    has_bold: bool,
    /// Whether the last line is an empty one.
    is_spaced: Cell<bool>,
}

impl Page {
    /// A silent page stays empty.
    pub fn new(is_silent: bool) -> Page {
        let has_colours = |name: &str| std::env::var_os(name).is_none_or(|value| value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let has_bold = io::stdout().is_terminal() && has_colours("NO_COLOR") && !is_dumb;
        Page { is_silent, has_bold, is_spaced: Cell::new(false) }
    }

    fn print(&self, text: &str) -> io::Result<()> {
        if self.is_silent {
            return Ok(());
        }
        write(&mut io::stdout(), text)
    }

    /// A block of text with an empty line before and after it.
    fn block(&self, text: &str) -> io::Result<()> {
        let before = if self.is_spaced.replace(true) { "" } else { "\n" };
        self.print(&format!("{before}{text}\n"))
    }

    /// A heading.
    pub fn heading(&self, text: &str) -> io::Result<()> {
        let before = if self.is_spaced.replace(false) { "" } else { "\n" };
        if self.has_bold {
            self.print(&format!("{before}\x1b[1m{text}\x1b[0m\n"))
        } else {
            self.print(&format!("{before}{text}\n{}\n", "-".repeat(text.chars().count())))
        }
    }

    /// A paragraph, broken into lines.
    pub fn text(&self, text: &str) -> io::Result<()> {
        self.is_spaced.set(false);
        self.print(&format!("{}\n", wrap(text, 0)))
    }

    /// Lines as they are, indented.
    pub fn lines<T: AsRef<str>>(&self, lines: impl IntoIterator<Item = T>) -> io::Result<()> {
        let lines: String = lines.into_iter().map(|line| format!("    {}\n", line.as_ref())).collect();
        self.block(&lines)
    }

    /// A record without the keys in `without`.
    pub fn record(&self, record: &Node, without: &[&str]) -> io::Result<()> {
        let is_shown = |(key, _): &&(String, Node)| !without.contains(&key.as_str());
        self.fields(&record.fields().iter().filter(is_shown).cloned().collect::<Vec<_>>())
    }

    /// What stands in a record at some paths of keys; those that are absent are left out.
    pub fn excerpt(&self, record: &Node, paths: &[&str]) -> io::Result<()> {
        let fields = paths.iter().map(|path| ((*path).to_owned(), Node::Leaf(record.get(path))));
        let is_there = |(_, node): &(String, Node)| *node != Node::Leaf(String::new());
        self.fields(&fields.filter(is_there).collect::<Vec<_>>())
    }

    fn fields(&self, fields: &[(String, Node)]) -> io::Result<()> {
        let mut text = String::new();
        spread(&mut text, fields, 4);
        self.block(&text)
    }
}

/// Writes, and takes it that a reader who has left (`| head`) has seen enough; println! would panic.
pub fn write(to: &mut impl Write, text: &str) -> io::Result<()> {
    match to.write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Breaks a text between words. The first line begins at column `indent` already, the others get there.
fn wrap(text: &str, indent: usize) -> String {
    let (mut wrapped, mut column) = (String::new(), indent);
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if column == indent {
            // The first word of a line stands there however long it is.
        } else if column + 1 + length > MARGIN {
            wrapped.push('\n');
            wrapped.push_str(&" ".repeat(indent));
            column = indent;
        } else {
            wrapped.push(' ');
            column += 1;
        }
        wrapped.push_str(word);
        column += length;
    }
    wrapped
}

fn spread(text: &mut String, fields: &[(String, Node)], indent: usize) {
    let width = fields.iter().map(|(key, _)| key.len() + 2).max().unwrap_or(0);
    for (key, node) in fields {
        text.push_str(&" ".repeat(indent));
        match node {
            Node::Object(sources) if key == "sources" => {
                text.push_str("sources:\n");
                spread(text, &by_source(sources), indent + 4);
            }
            Node::Object(inner) => {
                text.push_str(&format!("{key}:\n"));
                spread(text, inner, indent + 4);
            }
            leaf => {
                let value = format!("{leaf}{}", unit(key));
                text.push_str(&format!("{:width$}{}\n", format!("{key}:"), wrap(&value, indent + width)));
            }
        }
    }
}

/// The unit of a number whose key does not tell it.
fn unit(key: &str) -> &'static str {
    if ["limit", "usage", "peak", "anon", "file", "shmem", "max_rss"].contains(&key) {
        " (bytes)"
    } else {
        ""
    }
}

/// `sources` names the source of each key; it reads better the other way round.
fn by_source(sources: &[(String, Node)]) -> Vec<(String, Node)> {
    let mut turned: Vec<(String, Node)> = Vec::new();
    for (key, source) in sources {
        let source = source.to_string();
        match turned.iter_mut().find(|(known, _)| *known == source) {
            Some((_, Node::Leaf(keys))) => keys.push_str(&format!(", {key}")),
            _ => turned.push((source, Node::Leaf(key.clone()))),
        }
    }
    turned
}

/// A JSON value that keeps the order of its keys.
#[derive(Clone, PartialEq)]
pub enum Node {
    Leaf(String),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl Node {
    /// The record in a line, when it is one.
    pub fn record(line: &str) -> Option<Node> {
        let node = serde_json::from_str(line).ok()?;
        matches!(&node, Node::Object(fields) if fields.iter().any(|(key, _)| key == "epitaph"))
            .then_some(node)
    }

    /// The keys and values of an object.
    pub fn fields(&self) -> &[(String, Node)] {
        if let Node::Object(fields) = self { fields } else { &[] }
    }

    /// What stands at a path of keys such as `exit.code`; empty when it is absent.
    pub fn get(&self, path: &str) -> String {
        let step = |node: &Node, key: &str| {
            node.fields().iter().find(|(known, _)| known == key).map(|(_, node)| node.clone())
        };
        let found = path.split('.').try_fold(self.clone(), |node, key| step(&node, key));
        found.map(|node| node.to_string()).unwrap_or_default()
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Node::Leaf(text) => f.write_str(text),
            Node::List(nodes) => {
                let texts: Vec<String> = nodes.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", texts.join("; "))
            }
            Node::Object(fields) => {
                let texts: Vec<String> = fields.iter().map(|(key, node)| format!("{key} {node}")).collect();
                f.write_str(&texts.join(", "))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Node, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Node;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a value as the records hold it")
            }
            fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
                Ok(Node::Leaf(value.to_string()))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
                Ok(Node::Leaf(value.to_string()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
                Ok(Node::Leaf(value.to_string()))
            }
            fn visit_str<E>(self, value: &str) -> Result<Node, E> {
                Ok(Node::Leaf(value.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Node, A::Error> {
                let mut nodes = Vec::new();
                while let Some(node) = from.next_element()? {
                    nodes.push(node);
                }
                Ok(Node::List(nodes))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Node, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = from.next_entry()? {
                    fields.push(field);
                }
                Ok(Node::Object(fields))
            }
        }
        from.deserialize_any(Any)
    }
}
