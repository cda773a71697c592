//! The structure of the source, read from its tokens: which room uses which, and that no arrow runs up.
//!
//! What is held true is what `docs/design.md` says under "The rooms of the source", row by row.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod graph;
mod source;

use graph::{Crate, Target, circles};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;

const DESIGN: &str = include_str!("../../docs/design.md");

/// Rooms that every other may use: the system calls that `nix` does not have, and how a foreign text is
/// shown.
const FOR_ALL: [&str; 2] = ["sys", "shown"];

fn library() -> &'static Crate {
    static LIBRARY: LazyLock<Crate> =
        LazyLock::new(|| Crate::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "lib.rs"));
    &LIBRARY
}

/// The room of a file: its folder, or itself. The core is one of its own, and the heaps are a part of `sys`.
fn room(file: &str) -> &str {
    match file.split_once('/') {
        _ if file.starts_with("supervise/core/") => "core",
        Some((folder, _)) => folder,
        None if ["sys_heap.rs", "sys_pool.rs"].contains(&file) => "sys",
        None => file.trim_end_matches(".rs"),
    }
}

/// The rooms of a section of the design from the top to the bottom, each with those that it may use.
fn designed(title: &str) -> Vec<(String, BTreeSet<String>)> {
    let section = DESIGN.split(&format!("\n## {title}\n")).nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let rooms = rows.map(|row| {
        let [name, _, uses] = row.trim_matches('|').split('|').collect::<Vec<_>>().try_into().unwrap();
        let name = name.split('`').nth(1).unwrap().trim_start_matches("src/").trim_end_matches('/');
        let name = name.strip_prefix("supervise/").unwrap_or(name).trim_end_matches(".rs");
        (name.to_owned(), named(uses))
    });
    rooms.collect()
}

/// `launch (to fork it), record` without what stands in parentheses.
fn named(uses: &str) -> BTreeSet<String> {
    let pieces = uses.split('(').map(|piece| piece.split_once(')').map_or(piece, |(_, behind)| behind));
    let plain: String = pieces.collect();
    plain
        .split(',')
        .map(|name| name.trim().to_owned())
        .filter(|name| !["", "–"].contains(&name.as_str()))
        .collect()
}

/// Which room uses which, those for all left out.
fn rooms_of(graph: &BTreeMap<String, BTreeSet<String>>) -> BTreeMap<String, BTreeSet<String>> {
    let mut rooms: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (file, used) in graph {
        let from = rooms.entry(room(file).to_owned()).or_default();
        from.extend(used.iter().map(|other| room(other).to_owned()).filter(|other| other != room(file)));
    }
    rooms
}

#[test]
fn each_room_uses_what_the_design_says_and_nothing_above() {
    let designed = designed("The rooms of the source");
    let names: Vec<&str> = designed.iter().map(|(name, _)| name.as_str()).collect();
    let all = library();
    let mut rooms = rooms_of(&all.files());
    rooms.remove("lib");
    let mut found = Vec::new();
    for (place, (name, may_use)) in designed.iter().enumerate().skip(1) {
        let Some(used) = rooms.remove(name) else {
            found.push(format!("the design has a room {name}, the source has not"));
            continue;
        };
        let used: BTreeSet<String> =
            used.into_iter().filter(|other| !FOR_ALL.contains(&other.as_str())).collect();
        if used != *may_use {
            found.push(format!("{name} uses {used:?}, and by the design {may_use:?}"));
        }
        for above in used.iter().filter(|other| !names[place + 1..].contains(&other.as_str())) {
            found.push(format!("{name} uses {above}, which stands above it"));
        }
    }
    found.extend(rooms.keys().map(|room| format!("the room {room} is not in the design")));
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn those_for_all_use_none_of_the_others() {
    let graph = library().files();
    for room_for_all in FOR_ALL {
        let used = &rooms_of(&graph)[room_for_all];
        assert!(used.iter().all(|other| FOR_ALL.contains(&other.as_str())), "{room_for_all} uses {used:?}");
    }
}

/// Files of the reader `inquest` that every room of it may use.
const FOR_ALL_OF_INQUEST: [&str; 7] = ["column", "context", "export", "json", "registry", "text", "time"];

/// The room of a file of `inquest`: its folder, or itself.
fn room_of_inquest(file: &str) -> Option<&str> {
    Some(file.strip_prefix("inquest/")?.split_once(['/', '.'])?.0)
}

#[test]
fn each_room_of_inquest_uses_what_the_design_says() {
    let designed = designed("The rooms of inquest");
    assert_eq!(designed.len(), 7, "{designed:?}");
    let mut used: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let graph = library().files();
    for (file, others) in &graph {
        let Some(room) = room_of_inquest(file) else { continue };
        let others = others.iter().filter_map(|other| room_of_inquest(other));
        let others = others.filter(|other| *other != room && !FOR_ALL_OF_INQUEST.contains(other));
        used.entry(room).or_default().extend(others.map(str::to_owned));
    }
    for room in FOR_ALL_OF_INQUEST {
        assert_eq!(used[room], BTreeSet::new(), "{room} is below all");
    }
    for (place, (name, may_use)) in designed.iter().enumerate() {
        assert_eq!(used[name.as_str()], *may_use, "{name}");
        let below: Vec<&String> = designed[place + 1..].iter().map(|(name, _)| name).collect();
        assert!(may_use.iter().all(|other| below.contains(&other)), "{name} uses one above it");
    }
}

#[test]
fn no_file_is_in_a_circle() {
    let graph = library().files();
    let found = circles(&graph);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn the_methods_of_a_type_of_the_init_stand_in_its_file() {
    let found = library().foreign_impls();
    let found: Vec<_> = found.iter().filter(|what| !what.starts_with("inquest/")).collect();
    assert!(found.is_empty(), "{found:#?}");
}

/// What the core may use of std: nothing that asks the kernel.
const PURE: [&str; 9] = ["time", "str", "collections", "fmt", "mem", "cmp", "iter", "ops", "num"];

/// Words that ask the kernel or the clock, or write, whatever they are called on.
const WORDS: [&str; 9] =
    ["SystemTime", "elapsed", "unsafe", "thread", "print", "println", "eprintln", "asm", "extern"];

/// Whether a path of another crate is harmless.
fn is_pure(path: &[String]) -> bool {
    match path.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["std" | "core" | "alloc", module, ..] => PURE.contains(module) && !path.contains(&"now".to_owned()),
        ["arrayvec", ..] => true,
        // The numbers of signals and errors.
        ["libc", name] => name.chars().all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit()),
        _ => false,
    }
}

/// What in the core is more than a decision.
fn impurities(all: &Crate, is_core: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for (file, path, target) in all.uses().filter(|(file, ..)| is_core(file)) {
        let path_text = path.join("::");
        match target {
            Target::Outside(whole) if !is_pure(&whole) => found.push(format!("{file}: {path_text}")),
            Target::File(other) if FOR_ALL.contains(&room(&other)) => {
                found.push(format!("{file}: {path_text}"));
            }
            _ if path_text.ends_with("Instant::now") => found.push(format!("{file}: {path_text}")),
            _ => {}
        }
    }
    for (file, word) in all.words().filter(|(file, _)| is_core(file)) {
        if WORDS.contains(&word) {
            found.push(format!("{file}: the word {word}"));
        }
    }
    found
}

#[test]
fn the_core_asks_neither_the_kernel_nor_a_clock() {
    let all = library();
    let files = all.files();
    let core: Vec<&String> = files.keys().filter(|file| room(file) == "core").collect();
    assert!(core.len() >= 8, "{core:?}");
    let found = impurities(all, |file| room(file) == "core");
    assert!(found.is_empty(), "{found:#?}");
    // What it takes from the rooms below is values, so the files that hold them are not to ask either.
    let below: BTreeSet<&str> = core
        .iter()
        .flat_map(|file| &files[*file])
        .map(String::as_str)
        .filter(|file| room(file) == "forensics")
        .collect();
    assert!(!below.is_empty());
    let found = impurities(all, |file| below.contains(file));
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn unsafe_code_stands_in_four_places() {
    for (file, word) in library().words() {
        let is_allowed = room(file) == "sys" || word != "unsafe";
        assert!(is_allowed, "{file} has the word {word}");
    }
    let main = Crate::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "main.rs");
    let files: BTreeSet<&str> =
        main.words().filter(|(_, word)| word.starts_with("unsafe")).map(|(file, _)| file).collect();
    assert_eq!(files, BTreeSet::from(["entry.rs"]));
}

/// A tree of source with these files.
fn made(files: &[(&str, &str)]) -> Crate {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    Crate::read(folder.path(), "lib.rs")
}

#[test]
fn arrows_are_seen_through_whatever_they_are_written_as() {
    let below = ("below.rs", "pub mod deep; pub use deep::Thing; pub const N: u8 = 1;");
    let deep = ("below/deep.rs", "pub struct Thing; pub fn act() {}");
    for text in [
        "use crate::below::Thing;",
        "use crate::below::{N as M, Thing as T};",
        "use super::below::deep;",
        "use crate::below::deep::*;",
        "fn f() { crate::below::deep::act(); }",
        "fn f() -> crate::below::Thing { todo!() }",
        "fn f() { log::debug!(\"{}\", crate::below::deep::act()); }",
        "use crate::below; impl From<below::Thing> for u8 {}",
        "mod inner { use super::super::below::Thing; }",
        "#[cfg(target_arch = \"x86_64\")] use crate::below::Thing;",
        "pub(in crate::above) fn f(_: &[crate::below::Thing; 2]) {}",
    ] {
        let all = made(&[("lib.rs", "mod above; mod below;"), ("above.rs", text), below, deep]);
        let used = &all.files()["above.rs"];
        assert!(used.contains("below/deep.rs"), "{text}: {used:?}");
    }
    for text in [
        "// use crate::below::Thing;",
        "fn f() -> &'static str { \"crate::below::Thing\" }",
        "#[cfg(test)] use crate::below::{Thing, N}; fn f() {}",
        "#[cfg(test)] mod tests { use crate::below::Thing; }",
    ] {
        let all = made(&[("lib.rs", "mod above; mod below;"), ("above.rs", text), below, deep]);
        assert!(all.files()["above.rs"].is_empty(), "{text}: {:?}", all.files());
    }
}

#[test]
fn circles_and_scattered_methods_are_seen() {
    let all = made(&[
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "use crate::b::B; pub struct A(B);"),
        ("b.rs", "pub struct B; impl crate::a::A { fn f(&self) {} } impl From<B> for crate::a::A {}"),
    ]);
    assert_eq!(circles(&all.files()), [BTreeSet::from(["a.rs", "b.rs"])]);
    assert_eq!(all.foreign_impls(), ["b.rs has an impl of crate::a::A, which a.rs defines"]);
}

#[test]
fn what_asks_the_kernel_is_seen() {
    for text in [
        "fn f() { std::fs::read(\"/\").ok(); }",
        "use std::process::id;",
        "use nix::unistd::getpid;",
        "fn f() { let _ = std::time::Instant::now(); }",
        "use std::time::Instant; fn f() { let _ = Instant::now(); }",
        "fn f(at: std::time::Instant) { at.elapsed(); }",
        "fn f() { unsafe { libc::getpid() }; }",
        "fn f() { log::debug!(\"here\"); }",
        "use crate::sys; fn f() { sys::call(); }",
        "fn f() { println!(); }",
    ] {
        let all =
            made(&[("lib.rs", "mod core; mod sys;"), ("core.rs", text), ("sys.rs", "pub fn call() {}")]);
        assert!(!impurities(&all, |file| file == "core.rs").is_empty(), "{text}");
    }
}
