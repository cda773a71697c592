//! The page: one file of HTML that can be mailed.

use super::super::rows::Row;
use super::super::units::count;
use super::bins::{self, Bins};
use super::canvas::{self, Canvas};
use super::colors::{CLASSES, DEFS, STYLE, class};
use super::markup::{Markup, number};
use super::scene::{Certificate, Incident, MOST_ROWS, Scene, short_id};
use super::{heading, lives, plain_table};
use std::collections::HashMap;

/// Nothing is loaded, run or sent, whatever a log may hold.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// What a page has beside the colours.
const LAYOUT: &str = include_str!("page.css");

/// With more lives than these, marks have no titles of their own, and what is printed has no certificates
/// that are folded.
const FEW: usize = 400;
const PRINTED: usize = 40;

/// How many bytes of certificates a page has at the most; the others are one command away.
const ROOM: usize = 700_000;

/// With certificates a page has no more bytes than these: mail takes it, and a telephone shows it.
const LARGEST: usize = 1_990_000;

/// More bytes than these the lists of binned lives do not take.
const LIST_ROOM: usize = 1_200_000;

/// The page. Well-formed as XML too.
pub fn page(incident: &Incident<'_>, certificate: Certificate<'_>) -> String {
    let scene = Scene::of(incident);
    let title = heading::title(incident, &scene);
    let is_binned = scene.rows.len() > MOST_ROWS;
    let bins = is_binned.then(|| Bins::of(&scene));
    let mut to = Markup::default();
    to.raw("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>");
    to.raw(&format!(r#"<meta http-equiv="Content-Security-Policy" content="{POLICY}"/>"#));
    to.raw(r#"<meta name="viewport" content="width=device-width, initial-scale=1"/><meta name="referrer" content="no-referrer"/>"#);
    to.element("title", &format!("inquest: {title}"));
    to.raw("<style>").raw(STYLE).raw(LAYOUT).raw("</style></head>");
    let printed = if scene.rows.len() <= PRINTED { " class=\"all\"" } else { "" };
    to.raw(&format!("<body{printed}><header>")).element("h1", &title);
    let place = heading::place(incident);
    if !place.is_empty() {
        to.element(r#"p class="where""#, &place);
    }
    to.element("p", &incident.sum).raw("</header><main>");
    let mut notes = incident.notes.clone();
    if let Some(bins) = &bins {
        notes.insert(0, bins.note(scene.rows.len()));
    }
    for note in &notes {
        to.element(r#"p class="note""#, note);
    }
    findings(&mut to, incident);
    let canvas = Canvas {
        from: scene.from,
        to: scene.to,
        left: 0.0,
        width: 100.0,
        unit: "%",
        clock: incident.clock,
        titles: scene.rows.len() <= FEW,
    };
    to.raw(r#"<h2>Against time</h2>"#);
    legend(&mut to, &scene.rows, is_binned);
    to.raw(r#"<svg class="defs" aria-hidden="true"><defs>"#).raw(DEFS).raw(r#"<g id="grid">"#);
    heading::grid(&mut to, &canvas, incident, &scene, (0.0, "100%"));
    to.raw("</g></defs></svg>");
    to.raw(&format!(r#"<div class="rows{}">"#, if is_binned { " many" } else { "" }));
    axis(&mut to, &canvas, incident, &scene);
    match &bins {
        Some(bins) => binned(&mut to, &canvas, bins),
        None => {
            // How large it is without them.
            let mut bare = Markup::default();
            lives::rows(&mut bare, &canvas, &scene, &HashMap::new());
            plain_table::table(&mut bare, &scene, incident.clock, true);
            let room = LARGEST.saturating_sub(to.len() + bare.len()).min(ROOM);
            let certificates = lives::certificates(&scene, certificate, room);
            if certificates.len() < scene.rows.len() {
                let text = format!(
                    "{} of {} have their certificate here, those that ended badly first; for the others inquest is to be asked.",
                    count(certificates.len(), "life"),
                    count(scene.rows.len(), "")
                );
                to.element(r#"p class="note""#, &text);
            }
            lives::rows(&mut to, &canvas, &scene, &certificates);
        }
    }
    to.raw("</div>");
    if !is_binned {
        to.raw(r#"<h2>As a table</h2><details class="tb"><summary>All lives as a table</summary>"#);
        plain_table::table(&mut to, &scene, incident.clock, true);
        to.raw("</details>");
    }
    to.raw("</main><footer><p>");
    to.text(&format!(
        "Made by inquest {}. Times are in {}, by the clock of each life's own machine.",
        env!("CARGO_PKG_VERSION"),
        incident.clock.name()
    ));
    to.raw("</p></footer></body></html>\n");
    to.finish()
}

fn findings(to: &mut Markup, incident: &Incident<'_>) {
    if incident.findings.is_empty() {
        return;
    }
    to.raw(r#"<h2>What stands out</h2><ul class="found">"#);
    for (what, whom, text) in &incident.findings {
        to.raw("<li>")
            .element("b", what)
            .raw(" ")
            .element("i", whom)
            .raw(" ")
            .element("span", text)
            .raw("</li>");
    }
    to.raw("</ul>");
}

/// What colours, patterns and marks mean.
fn legend(to: &mut Markup, rows: &[Row<'_>], is_binned: bool) {
    to.raw(r#"<ul class="legend" aria-label="Legend">"#);
    let mut entry = |drawing: &str, words: &str| {
        to.raw("<li>").raw(&format!(r#"<svg aria-hidden="true">{drawing}</svg>"#)).text(words).raw("</li>");
    };
    let bar = |class: &str| format!(r#"<rect class="b {class}" x="1" y="2" width="26" height="12" rx="2"/>"#);
    if is_binned {
        entry(&bar("o"), "ended badly, or without a record");
        entry(&bar("g"), "ended well");
        entry(r#"<rect class="mf" x="1" y="12" width="26" height="2"/>"#, "starts");
    } else {
        for (name, words) in CLASSES.iter().filter(|(name, _)| rows.iter().any(|row| class(row) == *name)) {
            entry(&bar(name), words);
        }
        for (symbol, name) in canvas::legend(rows) {
            entry(&format!(r##"<use href="#{symbol}" x="14" y="8"/>"##), name);
        }
        let has_series = rows.iter().any(|row| super::super::spark::Series::of(row.life).memory.len() > 1);
        if has_series {
            entry(r#"<path class="me" d="M1 14V11L14 7 27 3V14z"/>"#, "memory used, of its limit");
            entry(r#"<path class="cp" d="M1 12 9 6 18 9 27 4"/>"#, "CPU used");
        }
    }
    to.raw("</ul>");
}

/// The row of times, and one for each service.
fn axis(to: &mut Markup, canvas: &Canvas<'_>, incident: &Incident<'_>, scene: &Scene<'_>) {
    to.raw(r#"<div class="axis" aria-hidden="true"><span class="id"></span><svg class="bar">"#);
    for (tick, text) in heading::ticks(incident, scene, heading::TICKS) {
        let x = canvas.x(tick);
        let anchor = heading::anchor(x / 100.0);
        to.raw(&format!(r#"<text x="{}" y="16" text-anchor="{anchor}">"#, canvas.at(x)))
            .text(&text)
            .raw("</text>");
    }
    to.raw(r#"</svg><span></span><span class="n">ran</span><span class="n">peak/limit</span></div>"#);
    for (service, events) in heading::services(incident, scene) {
        to.raw(r#"<div class="svc"><span class="id">"#).text(&format!("ECS {service}")).raw("</span>");
        let words: Vec<String> = events
            .iter()
            .map(|(at, letter, words)| format!("{letter} {} {words}", incident.clock.time(*at)))
            .collect();
        to.raw(r#"<svg class="bar" role="img">"#).element("title", &format!("ECS: {}", words.join(", ")));
        to.raw(r##"<use href="#grid"/>"##);
        for (at, letter, words) in &events {
            let x = number(canvas.x(*at));
            to.raw(&format!(r#"<text x="{x}%" y="16" text-anchor="middle" class="ev">"#));
            to.element("title", &format!("{} {words}", incident.clock.time(*at)))
                .text(&letter.to_string())
                .raw("</text>");
        }
        to.raw("</svg><span class=\"w\">");
        let mut known: Vec<String> = Vec::new();
        for (_, letter, words) in &events {
            let told = format!("{letter} {words}");
            if !known.contains(&told) {
                known.push(told);
            }
        }
        to.text(&known.join(", ")).raw("</span></div>");
    }
}

/// A row for each kind, with its lives folded below.
fn binned(to: &mut Markup, canvas: &Canvas<'_>, bins: &Bins<'_, '_>) {
    let begin = to.len();
    for kind in &bins.kinds {
        to.raw("<section>").raw("<h3>").text(&kind.name);
        to.raw(" ").element("small", &kind.service).raw("</h3><details><summary>");
        to.element(r#"span class="id""#, &count(kind.rows.len(), ""));
        to.raw(r#"<svg class="bar" role="img">"#)
            .element("title", &format!("{}: {}", kind.name, bins::sum(kind)));
        to.raw(r##"<use href="#grid"/>"##);
        bins.draw(to, canvas, kind, 0.0);
        to.raw("</svg>").element(r#"b class="v w""#, &bins::sum(kind)).raw("</summary>");
        to.raw(r#"<div class="scroll" role="region" tabindex="0" aria-label=""#);
        // Regions are told apart by their names.
        to.text(&format!("Lives of {} {}", kind.name, kind.service)).raw(r#""><table><thead><tr>"#);
        for text in ["Task", "Ended, or last seen", "Ran", "Verdict", "Memory"] {
            to.element(r#"th scope="col""#, text);
        }
        to.raw("</tr></thead><tbody>");
        let mut left = kind.rows.len();
        for row in &kind.rows {
            if to.len() - begin > LIST_ROOM {
                break;
            }
            left -= 1;
            to.raw("<tr>").element("td", &short_id(row.life, 12));
            to.element("td", &canvas.clock.short(row.to)).element("td", &lives::ran(row.life));
            to.element("td", &super::super::table::verdict(row.life).0);
            to.element("td", &super::super::table::memory(row.life).unwrap_or_default()).raw("</tr>");
        }
        to.raw("</tbody></table></div>");
        if left > 0 {
            to.element("p", &format!("and {} more: inquest list has all", count(left, "")));
        }
        to.raw("</details></section>");
    }
}
