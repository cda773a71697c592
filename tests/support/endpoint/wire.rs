//! HTTP/1.1 on a connection as Go's net/http does it, and wrong on purpose.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::fault::Fault;
use super::route::Answer;
use super::socket;

/// The head of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub method: String,
    /// Path and query.
    pub target: String,
    keep_alive: bool,
    has_host: bool,
    chunks: bool,
}

/// More than any client sends; Go allows 1 MB.
const LONGEST_HEAD: usize = 64 * 1024;

/// Go sends a `Content-Length` only for what fits its buffer, and chunks otherwise (`/task` nearly always).
const GO_BUFFER: usize = 2048;

/// Reads the head of the next request. `pending` holds what was read beyond the previous one.
///
/// `None` at the end of the connection, `Some(None)` for what is no request.
pub fn read_request(mut stream: &TcpStream, pending: &mut Vec<u8>) -> io::Result<Option<Option<Request>>> {
    loop {
        if let Some(end) = pending.windows(4).position(|window| window == b"\r\n\r\n") {
            let head: Vec<u8> = pending.drain(..end + 4).collect();
            return Ok(Some(parse(&head)));
        }
        if pending.len() > LONGEST_HEAD {
            return Ok(Some(None));
        }
        let mut block = [0; 4096];
        let count = stream.read(&mut block)?;
        if count == 0 {
            return Ok(None);
        }
        pending.extend(block.iter().take(count));
    }
}

fn parse(head: &[u8]) -> Option<Request> {
    let mut lines = std::str::from_utf8(head).ok()?.split("\r\n");
    let mut words = lines.next()?.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let modern = match version {
        "HTTP/1.1" => true,
        "HTTP/1.0" => false,
        _ => return None,
    };
    if words.next().is_some() || !target.starts_with('/') {
        return None;
    }
    let header = |name: &str| {
        let mut pairs = lines.clone().filter_map(|line| line.split_once(':'));
        pairs.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    };
    let close = header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    // A body would have to be read; the agent's clients send none.
    let has_body =
        header("transfer-encoding").is_some() || header("content-length").is_some_and(|length| length != "0");
    Some(Request {
        method: method.to_owned(),
        target: target.to_owned(),
        keep_alive: modern && !close && !has_body,
        has_host: !modern || header("host").is_some(),
        chunks: modern,
    })
}

impl Request {
    /// Whether the request is one that Go's server passes on.
    pub fn is_acceptable(&self) -> bool {
        self.has_host
    }
}

/// What a connection may need while it answers: to wait, and to learn that the endpoint stops.
pub trait Clock {
    /// Waits for that long. Ends early with an error when the endpoint stops.
    fn pause(&self, length: Duration) -> io::Result<()>;
}

/// Answers what is no request, as Go does.
pub fn reject(mut stream: &TcpStream) -> io::Result<()> {
    let head =
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n";
    stream.write_all(format!("{head}400 Bad Request").as_bytes())
}

/// Sends `answer`, through `fault` if there is one. Tells whether the connection can be used again.
pub fn send(
    mut stream: &TcpStream,
    request: &Request,
    answer: &Answer,
    fault: Option<&Fault>,
    clock: &dyn Clock,
) -> io::Result<bool> {
    let whole = encode(request, answer);
    let ok = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    match fault {
        Some(Fault::Silent) => wait_for_the_end(stream)?,
        Some(Fault::Reset) => socket::reset_on_close(stream)?,
        Some(Fault::ResetInBody) => {
            let (half, _) = answer.body.split_at(answer.body.len() / 2);
            let head = format!("{ok}Content-Length: {}\r\n\r\n", answer.body.len());
            stream.write_all(&[head.as_bytes(), half].concat())?;
            socket::reset_on_close(stream)?;
        }
        Some(Fault::Truncated) => {
            let head = format!("{ok}Content-Length: {}\r\n\r\n", answer.body.len() + 1000);
            stream.write_all(&[head.as_bytes(), &answer.body].concat())?;
        }
        Some(Fault::LateBy(delay)) => {
            clock.pause(*delay)?;
            stream.write_all(&whole)?;
            return Ok(request.keep_alive);
        }
        Some(Fault::SlowDrip(interval)) => {
            stream.set_nodelay(true)?;
            for byte in whole {
                stream.write_all(&[byte])?;
                clock.pause(*interval)?;
            }
            return Ok(request.keep_alive);
        }
        Some(Fault::EndlessBody) => {
            stream.write_all(format!("{ok}Transfer-Encoding: chunked\r\n\r\n").as_bytes())?;
            stream.write_all(b"D\r\n{\"DockerId\":\"\r\n")?;
            let block = format!("10000\r\n{}\r\n", "e".repeat(0x10000));
            loop {
                stream.write_all(block.as_bytes())?;
                clock.pause(Duration::ZERO)?;
            }
        }
        Some(Fault::EndlessHeaders) => {
            stream.write_all(ok.as_bytes())?;
            for number in 0_u64.. {
                stream.write_all(format!("X-Filler-{number}: {}\r\n", "h".repeat(1000)).as_bytes())?;
                clock.pause(Duration::ZERO)?;
            }
        }
        Some(Fault::BadStatusLine) => stream.write_all(b"ICY two hundred\r\n\r\n{}")?,
        Some(Fault::HugeChunk) => {
            let head = format!("{ok}Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n");
            stream.write_all(&[head.as_bytes(), &answer.body].concat())?;
        }
        Some(Fault::BadChunk) => {
            let head = format!("{ok}Transfer-Encoding: chunked\r\n\r\n-zz\r\n");
            stream.write_all(&[head.as_bytes(), &answer.body].concat())?;
        }
        _ => {
            stream.write_all(&whole)?;
            return Ok(request.keep_alive);
        }
    }
    Ok(false)
}

/// Reads until the other side ends the connection, or the endpoint stops.
fn wait_for_the_end(mut stream: &TcpStream) -> io::Result<()> {
    let mut block = [0; 4096];
    while stream.read(&mut block)? > 0 {}
    Ok(())
}

/// The bytes of an answer. (Without a `Date`: the bytes of one answer are then the same each time.)
fn encode(request: &Request, answer: &Answer) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {} {}\r\n", answer.status, reason(answer.status));
    let mut header = |name: &str, value: &str| head.push_str(&format!("{name}: {value}\r\n"));
    if let Some(content_type) = answer.content_type {
        header("Content-Type", content_type);
    }
    if let Some(location) = &answer.location {
        header("Location", location);
    }
    let chunked = request.chunks && answer.body.len() > GO_BUFFER;
    if !request.keep_alive {
        header("Connection", "close");
    }
    if chunked {
        header("Transfer-Encoding", "chunked");
    } else {
        header("Content-Length", &answer.body.len().to_string());
    }
    head.push_str("\r\n");
    let mut bytes = head.into_bytes();
    if request.method == "HEAD" {
        return bytes;
    }
    if chunked {
        bytes.extend_from_slice(format!("{:x}\r\n", answer.body.len()).as_bytes());
        bytes.extend_from_slice(&answer.body);
        bytes.extend_from_slice(b"\r\n0\r\n\r\n");
    } else {
        bytes.extend_from_slice(&answer.body);
    }
    bytes
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        301 => "Moved Permanently",
        302 => "Found",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Status",
    }
}
