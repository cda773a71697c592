//! What `EPITAPH_PROTECT=1` costs in a container: what health checks and people do to process 1.

use crate::support::docker::{Container, Stream};
use crate::{IMAGE, SOON, engine};

const SLEEP: [&str; 5] = ["/epitaph", "--", "/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1; done"];

/// Whether the command succeeds in the running container.
fn does(container: &Container, engine: &crate::support::docker::Engine, command: &[&str]) -> bool {
    engine.command().args(["exec", container.id()]).args(command).output().unwrap().status.success()
}

#[test]
fn the_price_of_protection() {
    let Some(engine) = engine() else { return };
    for (value, user, may) in
        [("0", "0:0", true), ("0", "1000:1000", true), ("1", "0:0", false), ("1", "1000:1000", false)]
    {
        let options = [format!("--env=EPITAPH_PROTECT={value}"), format!("--user={user}")];
        let container = engine.run(IMAGE, &options.each_ref().map(String::as_str), &SLEEP);
        container.wait_for_line(Stream::Stderr, SOON, |line| line.contains(r#""start""#));
        // The program's own descriptors are as open as ever.
        for (command, expected) in [
            ("echo health >/proc/1/fd/2", may),
            ("/bin/cat /proc/1/environ >/dev/null", may),
            ("/bin/cat /proc/1/cmdline /proc/1/status >/dev/null", true),
            ("/epitaph --whoami >/dev/null", true),
            ("/bin/kill -0 1", true),
        ] {
            let done = does(&container, engine, &["/bin/sh", "-c", command]);
            assert_eq!(done, expected, "{command} as {user} with EPITAPH_PROTECT={value}");
        }
        assert_eq!(container.stop(std::time::Duration::from_secs(10)).exit_code, 0);
    }
}
