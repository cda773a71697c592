//! Resolving against an endpoint that answers, fails and attacks: what comes of it, how long it takes, how much
//! memory it costs, and what the user is told.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs)]

#[path = "support/endpoint/mod.rs"]
mod endpoint;

use endpoint::{Endpoint, Fault, Rule, Task};
use epitaph::identity::{Deadline, Field, Identity, Outcome, Source, System, local, resolve};
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const BUDGET: Duration = Duration::from_millis(400);
/// What a busy machine may add.
const GRACE: Duration = Duration::from_millis(600);

const V4: &str = "ECS_CONTAINER_METADATA_URI_V4";
const V3: &str = "ECS_CONTAINER_METADATA_URI";
const FILE: &str = "ECS_CONTAINER_METADATA_FILE";
const INTROSPECTION: &str = "EPITAPH_INTROSPECTION";
const EXECUTION: (&str, &str) = ("AWS_EXECUTION_ENV", "AWS_ECS_EC2");

/// A root with these files in it.
fn tree(files: &[(&str, &str)]) -> TempDir {
    let tree = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = tree.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    tree
}

/// Resolves with nobody at the addresses that are tried on the mere likelihood of an answer.
fn ask(root: &Path, variables: &[(&str, &str)]) -> (Outcome, Duration) {
    let nobody = format!("http://{}", endpoint::closed_port());
    let system = System::given(root, variables.iter().copied()).asking(&nobody, &[nobody.as_str()]);
    let began = Instant::now();
    let outcome = resolve(&system, local(&system), Deadline::after(BUDGET));
    (outcome, began.elapsed())
}

fn get(identity: &Identity, field: Field) -> Option<(&str, Source)> {
    Some((identity.get(field)?, identity.source(field)?))
}

fn subject_id(endpoint: &Endpoint) -> String {
    endpoint.task().subject().unwrap().docker_id.clone()
}

#[test]
fn all_is_well_with_two_requests_on_one_connection() {
    for task in [Task::default(), Task::ec2_bridge(), Task::fargate()] {
        let endpoint = Endpoint::start(task.clone());
        let root = tree(&[]);
        let (outcome, _) = ask(root.path(), &[(V4, &endpoint.uri_v4())]);
        assert!(outcome.complete && !outcome.try_again);
        assert_eq!(outcome.warnings, [""; 0]);
        let path = endpoint.uri_v4().split_once("/v4").unwrap().1.to_owned();
        assert_eq!(endpoint.requests(), [format!("GET /v4{path}"), format!("GET /v4{path}/task")]);
        assert_eq!(endpoint.connections(), 1);

        let identity = &outcome.identity;
        let subject = task.subject().unwrap();
        let v4 = |value: &str| Some((value.to_owned(), Source::MetadataV4));
        let known = |field| get(identity, field).map(|(value, source)| (value.to_owned(), source));
        assert_eq!(known(Field::ContainerId), v4(&subject.docker_id));
        assert_eq!(known(Field::ContainerName), v4(&subject.name));
        assert_eq!(known(Field::DockerName), v4(&subject.docker_name));
        assert_eq!(known(Field::ContainerArn), v4(subject.arn.as_deref().unwrap()));
        assert_eq!(known(Field::TaskArn), v4(&task.arn));
        assert_eq!(known(Field::TaskId), v4(task.arn.rsplit('/').next().unwrap()));
        assert_eq!(known(Field::Cluster), v4("default"));
        assert_eq!(known(Field::Family), v4("shop-web"));
        assert_eq!(known(Field::Revision), v4("26"));
        assert_eq!(known(Field::Service), v4("shop"));
        assert_eq!(known(Field::LaunchType), v4(&task.launch_type));
        assert_eq!(known(Field::Region), v4("eu-central-1"));
        assert_eq!(known(Field::Ip), v4(&subject.ip));
        assert_eq!(known(Field::LogGroup), v4("/ecs/shop"));
        assert_eq!(identity.task_memory_limit, Some(512 * 1024 * 1024));
        let has_pause = task.containers.iter().any(endpoint::Container::is_pause);
        assert_eq!(identity.get(Field::NetworkWaitMs), has_pause.then_some("2216"));
    }
}

/// What is known in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// everything
    All,
    /// the task and the container, but not everything
    Enough,
    /// the task, but no ID
    Task,
    Nothing,
}

struct Case {
    rules: Vec<Rule>,
    known: Known,
    try_again: bool,
    requests: std::ops::RangeInclusive<usize>,
}

fn cases() -> Vec<Case> {
    let case = |fault: Fault, known, try_again, requests| Case {
        rules: vec![fault.into()],
        known,
        try_again,
        requests,
    };
    let rule =
        |rule: Rule, known, try_again, requests| Case { rules: vec![rule], known, try_again, requests };
    let late = Duration::from_millis(50);
    let mut cases = vec![
        case(Fault::Refuse, Known::Nothing, true, 0..=0),
        case(Fault::ResetOnAccept, Known::Nothing, true, 0..=0),
        // Between the repetitions are 20, 40, 80, 160 and 200 ms.
        case(Fault::Reset, Known::Nothing, true, 2..=6),
        case(Fault::ResetInBody, Known::Nothing, true, 2..=6),
        case(Fault::Truncated, Known::Nothing, true, 2..=6),
        case(Fault::Status(429), Known::Nothing, true, 2..=12),
        case(Fault::Status(500), Known::Nothing, true, 2..=12),
        case(Fault::Silent, Known::Nothing, true, 1..=1),
        case(Fault::SlowDrip(late), Known::Nothing, true, 1..=1),
        case(Fault::LateBy(late), Known::All, false, 2..=2),
        case(Fault::NotYet(1), Known::All, false, 3..=3),
        // An unknown container: each of the two is asked twice.
        case(Fault::Status(404), Known::Nothing, true, 4..=4),
        rule(Fault::Status(429).first(2), Known::All, false, 4..=4),
        rule(Fault::Reset.first(1), Known::All, false, 3..=3),
        // Who we are is known, so the program does not wait for more.
        rule(Fault::Status(500).on("/task"), Known::Enough, true, 2..=2),
        rule(Fault::Html.on("/task"), Known::Enough, false, 2..=2),
        case(Fault::PauseFirst, Known::All, false, 2..=2),
        case(Fault::OnlyPause, Known::Task, true, 2..=2),
        case(Fault::EmptyDockerId, Known::Task, true, 2..=2),
        case(Fault::NullFields, Known::Nothing, true, 2..=2),
    ];
    for fault in [
        Fault::Redirect("/elsewhere".into()),
        Fault::EndlessBody,
        Fault::EndlessHeaders,
        Fault::BadStatusLine,
        Fault::HugeChunk,
        Fault::BadChunk,
        Fault::Html,
        Fault::NotAnObject,
        Fault::InvalidUtf8,
    ] {
        cases.push(case(fault, Known::Nothing, false, 1..=2));
    }
    // JSON objects that tell nothing: what is nested too deep is passed over like any field of the wrong type.
    for fault in [Fault::DeepNesting, Fault::WrongTypes, Fault::NewlineInValues, Fault::HugeStrings] {
        cases.push(case(fault, Known::Nothing, true, 2..=2));
    }
    cases
}

#[test]
fn whatever_the_endpoint_does_time_is_bounded_and_one_line_tells_of_it() {
    for case in cases() {
        let name = format!("{:?}", case.rules);
        let endpoint = Endpoint::start(Task::default());
        let uri = endpoint.uri_v4();
        endpoint.set_rules(case.rules);
        let root = tree(&[]);
        let (outcome, took) = ask(root.path(), &[(V4, &uri)]);

        let identity = &outcome.identity;
        let known = match (identity.get(Field::TaskArn), identity.get(Field::ContainerId)) {
            (Some(_), Some(_)) if outcome.complete => Known::All,
            (Some(_), Some(_)) => Known::Enough,
            (Some(_), None) => Known::Task,
            _ => Known::Nothing,
        };
        assert_eq!(
            (known, outcome.try_again),
            (case.known, case.try_again),
            "{name}: {:?}",
            outcome.warnings
        );
        assert!(took < BUDGET + GRACE, "{name} took {took:?}");
        assert!(case.requests.contains(&endpoint.requests().len()), "{name}: {:?}", endpoint.requests());
        assert_eq!(
            outcome.warnings.len(),
            usize::from(case.known != Known::All),
            "{name}: {:?}",
            outcome.warnings
        );
        for warning in &outcome.warnings {
            assert!(!warning.contains(char::is_control) && warning.len() < 1000, "{name}: {warning}");
            assert!(warning.contains(&uri), "{name}: {warning}");
        }
        for (field, value) in identity.iter() {
            assert!(!value.contains(char::is_control) && value.len() <= 512, "{name}: {}", field.name());
        }
        let arn = identity.get(Field::TaskArn);
        assert!(arn.is_none_or(|arn| arn == endpoint.task().arn), "{name}: {arn:?}");
        let id = identity.get(Field::ContainerId);
        assert!(id.is_none_or(|id| id == subject_id(&endpoint)), "{name}: {id:?}");
    }
}

/// The child of the test below: resolves, and tells how much memory that took.
#[test]
fn child_that_resolves() {
    let Ok(uri) = std::env::var("RESOLVE_IN_CHILD") else { return };
    let root = tree(&[]);
    // 5 resets the peak, see proc_pid_clear_refs(5).
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let (outcome, _) = ask(root.path(), &[(V4, &uri)]);
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    println!("\npeak {} warnings {}", peak.trim().split(' ').next().unwrap(), outcome.warnings.len());
}

#[test]
fn whatever_the_endpoint_does_memory_is_bounded() {
    let peak = |rules: Vec<Rule>| -> u64 {
        let endpoint = Endpoint::start(Task::default());
        let uri = endpoint.uri_v4();
        endpoint.set_rules(rules);
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_that_resolves", "--nocapture", "--test-threads=1"])
            .env("RESOLVE_IN_CHILD", uri)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&child.stdout).into_owned();
        let line = text.lines().find_map(|line| line.strip_prefix("peak ")).expect("what the child tells");
        line.split(' ').next().unwrap().parse().unwrap()
    };
    // The test program itself takes a part, which is what it takes when nobody listens.
    let least = peak(vec![Fault::Refuse.into()]);
    for case in cases() {
        let name = format!("{:?}", case.rules);
        let more = peak(case.rules).saturating_sub(least);
        // 256 KiB of body at most, read into a buffer that doubles.
        assert!(more < 1536, "{name} took {more} KB more than {least} KB");
    }
}

#[test]
fn proxies_in_the_environment_are_not_asked() {
    if std::env::var_os("http_proxy").is_none() {
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "proxies_in_the_environment_are_not_asked"])
            .envs(
                ["http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"]
                    .map(|name| (name, "http://127.0.0.1:9")),
            )
            .status()
            .unwrap();
        assert!(status.success());
        return;
    }
    let endpoint = Endpoint::start(Task::default());
    let (outcome, _) = ask(tree(&[]).path(), &[(V4, &endpoint.uri_v4())]);
    assert!(outcome.complete, "{:?}", outcome.warnings);
}

#[test]
fn the_cgroup_helps_where_the_endpoint_has_no_id_and_must_agree_where_it_has() {
    let endpoint = Endpoint::start(Task::default());
    let id = subject_id(&endpoint);
    let own =
        tree(&[("proc/self/cgroup", &format!("4:memory:/ecs/9d4f1c7ab2e84c0f8a35d6e17b20c493/{id}\n"))]);
    endpoint.set_fault(Some(Fault::EmptyDockerId));
    let (outcome, _) = ask(own.path(), &[(V4, &endpoint.uri_v4())]);
    assert!(outcome.complete, "{:?}", outcome.warnings);
    assert_eq!(get(&outcome.identity, Field::ContainerId), Some((id.as_str(), Source::Cgroup)));

    // The variables of another container, inherited by a nested one, say.
    endpoint.set_fault(None);
    let other = "7".repeat(64);
    let nested = tree(&[("proc/self/cgroup", &format!("0::/docker/{id}/docker/{other}\n"))]);
    let (outcome, _) = ask(nested.path(), &[(V4, &endpoint.uri_v4())]);
    assert_eq!(get(&outcome.identity, Field::ContainerId), Some((id.as_str(), Source::MetadataV4)));
    assert_eq!(outcome.warnings.len(), 1);
    assert!(outcome.warnings[0].contains(&id) && outcome.warnings[0].contains(&other));
}

#[test]
fn a_container_that_shares_a_network_is_not_its_owner() {
    let endpoint = Endpoint::start(Task::default());
    let pause = endpoint.task().containers[0].docker_id.clone();
    let mount =
        format!("1 2 0:1 /var/lib/docker/containers/{pause}/hostname /etc/hostname rw - ext4 /dev/a rw\n");
    let root = tree(&[("proc/self/mountinfo", &mount), ("proc/self/cgroup", "0::/\n")]);
    let (outcome, _) = ask(root.path(), &[(V4, &endpoint.uri_v4())]);
    assert!(outcome.complete);
    assert_eq!(outcome.warnings, [""; 0]);
    let id = subject_id(&endpoint);
    assert_eq!(get(&outcome.identity, Field::ContainerId), Some((id.as_str(), Source::MetadataV4)));

    // Without an answer only the weak source is left, and its answer is marked.
    endpoint.set_fault(Some(Fault::Refuse));
    let (outcome, _) = ask(root.path(), &[(V4, &endpoint.uri_v4())]);
    assert!(!outcome.complete && outcome.try_again);
    assert_eq!(get(&outcome.identity, Field::ContainerId), Some((pause.as_str(), Source::Mountinfo)));
}

#[test]
fn version_3_where_there_is_no_version_4() {
    let endpoint = Endpoint::start(Task::default());
    for variables in [
        vec![(V3, endpoint.uri_v3())],
        vec![(V4, "https://169.254.170.2/v4/x".into()), (V3, endpoint.uri_v3())],
        vec![(V4, format!("http://{}/v4/unknown", endpoint.address())), (V3, endpoint.uri_v3())],
    ] {
        let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let (outcome, _) = ask(tree(&[]).path(), &variables);
        assert!(outcome.complete, "{:?}", outcome.warnings);
        assert_eq!(outcome.warnings, [""; 0]);
        let id = subject_id(&endpoint);
        assert_eq!(get(&outcome.identity, Field::ContainerId), Some((id.as_str(), Source::MetadataV3)));
    }
}

#[test]
fn version_2_where_no_variable_names_an_endpoint() {
    let endpoint = Endpoint::start(Task::default());
    let id = subject_id(&endpoint);
    let root = tree(&[("proc/self/cpuset", &format!("/ecs/9d4f1c7ab2e84c0f8a35d6e17b20c493/{id}\n"))]);
    let system = System::given(root.path(), [EXECUTION]).asking(&endpoint.url_v2(), &[]);
    let outcome = resolve(&system, local(&system), Deadline::after(BUDGET));
    assert!(outcome.complete, "{:?}", outcome.warnings);
    let arn = endpoint.task().arn;
    assert_eq!(get(&outcome.identity, Field::TaskArn), Some((arn.as_str(), Source::MetadataV2)));
    assert_eq!(outcome.identity.get(Field::ContainerName), Some("server"));
    assert_eq!(endpoint.requests(), ["GET /v2/metadata"]);

    // Without the ID nobody can tell which of the task's containers this is.
    let system = System::given(tree(&[]).path(), [EXECUTION]).asking(&endpoint.url_v2(), &[]);
    let outcome = resolve(&system, local(&system), Deadline::after(BUDGET));
    assert_eq!(outcome.identity.get(Field::ContainerId), None);
    assert_eq!(outcome.identity.get(Field::TaskArn), Some(arn.as_str()));
    assert_eq!(outcome.warnings.len(), 1);
}

fn metadata_file(endpoint: &Endpoint, rest: &str) -> String {
    let task = endpoint.task();
    format!(
        r#"{{"Cluster":"default","ContainerInstanceARN":"{}","TaskARN":"{}","ContainerName":"server"{rest}}}"#,
        task.instance_arn.unwrap(),
        task.arn
    )
}

#[test]
fn the_metadata_file_is_waited_for_and_followed() {
    let endpoint = Endpoint::start(Task::default());
    let id = subject_id(&endpoint);
    let root = tree(&[("opt/ecs/file", &metadata_file(&endpoint, ""))]);
    let variables = [(FILE, "/opt/ecs/file")];

    // Not completed in time: what it has is used.
    let (outcome, took) = ask(root.path(), &variables);
    assert!(took < BUDGET + GRACE, "{took:?}");
    assert_eq!(outcome.identity.source(Field::TaskArn), Some(Source::MetadataFile));
    assert_eq!(outcome.identity.get(Field::ContainerId), None);
    assert!(outcome.try_again && !outcome.complete);
    assert_eq!(outcome.warnings.len(), 1, "{:?}", outcome.warnings);

    // Completed meanwhile.
    let (next, path) = (root.path().join("next"), root.path().join("opt/ecs/file"));
    let ready = format!(r#","ContainerID":"{id}","MetadataFileStatus":"READY""#);
    std::fs::write(&next, metadata_file(&endpoint, &ready)).unwrap();
    let system = System::given(root.path(), variables).asking("http://127.0.0.1:9/v2", &[]);
    let before = local(&system);
    std::fs::rename(next, path).unwrap();
    let outcome = resolve(&system, before, Deadline::after(Duration::from_secs(30)));
    assert!(outcome.complete, "{:?}", outcome.warnings);
    assert_eq!(get(&outcome.identity, Field::ContainerId), Some((id.as_str(), Source::MetadataFile)));

    // Complete from the beginning: nobody is asked.
    let (outcome, took) = ask(root.path(), &variables);
    assert!(outcome.complete);
    assert!(took < BUDGET, "{took:?}");
    assert_eq!(outcome.warnings, [""; 0]);
}

#[test]
fn introspection_finds_the_task_of_our_full_id_only() {
    let endpoint = Endpoint::start(Task::ec2_bridge());
    let id = subject_id(&endpoint);
    let url = endpoint.introspection_url();
    let docker = |id: &str| tree(&[("proc/self/cgroup", &format!("4:memory:/docker/{id}\n"))]);

    // Named by the user, so asked although nothing else shows ECS.
    let (outcome, _) = ask(docker(&id).path(), &[(INTROSPECTION, &url)]);
    assert!(outcome.complete, "{:?}", outcome.warnings);
    let task = endpoint.task();
    assert_eq!(get(&outcome.identity, Field::TaskArn), Some((task.arn.as_str(), Source::Introspection)));
    assert_eq!(outcome.identity.get(Field::InstanceArn), task.instance_arn.as_deref());
    assert_eq!(outcome.identity.get(Field::DockerName), Some(task.subject().unwrap().docker_name.as_str()));
    assert_eq!(endpoint.requests(), [format!("GET /v1/tasks?dockerid={id}"), "GET /v1/metadata".into()]);

    // A container that the agent does not know, and one whose ID is not known.
    let (outcome, _) = ask(docker(&"7".repeat(64)).path(), &[(INTROSPECTION, &url)]);
    assert_eq!(outcome.identity.get(Field::TaskArn), None);
    assert_eq!(outcome.warnings.len(), 1, "{:?}", outcome.warnings);
    let before = endpoint.requests().len();
    let (outcome, _) = ask(tree(&[]).path(), &[(INTROSPECTION, &url)]);
    assert_eq!(outcome.identity.get(Field::TaskArn), None);
    assert_eq!(endpoint.requests().len(), before);

    // An ID that may be another container's is not asked for: its task would be another one's.
    let mount =
        format!("1 2 0:1 /var/lib/docker/containers/{id}/hostname /etc/hostname rw - ext4 /dev/a rw\n");
    let (outcome, _) = ask(tree(&[("proc/self/mountinfo", &mount)]).path(), &[(INTROSPECTION, &url)]);
    assert_eq!(get(&outcome.identity, Field::ContainerId), Some((id.as_str(), Source::Mountinfo)));
    assert_eq!(outcome.identity.get(Field::TaskArn), None);
    assert_eq!(endpoint.requests().len(), before);

    // The likely addresses, in their order, where ECS is evident; none of them when it is switched off.
    let silent = Endpoint::start(Task::ec2_bridge());
    silent.set_fault(Some(Fault::Silent));
    let nobody = format!("http://{}", endpoint::closed_port());
    let likely = [nobody.as_str(), &silent.introspection_url(), &url];
    let root = docker(&id);
    for (switch, known) in [("", true), ("off", false)] {
        let system =
            System::given(root.path(), [EXECUTION, (INTROSPECTION, switch)]).asking(&nobody, &likely);
        let outcome = resolve(&system, local(&system), Deadline::after(Duration::from_secs(2)));
        assert_eq!(outcome.identity.get(Field::TaskArn).is_some(), known);
        assert_eq!(outcome.complete, known, "{:?}", outcome.warnings);
    }
}
