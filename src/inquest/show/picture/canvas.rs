//! A bar with its marks, drawn in per cent of a width for a page and in points for an SVG.

use super::super::rows::{End, Mark, Row};
use super::super::spark::{Series, thinned};
use super::super::table::verdict;
use super::colors::class;
use super::markup::{Markup, number};
use crate::inquest::time::{Clock, span};

/// Half of the height of a bar, in points.
const HALF: f64 = 7.0;

/// Points of a line of memory or CPU.
const POINTS: usize = 60;

/// Parts of the width within which two marks of one kind are one.
const TOGETHER: f64 = 400.0;

/// Where times are.
pub struct Canvas<'a> {
    /// the first time, in milliseconds since 1970
    pub from: i64,
    /// the last one
    pub to: i64,
    /// where the first one is
    pub left: f64,
    /// how far the last one is from it
    pub width: f64,
    /// `%`, or nothing for points
    pub unit: &'static str,
    /// how times are shown
    pub clock: &'a Clock,
    /// whether each mark has its own title
    pub titles: bool,
}

/// The mark's symbol, and its name.
fn symbol(mark: Mark) -> (&'static str, &'static str) {
    match mark {
        Mark::OomKill => ("m-o", "OOM kill"),
        Mark::Pressure => ("m-p", "memory pressure"),
        Mark::Stop => ("m-s", "stop signal"),
        Mark::Stuck => ("m-k", "stuck"),
        Mark::Health => ("m-h", "health check"),
        Mark::Signal => ("m-g", "other signal"),
        Mark::Task => ("m-t", "word on the task"),
    }
}

/// The marks of these rows, each once, for the legend.
pub fn legend(rows: &[Row<'_>]) -> Vec<(&'static str, &'static str)> {
    let mut marks: Vec<Mark> = rows.iter().flat_map(|row| &row.marks).map(|(_, mark)| *mark).collect();
    marks.sort_by(|one, other| other.cmp(one));
    marks.dedup();
    marks.into_iter().map(symbol).collect()
}

impl Canvas<'_> {
    fn part(&self, time: i64) -> f64 {
        let time = time.clamp(self.from, self.to);
        (time - self.from) as f64 / (self.to - self.from).max(1) as f64
    }

    /// Where a time is.
    pub fn x(&self, time: i64) -> f64 {
        self.left + self.width * self.part(time)
    }

    /// A place or a length as an attribute has it.
    pub fn at(&self, value: f64) -> String {
        format!("{}{}", number(value), self.unit)
    }

    fn has(&self, time: i64) -> bool {
        (self.from..=self.to).contains(&time)
    }

    /// A line from top to bottom.
    pub fn line(&self, to: &mut Markup, class: &str, time: i64, top: f64, bottom: &str) {
        let x = self.at(self.x(time));
        to.raw(&format!(r#"<line class="{class}" x1="{x}" x2="{x}" y1="{}" y2="{bottom}"/>"#, number(top)));
    }

    /// The bar of a life, around the height `y`.
    pub fn bar(&self, to: &mut Markup, row: &Row<'_>, y: f64) {
        if row.to < self.from || row.from > self.to {
            return;
        }
        let class = class(row);
        let (begin, end) = (self.x(row.from), self.x(row.to));
        let (top, x) = (number(y - HALF), self.at(begin));
        let (width, height) = (self.at((end - begin).max(0.0)), number(2.0 * HALF));
        to.raw(&format!(
            r#"<rect class="b {class}" x="{x}" y="{top}" width="{width}" height="{height}" rx="2"/>"#
        ));
        self.series(to, row, (&x, &top, &width, &height));
        if self.has(row.from) && !row.started {
            self.line(to, &format!("ct {class}"), row.from, y - HALF - 2.0, &number(y + HALF + 2.0));
        }
        if self.has(row.to) {
            match row.end {
                End::Running => {
                    to.raw(&format!(r##"<use href="#m-r" x="{}" y="{}"/>"##, self.at(end), number(y)));
                }
                End::Unknown => {
                    self.line(to, &format!("ct {class}"), row.to, y - HALF - 2.0, &number(y + HALF + 2.0));
                }
                End::Good | End::Bad => {
                    self.line(to, &format!("e {class}"), row.to, y - HALF - 2.0, &number(y + HALF + 2.0));
                }
            }
        }
        self.marks(to, row, y);
    }

    fn marks(&self, to: &mut Markup, row: &Row<'_>, y: f64) {
        let mut marks = row.marks.clone();
        // Of two in one place the graver one is in front.
        marks.sort_by_key(|(time, mark)| (*mark, *time));
        marks.dedup_by_key(|(time, mark)| (*mark, (self.part(*time) * TOGETHER) as i64));
        for (time, mark) in marks.into_iter().filter(|(time, _)| self.has(*time)) {
            let (symbol, name) = symbol(mark);
            let x = self.at(self.x(time));
            to.raw(&format!(r##"<use href="#{symbol}" x="{x}" y="{}""##, number(y)));
            if self.titles {
                to.raw(">").element("title", &format!("{} {name}", self.clock.time(time))).raw("</use>");
            } else {
                to.raw("/>");
            }
        }
    }

    /// Memory, of its limit where there is one, and CPU within a bar.
    fn series(&self, to: &mut Markup, row: &Row<'_>, (x, top, width, height): (&str, &str, &str, &str)) {
        let series = Series::of(row.life);
        let (begin, end) = (row.from.max(self.from), row.to.min(self.to));
        let points = |values: &[(i64, f64)], limit: Option<f64>| {
            let inside: Vec<(i64, f64)> =
                values.iter().copied().filter(|(time, _)| (begin..=end).contains(time)).collect();
            let highest = limit.unwrap_or_else(|| inside.iter().map(|(_, value)| *value).fold(0.0, f64::max));
            let length = (end - begin).max(1) as f64;
            let point = |(time, value): &(i64, f64)| {
                let height = (value / highest.max(1.0)).clamp(0.0, 1.0);
                format!(
                    "{} {}",
                    number((time - begin) as f64 / length * 100.0),
                    number(2.0 * HALF - 1.0 - height * (2.0 * HALF - 2.0))
                )
            };
            (inside.len() > 1).then(|| thinned(&inside, POINTS).iter().map(point).collect::<Vec<_>>())
        };
        let memory = points(&series.memory, series.memory_limit.map(|limit| limit as f64));
        let cpu = points(&series.cpu, series.cpu_limit.map(f64::from));
        if memory.is_none() && cpu.is_none() {
            return;
        }
        to.raw(&format!(
            r#"<svg x="{x}" y="{top}" width="{width}" height="{height}" viewBox="0 0 100 {height}" preserveAspectRatio="none">"#
        ));
        if let Some(points) = memory {
            let first = points.first().and_then(|point| point.split(' ').next()).unwrap_or("0");
            let last = points.last().and_then(|point| point.split(' ').next()).unwrap_or("100");
            let line = points.join("L");
            to.raw(&format!(
                r#"<path class="me" vector-effect="non-scaling-stroke" d="M{first} {height}L{line}L{last} {height}"/>"#
            ));
        }
        if let Some(points) = cpu {
            let line = points.join("L");
            to.raw(&format!(r#"<path class="cp" vector-effect="non-scaling-stroke" d="M{line}"/>"#));
        }
        to.raw("</svg>");
    }

    /// What a bar tells, in words.
    pub fn words(&self, row: &Row<'_>) -> String {
        let started = match (row.started, row.life.begun()) {
            (true, _) => "started",
            (false, Some(_)) => "no start record, by its exit record started",
            (false, None) => "start not known, first seen",
        };
        let mut text = format!("{started} {}", self.clock.time(row.from));
        let mut marks = row.marks.clone();
        marks.sort_unstable();
        for same in marks.chunk_by(|one, other| one.1 == other.1) {
            let (Some((first, mark)), more) = (same.first(), same.len() - 1) else { continue };
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            text.push_str(&format!(", {} {}{more}", symbol(*mark).1, self.clock.time(*first)));
        }
        let end = match row.end {
            End::Good | End::Bad => "ended",
            End::Unknown => "end not known, last seen",
            End::Running => "may still run, last seen",
        };
        let told = verdict(row.life).0;
        let told = if told == "–" { String::new() } else { format!(" {told}") };
        format!("{text}, {end} {}{told} after {}", self.clock.time(row.to), span(row.to - row.from))
    }
}
