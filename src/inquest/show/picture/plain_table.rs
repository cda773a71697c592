//! The same as a table, for a reader that sees no bars.

use super::super::sentences::digest;
use super::super::table::{memory, verdict};
use super::lives::ran;
use super::markup::Markup;
use super::scene::{Scene, name_of, short_id};
use crate::inquest::case::Life;
use crate::inquest::time::Clock;

/// With more lives than these a row has no reason: the page would be too large.
const WITH_REASON: usize = 500;

/// When a life ended, or was seen for the last time.
fn end(life: &Life, clock: &Clock) -> String {
    match (life.ended(), life.last_sign()) {
        (Some(ended), _) => clock.short(ended),
        (None, Some(sign)) => format!("last seen {}", clock.short(sign)),
        (None, None) => "not known".to_owned(),
    }
}

/// The table of all rows; each has a link to its row above where there is one.
pub fn table(to: &mut Markup, scene: &Scene<'_>, clock: &Clock, linked: bool) {
    let with_reason = scene.rows.len() <= WITH_REASON;
    to.raw(
        r#"<div class="scroll" role="region" aria-label="Lives as a table" tabindex="0"><table><thead><tr>"#,
    );
    let headings = ["Task", "Container", "Image", "Started", "Ended", "Ran", "Verdict", "Code", "Memory"];
    headings.iter().for_each(|heading| {
        to.element(r#"th scope="col""#, heading);
    });
    if with_reason {
        to.element(r#"th scope="col""#, "Why");
    }
    to.raw("</tr></thead><tbody>");
    for (place, row) in scene.rows.iter().enumerate() {
        let life = row.life;
        to.raw("<tr><td>");
        if linked {
            to.raw(&format!(r##"<a href="#l{}">"##, place + 1)).text(&short_id(life, 12)).raw("</a>");
        } else {
            to.text(&short_id(life, 12));
        }
        to.raw("</td>");
        let code = life.exit().and_then(|exit| exit.code()).or(life.conclusion.word_of().code);
        let started = match (row.started, life.begun()) {
            (true, _) => clock.short(row.from),
            (false, Some(_)) => format!("{} (computed)", clock.short(row.from)),
            (false, None) => format!("before {}", clock.short(row.from)),
        };
        let cells = [
            name_of(row).0,
            life.get("image_id").map_or(String::new(), digest),
            started,
            end(life, clock),
            ran(life),
            verdict(life).0.into_owned(),
            code.map_or(String::new(), |code| code.to_string()),
            memory(life).unwrap_or_default(),
        ];
        cells.iter().for_each(|cell| {
            to.element("td", cell);
        });
        if with_reason {
            let why = life.disputed.first().map_or(life.conclusion.text.as_str(), String::as_str);
            to.element("td", why);
        }
        to.raw("</tr>");
    }
    to.raw("</tbody></table></div>");
}
