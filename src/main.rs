//! epitaph: a container init that knows which container and ECS task it is in, and writes down how it died.
#![no_main]

mod entry;

use epitaph::launch::{self, Inherited};
use epitaph::options::{self, Command, Mode, Options, RecordFormat};
use epitaph::{diagnostics, supervise};
use std::ffi::OsString;
use std::io::{IsTerminal, Write};

/// Room for all that PID 1 keeps, several times; pages that are not used take no memory.
#[global_allocator]
static HEAP: epitaph::sys_heap::Heap<{ 96 << 10 }> = epitaph::sys_heap::Heap::new();

/// Does what the command line asks for, and returns the exit code.
fn run(args: Vec<OsString>, inherited: &Inherited) -> u8 {
    match options::parse(args, &|name| std::env::var_os(name)) {
        Command::Run(options) => run_program(&options, inherited),
        Command::Print { text, to_stderr, code } => print(&text, to_stderr, code),
    }
}

fn run_program(options: &Options, inherited: &Inherited) -> u8 {
    diagnostics::init(options);
    for warning in &options.warnings {
        log::warn!("{warning}");
    }
    let by_default = || if std::io::stderr().is_terminal() { RecordFormat::Text } else { RecordFormat::Json };
    let format = options.records.unwrap_or_else(by_default);
    match options.mode {
        Mode::WhoAmI(format) => {
            inherited.unblock();
            let (text, code) = launch::whoami(options, format);
            print(&text, false, code)
        }
        Mode::Exec => launch::exec_mode(options, inherited, format),
        Mode::Supervise | Mode::Pause => supervise::run(options, inherited, format),
    }
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
