//! `--whoami`: the identity for a person who asks in a running container.

use crate::identity::otel::VARIABLE as OTEL_VARIABLE;
use crate::identity::{Deadline, Field, System, local, resolve, run, whoami};
use crate::options::{IDENTITY_TIMEOUT, Launch};
use crate::sys;

/// Resolves afresh. Returns what there is to print, and the exit code: 0 when the container ID is known, else
/// 3.
#[inline(never)]
pub fn whoami(options: &Launch, format: whoami::Format) -> (String, u8) {
    // Who asks was started beside PID 1, some time after the container.
    let of_pid_1 = System::of_pid_1();
    if of_pid_1.is_some() {
        run::begin_beside_pid_1();
    }
    // A session by ssh or a job of cron has not what ECS has set; PID 1 has.
    let own = System::of_process();
    let system = match of_pid_1 {
        Some(system) if !own.environment_shows_ecs() && system.environment_shows_ecs() => system,
        _ => own,
    };
    // 0 is for a start that must not wait. Who asks here does.
    let limit = if options.identity_timeout.is_zero() { IDENTITY_TIMEOUT } else { options.identity_timeout };
    let outcome = resolve(&system, local(&system), Deadline::after(limit));
    outcome.log_warnings();
    let attributes =
        sys::variable(OTEL_VARIABLE).and_then(|value| value.into_string().ok()).unwrap_or_default();
    let is_of_pid_1 = system.is_of_pid_1();
    let text = whoami::render(&outcome.identity, format, &options.export, &attributes, is_of_pid_1);
    let is_known = outcome.identity.get(Field::ContainerId).is_some();
    if !is_known && outcome.warnings.is_empty() {
        log::warn!(
            "the container ID is not known: no endpoint of ECS is set, and /proc/self names no container"
        );
    }
    (text, if is_known { 0 } else { 3 })
}
