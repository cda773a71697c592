//! Every string that comes from outside, up to the lines that are made of it: arguments, variables, the host
//! name, the name of a process, the endpoint's answer. Each line must be a record that validates, or a
//! diagnostic, and none may hold a character that could be turned against its reader.
//!
//! The parts stand behind one another with NUL between them; arguments and variables have 0x1f between them.

#![no_main]

use epitaph::diagnostics::one_line;
use epitaph::forensics::ShortName;
use epitaph::identity::{Field, Identity, Source, metadata};
use epitaph::launch::{self, NotStarted};
use epitaph::options::{self, Command, Options, RecordFormat};
use epitaph::record::{Formats, Kind, LONGEST, Record, RenderedIdentity, Value, journal};
use epitaph::shown::{LONGEST as LONGEST_VALUE, is_forbidden};
use libfuzzer_sys::fuzz_target;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::sync::OnceLock;
use std::time::SystemTime;

fn schema() -> &'static jsonschema::Validator {
    static VALIDATOR: OnceLock<jsonschema::Validator> = OnceLock::new();
    VALIDATOR.get_or_init(|| {
        let text = include_str!("../../docs/records.schema.json");
        let schema = serde_json::from_str(text).expect("the schema is JSON");
        jsonschema::draft202012::new(&schema).expect("the schema is one of draft 2020-12")
    })
}

/// One line with its end, which nothing in it can end, move or turn around.
fn check_line(line: &str) -> &str {
    assert!(line.len() <= LONGEST, "{} bytes", line.len());
    let text = line.strip_suffix('\n').expect("a line end");
    assert!(!text.contains(is_forbidden), "{text:?}");
    text
}

fn check_diagnostic(message: &str) {
    let line = one_line(log::Level::Warn, 1, message);
    assert!(check_line(&line).starts_with("[WARN epitaph (1)] "));
}

fn check_record(record: &Record, identity: &RenderedIdentity) {
    let json = String::from_utf8(record.render(RecordFormat::Json, identity)).expect("UTF-8");
    let value: serde_json::Value = serde_json::from_str(check_line(&json)).expect("JSON");
    let wrong: Vec<String> = schema().iter_errors(&value).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{json}: {wrong:?}");
    // But for the start record these begin their line themselves.
    for (format, first) in [(RecordFormat::JsonApart, "{\"epitaph\":"), (RecordFormat::Text, "epitaph=")] {
        let line = String::from_utf8(record.render(format, identity)).expect("UTF-8");
        assert!(line.len() <= LONGEST);
        let line = if record.kind == Kind::Start { Some(&*line) } else { line.strip_prefix('\n') };
        assert!(check_line(line.expect("a line end")).starts_with(first));
    }
}

fn identity(host: &str, answer: &[u8]) -> RenderedIdentity {
    let mut identity = Identity::default();
    if let Ok(mut told) = metadata::container(answer, Source::MetadataV4) {
        told.rejected.iter().for_each(|rejected| check_diagnostic(&rejected.to_string()));
        identity = std::mem::take(&mut told.identity);
    }
    if let Err(rejected) = identity.offer(Field::Hostname, host, Source::Hostname) {
        check_diagnostic(&rejected.to_string());
    }
    RenderedIdentity::of(&identity, Formats { json: true, text: true })
}

fn record(kind: Kind, fields: Vec<(&'static str, Value)>) -> Record {
    Record { kind, time: SystemTime::UNIX_EPOCH, pid: Some(7), fields }
}

fn check_program(options: &Options, comm: &[u8], identity: &RenderedIdentity) {
    let program = options.launch.program.first().map_or(OsStr::new(""), OsString::as_os_str);
    let name = launch::name(program);
    assert!(name.len() <= LONGEST_VALUE);
    check_diagnostic(&format!("started {name} as process 7"));
    let start = vec![("program", Value::from(name)), ("identity_ms", Value::from(1_u64))];
    check_record(&record(Kind::Start, start), identity);

    // Under a directory that is not there, so that no file of this machine is looked at.
    let path = Path::new("/nowhere/at/all")
        .join(program.as_bytes().strip_prefix(b"/").map_or(program, OsStr::from_bytes));
    let path = Some(path.as_path()).filter(|path| path.starts_with("/nowhere/at/all"));
    // One of the ways in which it can fail, by the length of the name: each costs the check of a record.
    let ways = [(None, libc::ENOENT), (path, libc::ENOENT), (path, libc::EACCES), (path, libc::ENOTDIR)];
    if let Some((path, errno)) = ways.get(program.len() % ways.len()).copied() {
        let failure = NotStarted::exec(program, path, Some(errno));
        check_diagnostic(&failure.why);
        let exit = vec![
            ("code", Value::from(u64::from(failure.code))),
            ("verdict", Value::from("not_started")),
            ("why", Value::from(failure.why.as_str())),
        ];
        check_record(&record(Kind::Exit, vec![("exit", Value::Object(exit))]), identity);
    }

    let comm = ShortName::new(comm);
    let process = |pid: u64| {
        Value::Object(vec![
            ("pid", Value::from(pid)),
            ("ppid", Value::from(1_u64)),
            ("name", Value::from(comm.as_str())),
            ("state", Value::from("S")),
            ("memory", Value::from(4096_u64)),
            ("threads", Value::from(1_u64)),
        ])
    };
    let processes = Value::List((1..40).map(process).collect());
    check_record(&record(Kind::Stuck, vec![("processes", processes)]), identity);
    let why = format!("The kernel's OOM killer took another process (pid 9, {comm}).");
    let exit = vec![
        ("code", Value::from(1_u64)),
        ("verdict", Value::from("oom_child")),
        ("why", Value::from(why)),
        ("left_processes", Value::List(vec![process(9)])),
    ];
    check_record(&record(Kind::Exit, vec![("exit", Value::Object(exit))]), identity);
}

fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(5, |byte| *byte == 0);
    let mut next = || parts.next().unwrap_or_default();
    let (args, variables, host, comm, answer) = (next(), next(), next(), next(), next());
    let words = |part: &[u8]| {
        part.split(|byte| *byte == 0x1f).map(|word| OsString::from_vec(word.to_vec())).collect::<Vec<_>>()
    };
    let variables = words(variables);
    let env = |name: &str| {
        let value = |entry: &OsString| {
            entry.as_bytes().strip_prefix(name.as_bytes())?.strip_prefix(b"=").map(<[u8]>::to_vec)
        };
        variables.iter().find_map(value).map(OsString::from_vec)
    };
    let host = String::from_utf8_lossy(host);
    let identity = identity(&host, answer);
    match options::parse(words(args), &env) {
        Command::Run(options) => {
            options.warnings.iter().for_each(|warning| {
                assert!(warning.len() < 1600, "{warning}");
                check_diagnostic(warning);
            });
            if let Some(directory) = &options.records.journal {
                let path = journal::path(directory, SystemTime::UNIX_EPOCH, None, &host);
                // What the host name is made into is one name below the day.
                assert!(path.parent().is_some_and(|day| day == directory.join("1970-01-01")), "{path:?}");
            }
            check_program(&options, comm, &identity);
        }
        // The text is ours, but for the last line of a refusal.
        Command::Print { text, code, .. } => {
            text.lines().for_each(|line| assert!(!line.contains(is_forbidden), "{line:?}"));
            assert!(code == 0 || text.lines().last().is_some_and(|line| line.len() < 1600));
        }
    }
});
