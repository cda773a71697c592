//! What epitaph says of itself on the terminal.

use super::Persona;

/// How a duration may be written.
pub(super) const DURATION_FORMS: &str = "a duration, such as 250ms, 10s, 5m or a number of seconds";

/// The answer to `-l`.
pub(super) const LICENSE: &str = concat!(
    "epitaph is licensed under either of\n\n",
    "  Apache License, Version 2.0 (http://www.apache.org/licenses/LICENSE-2.0)\n",
    "  MIT license (http://opensource.org/licenses/MIT)\n\n",
    "at your option.\n\n",
    include_str!("../../LICENSE-MIT"),
);

/// The answer to `-h`, in which epitaph has the name that it was called by.
pub(super) fn text(persona: Persona) -> String {
    let name = persona.name();
    let version = persona.version();
    let own = match persona {
        Persona::DumbInit => DUMB_INIT,
        Persona::Catatonit => CATATONIT,
        Persona::Epitaph | Persona::Tini | Persona::DockerInit => TINI,
    };
    format!(
        "{version}Usage: {name} [OPTIONS] [--] PROGRAM [ARG]...\n       {name} --whoami [--format text|json|env]\n       {name} --health [OPTIONS] [--] PROGRAM [ARG]...\n       {name} --task-stats DUR\n{ABOUT}{own}{EPITAPH}{VARIABLES}"
    )
}

const ABOUT: &str = "
Runs PROGRAM as a container's init does: forwards signals to it, reaps zombies, ends with its exit code.
Tells it who it is (DOCKER_CONTAINER_ID, ECS_TASK_ARN), and writes down on stderr how it began and ended.
";

const TINI: &str = "
Options of tini:
  -s            Register as a child subreaper, where epitaph is not PID 1.
  -p SIGNAL     Receive SIGNAL when the parent dies, e.g. -p SIGKILL.
  -g            Send signals to the process group of PROGRAM.
  -e CODE       Exit code (0 to 255) to replace by 0. Can be repeated.
  -w            Warn of every process reaped other than PROGRAM.
  -v            Say more. Up to three times.
  -l            Show the licence.
  -h, --help    Show this help.
  --version     Show the version.

Options of dumb-init and catatonit:
  -c, --single-child     PROGRAM stays in our process group; signals go to it alone.
  -r, --rewrite FROM:TO  Send signal TO when FROM arrives; TO = 0 drops it. Can be repeated.
  -P                     Pause: run nothing, reap until SIGTERM or SIGINT.
";

const DUMB_INIT: &str = "
Options of dumb-init:
  -c, --single-child     Signals go to PROGRAM alone, not to its session.
  -r, --rewrite FROM:TO  Send signal TO when FROM arrives; TO = 0 drops it. Can be repeated.
  -v, --verbose          Say more.
  -h, --help             Show this help.
  -V, --version          Show the version.
DUMB_INIT_SETSID=0 in the environment is -c, DUMB_INIT_DEBUG=1 is -v. More: epitaph -h.
";

const CATATONIT: &str = "
Options of catatonit:
  -g             Send signals to the process group of PROGRAM.
  -P             Pause: run nothing, reap until SIGTERM or SIGINT.
  -L             Show the licence.
  -h             Show this help.
  -V, --version  Show the version.
CATATONIT_DEBUG in the environment says more. More: epitaph -h.
";

const EPITAPH: &str = "
Options of epitaph:
  --exec                  Become PROGRAM: no supervision, no exit record.
  --identity-timeout DUR  How long the start may wait for the identity (default 1s).
  --require-identity      End with 78 if the task ARN is not known in time.
  --export LIST           Give PROGRAM more variables: all, otel, NAME=field.
  --stop-signal LIST      Signals that stop PROGRAM (default TERM,INT). The image's STOPSIGNAL belongs here.
  --kill-after DUR        Send SIGKILL this long after a stop signal (default and 0: never).
  --grace DUR             What the platform gives from the stop signal to SIGKILL (ECS: stopTimeout). Sets
                          --kill-after if that is not set, so that the exit record is written.
  --stop-delay DUR        Hold a stop signal this long; PROGRAM goes on serving (default 0).
  --drain DUR             After PROGRAM's end send SIGTERM to all that are left and wait this long (default 0).
  --max-lifetime DUR[+DUR]
                          Stop PROGRAM when the container is this old, plus a random part of the second. Of
                          --health: unhealthy then.
  --records FORMAT        json, json-compact, text or off (default json; text where stderr is a terminal).
  --journal DIR           Also append records to DIR/YYYY-MM-DD/CONTAINER_ID.jsonl.
  --close-fds             Close in epitaph what it was given, but 0, 1 and 2; PROGRAM keeps it.
  --whoami                Run nothing, tell who this container is. Ends with 3 if not known.
  --stats DUR             Write a stats record this often, at least 1s (default and 0: never).
  --stats-format FORMAT   record, or emf: from which CloudWatch makes metrics (default record).
  --health                Run PROGRAM as a health check: bounded, nothing left behind, changes go to the
                          container's log. Ends with 0 or 1.
  --timeout DUR           Of --health: shorter than the platform's own (default 4s).
  --task-stats DUR        Run nothing, write statistics of all containers of the ECS task this often, at least 5s;
                          0: once. Ends with 3 without an endpoint.
  --format FORMAT         Of --whoami: text, json or env (for eval).
";

const VARIABLES: &str = "
Environment variables:
  EPITAPH_EXEC, EPITAPH_IDENTITY_TIMEOUT, EPITAPH_REQUIRE_IDENTITY, EPITAPH_EXPORT, EPITAPH_STOP_SIGNAL,
  EPITAPH_KILL_AFTER, EPITAPH_GRACE, EPITAPH_STOP_DELAY, EPITAPH_DRAIN, EPITAPH_MAX_LIFETIME, EPITAPH_RECORDS,
  EPITAPH_JOURNAL, EPITAPH_CLOSE_FDS
                          As the options, which win.
  EPITAPH_STATS, EPITAPH_STATS_FORMAT, EPITAPH_HEALTH_TIMEOUT
                          As --stats and --stats-format, and --timeout of --health.
  EPITAPH_HEALTH_OUTPUT   0: no output of a failed check in its record.
  EPITAPH_EMF_NAMESPACE   Of emf: the namespace of the metrics (default Epitaph).
  EPITAPH_EMF_DIMENSIONS  Of emf: lists of fields of the identity, semicolons between them (default
                          cluster,service,container_name). Each value of each costs money.
  EPITAPH_INTROSPECTION   Base URL of the ECS agent's introspection API, or off.
  EPITAPH_STUCK_AFTER     When a program that outlives a stop is recorded as stuck (default half of
                          --grace or of --kill-after, else 5s; 0 never).
  EPITAPH_LATE_LOOK       Ask the endpoint again for what it did not know at the start (10s, 0 never).
  EPITAPH_STOP_LOOK       off: do not ask the endpoint who stopped the task.
  EPITAPH_OOM_POLL        How often cgroup v1 is looked at for OOM kills (default 10s, 0 only at reaps).
  EPITAPH_LOG             Diagnostics: error, warn, info, debug, trace. Stronger than -v.
  EPITAPH_PROTECT         1: nobody without CAP_SYS_PTRACE can trace epitaph or open /proc/1/fd.
  TINI_SUBREAPER, TINI_KILL_PROCESS_GROUP, TINI_VERBOSITY
                          As -s, -g and the number of -v plus 1.

Durations: 250ms, 10s, 5m; a bare number is seconds. LIST: with commas.
";
