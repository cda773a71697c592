//! What the program is given: descriptors, directory, limits, signals.

use crate::call::{BOUND, Call, HANG, within};
use crate::init::Init;
use crate::running::Running;
use crate::setup;
use crate::table::{ALL, CATATONIT, DUMB_INIT, GROUP_INITS, Row, TINI, row};
use nix::sys::resource::Resource;

const SUBJECT: &str = "What the program is given";
const RESETS: &str =
    "dumb-init lets all signals through and gives each its default action, which takes `nohup` off.";
const LEFT_BLOCKED: &str =
    "catatonit leaves TSTP, TTIN and TTOU blocked in the program, which breaks job control in it.";
const NO_STDIN: &str = "open: program not started (exit 1)";

fn state(what: &'static str, of: &'static str, prepare: fn(Call) -> Call) -> Row {
    row(SUBJECT, what, ALL, move |init| prepare(init.call()).probe(&format!("state {of}")).run().told())
}

pub fn rows() -> Vec<Row> {
    vec![
        state("Its process group", "group", |call| call),
        state("Its session", "session", |call| call),
        state("Blocked signals", "blocked", |call| call).differs(CATATONIT, "20 21 22", "none", LEFT_BLOCKED),
        state("Ignored signals", "ignored", |call| call),
        state("Blocked signals, when SIGUSR1 and SIGTERM were blocked", "blocked", |call| {
            call.setup(|| setup::block(&[10, 15]))
        })
        .differs(CATATONIT, "10 15 20 21 22", "10 15", LEFT_BLOCKED)
        .differs(DUMB_INIT, "none", "10 15", RESETS),
        state("Ignored signals, when SIGHUP was ignored (`nohup`)", "ignored", |call| {
            call.setup(|| setup::ignore(1))
        })
        .differs(DUMB_INIT, "none", "1", RESETS),
        state("Ignored signals, when SIGPIPE was ignored", "ignored", |call| {
            call.setup(|| setup::ignore(13))
        })
        .differs(DUMB_INIT, "none", "13", RESETS),
        state("Ignored signals, when SIGTTOU and SIGTTIN were ignored", "ignored", |call| {
            call.setup(|| setup::ignore(21)).setup(|| setup::ignore(22))
        })
        .differs(DUMB_INIT, "none", "21 22", RESETS),
        row(SUBJECT, "Ignored SIGCHLD: init and program", ALL, ignored_child_signal)
            .differs(
                GROUP_INITS,
                "ignored: 17; the init hangs or fails",
                "ignored: 17; exit 0",
                "They wait for a child that the kernel has reaped itself, mostly for ever.",
            )
            .differs(DUMB_INIT, "ignored: none; exit 0", "ignored: 17; exit 0", RESETS),
        row(SUBJECT, "Blocked SIGCHLD: init and program", ALL, |init| {
            init.call().setup(|| setup::block(&[17])).probe("state blocked").run().told()
        })
        .differs(CATATONIT, "17 20 21 22", "17", LEFT_BLOCKED)
        .differs(DUMB_INIT, "none", "17", RESETS),
        row(SUBJECT, "All signals blocked, and SIGTERM arrives", ALL, blocked_by_all).differs(
            DUMB_INIT,
            "it ends the program: exit 143",
            "it is pending for the program",
            RESETS,
        ),
        row(SUBJECT, "A program that writes into a closed pipe", ALL, |init| {
            init.call().probe("write-to-closed-pipe").run().end()
        }),
        state("Open descriptors", "fds", |call| call),
        state("Open descriptors, when 9 was open", "fds", |call| {
            call.setup(|| setup::open_at(9, c"/dev/null"))
        }),
        state("Working directory", "directory", |call| call.with(|command| command.current_dir("/usr"))),
        state("umask", "umask", |call| {
            call.setup(|| {
                nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o027));
                Ok(())
            })
        }),
        // SAFETY: no memory is involved.
        state("Nice value", "nice", |call| {
            call.setup(|| {
                unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 15) };
                Ok(())
            })
        }),
        state("oom_score_adj", "oom", |call| {
            call.setup(|| setup::write_proc(c"/proc/self/oom_score_adj", "300"))
        }),
        state("Limit of open files", "nofile", |call| {
            call.setup(|| setup::set_limit(Resource::RLIMIT_NOFILE, 77))
        }),
        state("Limit of the stack", "stack", |call| {
            call.setup(|| setup::set_limit(Resource::RLIMIT_STACK, 4 << 20))
        }),
        state("Scheduling policy (SCHED_BATCH)", "policy", |call| {
            call.setup(|| {
                let parameters: libc::sched_param = unsafe { std::mem::zeroed() };
                // SAFETY: the parameters are valid for the call.
                unsafe { libc::sched_setscheduler(0, libc::SCHED_BATCH, &parameters) };
                Ok(())
            })
        }),
        state("O_NONBLOCK on stdin, stdout, stderr", "nonblocking", |call| call),
        state(
            "Subreaper, dumpable, no_new_privs, parent-death signal",
            "subreaper dumpable no_new_privs pdeathsig",
            |call| call,
        ),
        row(SUBJECT, "stdin closed", ALL, |init| closed(init, 0)).differs(
            TINI,
            NO_STDIN,
            "open: 1 2 (exit 0)",
            "tini does not start the program without a stdin.",
        ),
        row(SUBJECT, "stdout closed", ALL, |init| closed(init, 1)),
        row(SUBJECT, "stderr closed", ALL, |init| closed(init, 2)),
        row(SUBJECT, "All three closed", ALL, |init| closed(init, 3)).differs(
            TINI,
            NO_STDIN,
            "open:  (exit 0)",
            "The same.",
        ),
        row(SUBJECT, "The environment, but for `DOCKER_CONTAINER_ID` and `ECS_TASK_ARN`", ALL, |init| {
            let call = init.call().env("A", "1").env("EMPTY", "").env("WITH", "a=b").env("LC_ALL", "C");
            let mut lines: Vec<String> = call.words("-- env").run().out.lines().map(str::to_owned).collect();
            lines.retain(|line| {
                !["EPITAPH_", "PATH=", "DOCKER_CONTAINER_ID=", "ECS_TASK_ARN="]
                    .iter()
                    .any(|start| line.starts_with(start))
            });
            lines.sort();
            lines.join(" ")
        }),
        row(SUBJECT, "No /proc, no /sys and no /dev, as PID 1", ALL, |init| {
            let call = init.call().bare_pid_1().setup(setup::hide_system_directories);
            call.args(["--", "sh", "-c", "echo /proc/* /sys/* /dev/*; exit 7"]).run().told()
        }),
        row(SUBJECT, "A read-only root, as PID 1", ALL, |init| {
            let call = init.call().pid_1().setup(setup::read_only_root);
            call.args(["--", "sh", "-c", "touch /x 2>&1 | grep -o Read-only; exit 7"]).run().told()
        }),
        row(SUBJECT, "Another user (nobody)", ALL, another_user),
        row(SUBJECT, "The init's own working directory", ALL, |init| {
            let mut running =
                init.call().with(|command| command.current_dir("/usr")).probe("default").held().start();
            running.wait_for("ready");
            // The program may be ready before its init has done what it does after the fork.
            Running::wait_for_state(running.init, 'S');
            std::fs::read_link(format!("/proc/{}/cwd", running.init)).unwrap().display().to_string()
        })
        .differs(
            GROUP_INITS,
            "/usr",
            "/",
            "A working directory keeps its file system from being unmounted.",
        ),
    ]
}

fn blocked_by_all(init: &Init) -> String {
    let all: Vec<i32> = (1..=64).collect();
    let mut running = init.call().setup(move || setup::block(&all)).probe("default").held().start();
    running.wait_for("ready");
    let children = format!("/proc/{0}/task/{0}/children", running.init);
    let child = std::fs::read_to_string(children).unwrap();
    running.signal(15);
    let told = within(BOUND, || {
        if let Some(status) = running.poll() {
            return Some(format!("it ends the program: {}", crate::call::describe(status)));
        }
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.trim())).ok()?;
        let has = |key: &str| {
            let mask = status.lines().find_map(|line| line.strip_prefix(key))?;
            Some(u64::from_str_radix(mask.trim(), 16).ok()? >> 14 & 1 == 1)
        };
        // Pending for a moment is every signal; one that is blocked stays so.
        (has("ShdPnd:")? && has("SigBlk:")?).then(|| "it is pending for the program".to_owned())
    });
    told.unwrap_or_else(|| "nothing happens".to_owned())
}

fn ignored_child_signal(init: &Init) -> String {
    let call = init.call().setup(|| setup::ignore(libc::SIGCHLD));
    let mut running = call.probe("state ignored").start();
    let told = within(BOUND, || running.out().contains('\n').then(|| running.out())).unwrap_or_default();
    // catatonit hangs, but for a race that it mostly loses: then it ends with 1.
    let end = running.wait(HANG).map(crate::call::describe).filter(|end| end != "exit 1");
    let end = end.unwrap_or_else(|| "the init hangs or fails".to_owned());
    format!("ignored: {}; {end}", told.trim_end())
}

fn closed(init: &Init, which: i32) -> String {
    let call = init.call();
    let path = call.dir().join("told");
    let mut call = call.own_stdio();
    for fd in 0..3 {
        call = call.setup(move || {
            if fd == which || which == 3 { setup::close(fd) } else { setup::open_at(fd, c"/dev/null") }
        });
    }
    let mut running = call.probe("state-to").args([path.as_os_str()]).words("fds").start();
    let end = running.end();
    format!(
        "open: {} ({end})",
        std::fs::read_to_string(path).unwrap_or_else(|_| "program not started".to_owned())
    )
}

fn another_user(init: &Init) -> String {
    use std::os::unix::process::CommandExt;
    // SAFETY: no memory is involved.
    if unsafe { libc::geteuid() } != 0 {
        crate::runner::skip("not root: cannot become another user");
        return "exit 7".to_owned();
    }
    init.call().with(|command| command.uid(65534).gid(65534)).words("-- sh -c").args(["exit 7"]).run().end()
}
