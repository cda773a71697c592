//! Ends the benchmark when a measurement takes far too long, as it does when an init hangs. The kernel then
//! kills the inits: they were started so (PR_SET_PDEATHSIG).

use std::fs;
use std::process;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

/// Watches one measurement at a time.
pub struct Watchdog {
    messages: Sender<Option<String>>,
}

impl Watchdog {
    /// Starts the thread that watches.
    pub fn start() -> Self {
        let (messages, receiver) = channel();
        thread::spawn(move || watch(&receiver));
        Self { messages }
    }

    /// A measurement begins.
    pub fn watch(&self, name: &str) {
        // The thread lives as long as we do.
        let _ = self.messages.send(Some(name.to_owned()));
    }

    /// It is over.
    pub fn rest(&self) {
        let _ = self.messages.send(None);
    }
}

/// What is waited for: one line for each child of this process, its ID, state and command line.
fn children() -> String {
    let read = |path: String| fs::read_to_string(path).unwrap_or_default();
    let me = process::id();
    let about = |pid: &str| {
        let status = read(format!("/proc/{pid}/status"));
        let state =
            status.lines().find_map(|line| line.strip_prefix("State:")).unwrap_or_default().trim().to_owned();
        format!("\n  {pid} [{state}] {}", read(format!("/proc/{pid}/cmdline")).replace('\0', " "))
    };
    read(format!("/proc/{me}/task/{me}/children")).split_whitespace().map(about).collect()
}

fn watch(messages: &Receiver<Option<String>>) {
    while let Ok(message) = messages.recv() {
        let Some(name) = message else { continue };
        if messages.recv_timeout(LIMIT) == Err(RecvTimeoutError::Timeout) {
            eprintln!(
                "peers: {name} takes more than {} s; does an init hang?{}",
                LIMIT.as_secs(),
                children()
            );
            process::exit(1);
        }
    }
}
