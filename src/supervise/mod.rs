//! PID 1: starts the program, and looks after it and all orphans until it ends.
//!
//! [`run`] is the sequence. What is done about an event is decided in [`core`]; `wait` tells what has
//! happened, `act` carries out, and `end` is all that comes after the program's end. Nothing here parses what
//! a network told, waits without a bound, or gives up once the program is started.

pub mod core;

mod act;
mod drain;
mod end;
mod helper;
mod isolate;
mod journal;
mod late;
mod memory;
mod signals;
mod spawn;
mod stats;
mod supervisor;
mod table;
mod wait;
mod writer;

use self::supervisor::Supervisor;
use crate::launch::Start;
use crate::options::{Mode, Supervision};
use crate::record::stderr;
use crate::sys;
use std::mem::ManuallyDrop;

/// Starts the program, supervises it, and returns the exit code.
///
/// The order is a promise, see `docs/design.md`.
pub fn run(options: &Supervision, start: &Start) -> u8 {
    let setup = spawn::prepare(options);
    // The process ends after it, and the kernel takes everything back faster than we could give it.
    let mut supervisor = ManuallyDrop::new(Supervisor::new(options, start, setup));
    // Before the fork: a file server can stop answering any time, and later PID 1 must not ask it what stderr
    // is.
    stderr().queue_what_does_not_fit();
    supervisor.hands.ignores_children = start.inherited.ignores_sigchld();
    if start.mode == Mode::Pause {
        supervisor.enter_supervision();
        if options.close_fds {
            sys::close_inherited_descriptors();
        }
    } else if let Err(error) = spawn::start(&mut supervisor, options, start) {
        return end::without_program(&mut supervisor, &error);
    }
    supervisor.begin_lifetime(start);
    supervise(&mut supervisor);
    end::end(&mut supervisor)
}

/// The loop, until the program has ended: a round waits, and decides and acts on what has happened.
#[inline(never)]
fn supervise(supervisor: &mut Supervisor) {
    let mut more_to_reap = false;
    while supervisor.core.over().is_none() {
        supervisor.write_to_file();
        more_to_reap = supervisor.round(more_to_reap, None);
        stderr().flush();
    }
}
