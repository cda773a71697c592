//! What statistics say, in sentences. Each has its n.

use super::units::{bytes, count};
use crate::inquest::case::Life;
use crate::inquest::stats::{
    CrashLoop, Enough, Image, Open, Peaks, SLOW, Slow, Stats, Stops, outcome, tally,
};
use crate::inquest::time::{Clock, span};

/// `14 × oom_killed, 1 × failed`.
pub fn outcomes(outcomes: &[(String, usize)]) -> String {
    let parts: Vec<String> =
        outcomes.iter().map(|(outcome, times)| format!("{} × {outcome}", count(*times, ""))).collect();
    parts.join(", ")
}

/// `512 MiB`, or `480 MiB to 512 MiB`.
fn range(lowest: u64, highest: u64) -> String {
    let (lowest, highest) = (bytes(lowest), bytes(highest));
    if lowest == highest { lowest } else { format!("{lowest} to {highest}") }
}

/// `14 starts in 32m00s, median life 41.0s, 14 × oom_killed; limit 512 MiB, peak 512 MiB each time`.
pub fn crash_loop(crashes: &CrashLoop, clock: &Clock) -> String {
    let mut text = format!(
        "{} in {}, median life {}, {}",
        count(crashes.starts, "start"),
        span(crashes.last - crashes.first),
        span(crashes.median),
        outcomes(&crashes.outcomes)
    );
    if let Some(peaks) = &crashes.peaks {
        if let Some((lowest, highest)) = peaks.limit {
            text.push_str(&format!("; limit {}", range(lowest, highest)));
        }
        let each = if bytes(peaks.lowest) == bytes(peaks.highest) { " each time" } else { "" };
        let separator = if peaks.limit.is_some() { "," } else { ";" };
        text.push_str(&format!("{separator} peak {}{each}", range(peaks.lowest, peaks.highest)));
        if peaks.lives != crashes.starts {
            text.push_str(&format!(" (n = {} of {})", peaks.lives, crashes.starts));
        }
    }
    format!("{text}; from {} to {}", clock.short(crashes.first), clock.time(crashes.last))
}

/// What would be enough memory, as far as that can be known.
pub fn enough(enough: &Enough) -> String {
    let limit = |peaks: &Peaks| match peaks.limit {
        Some((lowest, highest)) => format!("limit {}", range(lowest, highest)),
        None => "not all have a limit".to_owned(),
    };
    let mut parts = Vec::new();
    match &enough.survived {
        Some(peaks) => {
            let mut text = format!(
                "lives that the OOM killer left alone peaked at {} at most (n = {}; {})",
                bytes(peaks.highest),
                peaks.lives,
                limit(peaks)
            );
            // The page cache fills whatever there is; the kernel gives it back before it kills.
            if peaks
                .limit
                .is_some_and(|(_, most)| peaks.highest.saturating_mul(100) >= most.saturating_mul(98))
            {
                text.push_str(", which is all there is: the peak counts the page cache too, so less may do");
            }
            parts.push(text);
        }
        None if enough.kills > 0 => {
            parts.push("no life that the OOM killer left alone tells its peak".to_owned())
        }
        None => {}
    }
    if enough.kills > 0 {
        let (s, they) = if enough.kills == 1 { ("life", "it") } else { ("lives", "they") };
        let at = match enough.killed.as_ref().and_then(|peaks| peaks.limit) {
            Some((lowest, highest)) => format!(" at a limit of {}", range(lowest, highest)),
            None => String::new(),
        };
        parts.push(format!(
            "{} {s} met the OOM killer{at}: how much {they} would have needed cannot be known",
            count(enough.kills, "")
        ));
    }
    if let Some(trend) = enough.trend {
        parts.push(format!(
            "the peak rises {} a start (Spearman's ρ = {:.2}, n = {})",
            bytes(trend.step.round() as u64),
            trend.rho,
            trend.lives
        ));
    }
    parts.join("; ")
}

/// How long stops took.
pub fn stops(stops: &Stops) -> String {
    let mut parts = Vec::new();
    if let (Some(median), Some(longest)) = (stops.median, stops.longest) {
        let p99 = stops.p99.map_or(String::new(), |p99| format!(", 99 of 100 within {}", span(p99)));
        parts.push(if stops.ended == 1 {
            format!("one took {} (n = 1)", span(median))
        } else {
            format!("median {}{p99}, longest {} (n = {})", span(median), span(longest), stops.ended)
        });
    }
    let mut add = |times: usize, text: String| {
        if times > 0 {
            parts.push(format!("{} {text}", count(times, "")));
        }
    };
    add(stops.slow, format!("took {} or longer", span(SLOW)));
    add(stops.kill_after, "ended by --kill-after".to_owned());
    add(stops.stuck, "stuck".to_owned());
    add(stops.without_end, "without an exit record, most likely killed when the grace was over".to_owned());
    parts.join("; ")
}

/// `9d4f1c7ab2e8 11-23 17:02:10.691Z 12.0s`.
pub fn slow(slow: &Slow, clock: &Clock) -> String {
    let id: String = slow.id.chars().take(12).collect();
    let at = slow.at.map_or(String::new(), |at| format!("  {}", clock.short(at)));
    let took = slow.took.map_or_else(|| "no end".to_owned(), span);
    format!("{id}{at}  {took}")
}

/// `3 of 14 lives have no exit record; concluded: 2 × killed, 1 × running`.
pub fn open(open: &Open) -> String {
    format!(
        "{} of {} {} no exit record; concluded: {}",
        count(open.lives, ""),
        count(open.of, "life"),
        if open.lives == 1 { "has" } else { "have" },
        outcomes(&open.conclusions)
    )
}

/// What an image brought.
pub fn image(image: &Image, before: Option<&Image>, clock: &Clock) -> String {
    let revisions = match image.revisions.as_slice() {
        [] => String::new(),
        [one] => format!("revision {one}, "),
        [first, .., last] => format!("revisions {first} to {last}, "),
    };
    let times = match (image.first, image.last) {
        (Some(first), Some(last)) => format!("{} to {}: ", clock.short(first), clock.short(last)),
        _ => String::new(),
    };
    let mut text = format!("{revisions}{times}{}: {}", count(image.lives, "life"), outcomes(&image.outcomes));
    if let Some(before) = before {
        text.push_str(&format!(
            "; ended badly {} of {}, with the image before it {} of {}",
            image.bad, image.lives, before.bad, before.lives
        ));
    }
    text
}

/// The digest as people tell it: `sha256:3f8b2a6c915d`.
pub fn digest(id: &str) -> String {
    match id.split_once(':') {
        Some((kind, digits)) => format!("{kind}:{}", digits.chars().take(12).collect::<String>()),
        None => id.chars().take(19).collect(),
    }
}

/// The image of the same container before the one at this place.
pub fn image_before(images: &[Image], place: usize) -> Option<&Image> {
    let own = images.get(place)?;
    images.get(place.checked_sub(1)?).filter(|before| before.container == own.container)
}

/// `6 × oom_killed, 2 × stopped`: how these lives ended.
pub fn outcomes_of(lives: &[&Life]) -> String {
    outcomes(&tally(lives.iter().map(|life| outcome(life))))
}

/// What stands out, most urgent first, each with whom it is about.
pub fn findings(stats: &Stats, clock: &Clock) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    let mut add = |what: &str, whom: &str, text: String| found.push((what.to_owned(), whom.to_owned(), text));
    stats.loops.iter().for_each(|crashes| add("Crash loop", &crashes.kind, crash_loop(crashes, clock)));
    let met = |memory: &&Enough| memory.kills > 0 || memory.trend.is_some();
    stats.memory.iter().filter(met).for_each(|memory| add("Memory", &memory.kind, enough(memory)));
    let bad = |stops: &&Stops| stops.slow + stops.kill_after + stops.stuck + stops.without_end > 0;
    stats.stops.iter().filter(bad).for_each(|slow| add("Slow stop", &slow.kind, stops(slow)));
    let ended = |open: &&Open| open.conclusions.iter().any(|(word, _)| word != "running");
    stats.open.iter().filter(ended).for_each(|starts| add("Without an end", &starts.kind, open(starts)));
    for (place, brought) in stats.images.iter().enumerate() {
        let before = image_before(&stats.images, place);
        if before.is_some_and(|before| before.bad * brought.lives < brought.bad * before.lives) {
            let whom = format!("{} {}", brought.container, digest(&brought.id));
            add("New image", &whom, image(brought, before, clock));
        }
    }
    found
}
