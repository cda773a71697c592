//! HTTP as Go's net/http speaks it, and the life of the endpoint.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::client::{LIMIT, Reply, connect, get, path_v4, raw, read_reply, request};
use crate::endpoint::*;

fn lengths(reply: &Reply) -> (Option<&str>, Option<&str>) {
    (reply.header("Content-Length"), reply.header("Transfer-Encoding"))
}

#[test]
fn a_connection_serves_many_requests_and_notes_each() {
    let endpoint = Endpoint::start(Task::default());
    let base = path_v4(&endpoint);
    let mut stream = connect(endpoint.address()).unwrap();
    for target in [&base, "/v1/metadata", &(base.clone() + "/task")] {
        stream.write_all(request(target, "").as_bytes()).unwrap();
        assert_eq!(read_reply(&mut stream).status, 200);
    }
    // Two at once, the second cut in two.
    let two = request("/v1/metadata", "") + &request("/v4/x", "");
    let (first, second) = two.split_at(two.len() - 3);
    stream.write_all(first.as_bytes()).unwrap();
    assert_eq!(read_reply(&mut stream).status, 200);
    stream.write_all(second.as_bytes()).unwrap();
    assert_eq!(read_reply(&mut stream).status, 404);
    assert_eq!(endpoint.connections(), 1);
    let expected = [&base, "/v1/metadata", &(base.clone() + "/task"), "/v1/metadata", "/v4/x"];
    assert_eq!(endpoint.requests(), expected.map(|target| format!("GET {target}")));
    assert_eq!(endpoint.exchanges()[4].answer, "404");
    assert!(endpoint.wait_for_requests(5, Duration::ZERO));
    assert!(!endpoint.wait_for_requests(6, Duration::from_millis(1)));
}

#[test]
fn only_a_short_body_has_a_length() {
    let endpoint = Endpoint::start(Task::default());
    let short = get(&endpoint, &path_v4(&endpoint));
    assert!(short.body.len() <= 2048);
    assert_eq!(lengths(&short), (Some(short.body.len().to_string().as_str()), None));
    let long = get(&endpoint, &(path_v4(&endpoint) + "/task"));
    assert!(long.body.len() > 2048);
    assert_eq!(lengths(&long), (None, Some("chunked")));
}

#[test]
fn http_1_0_gets_no_chunks_and_the_end_of_the_connection() {
    let endpoint = Endpoint::start(Task::default());
    let (bytes, ended) =
        raw(endpoint.address(), &format!("GET {}/task HTTP/1.0\r\n\r\n", path_v4(&endpoint)));
    ended.unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
    serde_json::from_str::<serde_json::Value>(body).unwrap();
}

#[test]
fn head_has_no_body() {
    let endpoint = Endpoint::start(Task::default());
    let line = request(&path_v4(&endpoint), "Connection: close\r\n").replacen("GET", "HEAD", 1);
    let (bytes, ended) = raw(endpoint.address(), &line);
    ended.unwrap();
    assert!(bytes.starts_with(b"HTTP/1.1 200 OK\r\n") && bytes.ends_with(b"\r\n\r\n"));
    assert_eq!(endpoint.requests(), [format!("HEAD {}", path_v4(&endpoint))]);
}

#[test]
fn what_is_no_request_is_refused() {
    let endpoint = Endpoint::start(Task::default());
    let head = "Host: here\r\n\r\n";
    for bad in ["GET / HTTP/1.1\r\n\r\n", &format!("GET /\r\n{head}"), &format!("GET / HTTP/2\r\n{head}")] {
        let (bytes, _) = raw(endpoint.address(), bad);
        assert!(bytes.starts_with(b"HTTP/1.1 400 Bad Request\r\n"), "{bad:?}");
    }
    assert_eq!(endpoint.requests(), [""; 0]);
}

fn is_refused(address: std::net::SocketAddr) -> bool {
    matches!(TcpStream::connect_timeout(&address, LIMIT), Err(error) if error.kind() == ErrorKind::ConnectionRefused)
}

#[test]
fn a_closed_port_refuses_until_someone_binds_it_by_name() {
    let address = closed_port();
    assert!(is_refused(address));
    let endpoint = Endpoint::serve(TcpListener::bind(address).unwrap(), Task::default());
    assert_eq!(get(&endpoint, &path_v4(&endpoint)).status, 200);
    drop(endpoint);
    assert!(is_refused(address));
}

#[test]
fn the_endpoint_can_begin_to_listen_late_and_end_and_begin_again() {
    let endpoint = Endpoint::start_refusing(Task::default());
    let base = path_v4(&endpoint);
    for _ in 0..3 {
        assert!(is_refused(endpoint.address()));
        endpoint.set_fault(None);
        assert_eq!(get(&endpoint, &base).status, 200);
        endpoint.set_fault(Some(Fault::Refuse));
    }
    assert!(is_refused(endpoint.address()));
    assert_eq!(endpoint.connections(), 3);
}

#[test]
fn a_listener_from_elsewhere_is_served() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let endpoint = Endpoint::serve(listener, Task::default());
    assert_eq!(endpoint.address(), address);
    assert_eq!(endpoint.introspection_url(), format!("http://{address}"));
    assert_eq!(endpoint.url_v2(), format!("http://{address}/v2"));
    assert_eq!(get(&endpoint, &path_v4(&endpoint)).status, 200);
}

#[test]
fn the_end_of_the_endpoint_ends_every_connection_at_once() {
    let hour = Duration::from_secs(3600);
    for fault in [
        None,
        Some(Fault::Refuse),
        Some(Fault::Silent),
        Some(Fault::LateBy(hour)),
        Some(Fault::SlowDrip(hour)),
        Some(Fault::EndlessBody),
        Some(Fault::EndlessHeaders),
    ] {
        let endpoint = Endpoint::start(Task::default());
        let (address, base) = (endpoint.address(), path_v4(&endpoint));
        let mut idle = connect(address).unwrap();
        let mut asking = connect(address).unwrap();
        // Both are accepted before nobody listens any more.
        assert!(endpoint.wait_for_connections(2, LIMIT));
        endpoint.set_fault(fault.clone());
        asking.write_all(request(&base, "").as_bytes()).unwrap();
        assert!(endpoint.wait_for_requests(1, LIMIT), "{fault:?}");
        let begun = Instant::now();
        drop(endpoint);
        assert!(begun.elapsed() < Duration::from_secs(5), "{fault:?}: {:?}", begun.elapsed());
        for stream in [&mut idle, &mut asking] {
            // Either an orderly end or a reset; not the client's own timeout.
            let end = stream.read_to_end(&mut Vec::new());
            assert!(
                !matches!(&end, Err(error) if error.kind() == ErrorKind::WouldBlock),
                "{fault:?}: {end:?}"
            );
        }
    }
}
