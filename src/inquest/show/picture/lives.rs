//! The rows of a page: one for each life, with its certificate folded below.

use super::super::out::Line;
use super::super::rows::Row;
use super::super::table::{memory, verdict};
use super::canvas::Canvas;
use super::colors::class;
use super::markup::{Markup, number};
use super::scene::{Certificate, Scene, name_of, short_id};
use crate::inquest::case::Life;
use crate::inquest::stats::is_bad;
use crate::inquest::time::span;
use std::collections::HashMap;

/// How long it ran, as in the list.
pub fn ran(life: &Life) -> String {
    match (life.exit_record(), life.ran(), life.begun(), life.last_sign()) {
        (Some(_), Some(ran), ..) => span(ran),
        (None, _, Some(begun), Some(sign)) => format!(">{}", span(sign - begun)),
        _ => "–".to_owned(),
    }
}

/// Certificates in HTML, as many as there is room for, in bytes: those that ended badly first.
pub fn certificates(
    scene: &Scene<'_>,
    certificate: Certificate<'_>,
    mut room: usize,
) -> HashMap<*const Life, String> {
    let mut lives: Vec<&Life> = scene.rows.iter().map(|row| row.life).collect();
    // The last ones of each; a page of a few has all of them.
    lives.sort_by_key(|life| (!is_bad(life) && life.exit().is_some(), std::cmp::Reverse(life.at())));
    let mut all = HashMap::new();
    for life in lives {
        let written = written(&certificate(life));
        let Some(left) = room.checked_sub(written.len()) else { break };
        room = left;
        all.insert(std::ptr::from_ref(life), written);
    }
    all
}

/// A certificate as a list of terms.
fn written(lines: &[Line]) -> String {
    let mut to = Markup::default();
    to.raw("<dl>");
    for line in lines {
        let mut parts = line.parts().iter().map(|(_, text)| text.as_str());
        let key = parts.next().unwrap_or_default().trim().trim_end_matches(':').to_owned();
        let value: String = parts.collect();
        if !key.is_empty() {
            to.element("dt", &key);
        }
        to.element("dd", &value);
    }
    to.raw("</dl>");
    to.finish()
}

/// The peak and the limit as a small bar.
fn meter(to: &mut Markup, life: &Life) {
    let part = life.memory().and_then(|memory| {
        Some(memory.peak.or(memory.usage)? as f64 / memory.limit.filter(|limit| *limit > 0)? as f64)
    });
    if let Some(part) = part {
        to.raw(&format!(
            r#"<svg class="mt" aria-hidden="true"><rect class="mf" width="{}%"/></svg>"#,
            number(part.clamp(0.0, 1.0) * 100.0)
        ));
    }
}

/// All rows, in their groups.
pub fn rows(
    to: &mut Markup,
    canvas: &Canvas<'_>,
    scene: &Scene<'_>,
    certificates: &HashMap<*const Life, String>,
) {
    let mut number_of_row = 0;
    for group in scene.groups() {
        let Some(first) = group.first() else { continue };
        let (name, service) = name_of(first);
        to.raw("<section>").raw("<h3>").text(&name);
        to.raw(" ").element("small", &service).raw("</h3>");
        for row in group {
            number_of_row += 1;
            self::row(to, canvas, row, number_of_row, certificates.get(&std::ptr::from_ref(row.life)));
        }
        to.raw("</section>");
    }
}

fn row(to: &mut Markup, canvas: &Canvas<'_>, row: &Row<'_>, number: usize, certificate: Option<&String>) {
    let class = class(row);
    to.raw(&format!(r#"<details id="l{number}" class="{class}"><summary>"#));
    to.element(r#"span class="id""#, &short_id(row.life, 8));
    to.raw(r#"<svg class="bar" role="img">"#).element("title", &canvas.words(row));
    to.raw(r##"<use href="#grid"/>"##);
    canvas.bar(to, row, 12.0);
    to.raw("</svg>");
    let told = verdict(row.life).0;
    to.element(r#"b class="v""#, if told == "–" { "running?" } else { &told });
    to.element(r#"span class="n""#, &ran(row.life));
    to.raw(r#"<span class="n">"#).text(&memory(row.life).unwrap_or_default());
    meter(to, row.life);
    to.raw("</span></summary>");
    match certificate {
        Some(certificate) => {
            to.raw(certificate);
        }
        None => {
            let id = row.life.task.as_deref().or(row.life.container.as_deref()).unwrap_or("?");
            to.raw("<p>Its certificate: ").element("code", &format!("inquest {id} PATH")).raw("</p>");
        }
    }
    to.raw("</details>");
}
