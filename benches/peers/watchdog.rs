//! Ends the benchmark when a measurement takes far too long, as it does when an init hangs. The kernel then
//! kills the inits: they were started so (PR_SET_PDEATHSIG).

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

fn watch(messages: &Receiver<Option<String>>) {
    while let Ok(message) = messages.recv() {
        let Some(name) = message else { continue };
        if messages.recv_timeout(LIMIT) == Err(RecvTimeoutError::Timeout) {
            eprintln!("peers: {name} takes more than {} s: does an init hang?", LIMIT.as_secs());
            process::exit(1);
        }
    }
}
