//! The command line.

use super::{Command, Lifetime, Mode, Options, Persona, RecordFormat, Signal, StatsFormat, Target};
use super::{duration, level, stats, stop, usage};
use crate::identity::{ExportList, whoami};
use crate::shown::{self, LONGEST, Shown, cut_with_mark};
use lexopt::Arg::{Long, Short, Value};
use lexopt::ValueExt;
use std::ffi::OsString;

/// Reads `args`, without the program's own name, over what `options` holds by now.
pub(super) fn apply(options: Options, args: impl Iterator<Item = OsString>) -> Command {
    let persona = options.supervision.persona;
    let mut option = String::new();
    read(options, args, &mut option).unwrap_or_else(|error| refuse(persona, &option, &error))
}

/// `option` is the last one that was read.
fn refuse(persona: Persona, option: &str, error: &lexopt::Error) -> Command {
    let name = persona.name();
    let what = match error {
        lexopt::Error::ParsingFailed { value, error } => {
            format!("{option} \"{}\": {}", Shown::new(value), message(&error.to_string()))
        }
        lexopt::Error::NonUnicodeValue(value) => format!("{option} \"{}\": not UTF-8", Shown::new(value)),
        other => message(&other.to_string()),
    };
    let text = format!("{name}: {what}; see {name} -h\n");
    Command::Print { text, to_stderr: true, code: 1 }
}

/// A message with a word in it that somebody wrote on the command line, and perhaps with a list of what could
/// stand there.
fn message(text: &str) -> String {
    let mut line = shown::line(text);
    cut_with_mark(&mut line, 4 * LONGEST);
    line
}

fn print(text: impl Into<String>, to_stderr: bool) -> Command {
    Command::Print { text: text.into(), to_stderr, code: 0 }
}

fn read(
    mut options: Options,
    args: impl Iterator<Item = OsString>,
    option: &mut String,
) -> Result<Command, lexopt::Error> {
    let persona = options.supervision.persona;
    let mut parser = lexopt::Parser::from_args(args);
    let mut more_verbose = 0;
    let mut saw_dashes = false;
    let mut whoami = false;
    let mut format = None;
    let mut timeout = None;
    let mut max_lifetime = None;
    loop {
        if parser.try_raw_args().is_some_and(|raw| raw.peek().is_some_and(|next| next == "--")) {
            saw_dashes = true;
        }
        let Some(arg) = parser.next()? else { break };
        let arg = match arg {
            Long(name) => Long(unabbreviated(persona, name)),
            other => other,
        };
        *option = match arg {
            Short(letter) => format!("-{letter}"),
            Long(name) => format!("--{name}"),
            Value(_) => String::new(),
        };
        match arg {
            Value(program) => {
                options.launch.program.push(program);
                options.launch.program.extend(parser.raw_args()?);
                break;
            }
            Short('h') | Long("help") => {
                return Ok(print(
                    usage::text(persona),
                    persona == Persona::DumbInit || persona == Persona::Catatonit,
                ));
            }
            Long("version") => return Ok(print(persona.version(), persona == Persona::DumbInit)),
            Short('V') if matches!(persona, Persona::DumbInit | Persona::Catatonit) => {
                return Ok(print(persona.version(), persona == Persona::DumbInit));
            }
            Short('l') => return Ok(print(usage::LICENSE, false)),
            Short('L') if persona == Persona::Catatonit => return Ok(print(usage::LICENSE, false)),
            Short('v') => more_verbose += 1,
            Long("verbose") if persona == Persona::DumbInit => more_verbose += 1,
            Short('s') => options.supervision.subreaper = true,
            Short('g') => options.supervision.target = Target::Group,
            Short('w') => options.supervision.warn_on_reap = true,
            Short('p') => options.supervision.parent_death_signal = Some(parser.value()?.parse_with(signal)?),
            Short('e') => options.supervision.success_codes.push(parser.value()?.parse_with(exit_code)?),
            Short('P') => options.mode = Mode::Pause,
            Short('c') | Long("single-child") => options.single_child(),
            Short('r') | Long("rewrite") => {
                options.supervision.rewrites.push(parser.value()?.parse_with(rewrite)?)
            }
            Long("exec") => options.mode = Mode::Exec,
            Long("identity-timeout") => options.launch.identity_timeout = parser.value()?.parse_with(time)?,
            Long("require-identity") => options.launch.require_identity = true,
            Long("export") => options.launch.export = parser.value()?.parse_with(ExportList::parse)?,
            Long("journal") => options.set_journal(parser.value()?),
            Long("close-fds") => options.supervision.close_fds = true,
            Long("whoami") => whoami = true,
            Long("format") => format = Some(parser.value()?.parse_with(whoami_format)?),
            Long("kill-after") => options.set_kill_after(parser.value()?.parse_with(time)?),
            Long("stop-delay") => options.supervision.stop.delay = parser.value()?.parse_with(time)?,
            Long("grace") => options.set_grace(parser.value()?.parse_with(time)?),
            Long("drain") => options.supervision.stop.drain = parser.value()?.parse_with(time)?,
            Long("max-lifetime") => max_lifetime = Some(parser.value()?.parse_with(lifetime)?),
            Long("stats") => {
                options.records.stats.every =
                    parser.value()?.parse_with(one_of(stats::every, stats::EVERY_FORMS))?;
                options.records.stats.is_option = true;
            }
            Long("task-stats") => {
                let every = parser.value()?.parse_with(one_of(stats::task_every, stats::TASK_FORMS))?;
                options.mode = Mode::TaskStats(every);
            }
            Long("stats-format") => {
                options.records.stats.format =
                    parser.value()?.parse_with(one_of(stats::format, stats::FORMATS))?;
            }
            Long("health") => options.mode = Mode::Health,
            Long("timeout") => {
                timeout = Some(parser.value()?.parse_with(one_of(stats::timeout, stats::TIMEOUT_FORMS))?)
            }
            Long("stop-signal") => options.supervision.stop_signals = parser.value()?.parse_with(signals)?,
            Long("records") => options.records.format = Some(parser.value()?.parse_with(records)?),
            other => return Err(other.unexpected()),
        }
    }
    if more_verbose > 0 {
        options.diagnostics.verbosity = if persona == Persona::DumbInit {
            log::LevelFilter::Debug
        } else {
            // -v counts from the level that the environment set, as in tini.
            level(options.diagnostics.verbosity as usize - log::LevelFilter::Error as usize + more_verbose)
        };
    }
    if whoami {
        options.mode = Mode::WhoAmI(format.unwrap_or(whoami::Format::Text));
        return Ok(Command::Run(Box::new(options)));
    }
    if format.is_some() {
        return Err(lexopt::Error::Custom("--format goes with --whoami".into()));
    }
    if options.mode == Mode::Health {
        // Those variables are meant for PID 1, in whose environment a health check is run.
        options.launch.max_lifetime = None;
        options.records.stats.every = options.records.stats.every.filter(|_| options.records.stats.is_option);
        options.records.stats.health_timeout = timeout.unwrap_or(options.records.stats.health_timeout);
    } else if timeout.is_some() {
        return Err(lexopt::Error::Custom("--timeout goes with --health".into()));
    }
    if matches!(options.mode, Mode::TaskStats(_)) {
        if !options.launch.program.is_empty() {
            return Err(lexopt::Error::Custom("--task-stats runs no PROGRAM".into()));
        }
        // It is the program itself, and has a name in the records.
        options.launch.program.push("epitaph".into());
    }
    if options.records.stats.format == StatsFormat::Emf
        && let Some(RecordFormat::Text | RecordFormat::Off) = options.records.format
    {
        options.records.stats.format = StatsFormat::Record;
        options
            .warnings
            .push("--stats-format emf needs --records json, so statistics are plain records".into());
    }
    options.launch.max_lifetime = max_lifetime.or(options.launch.max_lifetime);
    // A health check without PROGRAM looks at the age of the container, or takes its statistics.
    let looks = options.mode == Mode::Health
        && (options.launch.max_lifetime.is_some() || options.records.stats.is_option);
    let needs_program = options.mode.has_program() || options.mode == Mode::Health && !looks;
    if options.launch.program.is_empty() && needs_program {
        let text = format!("{}\n{}: there is no PROGRAM to run\n", usage::text(persona), persona.name());
        return Ok(Command::Print { text, to_stderr: true, code: 1 });
    }
    stop::settle(&mut options);
    if options.mode == Mode::Exec {
        let idle = options.without_effect(&|_| false);
        if !idle.is_empty() {
            let idle = idle.join(", ");
            options.warnings.push(format!("--exec leaves no init behind, so this has no effect: {idle}"));
        }
    }
    // tini documents `PROGRAM -- ARGS`, and its getopt takes the two dashes away, as catatonit's does.
    if !saw_dashes
        && persona != Persona::DumbInit
        && options.launch.program.get(1).is_some_and(|first| first == "--")
    {
        options.launch.program.remove(1);
    }
    Ok(Command::Run(Box::new(options)))
}

/// The whole name of a long option of dumb-init or catatonit, which may be cut short as long as it is clear,
/// as their getopt_long(3) has it.
fn unabbreviated(persona: Persona, name: &str) -> &str {
    let long: &[&str] = match persona {
        Persona::DumbInit => &["help", "version", "verbose", "single-child", "rewrite"],
        Persona::Catatonit => &["help", "version"],
        Persona::Epitaph | Persona::Tini | Persona::DockerInit => &[],
    };
    let mut meant = long.iter().filter(|long| long.starts_with(name));
    match (meant.next(), meant.next()) {
        (Some(one), None) => one,
        _ => name,
    }
}

fn signal(text: &str) -> Result<Signal, &'static str> {
    Signal::parse(text).ok_or("expected a signal, such as SIGTERM or 15")
}

fn signals(text: &str) -> Result<Vec<Signal>, &'static str> {
    Signal::parse_list(text).ok_or("expected signals with commas between them, such as TERM,QUIT")
}

fn exit_code(text: &str) -> Result<u8, &'static str> {
    text.parse().map_err(|_| "expected an exit code from 0 to 255")
}

fn rewrite(text: &str) -> Result<(Signal, Option<Signal>), &'static str> {
    let read = || {
        let (from, to) = text.split_once(':')?;
        let to = if to == "0" { None } else { Some(Signal::parse(to)?) };
        Some((Signal::parse(from)?, to))
    };
    read().ok_or("expected FROM:TO, two signals such as TERM:QUIT or 15:3, TO = 0 to drop FROM")
}

fn time(text: &str) -> Result<std::time::Duration, String> {
    duration::parse(text).ok_or_else(|| format!("expected {}", usage::DURATION_FORMS))
}

fn lifetime(text: &str) -> Result<Lifetime, String> {
    Lifetime::parse(text).ok_or_else(|| format!("expected {}", stats::LIFETIME_FORMS))
}

fn one_of<T>(read: fn(&str) -> Option<T>, expected: &'static str) -> impl Fn(&str) -> Result<T, String> {
    move |text| read(text).ok_or_else(|| format!("expected {expected}"))
}

fn whoami_format(text: &str) -> Result<whoami::Format, &'static str> {
    whoami::Format::from_name(text).ok_or("expected text, json or env")
}

fn records(text: &str) -> Result<RecordFormat, &'static str> {
    super::record_format(text).ok_or("expected json, json-compact, text or off")
}

#[cfg(test)]
mod tests {
    use super::super::{Isolation, parse};
    use super::*;
    use std::time::Duration;

    fn run(line: &str) -> Options {
        match parse(line.split(' ').map(OsString::from).collect(), &|_| None) {
            Command::Run(options) => *options,
            other => unreachable!("{line}: {other:?}"),
        }
    }

    fn printed(line: &str) -> (String, bool, u8) {
        match parse(line.split(' ').map(OsString::from).collect(), &|_| None) {
            Command::Print { text, to_stderr, code } => (text, to_stderr, code),
            other => unreachable!("{line}: {other:?}"),
        }
    }

    #[test]
    fn options_end_at_the_program() {
        for line in ["epitaph sh -c x", "epitaph -- sh -c x", "epitaph -s -- sh -c x"] {
            assert_eq!(run(line).launch.program, ["sh", "-c", "x"], "{line}");
        }
        assert_eq!(run("epitaph -- -x").launch.program, ["-x"]);
    }

    #[test]
    fn two_dashes_after_the_program_are_dropped_only_when_none_stood_before() {
        assert_eq!(run("tini sh -- -c x").launch.program, ["sh", "-c", "x"]);
        assert_eq!(run("tini -- sh -- -c x").launch.program, ["sh", "--", "-c", "x"]);
        assert_eq!(run("tini sh -c -- x").launch.program, ["sh", "-c", "--", "x"]);
        assert_eq!(run("tini -e 3 sh -- x").launch.program, ["sh", "x"]);
        assert_eq!(run("dumb-init sh -- x").launch.program, ["sh", "--", "x"]);
    }

    #[test]
    fn combined_short_options() {
        let options = run("tini -wgse143 -p SIGTERM -vv true");
        assert!(options.supervision.warn_on_reap && options.supervision.subreaper);
        assert_eq!(options.supervision.target, Target::Group);
        assert_eq!(options.supervision.success_codes, [143]);
        assert_eq!(options.supervision.parent_death_signal, Some(Signal::TERM));
        assert_eq!(options.diagnostics.verbosity, log::LevelFilter::Debug);
    }

    #[test]
    fn long_options() {
        let options = run("epitaph --identity-timeout=250ms --kill-after 10 --records text true");
        assert_eq!(options.launch.identity_timeout, Duration::from_millis(250));
        assert_eq!(options.supervision.kill_after, Some(Duration::from_secs(10)));
        assert_eq!(options.records.format, Some(RecordFormat::Text));
        let options = run("dumb-init -c --rewrite TERM:3 -r 1:0 true");
        assert_eq!(options.supervision.isolation, Isolation::None);
        assert_eq!(
            options.supervision.rewrites,
            [(Signal::TERM, Signal::new(3)), (Signal::parse("HUP").expect("1"), None)]
        );
    }

    #[test]
    fn statistics_and_health_checks() {
        let options = run("epitaph --stats 5s --stats-format emf --max-lifetime 6h+1h true");
        assert_eq!(options.records.stats.every, Some(Duration::from_secs(5)));
        assert_eq!(options.records.stats.format, super::super::StatsFormat::Emf);
        assert_eq!(options.launch.max_lifetime, Lifetime::parse("6h+1h"));
        let options = run("epitaph --health --timeout 2s -- curl -f x");
        assert_eq!(
            (options.mode, options.records.stats.health_timeout),
            (Mode::Health, Duration::from_secs(2))
        );
        assert_eq!(options.launch.program, ["curl", "-f", "x"]);
        assert_eq!(run("epitaph --health --max-lifetime 6h").launch.program, [""; 0]);
        assert_eq!(run("epitaph --task-stats 0").mode, Mode::TaskStats(Duration::ZERO));
        for (wrong, why) in [
            ("epitaph --health", "there is no PROGRAM"),
            ("epitaph --timeout 2s true", "--timeout goes with --health"),
            ("epitaph --task-stats 5s true", "--task-stats runs no PROGRAM"),
            ("epitaph --task-stats 1s", "expected a duration of at least 5s, or 0 for once"),
            ("epitaph --stats 10ms true", "expected a duration of at least 1s, or 0 for never"),
            ("epitaph --stats-format x true", "expected record or emf"),
            ("epitaph --health --timeout 0 true", "expected a duration, such as 4s or 500ms, and not 0"),
        ] {
            let (text, to_stderr, code) = printed(wrong);
            assert!(text.contains(why) && to_stderr && code == 1, "{wrong}: {text}");
        }
    }

    #[test]
    fn what_an_init_would_do_is_named_when_there_will_be_none() {
        assert_eq!(run("epitaph --exec true").warnings, [""; 0]);
        let warnings = run("epitaph -sg --exec -e 143 --kill-after 1s true").warnings;
        assert_eq!(
            warnings,
            ["--exec leaves no init behind, so this has no effect: -s, -g, -e, --kill-after"]
        );
    }

    #[test]
    fn what_is_wrong_is_one_line_that_says_so() {
        for (line, expected) in [
            ("epitaph -x", "epitaph: invalid option '-x'; see epitaph -h\n"),
            ("tini -p", "tini: missing argument for option '-p'; see tini -h\n"),
            ("epitaph --exce true", "epitaph: invalid option '--exce'; see epitaph -h\n"),
            ("tini -e 300 true", "tini: -e \"300\": expected an exit code from 0 to 255; see tini -h\n"),
        ] {
            assert_eq!(printed(line), (expected.to_owned(), true, 1), "{line}");
        }
        assert_eq!(printed("epitaph").2, 1);
        assert!(printed("epitaph -p FOO true").0.contains("expected a signal, such as SIGTERM or 15"));
    }

    #[test]
    fn a_refusal_is_one_line_whatever_was_written() {
        let long = "x\u{1b}\n\u{202e}".repeat(1000);
        for line in [
            vec!["epitaph", &long[..1], "x"],
            vec!["epitaph", "-e", &long],
            vec!["epitaph", &format!("--{long}"), "x"],
            vec!["epitaph", "--export", &long],
            vec!["epitaph", &format!("-{long}")],
            vec!["epitaph", &format!("--exec={long}")],
            vec!["epitaph", "--format", &long],
        ] {
            let args: Vec<OsString> = line.iter().map(OsString::from).collect();
            if let Command::Print { text, code: 1, .. } = parse(args, &|_| None) {
                let text = text.strip_suffix('\n').expect("a line end");
                assert!(text.len() < 1500 && !text.contains(crate::shown::is_forbidden), "{text}");
            }
        }
    }

    #[test]
    fn answers_go_where_the_init_that_is_replaced_sends_them() {
        for (line, to_stderr) in [
            ("epitaph -h", false),
            ("epitaph --version", false),
            ("tini -h", false),
            ("tini -l", false),
            ("dumb-init -h", true),
            ("dumb-init -V", true),
            ("catatonit -h", true),
            ("catatonit -V", false),
        ] {
            assert_eq!(printed(line).1, to_stderr, "{line}");
            assert_eq!(printed(line).2, 0, "{line}");
        }
        assert!(printed("docker-init --version").0.starts_with("tini version 0.19.0"));
        assert!(printed("epitaph --version").0.starts_with("epitaph "));
    }
}
