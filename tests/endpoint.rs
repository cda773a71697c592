//! The endpoint of the tests answers as the agent does, and goes wrong as it is told to.

#![allow(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used, clippy::panic, missing_docs)]

#[path = "support/endpoint/mod.rs"]
mod endpoint;

use endpoint::*;

#[test]
fn smoke() {
    use std::io::{Read, Write};
    let endpoint = Endpoint::start(Task::default());
    let mut stream = std::net::TcpStream::connect(endpoint.address()).unwrap();
    write!(
        stream,
        "GET {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        endpoint.uri_v4().replace(&endpoint.introspection_url(), "")
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    println!("{text}");
    assert!(text.contains("DockerId"));
}
