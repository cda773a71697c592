//! An HTTP server that answers as the Amazon ECS agent does, and fails as it (or what stands in its place) can.
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
//! | `route` | from a path to an answer, the agent's errors included |
//! | `limit` | the rate limit |
//! | `fault` | the known ways to go wrong |
//! | `wire` | HTTP/1.1, right and wrong |
//! | `socket` | the system calls that std does not offer |

// Each test and each example uses another part of it.
#![allow(dead_code, unused_imports)]

mod fault;
mod json;
mod limit;
mod route;
mod socket;
mod task;
mod wire;

use std::collections::HashMap;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub use fault::{Fault, HUGE, INJECTED, Rule};
pub use limit::RateLimit;
pub use task::{Container, PAUSE, Task};

use limit::Buckets;
use route::Answer;
use wire::{Clock as _, Request};

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

struct Shared {
    listener: TcpListener,
    address: SocketAddr,
    state: Mutex<State>,
    /// Something in the state is new: a request, a fault, the end.
    changed: Condvar,
}

struct State {
    task: Task,
    rules: Vec<Rule>,
    buckets: Buckets,
    exchanges: Vec<Exchange>,
    connections: usize,
    /// The connections that are served now. Held nowhere else but by their threads, or a reset would not go
    /// out at their end.
    open: HashMap<usize, Arc<TcpStream>>,
    threads: Vec<JoinHandle<()>>,
    stopping: bool,
}

/// A port of 127.0.0.1 on which nobody listens, and which nobody else gets while this process runs.
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

    /// Like [`Endpoint::start`], but connections are refused until another fault, or none, is set: the port is
    /// known before anyone listens.
    ///
    /// # Panics
    /// When the machine has no port left.
    pub fn start_refusing(task: Task) -> Endpoint {
        let listener = socket::bound().expect("a free port on 127.0.0.1");
        Endpoint::run(listener, task, vec![Fault::Refuse.into()])
    }

    /// Serves `task` on a listener made elsewhere, such as in another network namespace.
    ///
    /// # Panics
    /// When the listener has no address or no thread can be started.
    pub fn serve(listener: TcpListener, task: Task) -> Endpoint {
        Endpoint::run(listener, task, Vec::new())
    }

    fn run(listener: TcpListener, task: Task, rules: Vec<Rule>) -> Endpoint {
        let address = listener.local_addr().expect("the address of a listener");
        let state = State {
            task,
            rules,
            buckets: Buckets::default(),
            exchanges: Vec::new(),
            connections: 0,
            open: HashMap::new(),
            threads: Vec::new(),
            stopping: false,
        };
        let shared =
            Arc::new(Shared { listener, address, state: Mutex::new(state), changed: Condvar::new() });
        let for_thread = Arc::clone(&shared);
        let acceptor = std::thread::spawn(move || for_thread.accept());
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
        format!("http://{}/{version}/{id}", self.address())
    }

    /// The base of version 2, which every caller shares: `http://…/v2`.
    pub fn url_v2(&self) -> String {
        format!("http://{}/v2", self.address())
    }

    /// The base of the introspection API, without a path.
    pub fn introspection_url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// What the endpoint knows at the moment.
    pub fn task(&self) -> Task {
        self.shared.lock().task.clone()
    }

    /// Changes what the endpoint knows.
    pub fn update(&self, change: impl FnOnce(&mut Task)) {
        change(&mut self.shared.lock().task);
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
    pub fn set_rules(&self, rules: impl IntoIterator<Item = Rule>) {
        let mut state = self.shared.lock();
        let refused = state.refuses();
        state.rules = rules.into_iter().collect();
        match (refused, state.refuses()) {
            (false, true) => socket::refuse(&self.shared.listener),
            (true, false) => socket::listen(&self.shared.listener),
            _ => Ok(()),
        }
        .expect("the listener is a bound socket");
        drop(state);
        self.shared.changed.notify_all();
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
        self.wait(limit, |state| state.exchanges.len() >= count)
    }

    /// Waits until there were `count` connections, at most for `limit`. Tells whether there were.
    pub fn wait_for_connections(&self, count: usize, limit: Duration) -> bool {
        self.wait(limit, |state| state.connections >= count)
    }

    fn wait(&self, limit: Duration, done: impl Fn(&State) -> bool) -> bool {
        let state = self.shared.lock();
        let waited = self.shared.changed.wait_timeout_while(state, limit, |state| !done(state));
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        done(&state)
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.stopping = true;
        // Each of these wakes a thread that is in a system call; all can fail only because it is over already.
        let _ = socket::refuse(&self.shared.listener);
        for stream in state.open.values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        let threads = std::mem::take(&mut state.threads);
        drop(state);
        self.shared.changed.notify_all();
        for thread in threads.into_iter().chain(self.acceptor.take()) {
            let _ = thread.join();
        }
    }
}

impl State {
    fn refuses(&self) -> bool {
        self.rules.iter().any(|rule| rule.fault == Fault::Refuse)
    }

    /// The fault that a request of `target` meets.
    fn fault_for(&mut self, target: &str) -> Option<Fault> {
        let mut rules = self.rules.iter_mut().filter(|rule| rule.fault.is_of_requests());
        rules.find_map(|rule| rule.take(target).then(|| rule.fault.clone()))
    }

    fn answer(&mut self, target: &str, fault: Option<&Fault>) -> Answer {
        let mut task = self.task.clone();
        if let Some(fault) = fault {
            fault.alter_task(&mut task);
        }
        let limited = route::is_metadata(target) && !self.buckets.take(target, Instant::now());
        let answer = if limited { route::failure(429, target) } else { route::answer(&task, target) };
        match fault {
            Some(fault) => fault.alter_answer(answer, target),
            None => answer,
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A test that failed while it held the lock must not hide its message behind another panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread that accepts connections.
    fn accept(self: Arc<Self>) {
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => self.welcome(stream),
                // Nobody listens at the moment, or the endpoint stops.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    let waiting = |state: &mut State| state.refuses() && !state.stopping;
                    let waited = self.changed.wait_while(self.lock(), waiting);
                    if waited.unwrap_or_else(PoisonError::into_inner).stopping {
                        return;
                    }
                }
                // No descriptor is left, say: that may pass, and must not spin until it does.
                Err(_) => {
                    if self.pause(Duration::from_millis(10)).is_err() {
                        return;
                    }
                }
            }
        }
    }

    fn welcome(self: &Arc<Self>, stream: TcpStream) {
        let mut state = self.lock();
        if state.stopping {
            return;
        }
        state.connections += 1;
        let number = state.connections;
        let resets = |rule: &mut Rule| rule.fault == Fault::ResetOnAccept && rule.take("");
        if state.rules.iter_mut().any(resets) {
            let _ = socket::reset_on_close(&stream);
        } else {
            let stream = Arc::new(stream);
            state.open.insert(number, Arc::clone(&stream));
            state.threads.retain(|thread| !thread.is_finished());
            let shared = Arc::clone(self);
            state.threads.push(std::thread::spawn(move || {
                // An error is the client's going away, or the end of the endpoint.
                let _ = shared.converse(&stream);
                shared.lock().open.remove(&number);
            }));
        }
        drop(state);
        self.changed.notify_all();
    }

    /// The thread of a connection.
    fn converse(&self, stream: &TcpStream) -> io::Result<()> {
        let mut pending = Vec::new();
        while let Some(request) = wire::read_request(stream, &mut pending)? {
            let Some(request) = request.filter(Request::is_acceptable) else {
                return wire::reject(stream);
            };
            let (answer, fault) = self.decide(&request);
            if !wire::send(stream, &request, &answer, fault.as_ref(), self)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Makes the answer, and notes it down before it is sent: who has an answer also finds its request noted.
    fn decide(&self, request: &Request) -> (Answer, Option<Fault>) {
        let mut state = self.lock();
        let fault = state.fault_for(&request.target);
        let answer = state.answer(&request.target, fault.as_ref());
        let told = match &fault {
            Some(fault) => format!("{fault:?}"),
            None => answer.status.to_string(),
        };
        state
            .exchanges
            .push(Exchange { request: format!("{} {}", request.method, request.target), answer: told });
        drop(state);
        self.changed.notify_all();
        (answer, fault)
    }
}

impl wire::Clock for Shared {
    fn pause(&self, length: Duration) -> io::Result<()> {
        let waited = self.changed.wait_timeout_while(self.lock(), length, |state| !state.stopping);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if state.stopping { Err(io::ErrorKind::Interrupted.into()) } else { Ok(()) }
    }
}
