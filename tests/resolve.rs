//! Resolving against an endpoint that answers, fails and attacks: what comes of it, how long it takes, how
//! much memory it costs, and what the user is told.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs)]

#[path = "support/endpoint/mod.rs"]
mod endpoint;
#[path = "support/records.rs"]
mod records;

use endpoint::{Endpoint, Fault, Rule, Task};
use epitaph::identity::{
    Deadline, Field, Identity, Outcome, Source, StopLook, StoppedBy, System, local, look_again, resolve,
    stopped_by,
};
use epitaph::launch::{look_again as look_again_in_helper, look_at_stop};
use epitaph::record::{Formats, Frames, RenderedIdentity};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};
use tempfile::TempDir;

const BUDGET: Duration = Duration::from_millis(400);
/// What a busy machine may add.
const GRACE: Duration = Duration::from_secs(3);

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
        // An unknown container is not known in the other document either; an instant after the agent's
        // restart it is.
        case(Fault::Status(404), Known::Nothing, true, 2..=2),
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
    // JSON objects that tell nothing: what is nested too deep is passed over like any field of the wrong
    // type.
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
            assert!(!value.contains(char::is_control) && value.len() <= 1024, "{name}: {}", field.name());
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

    // A container within the task's: the task is right, and the innermost ID.
    endpoint.set_fault(None);
    let other = "7".repeat(64);
    let nested = tree(&[("proc/self/cgroup", &format!("0::/docker/{id}/docker/{other}\n"))]);
    let (outcome, _) = ask(nested.path(), &[(V4, &endpoint.uri_v4())]);
    assert_eq!(get(&outcome.identity, Field::ContainerId), Some((other.as_str(), Source::Cgroup)));
    assert_eq!(outcome.identity.get(Field::TaskArn), Some(endpoint.task().arn.as_str()));
    assert_eq!(outcome.identity.get(Field::StartedAt), None, "that of the container around it");
    assert!(outcome.complete && !outcome.look_again && outcome.identity.conflict.is_none());
    assert_eq!(outcome.warnings, [""; 0]);
}

#[test]
fn an_endpoint_of_another_container_is_not_believed() {
    let endpoint = Endpoint::start(Task::default());
    let (theirs, ours) = (subject_id(&endpoint), "7".repeat(64));
    let arn = endpoint.task().arn;
    let task = "00000000000000000000000000000000";
    for (text, fault, id) in [
        (format!("4:memory:/docker/{ours}\n"), None, Some(theirs.as_str())),
        (format!("4:memory:/ecs/{task}/{ours}\n"), None, Some(theirs.as_str())),
        // It names no container, but a task that the kernel knows better.
        (format!("4:memory:/ecs/{task}/{ours}\n"), Some(Fault::EmptyDockerId), None),
    ] {
        endpoint.set_fault(fault);
        for (variable, uri) in [(V4, endpoint.uri_v4()), (V3, endpoint.uri_v3())] {
            let root = tree(&[("proc/self/cgroup", &text)]);
            let (outcome, _) = ask(root.path(), &[(variable, &uri)]);
            let identity = &outcome.identity;
            assert_eq!(get(identity, Field::ContainerId), Some((ours.as_str(), Source::Cgroup)));
            for field in [Field::TaskArn, Field::Image, Field::ContainerName, Field::Ip, Field::StartedAt] {
                assert_eq!(identity.get(field), None, "{}", field.name());
            }
            let conflict = identity.conflict.as_ref().expect("what the endpoint said");
            assert_eq!(
                (conflict.container_id.as_deref(), conflict.task_arn.as_deref()),
                (id, Some(arn.as_str()))
            );
            assert_eq!(conflict.source, if variable == V4 { Source::MetadataV4 } else { Source::MetadataV3 });
            assert!(!outcome.complete && !outcome.try_again);
            assert_eq!(outcome.warnings.len(), 1, "{:?}", outcome.warnings);
            assert!(outcome.warnings[0].contains(&arn), "{:?}", outcome.warnings);
        }
    }
    // A metadata file that was copied.
    endpoint.set_fault(None);
    let file =
        metadata_file(&endpoint, &format!(r#","ContainerID":"{theirs}","MetadataFileStatus":"READY""#));
    let root = tree(&[("proc/self/cgroup", &format!("0::/docker/{ours}\n")), ("file", &file)]);
    let outcome = local(&System::given(root.path(), [(FILE, "/file")]));
    assert_eq!(outcome.identity.get(Field::TaskArn), None);
    assert_eq!(outcome.identity.conflict.map(|conflict| conflict.source), Some(Source::MetadataFile));
    assert_eq!(outcome.warnings.len(), 1, "{:?}", outcome.warnings);
}

#[test]
fn mounts_of_a_stranger_are_told_where_the_kernel_shows_no_id() {
    let endpoint = Endpoint::start(Task::default());
    let stranger = "7".repeat(64);
    let mount =
        format!("1 2 0:1 /var/lib/docker/containers/{stranger}/hostname /etc/hostname rw - ext4 /dev/a rw\n");
    let root = tree(&[("proc/self/mountinfo", &mount), ("proc/self/cgroup", "0::/\n")]);
    let (outcome, _) = ask(root.path(), &[(V4, &endpoint.uri_v4())]);
    let id = subject_id(&endpoint);
    assert_eq!(get(&outcome.identity, Field::ContainerId), Some((id.as_str(), Source::MetadataV4)));
    let conflict = outcome.identity.conflict.as_ref().expect("what the mounts say");
    assert_eq!(
        (conflict.container_id.as_deref(), conflict.source),
        (Some(stranger.as_str()), Source::Mountinfo)
    );
    assert_eq!(outcome.warnings.len(), 1, "{:?}", outcome.warnings);
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
fn an_unknown_endpoint_id_is_known_to_neither_version() {
    let endpoint = Endpoint::start(Task::default());
    let base = format!("http://{}", endpoint.address());
    let (v4, v3) = (format!("{base}/v4/unknown"), format!("{base}/v3/unknown"));
    let (outcome, took) = ask(tree(&[]).path(), &[(V4, &v4), (V3, &v3)]);
    assert_eq!(endpoint.requests(), ["GET /v4/unknown", "GET /v4/unknown"]);
    assert!(outcome.try_again && !outcome.complete, "an agent that has just restarted knows it in a moment");
    assert_eq!(outcome.warnings.len(), 1, "{:?}", outcome.warnings);
    // The pause before the repetition is 20 ms.
    assert!(took < Duration::from_millis(300), "{took:?}");
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
fn version_2_answers_by_an_address_that_others_may_share() {
    let endpoint = Endpoint::start(Task::default());
    let stranger = format!("/docker/{}\n", "7".repeat(64));
    for files in [vec![("proc/self/cpuset", stranger.as_str())], vec![("proc/self/cpuset", "/\n")]] {
        let root = tree(&files);
        let system = System::given(root.path(), [EXECUTION]).asking(&endpoint.url_v2(), &[]);
        let outcome = resolve(&system, local(&system), Deadline::after(BUDGET));
        assert_eq!(outcome.identity.get(Field::TaskArn), None);
        assert!(!outcome.complete && !outcome.try_again);
        assert_eq!(outcome.warnings.len(), 1);
        assert!(outcome.warnings[0].contains("does not hold this container"), "{:?}", outcome.warnings);
    }
}

/// Resolves as PID 1 that began at `began`.
fn ask_as_pid_1(endpoint: &Endpoint, began: SystemTime) -> Outcome {
    let root = tree(&[]);
    let uri = endpoint.uri_v4();
    let system = System::given(root.path(), [(V4, uri.as_str()), (INTROSPECTION, "off")]).begun(began, true);
    resolve(&system, local(&system), Deadline::after(BUDGET))
}

fn milliseconds(identity: &Identity, field: Field) -> Option<u64> {
    identity.get(field).map(|value| value.parse().unwrap())
}

#[test]
fn a_start_that_the_agent_does_not_know_of_yet() {
    for task in
        [Task::default(), Task::ec2_bridge(), Task::ec2_bridge_with_service_connect(), Task::fargate()]
    {
        let endpoint = Endpoint::start(task.just_created());
        let began = SystemTime::now();
        let outcome = ask_as_pid_1(&endpoint, began);
        assert!(outcome.complete && outcome.look_again, "{:?}", outcome.warnings);
        assert_eq!(outcome.warnings, [""; 0]);
        assert_eq!(endpoint.requests().len(), 2);
        let identity = &outcome.identity;
        let own = humantime::format_rfc3339_millis(began).to_string();
        assert_eq!(get(identity, Field::StartedAt), Some((own.as_str(), Source::Computed)));
        let task = endpoint.task();
        let has_pause = task.containers.iter().any(endpoint::Container::is_pause);
        let wait = milliseconds(identity, Field::NetworkWaitMs);
        assert_eq!(wait.is_some(), has_pause);
        assert!(wait.is_none_or(|wait| (2206..12_216).contains(&wait)), "{wait:?}");
        assert_eq!(
            identity.source(Field::NetworkWaitMs).is_some_and(|source| source == Source::Computed),
            has_pause
        );
        assert_eq!(milliseconds(identity, Field::PullMs), Some(1215));
        assert_eq!(identity.get(Field::FaultInjection), None);
        let is_plain_bridge = task.network_mode == "bridge" && !has_pause;
        assert_eq!(identity.get(Field::Ip).is_none(), is_plain_bridge);

        // A moment later it knows, and one request tells the rest.
        endpoint.start_subject();
        let root = tree(&[]);
        let uri = endpoint.uri_v4();
        let system = System::given(root.path(), [(V4, uri.as_str())]).begun(began, true);
        let subject = endpoint.task().subject().unwrap().clone();
        let later =
            look_again(&system, &subject.docker_id, None, Deadline::after(BUDGET)).expect("an answer");
        assert_eq!(endpoint.requests().len(), 3);
        let started = subject.started_at.as_deref().map(|time| (time, Source::MetadataV4));
        assert_eq!(get(&later, Field::StartedAt), started);
        assert!(later.get(Field::Ip).is_some());
        for (field, value) in identity.iter() {
            let is_the_same = later.get(field) == Some(value);
            assert!(is_the_same || field == Field::StartedAt, "{}: {value}", field.name());
        }
    }
}

#[test]
fn a_later_look_that_tells_nothing() {
    let endpoint = Endpoint::start(Task::default());
    let id = subject_id(&endpoint);
    let uri = endpoint.uri_v4();
    let look = |variables: &[(&str, &str)], id: &str, cgroup: &str| {
        let root = tree(&[("proc/self/cgroup", cgroup)]);
        let system = System::given(root.path(), variables.iter().copied());
        look_again(&system, id, None, Deadline::after(BUDGET)).is_some()
    };
    let v4 = [(V4, uri.as_str())];
    assert!(look(&v4, &id, "0::/\n"));
    assert!(!look(&[], &id, "0::/\n"), "no endpoint");
    assert!(!look(&v4, &"7".repeat(64), "0::/\n"), "a task without this container");
    for fault in [Fault::Silent, Fault::Status(500), Fault::Html, Fault::WrongTypes] {
        endpoint.set_fault(Some(fault.clone()));
        let before = endpoint.requests().len();
        assert!(!look(&v4, &id, "0::/\n"), "{fault:?}");
        assert_eq!(endpoint.requests().len(), before + 1, "{fault:?}: not repeated");
    }
}

#[test]
fn a_restart_has_its_own_start_and_no_wait() {
    let endpoint = Endpoint::start(Task::default().just_started());
    endpoint.start_subject();
    endpoint.start_subject();
    let began = SystemTime::now();
    let outcome = ask_as_pid_1(&endpoint, began);
    let own = humantime::format_rfc3339_millis(began).to_string();
    assert_eq!(get(&outcome.identity, Field::StartedAt), Some((own.as_str(), Source::Computed)));
    assert_eq!(milliseconds(&outcome.identity, Field::RestartCount), Some(2));
    assert_eq!(outcome.identity.get(Field::NetworkWaitMs), None);
    assert!(!outcome.look_again, "the agent knows no more of this start");
}

#[test]
fn service_connect_has_a_pause_container_for_each() {
    let endpoint = Endpoint::start(Task::ec2_bridge_with_service_connect());
    let root = tree(&[]);
    for _ in 0..4 {
        let (outcome, _) = ask(root.path(), &[(V4, &endpoint.uri_v4()), (INTROSPECTION, "off")]);
        assert_eq!(milliseconds(&outcome.identity, Field::NetworkWaitMs), Some(2216));
        assert_eq!(outcome.identity.get(Field::Ip), Some("172.17.0.6"));
        endpoint.update(|task| task.containers.rotate_left(1));
        endpoint.update(|task| {
            // The container under test stays the first of its type.
            let server = task.containers.iter().position(|one| one.name == "server").unwrap();
            let proxy =
                task.containers.iter().position(|one| one.kind == "NORMAL" && one.name != "server").unwrap();
            if proxy < server {
                task.containers.swap(proxy, server);
            }
        });
    }
    endpoint.update(|task| task.containers.retain(|one| one.name != format!("{}-server", endpoint::PAUSE)));
    let (outcome, _) = ask(root.path(), &[(V4, &endpoint.uri_v4()), (INTROSPECTION, "off")]);
    assert_eq!(outcome.identity.get(Field::NetworkWaitMs), None, "another container's network");
    assert_eq!(outcome.identity.get(Field::Ip), None);
}

#[test]
fn a_task_of_ipv6_alone_and_the_longest_names() {
    let mut task = Task { fault_injection: true, ..Task::default() };
    let subject = task.subject_mut().unwrap();
    (subject.ip, subject.ipv6) = (String::new(), Some("2600:1f13:494:e644::6".into()));
    subject.docker_name = format!("ecs-{}-26-{}-{}", "f".repeat(255), "c".repeat(255), "a".repeat(20));
    // What Go writes of a time that is not known.
    subject.created_at = Some("0001-01-01T00:00:00Z".into());
    let endpoint = Endpoint::start(task.clone());
    let (outcome, _) = ask(tree(&[]).path(), &[(V4, &endpoint.uri_v4())]);
    assert!(outcome.complete, "{:?}", outcome.warnings);
    assert_eq!(outcome.warnings, [""; 0]);
    assert_eq!(outcome.identity.get(Field::Ip), Some("2600:1f13:494:e644::6"));
    assert_eq!(outcome.identity.get(Field::DockerName), Some(task.subject().unwrap().docker_name.as_str()));
    assert_eq!(outcome.identity.get(Field::FaultInjection), Some("true"));
    assert_eq!(outcome.identity.get(Field::CreatedAt), None);
}

#[test]
fn the_instance_where_its_agent_answers_at_once() {
    for (task, asks) in [
        (Task::ec2_bridge(), true),
        (Task::ec2_bridge().just_created(), true),
        (Task { network_mode: "host".into(), ..Task::ec2_bridge() }, true),
        (Task::default(), false),
        (Task::fargate(), false),
    ] {
        let endpoint = Endpoint::start(task);
        let agent = Endpoint::start(Task::ec2_bridge());
        let root = tree(&[]);
        let uri = endpoint.uri_v4();
        let look = |switch: &str, url: &str| {
            let variables = [(V4, uri.as_str()), (INTROSPECTION, switch)];
            let system = System::given(root.path(), variables).asking("http://127.0.0.1:9/v2", &[url]);
            let outcome = resolve(&system, local(&system), Deadline::after(BUDGET));
            assert!(outcome.complete, "{:?}", outcome.warnings);
            assert_eq!(outcome.warnings, [""; 0]);
            get(&outcome.identity, Field::InstanceArn).map(|(value, source)| (value.to_owned(), source))
        };
        let arn = agent.task().instance_arn.map(|arn| (arn, Source::Introspection));
        assert_eq!(look("", &agent.introspection_url()), arn.filter(|_| asks));
        assert_eq!(agent.requests(), if asks { vec!["GET /v1/metadata"] } else { vec![] });
        assert_eq!(look("off", &agent.introspection_url()), None);
        // Nobody there, a firewall, and the agent of another cluster.
        assert_eq!(look("", &format!("http://{}", endpoint::closed_port())), None);
        agent.update(|task| task.cluster = "other".into());
        assert_eq!(look("", &agent.introspection_url()), None);
        agent.set_fault(Some(Fault::Silent));
        let began = Instant::now();
        assert_eq!(look("", &agent.introspection_url()), None);
        assert!(began.elapsed() < BUDGET, "{:?}", began.elapsed());
    }
}

#[test]
fn who_stopped_the_task() {
    let endpoint = Endpoint::start(Task::default().just_started());
    let id = subject_id(&endpoint);
    let uri = endpoint.uri_v4();
    let root = tree(&[]);
    let look = || {
        let system = System::given(root.path(), [(V4, uri.as_str())]);
        stopped_by(&system, &id, SystemTime::now(), Deadline::after(BUDGET))
    };
    let by = |look: &Option<StopLook>| look.as_ref().and_then(|look| look.stopped_by);
    let running = look().expect("an answer");
    assert_eq!((running.desired_status.as_deref(), running.stopped_by), (Some("RUNNING"), None));
    assert_eq!(endpoint.requests().len(), 1, "one request");

    endpoint.update(|task| task.desired_status = "STOPPED".into());
    assert_eq!(by(&look()), Some(StoppedBy::Ecs));
    endpoint.update(|task| {
        let since = Some("2026-01-15T09:31:00Z".into());
        let health = endpoint::Health {
            status: "UNHEALTHY".into(),
            since,
            exit_code: Some(1),
            output: Some("no\n\0".into()),
        };
        task.subject_mut().unwrap().health = Some(health);
    });
    let sick = look();
    assert_eq!(by(&sick), Some(StoppedBy::Health));
    assert_eq!(sick.unwrap().health.unwrap().output.as_deref(), Some("no\n\0"));
    endpoint.update(|task| {
        task.subject_mut().unwrap().health = None;
        let mut worker = endpoint::Container {
            endpoint_id: "ep-worker".into(),
            docker_id: "f4".repeat(32),
            name: "worker".into(),
            ..endpoint::Container::default()
        };
        worker.end(1, Duration::from_secs(2));
        task.containers.push(worker);
    });
    let sibling = look().expect("an answer");
    assert_eq!(sibling.stopped_by, Some(StoppedBy::Sibling));
    assert!(sibling.why.starts_with("Container worker of this task ended with 1, 2."), "{}", sibling.why);
    assert_eq!((sibling.ended.len(), sibling.ended[0].exit_code), (1, Some(1)));

    for fault in [Fault::Silent, Fault::Status(500), Fault::Html, Fault::WrongTypes, Fault::NullFields] {
        endpoint.set_fault(Some(fault));
        assert_eq!(look(), None);
    }
}

/// What a helper of PID 1 makes of the two looks: fields and frames that are ready for records.
#[test]
fn the_looks_are_ready_for_a_record() {
    let formats = Formats { json: true, text: true };
    let endpoint = Endpoint::start(Task::ec2_bridge().just_created());
    let agent = Endpoint::start(Task::ec2_bridge());
    let (uri, root) = (endpoint.uri_v4(), tree(&[]));
    let system = || {
        let system = System::given(root.path(), [(V4, uri.as_str())]);
        system
            .asking("http://127.0.0.1:9/v2", &[agent.introspection_url().as_str()])
            .begun(SystemTime::now(), true)
    };
    let outcome = resolve(&system(), local(&system()), Deadline::after(BUDGET));
    assert!(outcome.look_again && outcome.identity.get(Field::Ip).is_none());
    let before = RenderedIdentity::of(&outcome.identity, formats);

    endpoint.start_subject();
    let sent = look_again_in_helper(&system(), &before, formats).expect("an answer");
    let mut after = before.clone();
    for (frame, bytes) in Frames::default().push(&sent) {
        assert!(after.absorb(frame, bytes));
    }
    let subject = endpoint.task().subject().unwrap().clone();
    assert_eq!(after.plain(Field::StartedAt), subject.started_at.as_deref());
    assert_eq!(after.plain(Field::Ip), Some("172.17.0.2"));
    // No endpoint tells it, and it is not asked for again.
    assert_eq!(after.plain(Field::InstanceArn), agent.task().instance_arn.as_deref());
    assert_eq!((endpoint.requests().len(), agent.requests().len()), (3, 1));

    endpoint.update(|task| {
        task.desired_status = "STOPPED".into();
        let since = Some("2026-01-15T09:31:00Z".into());
        let output = Some("é\n\0\"".repeat(300));
        let health = endpoint::Health { status: "UNHEALTHY".into(), since, exit_code: Some(1), output };
        task.subject_mut().unwrap().health = Some(health);
        let mut worker = endpoint::Container { name: "worker".into(), ..endpoint::Container::default() };
        worker.docker_id = "f4".repeat(32);
        worker.end(137, Duration::from_secs(2));
        task.containers.push(worker);
    });
    let look = look_at_stop(&system(), &after, SystemTime::now()).expect("an answer");
    assert_eq!(look.stopped_by, None, "its end may have been a part of the stop");
    let mut record = serde_json::json!({
        "epitaph": "task", "schema": 1, "time": "2026-01-15T09:30:03.418Z", "run": "5b1e-2c9f4a", "pid": 2
    });
    for (key, value) in look.fields {
        record[key] = serde_json::to_value(value).unwrap();
    }
    let wrong: Vec<String> = records::schema().iter_errors(&record).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{record}: {wrong:#?}");
    assert_eq!(record["containers_ended"][0]["exit_code"], 137);
    assert!(record["why"].as_str().unwrap().starts_with("Container worker of this task ended with 137, 2."));
    assert!(record["health"]["output"].as_str().unwrap().len() <= 256);
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
