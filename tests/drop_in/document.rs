//! `docs/drop-in.md`, made of the table and of what its rows found.

use crate::init::{NAMES, ORIGINALS};
use crate::runner::Found;
use crate::table::Row;
use std::fmt::Write;
use std::path::Path;

const INTRODUCTION: &str = include_str!("introduction.md");

/// Writes the document, or tells how the one that is there is not what the table gives.
pub fn check(rows: &[Row], found: &[Found], write: bool) -> Option<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/drop-in.md");
    let text = document(rows, found);
    if write {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        println!("written: {}", path.display());
        return None;
    }
    let old = std::fs::read_to_string(&path).unwrap_or_default();
    if old == text {
        return None;
    }
    let place = old.lines().zip(text.lines()).position(|(old, new)| old != new);
    let place = place.unwrap_or(old.lines().count().min(text.lines().count()));
    let line = |text: &str| text.lines().nth(place).unwrap_or("(the end)").to_owned();
    Some(format!(
        "docs/drop-in.md is not what the table gives (EPITAPH_TEST_WRITE_DOCS=1 writes it), line {}:\n    {}\n    {}",
        place + 1,
        line(&old),
        line(&text)
    ))
}

fn document(rows: &[Row], found: &[Found]) -> String {
    let mut text = INTRODUCTION.to_owned();
    let mut all: Vec<(&Row, &Found)> = rows.iter().zip(found).collect();
    while let Some((first, _)) = all.first() {
        let subject = first.subject;
        let (these, others) = all.into_iter().partition(|(row, _)| row.subject == subject);
        section(&mut text, subject, these);
        all = others;
    }
    text
}

fn section(text: &mut String, subject: &str, rows: Vec<(&Row, &Found)>) {
    let columns: Vec<&str> =
        ORIGINALS.into_iter().filter(|name| rows.iter().any(|(row, _)| row.inits.contains(name))).collect();
    let _ = write!(text, "\n## {subject}\n\n| behaviour | {} | epitaph | remark |\n", columns.join(" | "));
    let _ = writeln!(text, "|{}", " --- |".repeat(columns.len() + 3));
    for (row, found) in rows {
        let cells: Vec<String> = columns
            .iter()
            .map(|name| found.theirs.get(name).map_or_else(|| "-".to_owned(), |outcome| cell(outcome)))
            .collect();
        let (ours, remark) = (ours(row, found), remark(row));
        let _ = writeln!(text, "| {} | {} | {ours} | {remark} |", cell(&row.what), cells.join(" | "));
    }
}

/// The outcomes of epitaph: in full where they are other ones.
fn ours(row: &Row, found: &Found) -> String {
    let mut different: Vec<(&str, Vec<&str>)> = Vec::new();
    for name in NAMES {
        let (Some(theirs), Some(ours)) = (found.theirs.get(name), found.ours.get(name)) else { continue };
        if theirs == ours {
            continue;
        }
        match different.iter_mut().find(|(outcome, _)| outcome == ours) {
            Some((_, names)) => names.push(name),
            None => different.push((ours, vec![name])),
        }
    }
    let all = found.theirs.len();
    let mut parts: Vec<String> = match different.as_slice() {
        [] => vec!["the same".to_owned()],
        [(outcome, names)] if names.len() == all => vec![format!("**{}**", cell(outcome))],
        _ => different
            .iter()
            .map(|(outcome, names)| format!("as {}: **{}**", names.join(", "), cell(outcome)))
            .collect(),
    };
    let named: usize = different.iter().map(|(_, names)| names.len()).sum();
    if named > 0 && named < all {
        parts.push("else the same".to_owned());
    }
    if let Some((outcome, _)) = &row.own {
        parts.push(format!("as epitaph: {}", cell(outcome)));
    }
    parts.join("; ")
}

fn remark(row: &Row) -> String {
    let mut reasons: Vec<&str> = Vec::new();
    let all =
        row.differences.iter().map(|difference| difference.why).chain(row.own.iter().map(|(_, why)| *why));
    for reason in all {
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    cell_or(&reasons.join(" "), "")
}

fn cell(text: &str) -> String {
    cell_or(text, "(nothing)")
}

fn cell_or(text: &str, empty: &str) -> String {
    let line = text.trim().replace('|', "\\|").replace('\n', ", ");
    if line.is_empty() { empty.to_owned() } else { line }
}
