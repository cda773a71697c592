//! `--format csv`: a line for each life, for a spreadsheet (RFC 4180).

use super::out::clean;
use crate::inquest::case::Life;
use crate::inquest::time::written;

/// The columns, with the line of their names.
const COLUMNS: [&str; 20] = [
    "started",
    "ended",
    "last_sign",
    "runtime_ms",
    "task_id",
    "container_id",
    "family",
    "revision",
    "container_name",
    "service",
    "cluster",
    "availability_zone",
    "image_id",
    "verdict",
    "code",
    "signal",
    "memory_limit",
    "memory_peak",
    "conclusion",
    "why",
];

/// The lines.
pub fn csv(lives: &[&Life]) -> Vec<String> {
    std::iter::once(COLUMNS.join(",")).chain(lives.iter().map(|life| line(life))).collect()
}

fn line(life: &Life) -> String {
    let time = |time: Option<i64>| time.map(written);
    let own = |text: Option<&str>| text.map(str::to_owned);
    let number = |number: Option<u64>| number.map(|number| number.to_string());
    let exit = life.exit();
    let memory = life.memory();
    let why = life
        .disputed
        .first()
        .map_or_else(|| life.conclusion.text.to_string(), |dispute| format!("disputed: {dispute}"));
    let cells: [Option<String>; 20] = [
        time(life.begun()),
        time(life.ended()),
        time(life.last_sign()),
        life.exit_record().and_then(|_| life.ran()).map(|ran| ran.to_string()),
        own(life.task.as_deref()),
        own(life.container.as_deref()),
        own(life.get("family")),
        own(life.get("revision")),
        own(life.get("container_name")),
        own(life.get("service")),
        own(life.get("cluster")),
        own(life.get("availability_zone")),
        own(life.get("image_id")),
        own(life.verdict()),
        exit.and_then(|exit| exit.code()).or(life.conclusion.word_of().code).map(|code| code.to_string()),
        own(exit.and_then(|exit| exit.signal).as_deref()),
        number(memory.and_then(|memory| memory.limit)),
        number(memory.and_then(|memory| memory.peak)),
        Some(life.conclusion.word.to_string()),
        Some(why),
    ];
    cells.map(|cell| quoted(&cell.unwrap_or_default())).join(",")
}

/// A cell. A spreadsheet takes what begins with `=`, `+`, `-` or `@` for a formula: a log must not be able to
/// give it one.
pub fn quoted(text: &str) -> String {
    let text = clean(text);
    let formula = text.starts_with(['=', '+', '-', '@']) && text.parse::<f64>().is_err();
    let text = if formula { format!("'{text}") } else { text };
    if text.contains([',', '"', '\'']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn cells() {
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(quoted("=cmd|' /C calc'!A0"), "\"'=cmd|' /C calc'!A0\"");
        assert_eq!(quoted("-5"), "-5");
        assert_eq!(quoted("a\nb"), "a\\u{a}b");
    }
}
