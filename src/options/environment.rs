//! The variables: `EPITAPH_*`, `TINI_*`, and those of the init that epitaph is called as.

use super::{Lifetime, Mode, Options, Persona, RecordFormat, Signal, Target, duration, level, stats};
use crate::identity::ExportList;
use crate::shown::{Shown, line};
use std::ffi::OsString;

/// What a variable may hold.
struct Kind<T> {
    read: fn(&str) -> Option<T>,
    expected: &'static str,
}

const SWITCH: Kind<bool> = Kind { read: switch, expected: "1 or 0" };
const SIGNALS: Kind<Vec<Signal>> =
    Kind { read: Signal::parse_list, expected: "signals with commas between them, such as TERM,QUIT" };
const DURATION: Kind<std::time::Duration> =
    Kind { read: duration::parse, expected: super::usage::DURATION_FORMS };
const RECORDS: Kind<RecordFormat> =
    Kind { read: super::record_format, expected: "json, json-compact, text or off" };
// tini takes any number, and has nothing more to say above 3.
const VERBOSITY: Kind<log::LevelFilter> =
    Kind { read: |text| text.parse().ok().map(level), expected: "a number, from 0 for errors alone to 4" };

const LIFETIME: Kind<Lifetime> = Kind { read: Lifetime::parse, expected: stats::LIFETIME_FORMS };
const EVERY: Kind<Option<std::time::Duration>> = Kind { read: stats::every, expected: stats::EVERY_FORMS };
const TIMEOUT: Kind<std::time::Duration> = Kind { read: stats::timeout, expected: stats::TIMEOUT_FORMS };
const STATS_FORMAT: Kind<super::StatsFormat> = Kind { read: stats::format, expected: stats::FORMATS };
const NAMESPACE: Kind<String> = Kind { read: stats::namespace, expected: stats::NAMESPACE_FORMS };
const DIMENSIONS: Kind<Vec<Vec<crate::identity::Field>>> =
    Kind { read: stats::dimensions, expected: stats::DIMENSION_FORMS };
/// Oftener would be a load, and tell no more.
const SHORTEST_POLL: std::time::Duration = std::time::Duration::from_millis(100);

struct Reader<'a> {
    env: &'a dyn Fn(&str) -> Option<OsString>,
    warnings: Vec<String>,
}

impl Reader<'_> {
    fn read<T>(&mut self, name: &str, kind: &Kind<T>) -> Option<T> {
        let value = (self.env)(name)?;
        let text = value.to_string_lossy();
        if text.is_empty() {
            return None;
        }
        let read = (kind.read)(text.trim());
        if read.is_none() {
            self.ignored(name, &text, &format!("expected {}", kind.expected));
        }
        read
    }

    fn ignored(&mut self, name: &str, value: &str, why: &str) {
        // A value that is wrong is mostly a short one, or none that anybody wants to read whole.
        self.warnings.push(format!("ignored {name}=\"{}\": {why}", Shown::at_most(value, 80)));
    }

    fn is_set(&self, name: &str) -> bool {
        (self.env)(name).is_some()
    }
}

fn switch(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Some(true),
        "0" | "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

fn put<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

/// Puts what the environment says into `options`.
pub(super) fn apply(options: &mut Options, env: &dyn Fn(&str) -> Option<OsString>) {
    let mut reader = Reader { env, warnings: Vec::new() };
    // tini looks at the presence of these two alone, whatever they hold.
    options.supervision.subreaper |= reader.is_set("TINI_SUBREAPER");
    if reader.is_set("TINI_KILL_PROCESS_GROUP") {
        options.supervision.target = Target::Group;
    }
    if let Some(level) = reader.read("TINI_VERBOSITY", &VERBOSITY) {
        options.diagnostics.verbosity = level;
    }
    match options.supervision.persona {
        Persona::DumbInit => {
            if reader.read("DUMB_INIT_DEBUG", &SWITCH) == Some(true) {
                options.diagnostics.verbosity = log::LevelFilter::Debug;
            }
            if reader.read("DUMB_INIT_SETSID", &SWITCH) == Some(false) {
                options.single_child();
            }
        }
        Persona::Catatonit => {
            if reader.is_set("CATATONIT_DEBUG") {
                options.diagnostics.verbosity = log::LevelFilter::Debug;
            }
        }
        Persona::Epitaph | Persona::Tini | Persona::DockerInit => {}
    }
    if reader.read("EPITAPH_EXEC", &SWITCH) == Some(true) {
        options.mode = Mode::Exec;
    }
    if let Some(duration) = reader.read("EPITAPH_IDENTITY_TIMEOUT", &DURATION) {
        options.launch.identity_timeout = duration;
    }
    options.launch.require_identity = reader.read("EPITAPH_REQUIRE_IDENTITY", &SWITCH) == Some(true);
    if let Some(list) = env("EPITAPH_EXPORT") {
        let list = list.to_string_lossy();
        match ExportList::parse(&list) {
            Ok(export) => options.launch.export = export,
            Err(bad) => reader.ignored("EPITAPH_EXPORT", &list, &line(&bad.to_string())),
        }
    }
    if let Some(directory) = env("EPITAPH_JOURNAL").filter(|directory| !directory.is_empty()) {
        options.set_journal(directory);
    }
    if let Some(signals) = reader.read("EPITAPH_STOP_SIGNAL", &SIGNALS) {
        options.supervision.stop_signals = signals;
    }
    options.supervision.stuck_after = reader.read("EPITAPH_STUCK_AFTER", &DURATION);
    if let Some(duration) = reader.read("EPITAPH_OOM_POLL", &DURATION) {
        options.supervision.oom_poll = Some(duration).filter(|duration| !duration.is_zero());
        if options.supervision.oom_poll.is_some_and(|poll| poll < SHORTEST_POLL) {
            options.supervision.oom_poll = Some(SHORTEST_POLL);
            reader.warnings.push("EPITAPH_OOM_POLL is 100ms at least, and so it is".to_owned());
        }
    }
    if let Some(duration) = reader.read("EPITAPH_LATE_LOOK", &DURATION) {
        options.supervision.late_look = Some(duration).filter(|duration| !duration.is_zero());
    }
    options.supervision.stop_look = reader.read("EPITAPH_STOP_LOOK", &SWITCH) != Some(false);
    if let Some(duration) = reader.read("EPITAPH_KILL_AFTER", &DURATION) {
        options.set_kill_after(duration);
    }
    put(&mut options.supervision.stop.delay, reader.read("EPITAPH_STOP_DELAY", &DURATION));
    put(&mut options.supervision.stop.drain, reader.read("EPITAPH_DRAIN", &DURATION));
    if let Some(duration) = reader.read("EPITAPH_GRACE", &DURATION) {
        options.set_grace(duration);
    }
    options.launch.max_lifetime = reader.read("EPITAPH_MAX_LIFETIME", &LIFETIME);
    options.records.stats.every = reader.read("EPITAPH_STATS", &EVERY).flatten();
    let stats = &mut options.records.stats;
    put(&mut stats.format, reader.read("EPITAPH_STATS_FORMAT", &STATS_FORMAT));
    put(&mut stats.namespace, reader.read("EPITAPH_EMF_NAMESPACE", &NAMESPACE));
    put(&mut stats.dimensions, reader.read("EPITAPH_EMF_DIMENSIONS", &DIMENSIONS));
    put(&mut stats.health_timeout, reader.read("EPITAPH_HEALTH_TIMEOUT", &TIMEOUT));
    put(&mut stats.health_output, reader.read("EPITAPH_HEALTH_OUTPUT", &SWITCH));
    if let Some(close) = reader.read("EPITAPH_CLOSE_FDS", &SWITCH) {
        options.supervision.close_fds = close;
    }
    options.protect = reader.read("EPITAPH_PROTECT", &SWITCH) == Some(true);
    options.records.format = reader.read("EPITAPH_RECORDS", &RECORDS);
    options.diagnostics.log_filter = env("EPITAPH_LOG").map(|filter| filter.to_string_lossy().into_owned());
    options.warnings.append(&mut reader.warnings);
}

#[cfg(test)]
mod tests {
    use super::super::{Command, Isolation, parse};
    use super::*;
    use std::time::Duration;

    fn options(argv0: &str, variables: &[(&str, &str)]) -> Options {
        let env = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into());
        match parse(vec![argv0.into(), "true".into()], &env) {
            Command::Run(options) => *options,
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn tini_variables() {
        let set = options(
            "epitaph",
            &[("TINI_SUBREAPER", ""), ("TINI_KILL_PROCESS_GROUP", "0"), ("TINI_VERBOSITY", "3")],
        );
        assert!(set.supervision.subreaper);
        assert_eq!(set.supervision.target, Target::Group);
        assert_eq!(set.diagnostics.verbosity, log::LevelFilter::Debug);
        assert_eq!(
            options("tini", &[("TINI_VERBOSITY", "0")]).diagnostics.verbosity,
            log::LevelFilter::Error
        );
    }

    #[test]
    fn looks_at_the_endpoint() {
        let set = options("epitaph", &[]);
        assert_eq!(
            (set.supervision.late_look, set.supervision.stop_look),
            (Some(Duration::from_secs(10)), true)
        );
        let set = options("epitaph", &[("EPITAPH_LATE_LOOK", "0"), ("EPITAPH_STOP_LOOK", "off")]);
        assert_eq!((set.supervision.late_look, set.supervision.stop_look), (None, false));
        let set = options("epitaph", &[("EPITAPH_LATE_LOOK", "2s"), ("EPITAPH_STOP_LOOK", "maybe")]);
        assert_eq!(
            (set.supervision.late_look, set.supervision.stop_look),
            (Some(Duration::from_secs(2)), true)
        );
        assert_eq!(set.warnings.len(), 1, "{:?}", set.warnings);
    }

    #[test]
    fn a_wrong_value_is_one_warning_and_its_default() {
        let set = options("epitaph", &[("EPITAPH_IDENTITY_TIMEOUT", "soon\n"), ("TINI_VERBOSITY", "x")]);
        assert_eq!(set.launch.identity_timeout, Duration::from_secs(1));
        assert_eq!(set.warnings.len(), 2);
        assert!(
            set.warnings[1].starts_with("ignored EPITAPH_IDENTITY_TIMEOUT=\"soon\\n\": expected "),
            "{:?}",
            set.warnings
        );
    }

    #[test]
    fn catatonit_is_a_subreaper_by_itself() {
        assert!(options("catatonit", &[]).supervision.subreaper);
        assert!(options("/run/podman-init", &[]).supervision.subreaper);
        assert!(!options("tini", &[]).supervision.subreaper);
    }

    #[test]
    fn catatonit_keeps_nothing_open() {
        assert!(options("/run/podman-init", &[]).supervision.close_fds);
        assert!(!options("catatonit", &[("EPITAPH_CLOSE_FDS", "0")]).supervision.close_fds);
        assert!(!options("tini", &[]).supervision.close_fds);
        assert!(options("tini", &[("EPITAPH_CLOSE_FDS", "1")]).supervision.close_fds);
    }

    #[test]
    fn dumb_init_without_its_session() {
        assert_eq!(options("dumb-init", &[]).supervision.isolation, Isolation::Session);
        let set = options("/usr/bin/dumb-init", &[("DUMB_INIT_SETSID", "0"), ("DUMB_INIT_DEBUG", "1")]);
        assert_eq!((set.supervision.isolation, set.supervision.target), (Isolation::None, Target::Program));
        assert_eq!(set.diagnostics.verbosity, log::LevelFilter::Debug);
        assert_eq!(options("epitaph", &[("DUMB_INIT_SETSID", "0")]).supervision.isolation, Isolation::Group);
    }
}
