//! Asking the task metadata endpoint: which requests, how often, and what is made of the answers.

use super::http::{BaseUrl, Client, Failure};
use super::metadata::{self, Findings, NotMetadata};
use super::{Deadline, Field, Source};
use std::fmt;
use std::time::Duration;

/// The first pause before a request is repeated. It doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// Why the endpoint did not tell all that it could.
#[derive(Debug)]
pub enum Trouble {
    /// no body came
    Failed(Failure),
    /// the body was something else
    Nonsense(NotMetadata),
    /// the answers held no task ARN or no container ID
    Incomplete,
    /// the task in the answer does not hold this container
    AnotherTask,
}

impl Trouble {
    /// Whether asking again later may help.
    pub fn is_transient(&self) -> bool {
        match self {
            // An agent that restarts answers 404 until it has read its state again.
            Trouble::Failed(failure) => failure.is_transient() || matches!(failure, Failure::Status(404)),
            Trouble::Nonsense(_) | Trouble::AnotherTask => false,
            Trouble::Incomplete => true,
        }
    }

    /// Whether the agent does not know who asks.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Trouble::Failed(Failure::Status(404)))
    }

    /// Whether nobody answered at all.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Trouble::Failed(Failure::TimedOut | Failure::Unreachable(_)))
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Trouble::Failed(failure) => failure.fmt(f),
            Trouble::Nonsense(error) => error.fmt(f),
            Trouble::Incomplete => f.write_str("its answer names no task, or no container ID"),
            Trouble::AnotherTask => f.write_str("the task in its answer does not hold this container"),
        }
    }
}

/// What came of asking the endpoint.
#[derive(Debug, Default)]
pub struct Heard {
    /// what the answers told
    pub findings: Findings,
    /// what went wrong
    pub trouble: Option<Trouble>,
}

/// Asks the version 4 or 3 endpoint at `base` for this container, then for its task: two requests when all is
/// well, and none past `deadline`.
///
/// `id` is the container's ID as another source knows it. It finds the container in the task's answer where
/// the endpoint does not tell the container's own.
pub fn task_metadata(
    client: &Client,
    base: &BaseUrl,
    source: Source,
    id: Option<&str>,
    deadline: Deadline,
) -> Heard {
    let mut heard = Heard::default();
    match patiently(client, &base.join(""), deadline, &|body| metadata::container(body, source)) {
        Ok(findings) => heard.add(findings),
        Err(trouble) => {
            // Version 4 answers with 404 to an unknown endpoint ID alone, and knows it no better in another
            // document.
            let is_final = trouble.is_unreachable() || (source == Source::MetadataV4 && trouble.is_unknown());
            heard.trouble = Some(trouble);
            if is_final {
                return heard;
            }
        }
    }
    let known = |heard: &Heard, field| heard.findings.identity.get(field).map(str::to_owned);
    let id = known(&heard, Field::ContainerId).or_else(|| id.map(str::to_owned));
    let parse = |body: &[u8]| metadata::task(body, id.as_deref(), source);
    // The program waits for this. Once it is known who the container is, what else the task tells is worth
    // one request and no repetition.
    let is_sufficient = id.is_some() && known(&heard, Field::TaskArn).is_some();
    let ask = if is_sufficient { once } else { patiently };
    match ask(client, &base.join("/task"), deadline, &parse) {
        Ok(findings) => heard.add(findings),
        Err(trouble) => heard.trouble = heard.trouble.or(Some(trouble)),
    }
    if heard.trouble.is_none() && (id.is_none() || known(&heard, Field::TaskArn).is_none()) {
        heard.trouble = Some(Trouble::Incomplete);
    }
    heard
}

/// Asks the version 2 endpoint at `base`, which knows a task by the address that the request comes from. That
/// is also the address of whoever shares the network with a container of ECS, so the answer counts only if
/// the task holds the container `id`.
///
/// # Errors
/// [`Trouble`], also where the answer names no task or another one.
pub fn task_v2(
    client: &Client,
    base: &BaseUrl,
    id: Option<&str>,
    deadline: Deadline,
) -> Result<Findings, Trouble> {
    let parse = |body: &[u8]| metadata::task(body, id, Source::MetadataV2);
    let findings = patiently(client, &base.join("/metadata"), deadline, &parse)?;
    let (arn, own) = (findings.identity.get(Field::TaskArn), findings.identity.get(Field::ContainerId));
    match (arn, id) {
        (None, _) => Err(Trouble::Incomplete),
        (Some(_), Some(id)) if own == Some(id) => Ok(findings),
        (Some(_), _) => Err(Trouble::AnotherTask),
    }
}

impl Heard {
    fn add(&mut self, findings: Findings) {
        // Both answers are the same agent's, so a difference between them is no contradiction.
        let _ = self.findings.identity.merge(findings.identity);
        self.findings.rejected.extend(findings.rejected);
        self.findings.containers.extend(findings.containers);
        self.findings.network_mode = self.findings.network_mode.take().or(findings.network_mode);
    }
}

/// Makes values of a body.
pub type Parse<'a> = dyn Fn(&[u8]) -> Result<Findings, NotMetadata> + 'a;

/// Sends one request.
///
/// # Errors
/// [`Trouble`]
pub fn once(client: &Client, url: &str, deadline: Deadline, parse: &Parse) -> Result<Findings, Trouble> {
    parse(&body(client, url, deadline)?).map_err(Trouble::Nonsense)
}

/// The body of the answer to one request.
///
/// # Errors
/// [`Trouble`]
pub fn body(client: &Client, url: &str, deadline: Deadline) -> Result<Vec<u8>, Trouble> {
    client.get(url, deadline).map_err(Trouble::Failed)
}

/// Repeats the request while its failure is transient and the deadline has not passed.
///
/// A 404 is repeated once: the agent registers a container before it starts it, so it means an unknown
/// container, but for an instant after the agent's own restart.
fn patiently(client: &Client, url: &str, deadline: Deadline, parse: &Parse) -> Result<Findings, Trouble> {
    let mut pause = FIRST_PAUSE;
    let mut not_found = 0;
    loop {
        let trouble = match once(client, url, deadline, parse) {
            Ok(findings) => return Ok(findings),
            Err(trouble) => trouble,
        };
        let again = match &trouble {
            Trouble::Failed(Failure::TimedOut) => false,
            Trouble::Failed(Failure::Status(404)) => {
                not_found += 1;
                not_found == 1
            }
            Trouble::Failed(failure) => failure.is_transient(),
            Trouble::Nonsense(_) | Trouble::Incomplete | Trouble::AnotherTask => false,
        };
        if !again || !deadline.sleep(pause) {
            return Err(trouble);
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
