//! A client without any HTTP library, so that it sees what is on the wire.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::endpoint::Endpoint;

/// Nothing here takes a tenth of it; it turns a hang into a failure.
pub const LIMIT: Duration = Duration::from_secs(10);

pub fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    Ok(stream)
}

pub fn request(target: &str, more: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: here\r\n{more}\r\n")
}

/// Sends a request and returns whatever comes, with the error that ended it if one did.
pub fn raw(address: SocketAddr, request: &str) -> (Vec<u8>, io::Result<()>) {
    let mut bytes = Vec::new();
    let ended = connect(address).and_then(|mut stream| {
        stream.write_all(request.as_bytes())?;
        stream.read_to_end(&mut bytes)?;
        Ok(())
    });
    (bytes, ended)
}

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        all.next().map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.text()))
    }
}

/// Reads one reply and nothing beyond it.
pub fn read_reply(stream: &mut impl Read) -> Reply {
    let head = read_until(stream, "\r\n\r\n");
    let mut lines = head.trim_end().split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")).unwrap();
    let status = status.split(' ').next().unwrap().parse().unwrap();
    let pairs = lines.map(|line| line.split_once(": ").unwrap());
    let headers: Vec<_> = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let mut reply = Reply { status, headers, body: Vec::new() };
    let length = reply.header("Content-Length").map(|length| length.parse().unwrap());
    let chunked = reply.header("Transfer-Encoding").is_some_and(|coding| coding == "chunked");
    assert!(length.is_some() != chunked, "a body has one length: {:?}", reply.headers);
    match length {
        Some(length) => {
            reply.body.resize(length, 0);
            stream.read_exact(&mut reply.body).unwrap();
        }
        None => loop {
            let size = usize::from_str_radix(read_until(stream, "\r\n").trim_end(), 16).unwrap();
            let mut chunk = vec![0; size];
            stream.read_exact(&mut chunk).unwrap();
            reply.body.extend(chunk);
            assert_eq!(read_until(stream, "\r\n"), "\r\n");
            if size == 0 {
                break;
            }
        },
    }
    reply
}

fn read_until(stream: &mut impl Read, end: &str) -> String {
    let mut text = Vec::new();
    while !text.ends_with(end.as_bytes()) {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap_or_else(|error| panic!("{error} after {text:?}"));
        text.extend(byte);
    }
    String::from_utf8(text).unwrap()
}

/// One request on a connection of its own.
pub fn get(endpoint: &Endpoint, target: &str) -> Reply {
    let mut stream = connect(endpoint.address()).unwrap();
    stream.write_all(request(target, "Connection: close\r\n").as_bytes()).unwrap();
    let reply = read_reply(&mut stream);
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty(), "{rest:?} after the reply");
    reply
}

/// The path of the container under test in version 4.
pub fn path_v4(endpoint: &Endpoint) -> String {
    endpoint.uri_v4().strip_prefix(&endpoint.introspection_url()).unwrap().to_owned()
}

/// The path of the container under test in version 3.
pub fn path_v3(endpoint: &Endpoint) -> String {
    path_v4(endpoint).replacen("v4", "v3", 1)
}
