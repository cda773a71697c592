//! The known ways in which an endpoint goes wrong.

use std::str::FromStr;
use std::time::Duration;

/// A way to go wrong. All but [`Fault::Refuse`] and [`Fault::ResetOnAccept`] apply to requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Nobody listens: connections are refused until the fault is taken away. Open ones stay open.
    Refuse,
    /// The connection is reset before a request is read.
    ResetOnAccept,
    /// The connection is reset after the request.
    Reset,
    /// The connection is reset in the middle of the body.
    ResetInBody,
    /// The request is read and never answered.
    Silent,
    /// The answer comes after this long.
    LateBy(Duration),
    /// One byte of the answer comes every so often.
    SlowDrip(Duration),
    /// The first so many requests are answered with 404.
    NotYet(usize),
    /// The agent's own failure with this status.
    Status(u16),
    /// A 302 to this place.
    Redirect(String),
    /// `Content-Length` is larger than the body, then the connection is closed.
    Truncated,
    /// A body in chunks that never ends.
    EndlessBody,
    /// Headers that never end.
    EndlessHeaders,
    /// Not a status line of HTTP.
    BadStatusLine,
    /// A chunk whose size does not fit 64 bits.
    HugeChunk,
    /// A chunk whose size is no number.
    BadChunk,
    /// A captive portal: 200 with a page of HTML.
    Html,
    /// JSON, nested 100,000 deep.
    DeepNesting,
    /// JSON, but an array.
    NotAnObject,
    /// Each field of the object has another type than it should.
    WrongTypes,
    /// Each value is null.
    NullFields,
    /// Each string ends in a line break, an environment variable and a NUL.
    NewlineInValues,
    /// The strings that identify something are more than 10 KB long (and the body still below 256 KiB).
    HugeStrings,
    /// Each string holds bytes that are not UTF-8.
    InvalidUtf8,
    /// The container under test has no ID yet.
    EmptyDockerId,
    /// The pause container comes first (as by default), also where the task has none.
    PauseFirst,
    /// The pause container is the only one, and the answer about the caller is about it.
    OnlyPause,
}

impl Fault {
    /// Every fault as the command line names it, what its parameter is when it has one, and what it does.
    pub const NAMES: [(&'static str, &'static str, &'static str); 27] = [
        ("refuse", "", "connections are refused"),
        ("reset-on-accept", "", "the connection is reset before a request is read"),
        ("reset", "", "… after the request"),
        ("reset-in-body", "", "… in the middle of the body"),
        ("silent", "", "the request is read and never answered"),
        ("late-by", "milliseconds, default 500", "the answer comes late"),
        ("slow-drip", "milliseconds a byte, default 100", "the answer comes a byte at a time"),
        (
            "not-yet",
            "requests answered with 404, default 3",
            "404 for the first requests, as for a container that the agent does not know yet",
        ),
        ("status", "code, default 500", "the agent's own failure"),
        ("redirect", "URL or path, default /elsewhere", "302"),
        ("truncated", "", "Content-Length is larger than the body"),
        ("endless-body", "", "a body in chunks that never ends"),
        ("endless-headers", "", "headers that never end"),
        ("bad-status-line", "", "no status line of HTTP"),
        ("huge-chunk", "", "a chunk whose size does not fit 64 bits"),
        ("bad-chunk", "", "a chunk whose size is no number"),
        ("html", "", "a captive portal: 200 with a page of HTML"),
        ("deep-nesting", "", "JSON, nested 100,000 deep"),
        ("not-an-object", "", "JSON, but an array"),
        ("wrong-types", "", "each field has another type than it should"),
        ("null-fields", "", "each value is null"),
        ("newline-in-values", "", "each string ends in a line break, a variable and a NUL"),
        ("huge-strings", "", "strings of more than 10 KB"),
        ("invalid-utf8", "", "strings that are not UTF-8"),
        ("empty-docker-id", "", "the container has no ID yet"),
        ("pause-first", "", "the pause container comes first"),
        ("only-pause", "", "the pause container is the only one"),
    ];

    /// This fault, for requests whose path ends so, such as `/task`.
    pub fn on(self, path_end: &str) -> Rule {
        Rule::from(self).on(path_end)
    }

    /// This fault, for the first `count` requests.
    pub fn first(self, count: usize) -> Rule {
        Rule::from(self).first(count)
    }

    /// Whether the fault concerns requests, not connections.
    pub(super) fn is_of_requests(&self) -> bool {
        !matches!(self, Fault::Refuse | Fault::ResetOnAccept)
    }
}

/// `NAME` or `NAME=PARAMETER`, see [`Fault::NAMES`].
impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, parameter) = match text.split_once('=') {
            Some((name, parameter)) => (name, Some(parameter)),
            None => (text, None),
        };
        let number = |default: u64| match parameter {
            None => Ok(default),
            Some(given) => {
                given.parse().map_err(|_| format!("{given:?} is no number, in the fault {text:?}"))
            }
        };
        let narrow = |_| format!("the number is too large in the fault {text:?}");
        Ok(match name {
            "refuse" => Fault::Refuse,
            "reset-on-accept" => Fault::ResetOnAccept,
            "reset" => Fault::Reset,
            "reset-in-body" => Fault::ResetInBody,
            "silent" => Fault::Silent,
            "late-by" => Fault::LateBy(Duration::from_millis(number(500)?)),
            "slow-drip" => Fault::SlowDrip(Duration::from_millis(number(100)?)),
            "not-yet" => Fault::NotYet(number(3)?.try_into().map_err(narrow)?),
            "status" => Fault::Status(number(500)?.try_into().map_err(narrow)?),
            "redirect" => Fault::Redirect(parameter.unwrap_or("/elsewhere").to_owned()),
            "truncated" => Fault::Truncated,
            "endless-body" => Fault::EndlessBody,
            "endless-headers" => Fault::EndlessHeaders,
            "bad-status-line" => Fault::BadStatusLine,
            "huge-chunk" => Fault::HugeChunk,
            "bad-chunk" => Fault::BadChunk,
            "html" => Fault::Html,
            "deep-nesting" => Fault::DeepNesting,
            "not-an-object" => Fault::NotAnObject,
            "wrong-types" => Fault::WrongTypes,
            "null-fields" => Fault::NullFields,
            "newline-in-values" => Fault::NewlineInValues,
            "huge-strings" => Fault::HugeStrings,
            "invalid-utf8" => Fault::InvalidUtf8,
            "empty-docker-id" => Fault::EmptyDockerId,
            "pause-first" => Fault::PauseFirst,
            "only-pause" => Fault::OnlyPause,
            _ => return Err(format!("no fault is named {name:?}")),
        })
    }
}

/// A [`Fault`], and when it applies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub(super) fault: Fault,
    path_end: Option<String>,
    left: Option<usize>,
}

impl From<Fault> for Rule {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::NotYet(count) => Rule { fault: Fault::Status(404), path_end: None, left: Some(count) },
            fault => Rule { fault, path_end: None, left: None },
        }
    }
}

impl Rule {
    /// This rule, for requests whose path ends so.
    pub fn on(self, path_end: &str) -> Rule {
        Rule { path_end: Some(path_end.to_owned()), ..self }
    }

    /// This rule, for the first `count` requests that it fits.
    pub fn first(self, count: usize) -> Rule {
        Rule { left: Some(count), ..self }
    }

    /// Whether the rule holds for a request of `target` (path and query); counts it if so.
    pub(super) fn take(&mut self, target: &str) -> bool {
        let path = target.split('?').next().unwrap_or_default();
        let fits = self.path_end.as_deref().is_none_or(|end| path.ends_with(end));
        match &mut self.left {
            _ if !fits => false,
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }
}
