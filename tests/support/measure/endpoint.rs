//! A task metadata endpoint on loopback that answers at once, for what an identity costs at the start.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::json;

const TASK_ARN: &str = "arn:aws:ecs:eu-central-1:123456789012:task/shop/0f1e2d3c4b5a69788796a5b4c3d2e1f0";

/// The endpoint; it answers until this process ends.
pub struct Endpoint {
    /// For `ECS_CONTAINER_METADATA_URI_V4`.
    pub uri: String,
    requests: Arc<AtomicU64>,
}

impl Endpoint {
    /// Binds a free port on loopback and answers there in a thread.
    ///
    /// # Errors
    /// The error of the socket calls.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let uri = format!("http://{}/v4/bench", listener.local_addr()?);
        let requests = Arc::new(AtomicU64::new(0));
        let served = Arc::clone(&requests);
        thread::spawn(move || serve(&listener, &served));
        Ok(Self { uri, requests })
    }

    /// How many requests it has answered.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }
}

struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
}

fn serve(listener: &TcpListener, served: &AtomicU64) {
    let container =
        answer("200 OK", &container("0f1e2d3c4b5a69788796a5b4c3d2e1f0-web", "web", 0xa1).to_string());
    let task = answer("200 OK", &task().to_string());
    let unknown = answer("404 Not Found", "\"unable to get the v4 container of the request\"");
    let mut connections: Vec<Connection> = Vec::new();
    loop {
        let mut ready = vec![PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
        ready.extend(connections.iter().map(|one| PollFd::new(one.stream.as_fd(), PollFlags::POLLIN)));
        if poll(&mut ready, PollTimeout::NONE).is_err() {
            continue;
        }
        let mut ready = ready.iter().map(|fd| fd.any().unwrap_or(false)).collect::<Vec<_>>().into_iter();
        let accept = ready.next().unwrap_or(false);
        connections.retain_mut(|one| {
            !ready.next().unwrap_or(false)
                || one.answer(|path| {
                    served.fetch_add(1, Ordering::Relaxed);
                    match path {
                        "/v4/bench" => &container,
                        "/v4/bench/task" => &task,
                        _ => &unknown,
                    }
                })
        });
        if accept && let Ok((stream, _)) = listener.accept() {
            // Without it the second answer on a connection may wait for an acknowledgement.
            let _ = stream.set_nodelay(true);
            connections.push(Connection { stream, request: Vec::new() });
        }
    }
}

impl Connection {
    /// Reads what is there and answers when a request is whole; false when the connection is over.
    fn answer<'a>(&mut self, respond: impl Fn(&str) -> &'a [u8]) -> bool {
        const MAX_REQUEST: usize = 8192;
        let mut part = [0; 2048];
        match self.stream.read(&mut part) {
            Ok(n) if n > 0 && self.request.len() < MAX_REQUEST => self.request.extend(part.iter().take(n)),
            _ => return false,
        }
        if !self.request.ends_with(b"\r\n\r\n") {
            return true;
        }
        let request = std::mem::take(&mut self.request);
        let line = String::from_utf8_lossy(&request);
        let path = line.split(' ').nth(1).unwrap_or_default();
        self.stream.write_all(respond(path)).is_ok()
    }
}

fn answer(status: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

/// A container as the agent describes one: the usual fields, 2 KB.
fn container(docker_name: &str, name: &str, seed: u8) -> serde_json::Value {
    let id: String = (0..32_u8).map(|n| format!("{:02x}", n.wrapping_mul(37).wrapping_add(seed))).collect();
    let registry = "123456789012.dkr.ecr.eu-central-1.amazonaws.com";
    json!({
        "DockerId": id,
        "Name": name,
        "DockerName": format!("ecs-shop-frontend-42-{docker_name}"),
        "Image": format!("{registry}/shop/{name}:2024-05-17.3"),
        "ImageID": format!("sha256:{id}"),
        "Ports": [{"ContainerPort": 8080, "Protocol": "tcp", "HostPort": 49153, "HostIp": "0.0.0.0"}],
        "Labels": {
            "com.amazonaws.ecs.cluster": "arn:aws:ecs:eu-central-1:123456789012:cluster/shop",
            "com.amazonaws.ecs.container-name": name,
            "com.amazonaws.ecs.task-arn": TASK_ARN,
            "com.amazonaws.ecs.task-definition-family": "shop-frontend",
            "com.amazonaws.ecs.task-definition-version": "42",
            "org.opencontainers.image.created": "2024-05-17T06:12:43Z",
            "org.opencontainers.image.revision": "5d9c0f4a1b2c3d4e5f60718293a4b5c6d7e8f901",
            "org.opencontainers.image.source": "https://git.example.com/shop/frontend",
            "org.opencontainers.image.title": "Shop frontend",
            "org.opencontainers.image.vendor": "Example GmbH",
        },
        "DesiredStatus": "RUNNING",
        "KnownStatus": "RUNNING",
        "Limits": {"CPU": 512, "Memory": 1024},
        "CreatedAt": "2024-05-17T08:03:21.402973104Z",
        "StartedAt": "2024-05-17T08:03:22.190117452Z",
        "Type": "NORMAL",
        "LogDriver": "awslogs",
        "LogOptions": {
            "awslogs-create-group": "true",
            "awslogs-group": "/ecs/shop-frontend",
            "awslogs-region": "eu-central-1",
            "awslogs-stream": format!("shop/{name}/0f1e2d3c4b5a69788796a5b4c3d2e1f0"),
        },
        "ContainerARN": format!("arn:aws:ecs:eu-central-1:123456789012:container/shop/0f1e2d3c4b5a69788796a5b4c3d2e1f0/{name}"),
        "Networks": [{
            "NetworkMode": "awsvpc",
            "IPv4Addresses": ["10.0.47.112"],
            "AttachmentIndex": 0,
            "MACAddress": "06:a3:51:9c:2e:4b",
            "IPv4SubnetCIDRBlock": "10.0.32.0/20",
            "DomainNameServers": ["10.0.0.2"],
            "DomainNameSearchList": ["eu-central-1.compute.internal"],
            "PrivateDNSName": "ip-10-0-47-112.eu-central-1.compute.internal",
            "SubnetGatewayIpv4Address": "10.0.32.1/20",
        }],
    })
}

/// Its task with a second container, 4 KB.
fn task() -> serde_json::Value {
    json!({
        "Cluster": "arn:aws:ecs:eu-central-1:123456789012:cluster/shop",
        "TaskARN": TASK_ARN,
        "Family": "shop-frontend",
        "ServiceName": "frontend",
        "Revision": "42",
        "DesiredStatus": "RUNNING",
        "KnownStatus": "RUNNING",
        "Limits": {"CPU": 1, "Memory": 2048},
        "PullStartedAt": "2024-05-17T08:03:02.114027351Z",
        "PullStoppedAt": "2024-05-17T08:03:20.871552096Z",
        "AvailabilityZone": "eu-central-1b",
        "VPCID": "vpc-0d1c2b3a495867706",
        "LaunchType": "FARGATE",
        "Containers": [
            container("0f1e2d3c4b5a69788796a5b4c3d2e1f0-metrics", "metrics", 0x5c),
            container("0f1e2d3c4b5a69788796a5b4c3d2e1f0-web", "web", 0xa1),
        ],
    })
}
