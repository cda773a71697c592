//! An HTTP server that answers as the Amazon ECS agent does, and fails as it (or what stands in its place)
//! can.
//!
//! For the tests and the examples, which include it by its path; it needs std, `serde_json` and `libc`.
//!
//! ```ignore
//! let endpoint = Endpoint::start(Task::default());
//! command.env("ECS_CONTAINER_METADATA_URI_V4", endpoint.uri_v4());
//! endpoint.set_docker_id(&id_from_docker_create);
//! endpoint.set_fault(Some(Fault::Silent));                     // every request
//! endpoint.set_rules([Fault::Status(429).on("/task").first(2)]); // only these
//! assert!(endpoint.wait_for_requests(1, Duration::from_secs(5)));
//! ```
//!
//! | file | what |
//! | --- | --- |
//! | `task` | what the agent knows: a task and its containers |
//! | `json` | the documents made from it, in each version |
//! | `stats` | the statistics, which move by a script |
//! | `route` | from a path to an answer, the agent's errors included |
//! | `limit` | the rate limit |
//! | `fault` | the known ways to go wrong |
//! | `alter` | those that are in the document |
//! | `server` | the threads |
//! | `wire` | HTTP/1.1, right and wrong |
//! | `socket` | the system calls that std does not offer |

// Each test and each example uses another part of it.
#![allow(dead_code, unused_imports)]

mod alter;
mod fault;
mod json;
mod limit;
mod route;
mod server;
mod socket;
mod stats;
mod task;
mod wire;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

pub use alter::{HUGE, INJECTED};
pub use fault::{Fault, Rule};
pub use limit::RateLimit;
pub use stats::{Figures, Reading, Scripted, Usage};
pub use task::{Container, Health, PAUSE, Task};

use limit::Buckets;
use server::Shared;

/// The server. It stops, with all its threads, when it is dropped.
pub struct Endpoint {
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

/// A request, and what was answered: a status, or a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// Method and target, such as `GET /v4/…/task`.
    pub request: String,
    /// Such as `200` or `SlowDrip(100ms)`.
    pub answer: String,
}

/// A port of 127.0.0.1 on which nobody listens, and which the kernel gives to nobody else while this process
/// runs. `TcpListener::bind` with its name, and [`Endpoint::serve`], begin to listen on it.
///
/// # Panics
/// When the machine has no port left.
pub fn closed_port() -> SocketAddr {
    let socket = socket::bound().expect("a free port on 127.0.0.1");
    let address = socket.local_addr().expect("the address of a bound socket");
    std::mem::forget(socket);
    address
}

impl Endpoint {
    /// Serves `task` on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// When the machine has no port left.
    pub fn start(task: Task) -> Endpoint {
        let endpoint = Endpoint::start_refusing(task);
        endpoint.set_fault(None);
        endpoint
    }

    /// Like [`Endpoint::start`], but connections are refused until another fault, or none, is set: the port
    /// is known before anyone listens.
    ///
    /// # Panics
    /// When the machine has no port left.
    pub fn start_refusing(task: Task) -> Endpoint {
        let listener = socket::bound().expect("a free port on 127.0.0.1");
        Endpoint::run(listener, task, vec![Fault::Refuse.into()])
    }

    /// Serves `task` on a listener made elsewhere, such as in another network namespace.
    ///
    /// With [`Fault::Refuse`] its port must have been named, not 0: the kernel gives up a port of its own
    /// choice.
    ///
    /// # Panics
    /// When the listener has no address or no thread can be started.
    pub fn serve(listener: TcpListener, task: Task) -> Endpoint {
        Endpoint::run(listener, task, Vec::new())
    }

    fn run(listener: TcpListener, task: Task, rules: Vec<Rule>) -> Endpoint {
        let shared = Arc::new(Shared::new(listener, task, rules).expect("the address of a listener"));
        let acceptor = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.accept()
        });
        Endpoint { shared, acceptor: Some(acceptor) }
    }

    /// Where the endpoint listens.
    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// The value of `ECS_CONTAINER_METADATA_URI_V4` for the container under test.
    pub fn uri_v4(&self) -> String {
        self.uri("v4")
    }

    /// The value of `ECS_CONTAINER_METADATA_URI` for the container under test.
    pub fn uri_v3(&self) -> String {
        self.uri("v3")
    }

    fn uri(&self, version: &str) -> String {
        let id = self.shared.lock().task.subject().map(|one| one.endpoint_id.clone()).unwrap_or_default();
        format!("{}/{version}/{id}", self.introspection_url())
    }

    /// The base of version 2, which every caller shares: `http://…/v2`.
    pub fn url_v2(&self) -> String {
        format!("{}/v2", self.introspection_url())
    }

    /// The base of the introspection API, without a path.
    pub fn introspection_url(&self) -> String {
        match self.address() {
            // The agent's own URIs do not name the port that HTTP has anyway.
            address if address.port() == 80 => format!("http://{}", address.ip()),
            address => format!("http://{address}"),
        }
    }

    /// What the endpoint knows at the moment.
    pub fn task(&self) -> Task {
        self.shared.lock().task.clone()
    }

    /// Changes what the endpoint knows.
    pub fn update(&self, change: impl FnOnce(&mut Task)) {
        change(&mut self.shared.lock().task);
    }

    /// Docker's start call for the container under test has returned; see [`Container::start`].
    pub fn start_subject(&self) {
        self.update(|task| {
            if let Some(container) = task.subject_mut() {
                container.start();
            }
        });
    }

    /// Sets the ID of the container under test, which is known only once Docker has created it.
    pub fn set_docker_id(&self, id: &str) {
        self.update(|task| {
            if let Some(container) = task.subject_mut() {
                id.clone_into(&mut container.docker_id);
            }
        });
    }

    /// Goes wrong in this way from now on, or not at all. Replaces what was set before.
    pub fn set_fault(&self, fault: Option<Fault>) {
        self.set_rules(fault.map(Rule::from));
    }

    /// Like [`Endpoint::set_fault`], for some requests only. The first rule that fits a request counts.
    ///
    /// # Panics
    /// When the endpoint is to listen again on a port that [`Endpoint::serve`] was not given by name.
    pub fn set_rules(&self, rules: impl IntoIterator<Item = Rule>) {
        let set = self.shared.set_rules(rules.into_iter().collect());
        set.expect("the listener keeps the port that was named when it was bound");
    }

    /// Sets the rate limit of the task metadata paths, and fills the buckets.
    pub fn set_rate_limit(&self, limit: RateLimit) {
        self.shared.lock().buckets = Buckets::new(limit);
    }

    /// Method and target of each request so far, in order.
    pub fn requests(&self) -> Vec<String> {
        self.exchanges().into_iter().map(|exchange| exchange.request).collect()
    }

    /// Each request so far with what was answered, in order.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.shared.lock().exchanges.clone()
    }

    /// How many connections were accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.lock().connections
    }

    /// Waits until there were `count` requests, at most for `limit`. Tells whether there were.
    pub fn wait_for_requests(&self, count: usize, limit: Duration) -> bool {
        self.shared.wait(limit, |state| state.exchanges.len() >= count)
    }

    /// Waits until there were `count` connections, at most for `limit`. Tells whether there were.
    pub fn wait_for_connections(&self, count: usize, limit: Duration) -> bool {
        self.shared.wait(limit, |state| state.connections >= count)
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.shared.stop();
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}
