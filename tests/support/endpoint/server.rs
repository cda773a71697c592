//! The threads of the endpoint: one that accepts, one for each connection.

use std::collections::HashMap;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::Exchange;
use super::fault::{Fault, Rule};
use super::limit::Buckets;
use super::route::{self, Answer};
use super::socket;
use super::task::Task;
use super::wire::{self, Clock as _, Request};

/// What the threads and the handle of an endpoint share.
pub struct Shared {
    listener: TcpListener,
    pub address: SocketAddr,
    state: Mutex<State>,
    /// Something in the state is new: a request, a fault, the end.
    changed: Condvar,
}

pub struct State {
    pub task: Task,
    pub buckets: Buckets,
    pub exchanges: Vec<Exchange>,
    pub connections: usize,
    rules: Vec<Rule>,
    /// The connections that are served now. Besides here they are held only by their threads, or a reset
    /// would not go out at the end of the thread.
    open: HashMap<usize, Arc<TcpStream>>,
    threads: Vec<JoinHandle<()>>,
    stopping: bool,
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
    pub fn new(listener: TcpListener, task: Task, rules: Vec<Rule>) -> io::Result<Self> {
        let state = State {
            task,
            buckets: Buckets::default(),
            exchanges: Vec::new(),
            connections: 0,
            rules,
            open: HashMap::new(),
            threads: Vec::new(),
            stopping: false,
        };
        let address = listener.local_addr()?;
        Ok(Shared { listener, address, state: Mutex::new(state), changed: Condvar::new() })
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        // A test that failed while it held the lock must not hide its message behind another panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the rules; begins or ends to listen as they say before it returns.
    pub fn set_rules(&self, rules: Vec<Rule>) -> io::Result<()> {
        let mut state = self.lock();
        let refused = state.refuses();
        state.rules = rules;
        let refuses = state.refuses();
        let switched = match (refused, refuses) {
            (false, true) => socket::refuse(&self.listener),
            (true, false) => socket::listen(&self.listener).and_then(|()| self.check_port()),
            _ => Ok(()),
        };
        drop(state);
        self.changed.notify_all();
        switched
    }

    fn check_port(&self) -> io::Result<()> {
        let listens_on = self.listener.local_addr()?;
        if listens_on == self.address { Ok(()) } else { Err(io::ErrorKind::AddrNotAvailable.into()) }
    }

    /// Waits until `done`, at most for `limit`. Tells whether it was.
    pub fn wait(&self, limit: Duration, done: impl Fn(&State) -> bool) -> bool {
        let waited = self.changed.wait_timeout_while(self.lock(), limit, |state| !done(state));
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        done(&state)
    }

    /// Wakes all threads to their end, and waits for those of the connections.
    pub fn stop(&self) {
        let mut state = self.lock();
        state.stopping = true;
        // Each of these wakes a thread that is in a system call; they fail only where that is over already.
        let _ = socket::refuse(&self.listener);
        for stream in state.open.values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        let threads = std::mem::take(&mut state.threads);
        drop(state);
        self.changed.notify_all();
        for thread in threads {
            let _ = thread.join();
        }
    }

    /// The thread that accepts connections.
    pub fn accept(self: Arc<Self>) {
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
