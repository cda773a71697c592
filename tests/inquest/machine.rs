//! Ends that need a whole machine: a kernel that takes all of a container, and a host that is gone. The
//! virtual machine has cgroup v2; what its containers and its kernel have written is all that inquest gets.

use crate::parts::qemu::Machine;
use crate::parts::require::require;
use crate::parts::static_binary::static_binary;
use crate::support::{inquest, lives};
use serde_json::Value;

const ID: &str = "408255f9fa131dde2d875eadf17b8100a0dbe4ca6647b14830aa00318be492c6";
const OTHER: &str = "b21d5ec4aa6bba732d619abf46f31a294fd0f07aab27410f00293d91660e8452";

/// Runs `script` in a machine where `start ID LIMIT PROGRAM` starts a container below /docker with a limit of
/// memory, and returns the files that the script has shown by `cat`, by their names: each between lines that
/// `show` prints.
fn left_by(script: &str) -> Option<tempfile::TempDir> {
    let machine = require("qemu", Machine::new())?;
    let epitaph = require("static binary", static_binary())?;
    let begin = r#"
        mkdir -p /sys/fs/cgroup/docker /tmp/logs
        echo +memory >/sys/fs/cgroup/docker/cgroup.subtree_control
        prepare() {
            mkdir /sys/fs/cgroup/docker/$1
            echo $2 >/sys/fs/cgroup/docker/$1/memory.max
        }
        show() { for file; do echo "=== $file"; cat /tmp/logs/$file; done; }
    "#;
    let boot = machine.program("epitaph", epitaph).expect("the tree").boot(&format!("{begin}{script}"));
    let folder = tempfile::tempdir().expect("a directory");
    for part in boot.output.split("=== ").skip(1) {
        let (name, text) = part.split_once('\n').expect("a name");
        std::fs::write(folder.path().join(name.trim_end()), text.replace('\r', "")).expect("a file");
    }
    Some(folder)
}

/// `memory.oom.group`, as ECS and Kubernetes set it: the kernel takes PID 1 with the rest, and there is no
/// exit record.
#[test]
fn the_kernel_takes_all_of_the_group() {
    let script = format!(
        "prepare {ID} 32M
         echo 1 >/sys/fs/cgroup/docker/{ID}/memory.oom.group
         contain host docker/{ID} /epitaph -- tail /dev/zero 2>/tmp/logs/app.log
         echo ended $?
         dmesg >/tmp/logs/dmesg.txt
         show app.log dmesg.txt"
    );
    let Some(folder) = left_by(&script) else { return };
    let path = folder.path().to_str().expect("UTF-8");
    let lives = lives(folder.path());
    assert_eq!(lives.len(), 1, "{lives:#?}");
    let life = &lives[0];
    assert_eq!((&life["container_id"], life.get("verdict")), (&Value::from(ID), None), "{life:#?}");
    let conclusion = &life["conclusion"];
    assert_eq!(
        (&conclusion["word"], &conclusion["sure"], &conclusion["witness"]),
        (&Value::from("oom"), &Value::from("yes"), &Value::from("kernel")),
        "{life:#?}"
    );
    let text = conclusion["text"].as_str().expect("a text");
    assert!(text.contains("memory.oom.group"), "{text}");
    // dmesg counts from the boot; `run` tells when that was.
    let computed =
        |said: &Value| said["time_computed"] == true && said["time"].as_str() >= life["started"].as_str();
    let said = life["witnesses"].as_array().expect("a list");
    assert!(!said.is_empty() && said.iter().all(computed), "{said:#?}");
    // Without the kernel's log nobody can know.
    let alone = inquest(&["--no-witness", "--format", "json", ID, path]).stdout;
    assert!(alone.contains("\"word\":\"unknown\"") || alone.contains("\"word\":\"running\""), "{alone}");
}

/// The same limit without the group: epitaph lives on, and has the last word.
#[test]
fn the_kernel_takes_the_program_alone() {
    let script = format!(
        "prepare {ID} 32M
         prepare {OTHER} 32M
         contain host docker/{ID} /epitaph -- tail /dev/zero 2>/tmp/logs/app.log
         contain host docker/{OTHER} /epitaph -- sh -c 'exit 3' 2>/tmp/logs/other.log
         dmesg >/tmp/logs/dmesg.txt
         show app.log other.log dmesg.txt"
    );
    let Some(folder) = left_by(&script) else { return };
    let lives = lives(folder.path());
    let of = |id: &str| lives.iter().find(|life| life["container_id"] == id).expect("the life");
    assert_eq!(of(ID)["verdict"], "oom_killed", "{lives:#?}");
    let said = |id: &str| of(id)["witnesses"].as_array().expect("a list").len();
    assert_eq!((said(ID), said(OTHER)), (1, 0), "{lives:#?}");
    let certificate = inquest(&[ID, folder.path().to_str().expect("UTF-8")]).stdout;
    assert!(certificate.contains("kernel  ~") && certificate.contains("Killed process"), "{certificate}");
}
