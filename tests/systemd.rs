//! epitaph and the other inits as the main process of systemd's units, with the real systemd as PID 1 of a
//! PID namespace in the virtual machine: socket activation, readiness, the watchdog, and a stop. The table of
//! `tests/drop_in` has what each of them does with the variables.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

#[path = "support/records.rs"]
mod records;
mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use support::process::find_program;
use support::qemu::Machine;
use support::require::require;
use support::static_binary::static_binary;

/// systemd's own programs that are needed; the socket proxy is a program that takes its sockets by
/// sd_listen_fds(3).
const PROGRAMS: [&str; 2] = ["/usr/lib/systemd/systemd", "/usr/lib/systemd/systemd-socket-proxyd"];

/// What stands in front of the program in a unit: its name in the machine, and whether it is epitaph.
const INITS: [(&str, bool); 5] =
    [("epitaph", true), ("podman-init", true), ("tini", false), ("dumb-init", false), ("catatonit", false)];

const SERVICE: &str = "[Unit]\nDefaultDependencies=no\n[Service]\nTimeoutStartSec=infinity\n\
                       Environment=PATH=/bin:/usr/bin EPITAPH_RECORDS=json-compact EPITAPH_INTROSPECTION=off\n";

/// Tells what it is given, says that it is ready, and asks the watchdog to wait for as long as it may.
const NOTIFIER: &str = r#"
[ "$WATCHDOG_PID" = $$ ] && echo "watchdog mine"
trap 'exit 0' TERM
systemd-notify --ready --status="behind an init"
echo "told"
while [ -e /ping ]; do systemd-notify WATCHDOG=1; sleep 0.1; done
while :; do sleep 0.1; done
"#;

/// Runs within systemd, as a unit of it.
const DRIVER: &str = r#"
until_there() { # FILE TEXT
    until grep -q -s -F "$2" "$1"; do sleep 0.1; done
}
state() { echo "@$1 $(systemctl show -p $2 --value $1)"; }
touch /ping
mkdir /www && echo "from behind" >/www/index.html && httpd -p 127.0.0.1:9090 -h /www
port=8080
for init in $INITS; do
    # Connections that come before the program runs wait in the socket. systemd closes it where nobody takes it.
    systemctl start web-$init.socket
    echo "@web-$init $(wget -q -O - http://127.0.0.1:$port/ 2>/dev/null || echo nobody)"
    port=$((port + 1))
    # Who may say that it is ready.
    systemctl start all-$init.service
    state all-$init.service ActiveState
    state all-$init.service StatusText
    systemctl start --no-block main-$init.service
    until_there /main-$init.out told
    state main-$init.service ActiveState
done
# The watchdog hears the program, until it falls silent.
systemctl start watched.service
until_there /watched.out told
rm /ping
until [ "$(systemctl show -p ActiveState --value watched.service)" = failed ]; do sleep 0.1; done
state watched.service Result
systemctl stop all-epitaph.service
state all-epitaph.service Result
state all-epitaph.service ExecMainStatus
touch /over
"#;

const SCRIPT: &str = r#"
mkdir -p /sys/fs/cgroup/machine
unshare --mount --pid -f sh -c '
    echo 0 >/sys/fs/cgroup/machine/cgroup.procs
    exec /usr/bin/unshare --cgroup --mount sh -c "
        mount -t proc proc /proc && umount /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup || exit 125
        container=test exec /usr/lib/systemd/systemd --system --unit=driver.service --show-status=no \
            --log-target=console --log-level=notice"' >/systemd.log 2>&1 &
systemd=$!
until [ -e /over ] || ! kill -0 $systemd; do sleep 0.1; done
cat /driver.out
for file in /*.out /*.err; do
    unit=${file#/}
    sed "s/^/${unit%.*} ${unit##*.} /" $file
done
sed 's/^/systemd /' /systemd.log
"#;

fn machine(epitaph: &Path) -> Result<Machine, String> {
    let mut machine = Machine::new()?.memory(512);
    for program in PROGRAMS {
        let host = PathBuf::from(program);
        if !host.exists() {
            return Err(format!("{program} is not there (apt-get install systemd)"));
        }
        machine = machine.program(&program[1..], &host)?;
    }
    for name in ["systemctl", "systemd-notify"] {
        machine = machine.program(&format!("usr/bin/{name}"), &find_program(name, "systemd")?)?;
    }
    let service = |name: &str, rest: &str| {
        let files = format!("StandardOutput=file:/{name}.out\nStandardError=file:/{name}.err\n");
        (format!("{name}.service"), format!("{SERVICE}{files}{rest}"))
    };
    let notify = |init: &str, access: &str, watchdog: &str| {
        format!(
            "Type=notify\nNotifyAccess={access}\nWatchdogSec={watchdog}\nExecStart=/{init} -- sh /notifier\n"
        )
    };
    let mut units = vec![
        service("driver", "Type=oneshot\nExecStart=sh /driver\n"),
        service("watched", &notify("epitaph", "all", "3s")),
    ];
    for (port, (init, is_epitaph)) in (8080..).zip(INITS) {
        let program = if is_epitaph { epitaph.to_owned() } else { find_program(init, init)? };
        machine = machine.program(init, &program)?;
        let socket = format!("[Unit]\nDefaultDependencies=no\n[Socket]\nListenStream=127.0.0.1:{port}\n");
        let proxy = format!("ExecStart=/{init} -- /usr/lib/systemd/systemd-socket-proxyd 127.0.0.1:9090\n");
        units.push((format!("web-{init}.socket"), socket));
        units.push(service(&format!("web-{init}"), &proxy));
        units.push(service(&format!("all-{init}"), &notify(init, "all", "10min")));
        units.push(service(&format!("main-{init}"), &notify(init, "main", "10min")));
    }
    for (name, text) in units {
        machine = machine.file(&format!("etc/systemd/system/{name}"), 0o644, text);
    }
    let names = INITS.map(|(name, _)| name).join(" ");
    Ok(machine.file("driver", 0o755, format!("INITS='{names}'\n{DRIVER}")).file("notifier", 0o755, NOTIFIER))
}

#[test]
fn units_of_systemd_work_with_epitaph_in_front() {
    let Some(epitaph) = require("static binary", static_binary()) else { return };
    let Some(machine) = require("qemu, systemd and the inits", machine(epitaph)) else { return };
    let boot = machine.bound(Duration::from_secs(480)).boot(SCRIPT);
    let answers = boot.output.lines().filter_map(|line| line.strip_prefix('@')?.split_once(' '));
    let answers: Vec<(String, &str)> = answers.map(|(unit, answer)| (unit.to_owned(), answer)).collect();
    let mut expected = Vec::new();
    for (init, _) in INITS {
        // catatonit is the one other init that names the program in LISTEN_PID.
        let gets_sockets = !["tini", "dumb-init"].contains(&init);
        expected.push((format!("web-{init}"), if gets_sockets { "from behind" } else { "nobody" }));
        expected.push((format!("all-{init}.service"), "active"));
        expected.push((format!("all-{init}.service"), "behind an init"));
        // systemd hears none but the main process, which is the init.
        expected.push((format!("main-{init}.service"), "activating"));
    }
    expected.extend([
        ("watched.service".to_owned(), "watchdog"),
        ("all-epitaph.service".to_owned(), "success"),
        ("all-epitaph.service".to_owned(), "0"),
    ]);
    assert_eq!(answers, expected, "{}", boot.output);
    let of = |unit: &str, file: &str| {
        let begin = format!("{unit} {file} ");
        boot.output.lines().filter_map(|line| line.strip_prefix(&begin)).collect::<Vec<_>>().join("\n")
    };
    let told = |unit: &str| {
        let all = of(unit, "err");
        all.lines().filter(|line| line.starts_with('{')).collect::<Vec<_>>().join("\n")
    };
    for (init, is_epitaph) in INITS {
        for unit in [format!("all-{init}"), format!("main-{init}")] {
            let expected = if is_epitaph { "watchdog mine\ntold" } else { "told" };
            assert_eq!(of(&unit, "out"), expected, "{unit}");
        }
    }
    assert_eq!(of("watched", "out"), "watchdog mine\ntold");
    let exits: BTreeMap<&str, serde_json::Value> =
        ["all-epitaph", "watched"].map(|unit| (unit, records::exit(&told(unit)))).into();
    let stopped = &exits["all-epitaph"];
    assert_eq!((&stopped["verdict"], &stopped["code"]), (&"stopped".into(), &0.into()), "{exits:#?}");
    assert_eq!(exits["watched"]["signal"], "SIGABRT", "{exits:#?}");
    assert_eq!(exits["watched"]["verdict"], "crashed", "{exits:#?}");
    assert_eq!(records::kinds(&told("all-epitaph")), ["start", "stop", "exit"]);
}
