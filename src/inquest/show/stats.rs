//! `stats` for a person.

use super::out::{Line, Style};
use super::sentences;
use super::table::{Columns, cut, style_of};
use super::units::{bytes, count};
use super::wrap::wrapped;
use crate::inquest::stats::Stats;
use crate::inquest::time::{Clock, span};
use unicode_width::UnicodeWidthStr;

/// How wide it is where no terminal says.
const WIDTH: usize = 120;

/// How far sentences stand from the left.
const INDENT: usize = 4;

/// Peaks that are drawn, the last ones.
const DRAWN: usize = 40;

/// The lines.
pub fn stats(stats: &Stats, clock: &Clock, columns: Columns) -> Vec<Line> {
    let width = match columns {
        Columns::At(width) => width.max(60),
        Columns::All => WIDTH,
    };
    let mut page = Page { lines: Vec::new(), width };
    page.heading("VERDICTS", &format!("by {}", stats.by.join(", ")));
    page.groups(stats, clock);
    page.section(
        "CRASH LOOPS",
        "3 starts or more, each life under 2 min, the next within 10 min",
        &stats.loops,
        |page, crashes| {
            page.told(&crashes.kind, &sentences::crash_loop(crashes, clock), Style::Bad);
        },
    );
    page.section("MEMORY", "peaks", &stats.memory, |page, memory| {
        let style = if memory.kills > 0 { Style::Bad } else { Style::Plain };
        page.told(&memory.kind, &sentences::enough(memory), style);
        let drawn: Vec<u64> =
            memory.peaks.iter().skip(memory.peaks.len().saturating_sub(DRAWN)).copied().collect();
        if let (true, Some(first), Some(last)) = (drawn.len() > 1, drawn.first(), drawn.last()) {
            let text = format!(
                "{}  {} to {}, start by start (n = {})",
                super::spark::text(&drawn.iter().map(|peak| *peak as f64).collect::<Vec<_>>(), DRAWN),
                bytes(*first),
                bytes(*last),
                drawn.len()
            );
            page.sentence(&text, Style::Dim);
        }
    });
    page.section("STOPS", "from the first stop signal to the end", &stats.stops, |page, stops| {
        let bad = stops.slow + stops.kill_after + stops.stuck + stops.without_end > 0;
        page.told(&stops.kind, &sentences::stops(stops), if bad { Style::Bad } else { Style::Plain });
        for slow in &stops.slowest {
            page.sentence(&sentences::slow(slow, clock), Style::Dim);
        }
    });
    page.section("STARTS WITHOUT AN END", "what is concluded on them", &stats.open, |page, open| {
        page.told(&open.kind, &sentences::open(open), Style::Plain);
    });
    let images: Vec<usize> = (0..stats.images.len()).collect();
    page.section("IMAGES", "in order of their first start", &images, |page, place| {
        let Some(image) = stats.images.get(*place) else { return };
        let whom = format!("{} {}", image.container, sentences::digest(&image.id));
        let text = sentences::image(image, sentences::image_before(&stats.images, *place), clock);
        page.told(&whom, &text, if image.bad > 0 { Style::Bad } else { Style::Plain });
    });
    page.lines.push(Line::new());
    let all = format!("{} of {}", count(stats.lives, "life"), count(stats.tasks, "task"));
    page.lines.push(Line::of(Style::Dim, all));
    page.lines
}

struct Page {
    lines: Vec<Line>,
    width: usize,
}

impl Page {
    fn heading(&mut self, text: &str, more: &str) {
        if !self.lines.is_empty() {
            self.lines.push(Line::new());
        }
        self.lines.push(Line::of(Style::Bold, text).and(Style::Dim, format!("  {more}")));
    }

    fn section<T>(&mut self, text: &str, more: &str, all: &[T], mut each: impl FnMut(&mut Page, &T)) {
        if !all.is_empty() {
            self.heading(text, more);
            all.iter().for_each(|one| each(self, one));
        }
    }

    /// Who, and below it a sentence.
    fn told(&mut self, whom: &str, text: &str, style: Style) {
        self.lines.push(Line::of(style, format!("  {}", cut(whom, self.width.saturating_sub(2)))));
        self.sentence(text, Style::Plain);
    }

    fn sentence(&mut self, text: &str, style: Style) {
        for line in wrapped(text, self.width.saturating_sub(INDENT)) {
            self.lines.push(Line::of(style, format!("{}{line}", " ".repeat(INDENT))));
        }
    }

    fn groups(&mut self, stats: &Stats, clock: &Clock) {
        let mut rows: Vec<Vec<String>> = vec![
            std::iter::once("LIVES".to_owned())
                .chain(stats.by.iter().map(|key| key.to_uppercase()))
                .chain(["MEDIAN LIFE".to_owned(), "LAST".to_owned()])
                .collect(),
        ];
        for group in &stats.groups {
            let values = group.values.iter().map(|value| value.clone().unwrap_or_else(|| "–".to_owned()));
            let ran = match group.ran {
                Some((median, lives)) if lives == group.lives => span(median),
                Some((median, lives)) => format!("{} (n = {lives})", span(median)),
                None => "–".to_owned(),
            };
            let last = group.last.map_or_else(|| "–".to_owned(), |last| clock.short(last));
            rows.push(std::iter::once(count(group.lives, "")).chain(values).chain([ran, last]).collect());
        }
        let columns = rows.first().map_or(0, Vec::len);
        let mut widths: Vec<usize> = (0..columns)
            .map(|column| {
                rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.as_str().width()).max()
            })
            .map(Option::unwrap_or_default)
            .collect();
        // The widest of the keys gives way, down to what still tells it.
        while widths.iter().map(|width| width + 2).sum::<usize>() > self.width {
            let keys = widths.iter_mut().skip(1).take(stats.by.len());
            let Some(widest) = keys.max().filter(|width| **width > 8) else { break };
            *widest -= 1;
        }
        for (number, row) in rows.iter().enumerate() {
            let mut line = Line::new();
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let text = cut(cell, *width);
                let blanks = " ".repeat(width.saturating_sub(text.as_str().width()));
                let is_verdict = column > 0 && stats.by.get(column - 1) == Some(&"verdict");
                let style = match number {
                    0 => Style::Dim,
                    _ if is_verdict => style_of(cell),
                    _ => Style::Plain,
                };
                line = line.and(Style::Plain, "  ");
                line = if column == 0 {
                    line.and(Style::Plain, blanks).and(style, text)
                } else {
                    line.and(style, text).and(Style::Plain, blanks)
                };
            }
            self.lines.push(line);
        }
    }
}
