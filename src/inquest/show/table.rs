//! `list`: a line for each life.

use super::out::{Line, Style};
use super::units::amount;
use crate::inquest::case::{Life, Sure, is_good};
use crate::inquest::time::{Clock, span};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// How wide a table may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Columns {
    /// as many columns as a terminal has
    At(usize),
    /// nothing is cut
    All,
}

/// What is asked of a terminal at least: below it, lines wrap.
pub(super) const NARROWEST: usize = 60;

/// A reason of fewer columns tells nothing.
const SHORTEST_WHY: usize = 14;

/// A row before it is fitted: its cells with their styles.
struct Row {
    cells: [String; 7],
    styles: [Style; 7],
    why: String,
}

/// Tells `line` the lines of the table, with its heading. Each row is made twice, so that none has to be
/// held: there may be very many.
pub fn table(lives: &[&Life], clock: &Clock, columns: Columns, mut line: impl FnMut(&Line)) {
    let narrow = matches!(columns, Columns::At(width) if width < 110);
    let died = format!("DIED ({})", clock.name());
    let heading = Row {
        cells: [&died, "TASK", "CONTAINER", "RAN", "VERDICT", "CODE", "MEMORY"].map(str::to_owned),
        styles: [Style::Bold; 7],
        why: "WHY".to_owned(),
    };
    let mut widths = [0; 7];
    let mut measure = |row: &Row| {
        for (width, cell) in widths.iter_mut().zip(&row.cells) {
            *width = (*width).max(cell.as_str().width());
        }
    };
    measure(&heading);
    lives.iter().for_each(|life| measure(&row(life, clock, narrow)));
    let mut room = usize::MAX;
    if let Columns::At(width) = columns {
        let width = width.max(NARROWEST);
        let used = |widths: &[usize; 7]| widths.iter().map(|width| width + 1).sum::<usize>();
        // The name of the container gives way, down to what still tells it.
        let over = (used(&widths) + SHORTEST_WHY).saturating_sub(width);
        if let Some(name) = widths.get_mut(2) {
            *name = name.saturating_sub(over).max((*name).min(12));
        }
        room = width.saturating_sub(used(&widths));
    }
    line(&fit(heading, &widths, room));
    lives.iter().for_each(|life| line(&fit(row(life, clock, narrow), &widths, room)));
}

fn fit(row: Row, widths: &[usize; 7], room: usize) -> Line {
    let mut line = Line::with_room(16);
    // Columns that are left empty before the next text.
    let mut gap = 0;
    for (place, ((cell, style), width)) in row.cells.into_iter().zip(row.styles).zip(widths).enumerate() {
        let text = if cell.as_str().width() > *width { cut(&cell, *width) } else { cell };
        let padding = width.saturating_sub(text.as_str().width());
        // Numbers stand at the right of their column.
        let (before, behind) = if matches!(place, 3 | 5 | 6) { (padding, 0) } else { (0, padding) };
        line = line.and(Style::Plain, " ".repeat(gap + before)).and(style, text);
        gap = behind + 1;
    }
    line = line.and(Style::Plain, " ".repeat(gap));
    if room >= SHORTEST_WHY { line.and(Style::Plain, cut(&row.why, room)) } else { line }
}

/// The text within so many columns; where it is cut it ends in `…`.
pub fn cut(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut used = 0;
    let mut result = String::new();
    for letter in text.chars() {
        used += letter.width().unwrap_or(0);
        if used >= columns {
            break;
        }
        result.push(letter);
    }
    result.push('…');
    result
}

fn row(life: &Life, clock: &Clock, narrow: bool) -> Row {
    let conclusion = &life.conclusion;
    let short = |time: i64| {
        let text = clock.short(time);
        // Seconds are enough where there is little room.
        if narrow { text.get(..14).unwrap_or(&text).to_owned() } else { text }
    };
    let died = match (life.died(), life.last_sign()) {
        (Some(ended), _) => short(ended),
        (None, _) if conclusion.word == "running" => "still running?".to_owned(),
        (None, Some(sign)) => format!(">{}", short(sign)),
        (None, None) => "?".to_owned(),
    };
    let id = life.task.as_deref().or(life.container.as_deref()).unwrap_or("–");
    let id: String = id.chars().take(if narrow { 8 } else { 12 }).collect();
    let label = life.label().or_else(|| life.container.as_deref().map(|id| id.chars().take(12).collect()));
    let ran = match (life.exit_record(), life.ran(), life.begun(), life.last_sign()) {
        (Some(_), Some(ran), ..) => span(ran),
        (None, _, Some(begun), _) if let Some(end) = &life.witnessed => span(end.time - begun),
        (None, _, Some(begun), Some(sign)) => format!(">{}", span(sign - begun)),
        _ => "–".to_owned(),
    };
    let (mut verdict, style) = verdict(life);
    if life.has_grave_remark() {
        verdict.push('*');
    }
    let code = life.exit().and_then(|exit| exit.code()).or(conclusion.word_of().code);
    let code = code.map_or_else(|| "–".to_owned(), |code| code.to_string());
    let memory = memory(life).unwrap_or_else(|| "–".to_owned());
    Row {
        cells: [died, id, label.unwrap_or_else(|| "–".to_owned()), ran, verdict, code, memory],
        styles: [Style::Plain, Style::Plain, Style::Plain, Style::Plain, style, Style::Plain, Style::Plain],
        why: why(life),
    }
}

/// The verdict, or in parentheses what is concluded where there is none.
pub fn verdict(life: &Life) -> (String, Style) {
    let conclusion = &life.conclusion;
    if !life.disputed.is_empty() {
        return (format!("{}!", life.verdict().unwrap_or("disputed")), Style::Warn);
    }
    if let Some(verdict) = life.verdict() {
        return (verdict.to_owned(), style_of(verdict));
    }
    let sure = if matches!(conclusion.sure, Sure::Yes | Sure::Word) { "" } else { "?" };
    match conclusion.word.as_str() {
        "running" => ("–".to_owned(), Style::Plain),
        word => (format!("– ({word}{sure})"), Style::Bad),
    }
}

/// How a verdict is shown.
pub fn style_of(verdict: &str) -> Style {
    if is_good(verdict) { Style::Good } else { Style::Bad }
}

/// `32.0/32.0Mi`: the peak, or what was last in use, and the limit.
pub(super) fn memory(life: &Life) -> Option<String> {
    let memory = life.memory()?;
    let used = memory.peak.or(memory.usage)?;
    let (value, unit) = amount(used);
    Some(match memory.limit.map(amount) {
        Some((limit, same)) if same == unit => format!("{value}/{limit}{unit}"),
        Some((limit, other)) => format!("{value}{unit}/{limit}{other}"),
        None => format!("{value}{unit}"),
    })
}

fn why(life: &Life) -> String {
    if let Some(dispute) = life.disputed.first() {
        return format!("disputed: {dispute}");
    }
    let text = life.conclusion.text.as_str();
    // The verdict beside it says what stands before the colon.
    match text.split_once(": ") {
        Some((_, evidence)) if life.verdict().is_some_and(|verdict| verdict.starts_with("oom_")) => {
            evidence.to_owned()
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_by_columns() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "ab…");
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("日本語", 4), "日…");
    }
}
