//! epitaph: a container init that knows which container and ECS task it is in, and writes down how it died.
//!
//! There is no Rust start-up code around `main`: it would ignore SIGPIPE, open closed standard descriptors and
//! set up a signal stack, all of which the program would inherit or PID 1 keep in memory.
#![no_main]

use epitaph::launch::{self, Inherited};
use epitaph::options::{self, Command, Mode, Options, RecordFormat};
use epitaph::{diagnostics, supervise, sys};
use std::io::{IsTerminal, Write};

/// Called by the C runtime.
#[unsafe(no_mangle)]
#[allow(unsafe_code)]
extern "C" fn main(argc: libc::c_int, argv: *const *const libc::c_char) -> libc::c_int {
    let inherited = Inherited::take();
    sys::reserve_standard_descriptors();
    // SAFETY: these are the arguments of `main`.
    let args = unsafe { sys::args(argc, argv) };
    let code = match options::parse(args, &|name| std::env::var_os(name)) {
        Command::Run(options) => run(&options, &inherited),
        Command::Print { text, to_stderr, code } => print(&text, to_stderr, code),
    };
    // Nothing is left that the C runtime's handlers could do.
    sys::exit_now(i32::from(code))
}

fn run(options: &Options, inherited: &Inherited) -> u8 {
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
