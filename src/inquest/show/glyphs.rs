//! The signs of a timeline on a terminal, and what they mean.

use super::out::{Line, Style};
use super::rows::{End, Mark, Row};
use unicode_width::UnicodeWidthStr;

/// What is drawn with. Each sign has one column.
pub struct Glyphs {
    pub start: char,
    pub alive: char,
    pub cut: char,
    pub good: char,
    pub bad: char,
    pub unknown: char,
    pub running: char,
    pub oom_kill: char,
    pub pressure: char,
    pub stop: char,
    pub stuck: char,
    pub health: char,
    pub signal: char,
    pub task: char,
}

pub const UNICODE: Glyphs = Glyphs {
    start: '├',
    alive: '─',
    cut: '┄',
    good: '┤',
    bad: 'X',
    unknown: '?',
    running: '>',
    oom_kill: '▲',
    pressure: '◆',
    stop: '■',
    stuck: '●',
    health: '+',
    signal: '~',
    task: '¶',
};

pub const ASCII: Glyphs = Glyphs {
    start: '|',
    alive: '-',
    cut: '.',
    good: ']',
    bad: 'X',
    unknown: '?',
    running: '>',
    oom_kill: '^',
    pressure: '*',
    stop: '#',
    stuck: '@',
    health: '+',
    signal: '~',
    task: '%',
};

impl Glyphs {
    /// How a moment is drawn.
    pub fn mark(&self, mark: Mark) -> (char, Style) {
        match mark {
            Mark::OomKill => (self.oom_kill, Style::Bad),
            Mark::Pressure => (self.pressure, Style::Warn),
            Mark::Stop => (self.stop, Style::Plain),
            Mark::Stuck => (self.stuck, Style::Warn),
            Mark::Health => (self.health, Style::Warn),
            Mark::Task => (self.task, Style::Plain),
            Mark::Signal => (self.signal, Style::Dim),
        }
    }

    /// How an end is drawn.
    pub fn end(&self, end: End) -> (char, Style) {
        match end {
            End::Good => (self.good, Style::Good),
            End::Bad => (self.bad, Style::Bad),
            End::Unknown => (self.unknown, Style::Bad),
            End::Running => (self.running, Style::Plain),
        }
    }

    /// What the signs mean that were used, in lines of `width` columns.
    pub fn legend(&self, rows: &[Row<'_>], letters: Vec<String>, width: usize) -> Vec<Line> {
        let marked = |mark: Mark| rows.iter().any(|row| row.marks.iter().any(|(_, other)| *other == mark));
        let ended = |end: End| rows.iter().any(|row| row.end == end);
        let signs = [
            (true, self.start, "start"),
            (rows.iter().any(|row| !row.started), self.cut, "start not known"),
            (marked(Mark::OomKill), self.oom_kill, "OOM kill"),
            (marked(Mark::Pressure), self.pressure, "memory pressure"),
            (marked(Mark::Stop), self.stop, "stop"),
            (marked(Mark::Stuck), self.stuck, "stuck"),
            (marked(Mark::Health), self.health, "health"),
            (marked(Mark::Task), self.task, "word on the task"),
            (marked(Mark::Signal), self.signal, "signal"),
            (ended(End::Good), self.good, "ended"),
            (ended(End::Bad), self.bad, "ended badly"),
            (ended(End::Unknown), self.unknown, "end not known, after the last sign"),
            (ended(End::Running), self.running, "may still run"),
        ];
        let mut lines = vec![String::new()];
        let signs =
            signs.iter().filter(|(used, ..)| *used).map(|(_, glyph, words)| format!("{glyph} {words}"));
        for sign in signs.chain(letters) {
            let Some(line) = lines.last_mut() else { continue };
            if line.is_empty() {
                *line = sign;
            } else if line.as_str().width() + 2 + sign.as_str().width() <= width {
                line.push_str(&format!("  {sign}"));
            } else {
                lines.push(sign);
            }
        }
        lines.into_iter().map(|line| Line::of(Style::Dim, line)).collect()
    }
}
