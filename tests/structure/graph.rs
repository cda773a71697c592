//! Which file of the source uses which.

use crate::source::{self, Module, Path};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Types of the language that have associated functions.
const PRIMITIVES: [&str; 9] = ["bool", "char", "i32", "i64", "str", "u16", "u32", "u64", "usize"];

/// A module's place: `["supervise", "core"]`.
type Place = Vec<String>;

/// All modules of one crate.
#[derive(Debug, Default)]
pub struct Crate {
    modules: BTreeMap<Place, (String, Module)>,
}

/// Where a path leads to.
#[derive(Debug, PartialEq, Eq)]
pub enum Target {
    /// a file of ours
    File(String),
    /// something of another crate: the whole path
    Outside(Path),
    /// a name of the file itself, or of the prelude
    Own,
}

impl Crate {
    /// Reads the file `root` of the folder `source` and all modules below it.
    pub fn read(source: &std::path::Path, root: &str) -> Crate {
        let mut all = Crate::default();
        let folder = PathBuf::from(root).parent().unwrap().to_owned();
        all.add(source, Place::new(), root.to_owned(), &folder);
        all
    }

    fn add(&mut self, source: &std::path::Path, place: Place, file: String, folder: &std::path::Path) {
        let text = std::fs::read_to_string(source.join(&file)).unwrap();
        let module = source::read(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
        for name in &module.files {
            let [plain, folded] =
                [format!("{name}.rs"), format!("{name}/mod.rs")].map(|name| folder.join(name));
            let path = if source.join(&plain).exists() { plain } else { folded };
            let below = [place.as_slice(), std::slice::from_ref(name)].concat();
            self.add(source, below, path.to_str().unwrap().to_owned(), &folder.join(name));
        }
        self.insert(place, file, module);
    }

    fn insert(&mut self, place: Place, file: String, mut module: Module) {
        for (name, inline) in std::mem::take(&mut module.inline) {
            self.insert([place.as_slice(), &[name]].concat(), file.clone(), inline);
        }
        self.modules.insert(place, (file, module));
    }

    /// Every path that is named, with the file that names it.
    pub fn uses(&self) -> impl Iterator<Item = (&str, &Path, Target)> {
        self.modules.iter().flat_map(move |(place, (file, module))| {
            module.paths.iter().map(move |path| (file.as_str(), path, self.resolve(place, path)))
        })
    }

    /// Every word, with the file that has it.
    pub fn words(&self) -> impl Iterator<Item = (&str, &str)> {
        let modules = self.modules.values();
        modules.flat_map(|(file, module)| module.words.iter().map(move |word| (file.as_str(), word.as_str())))
    }

    /// Every `impl Type` whose type is another file's.
    pub fn foreign_impls(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (place, (file, module)) in &self.modules {
            for path in &module.inherent_impls {
                match self.resolve(place, path) {
                    Target::File(other) if other != *file => {
                        found.push(format!(
                            "{file} has an impl of {}, which {other} defines",
                            path.join("::")
                        ));
                    }
                    _ => {}
                }
            }
        }
        found
    }

    /// Follows a path from a module to the file that defines what it names.
    pub fn resolve(&self, from: &[String], path: &[String]) -> Target {
        let mut at = from.to_vec();
        let mut is_first = true;
        for (index, name) in path.iter().enumerate() {
            match name.as_str() {
                "crate" | "epitaph" if is_first => at.clear(),
                "self" if is_first => {}
                "super" => drop(at.pop()),
                name => {
                    let below = [at.as_slice(), &[name.to_owned()]].concat();
                    if self.modules.contains_key(&below) {
                        at = below;
                        is_first = false;
                        continue;
                    }
                    let (_, module) = &self.modules[&at];
                    // `use self::x` stands for a child of its own, which was found above.
                    let import = module.imports.get(name).filter(|import| import.as_slice() != path);
                    if let Some(import) = import {
                        let whole = [import.as_slice(), &path[index + 1..]].concat();
                        return self.resolve(&at, &whole);
                    }
                    return if !is_first { self.file(&at) } else { self.other(name, path) };
                }
            }
            is_first = false;
        }
        self.file(&at)
    }

    fn file(&self, place: &[String]) -> Target {
        Target::File(self.modules[place].0.clone())
    }

    fn other(&self, first: &str, path: &[String]) -> Target {
        // Crates are in lower case; the rest are types of the file or of the prelude, or the language's own.
        let is_crate = first.starts_with(|letter: char| letter.is_ascii_lowercase());
        let is_crate = is_crate && !PRIMITIVES.contains(&first);
        if is_crate { Target::Outside(path.to_vec()) } else { Target::Own }
    }

    /// Which files each file uses, without itself.
    pub fn files(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (file, _) in self.modules.values() {
            graph.entry(file.clone()).or_default();
        }
        for (file, _, target) in self.uses() {
            if let Target::File(other) = target
                && other != file
            {
                graph.entry(file.to_owned()).or_default().insert(other);
            }
        }
        graph
    }
}

/// The circles of a graph: the sets of nodes each of which reaches all others of its set, and itself by
/// another.
pub fn circles(graph: &BTreeMap<String, BTreeSet<String>>) -> Vec<BTreeSet<&str>> {
    let reach = |start: &str| {
        let mut seen = BTreeSet::new();
        let mut next: Vec<&str> = graph.get(start).into_iter().flatten().map(String::as_str).collect();
        while let Some(node) = next.pop() {
            if seen.insert(node) {
                next.extend(graph.get(node).into_iter().flatten().map(String::as_str));
            }
        }
        seen
    };
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        graph.keys().map(|node| (node.as_str(), reach(node))).collect();
    let mut found: Vec<BTreeSet<&str>> = Vec::new();
    for (node, reaches) in &reached {
        let circle: BTreeSet<&str> = reaches
            .iter()
            .copied()
            .filter(|other| reached.get(other).is_some_and(|back| back.contains(node)))
            .collect();
        if !circle.is_empty() && !found.contains(&circle) {
            found.push(circle);
        }
    }
    found
}
