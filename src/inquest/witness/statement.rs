//! What a witness says, and who it is.

use super::time::LocalClock;
use jiff::Timestamp;

/// Who says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WitnessKind {
    /// the kernel's log: dmesg, `journalctl -k`, kern.log
    Kernel,
    /// `docker inspect`, `docker events`, the engine's `config.v2.json`, and Podman's `inspect` and `events`
    Docker,
    /// state change events, `describe-tasks`, `stop-task`, and the texts of service events
    Ecs,
    /// the log of the ECS agent on the instance
    Agent,
    /// calls of the AWS API that were logged: who stopped a task
    CloudTrail,
}

impl WitnessKind {
    /// All of them, in the order in which they are shown.
    pub const ALL: [WitnessKind; 5] = [
        WitnessKind::Kernel,
        WitnessKind::Docker,
        WitnessKind::Ecs,
        WitnessKind::Agent,
        WitnessKind::CloudTrail,
    ];

    /// Its name on the command line: `kernel`, `docker`, `ecs`, `agent` or `cloudtrail`.
    pub fn name(self) -> &'static str {
        match self {
            WitnessKind::Kernel => "kernel",
            WitnessKind::Docker => "docker",
            WitnessKind::Ecs => "ecs",
            WitnessKind::Agent => "agent",
            WitnessKind::CloudTrail => "cloudtrail",
        }
    }
}

/// What one witness says at one place.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// who says it
    pub kind: WitnessKind,
    /// when it happened, or by when at the latest, by the witness's own clock; `None` where the witness gives
    /// no time that can be placed in the world
    pub time: Option<Timestamp>,
    /// a time that cannot be placed by itself: without its zone, its year, or the time of the boot
    pub clock: Option<LocalClock>,
    /// the host that a line of syslog or journald names
    pub host: Option<String>,
    /// the ECS task's ID: 32 lower-case hex digits; the dashes of the older form are left out
    pub task_id: Option<String>,
    /// the ECS task's ARN, as the witness writes it
    pub task_arn: Option<String>,
    /// the runtime's ID of the container: 64 hex digits, or `<32 hex digits>-<digits>`
    pub container_id: Option<String>,
    /// the container's name in the task definition; of `docker` alone its name in the engine where it has no
    /// such label
    pub container_name: Option<String>,
    /// the container's name in Docker or Podman, which it has also where there is no ECS
    pub engine_name: Option<String>,
    /// `version` of the object that the statement is about: the same version twice is one statement
    pub version: Option<u64>,
    /// what is said
    pub what: What,
    /// the words of the witness, at most [`TEXT_LIMIT`] bytes. Raw: to be escaped before it is shown
    pub text: String,
}

/// The longest `text` of a statement, in bytes.
pub const TEXT_LIMIT: usize = 400;

impl Statement {
    pub(super) fn new(kind: WitnessKind, what: What, text: &str) -> Statement {
        Statement {
            kind,
            time: None,
            clock: None,
            host: None,
            task_id: None,
            task_arn: None,
            container_id: None,
            container_name: None,
            engine_name: None,
            version: None,
            what,
            text: shortened(text),
        }
    }

    /// Whether it names a task or a container, and can so be joined to a life by itself.
    pub fn names_somebody(&self) -> bool {
        self.task_id.is_some() || self.container_id.is_some() || self.container_name.is_some()
    }
}

/// What a statement says.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// the kernel's OOM killer took a process (kernel)
    OomKill(OomKill),
    /// all processes of a cgroup are to be killed, since `memory.oom.group` is set (kernel)
    OomGroup {
        /// the path of that cgroup
        memcg: String,
    },
    /// the container's memory cgroup met an OOM, whoever was killed (Docker's event `oom`)
    Oom,
    /// a container ended (Docker, ECS, agent)
    ContainerExit(ContainerExit),
    /// a container is in another state than ended: `RUNNING`, `created`, `unhealthy` … (Docker, ECS, agent)
    ContainerStatus {
        /// the state, as the witness writes it
        status: String,
    },
    /// a signal was sent to the container's first process (Docker's event `kill`)
    KillSignal {
        /// the signal's number
        signal: u8,
    },
    /// the agent is about to stop the container
    Stopping,
    /// the container was started (Docker)
    Started,
    /// the task ended: it is STOPPED, or DEPROVISIONING, when its containers have ended (ECS)
    TaskStopped(Box<TaskState>),
    /// the task is in another state; where it is about to end, with `stop_code` and `stopped_reason` (ECS)
    TaskStatus(Box<TaskState>),
    /// it was to be stopped: by a call of the API (CloudTrail `StopTask`), by the control plane (agent), or
    /// by `docker stop`, whose event comes when the container has ended
    StopRequested(StopRequest),
    /// a service of ECS did something: one statement a task that it names, or one without a task
    ServiceEvent(ServiceEvent),
    /// the state of a container instance or of its EC2 instance (ECS, EventBridge)
    InstanceState(InstanceState),
}

/// A process that the kernel's OOM killer took.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OomKill {
    /// the process ID on the host; not the one within the container
    pub pid: Option<u32>,
    /// what it called itself: at most 15 bytes
    pub name: Option<String>,
    /// its user ID on the host
    pub uid: Option<u32>,
    /// its anonymous resident memory, in bytes
    pub anon_rss: Option<u64>,
    /// its resident pages of files, in bytes
    pub file_rss: Option<u64>,
    /// its resident shared memory, in bytes
    pub shmem_rss: Option<u64>,
    /// whose limit was met
    pub scope: OomScope,
    /// the memory cgroup of the victim, or with `group` the one that was killed as a whole, which may be
    /// above it
    pub victim_memcg: Option<String>,
    /// the memory cgroup whose limit was met: the victim's own, or one above it, as the task's
    pub limit_memcg: Option<String>,
    /// it was killed with its whole cgroup, since `memory.oom.group` is set
    pub group: bool,
}

/// Whose limit an OOM kill was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OomScope {
    /// a memory cgroup's
    Cgroup,
    /// the machine ran out of memory, whatever the container's limit
    Machine,
    /// the witness does not say, or it was a cpuset's or a memory policy's
    #[default]
    Unknown,
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ContainerExit {
    /// the exit code of the container's first process; above 128 it is 128 + the signal
    pub code: Option<i64>,
    /// why, as the witness writes it: `OutOfMemoryError: Container killed due to memory usage`
    pub reason: Option<String>,
    /// Docker's `OOMKilled`: also true where only a child of the program was killed
    pub oom_killed: Option<bool>,
    /// when it was started
    pub started_at: Option<Timestamp>,
    /// when it ended
    pub finished_at: Option<Timestamp>,
    /// how often the engine has started it again under the same ID
    pub restart_count: Option<u64>,
}

/// An ECS task at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TaskState {
    /// `PENDING`, `RUNNING`, `STOPPED` …
    pub last_status: Option<String>,
    /// what ECS wants it to be
    pub desired_status: Option<String>,
    /// `EssentialContainerExited`, `UserInitiated`, `ServiceSchedulerInitiated`, `SpotInterruption` …
    pub stop_code: Option<String>,
    /// why, in words
    pub stopped_reason: Option<String>,
    /// when the task was created
    pub created_at: Option<Timestamp>,
    /// when it came to RUNNING
    pub started_at: Option<Timestamp>,
    /// when it began to stop
    pub stopping_at: Option<Timestamp>,
    /// when its essential container had stopped
    pub execution_stopped_at: Option<Timestamp>,
    /// when it came to STOPPED
    pub stopped_at: Option<Timestamp>,
    /// the short name of the cluster
    pub cluster: Option<String>,
    /// `family:revision`
    pub task_definition: Option<String>,
    /// the service of `group`: `service:NAME`
    pub service: Option<String>,
    /// `EC2`, `FARGATE`, `EXTERNAL` …
    pub launch_type: Option<String>,
    /// the availability zone
    pub availability_zone: Option<String>,
    /// the ARN of the container instance
    pub container_instance_arn: Option<String>,
    /// who started it: `ecs-svc/…`, or a name that the caller chose
    pub started_by: Option<String>,
}

/// A request to stop a task.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StopRequest {
    /// who: the ARN of a user or role, or the AWS service that acted
    pub by: Option<String>,
    /// the reason that was given
    pub reason: Option<String>,
    /// the address that the call came from
    pub source_ip: Option<String>,
    /// the error of a call that failed: nothing was stopped by it
    pub error: Option<String>,
}

/// What a service of ECS did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceEvent {
    /// the service's name
    pub service: Option<String>,
    /// the short name of the cluster
    pub cluster: Option<String>,
    /// what it did
    pub action: ServiceAction,
    /// the reason, where one is given apart from the text
    pub reason: Option<String>,
}

/// The kinds of service events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceAction {
    /// it started tasks
    StartedTasks,
    /// it stopped running tasks
    StoppedTasks,
    /// a task, its container or its target failed a health check
    HealthCheckFailed,
    /// a target of a load balancer was registered
    RegisteredTargets,
    /// a target of a load balancer was deregistered
    DeregisteredTargets,
    /// it drains the connections of tasks that are to end
    DrainingConnections,
    /// it is as it should be
    SteadyState,
    /// it found no place for a task
    PlacementFailed,
    /// its tasks do not come up
    StartImpaired,
    /// a deployment began or goes on
    DeploymentInProgress,
    /// a deployment ended well
    DeploymentCompleted,
    /// a deployment failed
    DeploymentFailed,
    /// another one: `eventName` of EventBridge, or empty for a text of no known kind
    Other(String),
}

/// A container instance, or its EC2 instance, at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InstanceState {
    /// the ARN of the container instance
    pub container_instance_arn: Option<String>,
    /// the ID of the EC2 instance: `i-…`
    pub ec2_instance_id: Option<String>,
    /// `ACTIVE`, `DRAINING`, `DEREGISTERING` …; EC2's `stopping`, `terminated` …; `spot interruption`
    pub status: Option<String>,
    /// whether the agent is connected
    pub agent_connected: Option<bool>,
}

/// The text within [`TEXT_LIMIT`], cut at a character.
fn shortened(text: &str) -> String {
    let text = text.trim();
    if text.len() <= TEXT_LIMIT {
        return text.to_owned();
    }
    let mut end = TEXT_LIMIT - '…'.len_utf8();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut cut = text.get(..end).unwrap_or_default().to_owned();
    cut.push('…');
    cut
}
