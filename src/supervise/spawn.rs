//! From the options to the program: what epitaph itself is set to, the fork, and what each side does first.

use super::evidence::Evidence;
use super::{Supervisor, isolate};
use crate::identity::System;
use crate::launch::{Inherited, Report, launch};
use crate::options::{Options, Persona, RecordFormat};
use crate::sys::{self, Fork};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::getpid;
use std::fs::File;
use std::path::Path;

/// A pipe of this size, in bytes, holds all that a child sends: two identities of some 10 KB at most, and two records.
/// It is the usual size; a user who has very many pipes gets smaller ones (pipe(7), pipe-user-pages-soft).
const ROOMY: i32 = 1 << 16;

/// Forks. The child finds out who it is and becomes the program.
///
/// What PID 1 needs of the time before the program is taken down first: so every kill that is counted later is one
/// since the start. What it needs besides is made first as well, since after the fork each page that one side writes
/// to has to be copied for it.
///
/// Not inlined: the stack that it needs would be PID 1's for life.
#[inline(never)]
pub(super) fn start(
    supervisor: &mut Supervisor,
    options: &Options,
    inherited: &Inherited,
    format: RecordFormat,
) -> std::io::Result<()> {
    // Before the files of the cgroup, of which there may be fewer where descriptors are scarce.
    let (report, report_end) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    let system = System::of_process();
    supervisor.evidence = Evidence::gather(Path::new("/"), system.cgroup(), options.oom_poll);
    let plan = isolate::plan(options.isolation);
    match sys::fork()? {
        Fork::Child => {
            isolate::in_child(plan);
            // They are PID 1's, and their descriptors may be the last ones.
            drop((supervisor.evidence.take(), report));
            let report = Report::to(File::from(report_end));
            sys::exit_now(i32::from(launch(options, inherited, format, &system, report)))
        }
        Fork::Parent(child) => {
            // The pipe is to end with the child's exec.
            drop(report_end);
            isolate::in_parent(plan, child);
            supervisor.enter_supervision();
            // Fails only for a flag that does not exist.
            let _ = fcntl(&report, FcntlArg::F_SETFL(OFlag::O_NONBLOCK));
            supervisor.report_is_roomy =
                fcntl(&report, FcntlArg::F_GETPIPE_SZ).is_ok_and(|size| size >= ROOMY);
            supervisor.program = Some(child);
            supervisor.report = Some(File::from(report));
            // A thousand bytes. To give them back is to write to their page, which would have to be copied for that.
            std::mem::forget(system);
            log::info!("started {} as process {child}", supervisor.program_name);
            Ok(())
        }
    }
}

/// Sets what the process itself is to be; returns whether orphans come to us.
pub(super) fn prepare(options: &Options) -> bool {
    if let Some(signal) = options.parent_death_signal
        && let Err(error) = sys::set_parent_death_signal(signal.number())
    {
        log::warn!("-p: cannot ask for {signal} at the death of the parent: {error}");
    }
    let is_pid_1 = getpid().as_raw() == 1;
    if options.subreaper
        && let Err(error) = nix::sys::prctl::set_child_subreaper(true)
    {
        log::warn!("cannot become a child subreaper: {error}");
    }
    let adopts = is_pid_1 || nix::sys::prctl::get_child_subreaper().unwrap_or(false);
    if !adopts {
        // dumb-init is at home there: in scripts, and below another init.
        let level = if options.persona == Persona::DumbInit { log::Level::Debug } else { log::Level::Warn };
        log::log!(
            level,
            "epitaph is neither PID 1 nor a child subreaper, so orphans do not come to it and it cannot reap them; \
             use -s or TINI_SUBREAPER, or run it as PID 1"
        );
    }
    adopts
}
