//! The sources that have to be asked, in their order, and what all sources add up to.

use super::conflict;
use super::http::{BaseUrl, Client};
use super::local::{Local, told_of_another};
use super::metadata::Findings;
use super::search::{INTROSPECTION, LONGEST_GUESS, Outcome, Search};
use super::start::settle;
use super::{Conflict, Deadline, Field, Source, System, ask, file, instance};

/// Asks who this container is, beyond what is known of `local`; at the latest at `deadline` it is done.
///
/// Where ECS is not evident it asks nobody, unless the user named an introspection API. A deadline that has
/// passed already asks nobody either and is no reason for a warning: the user chose not to wait.
///
/// Each call is one attempt with its own deadline and its own connection. For another one later, when
/// [`Outcome::try_again`] allows for it, call [`local`](super::local()) again too: the metadata file may be
/// complete by then.
pub fn resolve(system: &System, local: Local, deadline: Deadline) -> Outcome {
    let Local { identity, ecs_is_evident, warnings, unfinished_file, kernel } = local;
    let outcome = Outcome { identity, warnings, ..Outcome::default() };
    let mut search = Search::new(system, deadline, outcome, kernel);
    search.may_change = unfinished_file.is_some();
    let named = system.variable(INTROSPECTION);
    let named = named.filter(|value| value != "off").is_some();
    if !ecs_is_evident && !named {
        search.outcome.complete = true;
        return search.outcome;
    }
    if deadline.has_passed() {
        settle(&mut search.outcome.identity, system.own_start());
        search.outcome.try_again = true;
        return search.outcome;
    }
    if ecs_is_evident {
        metadata_endpoint(&mut search);
    }
    if let Some(path) = unfinished_file
        && !search.is_sufficient()
        && let Some(findings) = file::wait_until_ready(&path, deadline.at_most(deadline.left() / 2))
    {
        search.may_change = false;
        search.take(findings, Source::MetadataFile);
    }
    if !search.is_sufficient() && !deadline.has_passed() {
        instance::introspection(&mut search);
    } else {
        instance::instance(&mut search);
    }
    search.finish()
}

const V4: &str = "ECS_CONTAINER_METADATA_URI_V4";
const V3: &str = "ECS_CONTAINER_METADATA_URI";

/// Versions 4 and 3, which have a URL for this container, else version 2.
fn metadata_endpoint(search: &mut Search) {
    let mut has_url = false;
    let mut unknown: Option<String> = None;
    for (variable, source) in [(V4, Source::MetadataV4), (V3, Source::MetadataV3)] {
        let Some(url) = search.system.variable(variable) else { continue };
        has_url = true;
        let base = match BaseUrl::parse(&url) {
            Ok(base) => base,
            Err(bad) => {
                search.bad_url(variable, &bad);
                continue;
            }
        };
        // The agent looks the ID in the URL up in the same place for both.
        if unknown.as_deref().is_some_and(|id| id == endpoint_id(&base)) {
            continue;
        }
        let id = search.id();
        let client = search.client.get_or_insert_with(Client::new);
        let heard = ask::task_metadata(client, &base, source, id.as_deref(), search.deadline);
        if let Some(conflict) = hear(search, heard.findings, source) {
            // All versions are the same agent's and speak of the same container.
            search.is_refused = true;
            search.troubles.clear();
            search.failed(base.to_string(), told_of_another(&conflict));
            return;
        }
        let Some(trouble) = heard.trouble else {
            // What the other version's URL was wrong with does not matter any more.
            search.troubles.clear();
            return;
        };
        // It is the same agent behind both: one that cannot be reached need not be asked again.
        search.trouble(&base, &trouble, false);
        if trouble.is_unreachable() || search.is_sufficient() {
            return;
        }
        unknown = trouble.is_unknown().then(|| endpoint_id(&base));
    }
    if !has_url && !search.is_sufficient() {
        metadata_v2(search);
    }
}

/// Takes what the endpoint told, and holds the mounts against it where they are the only other witness.
fn hear(search: &mut Search, findings: Findings, source: Source) -> Option<Conflict> {
    let witness = conflict::with_mounts(&search.outcome.identity, &findings.identity, &findings.containers);
    let network_mode = findings.network_mode.clone();
    if let Some(conflict) = search.take(findings, source) {
        return Some(conflict);
    }
    search.network_mode = search.network_mode.take().or(network_mode);
    search.heard_endpoint |= search.outcome.identity.get(Field::TaskArn).is_some();
    if let Some(witness) = witness {
        search.outcome.warnings.push(format!(
            "the mounts are those of container {}, which the task that {} tells does not hold: is its URL \
             another container's? What it tells is used",
            witness.container_id.as_deref().unwrap_or_default(),
            source.name()
        ));
        search.outcome.identity.conflict.get_or_insert(witness);
    }
    None
}

/// Old platforms name no URL. There may as well be nobody at the address, so it gets a part of the time.
fn metadata_v2(search: &mut Search) {
    let Ok(base) = BaseUrl::parse(search.system.metadata_v2()) else { return };
    let id = search.id();
    let deadline = search.deadline.at_most((search.deadline.left() / 3).min(LONGEST_GUESS));
    let client = search.client.get_or_insert_with(Client::new);
    match ask::task_v2(client, &base, id.as_deref(), deadline) {
        Ok(findings) => drop(hear(search, findings, Source::MetadataV2)),
        Err(trouble) => search.trouble(&base, &trouble, true),
    }
}

/// The base of the newest version of the endpoint whose variable holds a URL that may be asked.
pub(super) fn endpoint(system: &System) -> Option<(BaseUrl, Source)> {
    let versions = [(V4, Source::MetadataV4), (V3, Source::MetadataV3)];
    versions
        .into_iter()
        .find_map(|(variable, source)| Some((BaseUrl::parse(&system.variable(variable)?).ok()?, source)))
}

/// The last part of the endpoint's URL: the agent's ID for the container.
fn endpoint_id(base: &BaseUrl) -> String {
    base.to_string().rsplit('/').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::local;
    use super::*;
    use std::fs;
    use std::time::Duration;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn tree(cgroup: &str) -> tempfile::TempDir {
        let tree = tempfile::tempdir().expect("a directory");
        fs::create_dir_all(tree.path().join("proc/self")).expect("a directory");
        fs::write(tree.path().join("proc/self/cgroup"), cgroup).expect("a file");
        tree
    }

    fn a_second() -> Deadline {
        Deadline::after(Duration::from_secs(1))
    }

    #[test]
    fn outside_ecs_nobody_is_asked() {
        let tree = tree(&format!("0::/system.slice/docker-{ID}.scope\n"));
        let system = System::given(tree.path(), [("AWS_EXECUTION_ENV", "AWS_Lambda_rust")]);
        let local = local(&system);
        assert!(!local.ecs_is_evident);
        assert_eq!(local.identity.get(Field::ContainerId), Some(ID));
        let outcome = resolve(&system, local, a_second());
        assert!(outcome.complete && !outcome.try_again);
        assert_eq!(outcome.warnings, [""; 0]);
    }

    #[test]
    fn each_sign_of_ecs_is_enough() {
        let plain = tree("0::/\n");
        for sign in [
            ("ECS_CONTAINER_METADATA_URI_V4", "http://127.0.0.1:1/"),
            ("ECS_CONTAINER_METADATA_URI", "http://127.0.0.1:1/"),
            ("ECS_CONTAINER_METADATA_FILE", "/x"),
            ("AWS_EXECUTION_ENV", "AWS_ECS_FARGATE"),
            ("ECS_AGENT_URI", "http://127.0.0.1:1/"),
        ] {
            assert!(local(&System::given(plain.path(), [sign])).ecs_is_evident, "{sign:?}");
        }
        assert!(!local(&System::given(plain.path(), [])).ecs_is_evident);
        let ecs = tree(&format!("4:memory:/ecs/fedcba9876543210fedcba9876543210/{ID}\n"));
        assert!(local(&System::given(ecs.path(), [])).ecs_is_evident);
    }

    #[test]
    fn a_budget_of_zero_asks_nobody_and_says_nothing() {
        let tree = tree("0::/\n");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        let url = format!("http://{}/v4/x", listener.local_addr().expect("an address"));
        let system = System::given(tree.path(), [("ECS_CONTAINER_METADATA_URI_V4", url.as_str())]);
        let outcome = resolve(&system, local(&system), Deadline::after(Duration::ZERO));
        assert!(outcome.try_again && !outcome.complete);
        assert_eq!(outcome.warnings, [""; 0]);
        assert!(listener.accept().is_err());
    }

    #[test]
    fn a_url_that_is_not_asked_is_one_warning_and_final() {
        let tree = tree("0::/\n");
        for url in ["https://169.254.170.2/v4/x", "http://metadata/v4/x", "http://a@169.254.170.2/"] {
            let system = System::given(tree.path(), [("ECS_CONTAINER_METADATA_URI_V4", url)]);
            let outcome = resolve(&system, local(&system), a_second());
            assert!(!outcome.try_again && !outcome.complete);
            assert_eq!(outcome.warnings.len(), 1);
            assert!(outcome.warnings[0].contains(url), "{:?}", outcome.warnings);
        }
    }
}
