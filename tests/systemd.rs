//! epitaph as the main process of systemd's units, with the real systemd as PID 1 of a PID namespace in the
//! virtual machine: socket activation, readiness, the watchdog, and a stop.

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

const SERVICE: &str = "[Unit]\nDefaultDependencies=no\n[Service]\nTimeoutStartSec=infinity\n\
                       Environment=PATH=/bin:/usr/bin EPITAPH_RECORDS=json-compact EPITAPH_INTROSPECTION=off\n";

/// Tells what it is given, says that it is ready, and asks the watchdog to wait for as long as it may.
const NOTIFIER: &str = r#"
[ "$WATCHDOG_PID" = $$ ] && echo "watchdog mine"
trap 'exit 0' TERM
systemd-notify --ready --status="behind epitaph"
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
# Connections that come before the program runs wait in the socket.
systemctl start web.socket
mkdir /www && echo "from behind" >/www/index.html && httpd -p 127.0.0.1:9090 -h /www
echo "@answer $(wget -q -O - http://127.0.0.1:8080/)"
# Who may say that it is ready.
systemctl start all.service
state all.service ActiveState
state all.service StatusText
systemctl start --no-block main.service
until_there /main.out told
state main.service ActiveState
# The watchdog hears the program, until it falls silent.
systemctl start watched.service
until_there /watched.out told
rm /ping
until [ "$(systemctl show -p ActiveState --value watched.service)" = failed ]; do sleep 0.1; done
state watched.service Result
systemctl stop all.service
state all.service Result
state all.service ExecMainStatus
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
for unit in web all main watched; do
    sed "s/^/$unit out /" /$unit.out
    sed "s/^/$unit err /" /$unit.err
done
sed 's/^/systemd /' /systemd.log
"#;

fn machine(epitaph: &Path) -> Result<Machine, String> {
    let mut machine = Machine::new()?.memory(512).program("epitaph", epitaph)?;
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
        format!("{SERVICE}{files}{rest}")
    };
    let notify = |access: &str, watchdog: &str| {
        format!(
            "Type=notify\nNotifyAccess={access}\nWatchdogSec={watchdog}\nExecStart=/epitaph -- sh /notifier\n"
        )
    };
    let units = [
        ("driver.service", service("driver", "Type=oneshot\nExecStart=sh /driver\n")),
        ("web.socket", "[Unit]\nDefaultDependencies=no\n[Socket]\nListenStream=127.0.0.1:8080\n".to_owned()),
        (
            "web.service",
            service("web", "ExecStart=/epitaph -- /usr/lib/systemd/systemd-socket-proxyd 127.0.0.1:9090\n"),
        ),
        ("all.service", service("all", &notify("all", "10min"))),
        ("main.service", service("main", &notify("main", "10min"))),
        ("watched.service", service("watched", &notify("all", "3s"))),
    ];
    for (name, text) in units {
        machine = machine.file(&format!("etc/systemd/system/{name}"), 0o644, text);
    }
    Ok(machine.file("driver", 0o755, DRIVER).file("notifier", 0o755, NOTIFIER))
}

#[test]
fn units_of_systemd_work_with_epitaph_in_front() {
    let Some(epitaph) = require("static binary", static_binary()) else { return };
    let Some(machine) = require("qemu and systemd", machine(epitaph)) else { return };
    let boot = machine.bound(Duration::from_secs(240)).boot(SCRIPT);
    let answers = boot.output.lines().filter_map(|line| line.strip_prefix('@')?.split_once(' '));
    let answers: Vec<(&str, &str)> = answers.collect();
    assert_eq!(
        answers,
        [
            ("answer", "from behind"),
            ("all.service", "active"),
            ("all.service", "behind epitaph"),
            // systemd hears none but the main process, which is epitaph.
            ("main.service", "activating"),
            ("watched.service", "watchdog"),
            ("all.service", "success"),
            ("all.service", "0"),
        ],
        "{}",
        boot.output
    );
    let of = |unit: &str, file: &str| {
        let begin = format!("{unit} {file} ");
        boot.output.lines().filter_map(|line| line.strip_prefix(&begin)).collect::<Vec<_>>().join("\n")
    };
    let told = |unit: &str| {
        let all = of(unit, "err");
        all.lines().filter(|line| line.starts_with('{')).collect::<Vec<_>>().join("\n")
    };
    for unit in ["all", "main", "watched"] {
        assert_eq!(of(unit, "out"), "watchdog mine\ntold", "{unit}");
    }
    let exits: BTreeMap<&str, serde_json::Value> =
        ["all", "watched"].map(|unit| (unit, records::exit(&told(unit)))).into();
    assert_eq!(
        (&exits["all"]["verdict"], &exits["all"]["code"]),
        (&"stopped".into(), &0.into()),
        "{exits:#?}"
    );
    assert_eq!(exits["watched"]["signal"], "SIGABRT", "{exits:#?}");
    assert_eq!(exits["watched"]["verdict"], "crashed", "{exits:#?}");
    assert_eq!(records::kinds(&told("all")), ["start", "stop", "exit"]);
}
