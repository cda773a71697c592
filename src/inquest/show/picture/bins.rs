//! Many lives: counted by the minute, or by as many minutes as leave a picture that can be seen.

use super::super::rows::{End, Row};
use super::super::units::count;
use super::canvas::Canvas;
use super::markup::{Markup, number};
use super::scene::{Scene, name_of};
use crate::inquest::time::span;

/// Columns of a row at the most.
const COLUMNS: i64 = 180;

/// Kinds of containers that have a row; the rest is one row together.
const KINDS: usize = 120;

/// The height of a row, in points.
pub const HEIGHT: f64 = 34.0;

const MINUTE: i64 = 60_000;

/// What began and ended within one column.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bin {
    /// starts
    pub starts: usize,
    /// ends that were good
    pub good: usize,
    /// ends that were bad, or are not known
    pub bad: usize,
}

/// One kind of container.
pub struct Kind<'s, 'a> {
    /// the rows of its lives
    pub rows: Vec<&'s Row<'a>>,
    /// how it is called
    pub name: String,
    /// its service
    pub service: String,
    bins: Vec<Bin>,
}

/// All kinds, in columns.
pub struct Bins<'s, 'a> {
    /// how long a column is, in milliseconds
    pub step: i64,
    /// the kinds
    pub kinds: Vec<Kind<'s, 'a>>,
    from: i64,
    most: usize,
}

impl<'s, 'a> Bins<'s, 'a> {
    /// Of a scene.
    pub fn of(scene: &'s Scene<'a>) -> Bins<'s, 'a> {
        let minutes = (scene.to - scene.from) / MINUTE / COLUMNS + 1;
        let step = minutes * MINUTE;
        let from = scene.from.div_euclid(step) * step;
        let mut groups: Vec<&[Row<'a>]> = scene.groups().collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
        let others: Vec<&Row<'a>> = groups.iter().skip(KINDS).flat_map(|group| group.iter()).collect();
        let other_kinds = groups.len().saturating_sub(KINDS);
        groups.truncate(KINDS);
        let mut kinds: Vec<Kind<'s, 'a>> = groups
            .into_iter()
            .filter_map(|group| {
                let (name, service) = name_of(group.first()?);
                Some(Kind { rows: group.iter().collect(), name, service, bins: Vec::new() })
            })
            .collect();
        kinds.sort_by(|one, other| (&one.service, &one.name).cmp(&(&other.service, &other.name)));
        if !others.is_empty() {
            let name = count(other_kinds, "other kind");
            kinds.push(Kind { rows: others, name, service: String::new(), bins: Vec::new() });
        }
        let columns = usize::try_from((scene.to - from) / step + 1).unwrap_or(1);
        let mut most = 1;
        for kind in &mut kinds {
            kind.bins = bins(&kind.rows, from, step, columns);
            most = kind.bins.iter().map(|bin| bin.good + bin.bad).max().unwrap_or(0).max(most);
        }
        Bins { step, kinds, from, most }
    }

    /// What must be known to read it.
    pub fn note(&self, lives: usize) -> String {
        let step = if self.step == MINUTE { "minute".to_owned() } else { span(self.step) };
        format!(
            "{} are more than have room for a row each: the bars count ends by the {step}, up to {} in one. Ask for fewer \
             (--since, --family, --verdict) to see each.",
            count(lives, "life"),
            count(self.most, "end")
        )
    }

    /// The columns of a kind, from `top` to [`HEIGHT`] below.
    pub fn draw(&self, to: &mut Markup, canvas: &Canvas<'_>, kind: &Kind<'_, '_>, top: f64) {
        let ground = top + HEIGHT - 3.0;
        let room = HEIGHT - 8.0;
        for (place, bin) in kind.bins.iter().enumerate() {
            if *bin == Bin::default() {
                continue;
            }
            let begin = self.from + i64::try_from(place).unwrap_or(0) * self.step;
            let (x, end) = (canvas.x(begin), canvas.x(begin + self.step));
            let width = (end - x) * 0.86;
            let part = |number: usize| {
                (number as f64 / self.most as f64 * room).max(if number > 0 { 2.0 } else { 0.0 })
            };
            let (bad, good) = (part(bin.bad), part(bin.good));
            to.raw("<g>").element("title", &self.words(canvas, begin, bin));
            let mut rect = |class: &str, top: f64, height: f64| {
                if height > 0.0 {
                    to.raw(&format!(
                        r#"<rect class="{class}" x="{}" y="{}" width="{}" height="{}"/>"#,
                        canvas.at(x),
                        number(top),
                        canvas.at(width),
                        number(height)
                    ));
                }
            };
            rect("b o", ground - bad, bad);
            rect("b g", ground - bad - good, good);
            if bin.starts > 0 {
                rect("mf", ground + 1.0, 2.0);
            }
            to.raw("</g>");
        }
    }

    fn words(&self, canvas: &Canvas<'_>, begin: i64, bin: &Bin) -> String {
        let clock = canvas.clock;
        format!(
            "{} to {}: {}, {} ended badly or without a record, {} well",
            clock.tick(begin, MINUTE),
            clock.tick(begin + self.step, MINUTE),
            count(bin.starts, "start"),
            count(bin.bad, ""),
            count(bin.good, "")
        )
    }
}

fn bins(rows: &[&Row<'_>], from: i64, step: i64, columns: usize) -> Vec<Bin> {
    let mut bins = vec![Bin::default(); columns];
    let at = |time: i64| usize::try_from((time - from) / step).ok().filter(|_| time >= from);
    for row in rows {
        if let Some(bin) = at(row.from).and_then(|place| bins.get_mut(place)) {
            bin.starts += 1;
        }
        if let Some(bin) = at(row.to).and_then(|place| bins.get_mut(place)) {
            match row.end {
                End::Good => bin.good += 1,
                End::Bad | End::Unknown => bin.bad += 1,
                End::Running => {}
            }
        }
    }
    bins
}

/// How many of a kind ended how.
pub fn sum(kind: &Kind<'_, '_>) -> String {
    let of = |ends: &[End]| kind.rows.iter().filter(|row| ends.contains(&row.end)).count();
    let (bad, open) = (of(&[End::Bad]), of(&[End::Unknown]));
    let mut text = format!("{}, {} bad", count(kind.rows.len(), "life"), count(bad, ""));
    if open > 0 {
        text.push_str(&format!(", {} open", count(open, "")));
    }
    text
}
