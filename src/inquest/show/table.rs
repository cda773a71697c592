//! `list`: a line for each life.

use super::out::{Line, Style};
use super::units::amount;
use crate::inquest::case::{Exit, Life, Sure, is_good};
use crate::inquest::time::{Clock, span};
use std::borrow::Cow;
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

/// A row before it is fitted: its cells, and how the verdict is shown.
struct Row<'a> {
    cells: [Cow<'a, str>; 7],
    verdict: Style,
}

/// Which of the cells is the verdict.
const VERDICT: usize = 4;

/// Tells `line` the lines of the table, with its heading. Each row is made twice, so that none has to be
/// held: there may be very many.
pub fn table(lives: &[&Life], clock: &Clock, columns: Columns, mut line: impl FnMut(&Line)) {
    let narrow = matches!(columns, Columns::At(width) if width < 110);
    let died = format!("DIED ({})", clock.name());
    let heading = [&died, "TASK", "CONTAINER", "RAN", "VERDICT", "CODE", "MEMORY"];
    let mut widths = heading.map(UnicodeWidthStr::width);
    for life in lives {
        for (width, cell) in widths.iter_mut().zip(&row(life, clock, narrow).cells) {
            *width = (*width).max(cell.width());
        }
    }
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
    line(&fit(&heading.map(Cow::Borrowed), |_| Style::Bold, "WHY", &widths, room));
    for life in lives {
        let row = row(life, clock, narrow);
        let style = |place| if place == VERDICT { row.verdict } else { Style::Plain };
        line(&fit(&row.cells, style, &why(life), &widths, room));
    }
}

fn fit(
    cells: &[Cow<'_, str>; 7],
    style: impl Fn(usize) -> Style,
    why: &str,
    widths: &[usize; 7],
    room: usize,
) -> Line {
    let mut line = Line::new();
    // Columns that are left empty before the next text.
    let mut gap = 0;
    for (place, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let text = within(cell, *width);
        let padding = width.saturating_sub(text.width());
        // Numbers stand at the right of their column.
        let (before, behind) = if matches!(place, 3 | 5 | 6) { (padding, 0) } else { (0, padding) };
        line.blank(gap + before);
        line.push(style(place), &text);
        gap = behind + 1;
    }
    line.blank(gap);
    if room >= SHORTEST_WHY {
        line.push(Style::Plain, &within(why, room));
    }
    line
}

/// The text within so many columns; where it is cut it ends in `…`.
pub fn cut(text: &str, columns: usize) -> String {
    within(text, columns).into_owned()
}

fn within(text: &str, columns: usize) -> Cow<'_, str> {
    if text.width() <= columns {
        return text.into();
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
    result.into()
}

fn row<'a>(life: &'a Life, clock: &Clock, narrow: bool) -> Row<'a> {
    let conclusion = &life.conclusion;
    let short = |time: i64| {
        let mut text = clock.short(time);
        // Seconds are enough where there is little room.
        if narrow && text.is_char_boundary(14) {
            text.truncate(14);
        }
        text
    };
    let died = match (life.died(), life.last_sign()) {
        (Some(ended), _) => short(ended).into(),
        (None, _) if conclusion.word == "running" => "still running?".into(),
        (None, Some(sign)) => format!(">{}", short(sign)).into(),
        (None, None) => "?".into(),
    };
    let id = life.task.as_deref().or(life.container.as_deref()).unwrap_or(NONE);
    let label =
        life.label().map(Cow::from).or_else(|| Some(beginning(life.container.as_deref()?, 12).into()));
    let exit = life.exit();
    let ran = match (life.exit_record().is_some(), life.ran_to(exit.as_ref()), life.begun(), life.last_sign())
    {
        (true, Some(ran), ..) => span(ran).into(),
        (false, _, Some(begun), _) if let Some(end) = &life.witnessed => span(end.time - begun).into(),
        (false, _, Some(begun), Some(sign)) => format!(">{}", span(sign - begun)).into(),
        _ => NONE.into(),
    };
    let (mut verdict, style) = verdict_of(life, exit.as_ref());
    if life.has_grave_remark() {
        verdict.to_mut().push('*');
    }
    let code = exit.and_then(|exit| exit.code()).or(conclusion.word_of().code);
    let code = code.map_or(NONE.into(), |code| code.to_string().into());
    let memory = memory(life).map_or(NONE.into(), Cow::from);
    let id = beginning(id, if narrow { 8 } else { 12 }).into();
    Row { cells: [died, id, label.unwrap_or(NONE.into()), ran, verdict, code, memory], verdict: style }
}

/// Stands where nothing is known.
const NONE: &str = "–";

/// The first so many letters.
fn beginning(text: &str, letters: usize) -> &str {
    text.char_indices().nth(letters).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

/// The verdict, or in parentheses what is concluded where there is none.
pub fn verdict(life: &Life) -> (Cow<'static, str>, Style) {
    verdict_of(life, life.exit().as_ref())
}

fn verdict_of(life: &Life, exit: Option<&Exit>) -> (Cow<'static, str>, Style) {
    let conclusion = &life.conclusion;
    let verdict = exit.and_then(|exit| exit.verdict).map(|verdict| verdict.as_str());
    if !life.disputed.is_empty() {
        return (format!("{}!", verdict.unwrap_or("disputed")).into(), Style::Warn);
    }
    if let Some(verdict) = verdict {
        return (verdict.into(), style_of(verdict));
    }
    let sure = if matches!(conclusion.sure, Sure::Yes | Sure::Word) { "" } else { "?" };
    match conclusion.word.as_str() {
        "running" => (NONE.into(), Style::Plain),
        word => (format!("{NONE} ({word}{sure})").into(), Style::Bad),
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

fn why(life: &Life) -> Cow<'_, str> {
    if let Some(dispute) = life.disputed.first() {
        return format!("disputed: {dispute}").into();
    }
    let text = life.conclusion.text.as_str();
    // The verdict beside it says what stands before the colon.
    match text.split_once(": ") {
        Some((_, evidence)) if life.verdict().is_some_and(|verdict| verdict.starts_with("oom_")) => {
            evidence.into()
        }
        _ => text.into(),
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
