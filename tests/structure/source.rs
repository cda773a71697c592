//! What a source file says, as far as the structure goes: its modules, its `use` declarations, the paths that
//! it names, and the types that it has an `impl` for. Read from tokens, so what stands in a comment or in a
//! string does not count, and what stands in a macro does. What is compiled for tests alone is left out.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;

type Tokens = Peekable<proc_macro2::token_stream::IntoIter>;

/// A path, a segment each: `crate`, `record`, `stderr`.
pub type Path = Vec<String>;

/// One module: a file, or a `mod name { … }` in one.
#[derive(Debug, Default)]
pub struct Module {
    /// `mod name;`
    pub files: Vec<String>,
    /// `mod name { … }`
    pub inline: BTreeMap<String, Module>,
    /// what each name that a `use` declares stands for
    pub imports: BTreeMap<String, Path>,
    /// every word that is no comment and in no string
    pub words: BTreeSet<String>,
    /// every path with more than one segment, those of `use` too
    pub paths: Vec<Path>,
    /// the types of `impl Type { … }`
    pub inherent_impls: Vec<Path>,
}

/// Reads a file of source.
pub fn read(text: &str) -> Result<Module, proc_macro2::LexError> {
    let mut module = Module::default();
    items(text.parse()?, &mut module);
    Ok(module)
}

fn items(tokens: TokenStream, module: &mut Module) {
    let mut tokens = tokens.into_iter().peekable();
    // Whether the item that comes next is for tests alone.
    let mut is_test = false;
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == '#' => {
                if let Some(TokenTree::Group(group)) = tokens.peek() {
                    is_test |= group.stream().to_string().replace(' ', "") == "cfg(test)";
                    tokens.next();
                }
            }
            _ if is_test => {
                skip_item(token, &mut tokens);
                is_test = false;
            }
            TokenTree::Ident(name) => word(&name.to_string(), &mut tokens, module),
            TokenTree::Group(group) => items(group.stream(), module),
            _ => {}
        }
    }
}

/// Passes over the rest of an item: to its block, or to its semicolon.
fn skip_item(first: TokenTree, tokens: &mut Tokens) {
    let ends = |token: &TokenTree| match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Punct(punct) => punct.as_char() == ';',
        _ => false,
    };
    let is_use = matches!(&first, TokenTree::Ident(name) if name == "use");
    if ends(&first) {
        return;
    }
    for token in tokens.by_ref() {
        // The braces of a `use` are not its end.
        if ends(&token) && !(is_use && matches!(token, TokenTree::Group(_))) {
            return;
        }
    }
}

fn word(name: &str, tokens: &mut Tokens, module: &mut Module) {
    module.words.insert(name.to_owned());
    match name {
        // `pub(in crate::task)` says who may see it.
        "pub" => drop(tokens.next_if(
            |next| matches!(next, TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis),
        )),
        "mod" => {
            let Some(TokenTree::Ident(name)) = tokens.next() else { return };
            match tokens.next() {
                Some(TokenTree::Group(group)) => {
                    items(group.stream(), module.inline.entry(name.to_string()).or_default());
                }
                _ => module.files.push(name.to_string()),
            }
        }
        "use" => use_tree(tokens, &Vec::new(), module),
        "impl" => implementation(tokens, module),
        first => {
            let path = rest_of_path(first, tokens);
            if path.len() > 1 {
                module.paths.push(path);
            }
        }
    }
}

/// Takes `::` away, if that is what comes.
fn colons(tokens: &mut Tokens) -> bool {
    let is_colon = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ':');
    let mut ahead = tokens.clone();
    let are_two = ahead.next().is_some_and(|token| is_colon(&token) && token.to_string() == ":")
        && ahead.next().is_some_and(|token| is_colon(&token));
    // `a: ::b` and `a: b` have no two colons beside each other.
    let is_joint = matches!(tokens.peek(), Some(TokenTree::Punct(punct)) if punct.spacing() == proc_macro2::Spacing::Joint);
    if are_two && is_joint {
        tokens.next();
        tokens.next();
    }
    are_two && is_joint
}

fn rest_of_path(first: &str, tokens: &mut Tokens) -> Path {
    let mut path = vec![first.to_owned()];
    while colons(tokens) {
        // `Vec::<u8>::new` and `use a::{b, c}` end it.
        let Some(TokenTree::Ident(name)) = tokens.peek() else { break };
        path.push(name.to_string());
        tokens.next();
    }
    path
}

/// One tree of a `use`: `a::b`, `a::b as c`, `a::{b, c}`, `a::*`, to the comma, the semicolon or the end.
fn use_tree(tokens: &mut Tokens, before: &Path, module: &mut Module) {
    let mut path = before.clone();
    let mut name = None;
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(word) if word == "as" => {
                name = tokens.next().map(|token| token.to_string());
            }
            TokenTree::Ident(word) => path.push(word.to_string()),
            TokenTree::Group(group) => {
                let mut tokens = group.stream().into_iter().peekable();
                while tokens.peek().is_some() {
                    use_tree(&mut tokens, &path, module);
                }
                path.clear();
            }
            TokenTree::Punct(punct) if punct.as_char() == '*' => {
                module.paths.push(std::mem::take(&mut path));
            }
            TokenTree::Punct(punct) if [',', ';'].contains(&punct.as_char()) => break,
            _ => {}
        }
    }
    if path.last().is_some_and(|last| last == "self") && path.len() > 1 {
        path.pop();
    }
    if let Some(last) = path.last() {
        module.imports.insert(name.unwrap_or_else(|| last.clone()), path.clone());
        module.paths.push(path);
    }
}

/// What follows `impl`: the type, unless it is a trait's. What is in angle brackets is passed over.
fn implementation(tokens: &mut Tokens, module: &mut Module) {
    let mut depth = 0;
    let mut type_name: Option<Path> = None;
    while let Some(token) = tokens.peek() {
        match token {
            // The block. `impl Trait` in a signature ends before it.
            TokenTree::Group(group) if depth == 0 && group.delimiter() == Delimiter::Brace => {
                module.inherent_impls.extend(type_name);
                return;
            }
            TokenTree::Group(_) => return,
            TokenTree::Punct(punct)
                if [',', ';', '=', '+', '&', '|'].contains(&punct.as_char()) && depth == 0 =>
            {
                return;
            }
            TokenTree::Punct(punct) => {
                let is_arrow = punct.as_char() == '-';
                depth += i32::from(punct.as_char() == '<') - i32::from(punct.as_char() == '>');
                tokens.next();
                if is_arrow {
                    tokens.next();
                }
            }
            TokenTree::Ident(word) => {
                let word = word.to_string();
                tokens.next();
                if ["for", "where"].contains(&word.as_str()) {
                    return;
                }
                let path = rest_of_path(&word, tokens);
                if path.len() > 1 {
                    module.paths.push(path.clone());
                }
                if depth == 0 {
                    type_name = Some(path);
                }
            }
            TokenTree::Literal(_) => drop(tokens.next()),
        }
    }
}
