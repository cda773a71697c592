//! What the endpoint knows: one task, its containers, and its neighbours on the same instance.
//!
//! Containers go through the states that a real agent tells of: created, running, stopped. See
//! [`Task::just_created`].

use std::time::{Duration, SystemTime};

/// RFC 3339 with nanoseconds, as the agent writes it.
fn time(at: SystemTime) -> String {
    humantime::format_rfc3339_nanos(at).to_string()
}

fn now() -> String {
    time(SystemTime::now())
}

/// An ECS task as the agent sees it. The default is a plausible task on EC2 in awsvpc mode.
#[derive(Debug, Clone)]
pub struct Task {
    pub arn: String,
    /// The short name on EC2, the ARN on Fargate.
    pub cluster: String,
    pub family: String,
    /// A number, but a string in every answer.
    pub revision: String,
    /// `EC2`, `FARGATE`, `EXTERNAL` or `MANAGED_INSTANCES`
    pub launch_type: String,
    pub availability_zone: String,
    pub service: Option<String>,
    pub vpc_id: Option<String>,
    /// The limit of the whole task in vCPU.
    pub cpu_limit: Option<f64>,
    /// The limit of the whole task in MiB.
    pub memory_limit: Option<u64>,
    /// `awsvpc`, `bridge` or `host`. Only in awsvpc mode does v2 know its caller by the source address.
    pub network_mode: String,
    /// What ECS wants it to be: `RUNNING` or `STOPPED`.
    pub desired_status: String,
    /// What the agent knows it to be. In the answers of real agents a task whose container asks is often not
    /// known to run yet.
    pub known_status: String,
    /// When the pull of its images began and ended.
    pub pulled: Option<(String, String)>,
    pub fault_injection: bool,
    /// The container instance; null in `/v1/metadata` when unknown, absent on Fargate.
    pub instance_arn: Option<String>,
    /// In the order of the answer. The container under test is the first one of the type `NORMAL`.
    pub containers: Vec<Container>,
    /// Other tasks on the same instance, which only the introspection API shows.
    pub neighbours: Vec<Task>,
}

/// A container of a [`Task`].
#[derive(Debug, Clone)]
pub struct Container {
    /// The last part of the container's `/v4/…` and `/v3/…` URL; not the container ID.
    pub endpoint_id: String,
    /// 64 hex digits on EC2, `<32 hex digits>-<decimal digits>` on Fargate.
    pub docker_id: String,
    pub name: String,
    pub docker_name: String,
    pub image: String,
    pub image_id: String,
    /// `NORMAL` or `CNI_PAUSE`
    pub kind: String,
    pub arn: Option<String>,
    /// RFC 3339 with nanoseconds, like all times here.
    pub created_at: Option<String>,
    pub started_at: Option<String>,
    /// When it ended.
    pub finished_at: Option<String>,
    pub exit_code: Option<u64>,
    pub health: Option<Health>,
    pub known_status: String,
    /// The IPv4 address. Empty in host mode, and where the container is in the network of a pause container
    /// of its own (Service Connect in bridge mode).
    pub ip: String,
    /// Without an IPv4 address beside it the task is one of IPv6 alone.
    pub ipv6: Option<String>,
    /// Whether the agent knows of any network, which in bridge and host mode it does only once the container
    /// runs.
    pub has_network: bool,
    /// In CPU shares.
    pub cpu_limit: Option<u64>,
    /// In MiB.
    pub memory_limit: Option<u64>,
    pub log_driver: Option<String>,
    pub log_options: Vec<(String, String)>,
    /// Labels beside the five that the agent sets.
    pub labels: Vec<(String, String)>,
    pub restart_count: Option<u64>,
    /// Statistics, health and exit code.
    pub scripted: super::stats::Scripted,
}

/// The state of a container's health check.
#[derive(Debug, Clone)]
pub struct Health {
    /// `HEALTHY`, `UNHEALTHY` or `UNKNOWN`
    pub status: String,
    pub since: Option<String>,
    pub exit_code: Option<u64>,
    pub output: Option<String>,
}

/// The name of the container that owns the network of an awsvpc task.
pub const PAUSE: &str = "~internal~ecs~pause";

impl Default for Task {
    fn default() -> Self {
        Task {
            arn: "arn:aws:ecs:eu-central-1:123456789012:task/default/9d4f1c7ab2e84c0f8a35d6e17b20c493".into(),
            cluster: "default".into(),
            family: "shop-web".into(),
            revision: "26".into(),
            launch_type: "EC2".into(),
            availability_zone: "eu-central-1b".into(),
            service: Some("shop".into()),
            vpc_id: Some("vpc-0a1b2c3d4e5f60718".into()),
            cpu_limit: Some(0.25),
            memory_limit: Some(512),
            network_mode: "awsvpc".into(),
            desired_status: "RUNNING".into(),
            known_status: "NONE".into(),
            pulled: Some(("2026-01-15T09:30:02.014273806Z".into(), "2026-01-15T09:30:03.229511064Z".into())),
            fault_injection: false,
            instance_arn: Some(
                "arn:aws:ecs:eu-central-1:123456789012:container-instance/default/\
                 1f73d099b9144e67ac2d2b0a1d2e8a3c"
                    .into(),
            ),
            containers: vec![Container::pause(), Container::default()],
            neighbours: Vec::new(),
        }
    }
}

impl Default for Container {
    fn default() -> Self {
        let option = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Container {
            endpoint_id: "4f2a3c5e-7b1d-4e8f-9a60-0d1c2b3a4f5e".into(),
            docker_id: "c1a7e5d20b9f4836a5d7c8e1f0324b6798dcba5e4f3021768594a3b2c1d0e9f8".into(),
            name: "server".into(),
            docker_name: "ecs-shop-web-26-server-ae81f3c5d0b7e2946a00".into(),
            image: "123456789012.dkr.ecr.eu-central-1.amazonaws.com/shop-web:latest".into(),
            image_id: "sha256:3f8b2a6c915d04e7b8c2f1a0d9e6735481b2c3d4e5f60718293a4b5c6d7e8f90".into(),
            kind: "NORMAL".into(),
            arn: Some(
                "arn:aws:ecs:eu-central-1:123456789012:container/default/9d4f1c7ab2e84c0f8a35d6e17b20c493/\
                 b58e6b1d-6d7f-4a1b-8c0b-0b2f7d7d4c11"
                    .into(),
            ),
            created_at: Some("2026-01-15T09:30:03.418764321Z".into()),
            started_at: Some("2026-01-15T09:30:04.120053877Z".into()),
            finished_at: None,
            exit_code: None,
            health: None,
            known_status: "RUNNING".into(),
            ip: "10.0.2.100".into(),
            ipv6: None,
            has_network: true,
            cpu_limit: Some(10),
            memory_limit: Some(128),
            log_driver: Some("awslogs".into()),
            log_options: vec![
                option("awslogs-group", "/ecs/shop"),
                option("awslogs-region", "eu-central-1"),
                option("awslogs-stream", "web/server/9d4f1c7ab2e84c0f8a35d6e17b20c493"),
            ],
            labels: Vec::new(),
            restart_count: None,
            scripted: super::stats::Scripted::default(),
        }
    }
}

impl Container {
    /// The container that owns the network of an awsvpc task: it starts first, and Docker shows its ID in the
    /// mounts and the host name of all the others.
    pub fn pause() -> Self {
        Container {
            endpoint_id: "0e9d8c7b-6a5f-4e3d-8c2b-1a0f9e8d7c6b".into(),
            docker_id: "5b0e9d8c7f6a4132b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f7081920".into(),
            name: PAUSE.into(),
            docker_name: "ecs-shop-web-26-internalecspause-f0c2b69a87d5e4a31b00".into(),
            image: "amazon/amazon-ecs-pause:0.1.0".into(),
            image_id: String::new(),
            kind: "CNI_PAUSE".into(),
            arn: None,
            created_at: Some("2026-01-15T09:30:01.366372108Z".into()),
            started_at: Some("2026-01-15T09:30:01.903921455Z".into()),
            known_status: "RUNNING".into(),
            cpu_limit: None,
            memory_limit: None,
            log_driver: None,
            log_options: Vec::new(),
            ..Container::default()
        }
    }

    /// The pause container of this container alone, with `ip`: Service Connect in bridge mode.
    pub fn pause_of(&self, docker_id: &str, ip: &str) -> Self {
        let name = format!("{PAUSE}-{}", self.name);
        Container {
            docker_name: format!("ecs-shop-web-26-internal~ecs~pause-{}-f0c2b69a87d5e4a31b00", self.name),
            endpoint_id: format!("endpoint-of-{name}"),
            name,
            docker_id: docker_id.into(),
            ip: ip.into(),
            ..Container::pause()
        }
    }

    /// Docker has created it, and its start call has not returned: the agent knows neither when it was
    /// started nor, but for awsvpc mode, its network.
    pub fn create(&mut self, has_network: bool) {
        (self.started_at, self.finished_at, self.exit_code) = (None, None, None);
        self.known_status = "CREATED".into();
        self.has_network = has_network;
    }

    /// Docker's start call has returned. A container that its restart policy starts again keeps the time of
    /// its first start, and is counted.
    pub fn start(&mut self) {
        if self.started_at.is_some() {
            self.restart_count = Some(self.restart_count.unwrap_or(0) + 1);
        } else {
            self.started_at = Some(now());
        }
        (self.finished_at, self.exit_code) = (None, None);
        self.known_status = "RUNNING".into();
        self.has_network = true;
    }

    /// It has ended, `before` now.
    pub fn end(&mut self, exit_code: u64, before: Duration) {
        self.finished_at = Some(time(SystemTime::now() - before));
        self.exit_code = Some(exit_code);
        self.known_status = "STOPPED".into();
    }

    /// Whether this is the container that owns the network.
    pub fn is_pause(&self) -> bool {
        self.kind == "CNI_PAUSE"
    }
}

impl Task {
    /// A task on EC2 in bridge mode: no pause container, and v2 does not know its caller.
    pub fn ec2_bridge() -> Self {
        let container = Container { ip: "172.17.0.2".into(), ..Container::default() };
        Task { network_mode: "bridge".into(), containers: vec![container], ..Task::default() }
    }

    /// A task on Fargate (platform 1.4): the cluster is an ARN, the container ID is made of the task ID, no
    /// pause container shows.
    pub fn fargate() -> Self {
        let id = "7c2e94d1a0b84f6e9d35c8e7f1a2b346-1873405926";
        let container = Container {
            endpoint_id: id.into(),
            docker_id: id.into(),
            docker_name: "server".into(),
            ip: "192.0.2.3".into(),
            arn: Some(
                "arn:aws:ecs:eu-central-1:111122223333:container/default/7c2e94d1a0b84f6e9d35c8e7f1a2b346/\
                 6e1f0a9b-3c5d-47e8-b2a1-9f8e7d6c5b4a"
                    .into(),
            ),
            log_options: vec![
                ("awslogs-group".into(), "/ecs/shop".into()),
                ("awslogs-region".into(), "eu-central-1".into()),
                ("awslogs-stream".into(), "web/server/7c2e94d1a0b84f6e9d35c8e7f1a2b346".into()),
            ],
            ..Container::default()
        };
        Task {
            arn: "arn:aws:ecs:eu-central-1:111122223333:task/default/7c2e94d1a0b84f6e9d35c8e7f1a2b346".into(),
            cluster: "arn:aws:ecs:eu-central-1:111122223333:cluster/default".into(),
            launch_type: "FARGATE".into(),
            availability_zone: "eu-central-1a".into(),
            instance_arn: None,
            containers: vec![container],
            ..Task::default()
        }
    }

    /// A task in bridge mode with Service Connect: each container has a pause container of its own, and an
    /// empty address itself. That of the other container comes first.
    pub fn ec2_bridge_with_service_connect() -> Self {
        let server = Container { ip: String::new(), ..Container::default() };
        let proxy = Container {
            endpoint_id: "ep-proxy".into(),
            docker_id: "f4".repeat(32),
            name: "ecs-service-connect-Ab1".into(),
            docker_name: "ecs-shop-web-26-ecs-service-connect-Ab1-ae81f3c5d0b7e2946a01".into(),
            started_at: Some("2026-01-15T09:30:02.5Z".into()),
            ..server.clone()
        };
        let mut pause_of_proxy = proxy.pause_of(&"f2".repeat(32), "172.17.0.7");
        pause_of_proxy.started_at = Some("2026-01-15T09:29:01Z".into());
        let pause = server.pause_of(&"f1".repeat(32), "172.17.0.6");
        Task {
            network_mode: "bridge".into(),
            containers: vec![pause_of_proxy, pause, server, proxy],
            ..Task::default()
        }
    }

    /// The same, its container started a second ago and all else as long before that as it was.
    #[must_use]
    pub fn just_started(self) -> Self {
        self.shifted(Duration::from_secs(1))
    }

    /// The same at the moment at which the container under test asks: Docker's start call has not returned,
    /// and the agent does not know that it runs. [`Container::start`] is what follows.
    #[must_use]
    pub fn just_created(self) -> Self {
        let mut task = self.shifted(Duration::ZERO);
        let has_network = task.network_mode == "awsvpc";
        if let Some(subject) = task.subject_mut() {
            subject.create(has_network);
        }
        task
    }

    /// All times later, so that the container under test was started `before` now.
    fn shifted(mut self, before: Duration) -> Self {
        let read = |time: &String| humantime::parse_rfc3339(time).expect("a time of our own");
        let Some(then) = self.subject().and_then(|subject| subject.started_at.as_ref().map(read)) else {
            return self;
        };
        let later = (SystemTime::now() - before).duration_since(then).expect("a time in the past");
        let shift = |text: &mut String| *text = time(read(text) + later);
        for container in &mut self.containers {
            [&mut container.created_at, &mut container.started_at].into_iter().flatten().for_each(shift);
        }
        if let Some((began, ended)) = &mut self.pulled {
            [began, ended].into_iter().for_each(shift);
        }
        self
    }

    /// The container under test: the first of the type `NORMAL`, else the first.
    pub fn subject(&self) -> Option<&Container> {
        self.containers.iter().find(|container| !container.is_pause()).or_else(|| self.containers.first())
    }

    /// Like [`Task::subject`], to change it.
    pub fn subject_mut(&mut self) -> Option<&mut Container> {
        let index = self.containers.iter().position(|container| !container.is_pause()).unwrap_or(0);
        self.containers.get_mut(index)
    }
}
