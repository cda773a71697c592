//! `timeline` on a terminal: a row for each life, against time.

use super::glyphs::{ASCII, Glyphs, UNICODE};
use super::out::{Line, Style};
use super::rows::{self, End, Row};
use super::spark::{self, Series};
use super::table::{Columns, cut, memory, verdict};
use crate::inquest::case::{Life, Said};
use crate::inquest::time::{Clock, span};
use unicode_width::UnicodeWidthStr;

/// How wide it is where no terminal says.
const WIDTH: usize = 120;

/// Narrower than this a bar tells nothing; lines wrap on such a terminal.
const NARROWEST_BAR: usize = 16;

/// The longest name of a group, and of a container.
const LONGEST_GROUP: usize = 20;
const LONGEST_NAME: usize = 10;

/// Columns of the small line of memory.
const SPARK: usize = 8;

/// Digits of a task's ID.
const DIGITS: usize = 6;

/// The drawing of one timeline.
struct Drawing<'a> {
    clock: &'a Clock,
    glyphs: &'static Glyphs,
    from: i64,
    to: i64,
    bar: usize,
    label: usize,
}

/// The lines of a timeline of `lives`, between `window` where that is given, with what services of ECS did.
pub fn timeline(
    lives: &[&Life],
    said: &[&Said],
    clock: &Clock,
    columns: Columns,
    ascii: bool,
    window: (Option<i64>, Option<i64>),
) -> Vec<Line> {
    let rows = rows::rows(lives);
    let (Some(first), Some(last)) =
        (rows.iter().map(|row| row.from).min(), rows.iter().map(|row| row.to).max())
    else {
        return Vec::new();
    };
    let from = window.0.unwrap_or(first).min(last);
    let to = window.1.unwrap_or(last).max(from + 1);
    let width = match columns {
        Columns::At(width) => width,
        Columns::All => WIDTH,
    };
    let group = rows.iter().map(|row| row.group.as_str().width()).max().unwrap_or(0).min(LONGEST_GROUP);
    let name = rows.iter().map(|row| row.name.as_str().width()).max().unwrap_or(0).min(LONGEST_NAME);
    let label = group + 1 + name + 1 + DIGITS + 1;
    let tails: Vec<[(Style, String); 4]> = rows.iter().map(|row| tail(row.life, ascii)).collect();
    let mut widths = [0; 4];
    for tail in &tails {
        for (width, (_, cell)) in widths.iter_mut().zip(tail) {
            *width = (*width).max(cell.as_str().width());
        }
    }
    // The small line of memory gives way first, then the peak, then how long it ran.
    let mut shown = 4;
    let used = |shown: usize| widths.iter().take(shown).map(|width| width + 1).sum::<usize>();
    while shown > 1 && widths.get(shown - 1) == Some(&0) {
        shown -= 1;
    }
    while shown > 1 && label + NARROWEST_BAR + 8 + used(shown) > width {
        shown -= 1;
    }
    let bar = width.saturating_sub(label + used(shown)).max(NARROWEST_BAR);
    let drawing = Drawing { clock, glyphs: if ascii { &ASCII } else { &UNICODE }, from, to, bar, label };
    let mut lines = drawing.axis();
    let mut letters = Vec::new();
    for (service, marks) in rows::services(said.iter().copied()) {
        lines.extend(drawing.service(&service, &marks, width, &mut letters));
    }
    let mut before = None;
    for (row, tail) in rows.iter().zip(&tails) {
        let shown_group = if before == Some((&row.service, &row.group)) { "" } else { row.group.as_str() };
        before = Some((&row.service, &row.group));
        let id: String = row
            .life
            .task
            .as_deref()
            .or(row.life.container.as_deref())
            .unwrap_or("")
            .chars()
            .take(DIGITS)
            .collect();
        let mut line = Line::of(Style::Bold, pad(shown_group, group))
            .and(Style::Plain, format!(" {} {} ", pad(&row.name, name), pad(&id, DIGITS)));
        line = drawing.bar_of(row, line);
        for (place, ((style, cell), width)) in tail.iter().zip(widths).take(shown).enumerate() {
            let text = if place + 1 == shown { cut(cell, width) } else { pad(cell, width) };
            line = line.and(Style::Plain, " ").and(*style, text);
        }
        lines.push(line);
    }
    lines.extend(drawing.glyphs.legend(&rows, letters, width));
    lines
}

/// The text in so many columns, filled up with blanks.
fn pad(text: &str, columns: usize) -> String {
    let text = cut(text, columns);
    let blanks = columns.saturating_sub(text.as_str().width());
    text + &" ".repeat(blanks)
}

fn tail(life: &Life, ascii: bool) -> [(Style, String); 4] {
    let (verdict, style) = verdict(life);
    let ran = match (life.exit_record(), life.ran(), life.begun(), life.last_sign()) {
        (Some(_), Some(ran), ..) => span(ran),
        (None, _, Some(begun), _) if let Some(end) = &life.witnessed => span(end.time - begun),
        (None, _, Some(begun), Some(sign)) => format!(">{}", span(sign - begun)),
        _ => "–".to_owned(),
    };
    let used: Vec<f64> = Series::of(life).memory.into_iter().map(|(_, used)| used).collect();
    let used = if used.len() > 1 && !ascii { spark::text(&used, SPARK) } else { String::new() };
    [
        (style, verdict.into_owned()),
        (Style::Plain, ran),
        (Style::Plain, memory(life).unwrap_or_default()),
        (Style::Dim, used),
    ]
}

impl Drawing<'_> {
    /// The column of a time within the bar.
    fn column(&self, time: i64) -> usize {
        let part = (time.clamp(self.from, self.to) - self.from) as f64 / (self.to - self.from) as f64;
        (part * (self.bar.saturating_sub(1)) as f64).round() as usize
    }

    fn axis(&self) -> Vec<Line> {
        let (step, ticks) = rows::ticks(self.from, self.to, self.bar / 9, self.clock.offset(self.from));
        let mut text = vec![' '; self.bar];
        let mut free = 0;
        for tick in ticks {
            let label = self.clock.tick(tick, step);
            let at = self.column(tick);
            if at < free || at + label.chars().count() > self.bar {
                continue;
            }
            for (place, letter) in text.iter_mut().skip(at).zip(label.chars()) {
                *place = letter;
            }
            free = at + label.chars().count() + 1;
        }
        let day = format!("{} {}", self.clock.day(self.from), self.clock.name());
        let text: String = text.into_iter().collect();
        vec![Line::of(Style::Dim, format!("{}{}", pad(&day, self.label), text.trim_end()))]
    }

    /// The row of a service; letters whose meaning has no room beside it come into `letters`.
    fn service(
        &self,
        service: &str,
        marks: &[(i64, char, &'static str)],
        width: usize,
        letters: &mut Vec<String>,
    ) -> Option<Line> {
        let inside: Vec<_> = marks.iter().filter(|(at, ..)| (self.from..=self.to).contains(at)).collect();
        let mut text = vec![' '; self.bar];
        let mut legend: Vec<String> = Vec::new();
        for (at, letter, words) in &inside {
            if let Some(place) = text.get_mut(self.column(*at)) {
                *place = *letter;
            }
            let told = format!("{letter} {words}");
            if !legend.contains(&told) {
                legend.push(told);
            }
        }
        let text: String = text.into_iter().collect();
        let line = Line::of(Style::Plain, pad(&format!("ECS {service}"), self.label)).and(Style::Plain, text);
        let words = format!(" {}", legend.join(", "));
        if inside.is_empty() {
            return None;
        }
        if self.label + self.bar + words.as_str().width() <= width {
            return Some(line.and(Style::Dim, words));
        }
        letters.extend(legend.into_iter().filter(|told| !letters.contains(told)).collect::<Vec<_>>());
        Some(line)
    }

    /// The bar of a row. Where several things are in one column, the gravest is shown.
    fn bar_of(&self, row: &Row<'_>, mut line: Line) -> Line {
        let glyphs = self.glyphs;
        let mut cells = vec![(' ', Style::Plain); self.bar];
        let (first, last) = (self.column(row.from), self.column(row.to));
        let mut put = |at: usize, glyph: char, style: Style| {
            if let Some(cell) = cells.get_mut(at) {
                *cell = (glyph, style);
            }
        };
        for at in first..=last {
            put(at, glyphs.alive, Style::Plain);
        }
        if row.from >= self.from {
            put(first, if row.started { glyphs.start } else { glyphs.cut }, Style::Plain);
        }
        let mut marks = row.marks.clone();
        marks.sort_by_key(|(_, mark)| *mark);
        for (time, mark) in marks.iter().filter(|(time, _)| (self.from..=self.to).contains(time)) {
            let (glyph, style) = glyphs.mark(*mark);
            // The end has its own column where there is room before it.
            let at = self.column(*time);
            put(if at == last && last > first { last - 1 } else { at }, glyph, style);
        }
        if row.to <= self.to {
            let (glyph, style) = glyphs.end(row.end);
            let behind = matches!(row.end, End::Unknown | End::Running) && last + 2 < self.bar;
            if behind {
                put(last + 1, glyphs.cut, Style::Dim);
            }
            put(if behind { last + 2 } else { last }, glyph, style);
        }
        for part in cells.chunk_by(|one, other| one.1 == other.1) {
            let style = part.first().map_or(Style::Plain, |(_, style)| *style);
            line = line.and(style, part.iter().map(|(glyph, _)| *glyph).collect::<String>());
        }
        line
    }
}
