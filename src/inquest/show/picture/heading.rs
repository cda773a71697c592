//! What stands above the bars: the title, the axis, and what services of ECS did.

use super::super::rows;
use super::canvas::Canvas;
use super::markup::Markup;
use super::scene::{Incident, Scene};
use std::collections::BTreeSet;

/// Marks of the axis.
pub const TICKS: usize = 7;

/// Lines through all rows, for what services did.
const LINES: usize = 24;

/// `2026-11-23 16:57 to 17:06 UTC`.
pub fn title(incident: &Incident<'_>, scene: &Scene<'_>) -> String {
    let clock = incident.clock;
    let (from, to) = (scene.from, scene.to);
    let (first, last) = (clock.day(from), clock.day(to));
    let apart = if to - from < 120_000 { 1_000 } else { 60_000 };
    let (begin, end) = (clock.tick(from, apart), clock.tick(to, apart));
    if first == last {
        format!("{first} {begin} to {end} {}", clock.name())
    } else {
        format!("{first} {begin} to {last} {end} {}", clock.name())
    }
}

/// Where all of it was: `cluster default, eu-central-1`.
pub fn place(incident: &Incident<'_>) -> String {
    let only = |key: &str| {
        let all: BTreeSet<&str> = incident.lives.iter().filter_map(|life| life.get(key)).collect();
        if all.len() == 1 { all.first().copied().map(str::to_owned) } else { None }
    };
    let cluster = only("cluster").map(|cluster| format!("cluster {cluster}"));
    let parts: Vec<String> = cluster.into_iter().chain(only("region")).chain(only("account")).collect();
    parts.join(", ")
}

/// The marks of the axis, with their texts.
pub fn ticks(incident: &Incident<'_>, scene: &Scene<'_>, most: usize) -> Vec<(i64, String)> {
    let clock = incident.clock;
    let (step, ticks) = rows::ticks(scene.from, scene.to, most, clock.offset(scene.from));
    ticks.into_iter().map(|tick| (tick, clock.tick(tick, step))).collect()
}

/// When something happened to a service, as a letter, and in words.
type ServiceEvent = (i64, char, &'static str);

/// What each service did within the picture: when, as a letter, and in words.
pub fn services(incident: &Incident<'_>, scene: &Scene<'_>) -> Vec<(String, Vec<ServiceEvent>)> {
    let services = rows::services(incident.said.iter().copied());
    let inside = |(name, events): (String, Vec<ServiceEvent>)| {
        let events: Vec<_> =
            events.into_iter().filter(|(at, ..)| (scene.from..=scene.to).contains(at)).collect();
        (!events.is_empty()).then_some((name, events))
    };
    services.into_iter().filter_map(inside).collect()
}

/// The lines behind the bars of a page: marks of the axis, and what services did.
pub fn grid(
    to: &mut Markup,
    canvas: &Canvas<'_>,
    incident: &Incident<'_>,
    scene: &Scene<'_>,
    (top, bottom): (f64, &str),
) {
    for (tick, _) in ticks(incident, scene, TICKS) {
        canvas.line(to, "ln", tick, top, bottom);
    }
    events(to, canvas, incident, scene, (top, bottom));
}

/// The lines of deployments and of what failed.
pub fn events(
    to: &mut Markup,
    canvas: &Canvas<'_>,
    incident: &Incident<'_>,
    scene: &Scene<'_>,
    (top, bottom): (f64, &str),
) {
    let events = services(incident, scene).into_iter().flat_map(|(_, events)| events);
    let grave = events.filter(|(_, letter, _)| matches!(letter, 'd' | 'f' | 'h' | 'p' | 'i'));
    for (at, ..) in grave.take(LINES) {
        canvas.line(to, "ev", at, top, bottom);
    }
}

/// The anchor of a text at this part of the width, so that it stays within.
pub fn anchor(part: f64) -> &'static str {
    match part {
        ..0.06 => "start",
        0.94.. => "end",
        _ => "middle",
    }
}
