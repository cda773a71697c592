//! epitaph: a container init that knows which container and ECS task it is in, and writes down how it died.
#![no_main]

mod entry;

use epitaph::identity::run;
use epitaph::launch::{self, Inherited, Start};
use epitaph::options::{self, Command, Mode, Options, RecordFormat};
use epitaph::{diagnostics, health, supervise, sys, sys_heap, task};
use std::ffi::OsString;
use std::io::{IsTerminal, Write};

#[global_allocator]
static HEAP: sys_heap::InitHeap = sys_heap::InitHeap;

/// Does what the command line asks for, and returns the exit code.
fn run(args: Vec<OsString>, inherited: &Inherited) -> u8 {
    match options::parse(args, &sys::variable) {
        Command::Run(mut options) => run_program(&mut options, inherited),
        Command::Print { text, to_stderr, code } => print(&text, to_stderr, code),
    }
}

fn run_program(options: &mut Options, inherited: &Inherited) -> u8 {
    if !matches!(options.mode, Mode::WhoAmI(_)) {
        run::begin();
    }
    diagnostics::init(&options.diagnostics);
    // What a health check says is shown with the check, so it says only what is wrong with the check.
    let is_told = |warning: &&String| options.mode != Mode::Health || warning.contains("EPITAPH_HEALTH");
    for warning in options.warnings.iter().filter(is_told) {
        log::warn!("{warning}");
    }
    let by_default =
        || if std::io::stderr().is_terminal() { RecordFormat::Text } else { RecordFormat::JsonApart };
    let format = options.records.format.unwrap_or_else(by_default);
    match options.mode {
        Mode::WhoAmI(format) => {
            inherited.unblock();
            let (text, code) = launch::whoami(&options.launch, format);
            print(&text, false, code)
        }
        Mode::Exec => become_program(options, inherited, format),
        Mode::TaskStats(every) if every.is_zero() => {
            inherited.unblock();
            let (text, code) = task::once(&options.records);
            print(&text, false, code)
        }
        Mode::Health => health::run(&options.launch, &options.records, inherited),
        // Two inits of one kind would write two stories of one program. Who asks for a subreaper wants one.
        Mode::Supervise if !options.asks_for_subreaper() && launch::has_init_above() => {
            let idle = options.without_effect(&|name| sys::variable(name).is_some());
            if !idle.is_empty() {
                let idle = idle.join(", ");
                log::warn!(
                    "an epitaph is the init here already (docker run --init?), so this has no effect: {idle}; \
                     set it by the EPITAPH_ variables, which that one reads too"
                );
            }
            become_program(options, inherited, format)
        }
        Mode::Supervise | Mode::Pause | Mode::TaskStats(_) => {
            // Once, so that the start record and PID 1 say the same.
            options.launch.max_lifetime =
                options.launch.max_lifetime.map(|lifetime| lifetime.settled(sys::random()));
            // The child has it too, up to the exec, which ends it.
            if options.protect
                && let Err(error) = sys::protect()
            {
                log::warn!(
                    "EPITAPH_PROTECT: epitaph can be traced, since prctl is refused: {}",
                    sys::reason(&error)
                );
            }
            supervise::run(&options.supervision, &start(options, inherited, format))
        }
    }
}

fn become_program(options: &mut Options, inherited: &Inherited, format: RecordFormat) -> u8 {
    // There is no init of ours that would see to it.
    options.launch.max_lifetime = None;
    launch::exec_mode(&start(options, inherited, format))
}

#[inline(never)]
fn start<'a>(options: &'a Options, inherited: &'a Inherited, format: RecordFormat) -> Start<'a> {
    Start { mode: options.mode, launch: &options.launch, records: &options.records, inherited, format }
}

fn print(text: &str, to_stderr: bool, code: u8) -> u8 {
    let printed = if to_stderr {
        std::io::stderr().write_all(text.as_bytes())
    } else {
        std::io::stdout().write_all(text.as_bytes())
    };
    // Nobody reads it: there is nobody to tell.
    if printed.is_err() { 1 } else { code }
}
