//! From the options to the program: what epitaph itself is set to, the fork, and what each side does first.

use super::core::Event;
use super::isolate;
use super::memory::MemoryReader;
use super::supervisor::{Report, Setup, Supervisor};
use crate::identity::System;
use crate::launch::{self, Start, launch};
use crate::options::{Persona, Supervision};
use crate::record::stderr;
use crate::sys::{self, Fork, reason};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::getpid;
use std::fs::File;
use std::path::Path;

/// A pipe of this size, in bytes, holds all that a child sends: two identities of some 10 KB at most, and two
/// records. It is the usual size; a user who has very many pipes gets smaller ones (pipe(7),
/// pipe-user-pages-soft).
const ROOMY: i32 = 1 << 16;

/// Forks. The child finds out who it is and becomes the program.
///
/// What PID 1 needs of the time before the program is taken down first: so every kill that is counted later
/// is one since the start. What it needs besides is made first as well, since after the fork each page that
/// one side writes to has to be copied for it.
///
/// Not inlined: the stack that it needs would be PID 1's for life.
#[inline(never)]
pub(super) fn start(
    supervisor: &mut Supervisor,
    options: &Supervision,
    start: &Start,
) -> std::io::Result<()> {
    // Before the files of the cgroup, of which there may be fewer where descriptors are scarce.
    let (report, report_end) = match nix::unistd::pipe2(OFlag::O_CLOEXEC) {
        Ok((report, report_end)) => (Some(report), Some(report_end)),
        Err(errno) => {
            log::warn!(
                "no pipe from the program's start ({}); the exit record will lack the identity",
                errno.desc()
            );
            (None, None)
        }
    };
    let system = System::of_process();
    let memory = MemoryReader::gather(Path::new("/"), system.cgroup());
    let plan = isolate::plan(supervisor.setup.isolation);
    match sys::fork()? {
        Fork::Child => {
            // What PID 1 has still to write is PID 1's to write.
            stderr().wait_for_room();
            isolate::in_child(plan);
            // They are PID 1's, and their descriptors may be the last ones.
            drop((memory, report));
            let report = report_end
                .map_or_else(launch::Report::without_pipe, |end| launch::Report::to(File::from(end)));
            sys::exit_now(i32::from(launch(start, &system, report)))
        }
        Fork::Parent(child) => {
            // The pipe is to end with the child's exec.
            drop(report_end);
            isolate::in_parent(plan, child);
            if options.close_fds {
                sys::close_inherited_descriptors();
            }
            supervisor.enter_supervision();
            supervisor.report = open_report(report);
            supervisor.hands.program = Some(child);
            supervisor.hands.program_pid = Some(child.as_raw());
            let now = supervisor.hands.started;
            supervisor.handle(now, Event::Started { pid: child.as_raw() });
            let baseline = memory.as_ref().map(MemoryReader::baseline);
            supervisor.hands.memory = memory;
            if let Some(baseline) = baseline {
                supervisor.handle(now, Event::MemoryFound(baseline));
            }
            if supervisor.report.pipe.is_none() {
                // Without a pipe the child cannot tell that it executes the program; it most likely does. Nor
                // could a helper send an identity.
                supervisor.handle(now, Event::Executing);
                supervisor.handle(now, Event::Resolved);
            }
            // A thousand bytes. Freeing them would write to a page that we share with the child since the
            // fork, and the kernel would copy it.
            std::mem::forget(system);
            log::info!("started {} as process {child}", supervisor.hands.program_name);
            Ok(())
        }
    }
}

fn open_report(pipe: Option<std::os::fd::OwnedFd>) -> Report {
    let Some(pipe) = pipe else { return Report { is_missing: true, ..Report::default() } };
    // Fails only for a flag that does not exist.
    let _ = fcntl(&pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK));
    let is_roomy = fcntl(&pipe, FcntlArg::F_GETPIPE_SZ).is_ok_and(|size| size >= ROOMY);
    Report { pipe: Some(File::from(pipe)), is_roomy, ..Report::default() }
}

/// Sets what the process itself is to be.
pub(super) fn prepare(options: &Supervision) -> Setup {
    if let Some(signal) = options.parent_death_signal
        && let Err(error) = sys::set_parent_death_signal(signal.number())
    {
        log::warn!("-p: cannot ask for {signal} at the death of the parent: {}", reason(&error));
    }
    let is_pid_1 = getpid().as_raw() == 1;
    if options.subreaper
        && let Err(error) = nix::sys::prctl::set_child_subreaper(true)
    {
        log::warn!("cannot become a child subreaper: {}", error.desc());
    }
    let adopts = is_pid_1 || nix::sys::prctl::get_child_subreaper().unwrap_or(false);
    if !adopts {
        // dumb-init is often used where it is not PID 1: in scripts, and below another init.
        let level = if options.persona == Persona::DumbInit { log::Level::Debug } else { log::Level::Warn };
        if !options.stop.drain.is_zero() {
            log::warn!("--drain has no effect: those that the program leaves behind do not come to epitaph");
        }
        log::log!(
            level,
            "epitaph is neither PID 1 nor a child subreaper, so orphans do not come to it and it cannot reap them; \
             use -s or TINI_SUBREAPER, or run it as PID 1"
        );
    }
    Setup { adopts, isolation: options.isolation }
}
