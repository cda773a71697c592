//! How a life ended: its verdict with the reason, what is not to be overlooked beside that, the limits that
//! it met, and what its program wrote last.

use super::certificate::{Certificate, field};
use super::out::Style;
use super::table::{cut, style_of, verdict};
use super::units::{bytes, count};
use crate::inquest::case::{Kind, Life, Once, Sure, is_good};
use crate::inquest::time::span;
use serde_json::Value;

/// How far apart the first stop signal and the one that the record counts from are at least to be told apart,
/// in milliseconds.
const APART: i64 = 1_000;

/// A stop that is older than this was outlived, in milliseconds: see `case::conclude`.
const OUTLIVED: i64 = 10 * 60_000;

/// How many columns of a line of the program are shown.
const LINE: usize = 160;

impl Certificate<'_> {
    pub(super) fn how(&mut self, life: &Life) {
        let conclusion = &life.conclusion;
        let (word, style) = verdict(life);
        let Some(exit) = life.exit() else {
            let sure = match conclusion.sure {
                Sure::Yes => "",
                Sure::Word => "  (the witness's word)",
                Sure::Likely => "  (likely)",
                Sure::No => "  (cannot be known from what is here)",
            };
            let word = if word == "–" { "none".to_owned() } else { word.replace("– ", "none ") };
            let code = conclusion.word_of().code.map_or(String::new(), |code| format!(", exit code {code}"));
            self.styled("Verdict", style, format!("{word}{code}{sure}"));
            let place =
                conclusion.word_of().place.map_or(String::new(), |place| format!("  {}", (self.name)(place)));
            self.row("Why", format!("{}{place}", conclusion.text));
            return;
        };
        let mut text = word.into_owned();
        if let Some(code) = exit.code() {
            text.push_str(&format!(", exit code {code}"));
        }
        if let Some(signal) = &exit.signal {
            text.push_str(&format!(" ({signal})"));
        }
        let style = if style == Style::Plain { style_of(life.verdict().unwrap_or_default()) } else { style };
        // A good word is no good news where something failed.
        let style = match style {
            Style::Good if life.has_grave_remark() => Style::Warn,
            style => style,
        };
        self.styled("Verdict", style, text);
        if !exit.why.is_empty() {
            self.row("Why", exit.why.to_string());
        }
        if let (Some(signal), Some(stop)) = (&exit.stop_signal, exit.stop()) {
            let by = match exit.stopped_by.as_deref() {
                Some("ecs") => "; ECS stopped the task",
                Some("sibling") => "; another container of the task had ended",
                Some("health") => "; its health check had failed",
                _ => "",
            };
            let earlier = first_stop(life, stop).map_or(String::new(), |(first, times)| {
                format!(" ({}, the first one {} before it)", count(times, "stop signal"), span(first))
            });
            self.row("Stop", format!("{signal} came {} before the end{earlier}{by}", span(stop)));
        }
        if exit.lost > 0 {
            let lost = count(usize::try_from(exit.lost).unwrap_or(usize::MAX), "record");
            self.styled("Lost", Style::Warn, format!("{lost} could not be written (records_lost)"));
        }
    }

    /// What is not to be overlooked beside the verdict.
    pub(super) fn remarks(&mut self, life: &Life) {
        let mut key = "Remark";
        for remark in &life.remarks {
            let place = remark.place.map_or(String::new(), |place| format!("  {}", (self.name)(place)));
            self.styled(key, Style::Warn, format!("{}{place}", remark.text));
            key = "";
        }
        for text in refused(life).into_iter().chain(left_behind(life)) {
            self.styled(key, Style::Warn, text);
            key = "";
        }
    }

    /// Of what kinds the memory was where it was short, and how near the limit of processes was.
    pub(super) fn limits(&mut self, life: &Life) {
        let last = |key: &str| {
            let records = life.records.iter().rev().filter(|record| record.kind() != Kind::Stats);
            records.into_iter().find_map(|record| Some((record, field(record, key)?)))
        };
        if let Some((record, memory)) = last("memory") {
            self.optional("Memory kinds", kinds(record, &memory));
        }
        if let Some((_, pids)) = last("pids") {
            self.optional("Processes", processes(&pids));
        }
    }

    /// What the program wrote last.
    pub(super) fn last_lines(&mut self, life: &Life) {
        let Some(lines) = life.last_lines.as_ref().filter(|lines| !lines.is_empty()) else { return };
        self.styled(
            "Last lines",
            Style::Dim,
            "(what stands last in its log: the program's own words, not evidence)",
        );
        for line in lines {
            let time = line.time.map_or(String::new(), |time| format!("{}  ", self.clock.time(time)));
            self.row("", format!("{time}{}", cut(&plain(&line.text), LINE)));
        }
    }
}

/// Of what kinds the memory was: where its peak was near the limit, or much of it is shared or swapped out.
fn kinds(record: &Once, memory: &Value) -> Option<String> {
    let amount = |key: &str| memory.get(key).and_then(Value::as_u64);
    let limit = amount("limit")?;
    let share = |amount: u64, percent: u64| amount.saturating_mul(100) >= limit.saturating_mul(percent);
    let shared = amount("shmem").unwrap_or(0);
    let swap = amount("swap").unwrap_or(0);
    let hits = ["limit_hits", "high_hits"].into_iter().filter_map(amount).sum::<u64>();
    if !amount("peak").is_some_and(|peak| share(peak, 95)) && !share(shared, 10) && swap == 0 && hits == 0 {
        return None;
    }
    // The kernel counts shared memory among the pages of files.
    let cache = amount("file").map(|file| file.saturating_sub(shared));
    let kinds = [
        (amount("anon"), "anonymous (heaps, stacks)"),
        (Some(shared), "shared (tmpfs, /dev/shm)"),
        (cache, "page cache of files, which the kernel can take back"),
        (Some(swap), "swapped out"),
    ];
    let kinds: Vec<String> = kinds
        .into_iter()
        .filter_map(|(amount, name)| Some(format!("{} {name}", bytes(amount.filter(|amount| *amount > 0)?))))
        .collect();
    let when = match record.kind() {
        Kind::Exit => "after the program's end".to_owned(),
        kind => format!("in the last {} record", kind.name()),
    };
    let hits = match hits {
        0 => String::new(),
        1 => "; the limit was met once".to_owned(),
        hits => format!("; the limit was met {hits} times"),
    };
    if kinds.is_empty() {
        return (!hits.is_empty()).then(|| hits.trim_start_matches("; ").to_owned());
    }
    Some(format!("{when}: {}{hits}", kinds.join(", ")))
}

/// How near the limit of processes was, where there is one or it was met.
fn processes(pids: &Value) -> Option<String> {
    let number = |key: &str| pids.get(key).and_then(Value::as_u64);
    let hits = number("limit_hits").filter(|hits| *hits > 0);
    let told = match (number("peak"), number("limit")) {
        (Some(peak), Some(limit)) => format!("peak {peak} of {limit}, with threads"),
        (None, Some(limit)) => format!("limit {limit}, with threads"),
        (peak, None) => {
            hits?;
            peak.map_or_else(
                || "no limit of the container's own".to_owned(),
                |peak| format!("peak {peak}, with threads"),
            )
        }
    };
    Some(match hits {
        None => told,
        Some(1) => format!("{told}; once a process or thread could not be started"),
        Some(hits) => format!("{told}; {hits} times a process or thread could not be started"),
    })
}

/// Where the record counts from a later stop signal: how long before that the first one came, and how many
/// there were.
fn first_stop(life: &Life, stop: i64) -> Option<(i64, usize)> {
    let counted = life.ended()?.checked_sub(stop)?;
    let stops: Vec<i64> = life
        .records
        .iter()
        .filter(|record| record.kind() == Kind::Stop && field(record, "refused").is_none())
        .map(Once::time)
        .filter(|time| counted - time < OUTLIVED)
        .collect();
    let before = counted - stops.first()?;
    (before >= APART).then_some((before, stops.len()))
}

/// Signals that the program did not get.
fn refused(life: &Life) -> Option<String> {
    let refused: Vec<(&Once, Value)> =
        life.records.iter().filter_map(|record| Some((record, field(record, "refused")?))).collect();
    let (record, why) = refused.last()?;
    let about = record.event().about;
    let signal = about.as_deref().unwrap_or("a signal");
    let times = if refused.len() > 1 { format!(" (the last of {})", refused.len()) } else { String::new() };
    Some(format!("The program did not get {signal}{times}: {}.", why.as_str()?.trim_end_matches('.')))
}

/// Whom a program left that ended well.
fn left_behind(life: &Life) -> Option<String> {
    let exit = life.exit_record()?;
    life.verdict().filter(|verdict| is_good(verdict))?;
    let left = field(exit, "exit")?.get("left")?.as_u64().filter(|left| *left > 0)?;
    let verdict = life.verdict()?;
    let processes = if left == 1 { "process" } else { "processes" };
    Some(format!(
        "\"{verdict}\" speaks of the program alone: {left} other {processes} still ran when it ended."
    ))
}

/// The text without colours, and with blanks for tabs. Whatever else a terminal would obey is shown escaped.
fn plain(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|letter: char| !letter.is_ascii_digit() && letter != ';').unwrap_or(part.len());
        match part.get(end..).and_then(|rest| rest.strip_prefix('m')) {
            Some(rest) => plain.push_str(rest),
            None => plain.extend(["\u{1b}[", part]),
        }
    }
    plain.replace('\t', "    ")
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn colours_are_left_out_and_nothing_else() {
        for (text, expected) in [
            ("\u{1b}[31mERROR\u{1b}[0m it\tgrows\u{1b}[m", "ERROR it    grows"),
            ("\u{1b}[1;33mx", "x"),
            ("\u{1b}[2Jx\u{1b}]0;y\u{7}\u{1b}[", "\u{1b}[2Jx\u{1b}]0;y\u{7}\u{1b}["),
            ("plain", "plain"),
        ] {
            assert_eq!(plain(text), expected);
        }
    }
}
