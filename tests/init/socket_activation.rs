//! Socket activation by systemd's own tool: the program behind epitaph takes the sockets for its own.

use crate::require::require;
use crate::running::wait_for;
use std::io::Read;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::process::{Command, Stdio};

/// Ends what was started, whatever happens to the test.
struct Activated(std::process::Child);

impl Drop for Activated {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_program_behind_epitaph_gets_its_sockets() {
    let tool = Command::new("systemd-socket-activate").arg("--version").stdout(Stdio::null()).status();
    let tool = tool.map_err(|_| "systemd-socket-activate is not installed (apt-get install systemd)");
    if require("systemd-socket-activate", tool).is_none() {
        return;
    }
    // As sd_listen_fds(3): the sockets are for the process that LISTEN_PID names, and for no other.
    let program = "import os,socket\n\
                   mine = os.environ.get('LISTEN_PID') == str(os.getpid())\n\
                   connection = socket.socket(fileno=3).accept()[0]\n\
                   connection.sendall(b'mine' if mine else b'not mine')\n";
    for name in ["epitaph", "tini", "catatonit"] {
        let directory = tempfile::tempdir().unwrap();
        let init = directory.path().join(name);
        std::os::unix::fs::symlink(crate::binary::epitaph(), &init).unwrap();
        // An abstract one: a port that was free a moment ago could be another's by now, and the path of a
        // socket has at most 107 bytes (unix(7)).
        let socket = format!("epitaph-test-{}-{name}", std::process::id());
        let address = SocketAddr::from_abstract_name(&socket).unwrap();
        let mut command = Command::new("systemd-socket-activate");
        command.arg(format!("--listen=@{socket}")).arg(&init).args(["--", "python3", "-c", program]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let _activated = Activated(command.spawn().unwrap());
        let mut connection = wait_for("the socket", || UnixStream::connect_addr(&address).ok());
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "mine", "{name}");
    }
}
