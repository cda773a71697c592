//! The ways to go wrong.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{LIMIT, Reply, connect, get, path_v3, path_v4, raw, request};
use crate::endpoint::*;

fn endpoint_with(fault: Fault) -> (Endpoint, String) {
    let endpoint = Endpoint::start(Task::default());
    endpoint.set_fault(Some(fault));
    let base = path_v4(&endpoint);
    (endpoint, base)
}

/// The container's document under a fault, and its task's.
fn documents(fault: Fault) -> (Reply, Reply) {
    let (endpoint, base) = endpoint_with(fault);
    (get(&endpoint, &base), get(&endpoint, &(base + "/task")))
}

/// Bytes of an answer as far as they come, and the kind of error that ended them.
fn raw_answer(fault: Fault) -> (Vec<u8>, Option<ErrorKind>) {
    let (endpoint, base) = endpoint_with(fault);
    let (bytes, ended) = raw(endpoint.address(), &request(&base, ""));
    (bytes, ended.err().map(|error| error.kind()))
}

fn body_of(bytes: &[u8]) -> &[u8] {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    &bytes[end + 4..]
}

#[test]
fn each_name_is_a_fault() {
    for (name, ..) in Fault::NAMES {
        let fault: Fault = name.parse().unwrap();
        let words: String = name.split('-').collect();
        assert!(format!("{fault:?}").to_lowercase().starts_with(&words), "{name} is {fault:?}");
    }
    assert_eq!("status=429".parse(), Ok(Fault::Status(429)));
    assert_eq!("late-by=20".parse(), Ok(Fault::LateBy(Duration::from_millis(20))));
    assert_eq!("redirect=http://a/b=c".parse(), Ok(Fault::Redirect("http://a/b=c".to_owned())));
    for wrong in ["", "slow", "status=ok", "status=70000"] {
        assert!(wrong.parse::<Fault>().is_err(), "{wrong}");
    }
}

#[test]
fn resets_are_resets_and_not_an_end() {
    // Where the reset meets the client depends on how far that has come: it may be the write already.
    let (bytes, error) = raw_answer(Fault::ResetOnAccept);
    let kinds = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
    assert!(bytes.is_empty() && error.is_some_and(|kind| kinds.contains(&kind)), "{error:?}");
    assert_eq!(raw_answer(Fault::Reset), (Vec::new(), Some(ErrorKind::ConnectionReset)));
    let (bytes, error) = raw_answer(Fault::ResetInBody);
    assert_eq!(error, Some(ErrorKind::ConnectionReset));
    assert!(bytes.starts_with(b"HTTP/1.1 200 OK\r\n") && body_of(&bytes).len() > 500);
}

#[test]
fn a_reset_on_accept_leaves_no_request() {
    let endpoint = Endpoint::start(Task::default());
    endpoint.set_rules([Fault::ResetOnAccept.first(1)]);
    let base = path_v4(&endpoint);
    assert!(raw(endpoint.address(), &request(&base, "")).1.is_err());
    assert_eq!(get(&endpoint, &base).status, 200);
    assert_eq!((endpoint.connections(), endpoint.requests().len()), (2, 1));
}

#[test]
fn silence_is_silence() {
    let (endpoint, base) = endpoint_with(Fault::Silent);
    let mut stream = connect(endpoint.address()).unwrap();
    stream.write_all(request(&base, "").as_bytes()).unwrap();
    assert!(endpoint.wait_for_requests(1, LIMIT));
    stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn an_answer_can_be_late() {
    let delay = Duration::from_millis(150);
    let (endpoint, base) = endpoint_with(Fault::LateBy(delay));
    let begun = Instant::now();
    assert_eq!(get(&endpoint, &base).json()["Name"], "server");
    assert!(begun.elapsed() >= delay);
}

#[test]
fn a_drip_is_one_byte_at_a_time() {
    let (endpoint, base) = endpoint_with(Fault::SlowDrip(Duration::from_millis(20)));
    let mut stream = connect(endpoint.address()).unwrap();
    stream.write_all(request(&base, "").as_bytes()).unwrap();
    let begun = Instant::now();
    let mut bytes = [0; 10];
    stream.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"HTTP/1.1 2");
    assert!(begun.elapsed() >= Duration::from_millis(9 * 20));
}

#[test]
fn what_is_endless_goes_on_beyond_any_limit() {
    let enough = 4 << 20;
    for (fault, start) in [
        (
            Fault::EndlessBody,
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
        ),
        (Fault::EndlessHeaders, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Filler-0: hhh"),
    ] {
        let (endpoint, base) = endpoint_with(fault.clone());
        let mut stream = connect(endpoint.address()).unwrap();
        stream.write_all(request(&base, "").as_bytes()).unwrap();
        let mut bytes = Vec::new();
        stream.take(enough).read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes.len() as u64, enough);
        assert!(bytes.starts_with(start.as_bytes()));
        let heads = bytes.windows(4).filter(|window| window == b"\r\n\r\n").count();
        assert_eq!(heads, usize::from(fault == Fault::EndlessBody));
    }
}

#[test]
fn a_body_can_be_shorter_than_it_says() {
    let (bytes, error) = raw_answer(Fault::Truncated);
    let head = String::from_utf8_lossy(&bytes);
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
    assert_eq!(length.parse(), Ok(body_of(&bytes).len() + 1000));
    assert_eq!(error, None, "an orderly end");
}

#[test]
fn nonsense_is_on_the_wire() {
    assert!(raw_answer(Fault::BadStatusLine).0.starts_with(b"ICY two hundred\r\n"));
    let huge = raw_answer(Fault::HugeChunk).0;
    assert!(body_of(&huge).starts_with(b"FFFFFFFFFFFFFFFFF\r\n{"));
    let bad = raw_answer(Fault::BadChunk).0;
    assert!(body_of(&bad).starts_with(b"-zz\r\n{"));
}

#[test]
fn a_captive_portal_answers_with_its_page() {
    let (portal, _) = documents(Fault::Html);
    assert_eq!((portal.status, portal.header("Content-Type")), (200, Some("text/html; charset=utf-8")));
    assert!(portal.text().starts_with("<!DOCTYPE html>"));
}

#[test]
fn a_redirect_leads_to_where_it_is_told() {
    let other = Endpoint::start(Task::default());
    let (redirect, _) = documents(Fault::Redirect(other.uri_v4()));
    assert_eq!((redirect.status, redirect.header("Location")), (302, Some(other.uri_v4().as_str())));
    assert_eq!(other.connections(), 0);
}

#[test]
fn a_status_comes_with_the_body_that_the_agent_gives_it() {
    let endpoint = Endpoint::start(Task::default());
    for (path, status) in
        [(path_v4(&endpoint), 404), (path_v3(&endpoint), 500), ("/v2/metadata".to_owned(), 400)]
    {
        endpoint.set_fault(Some(Fault::Status(status)));
        let reply = get(&endpoint, &path);
        assert_eq!((reply.status, reply.json().is_string()), (status, true), "{path}");
    }
    assert_eq!(get(&endpoint, "/v1/tasks").json()["Arn"], "");
    endpoint.set_fault(Some(Fault::Status(429)));
    let limited = get(&endpoint, &path_v4(&endpoint));
    assert_eq!((limited.status, limited.header("Retry-After")), (429, None));
    assert!(serde_json::from_slice::<Value>(&limited.body).is_err());
}

#[test]
fn documents_can_be_of_another_shape() {
    let (deep, _) = documents(Fault::DeepNesting);
    assert_eq!(deep.text().matches('[').count(), 100_000);
    assert_eq!(deep.text().matches(']').count(), 100_000);
    let (array, _) = documents(Fault::NotAnObject);
    assert!(array.json().is_array());
    let (container, task) = documents(Fault::WrongTypes);
    let container = container.json();
    assert!(container["DockerId"].is_number() && container["Labels"].is_string());
    assert!(container["Networks"].is_object());
    assert!(task.json()["Revision"].is_number() && task.json()["Containers"].is_object());
    let (container, task) = documents(Fault::NullFields);
    assert_eq!(container.json()["DockerId"], Value::Null);
    assert_eq!(container.json()["Labels"]["com.amazonaws.ecs.task-arn"], Value::Null);
    assert_eq!(task.json()["Containers"][1]["Name"], Value::Null);
}

#[test]
fn values_can_be_hostile() {
    let arn = Task::default().arn;
    let (container, task) = documents(Fault::NewlineInValues);
    assert_eq!(task.json()["TaskARN"], format!("{arn}\nLD_PRELOAD=/tmp/evil.so\0"));
    assert!(container.json()["DockerId"].as_str().unwrap().ends_with(INJECTED));

    for huge in <[Reply; 2]>::from(documents(Fault::HugeStrings)) {
        assert!(huge.body.len() < 256 * 1024, "{}", huge.body.len());
        let value = huge.json();
        let (name, container) = match value.get("Containers") {
            Some(containers) => ("TaskARN", &containers[1]),
            None => ("DockerId", &value),
        };
        assert!(value[name].as_str().unwrap().len() > HUGE);
        assert!(container["Labels"]["com.amazonaws.ecs.task-arn"].as_str().unwrap().len() > HUGE);
    }

    let (container, _) = documents(Fault::InvalidUtf8);
    assert!(std::str::from_utf8(&container.body).is_err());
    assert!(container.body.windows(10).any(|window| window == b"server\xff\xc0\x80\""));
}

#[test]
fn containers_can_be_missing_or_without_an_id() {
    let (container, task) = documents(Fault::EmptyDockerId);
    assert_eq!(container.json()["DockerId"], "");
    assert_eq!(container.json()["Name"], "server");
    assert_eq!(task.json()["Containers"][1]["DockerId"], "");
    assert_ne!(task.json()["Containers"][0]["DockerId"], "");

    let (container, task) = documents(Fault::OnlyPause);
    assert_eq!(container.json()["Type"], "CNI_PAUSE");
    assert_eq!(task.json()["Containers"], json!([container.json()]));

    let endpoint = Endpoint::start(Task::ec2_bridge());
    endpoint.set_fault(Some(Fault::PauseFirst));
    let task = get(&endpoint, &(path_v4(&endpoint) + "/task")).json();
    let names: Vec<&Value> = task["Containers"].as_array().unwrap().iter().map(|one| &one["Name"]).collect();
    assert_eq!(names, [PAUSE, "server"]);
    assert_eq!(get(&endpoint, &path_v4(&endpoint)).json()["Name"], "server");
}

#[test]
fn a_rule_is_for_some_paths_or_the_first_requests() {
    let endpoint = Endpoint::start(Task::default());
    let (base, task) = (path_v4(&endpoint), path_v4(&endpoint) + "/task");
    let statuses = |path: &str| [(); 3].map(|()| get(&endpoint, path).status);
    endpoint.set_fault(Some(Fault::NotYet(2)));
    assert_eq!(statuses(&base), [404, 404, 200]);
    endpoint.set_rules([Fault::Status(503).on("/task").first(1), Fault::Status(429).first(2)]);
    assert_eq!(statuses(&task), [503, 429, 429]);
    assert_eq!(statuses(&base), [200; 3]);
    endpoint.set_rules([Fault::Status(500).on("/task")]);
    assert_eq!((statuses(&task), statuses(&base)), ([500; 3], [200; 3]));
    endpoint.set_fault(None);
    assert_eq!(statuses(&task), [200; 3]);
    let noted = endpoint.exchanges();
    assert_eq!((noted[0].answer.as_str(), noted[2].answer.as_str()), ("Status(404)", "200"));
}
