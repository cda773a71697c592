//! The picture alone, as an SVG that stands for itself.

use super::super::table::{cut, memory, verdict};
use super::super::units::count;
use super::bins::{self, Bins, HEIGHT};
use super::canvas::{self, Canvas};
use super::colors::{CLASSES, DEFS, STYLE, class};
use super::heading;
use super::lives::ran;
use super::markup::{Markup, number};
use super::scene::{Incident, MOST_ROWS, Scene, name_of, short_id};

/// The width, in points.
const WIDTH: f64 = 1180.0;

/// Where bars begin and end.
const LEFT: f64 = 104.0;
const RIGHT: f64 = 860.0;

/// The height of a row, and of the name of a group.
const ROW: f64 = 24.0;

/// Letters of a line as wide as the picture.
const LETTERS: usize = 150;

const FONTS: &str = "text{font-family:system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif;font-size:12.5px;fill:var(--ink)}\
.h1{font-size:19px;font-weight:700}.h3{font-weight:700;font-size:13.5px}.d{fill:var(--dim)}\
.i{font-family:ui-monospace,'DejaVu Sans Mono',monospace;font-size:12px}.t{font-weight:700;fill:var(--c,var(--ink))}.k{font-weight:700;fill:var(--o)}";

struct Drawing<'s, 'a> {
    to: Markup,
    y: f64,
    canvas: Canvas<'s>,
    incident: &'s Incident<'a>,
    scene: &'s Scene<'a>,
}

/// The SVG.
pub fn svg(incident: &Incident<'_>) -> String {
    let scene = Scene::of(incident);
    let canvas = Canvas {
        from: scene.from,
        to: scene.to,
        left: LEFT,
        width: RIGHT - LEFT,
        unit: "",
        clock: incident.clock,
        titles: true,
    };
    let mut drawing = Drawing { to: Markup::default(), y: 34.0, canvas, incident, scene: &scene };
    let bins = (scene.rows.len() > MOST_ROWS).then(|| Bins::of(&scene));
    drawing.heading(bins.as_ref());
    drawing.bars(bins.as_ref());
    drawing.legend(bins.is_some());
    let height = number(drawing.y + 8.0);
    let body = drawing.to.finish();
    let mut to = Markup::default();
    let width = number(WIDTH);
    to.raw(&format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" aria-labelledby="title desc"><title id="title">"#
    ));
    to.text(&heading::title(incident, &scene))
        .raw(r#"</title><desc id="desc">"#)
        .text(&incident.sum)
        .raw("</desc><style>");
    to.raw(STYLE).raw(FONTS).raw("</style><defs>").raw(DEFS).raw("</defs>");
    to.raw(r#"<rect width="100%" height="100%" fill="var(--paper)"/>"#).raw(&body).raw("</svg>\n");
    to.finish()
}

impl Drawing<'_, '_> {
    fn text(&mut self, x: f64, class: &str, text: &str) {
        let y = number(self.y);
        self.to
            .raw(&format!(r#"<text x="{}" y="{y}" class="{class}">"#, number(x)))
            .text(text)
            .raw("</text>");
    }

    fn paragraph(&mut self, x: f64, text: &str, letters: usize) {
        for (place, line) in super::super::wrap::wrapped(text, letters).iter().enumerate() {
            self.y += if place == 0 { 21.0 } else { 17.0 };
            self.text(x, "", line);
        }
    }

    /// A number, which stands at the right of its column.
    fn number(&mut self, x: f64, text: &str) {
        let y = number(self.y);
        self.to
            .raw(&format!(r#"<text x="{}" y="{y}" text-anchor="end">"#, number(x)))
            .text(text)
            .raw("</text>");
    }

    fn heading(&mut self, bins: Option<&Bins<'_, '_>>) {
        let place = heading::place(self.incident);
        self.text(16.0, "h1", &heading::title(self.incident, self.scene));
        self.y += 22.0;
        let sum = &self.incident.sum;
        self.text(16.0, "d", &if place.is_empty() { sum.clone() } else { format!("{sum}; {place}") });
        let notes = bins
            .map(|bins| bins.note(self.scene.rows.len()))
            .into_iter()
            .chain(self.incident.notes.iter().cloned());
        for note in notes.collect::<Vec<_>>() {
            self.paragraph(16.0, &note, LETTERS);
        }
        for (what, whom, text) in &self.incident.findings {
            let begin = self.y + 21.0;
            self.paragraph(136.0, &format!("{whom}: {text}"), LETTERS - 18);
            let end = std::mem::replace(&mut self.y, begin);
            self.text(16.0, "k", &cut(what, 16));
            self.y = end;
        }
        self.y += 34.0;
    }

    fn bars(&mut self, bins: Option<&Bins<'_, '_>>) {
        // The lines are behind all, and end where the last row does.
        let begin = self.y + 8.0;
        let before = std::mem::take(&mut self.to);
        for (tick, text) in heading::ticks(self.incident, self.scene, heading::TICKS) {
            let x = self.canvas.x(tick);
            let anchor = heading::anchor((x - LEFT) / (RIGHT - LEFT));
            let y = number(self.y);
            self.to.raw(&format!(r#"<text x="{}" y="{y}" text-anchor="{anchor}" class="d">"#, number(x)));
            self.to.text(&text).raw("</text>");
        }
        self.services();
        match bins {
            Some(bins) => self.binned(bins),
            None => self.rows(),
        }
        let rows = std::mem::replace(&mut self.to, before);
        let bottom = number(self.y + 8.0);
        for (tick, _) in heading::ticks(self.incident, self.scene, heading::TICKS) {
            self.canvas.line(&mut self.to, "ln", tick, begin, &bottom);
        }
        heading::events(&mut self.to, &self.canvas, self.incident, self.scene, (begin, &bottom));
        self.to.raw(&rows.finish());
    }

    fn services(&mut self) {
        for (service, events) in heading::services(self.incident, self.scene) {
            self.y += ROW;
            self.text(16.0, "", &cut(&format!("ECS {service}"), 13));
            let mut known: Vec<String> = Vec::new();
            for (at, letter, words) in events {
                let (x, y) = (number(self.canvas.x(at)), number(self.y));
                self.to.raw(&format!(r#"<text x="{x}" y="{y}" text-anchor="middle" class="t">"#));
                let title = format!("{} {words}", self.canvas.clock.time(at));
                self.to.element("title", &title).text(&letter.to_string()).raw("</text>");
                let told = format!("{letter} {words}");
                if !known.contains(&told) {
                    known.push(told);
                }
            }
            self.text(RIGHT + 16.0, "d", &cut(&known.join(", "), 42));
        }
    }

    fn group(&mut self, name: &str, service: &str) {
        self.y += ROW + 4.0;
        let name = cut(name, 80);
        let y = number(self.y);
        self.to.raw(&format!(r#"<text x="16" y="{y}" class="h3">"#)).text(&name);
        self.to.raw(r#" <tspan class="d" font-weight="400">"#).text(&cut(service, 50)).raw("</tspan></text>");
    }

    fn rows(&mut self) {
        for group in self.scene.groups() {
            let Some(first) = group.first() else { continue };
            let (name, service) = name_of(first);
            self.group(&name, &service);
            for row in group {
                self.y += ROW;
                let class = class(row);
                self.text(16.0, "i", &short_id(row.life, 8));
                self.to.raw(&format!(r#"<g class="{class}">"#)).element("title", &self.canvas.words(row));
                self.canvas.bar(&mut self.to, row, self.y - 4.5);
                let told = verdict(row.life).0;
                self.text(RIGHT + 16.0, "t", &cut(if told == "–" { "running?" } else { &told }, 20));
                self.to.raw("</g>");
                self.number(RIGHT + 204.0, &ran(row.life));
                self.number(WIDTH - 14.0, &cut(&memory(row.life).unwrap_or_default(), 15));
            }
        }
    }

    fn binned(&mut self, bins: &Bins<'_, '_>) {
        for kind in &bins.kinds {
            self.group(&kind.name, &kind.service);
            self.y += HEIGHT + 4.0;
            self.text(16.0, "", &count(kind.rows.len(), ""));
            bins.draw(&mut self.to, &self.canvas, kind, self.y - HEIGHT + 4.0);
            self.text(RIGHT + 16.0, "", &cut(&bins::sum(kind), 42));
        }
    }

    fn legend(&mut self, is_binned: bool) {
        self.y += 40.0;
        let mut x = 16.0;
        let mut entries: Vec<(String, &str)> = Vec::new();
        let bar =
            |class: &str| format!(r#"<rect class="b {class}" x="0" y="-11" width="26" height="13" rx="2"/>"#);
        if is_binned {
            entries.push((bar("o"), "ended badly, or without a record"));
            entries.push((bar("g"), "ended well"));
        } else {
            let used =
                CLASSES.iter().filter(|(name, _)| self.scene.rows.iter().any(|row| class(row) == *name));
            entries.extend(used.map(|(name, words)| (bar(name), *words)));
            let marks = canvas::legend(&self.scene.rows).into_iter();
            entries.extend(
                marks.map(|(symbol, name)| (format!(r##"<use href="#{symbol}" x="13" y="-4.5"/>"##), name)),
            );
            if self.scene.rows.iter().any(|row| super::super::spark::Series::of(row.life).memory.len() > 1) {
                entries.push((
                    r#"<path class="me" d="M0 2V-1L13-5 26-9V2z"/>"#.to_owned(),
                    "memory used, of its limit",
                ));
                entries.push((r#"<path class="cp" d="M0 0 9-6 18-3 26-8"/>"#.to_owned(), "CPU used"));
            }
        }
        for (drawing, words) in entries {
            let width = 34.0 + words.chars().count() as f64 * 6.9 + 18.0;
            if x + width > WIDTH {
                x = 16.0;
                self.y += 22.0;
            }
            let y = number(self.y);
            self.to.raw(&format!(r#"<g transform="translate({} {y})">{drawing}</g>"#, number(x)));
            self.text(x + 34.0, "d", words);
            x += width;
        }
        self.y += 14.0;
    }
}
