//! What the agent answers.

use serde_json::{Value, json};

use crate::client::{get, path_v3, path_v4};
use crate::endpoint::*;

fn task_id(task: &Task) -> String {
    task.arn.rsplit('/').next().unwrap().to_owned()
}

#[test]
fn v4_tells_the_container_by_its_url() {
    let endpoint = Endpoint::start(Task::default());
    let (task, reply) = (endpoint.task(), get(&endpoint, &path_v4(&endpoint)));
    assert_eq!((reply.status, reply.header("Content-Type")), (200, Some("application/json")));
    let container = reply.json();
    assert_eq!(container["DockerId"], task.subject().unwrap().docker_id);
    assert_eq!(container["Name"], "server");
    assert_eq!(container["Type"], "NORMAL");
    let labels = &container["Labels"];
    assert_eq!(labels["com.amazonaws.ecs.task-arn"], task.arn);
    assert_eq!(labels["com.amazonaws.ecs.cluster"], "default");
    assert_eq!(labels["com.amazonaws.ecs.container-name"], "server");
    assert_eq!(labels["com.amazonaws.ecs.task-definition-family"], "shop-web");
    assert_eq!(labels["com.amazonaws.ecs.task-definition-version"], "26");
    assert_eq!(container["Networks"][0]["IPv4Addresses"], json!(["10.0.2.100"]));
    assert_eq!(container["LogDriver"], "awslogs");
    let stream = container["LogOptions"]["awslogs-stream"].as_str().unwrap();
    assert!(stream.ends_with(&task_id(&task)), "{stream}");
    assert_eq!(container["Limits"]["Memory"], 128);
    for time in ["CreatedAt", "StartedAt"] {
        let (_, fraction) = container[time].as_str().unwrap().split_once('.').unwrap();
        assert_eq!(fraction.len(), "123456789Z".len(), "{time}");
    }
}

#[test]
fn v4_tells_the_task_with_the_pause_container_first() {
    let endpoint = Endpoint::start(Task::default());
    let task = get(&endpoint, &(path_v4(&endpoint) + "/task")).json();
    assert_eq!(task["TaskARN"], endpoint.task().arn);
    assert_eq!(task["Cluster"], "default");
    assert_eq!(task["Revision"], "26", "a string");
    assert_eq!(task["Limits"], json!({"CPU": 0.25, "Memory": 512}));
    assert_eq!(task["LaunchType"], "EC2");
    assert_eq!(task["AvailabilityZone"], "eu-central-1b");
    assert_eq!(task["ServiceName"], "shop");
    assert!(task["VPCID"].is_string());
    let containers = task["Containers"].as_array().unwrap();
    assert_eq!(containers.len(), 2);
    assert_eq!((&containers[0]["Name"], &containers[0]["Type"]), (&json!(PAUSE), &json!("CNI_PAUSE")));
    assert_eq!(containers[1], get(&endpoint, &path_v4(&endpoint)).json());
    let started = |index: usize| containers[index]["StartedAt"].as_str().unwrap();
    assert!(started(0) < started(1), "the pause container starts first");
}

#[test]
fn v3_lacks_what_came_with_v4() {
    let endpoint = Endpoint::start(Task::default());
    assert!(endpoint.uri_v3().ends_with(&path_v3(&endpoint)));
    let container = get(&endpoint, &path_v3(&endpoint)).json();
    let task = get(&endpoint, &(path_v3(&endpoint) + "/task")).json();
    assert_eq!(container["DockerId"], task["Containers"][1]["DockerId"]);
    assert_eq!(task["AvailabilityZone"], "eu-central-1b");
    for field in ["LogDriver", "LogOptions", "ContainerARN"] {
        assert_eq!(container.get(field), None);
    }
    for field in ["LaunchType", "ServiceName", "VPCID"] {
        assert_eq!(task.get(field), None);
    }
}

#[test]
fn v2_knows_the_task_by_the_source_address_in_awsvpc_mode_only() {
    let endpoint = Endpoint::start(Task::default());
    let arn = endpoint.task().arn;
    for path in ["/v2/metadata", "/v2/metadata/"] {
        assert_eq!(get(&endpoint, path).json()["TaskARN"], arn);
    }
    let id = endpoint.task().subject().unwrap().docker_id.clone();
    assert_eq!(get(&endpoint, &format!("/v2/metadata/{id}")).json()["Name"], "server");
    let unknown = get(&endpoint, "/v2/metadata/feedbeef");
    assert_eq!((unknown.status, unknown.json().is_string()), (400, true));
    endpoint.update(|task| *task = Task::ec2_bridge());
    let bridge = get(&endpoint, "/v2/metadata");
    assert_eq!((bridge.status, bridge.json().is_string()), (400, true));
    assert_eq!(get(&endpoint, &path_v4(&endpoint)).json()["Networks"][0]["NetworkMode"], "bridge");
}

#[test]
fn statistics_are_those_of_docker() {
    let endpoint = Endpoint::start(Task::default());
    let id = endpoint.task().subject().unwrap().docker_id.clone();
    for base in [path_v4(&endpoint), path_v3(&endpoint)] {
        let one = get(&endpoint, &(base.clone() + "/stats")).json();
        assert_eq!(one["memory_stats"]["limit"], 128 * 1024 * 1024);
        let all = get(&endpoint, &(base + "/task/stats")).json();
        assert_eq!(all.as_object().unwrap().len(), 2);
        assert_eq!(all[&id], one);
    }
    assert_eq!(get(&endpoint, "/v2/stats").json()[&id], get(&endpoint, &format!("/v2/stats/{id}")).json());
}

#[test]
fn an_unknown_id_is_404_in_v4_and_500_or_400_in_v3_with_a_bare_string() {
    let endpoint = Endpoint::start(Task::default());
    for (version, status, of_stats) in [("v4", 404, 404), ("v3", 500, 400)] {
        for (path, status) in
            [("", status), ("/task", status), ("/stats", of_stats), ("/task/stats", of_stats)]
        {
            let reply = get(&endpoint, &format!("/{version}/not-an-id{path}"));
            assert_eq!(reply.status, status);
            assert!(reply.json().is_string(), "{}", reply.text());
        }
    }
}

#[test]
fn a_slash_at_the_end_is_404_and_two_in_a_row_are_redirected() {
    let endpoint = Endpoint::start(Task::default());
    let base = path_v4(&endpoint);
    for path in [format!("{base}/"), format!("{base}/task/"), format!("{base}/nothing"), "/v4".to_owned()] {
        let reply = get(&endpoint, &path);
        assert_eq!((reply.status, reply.text()), (404, "404 page not found\n"), "{path}");
    }
    for (path, place) in [
        (format!("/{base}"), base.clone()),
        (format!("{base}//task"), format!("{base}/task")),
        (format!("{base}/x/../task"), format!("{base}/task")),
        ("/v1//tasks?dockerid=1".to_owned(), "/v1/tasks?dockerid=1".to_owned()),
    ] {
        let reply = get(&endpoint, &path);
        assert_eq!((reply.status, reply.header("Location")), (301, Some(place.as_str())), "{path}");
    }
}

#[test]
fn introspection_finds_a_task_by_a_short_or_a_whole_id() {
    let endpoint = Endpoint::start(Task::default());
    let mut neighbour = Task::ec2_bridge();
    neighbour.arn = neighbour.arn.replace("9d4f", "0000");
    neighbour.containers[0].docker_id = "c1a7".repeat(16);
    endpoint.update(|task| task.neighbours.push(neighbour.clone()));
    let task = endpoint.task();
    let (id, pause) = (&task.subject().unwrap().docker_id, &task.containers[0].docker_id);
    let ask = |query: &str| {
        let reply = get(&endpoint, &format!("/v1/tasks?{query}"));
        (reply.status, reply.json())
    };
    let by_id = |id: &str| ask(&format!("dockerid={id}"));

    let (status, found) = by_id(id);
    assert_eq!((status, &found["Arn"], &found["Version"]), (200, &json!(task.arn), &json!("26")));
    assert_eq!(found["Containers"].as_array().unwrap().len(), 1, "without the pause container");
    assert_eq!(found["Containers"][0]["DockerId"], *id);
    for short in [&id[..12], &id[..5]] {
        assert_eq!(by_id(short), (200, found.clone()));
    }
    // The pause container is found and yet not among the containers of the answer.
    assert_eq!(by_id(pause), (200, found.clone()));
    let nothing = json!({"Arn": "", "KnownStatus": "", "Family": "", "Version": "", "Containers": null});
    for unknown in [&id[..13], &id[..63], "feedbeef", &"0".repeat(64)] {
        assert_eq!(by_id(unknown), (404, nothing.clone()), "{unknown}");
    }
    for ambiguous in [&id[..4], ""] {
        assert_eq!(by_id(ambiguous), (400, nothing.clone()), "{ambiguous}");
    }
    let encoded = task.arn.replace(':', "%3A").replace('/', "%2f");
    assert_eq!(ask(&format!("taskarn={}", task.arn)), (200, found.clone()));
    assert_eq!(ask(&format!("taskarn={encoded}")), (200, found));
    assert_eq!(ask("taskarn=arn:aws:ecs:none"), (404, nothing.clone()));
    assert_eq!(ask(&format!("dockerid={id}&taskarn={}", task.arn)), (400, nothing));
    let (_, all) = ask("");
    let arns: Vec<&Value> = all["Tasks"].as_array().unwrap().iter().map(|task| &task["Arn"]).collect();
    assert_eq!(arns, [&json!(task.arn), &json!(neighbour.arn)]);
}

#[test]
fn introspection_tells_the_instance_and_answers_to_any_path() {
    let endpoint = Endpoint::start(Task::default());
    let agent = get(&endpoint, "/v1/metadata").json();
    assert_eq!(agent["Cluster"], "default");
    assert_eq!(agent["ContainerInstanceArn"], json!(endpoint.task().instance_arn));
    endpoint.update(|task| task.instance_arn = None);
    assert_eq!(get(&endpoint, "/v1/metadata").json()["ContainerInstanceArn"], Value::Null);
    for path in ["/", "/v1/nothing", "/v1/tasks/"] {
        let reply = get(&endpoint, path);
        assert_eq!(reply.status, 200);
        assert!(reply.json()["AvailableCommands"].is_array());
    }
}

#[test]
fn the_rate_limit_is_one_bucket_a_path() {
    let endpoint = Endpoint::start(Task::default());
    assert_eq!(RateLimit::default(), RateLimit { rate: 40.0, burst: 60.0 });
    endpoint.set_rate_limit(RateLimit { rate: 0.0, burst: 3.0 });
    let (container, task) = (path_v4(&endpoint), path_v4(&endpoint) + "/task");
    let statuses = |path: &str| [(); 4].map(|()| get(&endpoint, path).status);
    assert_eq!(statuses(&container), [200, 200, 200, 429]);
    assert_eq!(statuses(&task), [200, 200, 200, 429]);
    assert_eq!(statuses("/v1/metadata"), [200; 4], "introspection has no limit");
    let refused = get(&endpoint, &container);
    assert_eq!(refused.header("Content-Type"), Some("text/plain; charset=utf-8"));
    assert_eq!(refused.header("Retry-After"), None);
    assert!(serde_json::from_slice::<Value>(&refused.body).is_err(), "a text, not JSON");

    endpoint.set_rate_limit(RateLimit { rate: 1e6, burst: 1.0 });
    let refilled = (0..10).filter(|_| get(&endpoint, &container).status == 200).count();
    assert!(refilled > 1, "the bucket fills again, a token a microsecond");
}

#[test]
fn the_docker_id_can_come_late() {
    let endpoint = Endpoint::start(Task::default());
    let id = "f0".repeat(32);
    endpoint.set_docker_id(&id);
    assert_eq!(get(&endpoint, &path_v4(&endpoint)).json()["DockerId"], id);
    let task = get(&endpoint, &(path_v4(&endpoint) + "/task")).json();
    assert_eq!(task["Containers"][1]["DockerId"], id);
    assert_ne!(task["Containers"][0]["DockerId"], id);
    assert_eq!(get(&endpoint, &format!("/v1/tasks?dockerid={id}")).status, 200);
}

#[test]
fn fargate_has_a_cluster_arn_and_an_id_made_of_the_task_id() {
    let endpoint = Endpoint::start(Task::fargate());
    let task = get(&endpoint, &(path_v4(&endpoint) + "/task")).json();
    assert_eq!(task["LaunchType"], "FARGATE");
    assert!(task["Cluster"].as_str().unwrap().starts_with("arn:aws:ecs:"));
    assert!(task["ClockDrift"].is_object());
    let id = task["Containers"][0]["DockerId"].as_str().unwrap();
    let (first, digits) = id.split_once('-').unwrap();
    assert_eq!(first, task_id(&endpoint.task()));
    assert!(digits.bytes().all(|byte| byte.is_ascii_digit()));
}

#[test]
fn a_container_is_created_then_runs_then_has_ended() {
    for (task, has_network) in [(Task::default(), true), (Task::ec2_bridge(), false)] {
        let endpoint = Endpoint::start(task.just_created());
        let container = || get(&endpoint, &path_v4(&endpoint)).json();
        let created = container();
        assert_eq!(created["KnownStatus"], "CREATED");
        assert_eq!((created.get("StartedAt"), created.get("Networks").is_some()), (None, has_network));
        assert!(created["CreatedAt"].is_string());

        endpoint.start_subject();
        let first = container();
        assert_eq!(first["KnownStatus"], "RUNNING");
        assert!(first["StartedAt"].is_string() && first["Networks"].is_array());
        assert_eq!(first.get("RestartCount"), None);
        // Its restart policy starts it again.
        endpoint.start_subject();
        let again = container();
        assert_eq!((&again["StartedAt"], &again["RestartCount"]), (&first["StartedAt"], &json!(1)));

        endpoint.update(|task| {
            task.desired_status = "STOPPED".into();
            task.subject_mut().unwrap().end(3, std::time::Duration::from_secs(1));
        });
        let ended = container();
        assert_eq!((&ended["KnownStatus"], &ended["ExitCode"]), (&json!("STOPPED"), &json!(3)));
        assert!(ended["FinishedAt"].is_string());
        assert_eq!(get(&endpoint, &(path_v4(&endpoint) + "/task")).json()["DesiredStatus"], "STOPPED");
    }
}

#[test]
fn service_connect_in_bridge_mode_has_a_pause_container_for_each() {
    let endpoint = Endpoint::start(Task::ec2_bridge_with_service_connect());
    let task = get(&endpoint, &(path_v4(&endpoint) + "/task")).json();
    let containers = task["Containers"].as_array().unwrap();
    let pauses: Vec<&Value> =
        containers.iter().filter(|one| one["Type"] == "CNI_PAUSE").map(|one| &one["Name"]).collect();
    assert_eq!(
        pauses,
        [&json!("~internal~ecs~pause-ecs-service-connect-Ab1"), &json!("~internal~ecs~pause-server")]
    );
    assert_eq!(containers[2]["Networks"][0]["IPv4Addresses"], json!([""]));
}
