//! The network of an ECS task in `awsvpc` mode: a container that does nothing but own it, and the metadata
//! endpoint at its fixed address inside.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::super::archive::Tree;
use super::super::process;
use super::container::Container;
use super::engine::Engine;

/// Where the agent and Fargate serve the task metadata ("Amazon ECS task metadata endpoint" in the ECS
/// Developer Guide).
pub const METADATA_ADDRESS: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(169, 254, 170, 2), 80);

const PAUSE_IMAGE: &str = "epitaph-test-pause";

/// A "pause" container and the network that it owns, in which the containers of a task run.
pub struct TaskNetwork<'e> {
    pause: Container<'e>,
}

impl<'e> TaskNetwork<'e> {
    /// Starts the container that owns the network; nothing listens there yet.
    ///
    /// # Errors
    ///
    /// When this machine has no static busybox.
    ///
    /// # Panics
    ///
    /// When the engine cannot start it.
    pub fn new(engine: &'e Engine) -> Result<Self, String> {
        engine.import(PAUSE_IMAGE, || Tree::default().busybox(), &[])?;
        let pause = engine.run(PAUSE_IMAGE, &["--network=none"], &["/bin/sleep", "infinity"]);
        Ok(Self { pause })
    }

    /// The container that owns the network: whose ID, host name and mounts the others must not take for
    /// theirs.
    #[must_use]
    pub fn pause(&self) -> &Container<'e> {
        &self.pause
    }

    /// The option with which a container joins this network.
    #[must_use]
    pub fn option(&self) -> String {
        format!("--network=container:{}", self.pause.id())
    }

    /// A listener at 169.254.170.2:80 inside the network, on which this process serves the endpoint.
    ///
    /// # Panics
    ///
    /// When the network cannot be entered or the address is taken.
    #[track_caller]
    pub fn listen(&self) -> TcpListener {
        let pid = self.pause.pid();
        // A thread of its own, since a network namespace is a thread's. A socket stays in the namespace in
        // which it was made, whoever uses it.
        let listener = std::thread::spawn(move || -> Result<TcpListener, String> {
            enter_network_of(pid).map_err(|error| format!("setns: {error}"))?;
            let busybox = process::find_program("busybox", "busybox-static")?;
            let address = format!("{}/32", METADATA_ADDRESS.ip());
            // A second listener in the same network finds the address there; `replace` is content with that.
            let add = ["ip", "address", "replace", &address, "dev", "lo"];
            process::stdout(Command::new(&busybox).args(add), Duration::from_secs(10))?;
            TcpListener::bind(METADATA_ADDRESS).map_err(|error| format!("{METADATA_ADDRESS}: {error}"))
        });
        listener
            .join()
            .unwrap_or_else(|_| Err("the thread panicked".to_owned()))
            .unwrap_or_else(|error| panic!("the endpoint's listener: {error}"))
    }
}

fn enter_network_of(pid: u32) -> io::Result<()> {
    let namespace = File::open(Path::new("/proc").join(pid.to_string()).join("ns/net"))?;
    // SAFETY: the descriptor is open, and only this thread's network changes.
    match unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
