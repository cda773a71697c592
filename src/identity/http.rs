//! GET over plain HTTP to an address literal, with everything bounded.
//!
//! [`Client`] is `ureq` without what a container's start cannot afford: no name resolution (its default
//! starts a thread and links the name service of the C library), no proxy (the environment's is meant for the
//! program, and must not see link-local requests), no redirect, no thread, no timer.

use super::Deadline;
use crate::shown::Shown;
use crate::sys::reason;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{NextTimeout, TcpConnector};

/// The longest body that is read, in bytes. The task answer of a full task of ten containers has some 20 KB.
const LONGEST_BODY: u64 = 256 * 1024;

/// All headers of an answer, in bytes.
const LONGEST_HEADER: usize = 8 * 1024;

/// Bytes of the buffer for an answer. Larger than a header may be, or ureq takes a full buffer for the end of
/// the connection before it finds the header too long.
const ANSWER_BUFFER: usize = 2 * LONGEST_HEADER;

/// Bytes of the request's buffer; a base URL has at most [`LONGEST_URL`].
const REQUEST_BUFFER: usize = 2 * 1024;

/// The longest base URL that is taken, in bytes. The agent's have about 75.
const LONGEST_URL: usize = 512;

/// `http://ADDRESS[:PORT][/PATH]`, checked and without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(String);

impl BaseUrl {
    /// Checks `text`, which comes from the environment.
    ///
    /// # Errors
    /// One line that says what is wrong with it; its cause is `text` and never the network.
    pub fn parse(text: &str) -> Result<BaseUrl, BadUrl> {
        let why = |reason| BadUrl { url: Shown::at_most(text, 160).to_string(), reason };
        if text.len() > LONGEST_URL {
            return Err(why("it is longer than 512 bytes"));
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(why("it holds a space, a control character or something that is not ASCII"));
        }
        let rest = text.strip_prefix("http://").ok_or_else(|| why("it does not begin with http://"))?;
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(why("it holds a user name"));
        }
        if authority.contains('%') {
            return Err(why("its address has a zone, which a metadata endpoint does not have"));
        }
        let address =
            address_of(authority).ok_or_else(|| why("its host is not an IP address, or its port is none"))?;
        if address.port() == 0 || address.ip().is_unspecified() {
            return Err(why("nothing can listen there"));
        }
        if path.contains(['?', '#', '\\', '"', '<', '>', '`', '{', '}', '|', '^']) {
            return Err(why("its path holds more than a plain path"));
        }
        Ok(BaseUrl(text.trim_end_matches('/').to_owned()))
    }

    /// The URL with `suffix` (empty, or a path that begins with a slash) appended.
    pub fn join(&self, suffix: &str) -> String {
        format!("{}{suffix}", self.0)
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A URL that is not asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadUrl {
    url: String,
    reason: &'static str,
}

impl fmt::Display for BadUrl {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "\"{}\" is not asked: {}", self.url, self.reason)
    }
}

impl std::error::Error for BadUrl {}

/// Why a request brought no body.
#[derive(Debug)]
pub enum Failure {
    /// nobody listens, the way there is closed, or the connection broke
    Unreachable(std::io::Error),
    /// the deadline passed first
    TimedOut,
    /// an answer with another status than 200
    Status(u16),
    /// more header or body than is read
    TooLarge,
    /// an answer that is not HTTP/1
    NotHttp,
}

impl Failure {
    /// Whether the same request may well succeed a moment later.
    pub fn is_transient(&self) -> bool {
        match self {
            Failure::Unreachable(_) | Failure::TimedOut => true,
            Failure::Status(status) => *status == 429 || *status >= 500,
            Failure::TooLarge | Failure::NotHttp => false,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Failure::Unreachable(error) => f.write_str(&reason(error)),
            Failure::TimedOut => f.write_str("no answer in time"),
            Failure::Status(status) => write!(f, "it answered with status {status}"),
            Failure::TooLarge => {
                f.write_str("its answer is too large: more than 256 KiB, or 8 KiB of header")
            }
            Failure::NotHttp => f.write_str("its answer is not HTTP"),
        }
    }
}

impl std::error::Error for Failure {}

impl From<ureq::Error> for Failure {
    fn from(error: ureq::Error) -> Failure {
        match error {
            ureq::Error::Timeout(_) => Failure::TimedOut,
            ureq::Error::Io(error) => Failure::Unreachable(error),
            ureq::Error::StatusCode(status) => Failure::Status(status),
            ureq::Error::BodyExceedsLimit(_) | ureq::Error::LargeResponseHeader(..) => Failure::TooLarge,
            ureq::Error::ConnectionFailed => Failure::Unreachable(std::io::ErrorKind::NotConnected.into()),
            _ => Failure::NotHttp,
        }
    }
}

/// Sends requests one after the other, over one connection where the server keeps it.
pub struct Client(ureq::Agent);

impl Client {
    /// A client that has not connected to anything yet.
    #[allow(clippy::new_without_default, reason = "a default that opens sockets later would surprise")]
    pub fn new() -> Client {
        let config = ureq::Agent::config_builder()
            .proxy(None)
            .max_redirects(0)
            .http_status_as_error(false)
            .max_response_header_size(LONGEST_HEADER)
            .input_buffer_size(ANSWER_BUFFER)
            .output_buffer_size(REQUEST_BUFFER)
            .max_idle_connections(1)
            .max_idle_connections_per_host(1)
            .user_agent(concat!("epitaph/", env!("CARGO_PKG_VERSION")))
            .accept("application/json")
            .build();
        Client(ureq::Agent::with_parts(config, TcpConnector::default(), Literals))
    }

    /// The body of the answer to a GET of `url`, at most 256 KiB.
    ///
    /// # Errors
    /// [`Failure`], `deadline` having passed at the latest. A deadline that has passed already opens no
    /// socket.
    pub fn get(&self, url: &str, deadline: Deadline) -> Result<Vec<u8>, Failure> {
        let left = deadline.left();
        if left.is_zero() {
            return Err(Failure::TimedOut);
        }
        let mut answer = self.0.get(url).config().timeout_global(Some(left)).build().call()?;
        let status = answer.status().as_u16();
        if status != 200 {
            return Err(Failure::Status(status));
        }
        Ok(answer.body_mut().with_config().limit(LONGEST_BODY).read_to_vec()?)
    }
}

/// Takes address literals only.
#[derive(Debug)]
struct Literals;

impl Resolver for Literals {
    fn resolve(
        &self,
        uri: &ureq::http::Uri,
        _: &ureq::config::Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let address = uri.authority().and_then(|authority| address_of(authority.as_str()));
        let mut addresses = self.empty();
        addresses.push(address.ok_or(ureq::Error::HostNotFound)?);
        Ok(addresses)
    }
}

/// `ADDRESS[:PORT]`, an IPv6 address in brackets; port 80 where none is named.
fn address_of(authority: &str) -> Option<SocketAddr> {
    if let Ok(address) = authority.parse() {
        return Some(address);
    }
    let host = authority.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let ip: IpAddr = match host {
        Some(host) => IpAddr::V6(host.parse().ok()?),
        None => IpAddr::V4(authority.parse().ok()?),
    };
    Some(SocketAddr::new(ip, 80))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn urls_that_are_asked() {
        for (url, joined) in [
            ("http://169.254.170.2/v4/abc", "http://169.254.170.2/v4/abc/task"),
            ("http://169.254.170.2/v4/abc/", "http://169.254.170.2/v4/abc/task"),
            ("http://127.0.0.1:51678", "http://127.0.0.1:51678/task"),
            ("http://[fd00:ec2::254]:80/v4/abc", "http://[fd00:ec2::254]:80/v4/abc/task"),
            ("http://[::1]/v4", "http://[::1]/v4/task"),
        ] {
            assert_eq!(BaseUrl::parse(url).map(|base| base.join("/task")).as_deref(), Ok(joined));
        }
    }

    #[test]
    fn urls_that_are_not() {
        let long = format!("http://127.0.0.1/{}", "a".repeat(600));
        for url in [
            "",
            "http://",
            "http:///v4/abc",
            "https://169.254.170.2/v4/abc",
            "HTTP:169.254.170.2",
            "file:///etc/passwd",
            "http://localhost/v4/abc",
            "http://example.com/v4",
            "http://169.254.170.2@example.com/v4",
            "http://user:pw@169.254.170.2/v4",
            "http://169.254.170.2:99999/v4",
            "http://169.254.170.2:0/v4",
            "http://169.254.170.2:http/v4",
            "http://169.254.170.2:/v4",
            "http://0.0.0.0/v4",
            "http://169.254.170/v4",
            "http://[fe80::1%1]:80/v4",
            "http://[fe80::1%eth0]/v4",
            "http://2851998722/v4",
            "http://169.254.170.2/v4?x=1",
            "http://169.254.170.2/v4#x",
            "http://169.254.170.2/v4\r\nHost: x",
            "http://169.254.170.2/v4 x",
            "http://169.254.170.2/vä",
            &long,
        ] {
            let bad = BaseUrl::parse(url).expect_err(url);
            assert!(!bad.to_string().contains(['\n', '\r']), "{bad}");
            assert!(bad.to_string().len() < 250, "{bad}");
        }
    }

    #[test]
    fn a_deadline_that_has_passed_opens_no_socket() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        let failure = Client::new().get(&url, Deadline::after(Duration::ZERO));
        assert!(matches!(failure, Err(Failure::TimedOut)), "{failure:?}");
        assert!(listener.accept().is_err());
    }

    #[test]
    fn nobody_listens() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        drop(listener);
        let before = Instant::now();
        let failure = Client::new().get(&url, Deadline::after(Duration::from_secs(60)));
        assert!(
            matches!(&failure, Err(failure @ Failure::Unreachable(_)) if failure.is_transient()),
            "{failure:?}"
        );
        assert!(before.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn a_silent_server_costs_the_budget_and_no_more() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        let before = Instant::now();
        let failure = Client::new().get(&url, Deadline::after(Duration::from_millis(200)));
        assert!(matches!(failure, Err(Failure::TimedOut)), "{failure:?}");
        let took = before.elapsed();
        assert!((Duration::from_millis(190)..Duration::from_secs(10)).contains(&took), "{took:?}");
    }
}
